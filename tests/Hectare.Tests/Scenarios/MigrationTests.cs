using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Clients whose address changes in mid-session. Goal: nobody is disconnected, the picture stands still for a round trip and not longer, and nobody else
/// is sent anything. Method: a zone and three clients in virtual time, a snapshot every 100 ms, 50 ms each way; the address of one changes at every
/// phase between its packets and the server's.
/// </summary>
public sealed class MigrationTests(ITestOutputHelper output)
{
    private const long Ms = 1_000_000;
    private static readonly LinkProfile Link = LinkProfile.Perfect with { DelayNs = 50 * Ms };
    private static readonly PeerAddress OtherPort = PeerAddress.Loopback(30_000);
    private static readonly PeerAddress OtherHost = PeerAddress.FromIPv4(0x0A00_0001, 30_000);
    private static readonly PeerAddress Attacker = PeerAddress.FromIPv4(0x0A00_0666, 6_666);

    [Theory]
    [InlineData("a router gave another port", 1)]
    [InlineData("another network, and the client says so", 1)]
    [InlineData("another network, and nobody says so", 2)]
    public void The_gap_between_two_snapshots_is_a_round_trip_and_an_interval(string how, int roundTrips)
    {
        PeerAddress to = roundTrips == 1 && how.StartsWith("a router", StringComparison.Ordinal) ? OtherPort : OtherHost;
        var gaps = new List<long>();
        long rttNs = 0;
        for (int phase = 0; phase < 40; phase++)
        {
            using SimulatedSystem system = Started(seed: (ulong)phase, seconds: 5 + (phase * 0.007));
            SimulatedClient client = system.Clients[0];
            Peer<TopDownInput> peer = PeerOf(system, client);
            rttNs += peer.Connection.SmoothedRttNs / 40;
            system.Move(client, to);
            if (how.Contains("says so", StringComparison.Ordinal) && roundTrips == 1)
                client.Game.OnNetworkChanged();
            gaps.Add(LongestGap(system, client, 2));
            Assert.Equal((to, ClientState.Playing), (peer.Address, client.Game.State));
            Assert.Equal((1, 1, 0), (system.Zone.Metrics.PathsSeen, system.Zone.Metrics.PathsProved, system.Zone.Metrics.PathsGivenUp));
            Assert.False(peer.Path!.IsActive);
        }

        gaps.Sort();
        output.WriteLine($"{how}: round trip as measured {rttNs / Ms} ms, gaps {gaps[0] / Ms} to {gaps[^1] / Ms} ms, median {gaps[20] / Ms}");
        Assert.InRange(gaps[^1], 100 * Ms, (roundTrips * rttNs) + (100 * Ms));
    }

    [Theory]
    [InlineData("audit-5pct")]
    [InlineData("hell")]
    public void Clients_that_move_every_few_seconds_on_a_bad_link_stay(string profile)
    {
        for (ulong seed = 1; seed <= 3; seed++)
        {
            using SimulatedSystem system = Started(seed, seconds: 5, LinkProfile.Get(profile));
            var random = new SeededRandom(seed);
            for (int move = 0; move < 20; move++)
            {
                SimulatedClient client = system.Clients[random.Next(0, 3)];
                bool isPort = random.Next(0, 2) == 0;
                system.Move(client, isPort ? client.Address.WithPort(40_000 + move) : PeerAddress.FromIPv4(0x0A01_0000u + (uint)move, 40_000));
                if (!isPort && random.Next(0, 2) == 0)
                    client.Game.OnNetworkChanged();
                system.RunSeconds(2);
                Assert.True(client.Game.State == ClientState.Playing, $"seed {seed}, move {move}");
                Assert.True(PeerOf(system, client).Address == client.Address, $"seed {seed}, move {move}");
                Assert.True(system.NowNs - client.LastSnapshotNs < 1_000 * Ms, $"seed {seed}, move {move}");
            }

            Assert.DoesNotContain("forgedAck", system.Zone.Offences().Keys, StringComparer.Ordinal);
        }
    }

    [Fact]
    public void Packets_captured_and_sent_again_from_elsewhere_move_nobody_and_bring_nobody_a_byte()
    {
        using SimulatedSystem system = Started(seed: 1, seconds: 5);
        using var attacker = new OnPath(system, system.Clients[0], Attacker);
        for (int i = 0; i < 100; i++)
        {
            // At once, late, and beyond the window.
            system.RunSeconds(0.1);
            attacker.SendCaptured(newest: 40);
        }

        Assert.Equal(0, attacker.BytesGot);
        Assert.Equal(0, system.Zone.Metrics.PathsSeen);
        Assert.NotEqual(Attacker, PeerOf(system, system.Clients[0]).Address);
        Assert.True(attacker.BytesSent > 100_000);
    }

    [Fact]
    public void Packets_kept_from_the_server_and_sent_later_from_elsewhere_move_nobody()
    {
        using SimulatedSystem system = Started(seed: 2, seconds: 5);
        SimulatedClient client = system.Clients[0];
        using var attacker = new OnPath(system, client, Attacker);
        for (int i = 0; i < 20; i++)
        {
            attacker.Forget();
            system.Network.AddOutage(client.Address, SimulatedSystem.ServerAddress, system.NowNs, system.NowNs + (300 * Ms));
            system.RunSeconds(0.3);
            int held = attacker.Captured;
            Assert.True(held > 0);
            system.RunSeconds(0.3);
            attacker.SendCaptured(oldest: held);
            system.RunSeconds(0.5);
        }

        Assert.Equal((0, 0L), (attacker.BytesGot, system.Zone.Metrics.PathsSeen));
        Assert.Equal(client.Address, PeerOf(system, client).Address);
    }

    // Who is on the way and quicker than the client is believed, for the packet is genuine: but it proves nothing, and gets no more than it sent.
    [Fact]
    public void Whoever_overtakes_a_client_from_another_host_gets_a_challenge_and_no_more()
    {
        using SimulatedSystem system = Started(seed: 3, seconds: 5);
        SimulatedClient client = system.Clients[0];
        system.Network.SetPath(Attacker, SimulatedSystem.ServerAddress, LinkProfile.Perfect);
        using var attacker = new OnPath(system, client, Attacker) { IsQuick = true };
        long gapNs = LongestGap(system, client, 10);
        Assert.InRange(gapNs, 0, 140 * Ms);
        Assert.True(system.Zone.Metrics.PathsSeen >= 4);
        Assert.Equal(0, system.Zone.Metrics.PathsProved);
        Assert.Equal(client.Address, PeerOf(system, client).Address);
        Assert.InRange(attacker.BytesGot, 1, attacker.BytesSent);
        Assert.All(attacker.Got, datagram => Assert.Equal((byte)PacketType.PathChallenge, datagram[0]));
    }

    // The same from behind the client's own router: its stream follows without a proof, for two seconds, and once.
    [Fact]
    public void Whoever_overtakes_a_client_from_its_own_host_gets_its_stream_for_two_seconds_and_not_again()
    {
        using SimulatedSystem system = Started(seed: 3, seconds: 5);
        SimulatedClient client = system.Clients[0];
        PeerAddress neighbour = client.Address.WithPort(50_000);
        system.Network.SetPath(neighbour, SimulatedSystem.ServerAddress, LinkProfile.Perfect);
        using var attacker = new OnPath(system, client, neighbour) { IsQuick = true };
        Assert.InRange(LongestGap(system, client, 4), 1_500 * Ms, 2_300 * Ms);
        Assert.InRange(LongestGap(system, client, 10), 0, 140 * Ms);
        Assert.Equal(ClientState.Playing, client.Game.State);
        Assert.Equal(client.Address, PeerOf(system, client).Address);
        Assert.Equal(0, system.Zone.Metrics.PathsProved);
    }

    [Fact]
    public void Forged_packets_from_many_addresses_are_bounded_and_keep_nobody_from_moving()
    {
        using SimulatedSystem system = Started(seed: 4, seconds: 5, limits: new ZoneLimits { FailedOpensPerTickMax = 64 });
        SimulatedClient client = system.Clients[0];
        ulong id = PeerOf(system, client).ConnectionId;
        IDatagramSocket[] forgers = [.. Enumerable.Range(0, 50).Select(i => system.Network.Open(PeerAddress.FromIPv4(0x0A02_0000u + (uint)i, 1)))];
        var batch = new DatagramBatch(8);
        for (int step = 0; step < 90; step++)
        {
            foreach (IDatagramSocket forger in forgers)
            {
                batch.Clear();
                for (int i = 0; i < 4; i++)
                {
                    new PacketHeader(PacketType.Payload, id, (ushort)(PeerOf(system, client).Connection.NewestAccepted.Wire + 1 + i)).WriteFromClient(batch.Buffer(i));
                    batch.Add(SimulatedSystem.ServerAddress, 60);
                }

                forger.Send(batch);
            }

            if (step == 30)
                system.Move(client, OtherHost);
            system.RunSeconds(1.0 / 30);
        }

        Assert.Equal(OtherHost, PeerOf(system, client).Address);
        Assert.InRange(system.Zone.Drops()["otherAddress"], 2_000, 32 * 92);   // of one connection half of what a tick opens
        Assert.True(system.Zone.Drops()["failedOpensOverLimit"] > 10_000);
        Assert.Equal(1, system.Zone.Metrics.PathsSeen);
        Assert.Empty(system.Zone.Offences());
        Assert.All(forgers, forger => Assert.Equal(0, forger.Receive(batch)));
    }

    // Behind the same address, and nobody answers there: after two seconds the old address has its stream again, and is not left a second time.
    [Fact]
    public void An_address_that_proves_nothing_is_given_up()
    {
        using SimulatedSystem system = Started(seed: 5, seconds: 5);
        SimulatedClient client = system.Clients[0];
        PeerAddress old = client.Address;
        system.Move(client, old.WithPort(30_000));
        system.Network.AddOutage(SimulatedSystem.ServerAddress, client.Address, 0, long.MaxValue);
        var sentTo = new List<(long AtNs, PeerAddress To)>();
        Action<LinkEvent>? before = system.Network.Observer;
        system.Network.Observer = one =>
        {
            before?.Invoke(one);
            if (one.From == SimulatedSystem.ServerAddress && (one.To == old || one.To == client.Address) && one.Bytes > 28)
                sentTo.Add((one.SentNs, one.To));
        };
        long startNs = system.NowNs;
        system.RunSeconds(6);
        Assert.Equal(old, PeerOf(system, client).Address);
        Assert.True(system.Zone.Metrics.PathsGivenUp >= 1);
        Assert.Contains(sentTo, one => one.To == client.Address && one.AtNs - startNs < 1_000 * Ms);
        Assert.DoesNotContain(sentTo, one => one.To == client.Address && one.AtNs - startNs > 2_300 * Ms);
        Assert.True(sentTo.Count(one => one.To == old && one.AtNs - startNs > 2_300 * Ms) > 20);
    }

    private static SimulatedSystem Started(ulong seed, double seconds, LinkProfile? link = null, ZoneLimits? limits = null)
    {
        var system = new SimulatedSystem(new SimulationOptions
        {
            Seed = seed,
            Clients = 3,
            Profile = link ?? Link,
            Replication = new ReplicationOptions { FixedRate = true },
            Zone = new ZoneOptions { Limits = limits ?? new ZoneLimits() },
        });
        system.RunSeconds(seconds);
        Assert.All(system.Clients, client => Assert.Equal(ClientState.Playing, client.Game.State));
        return system;
    }

    private static Peer<TopDownInput> PeerOf(SimulatedSystem system, SimulatedClient client) => system.Zone.PeerOf(new PeerId(system.PeerIndexOf(client)))!;

    // The longest time between two snapshots, the last one before now among them.
    private static long LongestGap(SimulatedSystem system, SimulatedClient client, double seconds)
    {
        long longest = 0, last = client.LastSnapshotNs;
        for (long endNs = system.NowNs + (long)(seconds * 1e9); system.NowNs < endNs;)
        {
            system.RunUntil(system.NowNs + Ms);
            if (client.LastSnapshotNs == last)
                continue;
            longest = Math.Max(longest, client.LastSnapshotNs - last);
            last = client.LastSnapshotNs;
        }

        return longest;
    }

    /// <summary>Someone who sees all that a client sends, and can send it from an address of his own.</summary>
    private sealed class OnPath : IDisposable
    {
        private readonly SimulatedSystem _system;
        private readonly IDatagramSocket _socket;
        private readonly List<byte[]> _captured = [];
        private readonly DatagramBatch _batch = new(64);

        public OnPath(SimulatedSystem system, SimulatedClient victim, PeerAddress at)
        {
            _system = system;
            _socket = system.Network.Open(at);
            system.Sent = (client, datagram) =>
            {
                if (client != victim)
                    return;
                _captured.Add(datagram.ToArray());
                if (IsQuick)
                    SendCaptured(newest: 1);
            };
        }

        /// <summary>On: sends each packet at once, before the client's own is on its way.</summary>
        public bool IsQuick { get; init; }

        public int Captured => _captured.Count;

        public long BytesSent { get; private set; }

        public List<byte[]> Got { get; } = [];

        public int BytesGot
        {
            get
            {
                while (_socket.Receive(_batch) > 0)
                {
                    for (int i = 0; i < _batch.Count; i++)
                        Got.Add(_batch.Datagram(i).ToArray());
                }

                return Got.Sum(datagram => datagram.Length);
            }
        }

        public void Forget() => _captured.Clear();

        public void SendCaptured(int newest = 0, int oldest = 0)
        {
            _batch.Clear();
            foreach (byte[] datagram in oldest > 0 ? _captured.Take(oldest) : _captured.TakeLast(newest))
            {
                datagram.CopyTo(_batch.Buffer(_batch.Count));
                _batch.Add(SimulatedSystem.ServerAddress, datagram.Length);
                BytesSent += datagram.Length;
            }

            _socket.Send(_batch);
        }

        public void Dispose()
        {
            _system.Sent = null;
            _socket.Dispose();
        }
    }
}
