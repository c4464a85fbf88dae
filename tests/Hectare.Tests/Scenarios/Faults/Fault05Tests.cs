using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: entities of a snapshot are counted, their bytes are not; a full one is larger than a packet may be, is fragmented, and lost as a whole.
/// Answer: bytes are the budget, and what does not fit goes first in the next.
/// Method: a peer meets 200 walkers with long names, who all turn. Off, only the counts (50 enters a snapshot) bound it, and the writer has room
/// for more than a datagram.
/// </summary>
public sealed class Fault05Tests(ITestOutputHelper output)
{
    private const int Walkers = 200;

    [Fact]
    public void Fault05_no_datagram_is_larger_than_1200_bytes()
    {
        (int largest, long leftOut, int known) = LargestDatagram(Mechanisms.None, PacketHeader.DatagramBytesMax - Connection.PacketOverheadBytesMax);
        (int largestOff, long leftOutOff, int knownOff) = LargestDatagram(Mechanisms.ByteBudget, 16_384);
        output.WriteLine($"on : largest datagram {largest} bytes, {leftOut} operations put off to a later one, {known} entities known");
        output.WriteLine($"off: largest datagram {largestOff} bytes, {leftOutOff} operations put off, {knownOff} entities known");
        Assert.InRange(largest, 1_000, PacketHeader.DatagramBytesMax);
        Assert.True(leftOut > 0);
        Assert.True(largestOff > PacketHeader.DatagramBytesMax);
        Assert.Equal((Walkers, Walkers), (known, knownOff));
    }

    private static (int Bytes, long LeftOut, int Known) LargestDatagram(Mechanisms off, int roomBytes)
    {
        Schema schema = TestSchemas.Meadow();
        var zone = new InMemoryZone(schema, new ReplicationOptions { Off = off }, roomBytes);
        var walkers = new Wanderers(zone.World, schema["walker"], Walkers, middle: 256, halfSide: 30);
        foreach (int row in walkers.Rows)
            zone.World.SetText(row, schema["walker"]["name"], $"a name of 24 bytes  {row,4}");
        PeerView peer = zone.AddPeer(walkers.Rows[0]);
        int largest = 0;
        zone.Written = (_, _, tail) => largest = Math.Max(largest, tail.Length + Connection.PacketOverheadBytesMax);
        zone.Run(150, walkers.Step);
        return (largest, zone.Writer.Counters.LeftOut, peer.KnownCount);
    }
}
