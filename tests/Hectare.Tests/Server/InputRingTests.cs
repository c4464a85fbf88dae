using Hectare.Protocol;
using Hectare.Server;

namespace Hectare.Tests.Server;

public sealed class InputRingTests
{
    private const int Window = 30;
    private const int Burst = 32;
    private const int Repeat = 7;

    [Fact]
    public void Each_tick_gets_its_own_input_once()
    {
        InputRing<TopDownInput> ring = Ring(100);
        for (uint tick = 100; tick < 110; tick++)
            Assert.Equal(InputVerdict.Accepted, ring.Add(new Tick(tick), Input((int)tick)));
        for (uint tick = 100; tick < 110; tick++)
        {
            Assert.True(ring.Take(out TopDownInput input));
            Assert.Equal(Input((int)tick), input);
            Assert.Equal(new Tick(tick), ring.InputTick);
        }

        Assert.Equal(new Tick(110), ring.Next);
    }

    [Fact]
    public void A_starved_tick_repeats_the_last_input_for_250_ms_and_then_stands_still()
    {
        InputRing<TopDownInput> ring = Ring(0);
        ring.Add(new Tick(0), Input(5));
        Assert.True(ring.Take(out _));
        for (int i = 0; i < Repeat; i++)
        {
            Assert.False(ring.Take(out TopDownInput repeated));
            Assert.Equal(Input(5), repeated);
        }

        Assert.False(ring.Take(out TopDownInput neutral));
        Assert.Equal(TopDownInput.Neutral, neutral);
        Assert.Equal(new Tick(0), ring.InputTick);
    }

    [Fact]
    public void A_late_input_is_not_run_but_is_what_a_starved_tick_repeats()
    {
        InputRing<TopDownInput> ring = Ring(10);
        ring.Add(new Tick(10), Input(1));
        ring.Take(out _);
        ring.Take(out _);
        Assert.Equal(InputVerdict.Late, ring.Add(new Tick(11), Input(2)));
        Assert.False(ring.Take(out TopDownInput input));
        Assert.Equal(Input(2), input);
        Assert.Equal(new Tick(11), ring.InputTick);

        // Older than what is repeated already: it must not come back.
        Assert.Equal(InputVerdict.Late, ring.Add(new Tick(9), Input(3)));
        ring.Take(out input);
        Assert.Equal(Input(2), input);
    }

    [Fact]
    public void An_input_whose_tick_has_run_with_just_that_is_not_late_but_counts_as_taken()
    {
        InputRing<TopDownInput> ring = Ring(10);
        ring.Add(new Tick(10), Input(1));
        for (int i = 0; i < 4; i++)
            ring.Take(out _);

        Assert.Equal(InputVerdict.AsRun, ring.Add(new Tick(11), Input(1)));
        Assert.Equal(new Tick(11), ring.InputTick);
        Assert.Equal(InputVerdict.Late, ring.Add(new Tick(12), Input(2)));
        Assert.Equal(InputVerdict.AsRun, ring.Add(new Tick(13), Input(1)));

        // After 250 ms of silence the tick ran neutral: what was held then did come too late.
        for (int i = 0; i < Repeat + 3; i++)
            ring.Take(out _);
        Assert.Equal(InputVerdict.Late, ring.Add(ring.Next - 1, Input(1)));
    }

    [Fact]
    public void Copies_are_known_even_after_their_tick_has_run()
    {
        InputRing<TopDownInput> ring = Ring(10);
        ring.Add(new Tick(10), Input(1));
        Assert.Equal(InputVerdict.Known, ring.Add(new Tick(10), Input(2)));
        ring.Take(out TopDownInput input);
        Assert.Equal(Input(1), input);
        Assert.Equal(InputVerdict.Known, ring.Add(new Tick(10), Input(2)));
    }

    [Fact]
    public void Ticks_outside_the_window_are_refused_on_either_side()
    {
        InputRing<TopDownInput> ring = Ring(100);
        Assert.Equal(InputVerdict.TooEarly, ring.Add(new Tick(100 + Window + 1), Input(1)));
        Assert.Equal(InputVerdict.TooOld, ring.Add(new Tick(100 - Window - 1), Input(1)));
        Assert.Equal(InputVerdict.Accepted, ring.Add(new Tick(100 + Window), Input(1)));
        Assert.Equal(InputVerdict.Late, ring.Add(new Tick(100 - Window), Input(1)));
    }

    [Fact]
    public void The_burst_after_an_outage_of_a_second_passes_and_more_does_not()
    {
        var ring = new InputRing<TopDownInput>(InputRing<TopDownInput>.WindowTicksMax, Burst, Repeat);
        ring.Reset(new Tick(100));
        int taken = 0;
        for (uint tick = 69; tick <= 131; tick++)
            taken += ring.Add(new Tick(tick), Input(1)) is InputVerdict.Accepted or InputVerdict.Late ? 1 : 0;
        Assert.Equal(Burst, taken);
        Assert.Equal(InputVerdict.TooMany, ring.Add(new Tick(131), Input(1)));
        ring.Take(out _);
        Assert.Equal(InputVerdict.Accepted, ring.Add(new Tick(131), Input(1)));
    }

    [Fact]
    public void Sixty_inputs_a_second_are_run_thirty_times_a_second()
    {
        // The client's tick runs twice as fast as the zone's: the window and the bucket stop it, and each tick takes one.
        InputRing<TopDownInput> ring = Ring(0);
        int run = 0, refused = 0;
        uint clientTick = 0;
        for (int tick = 0; tick < 300; tick++)
        {
            for (int i = 0; i < 2; i++)
                refused += ring.Add(new Tick(clientTick++), Input(1)) is InputVerdict.TooEarly or InputVerdict.TooMany ? 1 : 0;
            run += ring.Take(out TopDownInput input) && input == Input(1) ? 1 : 0;
        }

        Assert.InRange(run, 0, 300);
        Assert.True(refused > 200, $"{refused} refused");

        var every = new InputRing<TopDownInput>(Window, Burst, Repeat, applyEveryInput: true);
        every.Reset(new Tick(0));
        var inputs = new TopDownInput[InputRing<TopDownInput>.EveryMax];
        clientTick = 0;
        run = 0;
        for (int tick = 0; tick < 300; tick++)
        {
            every.Add(new Tick(clientTick++), Input(1));
            every.Add(new Tick(clientTick++), Input(1));
            run += every.TakeAll(inputs);
        }

        Assert.Equal(600, run);
    }

    [Fact]
    public void The_margin_tells_how_early_the_newest_input_came()
    {
        InputRing<TopDownInput> ring = Ring(100);
        ring.Add(new Tick(103), Input(1));
        Assert.Equal(3, ring.MarginTicks);
        ring.Add(new Tick(101), Input(1));
        Assert.Equal(3, ring.MarginTicks);
        for (int i = 0; i < 10; i++)
            ring.Take(out _);
        ring.Add(new Tick(108), Input(1));
        Assert.Equal(-2, ring.MarginTicks);
    }

    [Fact]
    public void Ten_thousand_ticks_across_the_wrap_behave_like_a_dictionary()
    {
        var random = new SeededRandom(7);
        InputRing<TopDownInput> ring = Ring(uint.MaxValue - 5_000);
        Dictionary<uint, TopDownInput> model = [];
        for (int i = 0; i < 10_000; i++)
        {
            for (int sent = random.Next(0, 3); sent > 0; sent--)
            {
                Tick tick = ring.Next + random.Next(-Window - 3, Window + 4);
                TopDownInput input = Input(random.Next(0, 200));
                InputVerdict verdict = ring.Add(tick, input);
                int ahead = tick - ring.Next;
                Assert.Equal(ahead > Window, verdict == InputVerdict.TooEarly);
                Assert.Equal(ahead < -Window, verdict == InputVerdict.TooOld);
                if (verdict is InputVerdict.Accepted or InputVerdict.Late or InputVerdict.AsRun)
                    Assert.True(model.TryAdd(tick.Value, input), $"{tick} was taken twice");
                else if (verdict == InputVerdict.Known)
                    Assert.True(model.ContainsKey(tick.Value));
            }

            Tick next = ring.Next;
            bool own = ring.Take(out TopDownInput taken);
            Assert.Equal(model.TryGetValue(next.Value, out TopDownInput expected), own);
            if (own)
                Assert.Equal(expected, taken);
        }
    }

    private static InputRing<TopDownInput> Ring(uint next)
    {
        var ring = new InputRing<TopDownInput>(Window, Burst, Repeat);
        ring.Reset(new Tick(next));
        return ring;
    }

    private static TopDownInput Input(int direction) => new(new Intent((byte)direction, Intent.MagnitudeMax), 0);
}
