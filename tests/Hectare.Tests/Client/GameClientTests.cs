using Hectare.Client;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.World;
using Shouldly;

namespace Hectare.Tests.Client;

/// <summary>The client as a whole, against real replication over a bad link.</summary>
public sealed class GameClientTests
{
    private const int SpeedUnits = 683;

    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(2, 0.05)]
    [InlineData(3, 0.20)]
    public void Replica_equals_the_world_once_it_stands_still(int seed, double loss)
    {
        var zone = new SmallZone(seed, FakeServer.Farm) { Loss = loss, JitterNs = 28_000_000 };
        var walkers = new Walkers(zone, seed, 120);
        zone.Step = walkers.Walk;
        zone.Run(20);
        zone.Client.State.ShouldBe(ClientState.Playing);
        zone.Client.Zone.ShouldBe(new ZoneId(7));
        zone.Client.Avatar.ShouldBe(zone.World.IdOf(zone.AvatarRow));
        zone.Client.World!.Count.ShouldBeGreaterThan(50);

        walkers.Standing = true;
        zone.Run(4);
        ClientStats stats = zone.Client.Stats;
        (stats.Malformed, stats.WithoutBaseline, stats.WrongChecks, zone.Resyncs).ShouldBe((0, 0, 0, 0));
        walkers.AssertSame(zone.Client.World!);
    }

    [Fact]
    public void Walkers_are_drawn_where_they_were()
    {
        var zone = new SmallZone(4, FakeServer.Farm) { Loss = 0.05, DelayNs = 100_000_000, JitterNs = 20_000_000 };
        var walkers = new Walkers(zone, 4, 30) { Radius = 20 };
        zone.Step = walkers.Walk;
        zone.Run(5);
        zone.Frame = walkers.Compare;
        zone.Run(40);
        walkers.Compared.ShouldBeGreaterThan(20_000);
        walkers.WrongShare.ShouldBeLessThan(0.0015);
        zone.Client.Stats.DelayNs.ShouldBeInRange(200_000_000, 262_000_000);
        zone.Client.Stats.ClockSteps.ShouldBe(0);
    }

    [Fact]
    public void Steady_play_allocates_nothing_and_holds_little()
    {
        var zone = new SmallZone(12, FakeServer.Farm) { Loss = 0.05, JitterNs = 25_000_000 };
        var walkers = new Walkers(zone, 12, 300) { Radius = 70 };
        double sum = 0;
        zone.Step = walkers.Walk;
        zone.Frame = () =>
        {
            if (zone.Client.World is not { } world)
                return;
            foreach (ReplicaWorld.ReplicaEntity entity in world)
                sum += entity.Sample().X;
            while (world.TryTakeEvent(out ReplicaEvent one))
                sum += one.Groups;
        };
        zone.Run(60);

        // A window may still meet code that the JIT has not optimised (it boxes what the second tier does not): one of five must be clean.
        long allocated = long.MaxValue;
        for (int window = 0; window < 5 && allocated > 0; window++)
        {
            long before = zone.ClientAllocatedBytes;
            long snapshots = zone.Client.Stats.Snapshots;
            zone.Run(10);
            (zone.Client.Stats.Snapshots - snapshots).ShouldBeGreaterThan(80);
            allocated = zone.ClientAllocatedBytes - before;
        }

        zone.Client.World!.Count.ShouldBeGreaterThan(150);
        allocated.ShouldBe(0);
        double.IsFinite(sum).ShouldBeTrue();
        zone.Client.World!.MemoryBytes.ShouldBeLessThan(700 * zone.Client.World.Count);
    }

    [Fact]
    public void Inputs_arrive_before_their_tick_and_a_change_leaves_at_once()
    {
        var zone = new SmallZone(5, FakeServer.Farm) { Loss = 0.02, DelayNs = 60_000_000, JitterNs = 10_000_000 };
        _ = new Walkers(zone, 5, 3);
        zone.Run(5);
        zone.HasInput.ShouldBeTrue();
        zone.Margin.ShouldBeInRange(0, 6);
        long sent = zone.Client.Stats.SentPackets;
        zone.Run(10);
        (zone.Client.Stats.SentPackets - sent).ShouldBeInRange(95, 115);

        zone.Loss = 0;
        zone.Client.SetInput(new TopDownInput(new Intent(64, 15), 5));
        zone.Run(0.140);
        zone.NewestInput.ShouldBe(new TopDownInput(new Intent(64, 15), 5));
    }

    [Fact]
    public void Inputs_known_ahead_are_each_taken_by_their_own_tick_however_rarely_the_client_is_updated()
    {
        var zone = new SmallZone(13, FakeServer.Farm) { Loss = 0.02, FrameNs = 97_000_000 };
        _ = new Walkers(zone, 13, 3);
        zone.Frame = () => zone.Client.SetInputs([.. Enumerable.Range(1, 8).Select(i => InputOf(zone.Client.InputTick + i))]);
        zone.Run(3);
        int came = 0;
        zone.InputCame = (tick, input) =>
        {
            input.ShouldBe(InputOf(tick), $"{tick}");
            came++;
        };
        zone.Run(20);
        came.ShouldBeGreaterThan(20 * 30);

        static TopDownInput InputOf(Tick tick) => new(new Intent((byte)(tick.Value * 32), 15), (ushort)tick.Value);
    }

    [Fact]
    public void Last_input_known_ahead_holds_on()
    {
        var zone = new SmallZone(14, FakeServer.Farm);
        _ = new Walkers(zone, 14, 3);
        zone.Run(3);
        zone.Client.SetInputs([new TopDownInput(new Intent(64, 15), 1), new TopDownInput(new Intent(64, 15), 2)]);
        zone.Run(1);
        zone.NewestInput.Buttons.ShouldBe((ushort)2);
        zone.Client.SetInputs([new TopDownInput(new Intent(64, 15), 3), new TopDownInput(new Intent(64, 15), 4)]);
        zone.Client.SetInput(new TopDownInput(new Intent(64, 15), 5));
        zone.Run(1);
        zone.NewestInput.Buttons.ShouldBe((ushort)5, "what is set later is all that counts");
    }

    [Fact]
    public void Client_says_when_it_has_something_to_send_and_when_an_input_is_due()
    {
        var zone = new SmallZone(15, FakeServer.Farm) { FrameNs = 1_000_000, Loss = 0.02 };
        _ = new Walkers(zone, 15, 3);
        zone.Run(4);
        long sent = -1, dueNs = 0, broken = 0, sooner = 0, early = 0, late = 0;
        Tick tick = default;
        bool willSend = false;
        zone.Frame = () =>
        {
            bool hasSent = zone.Client.Stats.SentPackets > sent;
            broken += sent >= 0 && willSend && !hasSent ? 1 : 0;
            sooner += sent >= 0 && !willSend && hasSent ? 1 : 0;
            (sent, willSend) = (zone.Client.Stats.SentPackets, zone.Client.NextSendNs <= zone.NowNs);
            bool isTaken = dueNs > 0 && zone.Client.InputTick - tick >= 3;
            early += isTaken && dueNs > zone.NowNs + 2_000_000 ? 1 : 0;
            late += !isTaken && dueNs > 0 && dueNs < zone.NowNs - 2_000_000 ? 1 : 0;
            if (dueNs == 0 || isTaken)
                (dueNs, tick) = (zone.Client.InputDueNs(3), zone.Client.InputTick);
        };
        zone.Run(20);
        broken.ShouldBe(0);
        sooner.ShouldBeLessThan(10, "only where a snapshot was late");
        (early, late).ShouldBe((0, 0));
    }

    [Fact]
    public void Refused_snapshot_is_never_acked_and_is_mended_by_a_resync()
    {
        var zone = new SmallZone(6, FakeServer.Farm);
        var walkers = new Walkers(zone, 6, 40);
        zone.Step = walkers.Walk;
        zone.Run(3);
        int damaged = 0;
        zone.Tamper = (datagram, tail) =>
        {
            // Among the last bits of the header: baseline or self-check.
            datagram[tail + 15] ^= 0x10;
            return ++damaged > 0;
        };
        zone.Run(0.5);
        zone.Tamper = null;
        damaged.ShouldBeGreaterThan(2);
        ClientStats stats = zone.Client.Stats;
        (stats.Malformed + stats.WithoutBaseline + stats.WrongChecks).ShouldBeGreaterThan(0);
        stats.Resyncs.ShouldBeLessThanOrEqualTo(1);
        zone.Client.Drops(OpenResult.NotAccepted).ShouldBe(stats.Malformed + stats.WithoutBaseline + stats.WrongChecks);
        zone.Run(3);
        walkers.Standing = true;
        zone.Run(4);
        walkers.AssertSame(zone.Client.World!);
    }

    [Fact]
    public void Client_that_does_not_decode_still_keeps_time_and_acks()
    {
        var zone = new SmallZone(7, FakeServer.Farm, options: new ClientOptions { Decode = false });
        var walkers = new Walkers(zone, 7, 60);
        zone.Step = walkers.Walk;
        zone.Run(10);
        zone.Client.World.ShouldBeNull();
        zone.Client.Stats.Snapshots.ShouldBeGreaterThan(80);
        zone.Client.Stats.Malformed.ShouldBe(0);
        zone.Connection!.Counters.AckedPackets.ShouldBeGreaterThan(80);
        zone.Margin.ShouldBeInRange(0, 6);
    }

    [Fact]
    public void Messages_pass_both_ways_and_the_goodbye_is_told()
    {
        var zone = new SmallZone(8, FakeServer.Farm);
        _ = new Walkers(zone, 8, 2);
        zone.Run(1);
        zone.Connection!.TrySend(Lane.Chat, "hello"u8).ShouldBe(SendResult.Sent);
        zone.Connection!.TrySend(Lane.Action, [1, 2, 3]).ShouldBe(SendResult.Sent);
        zone.Client.SendMessage(Lane.Action, [9]).ShouldBe(SendResult.Sent);
        zone.Run(1);
        zone.Client.TryReceiveMessage(out Lane lane, out ReadOnlySpan<byte> message).ShouldBeTrue();
        (lane, message.Length).ShouldBe((Lane.Action, 3));
        zone.Client.TryReceiveMessage(out lane, out message).ShouldBeTrue();
        (lane, System.Text.Encoding.UTF8.GetString(message)).ShouldBe((Lane.Chat, "hello"));
        zone.Client.TryReceiveMessage(out _, out _).ShouldBeFalse();
        zone.Client.Close(CloseCode.Left, zone.NowNs);
        zone.Run(0.5);
        zone.Connection!.CloseReason.ShouldBe(new CloseReason(CloseCause.ClosedByPeer, CloseCode.Left));
        zone.Client.State.ShouldBe(ClientState.Closed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Older_and_newer_clients_read_each_others_servers(bool clientIsNewer)
    {
        Schema more = FakeServer.Build(player => player.Group("mood").Float("mood", -1, 1, 6).Int("level", 7));
        Schema less = FakeServer.Farm;
        (Schema server, Schema client) = clientIsNewer ? (less, more) : (more, less);
        var zone = new SmallZone(9, server, client) { Loss = 0.05 };
        var walkers = new Walkers(zone, 9, 60);
        zone.Step = walkers.Walk;
        zone.Run(8);
        zone.Client.State.ShouldBe(ClientState.Playing);
        walkers.Standing = true;
        zone.Run(4);
        walkers.AssertSame(zone.Client.World!, client);
        if (clientIsNewer)
            zone.Client.World!.GetValue(zone.Client.Avatar, client["player"]["mood"]).ShouldBe(-1);
    }

    [Fact]
    public void Server_that_lacks_what_the_game_requires_is_refused_in_words()
    {
        Schema client = FakeServer.Build(player => player.Group("mood").Int("mood", 6, required: true));
        var zone = new SmallZone(10, FakeServer.Farm, client);
        _ = new Walkers(zone, 10, 2);
        zone.Run(2);
        zone.Client.State.ShouldBe(ClientState.Closed);
        zone.Client.CloseReason.Refusal.ShouldBe(RefuseReason.SchemaMismatch);
        zone.Client.CloseReason.Text.ShouldBe("kind 'player', field 'mood': required by this client, missing on the server");
    }

    [Fact]
    public void Silence_ends_the_connection()
    {
        var zone = new SmallZone(11, FakeServer.Farm);
        _ = new Walkers(zone, 11, 2);
        zone.Run(2);
        zone.Loss = 1;
        zone.Run(11);
        zone.Client.CloseReason.Cause.ShouldBe(CloseCause.TimedOut);
    }

    /// <summary>Walkers who turn about once a second, and swing now and then; and the log of where they truly were.</summary>
    private sealed class Walkers
    {
        private readonly SmallZone _zone;
        private readonly Random _random;
        private readonly List<int> _rows = [];
        private readonly Dictionary<uint, (int X, int Y)[]> _log = [];
        private readonly Intent[] _intents;
        private int _wrong;

        public Walkers(SmallZone zone, int seed, int count)
        {
            _zone = zone;
            _random = new Random(seed);
            _intents = new Intent[count];
            Kind kind = zone.Schema["player"];
            for (int i = 0; i < count; i++)
            {
                int row = zone.World.Spawn(kind, Units.FromFloat(500 + (_random.NextDouble() * 160)), Units.FromFloat(500 + (_random.NextDouble() * 160)));
                zone.World.SetText(row, kind["name"], "walker " + (i % 8));
                _rows.Add(row);
            }

            for (int i = 0; i < 20; i++)
                zone.World.Spawn(zone.Schema["tree"], Units.FromFloat(500 + (i * 10)), Units.FromFloat(520));
            zone.AvatarRow = _rows[0];
            zone.World.SetOwner(_rows[0], 0);
        }

        public bool Standing { get; set; }

        public double Radius { get; init; } = 400;

        public int Compared { get; private set; }

        public double WrongShare => _wrong / (double)Math.Max(1, Compared);

        public void Walk()
        {
            WorldState world = _zone.World;
            for (int i = 0; i < _rows.Count; i++)
            {
                int row = _rows[i];
                if (Standing)
                    _intents[i] = Intent.Rest;
                else if (_random.NextDouble() < 1 / 30.0)
                    _intents[i] = _random.Next(8) == 0 ? Intent.Rest : new Intent((byte)(_random.Next(8) * 32), 15);
                (int x, int y) = (580 * Units.One, 580 * Units.One);
                bool isFar = Math.Abs(world.X[row] - x) > Radius * Units.One || Math.Abs(world.Y[row] - y) > Radius * Units.One;
                if (isFar && !Standing)
                    _intents[i] = new Intent((byte)(int)(Math.Atan2(y - world.Y[row], x - world.X[row]) / Math.Tau * 256), 15);
                (int velocityX, int velocityY) = _intents[i].Velocity(SpeedUnits);
                world.MoveTo(row, world.X[row] + velocityX, world.Y[row] + velocityY, _intents[i]);
                if (!Standing && _random.Next(200) == 0)
                    world.Set(row, _zone.Schema["player"]["swing"], (world.Get(row, _zone.Schema["player"]["swing"]) + 1) & 7);
                Log(row);
            }
        }

        /// <summary>What is drawn now against where it was at the tick that is drawn.</summary>
        public void Compare()
        {
            ReplicaWorld world = _zone.Client.World!;
            double tick = world.PresentationTick;
            foreach (ReplicaWorld.ReplicaEntity entity in world)
            {
                SampledEntity drawn = entity.Sample();
                if (drawn.Fade < 1 || !_log.TryGetValue(drawn.Id.Value, out (int X, int Y)[]? log))
                    continue;
                uint whole = (uint)(long)Math.Floor(tick);
                double share = tick - Math.Floor(tick);
                (int X, int Y) a = log[whole % 1024], b = log[(whole + 1) % 1024];
                double x = Units.ToDouble(a.X) + ((Units.ToDouble(b.X) - Units.ToDouble(a.X)) * share) - drawn.X;
                double y = Units.ToDouble(a.Y) + ((Units.ToDouble(b.Y) - Units.ToDouble(a.Y)) * share) - drawn.Y;
                Compared++;
                _wrong += (x * x) + (y * y) > 0.01 ? 1 : 0;
            }
        }

        public void AssertSame(ReplicaWorld replica, Schema? client = null)
        {
            List<EntityId> known = [];
            _zone.Replicator.Peer(0)!.CopyKnown(known);
            List<EntityId> held = [];
            foreach (ReplicaWorld.ReplicaEntity entity in replica)
            {
                if (!entity.Leaving)
                    held.Add(entity.Id);
            }

            held.OrderBy(id => id.Value).ShouldBe(known.OrderBy(id => id.Value));
            held.Count.ShouldBe(replica.Count);
            foreach (EntityId id in held)
                AssertSame(replica, id, client ?? _zone.Schema);
        }

        private void AssertSame(ReplicaWorld replica, EntityId id, Schema client)
        {
            WorldState world = _zone.World;
            world.TryFind(id, out int row).ShouldBeTrue();
            PositionGrid grid = _zone.Schema.Grid;
            if (world.KindOf(row).HasMotion)
            {
                replica.TryGetMotion(id, out PublishedMotion motion).ShouldBeTrue();
                (motion.X, motion.Y, motion.IsRest).ShouldBe((grid.Dequantize(grid.Quantize(world.X[row])), grid.Dequantize(grid.Quantize(world.Y[row])), true));
                replica.Sample(id, out SampledEntity drawn);
                drawn.X.ShouldBe(Units.ToDouble(motion.X), 0.01);
                Field swing = client["player"]["swing"], name = client["player"]["name"];
                replica.GetField(id, swing).ShouldBe(world.Get(row, _zone.Schema["player"]["swing"]));
                replica.GetText(id, name).SequenceEqual(world.Texts.Find(world.Get(row, _zone.Schema["player"]["name"]))).ShouldBeTrue();
            }
            else
            {
                replica.TryGetPosition(id, out double x, out _).ShouldBeTrue();
                x.ShouldBe(Units.ToDouble(grid.Dequantize(grid.Quantize(world.X[row]))));
            }
        }

        private void Log(int row)
        {
            uint id = _zone.World.IdOf(row).Value;
            if (!_log.TryGetValue(id, out (int X, int Y)[]? log))
                _log[id] = log = new (int, int)[1024];
            log[_zone.Tick.Value % 1024] = (_zone.World.X[row], _zone.World.Y[row]);
        }
    }
}
