using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>What was accepted and what was acked, against a list that remembers every number: across the wrap, backwards, far ahead.</summary>
/// <remarks>Input: the first number u32, then steps of 4 bytes: a number to accept, or the newest and some bits of an ack.</remarks>
internal sealed class AckTarget() : FuzzTarget("acks", "numbers to accept and fields of acks, one after the other")
{
    private const int StepBytes = 4;

    // Numbers are kept relative to the first: what lies further off than half of what is widened is not asked for.
    private readonly HashSet<uint> _accepted = [];
    private readonly HashSet<uint> _told = [];

    public override int InputBytesMax => 256;

    // The lists of the check itself.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 16_384;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, random.Next(0, 2) == 0 ? uint.MaxValue - (uint)random.Next(0, 100) : (uint)random.NextUInt64());
        int steps = random.Next(1, (destination.Length - 4) / StepBytes);
        ushort wire = BinaryPrimitives.ReadUInt16LittleEndian(destination);
        for (int i = 0; i < steps; i++)
        {
            wire += (ushort)random.Next(-3, 6);
            Span<byte> step = destination.Slice(4 + (i * StepBytes), StepBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(step, wire);
            BinaryPrimitives.WriteUInt16LittleEndian(step[2..], (ushort)random.NextUInt64());
        }

        return 4 + (steps * StepBytes);
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.Length < 4 + StepBytes)
            return RunResult.Refused;
        var newest = new SequenceNumber(BinaryPrimitives.ReadUInt32LittleEndian(input));
        _accepted.Clear();
        _told.Clear();
        var tracker = default(AckTracker);
        var acked = default(AckedPackets);
        for (ReadOnlySpan<byte> rest = input[4..]; rest.Length >= StepBytes; rest = rest[StepBytes..])
        {
            ushort bits = BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]);
            var number = SequenceNumber.Widen(BinaryPrimitives.ReadUInt16LittleEndian(rest), newest);
            if ((bits & 1) != 0)
                newest = Accept(ref tracker, number);
            else
                Acknowledge(ref acked, new AckField(number, bits * 0x0001_8003u));
        }

        return RunResult.Taken;
    }

    private SequenceNumber Accept(ref AckTracker tracker, SequenceNumber number)
    {
        bool hadAny = tracker.HasAny;
        AckField before = tracker.Field;
        PacketAge age = tracker.Judge(number);
        if (hadAny && number - before.Newest == int.MinValue)
            return before.Newest;   // as far behind as ahead
        bool known = _accepted.Contains(number.Value);
        PacketAge expected = !hadAny || number > before.Newest ? PacketAge.New
            : !before.Covers(number) ? PacketAge.TooOld
            : known ? PacketAge.Duplicate : PacketAge.Late;
        Property.Holds(age == expected, $"{number} is {age} behind {before.Newest}, and was to be {expected}");
        if (age is not (PacketAge.New or PacketAge.Late))
            return tracker.Field.Newest;
        tracker.Accept(number);
        _accepted.Add(number.Value);
        AckField field = tracker.Field;
        Property.Holds(field.Newest == (hadAny && before.Newest > number ? before.Newest : number), "the newest is another");
        for (int back = 0; back <= AckField.Window; back++)
            Property.Holds(field.Holds(field.Newest - back) == _accepted.Contains((field.Newest - back).Value), $"an ack says otherwise of the packet {back} back");
        return field.Newest;
    }

    private void Acknowledge(ref AckedPackets acked, AckField field)
    {
        if (acked.HasAny && field.Newest - acked.Known.Newest is int.MinValue)
            return;
        FreshAcks fresh = acked.Take(field);
        int count = 0;
        for (int back = 0; back <= AckField.Window; back++)
        {
            SequenceNumber packet = fresh.Newest - back;
            bool isFresh = fresh.Contains(packet);
            count += isFresh ? 1 : 0;
            Property.Holds(!isFresh || field.Holds(packet), "a packet is fresh of which the ack says nothing");
            Property.Holds(!isFresh || _told.Add(packet.Value), "a packet is fresh twice");
        }

        Property.Holds(count == fresh.Count, "fresh packets are counted otherwise");
    }
}
