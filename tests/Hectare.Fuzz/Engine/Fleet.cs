using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Hectare.Fuzz.Engine;

/// <summary>Runs targets in processes of their own, so many at a time: one that crashes takes nobody with it, and its heap is its own.</summary>
internal sealed class Fleet(FuzzLimits limits, int jobs, string failureFolder, string corpusFolder, Screen screen)
{
    // Beyond its own limit a child may take this long to start and to report; a killed hang is told by its watchdog before.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<int, Process> _children = new();

    /// <summary>Runs all of them, in their order.</summary>
    public async Task<FleetReport> RunAsync(IReadOnlyList<FuzzTarget> targets, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        var reports = new TargetReport[targets.Count];
        using CancellationTokenRegistration kill = cancel.Register(KillAll);
        await Parallel.ForEachAsync(Enumerable.Range(0, targets.Count), new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancel }, async (i, _) =>
        {
            reports[i] = await RunChildAsync(targets[i]);
            screen.Done(reports[i]);
        });
        return new FleetReport(limits.Seed, Stopwatch.GetElapsedTime(start).TotalSeconds, jobs, reports.Count(report => report.Failure is not null), reports);
    }

    private async Task<TargetReport> RunChildAsync(FuzzTarget target)
    {
        string lastInputPath = Path.Combine(Path.GetTempPath(), $"hectare-fuzz-{Environment.ProcessId}-{target.Name}");
        using Process child = Process.Start(StartInfo(target, lastInputPath))!;
        _children[child.Id] = child;
        try
        {
            using var patience = new CancellationTokenSource(limits.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) + limits.Hang + Grace : Timeout.InfiniteTimeSpan);
            Task<string> errors = child.StandardError.ReadToEndAsync(CancellationToken.None);
            TargetReport? report = null;
            try
            {
                report = await ListenAsync(child, patience.Token);
                await child.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                child.Kill(entireProcessTree: true);
            }

            return report ?? OfDead(target, lastInputPath, child, await errors);
        }
        finally
        {
            _children.TryRemove(child.Id, out _);
            File.Delete(lastInputPath);
        }
    }

    private async Task<TargetReport?> ListenAsync(Process child, CancellationToken cancel)
    {
        while (await child.StandardOutput.ReadLineAsync(cancel) is { } line)
        {
            if (JsonSerializer.Deserialize<ChildLine>(line, FuzzJson.Compact) is not { } said)
                continue;
            if (said.Progress is { } progress)
                screen.Show(progress);
            if (said.Report is { } report)
                return report;
        }

        return null;
    }

    private TargetReport OfDead(FuzzTarget target, string lastInputPath, Process child, string errors)
    {
        string exit = child.HasExited ? child.ExitCode.ToString(CultureInfo.InvariantCulture) : "none";
        FailureReport failure = new Failures(failureFolder).OfLast(target, lastInputPath, "crash", $"the process ended with code {exit}\n{errors.Trim()}");
        return new TargetReport { Target = target.Name, Seed = limits.Seed, Inputs = Math.Max(0, failure.InputIndex), Failure = failure };
    }

    private ProcessStartInfo StartInfo(FuzzTarget target, string lastInputPath)
    {
        string program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(Assembly.GetExecutingAssembly().Location);
        // Bytes in hexadecimal. The youngest generation grows to the size of a processor's cache else, and with it the working set for minutes.
        start.Environment["DOTNET_GCgen0size"] = "400000";
        List<string> arguments =
        [
            "--target", target.Name, "--seed", $"{limits.Seed}", "--inputs", $"{limits.Inputs}", "--hang", limits.Hang.TotalSeconds.ToString(CultureInfo.InvariantCulture),
            "--failures", failureFolder, "--corpus", corpusFolder, "--child", lastInputPath,
        ];
        if (limits.Seconds is { } seconds)
            arguments.AddRange(["--seconds", seconds.ToString(CultureInfo.InvariantCulture)]);
        arguments.ForEach(start.ArgumentList.Add);
        return start;
    }

    private void KillAll()
    {
        foreach (Process child in _children.Values)
        {
            try
            {
                child.Kill(entireProcessTree: true);
            }
            catch (InvalidOperationException)
            {
                // It ended by itself in between.
            }
        }
    }
}
