using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Server;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare load</c>: a measured run for people who compare figures.</summary>
internal static class LoadCommand
{
    private const string Teaching = """
        What it does:
          Starts 'hectare serve' and 'hectare bots' as two processes, each in a session of its own (the scheduler shares by session), on the
          processors you name. All bots join, a warm-up passes, then the window is measured. Then motion stops, and 3 s later every decoding
          bot's replica is compared with the zone's truth.

          --hostile adds bad clients beside them, in a third process and on addresses of their own, a share of each behaviour
          ('hectare bots --help' lists them); --flood adds datagrams of strangers once all have joined. The report keeps them apart:
          'connected', 'bots' and the comparison are of the honest ones, what the others did and met is under 'hostile' and 'flood', and
          'server.drops' counts each offence by its reason.

          Before the load and after it a bare loop of two processes moves as many datagrams through the same sockets, on the same processors:
          'kernelFloor' says what the kernel alone takes, and 'cpuOverFloor' what the server used for each core of that. Where the machine was
          not quiet it says 'void': such a run is none.

          --ramp looks for the number of players that the zone carries, up to --players: runs of --seconds each, at a fixed rate, that double
          and then halve what lies between. Carried: all connected, snapshotHzP1 >= 9.5, at most 1 % of ticks late. It names what gave out.

        Examples:
          hectare load --players 2000 --workload uniform --seconds 20 --fixed-rate --server-cpus 0 --bot-cpus 1 --json load.json
          hectare load --players 10000 --ramp --seconds 10 --server-cpus 0 --bot-cpus 1 --json cliff.json
          hectare load --players 500 --workload storm              the worst case: everyone turns every tick
          hectare load --players 500 --sockets framework           the same bytes without recvmmsg and sendmmsg
          hectare load --players 500 --hostile 500 --seconds 60    bad clients of every kind beside the honest ones
          hectare load --players 500 --flood 200000                strangers' datagrams beside them
          hectare load --players 5000 --seconds 1800               a soak: half an hour, judged

        A window of a minute or more is judged as a soak as well: the last third of it is held against the third before, and must show the same
        working set and the same tick; no full collection, no drift of the schedule.

        Exit code: 0 all is well; 1 a player could not connect, a snapshot could not be decoded, a replica differs, a soak did not hold, a hostile one
        was faster than a walker or could not act at all, or an address was sent more bytes than came from it; with --ramp, not even one player was
        carried; 2 bad input.
        """;

    private static readonly Option<int> Players = Options.Whole("--players", 1_000, 1, 12_000, "Bots to connect.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 20, 1, 3_600, "Length of the measuring window.");
    private static readonly Option<FarmWorkload> Work = WorkloadOption();
    private static readonly Option<bool> FixedRate = Options.Flag("--fixed-rate", "A snapshot every interval even when there is nothing to tell.");
    private static readonly Option<int> Threads = ServeCommand.ThreadsOption();
    private static readonly Option<Transport.UdpSocketMode> Sockets = ServeCommand.SocketsOption();
    private static readonly Option<double?> DecodeSample = BotsCommand.DecodeSampleOption();
    private static readonly Option<int> InputHz = BotsCommand.InputHzOption();
    private static readonly Option<int> JoinRate = BotsCommand.JoinRateOption();
    private static readonly Option<bool> Ramp = Options.Flag("--ramp", "Find the number of players that the zone carries, up to --players, and what gives out beyond.");
    private static readonly Option<int> FloorSeconds = Options.Whole("--floor-seconds", 3, 0, 60, "Length of the kernel's floor, before the load and again after it; 0: none.");
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<int[]> ServerCpus = Options.Processors("--server-cpus", "Processors of the server, such as 0 or 0-1. Default: any.");
    private static readonly Option<int[]> BotCpus = Options.Processors("--bot-cpus", "Processors of the bots and of this process. Default: any.");
    private static readonly Option<int> Hostile = Options.Whole("--hostile", 0, 0, 8_000, "Hostile bots beside the honest ones.");
    private static readonly Option<string[]> HostileBehaviours = BotsCommand.BehavioursOption();
    private static readonly Option<int[]> HostileCpus = Options.Processors("--hostile-cpus", "Processors of the hostile bots and the flood. Default: those of the bots.");
    private static readonly Option<int> Flood = Options.Whole("--flood", 0, 0, 2_000_000, "Datagrams a second of strangers.");
    private static readonly Option<int> WarmUp = Options.Whole("--warm-up", 5, 0, 600, "Seconds between the last join and the window.");
    private static readonly Option<string?> Record = Options.FileToWrite("--record", "Record what the zone receives, for 'hectare replay'.");
    private static readonly Option<string?> Keys = ServeCommand.KeysOption();
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write the report to this file.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("load", "Measure a zone under bots: two pinned processes, one JSON report.", Teaching)
        {
            Players, Work, Seconds, FixedRate, Hostile, HostileBehaviours, Flood, ServerCpus, BotCpus, HostileCpus, Sockets, Threads, DecodeSample, InputHz, JoinRate, Ramp, FloorSeconds, Seed, WarmUp, Record, Keys, Json,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The option <c>--workload</c>.</summary>
    public static Option<FarmWorkload> WorkloadOption() => Options.Choice("--workload", FarmWorkload.Uniform, "What the bots do.");

    /// <summary>Writes the report where it is wanted.</summary>
    public static async Task WriteAsync(LoadReport report, string? path)
    {
        if (path is not null)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, ReportJson.Default.LoadReport) + "\n");
    }

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        var settings = new LoadSettings
        {
            Players = parse.GetValue(Players),
            Workload = parse.GetValue(Work),
            Seconds = parse.GetValue(Seconds),
            WarmUpSeconds = parse.GetValue(WarmUp),
            PlayersPerSecond = parse.GetValue(JoinRate),
            DecodeSample = parse.GetValue(DecodeSample),
            InputHz = parse.GetValue(InputHz),
            FloorSeconds = parse.GetValue(FloorSeconds),
            FixedRate = parse.GetValue(FixedRate),
            Threads = parse.GetValue(Threads),
            Sockets = parse.GetValue(Sockets),
            Seed = parse.GetValue(Seed),
            ServerCpus = parse.GetValue(ServerCpus)!,
            BotCpus = parse.GetValue(BotCpus)!,
            Hostile = parse.GetValue(Hostile),
            HostileBehaviours = parse.GetValue(HostileBehaviours)!,
            HostileCpus = parse.GetValue(HostileCpus)!,
            Flood = parse.GetValue(Flood),
            Record = parse.GetValue(Record),
            Keys = parse.GetValue(Keys),
        };
        return parse.GetValue(Ramp) ? await FindLimitAsync(settings, parse.GetValue(Json), cancel) : await MeasureAsync(settings, parse.GetValue(Json), cancel);
    }

    private static async Task<int> MeasureAsync(LoadSettings settings, string? path, CancellationToken cancel)
    {
        var screen = new Screen();
        LoadReport report = await screen.RunAsync(() => new LoadRun(settings, screen).RunAsync(cancel));
        await WriteAsync(report, path);
        foreach (string line in Lines(report))
            Screen.WriteLine(line);
        return report.Failures.Count == 0 ? 0 : throw new RunFailedException(string.Join("; ", report.Failures));
    }

    private static async Task<int> FindLimitAsync(LoadSettings settings, string? path, CancellationToken cancel)
    {
        var screen = new Screen();
        RampReport report = await screen.RunAsync(() => new RampRun(settings, screen).RunAsync(cancel));
        if (path is not null)
            await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, ReportJson.Default.RampReport) + "\n", CancellationToken.None);
        foreach (string line in Lines(report))
            Screen.WriteLine(line);
        return report.Carried > 0 || cancel.IsCancellationRequested ? 0 : throw new RunFailedException("not even one player was carried");
    }

    private static IEnumerable<string> Lines(RampReport report)
    {
        yield return "players  carried  snapshots Hz p1  late %  tick ms p99  cores server  bots   idle      gave out";
        foreach (RampStep step in report.Steps)
        {
            yield return Text($"{step.Players,7}  {(step.Carried ? "yes" : "no"),-7}  {step.SnapshotHzP1,15:0.00}  {step.TicksLateShare * 100,6:0.0}  {step.TickMsP99,11:0.0}  {step.ServerCores,12:0.00}  {step.BotCores,4:0.00}   {string.Join(' ', step.IdleShare.Select(share => Text($"{share:0.00}"))),-8}  {string.Join(", ", step.GaveOut)}");
        }

        yield return report.Failed is { } failed
            ? Text($"{report.Workload}: {report.Carried} players are carried, {failed} are not: {string.Join(", ", report.Criteria)}; what gave out: {string.Join(", ", report.GaveOut)}")
            : Text($"{report.Workload}: {report.Carried} players are carried; more were not tried");
    }

    private static IEnumerable<string> Lines(LoadReport report)
    {
        if (report is not { Server: { } server, Bots: { } bots })
        {
            yield return "ended before the measuring window: no figures";
            yield break;
        }

        yield return Text($"{report.Workload}, {report.Connected} of {report.Players} players, {report.Seconds:0.0} s");
        yield return Text($"server  cores {server.CpuCores:0.00}  tick ms p50 {server.TickMs.P50:0.00} p99 {server.TickMs.P99:0.00} max {server.TickMs.Max:0.00}  late {server.TicksLate}");
        yield return Text($"sent    {server.SnapshotsPerSecond:0} snapshots/s  {server.KeepAlivesPerSecond:0} keep-alives/s  {server.BytesPerPlayerPerSecond:0} B/s a player  largest {server.DatagramBytesMax} B");
        yield return Text($"updates {server.UpdatesPerSecond:0}/s  {server.UpdatesPerSnapshot:0.0} a snapshot  {server.BitsPerUpdate:0.0} bits  {server.NsPerUpdate:0} ns  copies {server.CopiesPerSnapshot:0.0}  enters {server.EntersPerSnapshot:0.0}");
        BytesSplit split = server.BytesSplit;
        yield return Text($"bytes/s udp+ip {split.UdpIp:0}  packet {split.PacketHeader:0}  tag {split.Tag:0}  header {split.SnapshotHeader:0}  own {split.OwnState:0}  updates {split.Updates:0}  lifecycle {split.Lifecycle:0}  densities {split.Densities:0}");
        yield return Text($"bits    turn {server.BitsPerTurn:0.0}  animation {server.BitsPerAnimation:0.0}  enter {server.BitsPerEnter:0.0}");
        yield return Text($"memory  {server.BytesPerPeerMemory:0} B a peer  {server.BytesPerEntityMemory:0} B an entity  {server.AllocatedBytesPerTick:0} B allocated a tick");
        yield return Text($"bots    cores {bots.CpuCores:0.00}  snapshots Hz p1 {bots.SnapshotHzP1:0.00} p50 {bots.SnapshotHzP50:0.00}  decoding all {bots.FullyDecoded}  errors {bots.DecodeErrors}");
        yield return Text($"drawn   wrong {bots.WrongShare * 100:0.0000} % of {bots.DrawnEntities} at {bots.DrawnTicks} ticks  stale ms p50 {bots.StalenessMs?.P50:0} p99 {bots.StalenessMs?.P99:0}");
        if (report.KernelFloor is { } floor)
            yield return Text($"floor   cores {floor.Cores:0.00}  server over floor {floor.CpuOverFloor:0.00}  send ns {floor.SendNs:0} receive ns {floor.ReceiveNs:0} ({floor.Lower}){(floor.Void ? $"  VOID: {floor.VoidReason}" : "")}");
        yield return Text($"truth   divergent {bots.Divergent}  entities compared {bots.ComparedEntities}");
        if (report.Soak is { } soak)
            yield return Text($"soak    working set {soak.WorkingSetGrowth * 100:+0.0;-0.0} %  median tick {soak.TickGrowth * 100:+0.0;-0.0} %  p99 {soak.TickP99Growth * 100:+0.0;-0.0} %  drift {soak.DriftTicks:0.0} ticks  given up {soak.TicksGivenUp}  full collections {soak.FullCollections}");
        if (report.Hostile is { } hostile)
            yield return Text($"hostile cores {hostile.CpuCores:0.00}  connected {hostile.Connected}/{hostile.Bots}  kicked {hostile.Kicked}  fastest {hostile.MaxSpeed:0.000} units/s of {hostile.SpeedsMeasured} seconds walked");
        if (report.Flood is { } flood)
            yield return Text($"flood   cores {flood.CpuCores:0.00}  {flood.SentPerSecond:0} datagrams/s from {flood.Addresses} addresses  back {flood.ReceivedDatagrams}, at most {flood.LargestAmplification:0.000} of the bytes sent");
        if (report.Hostile is not null || report.Flood is not null)
        {
            yield return $"dropped {Counts(server.Drops)}";
            yield return $"offence {Counts(server.Offences)}";
            yield return $"kicked  {Counts(server.Kicks)}";
        }
    }

    private static string Counts(IReadOnlyDictionary<string, long> counts) => string.Join("  ", counts.Select(one => Text($"{one.Key} {one.Value}")));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
