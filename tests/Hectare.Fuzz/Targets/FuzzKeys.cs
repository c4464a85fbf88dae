using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>Keys and tokens that every target shares: all of them known, so that an input can be broken before it is sealed as well as after.</summary>
internal static class FuzzKeys
{
    public static readonly ClusterKeys Cluster = ClusterKeys.Of(7, [.. Enumerable.Range(1, ClusterKeys.KeyBytes).Select(i => (byte)i)]);

    public static readonly byte[] CookieSecret = [.. Enumerable.Range(0, 32).Select(i => (byte)(i * 3))];

    public static readonly PeerAddress Server = PeerAddress.Loopback(4000);

    public static readonly PeerAddress Client = PeerAddress.Loopback(50_000);

    public const ulong NowUnixSeconds = 1_000_000;

    /// <summary>Bytes that a sealed packet which does not open may allocate: the framework's cipher throws inside.</summary>
    public static long BadSealBytesMax { get; } = CipherSelfTest.IntrinsicsUsable ? 0 : 4096;

    /// <summary>A token; another for each number.</summary>
    public static ConnectToken Mint(ulong number, int userBytes = 10, bool isResume = false) => new TokenAuthority(Cluster).Mint(
        new TokenRequest
        {
            ClientId = number,
            Session = new SessionId(number, ~number),
            Endpoints = [Server],
            ExpiresUnixSeconds = NowUnixSeconds + 600,
            UserData = new byte[userBytes],
            IsResume = isResume,
        },
        Random(number));

    /// <summary>The same on every machine, so that the corpus is.</summary>
    public const CipherSuites Suites = CipherSuites.Aes256Gcm | CipherSuites.AesInHardware;

    public static HandshakeServer Handshakes() => new(CookieSecret, new TokenAuthority(Cluster), Suites, Handshake.ProtocolVersion);

    public static byte[] Random(ulong number)
    {
        var random = new SeededRandom(number);
        byte[] bytes = new byte[TokenAuthority.RandomBytes];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)random.NextUInt64();
        return bytes;
    }

    /// <summary>A response's mac made right for what it holds.</summary>
    public static void Mac(Span<byte> datagram, in Secret256 handshakeKey)
    {
        Span<byte> key = stackalloc byte[Secret256.Bytes];
        Span<byte> mac = stackalloc byte[32];
        handshakeKey.Write(key);
        HmacSha256.Mac(key, datagram[..^PacketHeader.TagBytes], mac);
        mac[..PacketHeader.TagBytes].CopyTo(datagram[^PacketHeader.TagBytes..]);
    }

    /// <summary>A tag made right for what stands before it.</summary>
    public static void Tag(Span<byte> tagged, in Random128 clientRandom)
        => new KeyedChecksum(clientRandom, default).WriteTag(tagged[..^PacketHeader.TagBytes], 0, tagged[^PacketHeader.TagBytes..]);
}
