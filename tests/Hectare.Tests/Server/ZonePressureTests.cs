using Hectare.Replication;
using Hectare.Server;

namespace Hectare.Tests.Server;

/// <summary>What an overloaded zone gives up, and when: from work against length of ticks alone, in virtual time.</summary>
public sealed class ZonePressureTests
{
    private const long LengthNs = 33_333_333;

    private ZonePressure _pressure = new(new PressureOptions());
    private long _dueNs;
    private long _nowNs;

    [Fact]
    public void Ticks_that_fit_give_nothing_up()
    {
        Assert.Empty(Run(600, _ => 0.89));
        Assert.Equal(PressureLevel.Full, _pressure.Level);
        Assert.Equal(0.89, _pressure.Load, 3);
    }

    [Fact]
    public void Ticks_that_do_not_fit_give_up_one_thing_after_the_other_in_the_published_order()
    {
        List<(double Second, PressureLevel Level)> changes = Run(60, _ => 1.5);
        Assert.Equal(Enum.GetValues<PressureLevel>()[1..], changes.Select(change => change.Level));
        double before = 0;
        foreach ((double second, _) in changes)
        {
            Assert.InRange(second - before, before == 0 ? 1 : 1.5, before == 0 ? 1.1 : 1.7);
            before = second;
        }
    }

    [Fact]
    public void A_level_that_helps_is_the_last()
    {
        Run(60, level => level >= PressureLevel.Rate ? 0.8 : 1.2);
        Assert.Equal(PressureLevel.Rate, _pressure.Level);
    }

    [Fact]
    public void One_long_stall_is_no_load()
    {
        for (int i = 0; i < 600; i++)
            Assert.False(Tick(i == 100 ? 150 : 0.8));
        Assert.InRange(_nowNs / 1e9, 24, 26);
    }

    // Of ten ticks nine are caught up untold, in no time, and the tenth takes all of it.
    [Fact]
    public void Ticks_that_are_left_untold_are_no_rest()
    {
        var owed = new TickScheduler(0, LengthNs, 10);
        for (long nowNs = 0; nowNs < 9_000_000_000; nowNs = Math.Max(nowNs, owed.NextDueNs))
        {
            for (int ticks = owed.Wake(nowNs); ticks > 0; ticks--)
            {
                owed.Take();
                long workNs = ticks > 1 ? LengthNs / 5 : 7 * LengthNs;
                _pressure.Observe(nowNs, workNs, LengthNs);
                nowNs += workNs;
            }
        }

        Assert.InRange(_pressure.Load, 0.97, 1);
        Assert.True(_pressure.Level > PressureLevel.SmallCrowd);
    }

    [Fact]
    public void What_was_given_up_comes_back_a_step_at_a_time_when_ticks_have_been_short_for_a_while()
    {
        Run(6.5, _ => 1.2);
        Assert.Equal(PressureLevel.Rate, _pressure.Level);
        List<(double Second, PressureLevel Level)> changes = Run(60, _ => 0.4);
        Assert.Equal([PressureLevel.SmallCrowd, PressureLevel.Crowd, PressureLevel.Detail, PressureLevel.Full], changes.Select(change => change.Level));
        double before = 0;
        foreach ((double second, _) in changes)
        {
            Assert.InRange(second - before, before == 0 ? 4.5 : 5.4, 6.7);
            before = second;
        }
    }

    [Fact]
    public void Between_the_two_shares_nothing_changes()
    {
        Run(2.8, _ => 1.2);
        Assert.Empty(Run(300, _ => 0.85));
        Assert.Equal(PressureLevel.Crowd, _pressure.Level);
    }

    // Half of the snapshots: 0.6 of a tick; all of them: 1.1. Every trial fails, and each makes the next wait longer.
    [Fact]
    public void A_level_that_is_still_needed_is_left_ever_less_often()
    {
        List<(double Second, PressureLevel Level)> changes = Run(600, level => level >= PressureLevel.Rate ? 0.6 : 1.1);
        double[] trials = [.. changes.Where((change, i) => i > 3 && change.Level == PressureLevel.SmallCrowd).Select(change => change.Second)];
        double[] waits = [.. trials.Zip(trials.Skip(1), (earlier, later) => later - earlier)];
        Assert.InRange(waits[0], 9, 14);
        Assert.InRange(waits[^1], 79, 84);
        Assert.InRange(trials.Length, 5, 12);
        Assert.DoesNotContain(changes, change => change.Level is PressureLevel.Slow);
        // The need is over: it comes back at the pace it had come to, and starts afresh.
        Run(400, _ => 0.3);
        Assert.Equal(PressureLevel.Full, _pressure.Level);
        Run(4, _ => 1.2);
        Assert.Equal(LengthNs * 150.0, _pressure.HoldNs, 0.01 * LengthNs * 150);
    }

    // A tick of double length may take half of its share; a shorter one would not.
    [Theory]
    [InlineData(0.62, false)]
    [InlineData(0.58, true)]
    public void A_longer_tick_is_given_up_only_when_the_shorter_one_will_do(double load, bool falls)
    {
        Run(20, _ => 1.5);
        Assert.Equal(PressureLevel.Slowest, _pressure.Level);
        Run(8, _ => load);
        Assert.Equal(falls, _pressure.Level < PressureLevel.Slowest);
    }

    [Fact]
    public void The_highest_level_is_an_option()
    {
        _pressure = new ZonePressure(new PressureOptions { LevelMax = PressureLevel.Detail });
        Run(20, _ => 2);
        Assert.Equal(PressureLevel.Detail, _pressure.Level);
        _pressure = new ZonePressure(new PressureOptions { LevelMax = PressureLevel.Full });
        Assert.Empty(Run(20, _ => 2));
    }

    [Fact]
    public void Each_level_keeps_what_those_before_it_gave_up()
    {
        var options = new ReplicationOptions();
        Detail[] details = [.. Enum.GetValues<PressureLevel>().Select(level => PressureLevels.DetailAt(level, options))];
        Assert.Equal(Detail.Of(options), details[0]);
        Assert.Equal([50, 25, 25, 25, 25, 25, 25, 25], details.Select(detail => detail.NearUnits));
        Assert.Equal([100, 50, 50, 50, 50, 50, 50, 50], details.Select(detail => detail.FarUnits));
        Assert.Equal([256, 256, 176, 96, 96, 96, 96, 96], details.Select(detail => detail.InterestCap));
        Assert.Equal([3, 3, 3, 3, 6, 6, 6, 6], details.Select(detail => detail.IntervalTicks));
        Assert.Equal([2, 2, 2, 2, 3, 3, 3, 3], details.Select(detail => detail.LossyIntervalTicks));
        Assert.Equal([4, 4, 4, 4, 4, 5, 6, 8], Enum.GetValues<PressureLevel>().Select(PressureLevels.TickQuarters));
        // Never more than was asked for.
        Assert.Equal([40, 40, 40, 40], details[..4].Select((_, level) => PressureLevels.DetailAt((PressureLevel)level, options with { InterestCap = 40 }).InterestCap));
    }

    // Ticks of the level's own length, for so many seconds; what a tick takes of its length follows from the level.
    private List<(double Second, PressureLevel Level)> Run(double seconds, Func<PressureLevel, double> load)
    {
        var changes = new List<(double, PressureLevel)>();
        long startNs = _nowNs;
        while (_nowNs - startNs < seconds * 1e9)
        {
            if (Tick(load(_pressure.Level)))
                changes.Add(((_nowNs - startNs) / 1e9, _pressure.Level));
        }

        return changes;
    }

    // When it is due, or when the one before is done.
    private bool Tick(double load)
    {
        long lengthNs = LengthNs * PressureLevels.TickQuarters(_pressure.Level) / 4, workNs = (long)(load * lengthNs);
        long startNs = Math.Max(_nowNs, _dueNs);
        _dueNs = startNs + lengthNs;
        _nowNs = startNs + workNs;
        return _pressure.Observe(startNs, workNs, lengthNs);
    }
}
