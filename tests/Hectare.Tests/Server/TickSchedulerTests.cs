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
