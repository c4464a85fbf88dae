using System.Globalization;
using System.Text.Json;
using Hectare.Cli.Load.Hostile;
using Shouldly;

namespace Hectare.SystemTests.Hostile;

/// <summary>Honest and hostile bots and a flood against one zone, in processes of their own. Short in CI; <c>HECTARE_FULL=1</c> runs the promised figures.</summary>
public sealed class HostileLoadTests(ITestOutputHelper output)
{
    private const double WalkerUnitsPerSecond = 5;
    private const double IntervalMs = 100;
    private const int FloodPerSecondMin = 120_000;

    private static readonly bool IsFull = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Fact]
    public async Task Hostile_ones_of_every_behaviour_harm_no_honest_one_and_each_offence_is_counted()
    {
        using var folder = new TestFolder();

        CliResult result = await CliProcess.RunAsync(150, "load", "--floor-seconds", "0", "--players", "40", "--hostile", $"{2 * Behaviours.All.Length}", "--seconds", "10", "--warm-up", "2", "--decode-sample", "0.5",
            "--json", folder["load.json"], "--record", folder["zone.rec"]);
        CliResult replay = await CliProcess.RunAsync(60, "replay", folder["zone.rec"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeUnharmed(report, players: 40);
        ShouldBeHostile(report, bots: 2 * Behaviours.All.Length);
        replay.ExitCode.ShouldBe(0, replay.ToString());
        replay.Output.ShouldContain("equal, byte for byte", customMessage: "what hostile ones sent is a part of the run like all else");
    }

    [Fact]
    public async Task Five_hundred_hostile_ones_slow_nobody_down()
    {
        // Pairs take turns: what the machine does besides falls on both. Without the long run there is one short pair, which shows that the figures are there.
        using var folder = new TestFolder();
        (int players, int seconds, int pairs) = IsFull ? (500, 60, 3) : (30, 3, 1);
        var shares = new List<double>();
        var excessMs = new List<double>();
        for (int pair = 0; pair < pairs; pair++)
        {
            double alone = await StalenessAsync(folder, players, hostile: 0, seconds), beside = await StalenessAsync(folder, players, players, seconds);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"staleness p99 ms: {alone:0.0} alone, {beside:0.0} beside {players} hostile ones"));
            shares.Add(beside / Math.Max(1, alone));
            excessMs.Add(beside - alone);
        }

        if (IsFull)
            (Median(shares) <= 1.25 || Median(excessMs) <= IntervalMs).ShouldBeTrue($"{Median(shares):0.00} times, {Median(excessMs):0.0} ms more");
    }

    [Fact]
    public async Task A_flood_of_strangers_makes_no_tick_late_and_is_answered_with_less_than_it_sent()
    {
        using var folder = new TestFolder();
        (int players, int rate, int seconds) = IsFull ? (500, 200_000, 20) : (30, 20_000, 3);

        CliResult result = await CliProcess.RunAsync(180, "load", "--floor-seconds", "0", "--players", $"{players}", "--flood", $"{rate}", "--seconds", $"{seconds}", "--warm-up", "2", "--server-cpus", "0", "--bot-cpus", "1",
            "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        double sent = At(report, "flood.sentPerSecond").GetDouble(), tickMs = At(report, "server.tickMs.p99").GetDouble();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sent:0} datagrams/s, tick ms p99 {tickMs:0.00}, back at most {At(report, "flood.largestAmplification").GetDouble():0.000}"));
        ShouldBeUnharmed(report, players);
        sent.ShouldBeGreaterThan(IsFull ? FloodPerSecondMin : rate / 4.0);
        At(report, "flood.amplifiedAddresses").GetInt32().ShouldBe(0);
        At(report, "flood.receivedDatagrams").GetInt64().ShouldBeGreaterThan(0, "sound requests are answered, so the books have two sides");
        foreach (JsonProperty kind in At(report, "flood.sentByKind").EnumerateObject())
            kind.Value.GetInt64().ShouldBeGreaterThan(0, kind.Name);
        foreach (string reason in (string[])["malformed", "unknownConnection", "handshakeMalformed", "handshakeBadCookie"])
            At(report, $"server.drops.{reason}").GetInt64().ShouldBeGreaterThan(0);
        if (IsFull)
            tickMs.ShouldBeLessThan(33);
    }

    [Fact]
    public async Task Hostile_bots_and_a_flood_run_by_themselves_against_a_zone()
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync();

        CliResult hostile = await CliProcess.RunAsync(60, "bots", "--behaviour", "hostile", "--server", zone.Address, "--players", "3", "--behaviours", "replay,bitflip,guess", "--seconds", "4", "--json", folder["h.json"]);
        CliResult flood = await CliProcess.RunAsync(60, "bots", "--behaviour", "flood", "--server", zone.Address, "--rate", "5000", "--seconds", "2", "--json", folder["f.json"]);

        hostile.ExitCode.ShouldBe(0, hostile.ToString());
        using JsonDocument behaviours = await ReadAsync(folder["h.json"]);
        At(behaviours, "byBehaviour").EnumerateObject().Select(behaviour => behaviour.Name).ShouldBe(["replay", "bitflip", "guess"]);
        At(behaviours, "byBehaviour.replay.offences").GetInt64().ShouldBeGreaterThan(0);
        flood.ExitCode.ShouldBe(0, flood.ToString());
        using JsonDocument floods = await ReadAsync(folder["f.json"]);
        At(floods, "sentPerSecond").GetDouble().ShouldBeInRange(1_000, 5_500);
    }

    [Fact]
    public async Task Hostile_bots_that_reach_no_zone_fail()
    {
        CliResult hostile = await CliProcess.RunAsync(60, "bots", "--behaviour", "hostile", "--server", "127.0.0.1:9", "--players", "1", "--behaviours", "speed", "--seconds", "1");

        hostile.ExitCode.ShouldBe(1, hostile.ToString());
        hostile.Errors.ShouldContain("no hostile bot could do what 'speed' does: none got into the game");
    }

    private static async Task<double> StalenessAsync(TestFolder folder, int players, int hostile, int seconds)
    {
        CliResult result = await CliProcess.RunAsync(seconds + 120, "load", "--floor-seconds", "0", "--players", $"{players}", "--hostile", $"{hostile}", "--seconds", $"{seconds}", "--server-cpus", "0", "--bot-cpus", "1",
            "--json", folder["load.json"]);
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        if (IsFull)
            result.ExitCode.ShouldBe(0, result.ToString());
        ShouldBeUnharmed(report, players);
        if (hostile > 0 && IsFull)
            ShouldBeHostile(report, hostile);
        return At(report, "bots.stalenessMs.p99").GetDouble();
    }

    private static void ShouldBeUnharmed(JsonDocument report, int players)
    {
        At(report, "connected").GetInt32().ShouldBe(players);
        At(report, "bots.disconnected").GetInt32().ShouldBe(0);
        At(report, "bots.decodeErrors").GetInt64().ShouldBe(0);
        At(report, "bots.divergent").GetInt32().ShouldBe(0);
        At(report, "bots.snapshotHzP50").GetDouble().ShouldBeGreaterThan(5);
        At(report, "server.exceptions").GetInt64().ShouldBe(0);
        JsonElement growth = At(report, "server.workingSetGrowth");
        if (growth.ValueKind == JsonValueKind.Number)
            growth.GetDouble().ShouldBeLessThan(0.05, "the working set is flat over the last 30 s");
        At(report, "server.workingSetSamplesMB").GetArrayLength().ShouldBeGreaterThanOrEqualTo((int)At(report, "seconds").GetDouble() - 1);
    }

    private static void ShouldBeHostile(JsonDocument report, int bots)
    {
        At(report, "hostile.bots").GetInt32().ShouldBe(bots);
        At(report, "hostile.cpuCores").GetDouble().ShouldBeGreaterThan(0);
        At(report, "hostile.kicked").GetInt64().ShouldBeGreaterThan(0);
        At(report, "hostile.amplifiedAddresses").GetInt32().ShouldBe(0);
        At(report, "hostile.speedsMeasured").GetInt64().ShouldBeGreaterThan(bots / 2);
        At(report, "hostile.maxSpeed").GetDouble().ShouldBeInRange(WalkerUnitsPerSecond * 0.5, WalkerUnitsPerSecond * 1.01);
        foreach (BehaviourInfo behaviour in Behaviours.All)
        {
            At(report, $"hostile.byBehaviour.{behaviour.Name}.bots").GetInt32().ShouldBeGreaterThan(0);
            At(report, $"hostile.byBehaviour.{behaviour.Name}.offences").GetInt64().ShouldBeGreaterThan(0, behaviour.Name);
            At(report, $"hostile.byBehaviour.{behaviour.Name}.breaches").GetInt64().ShouldBe(0, behaviour.Name);
            foreach (string counter in behaviour.CountedAs.Where(_ => At(report, "seconds").GetDouble() >= behaviour.AfterSeconds))
                At(report, counter.Contains('.', StringComparison.Ordinal) ? $"server.{counter}" : $"server.drops.{counter}").GetInt64().ShouldBeGreaterThan(0, behaviour.Name);
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static async Task<JsonDocument> ReadAsync(string path)
    {
        await using FileStream file = File.OpenRead(path);
        return await JsonDocument.ParseAsync(file);
    }

    private static JsonElement At(JsonDocument report, string path)
    {
        JsonElement at = report.RootElement;
        foreach (string name in path.Split('.'))
            at = at.TryGetProperty(name, out JsonElement inner) ? inner : throw new KeyNotFoundException($"the report has no {path}");
        return at;
    }
}
