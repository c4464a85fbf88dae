using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hectare.Cli.Load;
using Hectare.Cli.Load.Hostile;
using Hectare.Cli.Terminal;
using Hectare.Server;

namespace Hectare.Cli.Commands;

/// <content>The two bad sides.</content>
internal static partial class BotsCommand
{
    private static readonly TimeSpan ShowTime = TimeSpan.FromSeconds(10);

    private static async Task<int> RunHostileAsync(ParseResult parse, CancellationToken cancel)
    {
        using var child = ChildMode.Enter(parse, cancel);
        using var fleet = new HostileFleet(new HostileSettings
        {
            Bots = parse.GetValue(Players),
            Server = ServerOf(parse),
            Behaviours = parse.GetValue(Chosen) is { Length: > 0 } chosen ? chosen : [.. Behaviours.Names],
            Workload = parse.GetValue(Workload),
            BotsPerSecond = parse.GetValue(JoinRate),
            Seed = parse.GetValue(Seed),
            Salt = (ulong)Clock.NowNs,
            Map = parse.GetValue(Map),
            Control = parse.GetValue(Control),
            Truth = parse.GetValue(Truth),
        });
        HostileReport report = await ShowUntilAsync(StartLong(() => fleet.Run(parse.GetValue(Seconds), child.Token)), fleet.StatusAsync, child.IsChild,
            status => Text($"connected {status.Connected}  kicked {status.Kicked}  datagrams/s {status.SentPerSecond:0}  cores {status.CpuCores:0.00}"));
        await WriteAsync(parse, report, ReportJson.Default.HostileReport);
        foreach ((string name, BehaviourReport behaviour) in report.ByBehaviour)
        {
            Screen.WriteLine(Text($"{name,-11} bots {behaviour.Bots}  joined {behaviour.Joins}  offences {behaviour.Offences}  kicked {behaviour.Kicked}{Reasons(behaviour.KickedFor)}  timed out {behaviour.TimedOut}"));
        }

        string[] failures = [.. HostileFailures.Of(report)];
        return failures.Length == 0 || child.IsChild ? 0 : throw new RunFailedException(string.Join("; ", failures));
    }

    private static async Task<int> RunFloodAsync(ParseResult parse, CancellationToken cancel)
    {
        using var child = ChildMode.Enter(parse, cancel);
        using var flood = new Flood(new FloodSettings
        {
            Server = ServerOf(parse),
            Rate = parse.GetValue(Rate),
            Seed = parse.GetValue(Seed),
            Control = parse.GetValue(Control),
        });
        FloodReport report = await ShowUntilAsync(StartLong(() => flood.Run(parse.GetValue(Seconds), child.Token)), flood.StatusAsync, child.IsChild,
            status => Text($"datagrams/s {status.SentPerSecond:0}  cores {status.CpuCores:0.00}"));
        await WriteAsync(parse, report, ReportJson.Default.FloodReport);
        Screen.WriteLine(Text($"{report.SentPerSecond:0} of {report.RateAsked} datagrams/s from {report.Addresses} addresses; {report.ReceivedDatagrams} came back to {report.AnsweredAddresses}, at most {report.LargestAmplification:0.000} of the bytes sent"));
        string[] failures = [.. HostileFailures.Of(report)];
        return failures.Length == 0 || child.IsChild ? 0 : throw new RunFailedException(string.Join("; ", failures));
    }

    private static Task<T> StartLong<T>(Func<T> run) => Task.Factory.StartNew(run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static async Task<TReport> ShowUntilAsync<TReport, TStatus>(Task<TReport> run, Func<Task<TStatus>> ask, bool quiet, Func<TStatus, string> line)
    {
        while (await Task.WhenAny(run, Task.Delay(ShowTime, CancellationToken.None)) != run)
        {
            if (!quiet)
                Screen.WriteLine(line(await ask()));
        }

        return await run;
    }

    private static async Task WriteAsync<T>(ParseResult parse, T report, JsonTypeInfo<T> type)
    {
        if (parse.GetValue(Json) is { } path)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, type) + "\n", CancellationToken.None);
    }

    private static string Reasons(IReadOnlyDictionary<string, long> reasons)
        => reasons.Count == 0 ? "" : $" ({string.Join(", ", reasons.Select(reason => string.Create(CultureInfo.InvariantCulture, $"{reason.Key} {reason.Value}")))})";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
