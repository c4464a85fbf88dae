using Hectare.Cli.Load;
using Hectare.Farm;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>The search for the number of players that a zone carries, and the rules that name what gave out.</summary>
public sealed class RampTests
{
    [Theory]
    [InlineData(10_000, 10_000)]
    [InlineData(10_000, 9_999)]
    [InlineData(10_000, 4_321)]
    [InlineData(10_000, 1_250)]
    [InlineData(10_000, 700)]
    [InlineData(10_000, 3)]
    [InlineData(12_000, 25_000)]
    [InlineData(1, 1)]
    [InlineData(7, 5)]
    public void The_cliff_is_found_to_a_tenth_in_few_runs(int playersMax, int cliff)
    {
        var search = new RampSearch(playersMax);
        int runs = 0;
        while (search.Next is { } players)
        {
            players.ShouldBeInRange(1, playersMax);
            search.Take(players <= cliff);
            (++runs).ShouldBeLessThan(40);
        }

        search.Carried.ShouldBeLessThanOrEqualTo(cliff);
        if (cliff >= playersMax)
            (search.Carried, search.Failed).ShouldBe((playersMax, null));
        else
            (search.Failed!.Value - search.Carried).ShouldBeLessThanOrEqualTo(Math.Max(1, search.Carried / 10));
        runs.ShouldBeLessThanOrEqualTo(24);
    }

    [Fact]
    public void Where_nobody_is_carried_the_search_ends_at_one_player()
    {
        var search = new RampSearch(1_000);
        while (search.Next is not null)
            search.Take(carried: false);

        (search.Carried, search.Failed).ShouldBe((0, 1));
    }

    [Fact]
    public void One_failure_is_tried_again_before_it_counts()
    {
        var search = new RampSearch(800);
        search.Next.ShouldBe(100);
        search.Take(carried: false);
        search.Next.ShouldBe(100);
        search.Take(carried: true);
        search.Next.ShouldBe(200);
        search.Take(carried: false);
        search.Take(carried: false);
        (search.Carried, search.Failed, search.Next).ShouldBe((100, 200, 150));
    }

    [Fact]
    public void A_run_within_the_line_is_carried_and_nothing_gave_out()
    {
        RampStep step = RampVerdict.Judge(Report(hz: 9.5, late: 3, server: 0.97, bots: 0.97));

        step.Carried.ShouldBeTrue();
        step.Criteria.ShouldBeEmpty();
        step.GaveOut.ShouldBeEmpty();
        step.TicksLateShare.ShouldBe(0.01);
    }

    [Fact]
    public void Each_criterion_is_told_in_words()
    {
        RampVerdict.Judge(Report(connected: 99)).Criteria.ShouldBe(["99 of 100 connected"]);
        RampVerdict.Judge(Report(hz: 9.25)).Criteria.ShouldBe(["snapshotHzP1 9.25 < 9.5"]);
        RampVerdict.Judge(Report(late: 6)).Criteria.ShouldBe(["ticks late 2.0 % > 1 %"]);
        RampVerdict.Judge(Report(late: 1, givenUp: 5)).Criteria.ShouldBe(["ticks late 2.0 % > 1 %"], "a tick given up is late for ever");
    }

    [Fact]
    public void What_gave_out_follows_from_the_figures()
    {
        GaveOut(Report(hz: 5, server: 0.96)).ShouldBe(["serverCore"]);
        GaveOut(Report(hz: 5, bots: 0.98, botsLateMs: 80)).ShouldBe(["botsCore", "botsLate"]);
        GaveOut(Report(hz: 5, serverDrops: 12)).ShouldBe(["serverReceiveBuffer"]);
        GaveOut(Report(hz: 5, botsDrops: 12)).ShouldBe(["botsReceiveBuffer"]);
        GaveOut(Report(late: 30, server: 0.6, idle: 0.1)).ShouldBe(["neighbours"]);
        GaveOut(Report(late: 30, server: 0.6, idle: 0.38)).ShouldBe(["tickPeaks (write)"]);
        GaveOut(Report(hz: 5)).ShouldBe(["unknown"]);
        GaveOut(Report(hz: 5, server: 0.96, threads: 1, cpus: [0, 1])).ShouldBe(["unknown"], "a thread has a core left");
    }

    [Fact]
    public void A_run_that_was_never_measured_carried_nobody()
    {
        RampStep step = RampVerdict.Judge(Report() with { Server = null, Bots = null });

        (step.Carried, step.GaveOut[0]).ShouldBe((false, "run"));
    }

    private static IReadOnlyList<string> GaveOut(LoadReport report) => RampVerdict.Judge(report).GaveOut;

    private static LoadReport Report(int connected = 100, double hz = 10, long late = 0, long givenUp = 0, double server = 0.5, double bots = 0.5, double botsLateMs = 1,
        long serverDrops = 0, long botsDrops = 0, double idle = 0.5, int threads = 0, int[]? cpus = null) => new()
        {
            Workload = "uniform",
            Players = 100,
            Connected = connected,
            Seconds = 10,
            TickRate = 30,
            FixedRate = true,
            Threads = threads,
            InputHz = 10,
            Seed = 1,
            World = new FarmConstants(new FarmOptions()),
            Server = ServerOf(server, late, givenUp),
            Bots = BotsOf(connected, hz, bots, botsLateMs),
            Machine = new MachineReport
            {
                Processors = 2,
                ServerCpus = cpus ?? [0],
                BotCpus = [1],
                HostileCpus = [],
                IdleShare = [idle, 0.5],
                SocketDrops = new SocketDropsReport(serverDrops, botsDrops),
            },
        };

    private static ServerReport ServerOf(double cores, long late, long givenUp)
        => ServerReport.From(new Hectare.Server.ZoneReport
        {
            Seconds = 10,
            TicksLate = late,
            TicksGivenUp = givenUp,
            PhasesUs = new Dictionary<string, double>(StringComparer.Ordinal) { ["receive"] = 1, ["write"] = 5, ["send"] = 3 },
        }, cores, default, exceptions: 0);

    private static BotsReport BotsOf(int connected, double hz, double cores, double lateMs) => new()
    {
        Seconds = 10,
        Connected = connected,
        Disconnected = 0,
        CpuCores = cores,
        FullyDecoded = 10,
        LateMs = new LowHigh(1, lateMs),
        SnapshotHzP1 = hz,
        SnapshotHzP50 = 10,
        DecodeErrors = 0,
        Divergent = 0,
        ComparedEntities = 1,
        ComparedEntitiesMin = 1,
        Differences = [],
        WrongShare = 0,
        DrawnEntities = 1,
        DrawnTicks = 1,
        StalenessMs = null,
        DelayMs = new LowHigh(1, 1),
    };
}
