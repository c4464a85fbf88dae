namespace Hectare.Bench;

/// <summary>Bytes that one call of a benchmark allocated on its thread, the most of all calls.</summary>
/// <remarks>
/// BenchmarkDotNet's own diagnoser is no gate here: on a runtime that it does not know (it is older than .NET 10) it takes the first 8 kB of an iteration for
/// an error of old runtimes and says 0; and what it allocates itself around an iteration, 64 to 4,720 bytes, is all there is where a call is a tick. So each
/// benchmark looks itself, at every call: some 40 ns, exact to the byte, and of its own thread alone.
/// </remarks>
internal static class AllocationMeter
{
    private static readonly Dictionary<string, long> Most = new(StringComparer.Ordinal);

    /// <summary>Before the work: what to give <see cref="End"/>.</summary>
    public static long Begin() => GC.GetAllocatedBytesForCurrentThread();

    /// <summary>After it.</summary>
    public static void End(string benchmark, long begun)
    {
        long bytes = GC.GetAllocatedBytesForCurrentThread() - begun;
        Most[benchmark] = Math.Max(bytes, Most.GetValueOrDefault(benchmark));
    }

    /// <summary>The most; null for a benchmark that does not look itself.</summary>
    public static long? Of(string benchmark) => Most.TryGetValue(benchmark, out long bytes) ? bytes : null;
}
