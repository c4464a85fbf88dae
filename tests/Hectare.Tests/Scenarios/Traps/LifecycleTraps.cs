using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Goal: who lives in which slot is never in doubt, whatever is lost between coming and going. See docs/testing.md, Traps.</summary>
public sealed class LifecycleTraps(ITestOutputHelper output)
{
    private static readonly ReplicationOptions NoDwell = new() { DwellTicks = 0 };

    [Fact]
    public void Trap10_Slot_reused_before_the_leave_is_acked()
    {
        (int Refused, bool Reused, bool ReusedLater, bool Holds) on = Run(early: false), off = Run(early: true);
        output.WriteLine($"on: {on.Refused} refused; slot free once its Destroy was written: {off.Refused} refused");
        Assert.Equal((0, false, true, true), on);
        Assert.True(off.Reused);
        Assert.InRange(off.Refused, 1, int.MaxValue);

        static (int Refused, bool Reused, bool ReusedLater, bool Holds) Run(bool early)
        {
            // A round trip of 40 packets, so that every slot is in the share of one of them.
            var trap = new TrapRig(new ReplicationOptions { SnapshotIntervalTicks = 1, FixedRate = true });
            int row = trap.Spawn(trap.Rig.Walker, 256, 256), gone = trap.Spawn(trap.Rig.Walker, 260, 256);
            TrapPeer peer = trap.AddPeer(row);
            (peer.DelayDown, peer.DelayUp, peer.RttTicks) = (20, 20, 40);
            trap.Run(100);
            int slot = peer.View.FindSlot(trap.Rig.World.Id[gone]);
            trap.Run(1, () => trap.Rig.World.Destroy(gone));
            peer.LosesDown = _ => true;
            trap.Run(1);
            if (early)
                peer.View.FreeSlot(slot);
            List<int> rows = [];
            bool reused = SpawnSix();
            peer.LosesDown = _ => false;
            trap.Run(120);
            bool reusedLater = SpawnSix();
            trap.Run(120);
            return (peer.Refused, reused, reusedLater, rows.All(peer.Holds) && peer.World.Count == 13);

            bool SpawnSix()
            {
                bool isSame = false;
                for (int i = 0; i < 6; i++)
                {
                    trap.Run(1, () => rows.Add(trap.Spawn(trap.Rig.Walker, 250 + i, 262)));
                    isSame |= peer.View.FindSlot(trap.Rig.World.Id[rows[^1]]) == slot;
                }

                return isSame;
            }
        }
    }

    [Fact]
    public void Trap11_Leave_cancelled_in_flight()
    {
        (int Refused, int Lacking, bool Holds) on = Run(NoDwell), off = Run(NoDwell with { Off = Mechanisms.FinalLeave });
        output.WriteLine($"on: {on.Refused} refused, lacking for {on.Lacking} ticks at most; Leave cancelled: {off.Refused} refused, lacking for {off.Lacking} ticks");
        Assert.Equal(0, on.Refused);
        Assert.True(on.Holds);
        Assert.InRange(on.Lacking, 1, 30);
        Assert.InRange(off.Refused, 10, int.MaxValue);
        Assert.InRange(off.Lacking, 60, int.MaxValue);

        // Out and back while the Leave is under way, twenty times; a round trip of 20 ticks.
        static (int Refused, int Lacking, bool Holds) Run(ReplicationOptions options)
        {
            var trap = new TrapRig(options);
            int row = trap.Spawn(trap.Rig.Walker, 100, 256), other = trap.Spawn(trap.Rig.Walker, 110, 256);
            TrapPeer peer = trap.AddPeer(row);
            (peer.DelayDown, peer.DelayUp, peer.RttTicks) = (10, 10, 20);
            trap.Run(60);
            int lacking = 0, most = 0;
            for (int round = 0; round < 20; round++)
            {
                trap.Run(1, () => trap.Rig.World.Teleport(other, Units.FromFloat(400), Units.FromFloat(256)));
                trap.Run(4 + (round % 5));
                trap.Run(1, () => trap.Rig.World.Teleport(other, Units.FromFloat(110 + round), Units.FromFloat(256)));
                for (int i = 0; i < 30; i++)
                {
                    trap.Run(1, () => trap.Rig.Walk(other, new Intent((byte)(i / 5 * 32), Intent.MagnitudeMax)));
                    lacking = peer.Knows(other) ? 0 : lacking + 1;
                    most = Math.Max(most, lacking);
                }
            }

            trap.Run(60);
            return (peer.Refused, most, peer.Holds(other) && peer.World.Count == 2);
        }
    }

    [Fact]
    public void Trap13_Late_spawns_because_observers_are_visited_in_slices()
    {
        const int Observers = 100;
        foreach ((int pushMax, int ticksMax) in (ReadOnlySpan<(int, int)>)[(256, 3), (0, 18)])
        {
            var trap = new TrapRig(new ReplicationOptions { PushSubscribersMax = pushMax, BytesPerSecond = 64_000 }, Observers);
            int[] avatars = [.. Enumerable.Range(0, Observers).Select(i => trap.Spawn(trap.Rig.Walker, 246 + (i % 10 * 2), 246 + (i / 10 * 2)))];
            foreach (int avatar in avatars)
                trap.AddPeer(avatar);
            trap.Run(90);
            List<int> seenAfter = [];
            for (int round = 0; round < 8; round++)
            {
                // 31 ticks apart, so that every phase of every interval is met.
                int spawned = -1;
                int[] ticks = new int[Observers];
                for (int tick = 1; tick <= 31; tick++)
                {
                    trap.Run(1, tick == 1 ? () => spawned = trap.Spawn(trap.Rig.Crate, 256, 268) : null);
                    for (int i = 0; i < Observers; i++)
                    {
                        int slot = trap.Peers[i].View.FindSlot(trap.Rig.World.Id[spawned]);
                        ticks[i] = ticks[i] == 0 && slot >= 0 && trap.Peers[i].View.Slots[slot].SentVersion != 0 ? tick : ticks[i];
                    }
                }

                seenAfter.AddRange(ticks);
            }

            output.WriteLine($"{(pushMax == 0 ? "crowd (pull)" : "pushed")}: {Observers} observers told within {seenAfter.Min()} to {seenAfter.Max()} ticks; in slices of five a tick it were {Observers / 5}");
            Assert.InRange(seenAfter.Min(), 1, ticksMax);
            Assert.InRange(seenAfter.Max(), 1, ticksMax);
            Assert.All(trap.Peers, peer => Assert.Equal(0, peer.Refused));
        }
    }

    [Fact]
    public void Trap14_Every_packet_lost_between_leave_and_reenter()
    {
        foreach ((bool down, bool up) in (ReadOnlySpan<(bool, bool)>)[(true, true), (true, false), (false, true)])
        {
            (int refused, bool holds) = Run(NoDwell, down, up);
            output.WriteLine($"lost down {down}, up {up}: {refused} refused");
            Assert.Equal(0, refused);
            Assert.True(holds);
        }

        (int broken, bool held) = Run(NoDwell with { Off = Mechanisms.FinalLeave }, down: false, up: true);
        output.WriteLine($"Leave cancelled, acks lost: {broken} refused, held {held}");
        Assert.InRange(broken, 1, int.MaxValue);

        static (int Refused, bool Holds) Run(ReplicationOptions options, bool down, bool up)
        {
            var trap = new TrapRig(options);
            int row = trap.Spawn(trap.Rig.Walker, 100, 256), other = trap.Spawn(trap.Rig.Walker, 110, 256), crate = trap.Spawn(trap.Rig.Crate, 112, 256);
            TrapPeer peer = trap.AddPeer(row);
            trap.Run(30);
            peer.LosesDown = _ => down;
            peer.LosesUp = up;
            trap.Run(1, () => Teleport(400));
            trap.Run(20, () => trap.Rig.Walk(other, new Intent(64, Intent.MagnitudeMax)));
            trap.Run(1, () => Teleport(115));
            trap.Run(20, () => trap.Rig.Walk(other, new Intent(0, Intent.MagnitudeMax)));
            peer.LosesDown = _ => false;
            peer.LosesUp = false;
            trap.Run(90);
            return (peer.Refused, peer.Holds(other) && peer.Holds(crate) && peer.World.Count == 3);

            void Teleport(int x)
            {
                trap.Rig.World.Teleport(other, Units.FromFloat(x), Units.FromFloat(256));
                trap.Rig.World.Teleport(crate, Units.FromFloat(x + 2), Units.FromFloat(256));
            }
        }
    }
}
