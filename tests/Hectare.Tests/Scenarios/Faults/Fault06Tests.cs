using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: interest has one hard edge; who walks along it sees what stands there appear and vanish. Answer: an exit radius beyond the enter
/// radius, and a dwell.
/// Method: a walker goes along a cell line for a minute and weaves 0.3 units to either side of it, among crates everywhere. Counted is, for
/// each crate, how often the client saw it come or go; the worst one tells.
/// </summary>
public sealed class Fault06Tests(ITestOutputHelper output)
{
    [Fact]
    public void Fault06_nothing_flickers_for_a_walker_along_a_cell_line()
    {
        (int worst, int all) = ComeAndGo(Mechanisms.None);
        (int worstOff, int allOff) = ComeAndGo(Mechanisms.Hysteresis);
        output.WriteLine($"on : the worst crate came and went {worst} times in a minute, all together {all}");
        output.WriteLine($"off: the worst crate came and went {worstOff} times in a minute, all together {allOff}");
        Assert.InRange(worst, 1, 2);
        Assert.True(worstOff > 10);
    }

    private static (int Worst, int All) ComeAndGo(Mechanisms off)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), new ReplicationOptions { Off = off }, capacity: 8_192) { IsChecking = false };
        for (int i = 0; i < 64 * 64; i++)
            rig.Spawn(rig.Crate, 4 + (i % 64 * 8), 4 + (i / 64 * 8));
        int walker = rig.Spawn(rig.Walker, 256, 180);
        RigPeer peer = rig.AddPeer(walker);
        int tick = 0;
        rig.Run(90, Weave);
        HashSet<uint> shown = [.. peer.Decoder.Shown().Keys];
        Dictionary<uint, int> changes = [];
        for (int i = 0; i < 600; i++)
        {
            rig.Run(3, Weave);
            HashSet<uint> now = [.. peer.Decoder.Shown().Keys];
            shown.SymmetricExceptWith(now);
            foreach (uint id in shown)
                changes[id] = changes.GetValueOrDefault(id) + 1;
            shown = now;
        }

        return (changes.Values.DefaultIfEmpty().Max(), changes.Values.Sum());

        // A second to and fro, and on along the line at 1 unit a second.
        void Weave()
        {
            double across = 0.3 * Math.Sin(tick * 2 * Math.PI / 30);
            rig.World.MoveTo(walker, Units.FromFloat(256 + across), Units.FromFloat(180 + (tick++ / 30.0)), Intent.Rest);
        }
    }
}
