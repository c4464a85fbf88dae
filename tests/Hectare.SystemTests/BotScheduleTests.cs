using Hectare.Cli.Load;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>The bots' wheel of time: who is asked, and when.</summary>
public sealed class BotScheduleTests
{
    private const long SlotNs = 4_000_000;

    [Fact]
    public void Nobody_is_asked_before_its_time_nor_later_than_one_slot_after()
    {
        const int Bots = 300;
        var random = new Random(1);
        var schedule = new BotSchedule(Bots, SlotNs, nowNs: 1_000_000_007);
        long[] dueNs = new long[Bots];
        int[] asked = new int[Bots];
        long nowNs = 1_000_000_007;
        for (int bot = 0; bot < Bots; bot++)
            Add(bot);
        for (; nowNs < 11_000_000_000; nowNs += SlotNs)
        {
            while (schedule.TryTake(nowNs, out int bot))
            {
                nowNs.ShouldBeInRange(dueNs[bot], dueNs[bot] + (2 * SlotNs), $"bot {bot}, seed 1");
                asked[bot]++;
                Add(bot);
            }
        }

        asked.Min().ShouldBeGreaterThan(50, "ten seconds of a tenth of a second each");

        void Add(int bot)
        {
            dueNs[bot] = nowNs + random.NextInt64(1, 200_000_000);
            schedule.Add(bot, dueNs[bot]);
        }
    }

    [Fact]
    public void Those_of_one_slot_come_in_the_order_in_which_they_were_added()
    {
        var schedule = new BotSchedule(5, SlotNs, nowNs: 0);
        foreach (int bot in (int[])[3, 0, 4])
            schedule.Add(bot, SlotNs - bot);
        schedule.Add(1, 2 * SlotNs);

        Take(schedule, 0).ShouldBeEmpty();
        Take(schedule, SlotNs).ShouldBe([3, 0, 4]);
        Take(schedule, 2 * SlotNs).ShouldBe([1]);
        Take(schedule, 100 * SlotNs).ShouldBeEmpty();
    }

    [Fact]
    public void What_is_past_is_due_in_the_next_slot_and_nobody_is_asked_twice_in_one_round()
    {
        var schedule = new BotSchedule(2, SlotNs, nowNs: 50 * SlotNs);
        schedule.Add(0, 0);
        schedule.TryTake(51 * SlotNs, out int bot).ShouldBeTrue();
        schedule.Add(bot, 51 * SlotNs + 1);
        schedule.TryTake(51 * SlotNs, out _).ShouldBeFalse();
        Take(schedule, 52 * SlotNs).ShouldBe([0]);
    }

    [Fact]
    public void A_loop_that_was_away_finds_all_that_came_due_the_longest_due_first()
    {
        var schedule = new BotSchedule(3, SlotNs, nowNs: 0);
        schedule.Add(0, 30 * SlotNs);
        schedule.Add(1, 10 * SlotNs);
        schedule.Add(2, 20 * SlotNs);

        Take(schedule, 1_000 * SlotNs).ShouldBe([1, 2, 0]);
    }

    [Fact]
    public void What_is_due_beyond_the_wheel_is_asked_at_its_end()
    {
        var schedule = new BotSchedule(1, SlotNs, nowNs: 0);
        schedule.Add(0, long.MaxValue / 2);

        Take(schedule, schedule.AheadMaxNs - SlotNs).ShouldBeEmpty();
        Take(schedule, schedule.AheadMaxNs).ShouldBe([0]);
    }

    private static List<int> Take(BotSchedule schedule, long nowNs)
    {
        List<int> taken = [];
        while (schedule.TryTake(nowNs, out int bot))
            taken.Add(bot);
        return taken;
    }
}
