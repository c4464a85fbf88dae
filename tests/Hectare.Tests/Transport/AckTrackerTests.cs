using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class AckTrackerTests
{
    [Fact]
    public void Every_place_of_the_wrap_accepts_the_next_packet_and_acks_the_32_before()
    {
        // Fault 10: sequence + window wraps and rejects good packets for ever. Each 16-bit start, and around the 32-bit one.
        for (long start = -70_000; start <= 70_000; start++)
        {
            var tracker = default(AckTracker);
            var sequence = new SequenceNumber((uint)start);
            tracker.Accept(sequence);
            Assert.Equal(PacketAge.New, tracker.Judge(sequence + 1));
            tracker.Accept(sequence + 1);
            tracker.Accept(sequence + 3);
            Assert.Equal(new AckField(sequence + 3, 0b110), tracker.Field);
            Assert.Equal(PacketAge.Late, tracker.Judge(sequence + 2));
            Assert.Equal(PacketAge.Duplicate, tracker.Judge(sequence));
            Assert.Equal(PacketAge.TooOld, tracker.Judge(sequence - 30));
        }
    }

    [Fact]
    public void Two_weeks_of_packets_are_accepted_across_every_16_bit_wrap()
    {
        var tracker = default(AckTracker);
        var sequence = new SequenceNumber(uint.MaxValue - 500_000);
        for (int i = 0; i < 1_000_000; i++, sequence = sequence.Next)
        {
            SequenceNumber widened = tracker.HasAny ? SequenceNumber.Widen(sequence.Wire, tracker.Field.Newest) : sequence;
            if (widened != sequence || tracker.Judge(widened) != PacketAge.New)
                Assert.Fail($"{sequence} was read as {widened}");
            tracker.Accept(widened);
            if (i >= 32 && tracker.Field.Bits != uint.MaxValue)
                Assert.Fail($"bits at {sequence}");
        }
    }

    [Fact]
    public void The_field_equals_a_set_of_what_was_accepted()
    {
        var random = new SeededRandom(4);
        var tracker = default(AckTracker);
        var accepted = new HashSet<uint>();
        uint front = uint.MaxValue - 300;
        for (int i = 0; i < 5000; i++)
        {
            var sequence = new SequenceNumber(front + (uint)random.Next(0, 40));
            PacketAge age = tracker.Judge(sequence);
            if (tracker.HasAny)
                Assert.Equal(accepted.Contains(sequence.Value), age == PacketAge.Duplicate || (age == PacketAge.TooOld && accepted.Contains(sequence.Value)));
            if (age is PacketAge.New or PacketAge.Late)
            {
                tracker.Accept(sequence);
                accepted.Add(sequence.Value);
            }

            front += (uint)random.Next(0, 3);
            for (int back = 0; back <= 32; back++)
                Assert.Equal(accepted.Contains((tracker.Field.Newest - back).Value), tracker.Field.Holds(tracker.Field.Newest - back));
        }
    }

    [Fact]
    public void Acks_put_together_in_any_order_tell_each_packet_once()
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var random = new SeededRandom(seed);
            var tracker = default(AckTracker);
            var sender = default(AckedPackets);
            var told = new HashSet<uint>();
            var underWay = new List<AckField>();
            for (uint i = 0; i < 400; i++)
            {
                var sequence = new SequenceNumber(uint.MaxValue - 200 + i);
                if (random.NextBool(0.7))
                {
                    tracker.Accept(sequence);
                    underWay.Add(tracker.Field);
                }

                if (underWay.Count == 0 || random.NextBool(0.3))
                    continue;
                int pick = random.Next(Math.Max(0, underWay.Count - 5), underWay.Count);
                FreshAcks fresh = sender.Take(underWay[pick]);
                int count = 0;
                for (int back = 0; back <= 32; back++)
                {
                    if (!fresh.Contains(fresh.Newest - back))
                        continue;
                    count++;
                    Assert.True(told.Add((fresh.Newest - back).Value), $"seed {seed}: told twice");
                }

                Assert.Equal(fresh.Count, count);
            }
        }
    }
}
