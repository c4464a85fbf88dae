using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>A ring of knots or samples: ascending by tick, in a block of the pool, as large as it needs to be.</summary>
internal struct Timeline
{
    /// <summary>Its block; meaningful when <see cref="Capacity"/> is not zero.</summary>
    public int Block;

    /// <summary>Entries that fit.</summary>
    public byte Capacity;

    /// <summary>Entries held.</summary>
    public byte Count;
}

/// <summary>What is known of the paths of all entities: motion knots by T0, samples by packet tick.</summary>
/// <remarks>Entries older than what is drawn are dropped when room is needed; so a walker needs four knots, a crowd at 30 turns a second 32.</remarks>
internal sealed class Timelines(WordPool pool)
{
    /// <summary>Most knots of an entity: a second of turning at every tick.</summary>
    public const int KnotsMax = 32;

    /// <summary>Most samples of an entity.</summary>
    public const int SamplesMax = 8;

    /// <summary>The past that stays asked for behind what is drawn, ticks: a frame that is drawn late, a look back.</summary>
    private const int PastTicks = 15;

    private const int FirstCapacity = 4;
    private const int KnotWords = 2;

    /// <summary>The knots of an entity, oldest first.</summary>
    public ReadOnlySpan<MotionKnot> Knots(ref readonly Timeline line) => line.Count == 0 ? [] : pool.Knots(line.Block, line.Capacity)[..line.Count];

    /// <summary>Puts a knot at its place by T0. A copy of a known one changes nothing, except that a gap before it may be filled.</summary>
    /// <param name="line">The entity's knots.</param>
    /// <param name="knot">The knot; when it is after a gap, nothing is known of what came before it.</param>
    /// <param name="drawnTick">What is drawn now; NaN when nothing is.</param>
    /// <returns>The knot's index; -1 when the timeline is as it was.</returns>
    public int Insert(ref Timeline line, in MotionKnot knot, double drawnTick)
    {
        int before = line.Count - 1;
        ReadOnlySpan<MotionKnot> knots = Knots(in line);
        while (before >= 0 && knots[before].T0 > knot.T0)
            before--;
        if (before >= 0)
        {
            ref readonly MotionKnot known = ref knots[before];
            bool sameRest = knot.AfterGap && known.Word == knot.Word && Motion.IsRest(knot.Word);
            if (sameRest)
                return -1;
            if (known.T0 == knot.T0)
                return Replace(in line, before, in knot);
        }

        if (line.Count == line.Capacity)
        {
            int dropped = MakeRoom(ref line, KnotWords, KnotsMax, DroppableKnots(knots, drawnTick));
            before -= dropped;
            if (before < -1)
                return -1;
        }

        Span<MotionKnot> room = pool.Knots(line.Block, line.Capacity);
        room[(before + 1)..line.Count].CopyTo(room[(before + 2)..]);
        room[before + 1] = knot;
        line.Count++;
        return before + 1;
    }

    /// <summary>Forgets an entity's entries and gives the block back.</summary>
    public void Clear(ref Timeline line, int wordsEach)
    {
        if (line.Capacity != 0)
            pool.Free(line.Block, line.Capacity * wordsEach);
        line = default;
    }

    /// <summary>Forgets an entity's knots.</summary>
    public void ClearKnots(ref Timeline line) => Clear(ref line, KnotWords);

    /// <summary>The record of a sample.</summary>
    public ReadOnlySpan<ulong> Sample(ref readonly Timeline line, int index, int recordWords)
        => pool.Words(line.Block, line.Capacity * (recordWords + 1)).Slice(index * (recordWords + 1), recordWords);

    /// <summary>The tick a sample is of.</summary>
    public Tick SampleTick(ref readonly Timeline line, int index, int recordWords) => new((uint)StampOf(in line, index, recordWords));

    /// <summary>The tick at which the line to a sample leaves the one before.</summary>
    public Tick LineFrom(ref readonly Timeline line, int index, int recordWords) => new((uint)(StampOf(in line, index, recordWords) >> 32));

    /// <summary>Appends a sample; one of the same tick is replaced. Samples never come late: packets are accepted in order.</summary>
    public void AddSample(ref Timeline line, ReadOnlySpan<ulong> record, Tick tick, Tick lineFrom, double drawnTick)
    {
        int stride = record.Length + 1;
        if (line.Count > 0 && SampleTick(in line, line.Count - 1, record.Length) == tick)
            line.Count--;
        if (line.Count == line.Capacity)
        {
            int droppable = 0;
            while (droppable + 1 < line.Count && IsPast(SampleTick(in line, droppable + 1, record.Length), drawnTick))
                droppable++;
            MakeRoom(ref line, stride, SamplesMax, droppable);
        }

        Span<ulong> sample = pool.Words(line.Block, line.Capacity * stride).Slice(line.Count * stride, stride);
        record.CopyTo(sample);
        sample[^1] = tick.Value | ((ulong)lineFrom.Value << 32);
        line.Count++;
    }

    private ulong StampOf(ref readonly Timeline line, int index, int recordWords)
        => pool.Words(line.Block, line.Capacity * (recordWords + 1))[(index * (recordWords + 1)) + recordWords];

    // The same tick: a copy, or the better word (a rest that came absolute has only its packet's tick).
    private int Replace(ref readonly Timeline line, int index, in MotionKnot knot)
    {
        ref MotionKnot known = ref pool.Knots(line.Block, line.Capacity)[index];
        if (known.Word == knot.Word)
        {
            if (knot.AfterGap || knot.Jump || !known.AfterGap)
                return -1;
            known = known.WithoutGap;
            return index;
        }

        known = knot;
        return index;
    }

    private static int DroppableKnots(ReadOnlySpan<MotionKnot> knots, double drawnTick)
    {
        int droppable = 0;
        while (droppable + 1 < knots.Length && IsPast(knots[droppable + 1].T0, drawnTick))
            droppable++;
        return droppable;
    }

    private static bool IsPast(Tick tick, double drawnTick) => !double.IsNaN(drawnTick) && Interpolation.TicksSince(drawnTick, tick) > PastTicks;

    // Drops what is past, else grows, else drops the oldest. Gives how many went.
    private int MakeRoom(ref Timeline line, int stride, int countMax, int droppable)
    {
        if (droppable == 0 && line.Capacity < countMax)
        {
            int capacity = Math.Max(FirstCapacity, line.Capacity * 2);
            int block = pool.Take(capacity * stride);
            if (line.Capacity != 0)
            {
                pool.Words(line.Block, line.Count * stride).CopyTo(pool.Words(block, line.Count * stride));
                pool.Free(line.Block, line.Capacity * stride);
            }

            line.Block = block;
            line.Capacity = (byte)capacity;
            return 0;
        }

        droppable = Math.Max(1, droppable);
        Span<ulong> words = pool.Words(line.Block, line.Capacity * stride);
        words[(droppable * stride)..(line.Count * stride)].CopyTo(words);
        line.Count -= (byte)droppable;
        return droppable;
    }
}
