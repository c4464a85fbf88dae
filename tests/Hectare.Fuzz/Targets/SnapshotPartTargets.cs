using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>A snapshot's head. The first 16 bytes of an input say what it is widened against.</summary>
internal sealed class SnapshotHeaderTarget() : FuzzTarget("snapshot-header", "what a snapshot says before its entities")
{
    private const int PlaceBytes = 16;

    private readonly byte[] _written = new byte[64];
    private readonly byte[] _writtenAgain = new byte[64];

    public override int InputBytesMax => 64;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        for (int i = 0; i < PlaceBytes; i++)
            destination[i] = (byte)random.NextUInt64();
        destination[15] &= 0x3F;   // a due time is no negative number
        (SequenceNumber sequence, Tick near, long nearDueTime) = Place(destination);
        Tick tick = near + random.Next(-100, 1000);
        var header = new SnapshotHeader
        {
            Tick = tick,
            DueTime = nearDueTime + random.Next(-1000, 100_000),
            IntervalCode = (byte)random.Next(0, 4),
            Complete = random.Next(0, 2) == 0,
            HasInput = random.Next(0, 2) == 0,
            InputTick = tick - random.Next(-40, 40),
            InputMarginTicks = (sbyte)random.Next(-127, 128),
            HasOwn = random.Next(0, 2) == 0,
            OwnX = random.Next(0, 1 << SnapshotHeader.OwnBits),
            OwnY = random.Next(0, 1 << SnapshotHeader.OwnBits),
            HasBaseline = random.Next(0, 2) == 0,
            Baseline = sequence - 1 - random.Next(0, SnapshotHeader.BaselineAgeMax),
            HasShare = random.Next(0, 2) == 0,
            Check = (ushort)random.NextUInt64(),
        };
        var writer = new BitWriter(destination[PlaceBytes..]);
        header.Write(ref writer, sequence);
        return PlaceBytes + writer.Finish().Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.Length < PlaceBytes)
            return RunResult.Refused;
        (SequenceNumber sequence, Tick near, long nearDueTime) = Place(input);
        var reader = new BitReader(input[PlaceBytes..]);
        if (!SnapshotHeader.TryRead(ref reader, sequence, near, nearDueTime, out SnapshotHeader header))
            return RunResult.Refused;
        Property.Holds(header.Tick - near is >= short.MinValue and <= short.MaxValue, "a tick is widened too far");
        Property.Holds(!header.HasBaseline || sequence - header.Baseline is > 0 and <= SnapshotHeader.BaselineAgeMax, "a baseline that is none");
        var writer = new BitWriter(_written);
        header.Write(ref writer, sequence);
        reader = new BitReader(writer.Finish());
        bool isRead = SnapshotHeader.TryRead(ref reader, sequence, near, nearDueTime, out SnapshotHeader again);
        var writerAgain = new BitWriter(_writtenAgain);
        again.Write(ref writerAgain, sequence);
        Property.Holds(isRead && writer.Finish().SequenceEqual(writerAgain.Finish()), "a header that was read is written otherwise");
        Property.Holds((again.Tick, again.DueTime, again.Baseline, again.InputTick) == (header.Tick, header.DueTime, header.Baseline, header.InputTick), "a header that was read is widened otherwise");
        return RunResult.Taken;
    }

    private static (SequenceNumber Sequence, Tick Near, long NearDueTime) Place(ReadOnlySpan<byte> input) =>
    (
        new SequenceNumber(System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(input)),
        new Tick(System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(input[4..])),
        System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(input[8..])
    );
}

/// <summary>The slots and densities of a snapshot, without what stands in each slot.</summary>
internal sealed class SlotTarget() : FuzzTarget("slots", "crowded cells, and the two lists of slots with their operations")
{
    private const int CellCount = 256;

    private readonly ushort[] _slots = new ushort[SlotCodec.SlotsMax];
    private readonly SlotOperation[] _operations = new SlotOperation[SlotCodec.SlotsMax];
    private readonly byte[] _written = new byte[8192];

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var writer = new BitWriter(destination);
        int cells = random.Next(0, 20), cell = -1;
        writer.Write((ulong)cells, 6);
        for (int i = 0; i < cells; i++)
        {
            int next = cell + random.Next(1, 12);
            DensityCodec.Write(ref writer, next, cell, random.Next(0, 5000));
            cell = next;
        }

        for (int list = 0; list < SlotCodec.Lists; list++)
            WriteList(ref writer, list, DrawSlots(ref random, list));
        return writer.Finish().Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        var reader = new BitReader(input);
        int cells = (int)reader.Read(6), previousCell = -1;
        for (int i = 0; i < cells; i++)
        {
            if (!DensityCodec.TryRead(ref reader, previousCell, CellCount, out int cell, out int count))
                return RunResult.Refused;
            Property.Holds(cell > previousCell && cell < CellCount && count is >= 0 and <= 65_536, "a cell out of range");
            previousCell = cell;
        }

        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            if (!TryReadList(ref reader, list))
                return RunResult.Refused;
        }

        return RunResult.Taken;
    }

    // Twice: as it came, and as it is written from what was read.
    private bool TryReadList(ref BitReader reader, int list)
    {
        int count = SlotCodec.ReadCount(ref reader, out int order);
        int slot = SlotCodec.FirstOf(list) - 1;
        for (int i = 0; i < count; i++)
        {
            if (!SlotCodec.TryRead(ref reader, list, slot, order, out int next, out _operations[i]))
                return false;
            Property.Holds(next > slot && next < SlotCodec.LimitOf(list), "a slot out of order");
            Property.Holds(_operations[i] <= SlotOperation.Absolute, "an operation that is none");
            slot = next;
            _slots[i] = (ushort)slot;
        }

        if (reader.Failed)
            return false;
        var writer = new BitWriter(_written);
        WriteList(ref writer, list, count);
        var again = new BitReader(writer.Finish());
        int countAgain = SlotCodec.ReadCount(ref again, out int orderAgain);
        Property.Holds(countAgain == count, "a count that was read is written otherwise");
        slot = SlotCodec.FirstOf(list) - 1;
        for (int i = 0; i < count; i++)
        {
            bool read = SlotCodec.TryRead(ref again, list, slot, orderAgain, out slot, out SlotOperation operation);
            Property.Holds(read && slot == _slots[i] && operation == _operations[i], "a slot that was read is written otherwise");
        }

        return true;
    }

    private int DrawSlots(ref SeededRandom random, int list)
    {
        int count = 0;
        int step = random.Next(1, 64);
        for (int slot = SlotCodec.FirstOf(list) + random.Next(0, step); slot < SlotCodec.LimitOf(list) && random.Next(0, 20) != 0; slot += random.Next(1, step + 1))
        {
            _slots[count] = (ushort)slot;
            _operations[count++] = (SlotOperation)random.Next(0, 5);
        }

        return count;
    }

    private void WriteList(ref BitWriter writer, int list, int count)
    {
        int order = SlotCodec.BestOrder(_slots.AsSpan(0, count), list), previous = SlotCodec.FirstOf(list) - 1;
        SlotCodec.WriteCount(ref writer, count, order);
        for (int i = 0; i < count; i++)
        {
            SlotCodec.Write(ref writer, _slots[i], previous, order, _operations[i]);
            previous = _slots[i];
        }
    }
}
