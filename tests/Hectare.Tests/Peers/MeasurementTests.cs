using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hectare.Cli.Load;
using Hectare.Farm;
using Hectare.Peers;

namespace Hectare.Tests.Peers;

/// <summary>What counts as carried.</summary>
public sealed class MeasurementTests
{
    private static readonly Measurement Good = Comparisons.Window("enet", 1_000, 0.5);

    [Fact]
    public void All_connected_in_time_and_ten_snapshots_a_second_is_carried()
    {
        Assert.True(Good.IsCarried, Good.Verdict);
        Assert.Equal(0.5, Good.CoresPerThousand, 1e-9);
    }

    [Fact]
    public void Each_fault_is_named()
    {
        Assert.Equal("999 of 1000 connected", (Good with { Connected = 999 }).Verdict);
        Assert.Equal("1.0 % of ticks late", (Good with { LateShare = 0.01 }).Verdict);
        Assert.Equal("snapshots 9.4 Hz", (Good with { SnapshotHzP1 = 9.42 }).Verdict);
        Assert.Equal("94 % of the inputs", (Good with { InputShare = 0.94 }).Verdict);
        Assert.Equal("1.0 % of ticks late; snapshots 9.4 Hz", (Good with { LateShare = 0.01, SnapshotHzP1 = 9.42 }).Verdict);
        Assert.Equal("a replica differs", (Good with { Failure = "a replica differs" }).Verdict);
        Assert.Equal("it fell over", Measurement.Failed("enet", 100, "it fell over").Verdict);
        Assert.True((Good with { LateShare = 0.0099, SnapshotHzP1 = 9.5, InputShare = 0.95 }).IsCarried);
    }

    [Fact]
    public void Full_bots_are_named_only_where_something_failed()
    {
        Assert.True((Good with { BotCores = 0.99 }).IsCarried);
        Assert.Equal("snapshots 8.0 Hz; the bots' core is full", (Good with { BotCores = 0.99, SnapshotHzP1 = 8 }).Verdict);
    }

    [Fact]
    public void A_report_of_hectare_load_is_read()
    {
        Measurement measured = HectareRun.Read(Report(), 500, new Machine([1], [0]));

        Assert.True(measured.IsCarried, measured.Verdict);
        Assert.Equal((500, 500, 20.0, 0.25), (measured.Players, measured.Connected, measured.Seconds, measured.ServerCores));
        Assert.Equal((3.0, 7.0), (measured.TickMsP50, measured.TickMsP99));
        Assert.Equal(5 / 600.0, measured.LateShare, 1e-9);
        Assert.Equal((9.8, 1_500, 0.4), (measured.SnapshotHzP1, measured.BytesPerPlayerPerSecond, measured.BotCores));
        Assert.Equal(1 - 0.7 - 0.25, measured.NeighbourShare!.Value, 1e-9);
    }

    [Fact]
    public void A_failed_run_of_hectare_load_is_not_carried()
    {
        Assert.Equal("2 of 50 replicas are not the zone's truth", HectareRun.Read(Report("2 of 50 replicas are not the zone's truth"), 500, new Machine([], [])).Verdict);
        Assert.Contains("nobody came", HectareRun.Read(Report("nobody came", hasFigures: false), 500, new Machine([], [])).Verdict, StringComparison.Ordinal);
    }

    [Fact]
    public void Hectare_runs_with_the_same_seed_seconds_and_processors()
    {
        var plan = new RunPlan { Seconds = 7, WarmUpSeconds = 2, Seed = 9, Machine = new Machine([0], [1]) };
        string line = string.Join(' ', HectareRun.Arguments(300, plan, "x.json"));
        Assert.Equal("load --workload uniform --fixed-rate --players 300 --seconds 7 --warm-up 2 --join-rate 1000 --floor-seconds 0 --seed 9 --json x.json --server-cpus 0 --bot-cpus 1", line);
        Assert.DoesNotContain("cpus", string.Join(' ', HectareRun.Arguments(300, plan with { Machine = new Machine([], []) }, "x.json")), StringComparison.Ordinal);
    }

    // Written as the CLI writes it, from a report with every field at zero and those set that matter here.
    private static string Report(string? failure = null, bool hasFigures = true)
    {
        var report = new LoadReport
        {
            Workload = "uniform",
            Players = 500,
            Connected = 500,
            Seconds = 20,
            InputHz = 10,
            Threads = 0,
            TickRate = 30,
            FixedRate = true,
            Seed = 1,
            World = new FarmConstants(new FarmOptions()),
            Server = hasFigures ? Zeros<ServerReport>(ReportJson.Default.ServerReport.Properties.Select(property => (property.Name, property.PropertyType))) : null,
            Bots = hasFigures ? Zeros<BotsReport>(ReportJson.Default.BotsReport.Properties.Select(property => (property.Name, property.PropertyType))) : null,
            Machine = new MachineReport { Processors = 2, ServerCpus = [1], BotCpus = [0], HostileCpus = [], IdleShare = [0.2, 0.7] },
            Failures = failure is null ? [] : [failure],
        };
        report = report with
        {
            Server = report.Server is null ? null : report.Server with { Seconds = 20, CpuCores = 0.25, TickMs = new Quantiles(3, 7, 9), TicksLate = 3, TicksGivenUp = 2, BytesPerPlayerPerSecond = 1_500 },
            Bots = report.Bots is null ? null : report.Bots with { CpuCores = 0.4, SnapshotHzP1 = 9.8 },
        };
        return JsonSerializer.Serialize(report, ReportJson.Default.LoadReport);
    }

    private static T Zeros<T>(IEnumerable<(string Name, Type Type)> properties)
    {
        var zeros = new JsonObject();
        foreach ((string name, Type type) in properties)
            zeros[name] = ZeroOf(type);
        return ReportJson.Read<T>(zeros.ToJsonString(), "the test");
    }

    private static JsonNode? ZeroOf(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is not null)
            return null;
        if (type.IsPrimitive)
            return JsonValue.Create(0);
        if (type == typeof(string))
            return JsonValue.Create("");
        bool isMap = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>);
        bool isList = type.IsArray || (type.IsGenericType && !isMap);
        if (isList)
            return new JsonArray();
        var zeros = new JsonObject();
        foreach (PropertyInfo property in isMap ? [] : type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite))
            zeros[JsonNamingPolicy.CamelCase.ConvertName(property.Name)] = ZeroOf(property.PropertyType);
        return zeros;
    }
}
