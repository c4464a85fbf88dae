using Hectare.Cli.Load;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>What a soak is judged by: a run that could go on for ever passes, and each way in which one could not is named.</summary>
public sealed class SoakVerdictTests
{
    private const int TickRate = 30;
    private const int Every = 10;

    [Fact]
    public void A_flat_run_has_no_failures()
    {
        SoakVerdict verdict = SoakVerdict.Of(Run(180), TickRate);

        verdict.Failures.ShouldBeEmpty();
        verdict.WorkingSetGrowth.ShouldBe(0, 0.01);
        verdict.DriftTicks.ShouldBe(0, 1e-6);
        verdict.FullCollections.ShouldBe(0);
    }

    [Fact]
    public void A_minute_is_enough_to_judge_and_less_is_not()
    {
        SoakVerdict.Of(Run(6), TickRate).Failures.ShouldBeEmpty();
        SoakVerdict.Of(Run(5), TickRate).Failures.ShouldHaveSingleItem().ShouldBe("soak: 5 samples are too few to judge, it takes 6");
        SoakVerdict.Of([], TickRate).Failures.ShouldHaveSingleItem();
    }

    [Fact]
    public void What_fills_up_in_the_first_third_is_no_leak()
        => SoakVerdict.Of(Run(60, i => i < 20 ? With(i) with { WorkingSetMB = 100 + (5 * i) } : With(i)), TickRate).Failures.ShouldBeEmpty();

    [Fact]
    public void One_sample_that_a_neighbour_spoiled_changes_nothing()
        => SoakVerdict.Of(Run(60, i => i == 50 ? With(i) with { WorkingSetMB = 900, TickMs = new Quantiles(80, 200, 400), StartLateMs = new Quantiles(50, 90, 400) } : With(i)), TickRate).Failures.ShouldBeEmpty();

    [Fact]
    public void A_leak_is_named_with_both_ends()
    {
        SoakVerdict verdict = SoakVerdict.Of(Run(180, i => With(i) with { WorkingSetMB = 200 + (0.5 * i) }), TickRate);

        verdict.Failures.ShouldHaveSingleItem().ShouldBe("soak: the working set went from 244.8 to 274.8 MB");
        verdict.WorkingSetGrowth.ShouldBe(30 / 244.75, 1e-9);
    }

    [Fact]
    public void One_full_collection_is_one_too_many()
        => SoakVerdict.Of(Run(60, i => With(i) with { GcCounts = [9, 3, i >= 30 ? 1 : 0] }), TickRate).Failures.ShouldHaveSingleItem().ShouldBe("soak: 1 collections of generation 2");

    [Fact]
    public void Young_collections_are_none_of_its_business()
        => SoakVerdict.Of(Run(60, i => With(i) with { GcCounts = [i, i / 2, 0] }), TickRate).Failures.ShouldBeEmpty();

    // As a loop that sleeps for a tick's length after each tick would.
    [Fact]
    public void A_schedule_that_drifts_is_found()
        => SoakVerdict.Of(Run(60, i => With(i) with { Ticks = (long)(i * Every * TickRate * 0.999) }), TickRate).Failures.ShouldHaveSingleItem().ShouldStartWith("soak: the schedule drifted by ");

    [Fact]
    public void Ticks_given_up_are_no_drift_and_more_than_one_in_a_hundred_are_a_failure()
    {
        SoakVerdict few = SoakVerdict.Of(Run(60, i => With(i) with { Ticks = With(i).Ticks - (i >= 30 ? 20 : 0), TicksGivenUp = i >= 30 ? 20 : 0 }), TickRate);
        few.Failures.ShouldBeEmpty();
        few.TicksGivenUp.ShouldBe(20);

        SoakVerdict.Of(Run(60, i => With(i) with { Ticks = With(i).Ticks - (10 * i), TicksGivenUp = 10 * i }), TickRate).Failures.ShouldHaveSingleItem().ShouldBe("soak: 590 of 17700 ticks were given up");
    }

    [Fact]
    public void A_tick_that_creeps_is_found_in_its_median_its_tail_and_its_start()
    {
        SoakVerdict.Of(Run(60, i => With(i) with { TickMs = new Quantiles(4 + (0.2 * i), 9, 20) }), TickRate).Failures.ShouldHaveSingleItem().ShouldStartWith("soak: the median tick went from ");
        SoakVerdict.Of(Run(60, i => With(i) with { TickMs = new Quantiles(4, i < 40 ? 9 : 25, 40) }), TickRate).Failures.ShouldHaveSingleItem().ShouldBe("soak: the tick's 99th percentile went from 9.0 to 25.0 ms");
        SoakVerdict.Of(Run(60, i => With(i) with { StartLateMs = new Quantiles(0.2 * i, 20, 30) }), TickRate).Failures.ShouldHaveSingleItem().ShouldStartWith("soak: the median start of a tick behind its due time went from ");
    }

    private static SoakSample[] Run(int samples, Func<int, SoakSample>? sample = null) => [.. Enumerable.Range(0, samples).Select(sample ?? With)];

    private static SoakSample With(int i) => new()
    {
        Seconds = 20 + (i * Every),
        Ticks = i * Every * TickRate,
        TicksLate = 0,
        TicksGivenUp = 0,
        TickMs = new Quantiles(4, 9, 15 + (i % 7)),
        StartLateMs = new Quantiles(0, 0.3, 2),
        WorkingSetMB = 200 + (i % 3),
        ManagedMB = 80,
        AllocatedBytes = i * 10_000,
        GcCounts = [1, 0, 0],
    };
}
