using Hectare.Protocol;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: a packet's number has 16 bits and is compared as it is; after 65,535 the next one is "old", and the client freezes for good. Answer: 32 bits
/// in memory, 16 on the wire, widened to the nearest number, compared by distance.
/// Method: a connection is led across the wrap, with the widening and without; then across every wrap that two weeks at 10 packets a second
/// hold; then every packet of the two weeks goes through widening and ack tracking, one in twenty lost.
/// </summary>
public sealed class Fault10Tests(ITestOutputHelper output)
{
    private const int Wrap = 65_536;
    private const uint TwoWeeks = 14 * 86_400 * 10;

    [Fact]
    public void Fault10_packets_are_accepted_across_every_wrap_of_two_weeks()
    {
        (long before, long after) = Accepted(Wrap - 60, widens: true, seconds: 5);
        (long beforeOff, long afterOff) = Accepted(Wrap - 60, widens: false, seconds: 5);
        output.WriteLine($"on : {before} packets accepted before the wrap, {after} in the 5 s after it");
        output.WriteLine($"off: {beforeOff} packets accepted before the wrap, {afterOff} in the 5 s after it");
        Assert.InRange(after, 145, 155);
        Assert.True(beforeOff > 30);
        Assert.Equal(0, afterOff);

        int wraps = 0;
        for (uint wrap = Wrap; wrap < TwoWeeks; wrap += Wrap, wraps++)
            Assert.InRange(Accepted(wrap - 40, widens: true, seconds: 1).After, 28, 32);
        output.WriteLine($"two weeks at 10 Hz: {wraps} wraps crossed by a connection each");
        Assert.Equal(184, wraps);
    }

    [Fact]
    public void Fault10_every_packet_of_two_weeks_is_told_from_every_other()
    {
        var random = new SeededRandom(10);
        AckTracker tracker = default;
        long accepted = 0, delivered = 0, acceptedOff = 0;
        ushort newestOff = 0;
        for (uint sent = 0; sent < TwoWeeks; sent++)
        {
            if (random.Next(0, 20) == 0)
                continue;
            delivered++;
            ushort wire = new SequenceNumber(sent).Wire;
            var widened = SequenceNumber.Widen(wire, tracker.Field.Newest);
            if (widened.Value == sent && tracker.Judge(widened) == PacketAge.New)
            {
                tracker.Accept(widened);
                accepted++;
            }

            if (wire > newestOff)
            {
                newestOff = wire;
                acceptedOff++;
            }
        }

        output.WriteLine($"of {delivered} packets delivered: {accepted} accepted; without widening {acceptedOff}, the last after {newestOff / 36_000.0:F1} hours");
        Assert.Equal(delivered, accepted);
        Assert.True(acceptedOff < Wrap);
    }

    [Fact]
    public void Fault10_a_number_is_widened_right_wherever_the_wrap_is()
    {
        for (uint reference = 0; reference < Wrap; reference++)
        {
            foreach (int distance in (int[])[-32_767, -33, -1, 0, 1, 33, 32_767])
            {
                foreach (uint high in (uint[])[0, 0x7FFF_0000, 0xFFFF_0000])
                {
                    SequenceNumber from = new(high + reference), to = from + distance;
                    if (SequenceNumber.Widen(to.Wire, from) != to || (to > from) != (distance > 0))
                        Assert.Fail($"{from} and {distance} on");
                }
            }
        }
    }

    private static (long Before, long After) Accepted(uint first, bool widens, double seconds)
    {
        var options = new ConnectionOptions { FirstSequence = new SequenceNumber(first), WidensSequence = widens };
        var pair = new ConnectedPair(first, LinkProfile.Perfect, options, options with { WidensSequence = true });
        pair.Connect();
        uint wrap = (first | (Wrap - 1)) + 1;
        Assert.True(pair.Run(10, () => pair.Server!.NextSequence >= new SequenceNumber(wrap + 1)));
        long before = pair.Client.Counters.AcceptedPackets;
        pair.Run(seconds);
        return (before, pair.Client.Counters.AcceptedPackets - before);
    }
}
