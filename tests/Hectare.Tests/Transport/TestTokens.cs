using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>Keys and tokens of the tests: made from seeds, so that a run can be run again.</summary>
internal static class TestTokens
{
    public static readonly ClusterKeys Keys = ClusterKeys.Of(7, [.. Enumerable.Range(1, 32).Select(i => (byte)i)]);

    public static readonly PeerAddress Endpoint = PeerAddress.Loopback(4000);

    public static readonly TokenRequest Request = new()
    {
        ClientId = 42,
        Session = new SessionId(0x0102, 0x0304),
        Endpoints = [Endpoint],
        ExpiresUnixSeconds = 60,
    };

    /// <summary>A token of <see cref="Keys"/>; another for each seed.</summary>
    public static ConnectToken Mint(ulong seed = 1, TokenRequest? request = null) => new TokenAuthority(Keys).Mint(request ?? Request, Random(seed));

    public static byte[] Random(ulong seed) => [.. Enumerable.Range(0, TokenAuthority.RandomBytes).Select(i => (byte)((seed * 31) + ((ulong)i * 7)))];

    public static HandshakeServer Server(byte lastSecret = 0)
    {
        byte[] secret = new byte[32];
        secret[31] = lastSecret;
        return new HandshakeServer(secret, new TokenAuthority(Keys));
    }

    /// <summary>What a zone has of a client once its response was verified, without the handshake's packets.</summary>
    public static ConnectRequest Verified(Random128 clientRandom, Random128 serverRandom, ConnectToken token, Hectare.Transport.Crypto.CipherSuite suite = Hectare.Transport.Crypto.CipherSuite.Aes256Gcm) => new()
    {
        ClientRandom = clientRandom,
        ServerRandom = serverRandom,
        Keys = ConnectionKeys.Derive(token.Secret, clientRandom, serverRandom, Handshake.ProtocolVersion, suite),
    };
}
