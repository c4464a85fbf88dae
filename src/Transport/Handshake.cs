using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Hectare.Transport.Crypto;

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

    /// <summary>Too many others are on their way in; ask again in a few seconds.</summary>
    TooManyPending = 8,
}

/// <summary>The packets that make a connection, byte by byte, and what they must hold.</summary>
/// <remarks><code>
/// request   1,200  type u8 | 'HECT' | protocol version u16 | client random 16 | suites u8 | zeros | tag 16
/// challenge    90  type u8 | client random 16 | server random 16 | stamp u64 | cookie 32 | suite u8 | tag 16
/// response  1,200  type u8 | client random 16 | server random 16 | stamp u64 | cookie 32 | suite u8 | suites u8 | schema hash u64 | map SHA-256 32 |
///                  token bytes u16 | sealed token, up to 1,024 | zeros | tag 16, of all before it | mac 16
/// accepted     41  type u8 | client random 16 | connection id u64 | mac 16
/// refused 35..235  type u8 | client random 16 | reason u8 | text bytes u8 | text UTF-8, 0 to 200 | tag or mac 16
/// token ask 1,200  type u8 | 'HECT' | protocol version u16 | client random 16 | zeros | tag 16
/// token grant      type u8 | client random 16 | token bytes u16 | token (<see cref="ConnectToken"/>) | tag 16
/// </code>A tag is a <see cref="KeyedChecksum"/> with nonce 0 under the client random: it comes before any secret. A mac is the first 16 bytes of HMAC-SHA256
/// under the sender's handshake key (<see cref="ConnectionKeys"/>): only who holds the token's secret can make it. A refusal has a tag when its reason is one
/// that is found before the token is opened (<see cref="IsBeforeToken"/>), else a mac.
/// The layouts of request and refused and the tag stay as they are in all later versions: only so can a wrong version be told.</remarks>
public static class Handshake
{
    /// <summary>Version of everything on the wire. Raised by any change of it.</summary>
    public const ushort ProtocolVersion = 2;

    /// <summary>Bytes of a request, a response and a token ask: no reply is larger than what it answers.</summary>
    public const int PaddedBytes = PacketHeader.DatagramBytesMax;

    /// <summary>Bytes of a challenge.</summary>
    public const int ChallengeBytes = 90;

    /// <summary>Bytes of an acceptance.</summary>
    public const int AcceptedBytes = 41;

    /// <summary>Most bytes of a refusal.</summary>
    public const int RefusedBytesMax = 35 + RefuseTextBytesMax;

    /// <summary>Most bytes of a refusal's text, as UTF-8.</summary>
    public const int RefuseTextBytesMax = 200;

    internal const int CookieBytes = 32;
    internal const uint Magic = 0x54434548;   // 'HECT', little-endian
    private const int SuitesOffset = 23;     // of a request
    private const int TokenOffset = 117;     // of a response

    /// <summary>True for the reasons that a client believes without a mac: nothing secret is shared yet when they are found.</summary>
    internal static bool IsBeforeToken(RefuseReason reason) => reason is RefuseReason.WrongVersion or RefuseReason.BadToken;

    internal static int WriteRequest(Span<byte> datagram, ushort version, in Random128 clientRandom, CipherSuites suites)
    {
        Span<byte> packet = Ask(datagram, PacketType.Request, version, clientRandom);
        packet[SuitesOffset] = (byte)suites;
        return Tag(packet, PaddedBytes, clientRandom);
    }

    internal static bool TryReadRequest(ReadOnlySpan<byte> datagram, out ushort version, out Random128 clientRandom, out CipherSuites suites)
    {
        suites = CipherSuites.None;
        if (!TryReadAsk(datagram, PacketType.Request, out version, out clientRandom))
            return false;
        suites = (CipherSuites)datagram[SuitesOffset];
        return true;
    }

    internal static int WriteTokenAsk(Span<byte> datagram, ushort version, in Random128 clientRandom) =>
        Tag(Ask(datagram, PacketType.TokenAsk, version, clientRandom), PaddedBytes, clientRandom);

    internal static bool TryReadTokenAsk(ReadOnlySpan<byte> datagram, out ushort version, out Random128 clientRandom) =>
        TryReadAsk(datagram, PacketType.TokenAsk, out version, out clientRandom);

    internal static int WriteTokenGrant(Span<byte> datagram, in Random128 clientRandom, ConnectToken token)
    {
        datagram[0] = (byte)PacketType.TokenGrant;
        clientRandom.Write(datagram[1..]);
        int tokenBytes = token.Write(datagram[19..]);
        BinaryPrimitives.WriteUInt16LittleEndian(datagram[17..], (ushort)tokenBytes);
        return Tag(datagram, 19 + tokenBytes + PacketHeader.TagBytes, clientRandom);
    }

    internal static bool TryReadTokenGrant(ReadOnlySpan<byte> datagram, in Random128 clientRandom, out ConnectToken token)
    {
        token = null!;
        if (datagram.Length < 19 + PacketHeader.TagBytes || datagram[0] != (byte)PacketType.TokenGrant || Random128.Read(datagram[1..]) != clientRandom)
            return false;
        int tokenBytes = BinaryPrimitives.ReadUInt16LittleEndian(datagram[17..]);
        return datagram.Length == 19 + tokenBytes + PacketHeader.TagBytes && HasTag(datagram, clientRandom)
            && ConnectToken.TryRead(datagram.Slice(19, tokenBytes), out token);
    }

    internal static int WriteChallenge(Span<byte> datagram, in Challenge challenge, ReadOnlySpan<byte> cookie)
    {
        datagram[0] = (byte)PacketType.Challenge;
        WriteProof(datagram[1..], challenge, cookie);
        return Tag(datagram, ChallengeBytes, challenge.ClientRandom);
    }

    internal static bool TryReadChallenge(ReadOnlySpan<byte> datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie)
    {
        challenge = default;
        cookie = default;
        if (!Is(datagram, PacketType.Challenge, ChallengeBytes))
            return false;
        ReadProof(datagram[1..], out challenge, out cookie);
        return HasTag(datagram, challenge.ClientRandom);
    }

    internal static int WriteResponse(Span<byte> datagram, in Challenge challenge, ReadOnlySpan<byte> cookie, in ResponseBody body, ReadOnlySpan<byte> sealedToken, in ConnectionKeys keys)
    {
        Span<byte> packet = Padded(datagram, PacketType.Response);
        WriteProof(packet[1..], challenge, cookie);
        packet[74] = (byte)body.Suites;
        BinaryPrimitives.WriteUInt64LittleEndian(packet[75..], body.SchemaHash);
        body.MapHash.Write(packet[83..]);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[115..], (ushort)sealedToken.Length);
        sealedToken.CopyTo(packet[TokenOffset..]);
        Tag(packet, PaddedBytes - PacketHeader.TagBytes, challenge.ClientRandom);
        return Mac(packet, PaddedBytes, keys.ClientHandshake);
    }

    /// <summary>Reads a response's layout; whether its mac is right (<see cref="HasMac"/>) is known once its token was opened.</summary>
    internal static bool TryReadResponse(ReadOnlySpan<byte> datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie, out ResponseBody body, out ReadOnlySpan<byte> sealedToken)
    {
        challenge = default;
        cookie = default;
        body = default;
        sealedToken = default;
        if (!Is(datagram, PacketType.Response, PaddedBytes))
            return false;
        int tokenBytes = BinaryPrimitives.ReadUInt16LittleEndian(datagram[115..]);
        ReadProof(datagram[1..], out challenge, out cookie);
        // The mac is looked at last, so the tag has to keep damage out: a token that a link spoiled is not a bad token.
        if (tokenBytes > ConnectToken.SealedBytesMax || !HasTag(datagram[..^PacketHeader.TagBytes], challenge.ClientRandom))
            return false;
        body = new ResponseBody((CipherSuites)datagram[74], BinaryPrimitives.ReadUInt64LittleEndian(datagram[75..]), Hash256.Read(datagram[83..]));
        sealedToken = datagram.Slice(TokenOffset, tokenBytes);
        return true;
    }

    internal static int WriteAccepted(Span<byte> datagram, in Random128 clientRandom, in ConnectionKeys keys, ulong connectionId)
    {
        datagram[0] = (byte)PacketType.Accepted;
        clientRandom.Write(datagram[1..]);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[17..], connectionId);
        return Mac(datagram, AcceptedBytes, keys.ServerHandshake);
    }

    internal static bool TryReadAccepted(ReadOnlySpan<byte> datagram, in Random128 clientRandom, in ConnectionKeys keys, out ulong connectionId)
    {
        connectionId = 0;
        if (!Is(datagram, PacketType.Accepted, AcceptedBytes) || Random128.Read(datagram[1..]) != clientRandom)
            return false;
        connectionId = BinaryPrimitives.ReadUInt64LittleEndian(datagram[17..]);
        return HasMac(datagram, keys.ServerHandshake);
    }

    /// <summary>Writes a refusal: with a mac when there are keys, else with a tag.</summary>
    internal static int WriteRefused(Span<byte> datagram, in Random128 clientRandom, in ConnectionKeys? keys, RefuseReason reason, ReadOnlySpan<char> text)
    {
        datagram[0] = (byte)PacketType.Refused;
        clientRandom.Write(datagram[1..]);
        datagram[17] = (byte)reason;
        // Whole characters only: Utf8.FromUtf16 stops before one that does not fit.
        System.Text.Unicode.Utf8.FromUtf16(text, datagram.Slice(19, RefuseTextBytesMax), out _, out int textBytes);
        datagram[18] = (byte)textBytes;
        int bytes = 19 + textBytes + PacketHeader.TagBytes;
        return IsBeforeToken(reason) || keys is null ? Tag(datagram, bytes, clientRandom) : Mac(datagram, bytes, keys.Value.ServerHandshake);
    }

    internal static bool TryReadRefused(ReadOnlySpan<byte> datagram, in Random128 clientRandom, in ConnectionKeys? keys, out RefuseReason reason, out string text)
    {
        reason = RefuseReason.None;
        text = "";
        if (datagram.Length < 19 + PacketHeader.TagBytes || datagram[0] != (byte)PacketType.Refused || Random128.Read(datagram[1..]) != clientRandom)
            return false;
        int textBytes = datagram[18];
        if (textBytes > RefuseTextBytesMax || datagram.Length != 19 + textBytes + PacketHeader.TagBytes)
            return false;
        reason = (RefuseReason)datagram[17];
        bool isGenuine = IsBeforeToken(reason) ? HasTag(datagram, clientRandom) : keys is { } known && HasMac(datagram, known.ServerHandshake);
        text = isGenuine ? Encoding.UTF8.GetString(datagram.Slice(19, textBytes)) : "";
        return isGenuine;
    }

    /// <summary>True when the last 16 bytes are the mac of all before them. In constant time.</summary>
    internal static bool HasMac(ReadOnlySpan<byte> datagram, in Secret256 handshakeKey)
    {
        Span<byte> mac = stackalloc byte[32];
        WriteMac(datagram[..^PacketHeader.TagBytes], handshakeKey, mac);
        return CryptographicOperations.FixedTimeEquals(mac[..PacketHeader.TagBytes], datagram[^PacketHeader.TagBytes..]);
    }

    private static Span<byte> Ask(Span<byte> datagram, PacketType type, ushort version, in Random128 clientRandom)
    {
        Span<byte> packet = Padded(datagram, type);
        BinaryPrimitives.WriteUInt32LittleEndian(packet[1..], Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[5..], version);
        clientRandom.Write(packet[7..]);
        return packet;
    }

    private static bool TryReadAsk(ReadOnlySpan<byte> datagram, PacketType type, out ushort version, out Random128 clientRandom)
    {
        version = 0;
        clientRandom = default;
        if (!Is(datagram, type, PaddedBytes) || BinaryPrimitives.ReadUInt32LittleEndian(datagram[1..]) != Magic)
            return false;
        version = BinaryPrimitives.ReadUInt16LittleEndian(datagram[5..]);
        clientRandom = Random128.Read(datagram[7..]);
        return HasTag(datagram, clientRandom);
    }

    private static void WriteProof(Span<byte> destination, in Challenge challenge, ReadOnlySpan<byte> cookie)
    {
        challenge.ClientRandom.Write(destination);
        challenge.ServerRandom.Write(destination[16..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], challenge.Stamp);
        cookie[..CookieBytes].CopyTo(destination[40..]);
        destination[72] = (byte)challenge.Suite;
    }

    private static void ReadProof(ReadOnlySpan<byte> source, out Challenge challenge, out ReadOnlySpan<byte> cookie)
    {
        challenge = new Challenge(Random128.Read(source), Random128.Read(source[16..]), BinaryPrimitives.ReadUInt64LittleEndian(source[32..]), (CipherSuite)source[72]);
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

    private static int Tag(Span<byte> datagram, int bytes, in Random128 clientRandom)
    {
        int tagged = bytes - PacketHeader.TagBytes;
        new KeyedChecksum(clientRandom, default).WriteTag(datagram[..tagged], 0, datagram.Slice(tagged, PacketHeader.TagBytes));
        return bytes;
    }

    private static bool HasTag(ReadOnlySpan<byte> datagram, in Random128 clientRandom) => new KeyedChecksum(clientRandom, default).HasTag(datagram, 0);

    private static int Mac(Span<byte> datagram, int bytes, in Secret256 handshakeKey)
    {
        Span<byte> mac = stackalloc byte[32];
        WriteMac(datagram[..(bytes - PacketHeader.TagBytes)], handshakeKey, mac);
        mac[..PacketHeader.TagBytes].CopyTo(datagram[(bytes - PacketHeader.TagBytes)..]);
        return bytes;
    }

    private static void WriteMac(ReadOnlySpan<byte> message, in Secret256 handshakeKey, Span<byte> mac)
    {
        Span<byte> key = stackalloc byte[Secret256.Bytes];
        handshakeKey.Write(key);
        HmacSha256.Mac(key, message, mac);
    }
}

/// <summary>What a challenge says and a response gives back; the cookie proves that the server said it.</summary>
internal readonly record struct Challenge(Random128 ClientRandom, Random128 ServerRandom, ulong Stamp, CipherSuite Suite);

/// <summary>What a response says of its client.</summary>
internal readonly record struct ResponseBody(CipherSuites Suites, ulong SchemaHash, Hash256 MapHash);
