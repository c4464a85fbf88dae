using System.Globalization;
using Hectare.Server;

namespace Hectare.Cli.Load;

/// <summary>What this process has used up to a moment; the difference of two is the use of a window.</summary>
/// <param name="AtNs">When, <see cref="Clock"/>.</param>
/// <param name="CpuSeconds">utime + stime of all threads (getrusage).</param>
/// <param name="AllocatedBytes">Managed bytes allocated by all threads.</param>
/// <param name="Collections">Garbage collections of each generation.</param>
internal readonly record struct ProcessFigures(long AtNs, double CpuSeconds, long AllocatedBytes, int[] Collections)
{
    /// <summary>Reads them now.</summary>
    public static ProcessFigures Read() => new(Clock.NowNs, Environment.CpuUsage.TotalTime.TotalSeconds, GC.GetTotalAllocatedBytes(precise: true),
        [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(GC.CollectionCount)]);

    /// <summary>Seconds of the window that began at <paramref name="start"/>.</summary>
    public double SecondsSince(in ProcessFigures start) => (AtNs - start.AtNs) / 1e9;

    /// <summary>Cores used in that window: CPU time over its length.</summary>
    public double CoresSince(in ProcessFigures start) => (CpuSeconds - start.CpuSeconds) / Math.Max(1e-9, SecondsSince(start));

    /// <summary>Collections of each generation in that window.</summary>
    public int[] CollectionsSince(ProcessFigures start) => [.. Collections.Zip(start.Collections, (now, before) => now - before)];
}

/// <summary>How idle each processor of the machine was: a figure means nothing without its neighbours' load.</summary>
internal static class MachineLoad
{
    /// <summary>Idle and total time of each processor, in the kernel's own ticks; empty where there is no /proc/stat.</summary>
    public static (long Idle, long Total)[] Read()
    {
        if (!File.Exists("/proc/stat"))
            return [];
        var processors = new List<(long, long)>();
        foreach (string line in File.ReadLines("/proc/stat"))
        {
            if (!line.StartsWith("cpu", StringComparison.Ordinal) || line[3] == ' ')
                continue;
            long[] times = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(time => long.Parse(time, CultureInfo.InvariantCulture))];
            processors.Add((times[3] + times[4], times.Sum()));
        }

        return [.. processors];
    }

    /// <summary>Idle share of each processor between two readings.</summary>
    public static double[] IdleShares((long Idle, long Total)[] before, (long Idle, long Total)[] after)
        => [.. before.Zip(after, (a, b) => Math.Round((b.Idle - a.Idle) / (double)Math.Max(1, b.Total - a.Total), 3))];
}
