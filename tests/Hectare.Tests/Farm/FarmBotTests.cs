using Hectare.Farm;
using Hectare.Protocol;

namespace Hectare.Tests.Farm;

public sealed class FarmBotTests
{
    private const int TickRate = 30;
    private const int Seconds = 100;

    [Theory]
    [InlineData(FarmWorkload.Uniform)]
    [InlineData(FarmWorkload.Towns)]
    [InlineData(FarmWorkload.Festival)]
    public void Walkers_turn_once_a_second_and_half_of_the_turns_pass_through_a_third_direction(FarmWorkload workload)
    {
        const int Bots = 200;
        int changes = 0, restTicks = 0, stops = 0, swings = 0;
        var directions = new HashSet<byte>();
        for (ulong seed = 0; seed < Bots; seed++)
        {
            var bot = new FarmBot(seed, workload, TickRate);
            TopDownInput before = default;
            for (int tick = 0; tick < TickRate * Seconds; tick++)
            {
                TopDownInput input = bot.Next();
                changes += input.Intent == before.Intent ? 0 : 1;
                stops += input.Intent.IsRest && !before.Intent.IsRest ? 1 : 0;
                restTicks += input.Intent.IsRest ? 1 : 0;
                swings += input.Buttons != 0 && before.Buttons == 0 ? 1 : 0;
                if (!input.Intent.IsRest)
                {
                    directions.Add(input.Intent.Direction);
                    Assert.Equal((Intent.MagnitudeMax, 0), (input.Intent.Magnitude, input.Intent.SpeedClass));
                }

                before = input;
            }
        }

        // One turn a second, half of them two corners; a few fall together within a tick or on the same direction.
        Assert.InRange(changes / (double)(Bots * Seconds), 1.35, 1.55);
        Assert.Equal([0, 32, 64, 96, 128, 160, 192, 224], directions.Order().Select(direction => (int)direction));
        // Of the turns of a walker one in eight stops him, for a second.
        Assert.InRange(stops / (double)(Bots * Seconds), 0.09, 0.14);
        Assert.InRange(restTicks / (double)(Bots * Seconds * TickRate), 0.08, 0.15);
        Assert.InRange(swings / (double)(Bots * Seconds), 0.17, 0.22);
    }

    [Fact]
    public void A_third_direction_is_held_for_one_to_three_ticks()
    {
        int[] holds = new int[4];
        for (ulong seed = 0; seed < 200; seed++)
        {
            var bot = new FarmBot(seed, FarmWorkload.Uniform, TickRate);
            (Intent held, int ticks) = (Intent.Rest, 0);
            for (int tick = 0; tick < TickRate * Seconds; tick++)
            {
                Intent intent = bot.Next().Intent;
                if (intent == held)
                {
                    ticks++;
                    continue;
                }

                if (ticks is >= 1 and <= 3)
                    holds[ticks]++;
                (held, ticks) = (intent, 1);
            }
        }

        // Half of 20,000 turns, a third of these each; short turns of the Poisson process on top.
        for (int ticks = 1; ticks <= 3; ticks++)
            Assert.InRange(holds[ticks], 2_800, 4_600);
    }

    [Fact]
    public void In_a_storm_every_tick_has_another_direction()
    {
        var bot = new FarmBot(1, FarmWorkload.Storm, TickRate);
        Intent before = Intent.Rest;
        for (int tick = 0; tick < 3_000; tick++)
        {
            Intent intent = bot.Next().Intent;
            Assert.NotEqual(before, intent);
            Assert.False(intent.IsRest);
            before = intent;
        }
    }

    [Fact]
    public void An_idle_bot_never_does_anything()
    {
        var bot = new FarmBot(1, FarmWorkload.Idle, TickRate);
        for (int tick = 0; tick < 3_000; tick++)
            Assert.Equal(TopDownInput.Neutral, bot.Next());
    }

    [Fact]
    public void A_seed_gives_one_bot_and_another_seed_another()
    {
        Assert.Equal(Run(5), Run(5));
        Assert.NotEqual(Run(5), Run(6));

        static TopDownInput[] Run(ulong seed)
        {
            var bot = new FarmBot(seed, FarmWorkload.Uniform, TickRate);
            return [.. Enumerable.Range(0, 1_000).Select(_ => bot.Next())];
        }
    }

    [Theory]
    [InlineData(FarmWorkload.Festival, 100)]
    [InlineData(FarmWorkload.Towns, 40)]
    public void Who_knows_where_he_is_stays_with_the_crowd(FarmWorkload workload, int leashUnits)
    {
        double farthest = 0;
        for (ulong seed = 0; seed < 50; seed++)
        {
            var bot = new FarmBot(seed, workload, TickRate);
            (int x, int y) = (1024 * Units.One, 1024 * Units.One);
            for (int tick = 0; tick < TickRate * 300; tick++)
            {
                bot.Observe(x, y);
                (int stepX, int stepY) = bot.Next().Intent.Velocity(683);
                (x, y) = (x + stepX, y + stepY);
                farthest = Math.Max(farthest, double.Hypot(Units.ToDouble(x) - 1024, Units.ToDouble(y) - 1024));
            }
        }

        Assert.InRange(farthest, leashUnits, leashUnits + 60);
    }
}
