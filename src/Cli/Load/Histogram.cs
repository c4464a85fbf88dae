using System.Numerics;

namespace Hectare.Cli.Load;

/// <summary>Counts of values in buckets 1.6 % wide: percentiles of millions of values in 30 kB, without allocation.</summary>
internal sealed class Histogram
{
    private const int SubShift = 6;
    private const int SubCount = 1 << SubShift;

    private readonly long[] _counts = new long[(64 - SubShift) * SubCount];

    /// <summary>Values recorded.</summary>
    public long Count { get; private set; }

    /// <summary>The largest value, exact.</summary>
    public long Max { get; private set; }

    /// <summary>Counts one value; below zero counts as zero.</summary>
    public void Record(long value)
    {
        value = Math.Max(0, value);
        _counts[BucketOf(value)]++;
        Count++;
        Max = Math.Max(Max, value);
    }

    /// <summary>The smallest value that at least <paramref name="share"/> of all do not exceed (nearest rank), to 1.6 %; 0 when there are none.</summary>
    public long Percentile(double share)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(share * Count)), seen = 0;
        for (int bucket = 0; bucket < _counts.Length && Count > 0; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank)
                return Math.Min(Max, LargestOf(bucket));
        }

        return Max;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        Count = Max = 0;
    }

    /// <summary>The same of a list: sorts it. 0 when it is empty.</summary>
    public static double Percentile(Span<double> values, double share)
    {
        values.Sort();
        return values.IsEmpty ? 0 : values[Math.Clamp((int)Math.Ceiling(share * values.Length) - 1, 0, values.Length - 1)];
    }

    // Values below 128 have a bucket each; above, each power of two has 64.
    private static int BucketOf(long value)
    {
        int octave = Math.Max(0, BitOperations.Log2((ulong)value) - SubShift);
        return (octave << SubShift) + (int)(value >> octave);
    }

    private static long LargestOf(int bucket)
    {
        int octave = Math.Max(0, (bucket >> SubShift) - 1);
        return ((bucket - ((long)octave << SubShift) + 1) << octave) - 1;
    }
}
