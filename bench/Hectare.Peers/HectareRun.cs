using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Hectare.Cli;
using Hectare.Cli.Load;

namespace Hectare.Peers;

/// <summary>One window of Hectare: <c>hectare load</c> as everybody runs it, and its report.</summary>
internal static class HectareRun
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>Runs it. A run that breaks is a measurement without figures, that says why.</summary>
    public static async Task<Measurement> MeasureAsync(int players, RunPlan plan, CancellationToken cancel)
    {
        string report = Path.GetTempFileName();
        try
        {
            string words = await RunAsync(players, plan, report, cancel);
            string json = await File.ReadAllTextAsync(report, cancel);
            return json.Length > 0 ? Read(json, players, plan.Machine) : Measurement.Failed(Contestant.Hectare.Name, players, words);
        }
        finally
        {
            File.Delete(report);
        }
    }

    /// <summary>Its command line.</summary>
    public static IEnumerable<string> Arguments(int players, RunPlan plan, string report)
    {
        string[] common =
        [
            "load", "--workload", "uniform", "--fixed-rate", "--players", Text(players), "--seconds", Text(plan.Seconds), "--warm-up", Text(plan.WarmUpSeconds),
            "--join-rate", Text(plan.PlayersPerSecond), "--floor-seconds", "0", "--seed", plan.Seed.ToString(CultureInfo.InvariantCulture), "--json", report,
        ];
        return plan.Machine.ServerCpus.Length == 0
            ? common
            : [.. common, "--server-cpus", string.Join(',', plan.Machine.ServerCpus), "--bot-cpus", string.Join(',', plan.Machine.BotCpus)];
    }

    /// <summary>Reads its report.</summary>
    public static Measurement Read(string json, int players, Machine machine)
    {
        // By its parts: the world's constants are written to be read by people, and cannot be read back.
        JsonNode report = JsonNode.Parse(json)!;
        string[] failures = [.. report["failures"]!.AsArray().Select(failure => (string)failure!)];
        if (report["server"] is not { } serverPart || report["bots"] is not { } botsPart)
            return Measurement.Failed(Contestant.Hectare.Name, players, failures is [var first, ..] ? first : "no figures");
        ServerReport server = ReportJson.Read<ServerReport>(serverPart.ToJsonString(), "hectare load");
        BotsReport bots = ReportJson.Read<BotsReport>(botsPart.ToJsonString(), "hectare load");
        double[] idleShare = [.. report["machine"]!["idleShare"]!.AsArray().Select(share => (double)share!)];
        double ticks = server.Seconds * (int)report["tickRate"]!;
        return new Measurement
        {
            Contestant = Contestant.Hectare.Name,
            Players = players,
            Connected = (int)report["connected"]!,
            Seconds = server.Seconds,
            ServerCores = server.CpuCores,
            TickMsP50 = server.TickMs.P50,
            TickMsP99 = server.TickMs.P99,
            // Ticks that were given up were due as well.
            LateShare = (server.TicksLate + server.TicksGivenUp) / ticks,
            SnapshotHzP1 = bots.SnapshotHzP1,
            BytesPerPlayerPerSecond = server.BytesPerPlayerPerSecond,
            BotCores = bots.CpuCores,
            NeighbourShare = machine.NeighbourShare(idleShare, server.CpuCores),
            Failure = string.Join("; ", failures.Where(failure => !failure.Contains("are connected", StringComparison.Ordinal))),
        };
    }

    private static async Task<string> RunAsync(int players, RunPlan plan, string report, CancellationToken cancel)
    {
        // As we were started ourselves: by the dotnet command, or as a program of our own.
        string program = Path.Combine(AppContext.BaseDirectory, "hectare");
        bool byDotnet = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";
        var start = new ProcessStartInfo(byDotnet ? Environment.ProcessPath! : program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        if (byDotnet)
            start.ArgumentList.Add(program + ".dll");
        foreach (string argument in Arguments(players, plan, report))
            start.ArgumentList.Add(argument);
        // A thread of the pool that was born while a child was started still has that child's processors, and would hand them on.
        if (plan.Machine.ServerCpus.Length > 0)
            Libc.TryPinThread(0, [.. plan.Machine.ServerCpus, .. plan.Machine.BotCpus]);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None), errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience + TimeSpan.FromSeconds(plan.Seconds + plan.WarmUpSeconds + (players / (double)plan.PlayersPerSecond)));
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return "hectare load did not end in time";
        }
        finally
        {
            // Its own children end when it does.
            if (!process.HasExited)
                process.Kill();
        }

        await output;
        return (await errors).ReplaceLineEndings(" ").Trim();
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
