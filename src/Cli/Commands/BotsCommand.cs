using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Load.Hostile;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary>Whose side bots are on.</summary>
internal enum BotSide
{
    /// <summary>Players.</summary>
    Honest,

    /// <summary>Bad clients, each in its own way.</summary>
    Hostile,

    /// <summary>Strangers: datagrams without end, from thousands of addresses.</summary>
    Flood,
}

/// <summary><c>hectare bots</c>: players for a zone on this machine, or those who would harm it.</summary>
internal static partial class BotsCommand
{
    /// <summary>Bots that join a second, unless told otherwise.</summary>
    public const int JoinRateDefault = 500;

    private static readonly string Teaching = $"""
        honest    Each bot is a real client with an address of its own: it joins, sends inputs, acks. One in ten, and at most 100, decode all they
                  are told and keep a replica; the others open each packet and read its header, so that one core suffices for ten thousand.
        hostile   Each bot is a bad client, otherwise a working one where it needs to be; sent away, it comes back a second or two later:
        {string.Join("\n", Behaviours.All.Select(behaviour => $"            {behaviour.Name,-11} {behaviour.Tries}"))}
        flood     Random and mutated datagrams of strangers from 65,536 addresses, and the books of what comes back to each of them.

        Examples:
          hectare serve --open --players-max 500                   in one terminal
          hectare bots --players 500                               in another
          hectare bots --players 50 --decode-sample 1 --seconds 30 --json bots.json
          hectare bots --players 500 --cluster-keys cluster.keys   for 'hectare serve --cluster-keys cluster.keys'
          hectare bots --behaviour hostile --players 36 --behaviours replay,bitflip
          hectare bots --behaviour flood --rate 200000 --seconds 20

        Exit code, honest: 0 all joined and every snapshot could be read. Hostile: 0 every behaviour could act, and no address was sent more than came
        from it. Flood: 0 the same of its addresses. 1 not so; 2 bad input.
        """;

    private static readonly Option<BotSide> Side = Options.Choice("--behaviour", BotSide.Honest, "What kind of bots.");
    private static readonly Option<string[]> Chosen = BehavioursOption();
    private static readonly Option<int> Rate = Options.Whole("--rate", 200_000, 100, 2_000_000, "With --behaviour flood: datagrams a second to aim at; what was really sent is reported.");

    private static readonly Option<int> Players = Options.Whole("--players", 100, 1, 12_000, "How many.");
    private static readonly Option<IPEndPoint> Server = Options.LoopbackServer("--server", ServeCommand.PortDefault);
    private static readonly Option<FarmWorkload> Workload = LoadCommand.WorkloadOption();
    private static readonly Option<double?> DecodeSample = DecodeSampleOption();
    private static readonly Option<int> JoinRate = JoinRateOption();
    private static readonly Option<int> InputHz = InputHzOption();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Map = Options.FileToRead("--map", "The server's map (.htm), when it was started with one.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 0, 0, 31_536_000, "End so long after all have joined (hostile, flood: after the start); 0: at Ctrl-C.");
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write the bots' figures to this file at the end.");
    private static readonly Option<string?> Control = Options.SocketPath("--control", "Open a control socket.");
    private static readonly Option<string?> Truth = Options.FileToRead("--truth", "The zone's truth board.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        Control.Hidden = Truth.Hidden = true;
        var command = new TeachingCommand("bots", "Players for a zone on this machine, thousands in one process; or bad clients, or a flood.", Teaching)
        {
            Side, Players, Server, Workload, DecodeSample, InputHz, JoinRate, Chosen, Rate, Seed, Map, BotTokens.ClusterKeys, BotTokens.Token, Seconds, Json, Control, Truth, ChildMode.Option,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The option <c>--decode-sample</c>.</summary>
    public static Option<double?> DecodeSampleOption()
        => Options.ShareOrNone("--decode-sample", 0.001, "Share of bots that decode everything; the others read headers and ack. Default: a tenth, at most 100 bots.");

    /// <summary>The option <c>--input-hz</c>.</summary>
    public static Option<int> InputHzOption()
        => Options.Whole("--input-hz", BotSettings.InputHzDefault, 2, 30, "Packets a second that a bot sends while its inputs do not change; a change leaves at once.");

    /// <summary>The option <c>--join-rate</c>.</summary>
    public static Option<int> JoinRateOption() => Options.Whole("--join-rate", JoinRateDefault, 1, 5_000, "Bots that join a second.");

    /// <summary>The option <c>--behaviours</c>.</summary>
    public static Option<string[]> BehavioursOption() => Options.Names("--behaviours", "What hostile bots do, a share each, separated by commas. Default: all there is.", [.. Behaviours.Names]);

    private static Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        BotSide side = parse.GetValue(Side);
        if (side != BotSide.Honest && BotTokens.AreGiven(parse))
            throw new BadInputException("bots: --token and --cluster-keys are for honest bots; the others try a zone that runs with --open");
        return side switch
        {
            BotSide.Hostile => RunHostileAsync(parse, cancel),
            BotSide.Flood => RunFloodAsync(parse, cancel),
            _ => RunHonestAsync(parse, cancel),
        };
    }

    private static PeerAddress ServerOf(ParseResult parse) => PeerAddress.Parse(parse.GetRequiredValue(Server).ToString());

    private static async Task<int> RunHonestAsync(ParseResult parse, CancellationToken cancel)
    {
        PeerAddress server = ServerOf(parse);
        int players = parse.GetValue(Players);
        Func<int, ConnectToken>? tokens = BotTokens.Of(parse, Players, server, ref players);
        using var child = ChildMode.Enter(parse, cancel);
        using var fleet = new BotFleet(new BotSettings
        {
            Players = players,
            Server = server,
            Tokens = tokens,
            Workload = parse.GetValue(Workload),
            PlayersPerSecond = parse.GetValue(JoinRate),
            DecodeSample = parse.GetValue(DecodeSample),
            InputHz = parse.GetValue(InputHz),
            Seed = parse.GetValue(Seed),
            Map = parse.GetValue(Map),
            Control = parse.GetValue(Control),
            Truth = parse.GetValue(Truth),
        });
        Task<BotsReport> run = Task.Factory.StartNew(() => fleet.Run(parse.GetValue(Seconds), child.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        BotsReport report = await ShowUntilAsync(run, fleet, players, child.IsChild);
        if (parse.GetValue(Json) is { } path)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, ReportJson.Default.BotsReport) + "\n", CancellationToken.None);
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.Connected} players, snapshots Hz p1 {report.SnapshotHzP1:0.00} p50 {report.SnapshotHzP50:0.00}, decode errors {report.DecodeErrors}"));
        if (child.Token.IsCancellationRequested)
            return 0;
        return report.Connected == players && report.DecodeErrors == 0
            ? 0
            : throw new RunFailedException($"{report.Connected} of {players} players are connected, {report.DecodeErrors} snapshots could not be decoded{fleet.FirstReason}");
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
