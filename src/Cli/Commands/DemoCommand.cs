using System.CommandLine;
using System.Globalization;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare demo</c>: the same run as <c>load</c>, told to someone who sees it for the first time.</summary>
internal static class DemoCommand
{
    private const string Teaching = """
        What you see:
          A zone and a process full of bots talk over real UDP on this machine. Each bot is a real client: it joins, walks about a farm, acks what
          it gets. The table is live; the summary says what it means.

        Examples:
          hectare demo                                             1,000 players for 30 s
          hectare demo --players 2000 --workload towns             most of them crowd in twenty towns
          hectare demo --players 200 --seconds 10 --json demo.json

        Exit code: 0 all is well; 1 the run failed (the last line says why); 2 bad input.
        """;

    private static readonly Option<int> Players = Options.Whole("--players", 1_000, 1, 12_000, "Bots to connect.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 30, 1, 3_600, "How long it is measured once everybody is there.");
    private static readonly Option<FarmWorkload> Work = LoadCommand.WorkloadOption();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Keys = ServeCommand.KeysOption();
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write all figures to this file, as 'hectare load' does.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("demo", "See it run: a zone and its players on this machine, live figures, a summary.", Teaching) { Players, Seconds, Work, Seed, Keys, Json };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        var settings = new LoadSettings
        {
            Players = parse.GetValue(Players),
            Workload = parse.GetValue(Work),
            Seconds = parse.GetValue(Seconds),
            WarmUpSeconds = 2,
            PlayersPerSecond = BotsCommand.JoinRateDefault,
            FixedRate = false,
            Threads = 0,
            Sockets = Transport.UdpSocketMode.Auto,
            Seed = parse.GetValue(Seed),
            ServerCpus = [],
            BotCpus = [],
            Keys = parse.GetValue(Keys),
        };
        var screen = new Screen();
        Screen.WriteLine($"A zone and {settings.Players} players ({settings.Workload.ToString().ToLowerInvariant()}) on this machine, over UDP. Ctrl-C ends it early.");
        LoadReport report = await screen.RunAsync(() => new LoadRun(settings, screen).RunAsync(cancel));
        await LoadCommand.WriteAsync(report, parse.GetValue(Json));
        foreach (string line in Summary(report))
            Screen.WriteLine(line);
        return report.Failures.Count == 0 ? 0 : throw new RunFailedException(string.Join("; ", report.Failures));
    }

    private static IEnumerable<string> Summary(LoadReport report)
    {
        if (report is not { Server: { } server, Bots: { } bots })
        {
            yield return "Ended before anything was measured.";
            yield break;
        }

        double tickMs = 1000.0 / report.TickRate;
        yield return "";
        yield return Text($"{report.Connected} of {report.Players} players were connected, measured for {report.Seconds:0} s.");
        yield return Text($"The zone needed {server.CpuCores:0.00} of a processor core. A tick (every {tickMs:0} ms) took {server.TickMs.P50:0.0} ms, in 99 of 100 cases at most {server.TickMs.P99:0.0} ms; {server.TicksLate} came late.");
        yield return Text($"Each player was sent {server.BytesPerPlayerPerSecond / 1000:0.00} kB/s, headers included, and knew {server.KnownPerPlayer.P50:0} entities. A turn of a walker cost {server.BitsPerTurn / 8:0.0} bytes.");
        if (bots.WrongShare is { } wrong)
            yield return Text($"Of {bots.DrawnEntities} movers drawn, {wrong * 100:0.000} % were more than a tenth of a tile from where they truly were.");
        if (bots.StalenessMs is { } stale)
            yield return Text($"News of a mover nearby was at most {stale.P99:0} ms old in 99 of 100 looks.");
        if (bots.Divergent >= 0)
            yield return Text($"Motion was stopped and {bots.ComparedEntities} entities in {bots.FullyDecoded} replicas were compared with the zone: {(bots.Divergent == 0 ? "all equal" : $"{bots.Divergent} replicas differ")}.");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
