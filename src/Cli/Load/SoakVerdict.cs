using System.Globalization;

namespace Hectare.Cli.Load;

/// <summary>Whether a run could go on for ever: its samples in order, and why not; no reason: it could.</summary>
/// <remarks>
/// The last third of the window is held against the third before it: the first third is for what fills up once, such as the tables of players who have
/// not seen all yet. Medians of samples, so that what a neighbour did to one of them changes nothing.
/// </remarks>
internal sealed record SoakVerdict
{
    /// <summary>Samples that a verdict needs.</summary>
    public const int SamplesMin = 6;

    // What a working set moves by of itself: pages that the collector takes and gives back, a report's text.
    private const double WorkingSetGrowthMax = 0.03;
    private const double WorkingSetSlackMB = 4;

    // Creeping shows in the median of a tick. The 99th percentile is other tenants' too: only a doubling counts.
    private const double TickGrowthMax = 1.25;
    private const double TickSlackMs = 1;
    private const double TickP99GrowthMax = 2;
    private const double TickP99SlackMs = 5;
    private const double StartLateSlackMs = 2;

    // A tick is under way while the sample is taken, and another may be due.
    private const double DriftTicksMax = 2;

    // A machine that stands still for a second makes any zone give up ticks. One in a hundred is no longer an accident.
    private const double GivenUpShareMax = 0.01;

    /// <summary>What was looked at.</summary>
    public required IReadOnlyList<SoakSample> Samples { get; init; }

    /// <summary>Working set of the last third over that of the third before, less 1.</summary>
    public double WorkingSetGrowth { get; init; }

    /// <summary>Median tick of the last third over that of the third before, less 1.</summary>
    public double TickGrowth { get; init; }

    /// <summary>The same of the 99th percentile.</summary>
    public double TickP99Growth { get; init; }

    /// <summary>Ticks that should have been run in the time between the first sample and the last and neither were nor were given up; below 0: too many were.</summary>
    public double DriftTicks { get; init; }

    /// <summary>Ticks given up between the first sample and the last.</summary>
    public long TicksGivenUp { get; init; }

    /// <summary>Collections of the oldest generation since the window began.</summary>
    public int FullCollections { get; init; }

    /// <summary>Why it could not go on for ever; empty when it could.</summary>
    public required IReadOnlyList<string> Failures { get; init; }

    /// <summary>Judges.</summary>
    /// <param name="samples">At even distances, the window's start not among them.</param>
    /// <param name="tickRate">Ticks a second that the zone is set to.</param>
    public static SoakVerdict Of(IReadOnlyList<SoakSample> samples, int tickRate)
    {
        if (samples.Count < SamplesMin)
            return new SoakVerdict { Samples = samples, Failures = [Text($"soak: {samples.Count} samples are too few to judge, it takes {SamplesMin}")] };
        SoakSample[] before = Third(samples, 1), last = Third(samples, 2);
        double elapsedTicks = (samples[^1].Seconds - samples[0].Seconds) * tickRate;
        long run = samples[^1].Ticks - samples[0].Ticks, givenUp = samples[^1].TicksGivenUp - samples[0].TicksGivenUp;
        double drift = elapsedTicks - run - givenUp;
        int full = samples.Max(sample => sample.GcCounts[^1]);
        var failures = new List<string>();
        void Hold(string what, string unit, Func<SoakSample, double> value, double growthMax, double slack)
        {
            double earlier = Median(before, value), later = Median(last, value);
            if (later > (earlier * growthMax) + slack)
                failures.Add(Text($"soak: {what} went from {earlier:0.0} to {later:0.0} {unit}"));
        }

        Hold("the working set", "MB", sample => sample.WorkingSetMB, 1 + WorkingSetGrowthMax, WorkingSetSlackMB);
        Hold("the median tick", "ms", sample => sample.TickMs.P50, TickGrowthMax, TickSlackMs);
        Hold("the tick's 99th percentile", "ms", sample => sample.TickMs.P99, TickP99GrowthMax, TickP99SlackMs);
        Hold("the median start of a tick behind its due time", "ms", sample => sample.StartLateMs.P50, 1, StartLateSlackMs);
        if (full > 0)
            failures.Add(Text($"soak: {full} collections of generation {samples[^1].GcCounts.Length - 1}"));
        if (Math.Abs(drift) > DriftTicksMax)
            failures.Add(Text($"soak: the schedule drifted by {drift:0.0} ticks in {elapsedTicks:0}"));
        if (givenUp > elapsedTicks * GivenUpShareMax)
            failures.Add(Text($"soak: {givenUp} of {elapsedTicks:0} ticks were given up"));
        return new SoakVerdict
        {
            Samples = samples,
            WorkingSetGrowth = Growth(before, last, sample => sample.WorkingSetMB),
            TickGrowth = Growth(before, last, sample => sample.TickMs.P50),
            TickP99Growth = Growth(before, last, sample => sample.TickMs.P99),
            DriftTicks = drift,
            TicksGivenUp = givenUp,
            FullCollections = full,
            Failures = failures,
        };
    }

    private static SoakSample[] Third(IReadOnlyList<SoakSample> samples, int third) => [.. samples.Skip(samples.Count * third / 3).Take((samples.Count * (third + 1) / 3) - (samples.Count * third / 3))];

    private static double Growth(SoakSample[] before, SoakSample[] last, Func<SoakSample, double> value) => (Median(last, value) / Math.Max(1e-9, Median(before, value))) - 1;

    private static double Median(SoakSample[] samples, Func<SoakSample, double> value)
    {
        double[] values = [.. samples.Select(value).Order()];
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
