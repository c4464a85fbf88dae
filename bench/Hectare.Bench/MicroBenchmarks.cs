using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace Hectare.Bench;

/// <summary>Runs the benchmarks of the parts in this process: bytes allocated are exact, and nothing has to be generated and built.</summary>
internal static class MicroBenchmarks
{
    private static readonly Type[] Types = [typeof(BitBenchmarks), typeof(EntityBenchmarks), typeof(PacketBenchmarks), typeof(SnapshotBenchmarks)];

    /// <summary>For people: BenchmarkDotNet's own table and arguments; then the bytes.</summary>
    public static int Run(string[] arguments)
    {
        IConfig config = Config().AddLogger(ConsoleLogger.Default).AddColumnProvider(DefaultColumnProviders.Instance);
        if (!arguments.Contains("--filter"))
            arguments = ["--filter", "*", .. arguments];
        Summary[] summaries = [.. BenchmarkSwitcher.FromTypes(Types).Run(arguments, config)];
        IReadOnlyList<MicroResult> results = ResultsOf(summaries);
        Write(Console.Out, results);
        return results.Count > 0 && results.All(result => result.AllocatedBytes is not null) ? 0 : 1;
    }

    /// <summary>For CI: holds every benchmark against its budget.</summary>
    public static int Gate(TextWriter output, string budgetsFile)
    {
        IReadOnlyDictionary<string, MicroBudget> budgets = BudgetGate.Read(File.ReadAllText(budgetsFile));
        IReadOnlyList<MicroResult> results = ResultsOf(BenchmarkSwitcher.FromTypes(Types).Run(["--filter", "*"], Config().AddLogger(NullLogger.Instance)));
        Write(output, results);
        IReadOnlyList<string> failures = BudgetGate.FailuresOf(budgets, results);
        foreach (string failure in failures)
            output.WriteLine($"FAIL {failure}");
        return failures.Count == 0 ? 0 : 1;
    }

    private static void Write(TextWriter output, IReadOnlyList<MicroResult> results)
    {
        output.WriteLine("| benchmark | ns an operation | bytes allocated by a call, at most |");
        output.WriteLine("|---|---|---|");
        foreach (MicroResult result in results)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {result.Name} | {result.Nanoseconds:N1} | {result.AllocatedBytes:N0} |"));
    }

    private static IReadOnlyList<MicroResult> ResultsOf(IEnumerable<Summary> summaries)
        => [.. summaries.SelectMany(summary => summary.BenchmarksCases.Select(one => ResultOf(one, summary[one])))];

    private static MicroResult ResultOf(BenchmarkCase one, BenchmarkReport? report)
    {
        bool ran = report is { Success: true, ResultStatistics: not null };
        string name = $"{one.Descriptor.Type.Name}.{one.Descriptor.WorkloadMethod.Name}";
        return ran ? new MicroResult(name, report!.ResultStatistics!.Median, AllocationMeter.Of(name)) : new MicroResult(name, null, null);
    }

    // Without its memory diagnoser: see AllocationMeter. Short: bytes are what is gated, and the times are for people who compare two builds in turns.
    private static ManualConfig Config()
    {
        Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithEvaluateOverhead(false).WithGcForce(false)
            .WithWarmupCount(3).WithIterationCount(8).WithIterationTime(TimeInterval.FromMilliseconds(50));
        return ManualConfig.CreateEmpty().AddJob(job)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "hectare-bench")).WithOptions(ConfigOptions.DisableLogFile | ConfigOptions.DisableOptimizationsValidator);
    }
}
