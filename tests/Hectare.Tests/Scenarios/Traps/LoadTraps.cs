using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Goal: bytes follow news, resends do not come in a lump, and what a limit keeps back is counted. See docs/testing.md, Traps.</summary>
public sealed class LoadTraps(ITestOutputHelper output)
{
    [Fact]
    public void Trap09_Zero_change_entries_sent_for_ever()
    {
        var trap = new TrapRig();
        int row = trap.Spawn(trap.Rig.Walker, 256, 256), other = trap.Spawn(trap.Rig.Walker, 258, 256);
        int[] crates = [.. Enumerable.Range(0, 40).Select(i => trap.Spawn(trap.Rig.Crate, 230 + i, 250))];
        int bird = trap.Spawn(trap.Rig.Bird, 260, 260);
        TrapPeer peer = trap.AddPeer(row);
        trap.Run(90);
        WriterCounters written = trap.Rig.Writer.Counters;
        (long updates, long enters, long absolutes, long cells) = (written.Updates, written.Enters, written.Absolutes, trap.Rig.Replicator.Counters.CellsVisited);
        (int packets, long bytes) = (peer.Packets, peer.Bytes);
        uint coins = 0;
        // Everything that looks like a change and is none for this peer.
        trap.Run(1_800, () =>
        {
            foreach (int crate in crates)
                trap.Rig.World.Set(crate, trap.Rig.Crate["content"], 0);
            trap.Rig.World.MoveTo(other, trap.Rig.World.X[other], trap.Rig.World.Y[other], new Intent(0, Intent.MagnitudeMax));
            trap.Rig.World.MoveTo(bird, trap.Rig.World.X[bird], trap.Rig.World.Y[bird], Intent.Rest);
            trap.Rig.World.Set(other, trap.Rig.Walker["coins"], ++coins & 0xFFFF);
        });
        packets = peer.Packets - packets;
        bytes = peer.Bytes - bytes;
        output.WriteLine($"60 s: {packets} keep-alives of {(double)bytes / packets:F1} bytes, {written.Updates - updates} updates; an entry each would be {600 * peer.View.KnownCount}");
        Assert.Equal((updates, enters, absolutes), (written.Updates, written.Enters, written.Absolutes));
        Assert.InRange(packets, 119, 121);
        Assert.InRange((double)bytes / packets, 1, 24);
        Assert.Equal(cells, trap.Rig.Replicator.Counters.CellsVisited);
        Assert.Equal(0, peer.Refused);
    }

    [Fact]
    public void Trap12_Every_reliable_resend_due_in_one_tick()
    {
        // 60 short messages leave in one packet and are lost, with everything else for a second.
        var pair = new ConnectedPair(12, new LinkProfile { DelayNs = 50_000_000 });
        pair.Connect();
        pair.Run(3);
        pair.Network.AddOutage(ConnectedPair.ServerAddress, ConnectedPair.ClientAddress, pair.NowNs, pair.NowNs + 1_000_000_000);
        for (int i = 0; i < 60; i++)
            Assert.Equal(SendResult.Sent, pair.Server!.TrySend(Lane.Action, [(byte)i]));
        pair.Step();
        Assert.Equal(0, pair.Server!.ResentFragments);
        var perTick = new List<long>();
        pair.Run(5, () =>
        {
            perTick.Add(pair.Server.ResentFragments - perTick.Sum());
            return false;
        });
        long most = perTick.Max();
        output.WriteLine($"60 fragments lost together: {perTick.Sum()} resends in {perTick.Count(count => count > 0)} ticks, {most} in one at most; with one resend time for all it were 60");
        Assert.InRange(most, 1, 36);
        Assert.InRange(perTick.Sum(), 60, 240);
        Assert.Equal(Enumerable.Range(0, 60), pair.ClientReceived.Select(one => (int)one.Message[0]));
    }

    [Fact]
    public void Trap18_Bandwidth_cap_hides_the_load()
    {
        (long Demand, long LeftOut, int Incomplete, int Packets, double Rate) wide = Run(64_000), narrow = Run(2_000);
        output.WriteLine($"64 kB/s: {wide.Rate:F0} B/s, {wide.LeftOut} of {wide.Demand} left out, {wide.Incomplete} of {wide.Packets} packets incomplete; "
            + $"2 kB/s: {narrow.Rate:F0} B/s, {narrow.LeftOut} of {narrow.Demand} left out, {narrow.Incomplete} of {narrow.Packets} incomplete");
        Assert.Equal((0, 0), (wide.LeftOut, wide.Incomplete));
        Assert.InRange(narrow.Rate, 1_000, 2_100);
        Assert.InRange(narrow.LeftOut, narrow.Demand / 3, narrow.Demand);
        Assert.InRange(narrow.Incomplete, narrow.Packets * 3 / 4, narrow.Packets);
        // The load shows in what was wanted, not in what was sent.
        Assert.True(narrow.Demand >= wide.Demand, $"{narrow.Demand} against {wide.Demand}");

        static (long Demand, long LeftOut, int Incomplete, int Packets, double Rate) Run(int bytesPerSecond)
        {
            var trap = new TrapRig(new ReplicationOptions { BytesPerSecond = bytesPerSecond });
            var walkers = new Turners(trap, 140, turnEveryTicks: 6);
            TrapPeer peer = trap.AddPeer(walkers.Rows[0]);
            trap.Run(300);
            WriterCounters written = trap.Rig.Writer.Counters;
            (long before, long leftOut, long bytes, int packets, int incomplete) = (Operations(written), written.LeftOut, peer.Bytes, peer.Packets, 0);
            peer.Written = (header, _) => incomplete += header.Complete ? 0 : 1;
            trap.Run(300, walkers.Step);
            leftOut = written.LeftOut - leftOut;
            Assert.Equal(0, peer.Refused);
            return (Operations(written) - before + leftOut, leftOut, incomplete, peer.Packets - packets, (peer.Bytes - bytes) / 10.0);
        }

        static long Operations(WriterCounters written) => written.Updates + written.Enters + written.Absolutes + written.Leaves + written.Destroys;
    }

    [Fact]
    public void A_cap_on_movers_shows_in_the_report()
    {
        ZoneReport open = Run(256), capped = Run(16);
        output.WriteLine($"cap {open.CapInForce.P50}: {open.KnownPerPlayer.P50} known; cap {capped.CapInForce.P50}: {capped.KnownPerPlayer.P50} known");
        Assert.Equal((256, 16), (open.CapInForce.P50, capped.CapInForce.P50));
        Assert.Equal(40, open.KnownPerPlayer.P50);
        Assert.InRange(capped.KnownPerPlayer.P50, 8, 20);

        static ZoneReport Run(int cap)
        {
            using var system = new SimulatedSystem(new SimulationOptions { Clients = 40, Replication = new ReplicationOptions { InterestCap = cap }, Game = seed => new MeadowGame(seed, hasStock: false, spreadUnits: 10) });
            system.RunSeconds(4);
            return system.Zone.Report();
        }
    }
}
