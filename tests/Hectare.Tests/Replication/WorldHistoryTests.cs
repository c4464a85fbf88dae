using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

public sealed class WorldHistoryTests
{
    private static readonly Intent East = new(0, Intent.MagnitudeMax);
    private static readonly Intent South = new(64, Intent.MagnitudeMax);

    private readonly ReplicationRig _rig = new(TestSchemas.Meadow(2048, 16)) { IsChecking = false };

    private SeededRandom _random = new(9);

    private WorldHistory History => _rig.Replicator.History;

    [Fact]
    public void A_straight_walker_publishes_nothing_for_a_minute_but_its_motion_every_500_ticks()
    {
        int row = _rig.Spawn(_rig.Walker, 100, 100);
        _rig.Run(2, () => _rig.Walk(row, East));
        uint started = History.VersionOf(row);
        for (int i = 0; i < 1_800; i++)
        {
            _rig.Run(1, () => _rig.Walk(row, East));
            AssertDrawnWithin(row, _rig.Walker.Grid.Quantum);
        }

        Assert.Equal(3u, History.VersionOf(row) - started);
        Assert.Equal(3, _rig.Replicator.Counters.Republished);
    }

    [Fact]
    public void Each_turn_is_one_version_and_the_path_is_true_to_a_quantum_at_every_tick()
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        var random = new SeededRandom(5);
        for (int turn = 0; turn < 300; turn++)
        {
            var intent = new Intent((byte)random.Next(0, 256), random.Next(1, 16), random.Next(0, 2));
            uint before = History.VersionOf(row);
            for (int i = 0; i < 40; i++)
            {
                _rig.Run(1, () => _rig.Walk(row, intent));
                AssertDrawnWithin(row, _rig.Walker.Grid.Quantum);
            }

            Assert.InRange(History.VersionOf(row) - before, 0u, turn == 0 ? 2u : 1u);
        }
    }

    [Fact]
    public void The_corner_of_a_turn_is_drawn_at_its_tick()
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        _rig.Run(30, () => _rig.Walk(row, East));
        Tick corner = _rig.Tick;
        _rig.Run(1, () => _rig.Walk(row, South));
        Assert.Equal(corner, History.MotionOf(row).T0);
        Assert.Equal((0, TestSchemas.WalkSpeed), (History.MotionOf(row).VelocityX, History.MotionOf(row).VelocityY));
    }

    [Theory]
    [InlineData(15, 0)]
    [InlineData(15, 37)]
    [InlineData(3, 100)]
    [InlineData(1, 200)]
    public void A_stop_is_published_once_and_ends_exact(int magnitude, byte direction)
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        _rig.Run(200, () => _rig.Walk(row, new Intent(direction, magnitude)));
        uint walking = History.VersionOf(row);
        _rig.Run(200);
        Assert.InRange(History.VersionOf(row) - walking, 1u, magnitude == 15 ? 1u : 2u);
        Assert.Equal(Rest(row), History.Record(row, History.VersionOf(row))[0]);
        long compared = _rig.Replicator.Counters.RowsCompared;
        _rig.Run(100);
        Assert.Equal(compared, _rig.Replicator.Counters.RowsCompared);
    }

    [Fact]
    public void What_is_nudged_within_the_tolerance_is_published_once_at_rest_ten_ticks_later()
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        _rig.Run(30);
        uint before = History.VersionOf(row);
        _rig.Run(1, () => _rig.World.MoveTo(row, _rig.World.X[row] - 60, _rig.World.Y[row], Intent.Rest));
        _rig.Run(9);
        Assert.Equal(before, History.VersionOf(row));
        _rig.Run(1);
        Assert.Equal(before + 1, History.VersionOf(row));
        Assert.Equal(Rest(row), History.Record(row, History.VersionOf(row))[0]);
        _rig.Run(100);
        Assert.Equal(before + 1, History.VersionOf(row));
    }

    [Fact]
    public void What_is_pushed_is_sampled_every_third_tick_and_exact_again_after_ten_quiet_ticks()
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        _rig.Run(10, () => Push(row));
        long samples = _rig.Replicator.Counters.Samples;
        uint before = History.VersionOf(row);
        _rig.Run(90, () => Push(row));
        Assert.Equal(30, _rig.Replicator.Counters.Samples - samples);
        Assert.Equal(30u, History.VersionOf(row) - before);
        Assert.True(History.MotionOf(row).Sampled);
        before = History.VersionOf(row);
        _rig.Run(60, () => _rig.Walk(row, East));
        Assert.False(History.MotionOf(row).Sampled);
        Assert.InRange(History.VersionOf(row) - before, 1u, 5u);
        AssertDrawnWithin(row, _rig.Walker.Grid.Quantum);
        _rig.Run(60);
        Assert.Equal(Rest(row), History.Record(row, History.VersionOf(row))[0]);
    }

    [Fact]
    public void What_does_not_change_is_never_published_nor_looked_at()
    {
        for (int i = 0; i < 50; i++)
            _rig.Spawn(i % 2 == 0 ? _rig.Crate : _rig.Walker, 10 + i, 10);
        _rig.Run(30);
        (long versions, long steps, long compared) = (_rig.Replicator.Counters.VersionsPublished, _rig.Replicator.Counters.StepsEncoded, _rig.Replicator.Counters.RowsCompared);
        Assert.Equal(50, versions);
        _rig.Run(300);
        Assert.Equal((versions, steps, compared), (_rig.Replicator.Counters.VersionsPublished, _rig.Replicator.Counters.StepsEncoded, _rig.Replicator.Counters.RowsCompared));
    }

    [Fact]
    public void A_changed_field_names_its_group_and_no_other()
    {
        int row = _rig.Spawn(_rig.Walker, 10, 10);
        _rig.Run(30);
        uint baseline = History.VersionOf(row);
        _rig.Run(1, () => _rig.World.Set(row, _rig.Walker["health"], 3));
        _rig.Run(1, () => _rig.World.Set(row, _rig.Walker["coins"], 9));
        Assert.Equal(2u, History.VersionOf(row) - baseline);
        int all = _rig.Walker.VisibleGroups(false, false), owner = _rig.Walker.VisibleGroups(true, false);
        Delta seen = History.DeltaFrom(row, baseline, audience: 1, all, _rig.Tick);
        Assert.Equal((0, 0b10), (seen.Steps, seen.Groups));
        Assert.Equal(0b1010, History.DeltaFrom(row, baseline, audience: 1, owner, _rig.Tick).Groups);
        Assert.Equal(0, History.DeltaFrom(row, baseline + 1, audience: 1, all, _rig.Tick).Groups);
    }

    [Fact]
    public void An_update_made_in_advance_has_the_bits_of_one_put_together()
    {
        int[] rows = [.. Enumerable.Range(0, 40).Select(i => _rig.Spawn(_rig.Walker, 300 + i, 300))];
        var random = new SeededRandom(6);
        int[] inAdvance = new int[2];        // by a version, by two
        Span<byte> made = new byte[64], put = new byte[64];
        for (int tick = 0; tick < 600; tick++)
        {
            uint[] before = [.. rows.Select(row => History.VersionOf(row))];
            _rig.Run(1, () =>
            {
                foreach (int row in rows)
                {
                    _rig.Walk(row, random.Next(0, 4) == 0 ? Intent.Rest : new Intent((byte)random.Next(0, 256), Intent.MagnitudeMax));
                    if (random.Next(0, 10) == 0)
                        _rig.World.Set(row, _rig.Walker["health"], (uint)random.Next(0, 8));
                    if (random.Next(0, 10) == 0)
                        _rig.World.Set(row, _rig.Walker["coins"], (uint)random.Next(0, 100));
                }
            });
            int visible = _rig.Walker.VisibleGroups(owner: false, party: false);
            for (int i = 0; i < rows.Length; i++)
            {
                uint baseline = before[i] - (uint)(tick & 1);
                if (before[i] < 2 || History.VersionOf(rows[i]) != before[i] + 1)
                    continue;
                Delta fast = History.DeltaFrom(rows[i], baseline, audience: 0, visible, _rig.Tick), slow = History.DeltaFrom(rows[i], baseline, audience: 2, visible, _rig.Tick);
                inAdvance[tick & 1] += fast.Bits > 0 ? 1 : 0;
                Assert.Equal((slow.Newest, slow.Steps, slow.Groups, slow.IsGap), (fast.Newest, fast.Steps, fast.Groups, fast.IsGap));
                Assert.Equal(History.DeltaBits(in slow, visible), History.DeltaBits(in fast, visible));
                var one = new BitWriter(made);
                var other = new BitWriter(put);
                History.WriteDelta(ref one, in fast, visible);
                History.WriteDelta(ref other, in slow, visible);
                Assert.True(one.Finish().SequenceEqual(other.Finish()));
            }
        }

        Assert.All(inAdvance, made => Assert.InRange(made, 500, int.MaxValue));
    }

    [Fact]
    public void A_teleport_is_a_break_that_no_step_crosses()
    {
        int row = _rig.Spawn(_rig.Walker, 10, 10);
        _rig.Run(30, () => _rig.Walk(row, East));
        uint baseline = History.VersionOf(row);
        _rig.Run(1, () => _rig.World.Teleport(row, Units.FromFloat(900), Units.FromFloat(900)));
        Delta delta = History.DeltaFrom(row, baseline, audience: 1, 0, _rig.Tick);
        Assert.Equal((1, true), (delta.Steps, delta.IsGap));
        Assert.Equal((_rig.World.X[row] >> 7, _rig.World.Y[row] >> 7), (History.MotionOf(row).X >> 7, History.MotionOf(row).Y >> 7));
        _rig.Run(5, () => _rig.Walk(row, South));
        AssertDrawnWithin(row, _rig.Walker.Grid.Quantum);
        delta = History.DeltaFrom(row, baseline, audience: 1, 0, _rig.Tick);
        Assert.Equal((2, true), (delta.Steps, delta.IsGap));
    }

    [Fact]
    public void More_than_four_steps_are_a_gap_and_the_newest_four()
    {
        int row = _rig.Spawn(_rig.Walker, 1000, 1000);
        _rig.Run(2, () => _rig.Walk(row, East));
        uint baseline = History.VersionOf(row);
        for (int turn = 0; turn < 6; turn++)
        {
            _rig.Run(10, () => _rig.Walk(row, turn % 2 == 0 ? South : East));
            Delta delta = History.DeltaFrom(row, baseline, audience: 1, 0, _rig.Tick);
            Assert.Equal((Math.Min(turn + 1, 4), turn >= 4), (delta.Steps, delta.IsGap));
        }
    }

    [Fact]
    public void A_step_from_rest_too_old_for_ten_bits_is_left_out_behind_a_gap()
    {
        int row = _rig.Spawn(_rig.Walker, 100, 100);
        _rig.Run(20);
        uint baseline = History.VersionOf(row);
        _rig.Run(1_100, () => _rig.Walk(row, new Intent(0, 3)));
        Delta delta = History.DeltaFrom(row, baseline, audience: 1, 0, _rig.Tick);
        Assert.Equal((1, true), (delta.Steps, delta.IsGap));
        Assert.True(_rig.Tick - History.T0(row, delta.Newest) <= EntityCodec.TickAgeMax);
    }

    [Fact]
    public void A_reused_row_starts_anew()
    {
        int row = _rig.Spawn(_rig.Walker, 10, 10);
        _rig.Run(20, () => _rig.Walk(row, East));
        uint old = _rig.World.Id[row];
        _rig.Run(1, () => _rig.World.Destroy(row));
        Assert.Equal(0u, History.IdOf(row));
        _rig.Run(1, () => Assert.Equal(row, _rig.Spawn(_rig.Crate, 50, 50)));
        Assert.NotEqual(old, History.IdOf(row));
        Assert.Equal(_rig.World.Id[row], History.IdOf(row));
        Assert.Equal(1u, History.VersionOf(row));
        Assert.False(History.Holds(row, 2));
        Assert.False(History.Holds(row, 0));
    }

    [Fact]
    public void What_is_spawned_and_destroyed_in_one_tick_leaves_nothing()
    {
        _rig.Run(1, () => _rig.World.Destroy(_rig.Spawn(_rig.Walker, 10, 10)));
        Assert.Equal(0, History.PublishedCount);
        Assert.Equal(0u, History.IdOf(0));
    }

    [Fact]
    public void A_bird_that_stops_has_no_velocity()
    {
        int row = _rig.Spawn(_rig.Bird, 100, 100);
        _rig.Run(10, () => _rig.World.MoveTo(row, _rig.World.X[row] + 500, _rig.World.Y[row], Intent.Rest));
        Assert.NotEqual(0u, _rig.Bird["velocity"].Get(History.Record(row, History.VersionOf(row))));
        _rig.Run(2);
        Assert.Equal(0u, _rig.Bird["velocity"].Get(History.Record(row, History.VersionOf(row))));
    }

    [Fact]
    public void The_sixteenth_version_back_is_held_and_the_seventeenth_is_not()
    {
        int row = _rig.Spawn(_rig.Walker, 10, 10);
        for (uint i = 1; i <= 40; i++)
            _rig.Run(1, () => _rig.World.Set(row, _rig.Walker["health"], i));
        uint newest = History.VersionOf(row);
        Assert.True(History.Holds(row, newest - 15));
        Assert.False(History.Holds(row, newest - 16));
        Assert.Equal(26u, _rig.Walker["health"].Get(History.Record(row, newest - 15)) + 1);
    }

    [Fact]
    public void An_entity_takes_600_bytes_at_most_over_a_world_of_statics_and_movers()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(2048, 16), capacity: 44_000) { IsChecking = false };
        for (int i = 0; i < 44_000; i++)
            rig.Spawn(i < 40_000 ? rig.Crate : rig.Walker, i % 2000, i / 2000);
        rig.Run(2);
        Assert.InRange(rig.Replicator.History.MemoryBytes / 44_000.0, 100, 600);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    public void Steps_are_encoded_once_whatever_the_number_of_peers(int peers)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), peersMax: 64) { IsChecking = false };
        int[] rows = [.. Enumerable.Range(0, 60).Select(i => rig.Spawn(rig.Walker, 200 + i, 200))];
        for (int i = 0; i < peers; i++)
            rig.AddPeer(rows[i], (ulong)i);
        int tick = 0;
        rig.Run(300, () =>
        {
            tick++;
            foreach (int row in rows)
                rig.Walk(row, new Intent((byte)((tick + row) / 20 * 32), Intent.MagnitudeMax));
        });
        Assert.Equal(954, rig.Replicator.Counters.StepsEncoded);
    }

    private void Push(int row)
        => _rig.World.MoveTo(row, _rig.World.X[row] + _random.Next(300, 600), _rig.World.Y[row] + (_random.NextBool(0.5) ? 500 : -500), Intent.Rest);

    private ulong Rest(int row) => Motion.Pack(_rig.Walker.Grid.Quantize(_rig.World.X[row]), _rig.Walker.Grid.Quantize(_rig.World.Y[row]), Intent.Rest);

    private void AssertDrawnWithin(int row, int quantum)
    {
        PublishedMotion published = History.MotionOf(row);
        (int x, int y) = published.IsRest ? (published.X, published.Y) : published.At(_rig.Tick);
        Assert.InRange(x - _rig.World.X[row], -quantum, quantum);
        Assert.InRange(y - _rig.World.Y[row], -quantum, quantum);
    }
}
