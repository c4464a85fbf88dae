using Hectare.Server;

namespace Hectare.Cli.Load;

/// <summary>How the zone's process stood at one moment of a long run, and how its ticks went since the sample before.</summary>
internal sealed record SoakSample
{
    /// <summary>Time since the zone's first tick was due.</summary>
    public required double Seconds { get; init; }

    /// <summary>Ticks run since the zone's start.</summary>
    public required long Ticks { get; init; }

    /// <summary>Of these, ticks whose work was not done by the next tick's due time.</summary>
    public required long TicksLate { get; init; }

    /// <summary>Ticks taken off the schedule since the zone's start.</summary>
    public required long TicksGivenUp { get; init; }

    /// <summary>Duration of a tick since the sample before.</summary>
    public required Quantiles TickMs { get; init; }

    /// <summary>Time from when a tick was due until it began, since the sample before.</summary>
    public required Quantiles StartLateMs { get; init; }

    /// <summary>Memory of the process in RAM.</summary>
    public required double WorkingSetMB { get; init; }

    /// <summary>Of it, what managed objects took after the last collection.</summary>
    public required double ManagedMB { get; init; }

    /// <summary>Managed bytes that the process allocated since the window began.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>Garbage collections of each generation since the window began.</summary>
    public required int[] GcCounts { get; init; }

    /// <summary>Takes one. On the tick thread, between two ticks.</summary>
    public static SoakSample Take(ZoneInterval interval, long zoneStartNs, in ProcessFigures windowStart)
    {
        var now = ProcessFigures.Read();
        return new SoakSample
        {
            Seconds = (now.AtNs - zoneStartNs) / 1e9,
            Ticks = interval.Ticks,
            TicksLate = interval.TicksLate,
            TicksGivenUp = interval.TicksGivenUp,
            TickMs = Of(interval.TickMs),
            StartLateMs = Of(interval.StartLateMs),
            WorkingSetMB = Environment.WorkingSet / 1e6,
            ManagedMB = GC.GetGCMemoryInfo(GCKind.Any).HeapSizeBytes / 1e6,
            AllocatedBytes = now.AllocatedBytes - windowStart.AllocatedBytes,
            GcCounts = now.CollectionsSince(windowStart),
        };
    }

    private static Quantiles Of(TickTimes times) => new(times.P50, times.P99, times.Max);
}

/// <summary>Takes the samples of a run that is long enough to be judged as a soak.</summary>
internal sealed class SoakWatch
{
    /// <summary>Shortest window that is judged.</summary>
    public const int WindowSecondsMin = 60;

    /// <summary>Time between two samples.</summary>
    public const int EverySeconds = 10;

    private readonly List<SoakSample> _samples = [];

    /// <summary>What was taken so far.</summary>
    public IReadOnlyList<SoakSample> Samples => _samples;

    /// <summary>Asks for a sample, when it is time for one.</summary>
    /// <param name="windowSeconds">Time since the window began.</param>
    /// <param name="ask">Puts a question to the zone's process.</param>
    public async Task TakeIfDueAsync(double windowSeconds, Func<string, Task<string>> ask)
    {
        if (windowSeconds >= (_samples.Count + 1) * EverySeconds)
            _samples.Add(ReportJson.Read<SoakSample>(await ask("sample"), "the server"));
    }
}
