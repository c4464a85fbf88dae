using System.Numerics;

namespace Hectare.Protocol;

/// <summary>What a snapshot does to a slot. States, not messages: each is repeated with fresh content until acked, and may be applied twice.</summary>
public enum SlotOperation : byte
{
    /// <summary>A delta from the version that the peer held as of B.</summary>
    Update,

    /// <summary>The slot now shows this entity (id, kind, all of it, or a delta from what the peer kept of it).</summary>
    Enter,

    /// <summary>The entity went out of interest.</summary>
    Leave,

    /// <summary>The entity is gone from the world.</summary>
    Destroy,

    /// <summary>All of the entity, coded against nothing: its baseline is unknown or too old.</summary>
    Absolute,
}

/// <summary>The slots in a snapshot, in two lists (below <see cref="LowSlots"/>, where a server puts what moves, and the others): sorted, gap coded, an operation each.</summary>
/// <remarks>Two lists, because what moves is written often and stands close together, what stands still seldom and far apart: one code of the
/// gaps would suit neither (docs/decisions/0012).</remarks>
public static class SlotCodec
{
    /// <summary>Slots of a player.</summary>
    public const int SlotsMax = 1024;

    /// <summary>Slots of the first list.</summary>
    public const int LowSlots = 128;

    /// <summary>Lists of a snapshot.</summary>
    public const int Lists = 2;

    private const int CountOrder = 2;

    /// <summary>First slot of a list.</summary>
    public static int FirstOf(int list) => list == 0 ? 0 : LowSlots;

    /// <summary>First slot beyond a list.</summary>
    public static int LimitOf(int list) => list == 0 ? LowSlots : SlotsMax;

    /// <summary>How many operations a list has, and the order of its gaps' codes, 0 to 15.</summary>
    public static void WriteCount(ref BitWriter writer, int count, int order)
    {
        writer.WriteGolomb((uint)count, CountOrder);
        if (count > 0)
            writer.Write((ulong)order, 4);
    }

    /// <summary>See <see cref="WriteCount"/>.</summary>
    public static int ReadCount(ref BitReader reader, out int order)
    {
        uint count = reader.ReadGolomb(CountOrder);
        order = 0;
        if (count > SlotsMax)
            reader.Fail();
        if (reader.Failed || count == 0)
            return 0;
        order = (int)reader.Read(4);
        return (int)count;
    }

    /// <summary>The slot, as the gap to the one before (before the first: the slot before the list's first), and its operation: 0 update, 10 enter, 110 leave, 1110 destroy, 1111 absolute.</summary>
    public static void Write(ref BitWriter writer, int slot, int previousSlot, int order, SlotOperation operation)
    {
        ulong name = Name(slot, previousSlot, order, operation, out int bits);
        writer.Write(name, bits);
    }

    /// <summary>The bits of <see cref="Write"/>, at most 25: 21 of a gap below 1,024, 4 of the operation.</summary>
    public static ulong Name(int slot, int previousSlot, int order, SlotOperation operation, out int bits)
    {
        ulong gap = BitWriter.Golomb((uint)(slot - previousSlot - 1), order, out bits);
        ulong name = gap | (((1UL << (int)operation) - 1) << bits);
        bits += OperationBits(operation);
        return name;
    }

    /// <summary>Bits of an operation's code.</summary>
    public static int OperationBits(SlotOperation operation) => Math.Min((int)operation + 1, 4);

    /// <summary>See <see cref="Write"/>. False when the slot lies outside its list.</summary>
    public static bool TryRead(ref BitReader reader, int list, int previousSlot, int order, out int slot, out SlotOperation operation)
    {
        uint gap = reader.ReadGolomb(order);
        slot = gap < SlotsMax ? previousSlot + 1 + (int)gap : SlotsMax;
        int ones = 0;
        while (ones < 4 && reader.ReadBool())
            ones++;
        operation = (SlotOperation)ones;
        if (slot >= LimitOf(list))
            reader.Fail();
        return !reader.Failed;
    }

    /// <summary>The order that codes these slots of a list in the fewest bits.</summary>
    /// <param name="slots">Ascending.</param>
    /// <param name="list">0 or 1.</param>
    public static int BestOrder(ReadOnlySpan<ushort> slots, int list) => BestOrder(slots, list, out _);

    /// <summary>The order that codes these slots of a list in the fewest bits, and how many those are.</summary>
    /// <param name="slots">Ascending.</param>
    /// <param name="list">0 or 1.</param>
    /// <param name="gapBits">Bits of all gaps, operations and count not included.</param>
    public static int BestOrder(ReadOnlySpan<ushort> slots, int list, out int gapBits)
    {
        gapBits = 0;
        if (slots.IsEmpty)
            return 0;
        int mean = (slots[^1] - FirstOf(list)) / slots.Length;
        int high = BitOperations.Log2((uint)mean + 1) + 1, low = Math.Max(0, high - 3);
        // Of four orders at once, the sums of their codes' logarithms: what is in BitWriter.GolombBits beside them is the same for all gaps.
        int log0 = 0, log1 = 0, log2 = 0, log3 = 0;
        int previous = FirstOf(list) - 1;
        foreach (ushort slot in slots)
        {
            uint gap = (uint)(slot - previous - 1);
            previous = slot;
            log0 += BitOperations.Log2(gap + (1u << low));
            log1 += BitOperations.Log2(gap + (2u << low));
            log2 += BitOperations.Log2(gap + (4u << low));
            log3 += BitOperations.Log2(gap + (8u << low));
        }

        int best = low;
        gapBits = (2 * log0) + (slots.Length * (1 - low));
        Take(log1, low + 1, slots.Length, ref best, ref gapBits);
        Take(log2, low + 2, slots.Length, ref best, ref gapBits);
        Take(log3, low + 3, slots.Length, ref best, ref gapBits);
        return best;

        void Take(int logs, int order, int count, ref int best, ref int bits)
        {
            int its = (2 * logs) + (count * (1 - order));
            if (order <= high && its < bits)
                (best, bits) = (order, its);
        }
    }
}

/// <summary>Crowds: how many movers a cell holds beyond those the peer is told of one by one.</summary>
public static class DensityCodec
{
    /// <summary>Most cells of one packet.</summary>
    public const int CellsMax = 64;

    /// <summary>One cell: the gap to the one before (-1 before the first) and its count of movers.</summary>
    public static void Write(ref BitWriter writer, int cell, int previousCell, int count)
    {
        writer.WriteGolomb((uint)(cell - previousCell - 1), 2);
        writer.WriteGolomb((uint)count, 4);
    }

    /// <summary>See <see cref="Write"/>. False when the cell lies outside <paramref name="cellCount"/>.</summary>
    public static bool TryRead(ref BitReader reader, int previousCell, int cellCount, out int cell, out int count)
    {
        uint gap = reader.ReadGolomb(2);
        cell = gap < (uint)cellCount ? previousCell + 1 + (int)gap : cellCount;
        uint value = reader.ReadGolomb(4);
        count = (int)Math.Min(value, 65_536);
        if (cell >= cellCount)
            reader.Fail();
        return !reader.Failed;
    }
}
