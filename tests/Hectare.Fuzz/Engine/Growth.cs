using System.Globalization;

namespace Hectare.Fuzz.Engine;

/// <summary>Whether a run grows: managed heap after a full collection, and working set, at each tenth of it.</summary>
/// <remarks>The median of the 2nd to 4th against that of the last three: the first tenth fills pools, and one odd figure says nothing.</remarks>
internal sealed class Growth
{
    private const int Looks = 10;
    private const long HeapBytesMax = 512 * 1024;
    private const long WorkingSetBytesMax = 16 << 20;

    private readonly List<long> _heap = [];
    private readonly List<long> _workingSet = [];

    /// <summary>Early and late; empty when the run was too short.</summary>
    public long[] HeapBytes => Ends(_heap);

    /// <summary>As <see cref="HeapBytes"/>.</summary>
    public long[] WorkingSetBytes => Ends(_workingSet);

    /// <summary>Looks when the next tenth of the run is done.</summary>
    public void Look(double share)
    {
        if (share * Looks < _heap.Count + 1)
            return;
        _heap.Add(GC.GetTotalMemory(forceFullCollection: true));
        _workingSet.Add(Environment.WorkingSet);
    }

    /// <summary>Null when it is flat.</summary>
    public FailureReport? Judge() => Judge("managed heap", HeapBytes, HeapBytesMax) ?? Judge("working set", WorkingSetBytes, WorkingSetBytesMax);

    private static FailureReport? Judge(string what, long[] ends, long bytesMax)
        => ends.Length == 0 || ends[1] - ends[0] <= bytesMax
            ? null
            : new FailureReport { Kind = "growth", Message = string.Create(CultureInfo.InvariantCulture, $"{what} grew from {ends[0]} to {ends[1]} bytes, by more than {bytesMax}"), InputIndex = -1 };

    private static long[] Ends(List<long> figures)
        => figures.Count < Looks - 1 ? [] : [Median(figures[1], figures[2], figures[3]), Median(figures[^3], figures[^2], figures[^1])];

    private static long Median(long a, long b, long c) => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
}
