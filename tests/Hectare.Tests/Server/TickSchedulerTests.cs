using Hectare.Server;

namespace Hectare.Tests.Server;

public sealed class TickSchedulerTests
{
    private const long Length = 33_333_333;

    [Fact]
    public void Nothing_is_owed_before_the_due_time()
    {
        var schedule = new TickScheduler(1_000, Length, 10);
        Assert.Equal(0, schedule.Wake(999));
        Assert.Equal(1, schedule.Wake(1_000));
        Assert.Equal(1_000, schedule.Take());
        Assert.Equal(0, schedule.Wake(1_000 + Length - 1));
        Assert.Equal(1, schedule.Wake(1_000 + Length));
    }

    [Fact]
    public void A_stall_of_200_ms_is_caught_up_with_every_tick_at_its_due_time()
    {
        var schedule = new TickScheduler(0, Length, 10);
        schedule.Wake(0);
        schedule.Take();
        int owed = schedule.Wake(Length + 200_000_000);
        Assert.Equal(7, owed);
        for (int i = 1; i <= owed; i++)
            Assert.Equal(i * Length, schedule.Take());
        Assert.Equal(0, schedule.GivenUpTicks);
    }

    [Fact]
    public void Beyond_the_bound_ticks_are_given_up_and_the_schedule_moves_on()
    {
        var schedule = new TickScheduler(0, Length, 10);
        int owed = schedule.Wake(100 * Length);
        Assert.Equal(10, owed);
        Assert.Equal(91, schedule.GivenUpTicks);
        for (int i = 0; i < owed; i++)
            Assert.Equal((91 + i) * Length, schedule.Take());
        Assert.Equal(101 * Length, schedule.NextDueNs);
        Assert.Equal(0, schedule.Wake(100 * Length));
    }

    // Each takes three lengths: nothing is gained by catching up.
    [Fact]
    public void Where_catching_up_gains_nothing_less_and_less_is_caught_up()
    {
        var schedule = new TickScheduler(0, Length, 10);
        var owed = new List<int>();
        long nowNs = 20 * Length;
        for (int wake = 0; wake < 8; wake++)
        {
            owed.Add(schedule.Wake(nowNs));
            for (int i = 0; i < owed[^1]; i++)
                schedule.Take();
            nowNs += owed[^1] * 3 * Length;
        }

        Assert.Equal([10, 10, 5, 2, 1, 1, 1, 1], owed);
        // It is over: what the next stall leaves is caught up again.
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(1, schedule.Wake(Math.Max(nowNs, schedule.NextDueNs)));
            schedule.Take();
        }

        Assert.Equal(10, schedule.Wake(schedule.NextDueNs + (9 * Length)));
    }

    // Simulating is quick, telling is not: the world keeps its pace, and is told less often.
    [Fact]
    public void Where_catching_up_helps_it_goes_on()
    {
        var schedule = new TickScheduler(0, Length, 10);
        long nowNs = 0, ticks = 0, told = 0;
        while (nowNs < 300 * Length)
        {
            int owed = schedule.Wake(nowNs);
            for (int i = owed; i > 0; i--)
                schedule.Take();
            (ticks, told) = (ticks + owed, told + 1);
            nowNs = Math.Max(schedule.NextDueNs, nowNs + (owed * Length / 4) + (2 * Length));
        }

        Assert.Equal(0, schedule.GivenUpTicks);
        Assert.InRange(ticks, 298, 301);
        Assert.InRange(told, 95, 115);
    }

    [Fact]
    public void A_longer_tick_counts_from_the_next_one_on()
    {
        var schedule = new TickScheduler(0, Length, 10);
        Assert.Equal(1, schedule.Wake(0));
        schedule.Take();
        schedule.TickLengthNs = 2 * Length;
        Assert.Equal(Length, schedule.NextDueNs);
        Assert.Equal(1, schedule.Wake((3 * Length) - 1));
        Assert.Equal(Length, schedule.Take());
        Assert.Equal(2, schedule.Wake(5 * Length));
        Assert.Equal(3 * Length, schedule.Take());
        Assert.Equal(5 * Length, schedule.Take());
        Assert.Equal(0, schedule.GivenUpTicks);
    }

    [Fact]
    public void A_million_ticks_do_not_drift()
    {
        var schedule = new TickScheduler(5, Length, 10);
        for (long i = 0; i < 1_000_000; i++)
        {
            Assert.Equal(1, schedule.Wake(schedule.NextDueNs + (i % 700)));
            Assert.Equal(5 + (i * Length), schedule.Take());
        }
    }

    [Fact]
    public void The_clock_waits_until_the_due_time_and_not_much_longer()
    {
        long before = Clock.NowNs;
        Clock.WaitUntil(before + 3_000_000);
        Assert.True(Clock.NowNs - before >= 3_000_000);
        Clock.WaitUntil(before);
    }
}
