using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Goal: what moves is drawn where it is, and what stands stands, whichever packet is lost. See docs/testing.md, Traps.</summary>
public sealed class MotionTraps(ITestOutputHelper output)
{
    private static readonly Intent East = new(0, Intent.MagnitudeMax);
    private static readonly Intent South = new(64, Intent.MagnitudeMax);
    private static readonly Intent West = new(128, Intent.MagnitudeMax);

    [Fact]
    public void Trap05_Accumulator_zeroed_and_the_packet_lost()
    {
        var far = new ReplicationOptions { NearUnits = 20, FarUnits = 40 };
        int on = Run(far), off = Run(far with { Off = Mechanisms.Resend });
        output.WriteLine($"on: {on} ticks stale at most; not given back: {off} ticks, to the end");
        Assert.InRange(on, 3, 20);
        Assert.InRange(off, 300, int.MaxValue);

        // 80 units away a turn goes out once. That packet is lost; nothing else happens.
        static int Run(ReplicationOptions options)
        {
            var trap = new TrapRig(options);
            int row = trap.Spawn(trap.Rig.Walker, 200, 256), other = trap.Spawn(trap.Rig.Walker, 280, 256);
            TrapPeer peer = trap.AddPeer(row);
            trap.Run(30);
            trap.Run(60, () => trap.Rig.Walk(other, South));
            Assert.True(peer.Holds(other));
            peer.Watch(other);
            SequenceNumber last = peer.LastWritten;
            peer.LosesDown = sequence => sequence == last + 1;
            trap.Run(300, () => trap.Rig.Walk(other, new Intent(192, 3)));
            Assert.Equal(0, peer.Refused);
            return peer.LongestStale;
        }
    }

    [Fact]
    public void Trap08_Rest_never_acked_at_rest()
    {
        (double Slides, int Inexact) on = Run(Mechanisms.None), once = Run(Mechanisms.Resend), unsettled = Run(Mechanisms.RestPublished);
        output.WriteLine($"on: {on.Slides:F3} units off after 3 s, {on.Inexact} of 24 not in their quantum; said once: {once.Slides:F1} units off; rest not published: {unsettled.Inexact} of 24 not in their quantum");
        Assert.Equal(0, on.Inexact);
        Assert.InRange(on.Slides, 0, 0.023);
        Assert.InRange(once.Slides, 10, 20);
        Assert.InRange(unsettled.Inexact, 1, 24);

        // Walkers of all directions stop, are nudged, and every packet of the next 20 ticks is lost.
        static (double Slides, int Inexact) Run(Mechanisms off)
        {
            var trap = new TrapRig(new ReplicationOptions { Off = off, BytesPerSecond = 64_000 });
            int[] rows = [.. Enumerable.Range(0, 24).Select(i => trap.Spawn(trap.Rig.Walker, 240 + (i % 6 * 5), 240 + (i / 6 * 5)))];
            TrapPeer peer = trap.AddPeer(rows[0]);
            trap.Run(30);
            trap.Run(61, () =>
            {
                for (int i = 0; i < rows.Length; i++)
                    trap.Rig.Walk(rows[i], new Intent((byte)(i * 11), 15 - (i % 4)));
            });
            peer.LosesDown = _ => true;
            trap.Run(5);
            // A nudge of less than a quantum: what was published still fits, and is not where it stands.
            trap.Run(1, () => Array.ForEach(rows, row => trap.Rig.World.MoveTo(row, trap.Rig.World.X[row] + 100, trap.Rig.World.Y[row] - 100, Intent.Rest)));
            trap.Run(14);
            peer.LosesDown = _ => false;
            trap.Run(70);
            return (rows.Max(row => peer.Error(row, trap.Tick)), rows.Count(row => !IsExact(trap, peer, row)));
        }

        static bool IsExact(TrapRig trap, TrapPeer peer, int row)
        {
            PositionGrid grid = trap.Rig.Schema.Grid;
            return peer.World.TryGetMotion(trap.Rig.World.IdOf(row), out PublishedMotion motion) && motion.IsRest
                && (grid.Quantize(motion.X), grid.Quantize(motion.Y)) == (grid.Quantize(trap.Rig.World.X[row]), grid.Quantize(trap.Rig.World.Y[row]));
        }
    }

    [Fact]
    public void Trap15_Two_turns_between_two_packets()
    {
        (int Wrong, int Frames, double Most) on = Run(Mechanisms.None), off = Run(Mechanisms.Steps);
        output.WriteLine($"on: {on.Wrong} of {on.Frames} frames wrong, {on.Most:F3} units at most; newest only: {off.Wrong} of {off.Frames}, {off.Most:F2} units");
        Assert.Equal(0, on.Wrong);
        Assert.InRange(on.Most, 0, 0.05);
        Assert.InRange(off.Wrong, 20, off.Frames);

        // East, three ticks south, west: both corners lie between two packets six ticks apart.
        static (int Wrong, int Frames, double Most) Run(Mechanisms off)
        {
            var trap = new TrapRig(new ReplicationOptions { SnapshotIntervalTicks = 6, Off = off });
            int row = trap.Spawn(trap.Rig.Walker, 256, 256), other = trap.Spawn(trap.Rig.Walker, 260, 256);
            TrapPeer peer = trap.AddPeer(row);
            trap.Run(30);
            int wrong = 0, frames = 0;
            double most = 0;
            for (int tick = 0; tick < 900; tick++)
            {
                int phase = tick % 62;
                trap.Run(1, () => trap.Rig.Walk(other, phase < 28 ? East : phase is >= 31 and < 59 ? West : tick % 124 < 62 ? South : new Intent(192, Intent.MagnitudeMax)));
                if (tick < 30)
                    continue;
                double error = peer.Error(other, trap.Tick - 10);
                most = Math.Max(most, error);
                frames++;
                wrong += error <= 0.1 ? 0 : 1;
            }

            return (wrong, frames, most);
        }
    }

    [Fact]
    public void Trap16_Straight_walker_publishes_nothing_for_a_minute()
    {
        var trap = new TrapRig(schema: Hectare.Tests.Replication.TestSchemas.Meadow(2048, 16));
        int row = trap.Spawn(trap.Rig.Walker, 1000, 1000), other = trap.Spawn(trap.Rig.Walker, 925, 1010);
        int late = trap.Spawn(trap.Rig.Walker, 1010, 1000);
        TrapPeer peer = trap.AddPeer(row);
        trap.Run(30);
        uint versions = trap.Rig.Replicator.History.VersionOf(other);
        long updates = trap.Rig.Writer.Counters.Updates;
        double most = 0;
        TrapPeer? joined = null;
        for (int tick = 0; tick < 1_800; tick++)
        {
            trap.Run(1, () => trap.Rig.Walk(other, new Intent(7, 8)));
            // As old as a published motion gets: 500 ticks less one.
            if (tick == 499)
                joined = trap.AddPeer(late);
            if (tick < 10)
                continue;
            most = Math.Max(most, peer.Error(other, trap.Tick - 6));
            if (tick > 520)
                most = Math.Max(most, joined!.Error(other, trap.Tick - 6));
        }

        versions = trap.Rig.Replicator.History.VersionOf(other) - versions;
        updates = trap.Rig.Writer.Counters.Updates - updates;
        output.WriteLine($"{versions} versions and {updates} updates for two peers in 60 s; drawn {most:F3} units off at most; {peer.Packets} packets");
        Assert.InRange(versions, 4u, 5u);
        Assert.InRange(updates, 4, 24);
        Assert.InRange(most, 0, 0.04);
        Assert.True(peer.Holds(other) && joined!.Holds(other));
        Assert.Equal(0, peer.Refused + joined.Refused);
    }
}
