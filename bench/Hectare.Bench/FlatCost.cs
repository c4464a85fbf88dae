using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Hectare.Bench;

/// <summary>
/// Does a snapshot cost the same however many players there are? One world of 2,000 walkers and 42,500 other entities, of whom 100, 500, 1,000
/// and 2,000 are peers: equal local density. In memory; thread CPU time; the sizes in turns, the median of five.
/// </summary>
internal static class FlatCost
{
    private const int Rounds = 5;
    private const int WarmUpTicks = 120;
    private const int Ticks = 90;
    private static readonly int[] Sizes = [100, 500, 1_000, 2_000];

    public static int Run(TextWriter output)
    {
        WrittenWorld[] worlds = [.. Sizes.Select(size => new WrittenWorld(size))];
        var costs = Sizes.Select(_ => new List<double>()).ToArray();
        foreach (WrittenWorld world in worlds)
            Measure(world, WarmUpTicks);
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < worlds.Length; i++)
                costs[i].Add(Measure(worlds[i], Ticks));
        }

        double[] medians = [.. costs.Select(cost => cost.Order().ElementAt(Rounds / 2))];
        output.WriteLine("| players | us per snapshot written (median of 5) | least | most | against 100 players |");
        output.WriteLine("|---|---|---|---|---|");
        for (int i = 0; i < Sizes.Length; i++)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {Sizes[i]:N0} | {medians[i]:F2} | {costs[i].Min():F2} | {costs[i].Max():F2} | {medians[i] / medians[0]:F2} |"));
        }

        double ends = medians[^1] / medians[0];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Sizes[^1]:N0} against {Sizes[0]:N0}: {ends:F2} (flat: at most 1.25); most / least of all sizes: {medians.Max() / medians.Min():F2}"));
        return ends is <= 1.25 and >= 0.75 ? 0 : 1;
    }

    private static double Measure(WrittenWorld world, int ticks)
    {
        long ns = 0, snapshots = 0;
        for (int tick = 0; tick < ticks; tick++)
        {
            world.Step();
            long before = ThreadClock.NowNs();
            snapshots += world.WriteSnapshots();
            ns += ThreadClock.NowNs() - before;
        }

        return ns / 1000.0 / Math.Max(1, snapshots);
    }
}

/// <summary>CPU time of this thread: what other tenants of the machine do is not in it.</summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3;       // CLOCK_THREAD_CPUTIME_ID

    public static long NowNs()
    {
        if (!OperatingSystem.IsLinux())
            return Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency);
        return GetTime(ThreadCpuTime, out TimeSpec time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : 0;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
