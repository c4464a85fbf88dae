using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare bots</c>: players for a zone on this machine.</summary>
internal static class BotsCommand
{
    /// <summary>Share of bots that decode everything: at least this, and this unless told otherwise.</summary>
    public const double DecodeSampleDefault = 0.1;

    /// <summary>Bots that join a second, unless told otherwise.</summary>
    public const int RampDefault = 500;

    private const string Teaching = """
        Each bot is a real client with an address of its own: it joins, sends inputs, acks. One in ten decodes all it is told and keeps a replica; the
        others open each packet and read its header, so that one core suffices for ten thousand.

        Examples:
          hectare serve --players-max 500                          in one terminal
          hectare bots --players 500                               in another
          hectare bots --players 50 --decode-sample 1 --seconds 30 --json bots.json

        Exit code: 0 all joined and every snapshot could be read; 1 not so; 2 bad input.
        """;

    private static readonly Option<int> Players = Options.Whole("--players", 100, 1, 12_000, "How many.");
    private static readonly Option<IPEndPoint> Server = Options.LoopbackServer("--server", ServeCommand.PortDefault);
    private static readonly Option<FarmWorkload> Workload = LoadCommand.WorkloadOption();
    private static readonly Option<double> DecodeSample = DecodeSampleOption();
    private static readonly Option<int> Ramp = RampOption();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Map = Options.FileToRead("--map", "The server's map (.htm), when it was started with one.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 0, 0, 31_536_000, "End so long after all have joined; 0: at Ctrl-C.");
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write the bots' figures to this file at the end.");
    private static readonly Option<string?> Control = Options.SocketPath("--control", "Open a control socket.");
    private static readonly Option<string?> Truth = Options.FileToRead("--truth", "The zone's truth board.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        Control.Hidden = Truth.Hidden = true;
        var command = new TeachingCommand("bots", "Players for a zone on this machine: real clients, thousands in one process.", Teaching)
        {
            Players, Server, Workload, DecodeSample, Ramp, Seed, Map, Seconds, Json, Control, Truth, ChildMode.Option,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The option <c>--decode-sample</c>.</summary>
    public static Option<double> DecodeSampleOption() => Options.Share("--decode-sample", DecodeSampleDefault, DecodeSampleDefault, "Share of bots that decode everything; the others read headers and ack.");

    /// <summary>The option <c>--ramp</c>.</summary>
    public static Option<int> RampOption() => Options.Whole("--ramp", RampDefault, 1, 5_000, "Bots that join a second.");

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        using var child = ChildMode.Enter(parse, cancel);
        IPEndPoint server = parse.GetRequiredValue(Server);
        using var fleet = new BotFleet(new BotSettings
        {
            Players = parse.GetValue(Players),
            Server = PeerAddress.Parse(server.ToString()),
            Workload = parse.GetValue(Workload),
            PlayersPerSecond = parse.GetValue(Ramp),
            DecodeSample = parse.GetValue(DecodeSample),
            Seed = parse.GetValue(Seed),
            Map = parse.GetValue(Map),
            Control = parse.GetValue(Control),
            Truth = parse.GetValue(Truth),
        });
        Task<BotsReport> run = Task.Factory.StartNew(() => fleet.Run(parse.GetValue(Seconds), child.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        BotsReport report = await ShowUntilAsync(run, fleet, parse.GetValue(Players), child.IsChild);
        if (parse.GetValue(Json) is { } path)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, ReportJson.Default.BotsReport) + "\n", CancellationToken.None);
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.Connected} players, snapshots Hz p1 {report.SnapshotHzP1:0.00} p50 {report.SnapshotHzP50:0.00}, decode errors {report.DecodeErrors}"));
        if (child.Token.IsCancellationRequested)
            return 0;
        return report.Connected == parse.GetValue(Players) && report.DecodeErrors == 0
            ? 0
            : throw new RunFailedException($"{report.Connected} of {parse.GetValue(Players)} players are connected, {report.DecodeErrors} snapshots could not be decoded{fleet.FirstReason}");
    }

    private static async Task<BotsReport> ShowUntilAsync(Task<BotsReport> run, BotFleet fleet, int players, bool quiet)
    {
        while (await Task.WhenAny(run, Task.Delay(TimeSpan.FromSeconds(10), CancellationToken.None)) != run)
        {
            if (quiet)
                continue;
            BotsStatus status = await fleet.StatusAsync();
            Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"players {status.Connected}/{players}  snapshots Hz {status.SnapshotHz:0.00}  cores {status.CpuCores:0.00}{(status.Refused > 0 ? $"  gone {status.Refused}: {status.RefusedReason}" : "")}"));
        }

        return await run;
    }
}
