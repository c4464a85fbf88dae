using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Tests.Transport;

/// <summary>Who ends up with which keys: through whole handshakes, not through the derivation alone.</summary>
public sealed class ConnectionKeyTests
{
    private const CipherSuites Aes = CipherSuites.Aes256Gcm;
    private const CipherSuites ChaCha = CipherSuites.ChaCha20Poly1305;
    private const CipherSuites Fast = CipherSuites.AesInHardware;

    [Fact]
    public void The_same_token_before_and_after_a_restart_and_at_two_endpoints_never_yields_the_same_traffic_key()
    {
        ConnectToken token = TestTokens.Mint(1, TestTokens.Request with { Endpoints = [PeerAddress.Loopback(4000), PeerAddress.Loopback(4001)] });
        var seen = new HashSet<string>(StringComparer.Ordinal);
        ulong drawn = 100;
        Random128 Draw() => new(drawn++, drawn++);
        // The same attempt of the client every time, random and all: what differs is what the servers draw.
        for (int server = 0; server < 4; server++)
        {
            // The second is the first started anew, with the very same secret for its cookies.
            HandshakeServer handshakes = TestTokens.Server(lastSecret: (byte)(server / 2));
            for (int attempt = 0; attempt < 3; attempt++)
            {
                ConnectRequest request = Shake(handshakes, token, Draw());
                TrafficSecrets secrets = request.ExportKeys(1);
                Assert.True(seen.Add(Convert.ToHexString(secrets.Client)), "a key came twice");
                Assert.True(seen.Add(Convert.ToHexString(secrets.Server)), "a key came twice");
            }
        }

        Assert.Equal(24, seen.Count);
    }

    [Fact]
    public void Another_secret_random_version_or_suite_gives_other_keys_and_no_two_labels_share_one()
    {
        Secret256 secret = TestTokens.Mint(1).Secret;
        var a = new Random128(1, 2);
        var b = new Random128(3, 4);
        ConnectionKeys[] all =
        [
            ConnectionKeys.Derive(secret, a, b, 2, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(TestTokens.Mint(2).Secret, a, b, 2, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(secret, new Random128(9, 2), b, 2, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(secret, a, new Random128(3, 9), 2, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(secret, b, a, 2, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(secret, a, b, 3, CipherSuite.Aes256Gcm),
            ConnectionKeys.Derive(secret, a, b, 2, CipherSuite.ChaCha20Poly1305),
        ];
        string[] keys = [.. all.SelectMany(keys => (Secret256[])[keys.ClientHandshake, keys.ServerHandshake, keys.ClientTraffic, keys.ServerTraffic]).Select(key => Convert.ToHexString(key.ToArray()))];
        Assert.Equal(4 * all.Length, keys.Distinct(StringComparer.Ordinal).Count());
    }

    [Theory]
    [InlineData(Aes | ChaCha | Fast, Aes | ChaCha | Fast, CipherSuite.Aes256Gcm)]
    [InlineData(Aes | ChaCha, Aes | ChaCha | Fast, CipherSuite.ChaCha20Poly1305)]
    [InlineData(Aes | ChaCha | Fast, Aes | ChaCha, CipherSuite.ChaCha20Poly1305)]
    [InlineData(Aes, Aes | ChaCha | Fast, CipherSuite.Aes256Gcm)]
    [InlineData(ChaCha, Aes | ChaCha | Fast, CipherSuite.ChaCha20Poly1305)]
    public void The_cipher_is_AES_where_both_have_it_in_hardware_and_else_ChaCha20(CipherSuites client, CipherSuites server, CipherSuite expected)
    {
        Assert.True(ConnectionKeys.TryChoose(client, server, out CipherSuite suite));
        Assert.Equal(expected, suite);
        Assert.False(ConnectionKeys.TryChoose(client, CipherSuites.AesInHardware, out _));
    }

    [Fact]
    public void A_client_without_AES_in_hardware_plays_over_ChaCha20()
    {
        var pair = new ConnectedPair(5, "audit-5pct", new Hectare.Transport.ConnectionOptions { Suites = Aes | ChaCha });
        CipherSuite? suite = null;
        pair.Admit = request =>
        {
            suite = request.ExportKeys(1).Suite;
            return RefuseReason.None;
        };
        pair.Connect();
        pair.Server!.TrySend(Lane.Action, "hello"u8);
        Assert.True(pair.Run(5, () => pair.ClientReceived.Count == 1));
        pair.Run(1);
        Assert.Equal(CipherSuite.ChaCha20Poly1305, suite);
        Assert.True(pair.Server.Counters.AcceptedPackets > 5);
    }

    [Fact]
    public void Who_changes_what_a_client_offers_gets_no_connection_made()
    {
        HandshakeServer server = TestTokens.Server();
        byte[] packet = new byte[1200];
        Handshake.WriteRequest(packet, Handshake.ProtocolVersion, new Random128(1, 2), ChaCha);   // the client offered Aes | ChaCha | Fast
        Challenge challenge = ChallengeTo(server, packet, new Random128(5, 6), out byte[] cookie);
        Assert.Equal(CipherSuite.ChaCha20Poly1305, challenge.Suite);
        ConnectToken token = TestTokens.Mint();
        Respond(packet, challenge, cookie, token, Aes | ChaCha | Fast);
        Assert.False(server.TryVerifyResponse(packet, TestTokens.Endpoint, 0, 0, new byte[1200], out int replyBytes, out _));
        Assert.Equal((0, 1), (replyBytes, server.Counters.NoCipher));
        packet[72 + 1] ^= 3;   // and the suite of the challenge is under the cookie
        Assert.False(server.TryVerifyResponse(packet, TestTokens.Endpoint, 0, 0, new byte[1200], out _, out _));
    }

    [Fact]
    public void Who_saw_a_token_go_by_cannot_use_it_without_its_secret()
    {
        HandshakeServer server = TestTokens.Server();
        byte[] packet = new byte[1200];
        Handshake.WriteRequest(packet, Handshake.ProtocolVersion, new Random128(1, 2), Aes);
        Challenge challenge = ChallengeTo(server, packet, new Random128(5, 6), out byte[] cookie);
        ConnectToken stolen = TestTokens.Mint(1);
        var guessed = ConnectionKeys.Derive(TestTokens.Mint(2).Secret, challenge.ClientRandom, challenge.ServerRandom, Handshake.ProtocolVersion, challenge.Suite);
        Handshake.WriteResponse(packet, challenge, cookie, new ResponseBody(Aes, 0, default), stolen.Sealed, guessed);
        Assert.False(server.TryVerifyResponse(packet, TestTokens.Endpoint, 0, 0, new byte[1200], out int replyBytes, out _));
        Assert.Equal((0, 1), (replyBytes, server.Counters.BadMac));
    }

    [Fact]
    public void A_refusal_found_after_the_token_is_believed_only_with_its_mac()
    {
        byte[] packet = new byte[1200];
        var random = new Random128(1, 2);
        var keys = ConnectionKeys.Derive(TestTokens.Mint().Secret, random, new Random128(5, 6), Handshake.ProtocolVersion, CipherSuite.Aes256Gcm);
        int bytes = Handshake.WriteRefused(packet, random, null, RefuseReason.Banned, "forged");
        Assert.False(Handshake.TryReadRefused(packet.AsSpan(0, bytes), random, keys, out _, out string text));
        Assert.Equal("", text);
        bytes = Handshake.WriteRefused(packet, random, keys, RefuseReason.Banned, "genuine");
        Assert.True(Handshake.TryReadRefused(packet.AsSpan(0, bytes), random, keys, out RefuseReason reason, out text));
        Assert.Equal((RefuseReason.Banned, "genuine"), (reason, text));
        Assert.False(Handshake.TryReadRefused(packet.AsSpan(0, bytes), random, null, out _, out _));
    }

    [Fact]
    public void Secrets_survive_the_line_of_a_key_file()
    {
        var secrets = new TrafficSecrets(0xABCD, CipherSuite.ChaCha20Poly1305, [.. Enumerable.Range(0, 32).Select(i => (byte)i)], new byte[32]);
        Assert.True(TrafficSecrets.TryParse(secrets.ToLine(), out TrafficSecrets read));
        Assert.Equal(secrets.ToLine(), read.ToLine());
        Assert.Equal("secrets of connection 000000000000abcd", read.ToString());
        Assert.False(TrafficSecrets.TryParse(secrets.ToLine()[1..], out _));
        Assert.False(TrafficSecrets.TryParse(secrets.ToLine().Replace(" 2 ", " 3 ", StringComparison.Ordinal), out _));
        Assert.False(TrafficSecrets.TryParse("", out _));
    }

    private static ConnectRequest Shake(HandshakeServer server, ConnectToken token, Random128 serverRandom)
    {
        byte[] packet = new byte[1200];
        Handshake.WriteRequest(packet, Handshake.ProtocolVersion, new Random128(1, 2), Aes | ChaCha | Fast);
        Challenge challenge = ChallengeTo(server, packet, serverRandom, out byte[] cookie);
        Respond(packet, challenge, cookie, token, Aes | ChaCha | Fast);
        Assert.True(server.TryVerifyResponse(packet, TestTokens.Endpoint, 0, 0, new byte[1200], out _, out ConnectRequest request));
        return request;
    }

    private static Challenge ChallengeTo(HandshakeServer server, byte[] request, Random128 serverRandom, out byte[] cookie)
    {
        byte[] reply = new byte[1200];
        int bytes = server.HandleRequest(request, TestTokens.Endpoint, 0, serverRandom, reply);
        Assert.True(Handshake.TryReadChallenge(reply.AsSpan(0, bytes), out Challenge challenge, out ReadOnlySpan<byte> read));
        cookie = read.ToArray();
        return challenge;
    }

    private static void Respond(byte[] packet, Challenge challenge, byte[] cookie, ConnectToken token, CipherSuites offered)
    {
        var keys = ConnectionKeys.Derive(token.Secret, challenge.ClientRandom, challenge.ServerRandom, Handshake.ProtocolVersion, challenge.Suite);
        Handshake.WriteResponse(packet, challenge, cookie, new ResponseBody(offered, 0, default), token.Sealed, keys);
    }
}
