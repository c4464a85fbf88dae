using System.Buffers.Binary;

namespace Hectare.Transport;

/// <summary>What a datagram is: the low four bits of its first byte. The high four are reserved and zero.</summary>
public enum PacketType : byte
{
    /// <summary>Client to server: may I? Padded, so that no reply is larger.</summary>
    Request = 0,

    /// <summary>Server to client: prove that you receive at this address.</summary>
    Challenge = 1,

    /// <summary>Client to server: the proof, and what the client is.</summary>
    Response = 2,

    /// <summary>Server to client: connected; here is your connection's id.</summary>
    Accepted = 3,

    /// <summary>Server to client: no, and why.</summary>
    Refused = 4,

    /// <summary>Both ways: acks, lanes, snapshot or input.</summary>
    Payload = 5,

    /// <summary>Both ways: the connection ends, and why.</summary>
    Close = 6,

    /// <summary>Server to client: prove that you receive at the address you now send from.</summary>
    PathChallenge = 7,

    /// <summary>Client to server: the proof; or, padded, the news of another address.</summary>
    PathResponse = 8,

    /// <summary>Client to server: a connect token, please. Answered in development only.</summary>
    TokenAsk = 9,

    /// <summary>Server to client: here it is.</summary>
    TokenGrant = 10,
}

/// <summary>First bytes of a sealed datagram: payload, close, path challenge and path response.</summary>
/// <remarks><code>
/// client to server, 11 bytes:  type u8 | connection id u64 | sequence u16
/// server to client,  4 bytes:  type u8 | connection id, low byte u8 | sequence u16
/// </code>Little-endian. Authenticated, not encrypted. Behind it the encrypted body, and a tag of 16 bytes (<see cref="PacketSealer"/>).</remarks>
/// <param name="Type">One of the four.</param>
/// <param name="ConnectionId">The connection; towards a client only its low byte travels.</param>
/// <param name="Sequence">Low 16 bits of the packet's number.</param>
public readonly record struct PacketHeader(PacketType Type, ulong ConnectionId, ushort Sequence)
{
    /// <summary>Longest UDP payload that is ever sent, header and tag included.</summary>
    public const int DatagramBytesMax = 1200;

    /// <summary>Header bytes of what a client sends.</summary>
    public const int ClientHeaderBytes = 11;

    /// <summary>Header bytes of what a server sends.</summary>
    public const int ServerHeaderBytes = 4;

    /// <summary>Bytes at the end of every datagram that belong to the seal.</summary>
    public const int TagBytes = 16;

    /// <summary>Most bytes of a datagram that are header and tag.</summary>
    public const int OverheadBytes = ClientHeaderBytes + TagBytes;

    /// <summary>Type of any datagram.</summary>
    /// <returns>False when it is empty, the reserved bits are set or the type is unknown.</returns>
    public static bool TryReadType(ReadOnlySpan<byte> datagram, out PacketType type)
    {
        type = datagram.IsEmpty ? PacketType.Request : (PacketType)datagram[0];
        return !datagram.IsEmpty && datagram[0] <= (byte)PacketType.TokenGrant;
    }

    /// <summary>Reads the header of a sealed datagram that a client sent: a server finds the connection by its id.</summary>
    /// <returns>False for other types and for datagrams too short to hold header and tag.</returns>
    public static bool TryReadFromClient(ReadOnlySpan<byte> datagram, out PacketHeader header)
    {
        header = default;
        if (!HasHeader(datagram, ClientHeaderBytes))
            return false;
        header = new PacketHeader((PacketType)datagram[0], BinaryPrimitives.ReadUInt64LittleEndian(datagram[1..]), BinaryPrimitives.ReadUInt16LittleEndian(datagram[9..]));
        return true;
    }

    /// <summary>Reads the header of a sealed datagram that a server sent; <see cref="ConnectionId"/> is its low byte.</summary>
    /// <returns>False for other types and for datagrams too short to hold header and tag.</returns>
    public static bool TryReadFromServer(ReadOnlySpan<byte> datagram, out PacketHeader header)
    {
        header = default;
        if (!HasHeader(datagram, ServerHeaderBytes))
            return false;
        header = new PacketHeader((PacketType)datagram[0], datagram[1], BinaryPrimitives.ReadUInt16LittleEndian(datagram[2..]));
        return true;
    }

    /// <summary>Writes the 11 bytes that a client's datagram starts with.</summary>
    public void WriteFromClient(Span<byte> datagram)
    {
        datagram[0] = (byte)Type;
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[1..], ConnectionId);
        BinaryPrimitives.WriteUInt16LittleEndian(datagram[9..], Sequence);
    }

    /// <summary>Writes the 4 bytes that a server's datagram starts with.</summary>
    public void WriteFromServer(Span<byte> datagram)
    {
        datagram[0] = (byte)Type;
        datagram[1] = (byte)ConnectionId;
        BinaryPrimitives.WriteUInt16LittleEndian(datagram[2..], Sequence);
    }

    /// <summary>True for the types that have this header.</summary>
    public static bool IsSealed(PacketType type) => type is >= PacketType.Payload and <= PacketType.PathResponse;

    private static bool HasHeader(ReadOnlySpan<byte> datagram, int headerBytes) =>
        datagram.Length is <= DatagramBytesMax && datagram.Length >= headerBytes + TagBytes
        && IsSealed((PacketType)datagram[0]);
}
