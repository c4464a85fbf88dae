using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Goal: what a client is known to hold follows from its acks alone, however few, late or lost they are. See docs/testing.md, Traps.</summary>
public sealed class AckTraps(ITestOutputHelper output)
{
    private static readonly ReplicationOptions EveryTick = new() { SnapshotIntervalTicks = 1, BytesPerSecond = 64_000 };

    // A change of what stands goes out once, and is known by the fate of that one packet.
    private const int Changing = 30;

    [Fact]
    public void Trap01_Acking_only_the_newest()
    {
        (int Refused, long Bytes, int Stale) on = Run(acks => acks), off = Run(acks => acks with { Bits = 0 });
        output.WriteLine($"on: {on.Refused} refused, {on.Bytes} bytes, {on.Stale} ticks stale; newest only: {off.Refused} refused, {off.Bytes} bytes, {off.Stale} ticks stale");
        Assert.Equal(0, on.Refused);
        Assert.InRange(on.Stale, 1, 4);
        Assert.InRange(off.Refused, 20, int.MaxValue);

        // A packet a tick, an ack every fourth: three of four packets are told by the bits or not at all.
        static (int Refused, long Bytes, int Stale) Run(Func<AckField, AckField> acks)
        {
            var trap = new TrapRig(EveryTick);
            var walkers = new Turners(trap, 20);
            TrapPeer peer = trap.AddPeer(walkers.Rows[0]);
            (peer.AckEvery, peer.Acks) = (4, acks);
            var crates = new ChangingCrates(trap, Changing);
            trap.Run(60, walkers.Step);
            peer.Watch([.. walkers.Rows, .. crates.Rows]);
            trap.Run(300, () => { walkers.Step(); crates.Step(); });
            return (peer.Refused, peer.Bytes, peer.LongestStale);
        }
    }

    [Fact]
    public void Trap02_History_ring_smaller_than_what_is_in_flight()
    {
        // A version every tick and a round trip of 40 ticks: 40 versions under way, and the ring holds 16.
        var trap = new TrapRig(EveryTick);
        int row = trap.Spawn(trap.Rig.Walker, 256, 256);
        TrapPeer peer = trap.AddPeer(row);
        (peer.DelayDown, peer.DelayUp, peer.RttTicks, peer.AckEvery) = (20, 20, 40, 1);
        Field health = trap.Rig.Walker["health"];
        EntityId id = trap.Rig.World.IdOf(row);
        uint value = 0;
        trap.Run(100);
        int lagMax = 0;
        long absolutes = trap.Rig.Writer.Counters.Absolutes;
        for (int i = 0; i < 300; i++)
        {
            trap.Run(1, () => trap.Rig.World.Set(row, health, value = (value + 1) & 127));
            if (i > 30)
                lagMax = Math.Max(lagMax, (int)((value - peer.World.GetField(id, health)) & 127));
        }

        absolutes = trap.Rig.Writer.Counters.Absolutes - absolutes;
        output.WriteLine($"{absolutes} of 300 packets had no baseline in the ring: written absolute; {lagMax} ticks behind at most, {peer.Refused} refused");
        Assert.Equal(0, peer.Refused);
        Assert.InRange(absolutes, 200, 300);
        Assert.Equal(20, lagMax);

        // And it is left again: once acked, a change is a delta.
        trap.Run(100);
        (long updates, absolutes) = (trap.Rig.Writer.Counters.Updates, trap.Rig.Writer.Counters.Absolutes);
        trap.Run(60, () => trap.Rig.World.Set(row, health, 5));
        Assert.True(trap.Rig.Writer.Counters.Updates > updates);
        Assert.Equal(absolutes, trap.Rig.Writer.Counters.Absolutes);
        Assert.True(peer.Holds(row));
    }

    [Fact]
    public void Trap03_Ack_window_shorter_than_the_resend_interval()
    {
        // 72 packets are under way and a resend takes 2.4 s at least; an ack speaks of 33 packets, 1.1 s.
        var pair = new ConnectedPair(3, new LinkProfile { DelayNs = 1_200_000_000 });
        pair.Connect();
        pair.Run(8);
        long before = pair.Server!.ResentFragments;
        int sent = 0;
        pair.Run(6, () => Say(pair, ref sent));
        pair.Run(4);
        long withoutLoss = pair.Server.ResentFragments - before;
        Assert.Equal(0, withoutLoss);

        // For 1.5 s no ack gets through: of 12 packets nobody will ever say whether they arrived.
        int from = sent;
        pair.Run(3, () => Say(pair, ref sent));
        pair.Network.AddOutage(ConnectedPair.ClientAddress, ConnectedPair.ServerAddress, pair.NowNs, pair.NowNs + 1_500_000_000);
        pair.Run(3, () => Say(pair, ref sent));
        pair.Run(12);
        long afterOutage = pair.Server.ResentFragments - before;
        output.WriteLine($"no loss: {withoutLoss} of {from} fragments sent again; {sent - from} more around 45 lost acks: {afterOutage} sent again, {pair.ClientReceived.Count} of {sent} messages, {pair.Server.QueuedBytes(Lane.Action)} bytes left");
        Assert.InRange(afterOutage, 8, sent - from);
        Assert.Equal(0, pair.Server.QueuedBytes(Lane.Action));
        Assert.Equal(Enumerable.Range(0, sent), pair.ClientReceived.Select(one => BitConverter.ToInt32(one.Message)));

        static bool Say(ConnectedPair pair, ref int sent)
        {
            Assert.Equal(SendResult.Sent, pair.Server!.TrySend(Lane.Action, BitConverter.GetBytes(sent++)));
            return false;
        }
    }

    [Fact]
    public void Trap06_First_packet_is_a_late_one()
    {
        // Snapshots: the first two come after the third. They are gone for good, and the server knows it.
        var trap = new TrapRig();
        var walkers = new Turners(trap, 10);
        TrapPeer peer = trap.AddPeer(walkers.Rows[0]);
        peer.HeldBack = sequence => sequence.Value <= 2 ? 12 : 0;
        trap.Run(30, walkers.Step);
        output.WriteLine($"{peer.Late} late, {peer.Refused} refused, {peer.Accepted} accepted");
        Assert.Equal(2, peer.Late);
        Assert.Equal(0, peer.Refused);
        Assert.InRange(peer.Packets - peer.Accepted - peer.Late, 0, 1);
        Assert.All(walkers.Rows, row => Assert.True(peer.Knows(row)));

        // Transport: the same, and the message in the first packet is said again.
        var pair = new ConnectedPair(6) { ClientSends = false, ServerSends = false };
        pair.Connect();
        pair.Server!.TrySend(Lane.Control, [7]);
        byte[][] packets = [.. Enumerable.Range(0, 3).Select(_ => Write(pair.Server, pair.NowNs))];
        Assert.Equal(OpenResult.Opened, Take(pair.Client, packets[2], pair.NowNs));
        Assert.Equal(OpenResult.Late, Take(pair.Client, packets[0], pair.NowNs));
        Assert.Equal(OpenResult.Late, Take(pair.Client, packets[1], pair.NowNs));
        byte[] ack = Write(pair.Client, pair.NowNs);
        Assert.Equal(OpenResult.Opened, pair.Server.TryOpen(ack, pair.NowNs, out OpenedPacket told));
        AckUpdate update = pair.Server.Accept(in told, ack, pair.NowNs);
        Assert.Equal((new SequenceNumber(2), 0u), (update.Newest, update.Bits));
        Assert.False(pair.Client.TryReceive(out _, out _));
        Assert.Equal(OpenResult.Opened, Take(pair.Client, Write(pair.Server, pair.NowNs), pair.NowNs));
        Assert.True(pair.Client.TryReceive(out _, out ReadOnlySpan<byte> message));
        Assert.Equal(7, message[0]);

        static byte[] Write(Connection end, long nowNs)
        {
            byte[] datagram = new byte[1200];
            end.BeginPacket(datagram, nowNs, 1000, out _);
            return datagram[..end.FinishPacket(datagram, 0, nowNs)];
        }

        static OpenResult Take(Connection end, byte[] datagram, long nowNs)
        {
            OpenResult result = end.TryOpen(datagram, nowNs, out OpenedPacket packet);
            if (result == OpenResult.Opened)
                end.Accept(in packet, datagram, nowNs);
            return result;
        }
    }

    [Fact]
    public void Trap17_Uplink_outage_longer_than_the_ack_window()
    {
        (int Refused, long Unknown, int Stale, bool Holds) on = Run(EveryTick), off = Run(EveryTick with { Off = Mechanisms.Unknown });
        output.WriteLine($"on: {on.Unknown} packets unknown, {on.Refused} refused, {on.Stale} ticks stale; unheard taken for lost: {off.Refused} refused, {off.Stale} ticks stale");
        Assert.InRange(on.Unknown, 60, 120);
        Assert.Equal(0, on.Refused);
        Assert.InRange(on.Stale, 1, 4);
        Assert.True(on.Holds);
        Assert.InRange(off.Refused, 1, int.MaxValue);

        // The client hears everything and nobody hears the client: for 100 packets, three times the window.
        static (int Refused, long Unknown, int Stale, bool Holds) Run(ReplicationOptions options)
        {
            var trap = new TrapRig(options);
            var walkers = new Turners(trap, 12);
            TrapPeer peer = trap.AddPeer(walkers.Rows[0]);
            // A link that was slow until now: what is unheard is not sent again before the window is over.
            peer.RttTicks = 40;
            var crates = new ChangingCrates(trap, Changing);
            trap.Run(60, walkers.Step);
            peer.Watch([.. walkers.Rows, .. crates.Rows]);
            peer.LosesUp = true;
            trap.Run(100, () => { walkers.Step(); crates.Step(); });
            peer.LosesUp = false;
            trap.Run(100, () => { walkers.Step(); crates.Step(); });
            int stale = peer.LongestStale;
            trap.Run(60);
            return (peer.Refused, peer.View.UnknownPackets, stale, walkers.Rows.All(peer.Holds) && crates.Rows.All(peer.Holds));
        }
    }
}
