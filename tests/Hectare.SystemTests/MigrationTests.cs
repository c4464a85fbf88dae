using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.SystemTests;

/// <summary>
/// Goal: a client whose packets arrive on the socket of another thread than before stays where it was. Method: a zone with four network threads on real
/// sockets that share a port, a hundred clients on loopback; some of them go on from another socket, so that the kernel spreads them anew. Times are
/// told by the test, and it waits for every datagram: a slow machine makes it slower, nothing else.
/// </summary>
public sealed class MigrationTests(ITestOutputHelper output)
{
    private const int Clients = 100;
    private const int Moves = 12;
    private const int Threads = 4;

    [Fact]
    public void A_client_that_lands_on_another_threads_socket_is_handed_over_and_misses_a_round_trip_at_most()
    {
        using var field = new Field();
        field.Run(200);
        Assert.Equal(Clients, field.Zone.PeerCount);
        Assert.Equal(0, field.Zone.Report().HandedOver);
        var beyondRoundTrip = new List<long>();
        for (int move = 0; move < Moves; move++)
        {
            Player player = field.Players[move * 8];
            long rttNs = player.Game.Stats.RttNs;
            player.Move();
            player.LongestGapNs = 0;
            field.Run(31 + (move % 3));
            output.WriteLine($"player {move * 8}: gap {player.LongestGapNs / 1e6:F0} ms, round trip {rttNs / 1e6:F0} ms");
            Assert.Equal(ClientState.Playing, player.Game.State);
            // Players look once a tick.
            Assert.InRange(player.LongestGapNs, 1, rttNs + Field.IntervalNs + Field.TickNs);
            beyondRoundTrip.Add(player.LongestGapNs - rttNs);
        }

        beyondRoundTrip.Sort();
        Assert.InRange(beyondRoundTrip[Moves / 2], 0, Field.IntervalNs);

        ZoneReport report = field.Zone.Report();
        Assert.Equal(Clients, field.Zone.PeerCount);
        Assert.Equal((Moves, Moves, 0), (report.Paths.Seen, report.Paths.Proved, report.Paths.GivenUp));
        // One in four lands where it was.
        Assert.True(report.HandedOver > Moves, $"{report.HandedOver} datagrams handed over");
        Assert.Empty(report.Offences);
        Assert.All(field.Players, player => Assert.Equal(ClientState.Playing, player.Game.State));
    }

    private sealed class Player(UdpSocket socket, GameClient<TopDownInput> game, FarmBot bot)
    {
        public UdpSocket Socket { get; private set; } = socket;

        public GameClient<TopDownInput> Game { get; } = game;

        public FarmBot Bot { get; } = bot;

        public long LastSnapshotNs { get; set; }

        public long LongestGapNs { get; set; }

        /// <summary>Goes on from another port.</summary>
        public void Move()
        {
            Socket.Dispose();
            Socket = Field.OpenClient();
        }
    }

    /// <summary>The zone and its players; players first, then the zone.</summary>
    private sealed class Field : IDisposable
    {
        private static readonly ZoneOptions Options = new()
        {
            PlayersMax = Clients,
            Threads = MigrationTests.Threads,
            Replication = new ReplicationOptions { FixedRate = true },
        };

        private readonly UdpSocket[] _sockets = OpenSockets();
        private readonly DatagramBatch _batch = new();
        private readonly SnapshotScratch _scratch = new();
        private readonly PeerAddress _server;
        private long _nowNs = 1_000_000_000;
        private long _sent;

        public Field()
        {
            var game = new FarmGame(new FarmOptions());
            Zone = new Zone<TopDownInput>(Options, game.Schema.Schema, game, FarmMap.Generate(1), ZoneRandom.Seeded(1), _sockets);
            _server = PeerAddress.Loopback(_sockets[0].LocalAddress.Port);
            for (int i = 0; i < Clients; i++)
            {
                var client = new GameClient<TopDownInput>(new ClientOptions { Decode = false }, game.Schema.Schema, scratch: _scratch);
                client.Connect(_nowNs, new Random128((ulong)i, 77));
                Players.Add(new Player(OpenClient(), client, new FarmBot((ulong)i, FarmWorkload.Uniform)));
            }
        }

        public static long TickNs => Options.TickLengthNs;

        public static long IntervalNs => 3 * TickNs;

        public Zone<TopDownInput> Zone { get; }

        public List<Player> Players { get; } = [];

        public void Run(int ticks)
        {
            for (int i = 0; i < ticks; i++)
            {
                _nowNs += Options.TickLengthNs;
                Players.ForEach(Update);
                Assert.True(SpinWait.SpinUntil(() => _sockets.Sum(socket => socket.Counters.ReceivedDatagrams) >= _sent, 10_000), "datagrams were lost");
                // Counted by the socket just before they are in the queue.
                Thread.Sleep(2);
                Zone.RunTick(_nowNs, _nowNs);
            }
        }

        public void Dispose()
        {
            Zone.Dispose();
            foreach (UdpSocket socket in _sockets)
                socket.Dispose();
            Players.ForEach(player => player.Socket.Dispose());
        }

        private void Update(Player player)
        {
            long snapshots = player.Game.Stats.Snapshots;
            while (player.Socket.Receive(_batch) > 0)
            {
                for (int i = 0; i < _batch.Count; i++)
                    player.Game.Receive(_batch.MutableDatagram(i), _nowNs);
            }

            if (player.Game.Stats.Snapshots != snapshots)
            {
                player.LongestGapNs = Math.Max(player.LongestGapNs, _nowNs - player.LastSnapshotNs);
                player.LastSnapshotNs = _nowNs;
            }

            player.Game.SetInput(player.Bot.Next());
            player.Game.Update(_nowNs);
            _batch.Clear();
            while (!_batch.IsFull && player.Game.TryTakeDatagram(_batch.Buffer(_batch.Count), out int bytes))
                _batch.Add(_server, bytes);
            _sent += player.Socket.Send(_batch);
        }

        public static UdpSocket OpenClient() => new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReceiveBufferBytes = 1 << 16 });

        private static UdpSocket[] OpenSockets()
        {
            var sockets = new UdpSocket[MigrationTests.Threads];
            for (int i = 0; i < sockets.Length; i++)
                sockets[i] = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(i == 0 ? 0 : sockets[0].LocalAddress.Port), ReusePort = true });
            return sockets;
        }
    }
}
