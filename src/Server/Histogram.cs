using System.Numerics;

namespace Hectare.Server;

/// <summary>Counts of durations or sizes in buckets of 3 % width: constant memory, no allocation, any number of values.</summary>
internal sealed class Histogram
{
    private const int FractionBits = 5;
    private readonly long[] _counts = new long[(64 - FractionBits + 1) << FractionBits];

    public long Count { get; private set; }

    public long Sum { get; private set; }

    public long Max { get; private set; }

    public double Mean => Count == 0 ? 0 : (double)Sum / Count;

    public void Clear()
    {
        Array.Clear(_counts);
        Count = Sum = Max = 0;
    }

    /// <summary>Adds a value; a negative one counts as 0.</summary>
    public void Add(long value)
    {
        value = Math.Max(0, value);
        _counts[BucketOf(value)]++;
        Count++;
        Sum += value;
        Max = Math.Max(Max, value);
    }

    /// <summary>The value that <paramref name="share"/> of all are not above, at most 3 % too high; 0 when there are none.</summary>
    public long Percentile(double share)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank)
                return Math.Min(Max, UpperBound(bucket));
        }

        return 0;
    }

    // Below 32 each value has a bucket of its own; above, the highest bit and the five after it name the bucket.
    private static int BucketOf(long value)
    {
        if (value < 1 << FractionBits)
            return (int)value;
        int shift = BitOperations.Log2((ulong)value) - FractionBits;
        return (shift << FractionBits) + (int)(value >> shift);
    }

    private static long UpperBound(int bucket)
    {
        int shift = Math.Max(0, (bucket >> FractionBits) - 1);
        long lead = bucket - ((long)shift << FractionBits);
        return ((lead + 1) << shift) - 1;
    }
}
