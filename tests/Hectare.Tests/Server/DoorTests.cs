using Hectare.Protocol;
using Hectare.Server;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>Who comes in, and with what: tokens once, strangers bounded. Everything by hand: packets are what they are on the wire.</summary>
public sealed class DoorTests
{
    private static readonly ZoneOptions Locked = new()
    {
        PlayersMax = 8,
        EntitiesMax = 4096,
        Access = new ZoneAccess { Keys = TestTokens.Keys.ToText(), Open = false },
    };

    [Fact]
    public void A_token_lets_in_once()
    {
        using var bench = new ZoneBench(Locked);
        ConnectToken token = Token(1);
        TestClient first = bench.Join(1, token: token);
        bench.Run(20);
        Assert.NotEqual(EntityId.None, first.Avatar);
        Assert.Equal((42UL, Session(1)), (bench.Game.Arrivals[0].ClientId, bench.Game.Arrivals[0].Session));

        TestClient second = bench.Join(2, token: token);
        bench.Run(20);
        Assert.Equal(RefuseReason.BadToken, second.Connection.CloseReason.Refusal);
        Assert.Contains("used before", second.Connection.CloseReason.Text, StringComparison.Ordinal);
        Assert.Equal(1, bench.Dropped("tokenReused"));
        Assert.Equal(ConnectionState.Connected, first.Connection.State);

        // Not when its connection is over, either.
        first.Connection.Close(CloseCode.Left, bench.NowNs);
        bench.Run(20);
        TestClient third = bench.Join(3, token: token);
        bench.Run(20);
        Assert.Equal(RefuseReason.BadToken, third.Connection.CloseReason.Refusal);
    }

    [Fact]
    public void Who_has_no_token_or_a_forged_one_stays_out_and_the_game_gets_what_a_good_one_says()
    {
        using var bench = new ZoneBench(Locked);
        TestClient without = bench.Join(1);
        TestClient forged = bench.Join(2, token: new TokenAuthority(ClusterKeys.Of(7, new byte[32])).Mint(TestTokens.Request, TestTokens.Random(2)));
        TestClient good = bench.Join(3, token: TestTokens.Mint(3, TestTokens.Request with { UserData = "blue hat"u8.ToArray() }));
        bench.Run(20);
        Assert.Equal(RefuseReason.BadToken, without.Connection.CloseReason.Refusal);
        Assert.Equal(RefuseReason.BadToken, forged.Connection.CloseReason.Refusal);
        Assert.Equal((1, 1), (bench.Dropped("tokenNotGranted"), bench.Dropped("tokenBadSeal")));
        Assert.NotEqual(EntityId.None, good.Avatar);
        Assert.Equal("blue hat"u8.ToArray(), bench.Game.Arrivals.Single().UserData.ToArray());
    }

    [Fact]
    public void A_token_is_not_spent_by_a_refusal()
    {
        using var bench = new ZoneBench(Locked with { PlayersMax = 1 });
        TestClient first = bench.Join(1, token: Token(1));
        bench.Run(20);
        ConnectToken token = Token(2);
        Assert.Equal(RefuseReason.Full, Joined(bench, 2, token).Connection.CloseReason.Refusal);
        first.Connection.Close(CloseCode.Left, bench.NowNs);
        bench.Run(20);
        Assert.NotEqual(EntityId.None, Joined(bench, 3, token).Avatar);
    }

    [Fact]
    public void An_expired_token_is_refused_and_its_use_is_forgotten()
    {
        using var bench = new ZoneBench(Locked);
        ConnectToken used = Token(1, expires: 2);
        Joined(bench, 1, used);
        bench.Run(150);
        TestClient again = Joined(bench, 2, used);
        Assert.Equal("the connect token has expired: log in again", again.Connection.CloseReason.Text);
        Assert.Equal(0, bench.Dropped("tokenReused"));
        Assert.Equal(1, bench.Dropped("tokenExpired"));
    }

    [Fact]
    public void The_same_attempt_is_answered_again_and_another_counts_only_until_the_first_is_heard()
    {
        using var bench = new ZoneBench(Locked);
        ConnectToken token = Token(1);
        var first = new Knocker(bench, 9_001, token, random: 1);
        var second = new Knocker(bench, 9_002, token, random: 2);
        byte[] early = first.Challenged();
        byte[] later = second.Challenged();

        // The acceptance was lost: the same response again gives the same acceptance.
        byte[] accepted = first.Answered(early);
        Assert.Equal(accepted, first.Answered(early));
        Assert.Equal(1, bench.Zone.PeerCount);
        ulong id = bench.Peer().ConnectionId;

        // Its holder tries anew, and takes its place; what is held back of the first attempt changes nothing.
        Assert.Equal((byte)PacketType.Accepted, second.Answered(later)[0]);
        Assert.Equal(1, bench.Zone.PeerCount);
        Assert.NotEqual(id, bench.Peer().ConnectionId);
        id = bench.Peer().ConnectionId;
        Assert.Empty(first.Answered(early));
        Assert.Equal(1, bench.Dropped("handshakeSuperseded"));
        Assert.Equal(id, bench.Peer().ConnectionId);

        // Once heard, the token is spent.
        second.Say();
        var third = new Knocker(bench, 9_003, token, random: 3);
        Assert.Equal((byte)PacketType.Refused, third.Answered(third.Challenged())[0]);
        Assert.Equal(1, bench.Dropped("tokenReused"));
        Assert.Equal(id, bench.Peer().ConnectionId);
    }

    [Fact]
    public void A_token_whose_connection_was_never_heard_of_is_good_again_when_that_is_over()
    {
        using var bench = new ZoneBench(Locked with { Limits = new ZoneLimits { JoinTimeOutMs = 1_000 } });
        ConnectToken token = Token(1);
        var first = new Knocker(bench, 9_001, token, random: 1);
        first.Answered(first.Challenged());
        bench.Run(60);
        Assert.Equal((0, 1), (bench.Zone.PeerCount, (int)bench.Zone.Kicks()["joinTimeOut"]));
        Assert.NotEqual(EntityId.None, Joined(bench, 2, token).Avatar);
    }

    [Fact]
    public void Who_is_let_in_and_never_joins_holds_a_place_for_a_while_and_only_so_many_do()
    {
        using var bench = new ZoneBench(Locked with { Limits = new ZoneLimits { PendingMax = 2, JoinTimeOutMs = 2_000 } });
        TestClient[] idle = [bench.Join(1, token: Token(1), saysReady: false), bench.Join(2, token: Token(2), saysReady: false)];
        bench.Run(20);
        Assert.Equal(2, bench.Zone.PendingCount);
        ConnectToken token = Token(3);
        TestClient third = Joined(bench, 3, token);
        Assert.Equal((RefuseReason.TooManyPending, 2), (third.Connection.CloseReason.Refusal, bench.Zone.PendingCount));

        bench.Run(50);
        Assert.All(idle, client => Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.JoinTimeOut), client.Connection.CloseReason));
        Assert.Equal(0, bench.Zone.PendingCount);
        Assert.NotEqual(EntityId.None, Joined(bench, 4, token).Avatar);
        Assert.Single(bench.Game.Events);
    }

    [Fact]
    public void When_no_more_used_tokens_can_be_remembered_nobody_else_comes_in()
    {
        using var bench = new ZoneBench(Locked with { Limits = new ZoneLimits { UsedTokensMax = 1_024, HandshakesBurst = 10_000 } });
        for (ulong i = 0; i < 1_024; i++)
        {
            var knocker = new Knocker(bench, 20_000 + (int)i, Token(i, expires: 2_000), random: i);
            Assert.Equal((byte)PacketType.Accepted, knocker.Answered(knocker.Challenged())[0]);
            knocker.Leave();
        }

        TestClient late = Joined(bench, 2_000, Token(2_000, expires: 2_000));
        Assert.Equal(RefuseReason.TooManyPending, late.Connection.CloseReason.Refusal);
    }

    [Fact]
    public void One_address_uses_up_its_own_bucket_and_nobody_elses()
    {
        using var bench = new ZoneBench(Locked with { Limits = new ZoneLimits { HandshakesPerSecond = 10, HandshakesBurst = 20 } });
        var flooder = new Knocker(bench, 9_001, Token(1), random: 1);
        for (int i = 0; i < 100; i++)
            flooder.Ask();
        bench.Run(1);
        Assert.Equal(80, bench.Dropped("handshakeOverAddressLimit"));
        TestClient other = bench.Join(2, token: Token(2), at: PeerAddress.FromIPv4(0x7F00_0002, 9_001));
        bench.Run(20);
        Assert.NotEqual(EntityId.None, other.Avatar);
    }

    // A request costs nothing to make; an answer to a challenge needs the challenge.
    [Fact]
    public void A_flood_of_requests_keeps_nobody_out_that_has_a_challenge()
    {
        using var bench = new ZoneBench(Locked with { Limits = new ZoneLimits { HandshakesPerTickMax = 8 } });
        var client = new Knocker(bench, 9_001, Token(1), random: 1);
        byte[] response = client.Challenged();
        for (int i = 0; i < 200; i++)
            new Knocker(bench, 10_000 + i, Token(2), random: 2, host: 0x0A00_0000u + (uint)i).Ask();
        Assert.Equal((byte)PacketType.Accepted, client.Answered(response)[0]);
        Assert.Equal(192, bench.Dropped("handshakeOverLimit"));
    }

    [Fact]
    public void No_reply_is_longer_than_what_it_answers()
    {
        using var bench = new ZoneBench(Locked with { PlayersMax = 2, Access = new ZoneAccess() });
        var sums = new Dictionary<PeerAddress, long>();
        bench.Links.Observer = one =>
        {
            if (one.Fate != LinkFate.Delivered)
                return;
            PeerAddress stranger = one.From == ZoneBench.Server ? one.To : one.From;
            sums[stranger] = sums.GetValueOrDefault(stranger) + (one.From == ZoneBench.Server ? -one.Bytes : one.Bytes);
            Assert.True(sums[stranger] >= 0, $"{stranger} got more than came from it");
        };
        var random = new SeededRandom(5);
        for (int i = 0; i < 200; i++)
        {
            using IDatagramSocket socket = bench.Links.Open(PeerAddress.Loopback(30_000 + i));
            var batch = new DatagramBatch(1);
            int bytes = random.Next(0, 5) == 0 ? random.Next(1, 1_200) : 1_200;
            switch (i % 3)
            {
                case 0:
                    Handshake.WriteRequest(batch.Buffer(0), (ushort)(i % 2 == 0 ? Handshake.ProtocolVersion : 9), new Random128((ulong)i, 1), CipherSuites.Aes256Gcm);
                    break;
                case 1:
                    Handshake.WriteTokenAsk(batch.Buffer(0), Handshake.ProtocolVersion, new Random128((ulong)i, 1));
                    break;
                default:
                    for (int at = 0; at < bytes; at++)
                        batch.Buffer(0)[at] = (byte)random.NextUInt64();
                    batch.Buffer(0)[0] = (byte)random.Next(0, 12);
                    break;
            }

            batch.Add(ZoneBench.Server, bytes);
            socket.Send(batch);
            bench.Run(1);
        }

        Assert.True(sums.Count > 150);
        Assert.Contains(sums, pair => pair.Value < 1_200);
    }

    [Fact]
    public void The_key_log_is_told_of_every_connection_made()
    {
        var told = new List<TrafficSecrets>();
        using var bench = new ZoneBench(Locked, hooks: new ZoneHooks { KeyLog = told.Add });
        bench.Join(1, token: Token(1));
        bench.Join(2, token: Token(2));
        bench.Run(10);
        Assert.Equal([bench.Peer(0).ConnectionId, bench.Peer(1).ConnectionId], told.Select(one => one.ConnectionId));
    }

    private static SessionId Session(ulong number) => new(9, number);

    private static ConnectToken Token(ulong seed, ulong expires = 600) => new TokenAuthority(TestTokens.Keys).Mint(
        TestTokens.Request with { Session = Session(seed), ExpiresUnixSeconds = expires },
        [.. Enumerable.Range(0, TokenAuthority.RandomBytes).Select(i => (byte)(seed >> (i % 8 * 8)))]);

    private static TestClient Joined(ZoneBench bench, ulong seed, ConnectToken token)
    {
        TestClient client = bench.Join(seed, token: token);
        bench.Run(20);
        return client;
    }

    /// <summary>A handshake by hand.</summary>
    private sealed class Knocker
    {
        private readonly ZoneBench _bench;
        private readonly IDatagramSocket _socket;
        private readonly Connection _connection;
        private readonly DatagramBatch _batch = new(4);
        private readonly byte[] _request = new byte[PacketHeader.DatagramBytesMax];

        public Knocker(ZoneBench bench, int port, ConnectToken token, ulong random, uint host = 0x7F00_0001)
        {
            _bench = bench;
            _socket = bench.Links.Open(PeerAddress.FromIPv4(host, port));
            _connection = Connection.Connect(ConnectionOptions.Default, new Random128(random, 5), TestGame.SharedSchema.Schema.Hash, default, bench.NowNs, token);
            Assert.Equal(PacketHeader.DatagramBytesMax, _connection.Poll(bench.NowNs, _request));
        }

        /// <summary>Sends the request.</summary>
        public void Ask() => Send(_request);

        /// <summary>Gives the response to the challenge that the request brings.</summary>
        public byte[] Challenged()
        {
            byte[] challenge = Answered(_request);
            Assert.Equal(OpenResult.Handshake, _connection.TryOpen(challenge, _bench.NowNs, out _));
            byte[] response = new byte[PacketHeader.DatagramBytesMax];
            Assert.Equal(response.Length, _connection.Poll(_bench.NowNs, response));
            return response;
        }

        /// <summary>Sends a datagram and gives what comes back; empty when nothing does.</summary>
        public byte[] Answered(byte[] datagram)
        {
            Send(datagram);
            _bench.Run(2);
            if (_socket.Receive(_batch) == 0)
                return [];
            byte[] answer = _batch.Datagram(0).ToArray();
            if (answer[0] == (byte)PacketType.Accepted)
                _connection.TryOpen([.. answer], _bench.NowNs, out _);
            return answer;
        }

        /// <summary>Is heard on its connection.</summary>
        public void Say()
        {
            byte[] datagram = new byte[PacketHeader.DatagramBytesMax];
            _connection.BeginPacket(datagram, _bench.NowNs, 0, out _);
            Send(datagram.AsSpan(0, _connection.FinishPacket(datagram, 0, _bench.NowNs)));
            _bench.Run(1);
        }

        /// <summary>Says goodbye.</summary>
        public void Leave()
        {
            byte[] datagram = new byte[PacketHeader.DatagramBytesMax];
            _connection.Close(CloseCode.Left, _bench.NowNs);
            Send(datagram.AsSpan(0, _connection.Poll(_bench.NowNs, datagram)));
            _bench.Run(1);
        }

        private void Send(ReadOnlySpan<byte> datagram)
        {
            _batch.Clear();
            datagram.CopyTo(_batch.Buffer(0));
            _batch.Add(ZoneBench.Server, datagram.Length);
            _socket.Send(_batch);
            _batch.Clear();
        }
    }
}
