using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;

namespace Hectare.Transport;

/// <summary>What a player holds to come in: made by a login service over HTTPS, good once, for a short while, at one of its endpoints.</summary>
/// <remarks><code>
/// format u8 = 1 | protocol version u16 | expires u64, unix seconds | endpoints u8 (1 to 4) | endpoints, 18 each | secret 32 | sealed bytes u16 | sealed
/// endpoint: address 16 (network order, IPv4 mapped) | port u16
/// </code>The sealed part is for the server (<see cref="TokenAuthority"/>); the rest is the client's. It holds a secret: keep it off logs and disks.</remarks>
public sealed class ConnectToken
{
    /// <summary>Most endpoints of a token.</summary>
    public const int EndpointsMax = 4;

    /// <summary>Most bytes of the sealed part: the place it has in a response.</summary>
    public const int SealedBytesMax = 1024;

    /// <summary>Most bytes of a token.</summary>
    public const int BytesMax = FixedBytes + (EndpointsMax * EndpointBytes) + SealedBytesMax;

    internal const int EndpointBytes = 18;
    private const byte Format = 1;
    private const int FixedBytes = 1 + 2 + 8 + 1 + Secret256.Bytes + 2;

    private readonly PeerAddress[] _endpoints;
    private readonly byte[] _sealed;

    internal ConnectToken(ushort protocolVersion, ulong expiresUnixSeconds, PeerAddress[] endpoints, in Secret256 secret, byte[] sealedPart)
    {
        ProtocolVersion = protocolVersion;
        ExpiresUnixSeconds = expiresUnixSeconds;
        _endpoints = endpoints;
        Secret = secret;
        _sealed = sealedPart;
    }

    /// <summary>Version of the wire that it was made for.</summary>
    public ushort ProtocolVersion { get; }

    /// <summary>After this it opens nothing.</summary>
    public ulong ExpiresUnixSeconds { get; }

    /// <summary>Where it may be used: try them in turn.</summary>
    public ReadOnlySpan<PeerAddress> Endpoints => _endpoints;

    internal Secret256 Secret { get; }

    /// <summary>Id of the cluster key that sealed it, as it says itself.</summary>
    public byte KeyId => _sealed[0];

    /// <summary>The part for the server: it travels in the response, and only <see cref="TokenAuthority.TryOpen"/> reads it.</summary>
    public ReadOnlySpan<byte> Sealed => _sealed;

    internal int Bytes => FixedBytes + (_endpoints.Length * EndpointBytes) + _sealed.Length;

    /// <summary>Reads what <see cref="ToText"/> gave.</summary>
    /// <returns>False when the text is no token.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out ConnectToken token)
    {
        token = null!;
        if (text.Length > Base64Url.GetEncodedLength(BytesMax) || !Base64Url.IsValid(text))
            return false;
        return TryRead(Base64Url.DecodeFromChars(text), out token);
    }

    /// <summary>As base64url: one word without padding, safe in URLs, headers and JSON. Secret.</summary>
    public string ToText()
    {
        byte[] bytes = new byte[Bytes];
        Write(bytes);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>What it is good for; never its secret.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"connect token, protocol {ProtocolVersion}, expires {DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(ExpiresUnixSeconds, 253_402_300_799)):u}, for");
        foreach (PeerAddress endpoint in _endpoints)
            text.Append(' ').Append(endpoint);
        return text.ToString();
    }

    /// <summary>Reads a token as bytes: one that a server sent to come back with.</summary>
    /// <returns>False when the bytes are no token.</returns>
    public static bool TryRead(ReadOnlySpan<byte> source, out ConnectToken token)
    {
        token = null!;
        if (source.Length < FixedBytes || source[0] != Format)
            return false;
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(source[1..]);
        ulong expires = BinaryPrimitives.ReadUInt64LittleEndian(source[3..]);
        source = source[11..];
        if (!TryReadEndpoints(ref source, out PeerAddress[] endpoints) || source.Length < Secret256.Bytes + 2)
            return false;
        var secret = new Secret256(source);
        int sealedBytes = BinaryPrimitives.ReadUInt16LittleEndian(source[Secret256.Bytes..]);
        source = source[(Secret256.Bytes + 2)..];
        if (source.Length != sealedBytes || sealedBytes is 0 or > SealedBytesMax)
            return false;
        token = new ConnectToken(version, expires, endpoints, secret, source.ToArray());
        return true;
    }

    internal int Write(Span<byte> destination)
    {
        int used = WriteHead(destination, ProtocolVersion, ExpiresUnixSeconds, _endpoints, Secret, _sealed.Length);
        _sealed.CopyTo(destination[used..]);
        return used + _sealed.Length;
    }

    /// <summary>Writes all but the sealed part.</summary>
    internal static int WriteHead(Span<byte> destination, ushort version, ulong expiresUnixSeconds, ReadOnlySpan<PeerAddress> endpoints, in Secret256 secret, int sealedBytes)
    {
        destination[0] = Format;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[1..], version);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[3..], expiresUnixSeconds);
        int used = 11 + WriteEndpoints(destination[11..], endpoints);
        secret.Write(destination[used..]);
        used += Secret256.Bytes;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[used..], (ushort)sealedBytes);
        return used + 2;
    }

    internal static int WriteEndpoints(Span<byte> destination, ReadOnlySpan<PeerAddress> endpoints)
    {
        destination[0] = (byte)endpoints.Length;
        int used = 1;
        foreach (PeerAddress endpoint in endpoints)
        {
            endpoint.WriteAddress(destination[used..]);
            BinaryPrimitives.WriteUInt16LittleEndian(destination[(used + 16)..], endpoint.Port);
            used += EndpointBytes;
        }

        return used;
    }

    internal static PeerAddress ReadEndpoint(ReadOnlySpan<byte> source) =>
        PeerAddress.FromBytes(source, BinaryPrimitives.ReadUInt16LittleEndian(source[16..]));

    private static bool TryReadEndpoints(ref ReadOnlySpan<byte> source, out PeerAddress[] endpoints)
    {
        endpoints = [];
        int count = source[0];
        if (count is 0 or > EndpointsMax || source.Length < 1 + (count * EndpointBytes))
            return false;
        endpoints = new PeerAddress[count];
        for (int i = 0; i < count; i++)
            endpoints[i] = ReadEndpoint(source[(1 + (i * EndpointBytes))..]);
        source = source[(1 + (count * EndpointBytes))..];
        return true;
    }
}
