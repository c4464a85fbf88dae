using System.Globalization;
using System.Text.Json;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>Whole runs: zone and bots in processes of their own, over real UDP. Short in CI; <c>HECTARE_FULL=1</c> runs the long figures.</summary>
public sealed class LoadTests
{
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    // The names that other tools read: they do not change.
    private static readonly string[] Names =
    [
        "workload", "players", "connected", "seconds", "tickRate", "world",
        "server.cpuCores", "server.tickMs.p50", "server.tickMs.p99", "server.tickMs.max", "server.ticksLate", "server.phasesUs", "server.snapshotsPerSecond",
        "server.keepAlivesPerSecond", "server.bytesPerPlayerPerSecond", "server.datagramBytesMax", "server.knownPerPlayer.p1", "server.knownPerPlayer.p50",
        "server.capInForce.p1", "server.capInForce.p50", "server.updatesPerSecond", "server.updatesPerSnapshot", "server.bitsPerUpdate", "server.bitsPerTurn",
        "server.bitsPerAnimation", "server.bitsPerEnter", "server.nsPerUpdate", "server.bytesPerPeerMemory", "server.bytesPerEntityMemory",
        "server.allocatedBytesPerTick", "server.gcCounts", "server.workingSetMB", "server.drops",
        "bots.cpuCores", "bots.fullyDecoded", "bots.snapshotHzP1", "bots.snapshotHzP50", "bots.decodeErrors", "bots.divergent", "bots.comparedEntities",
        "bots.comparedEntitiesMin", "bots.differences", "bots.wrongShare", "bots.stalenessMs.p50", "bots.stalenessMs.p99",
    ];

    [Fact]
    public async Task Demo_runs_and_says_what_it_means_in_plain_lines()
    {
        using var folder = new TestFolder();

        CliResult result = await CliProcess.RunAsync(90, "demo", "--players", "50", "--seconds", "3", "--json", folder["demo.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("50 of 50 players were connected");
        result.Output.ShouldContain("all equal");
        result.Output.ShouldNotContain("\u001b", customMessage: "a pipe gets no escape codes");
        using JsonDocument report = await ReadAsync(folder["demo.json"]);
        foreach (string name in Names)
            At(report, name).ValueKind.ShouldNotBe(JsonValueKind.Undefined, name);
    }

    [Theory]
    [InlineData("uniform", "auto")]
    [InlineData("towns", "auto")]
    [InlineData("festival", "auto")]
    [InlineData("idle", "auto")]
    [InlineData("storm", "auto")]
    [InlineData("uniform", "framework")]
    [InlineData("towns", "framework")]
    [InlineData("festival", "framework")]
    [InlineData("idle", "framework")]
    [InlineData("storm", "framework")]
    public async Task Each_workload_ends_with_every_replica_equal_to_the_truth(string workload, string sockets)
    {
        using var folder = new TestFolder();
        (string players, string seconds) = IsFull ? ("500", "20") : ("60", "2");

        CliResult result = await CliProcess.RunAsync(120, "load", "--players", players, "--seconds", seconds, "--warm-up", IsFull ? "5" : "1", "--workload", workload,
            "--sockets", sockets, "--decode-sample", "0.3", "--floor-seconds", "0", "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeSound(report, int.Parse(players, CultureInfo.InvariantCulture));
        At(report, "workload").GetString().ShouldBe(workload);
    }

    [Fact]
    public async Task Network_threads_serve_the_same()
    {
        using var folder = new TestFolder();

        CliResult result = await CliProcess.RunAsync(90, "load", "--players", "60", "--seconds", "2", "--warm-up", "1", "--threads", "2", "--fixed-rate", "--floor-seconds", "0", "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeSound(report, 60);
        At(report, "fixedRate").GetBoolean().ShouldBeTrue();
    }

    [Fact]
    public async Task Two_thousand_players_are_served_in_time_and_within_the_budgets()
    {
        using var folder = new TestFolder();
        int players = IsFull ? 2000 : 300;

        CliResult result = await CliProcess.RunAsync(180, "load", "--players", $"{players}", "--workload", "uniform", "--seconds", IsFull ? "20" : "4", "--fixed-rate", "--server-cpus", "0", "--bot-cpus", "1",
            "--floor-seconds", "0", "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeSound(report, players);
        if (IsFull)
        {
            // What the neighbours of a shared machine can spoil, and what 300 players are too few for.
            At(report, "bots.snapshotHzP1").GetDouble().ShouldBeGreaterThanOrEqualTo(9.5);
            At(report, "server.tickMs.p99").GetDouble().ShouldBeLessThan(33);
            At(report, "bots.wrongShare").GetDouble().ShouldBeLessThanOrEqualTo(0.005);
            At(report, "server.bytesPerPeerMemory").GetDouble().ShouldBeLessThanOrEqualTo(48_000);
        }

        At(report, "server.bytesPerEntityMemory").GetDouble().ShouldBeLessThanOrEqualTo(600);
        At(report, "server.bitsPerTurn").GetDouble().ShouldBeLessThanOrEqualTo(32);
        At(report, "server.bitsPerAnimation").GetDouble().ShouldBeLessThanOrEqualTo(16);
        At(report, "server.bitsPerEnter").GetDouble().ShouldBeLessThanOrEqualTo(14 * 8);
    }

    // HECTARE_FULL=1: the half hour that is promised.
    [Fact]
    public async Task A_soak_keeps_its_memory_and_its_tick_and_collects_nothing_old()
    {
        using var folder = new TestFolder();
        (int players, int seconds) = IsFull ? (5_000, 1_800) : (300, 60);

        CliResult result = await CliProcess.RunAsync(seconds + 180, "load", "--players", $"{players}", "--seconds", $"{seconds}", "--server-cpus", "0", "--bot-cpus", "1", "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("soak    working set ");
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeSound(report, players);
        At(report, "soak.failures").GetArrayLength().ShouldBe(0);
        At(report, "soak.fullCollections").GetInt32().ShouldBe(0);
        JsonElement[] samples = [.. At(report, "soak.samples").EnumerateArray()];
        samples.Length.ShouldBe(seconds / 10);
        // Each sample tells of its own ten seconds.
        foreach ((JsonElement one, JsonElement next) in samples.Zip(samples.Skip(1)))
        {
            (next.GetProperty("seconds").GetDouble() - one.GetProperty("seconds").GetDouble()).ShouldBe(10, 2);
            next.GetProperty("ticks").GetInt64().ShouldBeGreaterThan(one.GetProperty("ticks").GetInt64());
            next.GetProperty("tickMs").GetProperty("p99").GetDouble().ShouldBeGreaterThan(0);
            next.GetProperty("workingSetMB").GetDouble().ShouldBeGreaterThan(10);
        }
    }

    [Fact]
    public async Task Kernel_floor_moves_as_much_as_the_run_and_stands_beside_its_figures()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a thread's processor time");
        using var folder = new TestFolder();

        CliResult result = await CliProcess.RunAsync(120, "load", "--players", "200", "--seconds", "3", "--warm-up", "2", "--fixed-rate", "--input-hz", "20", "--floor-seconds", "2",
            "--server-cpus", "0", "--bot-cpus", "1", "--json", folder["load.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("server over floor");
        using JsonDocument report = await ReadAsync(folder["load.json"]);
        ShouldBeSound(report, 200);
        At(report, "inputHz").GetInt32().ShouldBe(20);
        double sent = At(report, "server.traffic.sentPerSecond").GetDouble(), received = At(report, "server.traffic.receivedPerSecond").GetDouble();
        sent.ShouldBeInRange(1_000, 2_300, "ten a player and second");
        received.ShouldBeInRange(2_500, 6_000, "twenty, and what changes leaves at once");
        At(report, "bots.traffic.sentPerSecond").GetDouble().ShouldBe(received, received * 0.15);
        foreach (string end in (string[])["before", "after"])
        {
            At(report, $"kernelFloor.{end}.server.sendNs").GetDouble().ShouldBeInRange(300, 100_000);
            At(report, $"kernelFloor.{end}.server.receiveNs").GetDouble().ShouldBeInRange(100, 100_000);
        }

        At(report, "kernelFloor.after.server.traffic.sentPerSecond").GetDouble().ShouldBe(sent, sent * 0.1, "the same number out");
        At(report, "kernelFloor.after.server.traffic.receivedPerSecond").GetDouble().ShouldBe(received, received * 0.1, "and in");
        At(report, "kernelFloor.after.server.traffic.sentBytesMean").GetDouble().ShouldBe(At(report, "server.traffic.sentBytesMean").GetDouble(), 0.5, "of the same size");
        double cores = ((At(report, "kernelFloor.sendNs").GetDouble() * sent) + (At(report, "kernelFloor.receiveNs").GetDouble() * received)) / 1e9;
        At(report, "kernelFloor.cores").GetDouble().ShouldBe(cores, cores * 1e-9);
        At(report, "kernelFloor.cpuOverFloor").GetDouble().ShouldBe(At(report, "server.cpuCores").GetDouble() / cores, 1e-6);
        (At(report, "kernelFloor.void").GetBoolean() == (At(report, "kernelFloor.voidReason").ValueKind == JsonValueKind.String)).ShouldBeTrue();
    }

    [Fact]
    public async Task Ramp_tries_more_and_more_players_and_says_how_many_were_carried()
    {
        using var folder = new TestFolder();

        CliResult result = await CliProcess.RunAsync(180, "load", "--ramp", "--players", "24", "--seconds", "2", "--warm-up", "1", "--json", folder["ramp.json"]);

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("players are carried");
        using JsonDocument report = await ReadAsync(folder["ramp.json"]);
        At(report, "playersMax").GetInt32().ShouldBe(24);
        JsonElement steps = At(report, "steps");
        steps[0].GetProperty("players").GetInt32().ShouldBe(3);
        foreach (JsonElement step in steps.EnumerateArray())
            (step.GetProperty("carried").GetBoolean() || step.GetProperty("gaveOut").GetArrayLength() > 0).ShouldBeTrue("what is not carried has a reason");

        // Where neighbours spoil it the search ends lower; what it says must fit its own steps.
        int carried = At(report, "carried").GetInt32();
        carried.ShouldBe(steps.EnumerateArray().Where(step => step.GetProperty("carried").GetBoolean()).Max(step => step.GetProperty("players").GetInt32()));
        carried.ShouldBeGreaterThan(0);
    }

    private static void ShouldBeSound(JsonDocument report, int players)
    {
        At(report, "connected").GetInt32().ShouldBe(players);
        At(report, "bots.decodeErrors").GetInt64().ShouldBe(0);
        At(report, "bots.divergent").GetInt32().ShouldBe(0);
        At(report, "bots.comparedEntitiesMin").GetInt32().ShouldBeGreaterThan(0);
        At(report, "bots.fullyDecoded").GetInt32().ShouldBeGreaterThanOrEqualTo(Math.Min(players / 10, 100));
        At(report, "server.datagramBytesMax").GetInt32().ShouldBeLessThanOrEqualTo(1200);
        double phases = At(report, "server.phasesUs").EnumerateObject().Sum(phase => phase.Value.GetDouble());
        phases.ShouldBe(At(report, "server.tickMeanUs").GetDouble(), At(report, "server.tickMeanUs").GetDouble() * 0.05, "phases sum to the tick");
    }

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
