using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class HandshakeTests
{
    private static readonly PeerAddress From = PeerAddress.Parse("10.1.2.3:5555");
    private static readonly Random128 ClientRandom = new(1, 2);
    private static readonly Random128 ServerRandom = new(3, 4);
    private static readonly CipherSuites Suites = PacketCipherSuites.Here;

    [Fact]
    public void A_client_connects_and_both_ends_know_the_same()
    {
        var pair = new ConnectedPair(1);
        pair.Connect();
        Assert.Equal(pair.Server!.ConnectionId, pair.Client.ConnectionId);
        Assert.Equal(0xABCD_EF01_2345_6789, pair.Client.ConnectionId);
        pair.Run(1);
        Assert.True(pair.Server.Counters.AcceptedPackets > 20);
        Assert.True(pair.Client.Counters.AcceptedPackets > 20);
        Assert.Equal(0, pair.RepliesLargerThanRequests);
    }

    [Theory]
    [InlineData(PacketType.Request)]
    [InlineData(PacketType.Challenge)]
    [InlineData(PacketType.Response)]
    [InlineData(PacketType.Accepted)]
    public void The_loss_of_any_packet_three_times_only_costs_time(PacketType lost)
    {
        var pair = new ConnectedPair(2);
        int eaten = 0;
        pair.Eat = (type, _) => type == lost && eaten++ < 3;
        pair.Connect();
        Assert.InRange(pair.NowNs, 500_000_000, 2_000_000_000);
        if (lost == PacketType.Accepted)
            Assert.Equal(4, pair.Acceptances);
        pair.Run(1);
        Assert.Equal(ConnectionState.Connected, pair.Client.State);
        Assert.True(pair.Server!.Counters.AcceptedPackets > 20);
    }

    [Fact]
    public void A_hundred_clients_connect_through_hell()
    {
        for (ulong seed = 0; seed < 100; seed++)
        {
            var pair = new ConnectedPair(seed, "hell");
            Assert.True(pair.Run(10, () => pair.Client.State == ConnectionState.Connected), $"seed {seed}: {pair.Client.CloseReason}");
        }
    }

    [Fact]
    public void Another_version_is_refused_with_both_numbers()
    {
        var pair = new ConnectedPair(3, options: new ConnectionOptions { ProtocolVersion = 9 });
        Assert.True(pair.Run(5, () => pair.Client.State == ConnectionState.Closed));
        Assert.Equal(CloseCause.Refused, pair.Client.CloseReason.Cause);
        Assert.Equal(RefuseReason.WrongVersion, pair.Client.CloseReason.Refusal);
        Assert.Equal("the server speaks protocol version 2, the client 9", pair.Client.CloseReason.Text);
        Assert.Equal(1, pair.Handshakes.Counters.WrongVersion);
    }

    [Theory]
    [InlineData(RefuseReason.WrongMap)]
    [InlineData(RefuseReason.Full)]
    [InlineData(RefuseReason.SchemaMismatch)]
    public void A_refusal_reaches_the_player_with_its_reason_and_words(RefuseReason reason)
    {
        var pair = new ConnectedPair(4);
        ConnectRequest? seen = null;
        pair.Admit = request =>
        {
            seen = request;
            return reason;
        };
        Assert.True(pair.Run(5, () => pair.Client.State == ConnectionState.Closed));
        Assert.Equal(new CloseReason(CloseCause.Refused, CloseCode.None, reason, "no: Größe"), pair.Client.CloseReason);
        Assert.Equal(77UL, seen!.Value.SchemaHash);
        Assert.True(seen.Value.MapHash.IsNone);
        Assert.Equal(0, pair.RepliesLargerThanRequests);
    }

    [Fact]
    public void Nobody_there_times_out()
    {
        var pair = new ConnectedPair(5) { Eat = (_, _) => true };
        pair.Run(9.9);
        Assert.Equal(ConnectionState.Connecting, pair.Client.State);
        pair.Run(0.2);
        Assert.Equal(CloseCause.TimedOut, pair.Client.CloseReason.Cause);
    }

    [Fact]
    public void A_server_that_was_started_anew_is_asked_again()
    {
        var pair = new ConnectedPair(6);
        pair.Eat = (type, _) => type is PacketType.Response && pair.NowNs < 6_000_000_000;
        Assert.True(pair.Run(10, () => pair.Client.State == ConnectionState.Connected));
        Assert.True(pair.Handshakes.Counters.Challenged >= 2);
    }

    [Fact]
    public void A_cookie_is_good_only_for_its_address_its_server_and_ten_seconds()
    {
        var server = TestTokens.Server();
        byte[] response = ResponseTo(server, From, 1000);
        Assert.True(Verify(server, response, From, 1000, out ConnectRequest request));
        Assert.Equal((From, ClientRandom, ServerRandom, 5UL), (request.From, request.ClientRandom, request.ServerRandom, request.SchemaHash));
        Assert.True(Verify(server, response, From, 1000 + HandshakeServer.CookieLifetimeNs, out _));
        Assert.False(Verify(server, response, From, 1001 + HandshakeServer.CookieLifetimeNs, out _));
        Assert.False(Verify(server, response, From, 999, out _));
        Assert.Equal(2, server.Counters.ExpiredCookie);
        Assert.False(Verify(server, response, From.WithPort(5556), 1000, out _));
        Assert.False(Verify(server, response, PeerAddress.Parse("10.1.2.4:5555"), 1000, out _));
        Assert.False(Verify(TestTokens.Server(lastSecret: 1), response, From, 1000, out _));
        Assert.Equal(2, server.Counters.BadCookie);
        Assert.Equal(2, server.Counters.Verified);
    }

    [Fact]
    public void A_request_that_is_not_padded_gets_no_reply()
    {
        var server = TestTokens.Server();
        byte[] request = new byte[1200];
        byte[] reply = new byte[1200];
        Handshake.WriteRequest(request, Handshake.ProtocolVersion, ClientRandom, Suites);
        Assert.Equal(90, server.HandleRequest(request, From, 0, ServerRandom, reply));
        for (int length = 0; length < 1200; length++)
            Assert.Equal(0, server.HandleRequest(request.AsSpan(0, length), From, 0, ServerRandom, reply));
        Assert.Equal(1200, server.Counters.Malformed);
        Assert.True(Handshake.RefusedBytesMax < Handshake.PaddedBytes);
    }

    [Fact]
    public void Strangers_cost_no_memory()
    {
        var server = TestTokens.Server();
        byte[] request = new byte[1200];
        byte[] reply = new byte[1200];
        Handshake.WriteRequest(request, Handshake.ProtocolVersion, ClientRandom, Suites);
        byte[] otherVersion = new byte[1200];
        Handshake.WriteRequest(otherVersion, 9, ClientRandom, Suites);
        byte[] response = ResponseTo(server, From, 0);
        byte[] forged = [.. response];
        forged[^1] ^= 1;
        byte[] ask = new byte[1200];
        Handshake.WriteTokenAsk(ask, Handshake.ProtocolVersion, ClientRandom);
        byte[] random = new byte[1200];
        void Flood()
        {
            server.HandleRequest(request, From, 0, ServerRandom, reply);
            server.HandleRequest(otherVersion, From, 0, ServerRandom, reply);
            server.HandleRequest(random, From, 0, ServerRandom, reply);
            server.TryVerifyResponse(response, From, 0, 0, reply, out _, out ConnectRequest verified);
            server.TryVerifyResponse(response, From, 0, 61, reply, out _, out _);
            server.TryVerifyResponse(response, From.WithPort(1), 0, 0, reply, out _, out _);
            server.TryVerifyResponse(forged, From, 0, 0, reply, out _, out _);
            server.HandleTokenAsk(ask, null, [], reply);
            HandshakeServer.WriteRefused(verified, RefuseReason.Full, "every place is taken", reply);
            HandshakeServer.WriteAccepted(verified, 1, reply);
        }

        Assert.Equal(0, Allocation.SteadyBytes(() =>
        {
            for (int i = 0; i < 300; i++)
                Flood();
        }));
    }

    [Fact]
    public void A_client_drops_answers_to_somebody_else()
    {
        var server = TestTokens.Server();
        var client = Connection.Connect(ConnectionOptions.Default, new Random128(8, 8), 0, default, 0, TestTokens.Mint());
        byte[] packet = new byte[1200];
        Assert.Equal(1200, client.Poll(0, packet));
        Handshake.WriteRequest(packet, Handshake.ProtocolVersion, ClientRandom, Suites);
        byte[] reply = new byte[1200];
        int bytes = server.HandleRequest(packet, From, 0, ServerRandom, reply);
        Assert.Equal(OpenResult.Foreign, client.TryOpen(reply.AsSpan(0, bytes), 0, out _));
        bytes = Handshake.WriteRefused(reply, ClientRandom, null, RefuseReason.BadToken, "");
        Assert.Equal(OpenResult.Foreign, client.TryOpen(reply.AsSpan(0, bytes), 0, out _));
        Assert.Equal(OpenResult.Foreign, client.TryOpen(packet, 0, out _));
        Assert.Equal(3, client.Counters.Drops(OpenResult.Foreign));
        Assert.Equal(ConnectionState.Connecting, client.State);
    }

    private static byte[] ResponseTo(HandshakeServer server, PeerAddress from, long nowNs)
    {
        byte[] packet = new byte[1200];
        byte[] reply = new byte[1200];
        Handshake.WriteRequest(packet, Handshake.ProtocolVersion, ClientRandom, Suites);
        int bytes = server.HandleRequest(packet, from, nowNs, ServerRandom, reply);
        Assert.True(Handshake.TryReadChallenge(reply.AsSpan(0, bytes), out Challenge challenge, out ReadOnlySpan<byte> cookie));
        ConnectToken token = TestTokens.Mint();
        var keys = ConnectionKeys.Derive(token.Secret, ClientRandom, ServerRandom, Handshake.ProtocolVersion, challenge.Suite);
        Handshake.WriteResponse(packet, challenge, cookie, new ResponseBody(Suites, 5, default), token.Sealed, keys);
        return packet;
    }

    private static bool Verify(HandshakeServer server, byte[] response, PeerAddress from, long nowNs, out ConnectRequest request) =>
        server.TryVerifyResponse(response, from, nowNs, 0, new byte[1200], out _, out request);
}
