using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare serve</c>: one zone with the farm on it.</summary>
internal static class ServeCommand
{
    /// <summary>Where a zone listens unless told otherwise.</summary>
    public const int PortDefault = 40_000;

    private const string Teaching = """
        Examples:
          hectare serve --open                                     a farm on UDP port 40000 for this machine's players, until Ctrl-C
          hectare serve --cluster-keys cluster.keys                for players whom a login service gave a connect token
          hectare serve --open --port 0 --seconds 60 --json z.json any free port, one minute, figures to a file
          hectare serve --open --record zone.rec                   then: hectare replay zone.rec
          hectare serve --open --keys run.keys                     then: hectare inspect decrypt CAPTURE run.keys OUT (docs/inspecting.md)
          hectare serve --open --control /tmp/zone.sock            then: hectare inspect peer 3 --control /tmp/zone.sock

        Ctrl-C: players are told, reports are written, exit code 0. Exit code 1: the zone failed; 2: bad input, or the port is taken.
        """;

    private static readonly Option<int> Port = Options.Whole("--port", PortDefault, 0, 65_535, "UDP port; 0 lets the system choose.");
    private static readonly Option<int> PlayersMax = Options.Whole("--players-max", 2_000, 1, 16_384, "Most players at once; one more is refused.");
    private static readonly Option<FarmWorkload> Workload = LoadCommand.WorkloadOption();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<int> Threads = ThreadsOption();
    private static readonly Option<UdpSocketMode> Sockets = SocketsOption();
    private static readonly Option<bool> FixedRate = Options.Flag("--fixed-rate", "A snapshot every interval even when there is nothing to tell.");
    private static readonly Option<bool> Open = Options.Flag("--open", "For development: give a connect token to anyone who asks from this machine.");
    private static readonly Option<string?> ClusterKeys = Options.ClusterKeys("--cluster-keys", "Keys that the login service seals connect tokens with.");
    private static readonly Option<PeerAddress[]> Endpoint = Options.Endpoints("--endpoint", "This zone's addresses as players reach them: a token for other zones is then refused. Default: tokens for any are taken.");
    private static readonly Option<string?> Map = Options.FileToRead("--map", "Map of the farm (.htm). Default: generated from the seed.");
    private static readonly Option<string?> Record = Options.FileToWrite("--record", "Record all that comes in, for 'hectare replay' (mode 0600).");
    private static readonly Option<string?> Keys = KeysOption();
    private static readonly Option<string?> Control = Options.SocketPath("--control", "Open a control socket (Unix domain, mode 0600) for 'hectare inspect peer'.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 0, 0, 31_536_000, "End after so long; 0: at Ctrl-C.");
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write the zone's figures to this file at the end.");
    private static readonly Option<string?> Truth = Options.FileToWrite("--truth", "Share the truth with bots that measure.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        Truth.Hidden = true;
        var command = new TeachingCommand("serve", "Run one zone with the demo's farm on it.", Teaching)
        {
            Port, PlayersMax, Workload, Seed, Threads, Sockets, FixedRate, Open, ClusterKeys, Endpoint, Map, Record, Keys, Control, Seconds, Json, Truth, ChildMode.Option,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The option <c>--threads</c>.</summary>
    public static Option<int> ThreadsOption() => Options.Whole("--threads", 0, 0, 16, "Network threads of the zone, each with its own socket; 0: all on the tick thread.");

    /// <summary>The option <c>--keys</c>.</summary>
    public static Option<string?> KeysOption()
        => Options.FileToWrite("--keys", "For development: write every connection's keys to this file (mode 0600), for 'hectare inspect decrypt'.");

    /// <summary>The option <c>--sockets</c>.</summary>
    public static Option<UdpSocketMode> SocketsOption() => Options.Choice("--sockets", UdpSocketMode.Auto, "How the zone reaches the network: batched is Linux's recvmmsg and sendmmsg.");

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        string? keys = parse.GetValue(ClusterKeys);
        if (parse.GetValue(Open) == keys is not null)
            throw new BadInputException("serve: say who may come in: --open (anyone on this machine, for development) or --cluster-keys FILE (who has a connect token); one of the two");
        using var child = ChildMode.Enter(parse, cancel);
        using var host = new ZoneHost(new ServeSettings
        {
            Port = parse.GetValue(Port),
            PlayersMax = parse.GetValue(PlayersMax),
            Workload = parse.GetValue(Workload),
            Seed = parse.GetValue(Seed),
            Threads = parse.GetValue(Threads),
            Sockets = parse.GetValue(Sockets),
            FixedRate = parse.GetValue(FixedRate),
            ClusterKeys = keys,
            Endpoints = parse.GetRequiredValue(Endpoint),
            Map = parse.GetValue(Map),
            Record = parse.GetValue(Record),
            Keys = parse.GetValue(Keys),
            Control = parse.GetValue(Control),
            Truth = parse.GetValue(Truth),
        });
        foreach (string warning in host.Warnings)
            await Console.Error.WriteLineAsync($"warning: {warning}");
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"zone up on UDP port {host.Port}: {parse.GetValue(Workload).ToString().ToLowerInvariant()}, seed {parse.GetValue(Seed)}; Ctrl-C ends it"));

        ServerReport report = await ShowUntilAsync(host.RunAsync(parse.GetValue(Seconds), child.Token), host, child.IsChild);
        if (parse.GetValue(Json) is { } path)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, ReportJson.Default.ServerReport) + "\n", CancellationToken.None);
        Screen.WriteLine("zone closed, players told");
        return 0;
    }

    private static async Task<ServerReport> ShowUntilAsync(Task<ServerReport> run, ZoneHost host, bool quiet)
    {
        while (await Task.WhenAny(run, Task.Delay(TimeSpan.FromSeconds(10), CancellationToken.None)) != run)
        {
            if (quiet || run.IsCompleted)
                continue;
            Task<ServeStatus> asked = host.StatusAsync();
            await ((Task)asked).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!asked.IsCompletedSuccessfully)
                break;   // the zone has just ended: the run says how
            ServeStatus status = await asked;
            Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"tick {status.Tick}  players {status.Players}  tick ms p50 {status.TickMsP50:0.00} p99 {status.TickMsP99:0.00}  snapshots/s {status.SnapshotsPerSecond:0}  B/s a player {status.BytesPerPlayerPerSecond:0}"));
        }

        return await run;
    }
}
