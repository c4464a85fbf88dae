using System.Buffers.Binary;
using System.Text;

namespace Hectare.Transport;

/// <summary>Why a server did not take a client. A byte on the wire: numbers are never reused.</summary>
public enum RefuseReason : byte
{
    /// <summary>No reason given.</summary>
    None = 0,

    /// <summary>The two ends speak different protocol versions.</summary>
    WrongVersion = 1,

    /// <summary>Every place is taken.</summary>
    Full = 2,

    /// <summary>The client's map is not the server's.</summary>
    WrongMap = 3,

    /// <summary>The client's schema lacks what it needs; the text names the first difference.</summary>
    SchemaMismatch = 4,

    /// <summary>This player may not play here.</summary>
    Banned = 5,

    /// <summary>The server is going down.</summary>
    ShuttingDown = 6,

    /// <summary>The connect token is missing, spent, expired or forged.</summary>
    BadToken = 7,
}

/// <summary>The five packets that make a connection, byte by byte, and what they must hold.</summary>
/// <remarks><code>
/// request   1,200  type u8 | 'HECT' | protocol version u16 | client random 16 | token place 1,024 | zeros | tag 16
/// challenge    89  type u8 | client random 16 | server random 16 | stamp u64 | cookie 32 | tag 16
/// response  1,200  type u8 | client random 16 | server random 16 | stamp u64 | cookie 32 | schema hash u64 | map SHA-256 32 | token place 1,024 | zeros | tag 16
/// accepted     41  type u8 | client random 16 | connection id u64 | tag 16
/// refused 35..235  type u8 | client random 16 | reason u8 | text bytes u8 | text UTF-8, 0 to 200 | tag 16
/// </code>Tags are <see cref="KeyedChecksum"/> with nonce 0 under the client random and, in response and accepted, the server random (else zero).
/// The layouts of request and refused and this checksum stay as they are in all later versions: only so can a wrong version be told.</remarks>
public static class Handshake
{
    /// <summary>Version of everything on the wire. Raised by any change of it.</summary>
    public const ushort ProtocolVersion = 1;

    /// <summary>Bytes of a request and of a response: no reply is larger than what it answers.</summary>
    public const int PaddedBytes = PacketHeader.DatagramBytesMax;

    /// <summary>Bytes of a challenge.</summary>
    public const int ChallengeBytes = 89;

    /// <summary>Bytes of an acceptance.</summary>
    public const int AcceptedBytes = 41;

    /// <summary>Most bytes of a refusal.</summary>
    public const int RefusedBytesMax = 35 + RefuseTextBytesMax;

    /// <summary>Most bytes of a refusal's text, as UTF-8.</summary>
    public const int RefuseTextBytesMax = 200;

    /// <summary>Bytes kept for the connect token in request and response. Zero, and not looked at, while there are no tokens.</summary>
    public const int TokenBytes = 1024;

    internal const int CookieBytes = 32;
    private const uint Magic = 0x54434548;   // 'HECT', little-endian

    internal static int WriteRequest(Span<byte> datagram, ushort version, in Random128 clientRandom)
    {
        Span<byte> packet = Padded(datagram, PacketType.Request);
        BinaryPrimitives.WriteUInt32LittleEndian(packet[1..], Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[5..], version);
        clientRandom.Write(packet[7..]);
        return Tag(packet, PaddedBytes, clientRandom, default);
    }

    internal static bool TryReadRequest(ReadOnlySpan<byte> datagram, out ushort version, out Random128 clientRandom)
    {
        version = 0;
        clientRandom = default;
        if (!Is(datagram, PacketType.Request, PaddedBytes) || BinaryPrimitives.ReadUInt32LittleEndian(datagram[1..]) != Magic)
            return false;
        version = BinaryPrimitives.ReadUInt16LittleEndian(datagram[5..]);
        clientRandom = Random128.Read(datagram[7..]);
        return HasTag(datagram, clientRandom, default);
    }

    internal static int WriteChallenge(Span<byte> datagram, in Challenge challenge, ReadOnlySpan<byte> cookie)
    {
        datagram[0] = (byte)PacketType.Challenge;
        WriteProof(datagram[1..], challenge, cookie);
        return Tag(datagram, ChallengeBytes, challenge.ClientRandom, default);
    }

    internal static bool TryReadChallenge(ReadOnlySpan<byte> datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie)
    {
        challenge = default;
        cookie = default;
        if (!Is(datagram, PacketType.Challenge, ChallengeBytes))
            return false;
        ReadProof(datagram[1..], out challenge, out cookie);
        return HasTag(datagram, challenge.ClientRandom, default);
    }

    internal static int WriteResponse(Span<byte> datagram, in Challenge challenge, ReadOnlySpan<byte> cookie, ulong schemaHash, in Hash256 mapHash)
    {
        Span<byte> packet = Padded(datagram, PacketType.Response);
        WriteProof(packet[1..], challenge, cookie);
        BinaryPrimitives.WriteUInt64LittleEndian(packet[73..], schemaHash);
        mapHash.Write(packet[81..]);
        return Tag(packet, PaddedBytes, challenge.ClientRandom, challenge.ServerRandom);
    }

    internal static bool TryReadResponse(ReadOnlySpan<byte> datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie, out ulong schemaHash, out Hash256 mapHash)
    {
        challenge = default;
        cookie = default;
        schemaHash = 0;
        mapHash = default;
        if (!Is(datagram, PacketType.Response, PaddedBytes))
            return false;
        ReadProof(datagram[1..], out challenge, out cookie);
        schemaHash = BinaryPrimitives.ReadUInt64LittleEndian(datagram[73..]);
        mapHash = Hash256.Read(datagram[81..]);
        return HasTag(datagram, challenge.ClientRandom, challenge.ServerRandom);
    }

    internal static int WriteAccepted(Span<byte> datagram, in Random128 clientRandom, in Random128 serverRandom, ulong connectionId)
    {
        datagram[0] = (byte)PacketType.Accepted;
        clientRandom.Write(datagram[1..]);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[17..], connectionId);
        return Tag(datagram, AcceptedBytes, clientRandom, serverRandom);
    }

    internal static bool TryReadAccepted(ReadOnlySpan<byte> datagram, in Random128 clientRandom, in Random128 serverRandom, out ulong connectionId)
    {
        connectionId = 0;
        if (!Is(datagram, PacketType.Accepted, AcceptedBytes) || Random128.Read(datagram[1..]) != clientRandom)
            return false;
        connectionId = BinaryPrimitives.ReadUInt64LittleEndian(datagram[17..]);
        return HasTag(datagram, clientRandom, serverRandom);
    }

    internal static int WriteRefused(Span<byte> datagram, in Random128 clientRandom, RefuseReason reason, ReadOnlySpan<char> text)
    {
        datagram[0] = (byte)PacketType.Refused;
        clientRandom.Write(datagram[1..]);
        datagram[17] = (byte)reason;
        // Whole characters only: Utf8.FromUtf16 stops before one that does not fit.
        System.Text.Unicode.Utf8.FromUtf16(text, datagram.Slice(19, RefuseTextBytesMax), out _, out int textBytes);
        datagram[18] = (byte)textBytes;
        return Tag(datagram, 19 + textBytes + PacketHeader.TagBytes, clientRandom, default);
    }

    internal static bool TryReadRefused(ReadOnlySpan<byte> datagram, in Random128 clientRandom, out RefuseReason reason, out string text)
    {
        reason = RefuseReason.None;
        text = "";
        if (datagram.Length < 19 + PacketHeader.TagBytes || datagram[0] != (byte)PacketType.Refused || Random128.Read(datagram[1..]) != clientRandom)
            return false;
        int textBytes = datagram[18];
        if (textBytes > RefuseTextBytesMax || datagram.Length != 19 + textBytes + PacketHeader.TagBytes || !HasTag(datagram, clientRandom, default))
            return false;
        reason = (RefuseReason)datagram[17];
        text = Encoding.UTF8.GetString(datagram.Slice(19, textBytes));
        return true;
    }

    private static void WriteProof(Span<byte> destination, in Challenge challenge, ReadOnlySpan<byte> cookie)
    {
        challenge.ClientRandom.Write(destination);
        challenge.ServerRandom.Write(destination[16..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], challenge.Stamp);
        cookie[..CookieBytes].CopyTo(destination[40..]);
    }

    private static void ReadProof(ReadOnlySpan<byte> source, out Challenge challenge, out ReadOnlySpan<byte> cookie)
    {
        challenge = new Challenge(Random128.Read(source), Random128.Read(source[16..]), BinaryPrimitives.ReadUInt64LittleEndian(source[32..]));
        cookie = source.Slice(40, CookieBytes);
    }

    private static bool Is(ReadOnlySpan<byte> datagram, PacketType type, int bytes) => datagram.Length == bytes && datagram[0] == (byte)type;

    private static Span<byte> Padded(Span<byte> datagram, PacketType type)
    {
        Span<byte> packet = datagram[..PaddedBytes];
        packet.Clear();
        packet[0] = (byte)type;
        return packet;
    }

    private static int Tag(Span<byte> datagram, int bytes, in Random128 clientRandom, in Random128 serverRandom)
    {
        int tagged = bytes - PacketHeader.TagBytes;
        new KeyedChecksum(clientRandom, serverRandom).WriteTag(datagram[..tagged], 0, datagram.Slice(tagged, PacketHeader.TagBytes));
        return bytes;
    }

    private static bool HasTag(ReadOnlySpan<byte> datagram, in Random128 clientRandom, in Random128 serverRandom) =>
        new KeyedChecksum(clientRandom, serverRandom).HasTag(datagram, 0);
}

/// <summary>What a challenge says and a response gives back; the cookie proves that the server said it.</summary>
internal readonly record struct Challenge(Random128 ClientRandom, Random128 ServerRandom, ulong Stamp);
