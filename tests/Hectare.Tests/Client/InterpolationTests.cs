using Hectare.Client;
using Hectare.Protocol;
using Shouldly;

namespace Hectare.Tests.Client;

public sealed class InterpolationTests
{
    private static readonly Kind Player = FakeServer.Farm["player"];

    [Fact]
    public void Motion_is_exact_at_whole_ticks_on_both_sides_of_a_corner()
    {
        MotionKnot[] knots = [new(FakeServer.Walk(100, 50, 0), new Tick(1000)), new(FakeServer.Walk(101.6, 50, 64), new Tick(1010)), new(FakeServer.Rest(101.6, 52), new Tick(1022))];
        for (uint tick = 1000; tick < 1030; tick++)
        {
            MotionKnot ruling = knots[tick >= 1022 ? 2 : tick >= 1010 ? 1 : 0];
            (int x, int y) = Motion.Unpack(ruling.Word, ruling.T0, Player).At(new Tick(tick));
            DrawnMotion drawn = Interpolation.Follow(knots, Player, tick);
            drawn.X.ShouldBe(Units.ToDouble(x), 1e-9);
            drawn.Y.ShouldBe(Units.ToDouble(y), 1e-9);
        }
    }

    [Fact]
    public void Corner_is_reached_without_a_jump()
    {
        MotionKnot[] knots = [new(FakeServer.Walk(100, 50, 0), new Tick(1000)), new(FakeServer.Walk(101.5, 50, 128), new Tick(1010))];
        DrawnMotion before = Interpolation.Follow(knots, Player, 1010 - 1e-6);
        DrawnMotion after = Interpolation.Follow(knots, Player, 1010);
        (before.X - after.X).ShouldBe(0, 1e-5);
        DrawnMotion half = Interpolation.Follow(knots, Player, 1009.5);
        half.X.ShouldBe((Interpolation.Follow(knots, Player, 1009).X + after.X) / 2, 1e-9);
    }

    [Fact]
    public void Gap_is_crossed_on_a_straight_line_from_where_the_last_packet_left_it()
    {
        MotionKnot[] knots = [new(FakeServer.Walk(100, 50, 0), new Tick(1000)), new(FakeServer.Rest(104, 58), new Tick(1020), afterGap: true, gapFrom: new Tick(1012))];
        DrawnMotion from = Interpolation.Follow(knots, Player, 1012);
        (int x, int y) = Motion.Unpack(knots[0].Word, knots[0].T0, Player).At(new Tick(1012));
        (from.X, from.Y).ShouldBe((Units.ToDouble(x), Units.ToDouble(y)));
        DrawnMotion to = Interpolation.Follow(knots, Player, 1020);
        DrawnMotion middle = Interpolation.Follow(knots, Player, 1016);
        middle.X.ShouldBe((from.X + to.X) / 2, 1e-9);
        middle.Y.ShouldBe((from.Y + to.Y) / 2, 1e-9);
    }

    [Fact]
    public void Jump_is_no_line()
    {
        MotionKnot[] knots = [new(FakeServer.Rest(100, 50), new Tick(1000)), new(FakeServer.Rest(300, 300), new Tick(1020), jump: true)];
        Interpolation.Follow(knots, Player, 1019.99).X.ShouldBe(100, 0.02);
        Interpolation.Follow(knots, Player, 1020).X.ShouldBe(300, 0.02);
    }

    [Fact]
    public void Sampled_motion_is_linear_between_the_samples_own_ticks()
    {
        MotionKnot[] knots = [new(FakeServer.Sampled(100, 50, 900, 0), new Tick(1000)), new(FakeServer.Sampled(101, 52, 0, 500), new Tick(1004)), new(FakeServer.Sampled(101, 53, 0, 0), new Tick(1007))];
        DrawnMotion start = Interpolation.Follow(knots, Player, 1000), corner = Interpolation.Follow(knots, Player, 1004), end = Interpolation.Follow(knots, Player, 1007);
        DrawnMotion quarter = Interpolation.Follow(knots, Player, 1001);
        quarter.X.ShouldBe(start.X + ((corner.X - start.X) / 4), 1e-9);
        quarter.Y.ShouldBe(start.Y + ((corner.Y - start.Y) / 4), 1e-9);
        Interpolation.Follow(knots, Player, 1005.5).Y.ShouldBe((corner.Y + end.Y) / 2, 1e-9);
    }

    [Theory]
    [InlineData(20, 6)]
    [InlineData(30, 3)]
    [InlineData(60, 4)]
    [InlineData(10, 1)]
    public void Span_comes_from_the_samples_at_any_tick_and_snapshot_rate(int tickRate, int slotTicks)
    {
        // Something at 3 units a second, sampled at every slot: drawn where it is, whatever the rates.
        double step = 3.0 / tickRate;
        for (double at = 0; at < slotTicks; at += 0.25)
        {
            DrawnMotion from = new(10, 0, 0, 0), to = new(10 + (step * slotTicks), 0, 0, 0);
            Interpolation.Linear(in from, in to, at, slotTicks).X.ShouldBe(10 + (step * at), 1e-9);
        }
    }

    [Fact]
    public void Span_from_constants_is_wrong_at_another_tick_rate()
    {
        // The audited design: 3 ticks a snapshot, whatever the server runs at. At 20 Hz with a snapshot every 6 ticks it arrives early and waits.
        const double ConstantSpan = 3;
        DrawnMotion from = new(0, 0, 0, 0), to = new(6, 0, 0, 0);
        double wrong = Interpolation.Linear(in from, in to, Math.Min(3, ConstantSpan), ConstantSpan).X;
        wrong.ShouldBe(6);
        Interpolation.Linear(in from, in to, 3, 6).X.ShouldBe(3);
    }

    [Fact]
    public void Hermite_arrives_with_the_samples_velocity_and_never_overshoots()
    {
        var random = new Random(11);
        for (int round = 0; round < 2000; round++)
        {
            DrawnMotion from = new(random.NextDouble() * 10, 0, (random.NextDouble() - 0.5) * 20, 0);
            DrawnMotion to = new(random.NextDouble() * 10, 5, (random.NextDouble() - 0.5) * 20, 0);
            double span = 0.5 + (random.NextDouble() * 60);
            double previous = from.X, way = Math.Sign(to.X - from.X);
            for (int i = 0; i <= 50; i++)
            {
                double x = Interpolation.Hermite(in from, in to, span * i / 50, span).X;
                x.ShouldBeInRange(Math.Min(from.X, to.X) - 1e-9, Math.Max(from.X, to.X) + 1e-9);
                ((x - previous) * way).ShouldBeGreaterThanOrEqualTo(-1e-9);
                previous = x;
            }

            previous.ShouldBe(to.X, 1e-9);
        }

        DrawnMotion slow = new(0, 0, 0, 0), fast = new(5, 0, 1, 0);
        Interpolation.Hermite(in slow, in fast, 10, 10).VelocityX.ShouldBe(1, 1e-9);
        Interpolation.Hermite(in slow, in fast, 0, 10).VelocityX.ShouldBe(0, 1e-9);
    }

    [Fact]
    public void Angles_go_the_shorter_way_round()
    {
        Interpolation.LinearAngle(350, 10, 0.25, 360).ShouldBe(355, 1e-9);
        Interpolation.LinearAngle(10, 350, 0.75, 360).ShouldBe(355, 1e-9);
        Interpolation.LinearAngle(90, 180, 0.5, 360).ShouldBe(135, 1e-9);
    }

    [Fact]
    public void Time_comes_to_rest_evenly_beyond_the_limit()
    {
        Interpolation.EaseToRest(99, 100, 8).ShouldBe(99);
        double previous = 100, step = 1;
        for (double tick = 100.5; tick < 120; tick += 0.5)
        {
            double eased = Interpolation.EaseToRest(tick, 100, 8);
            double gone = eased - previous;
            gone.ShouldBeInRange(0, step + 1e-12);
            (previous, step) = (eased, gone);
        }

        previous.ShouldBe(104);
    }

    [Fact]
    public void Ticks_are_counted_across_the_wrap()
    {
        Interpolation.TicksSince(2.5, new Tick(uint.MaxValue)).ShouldBe(3.5);
        Interpolation.TicksSince(4_294_967_296 + 2.5, new Tick(uint.MaxValue)).ShouldBe(3.5);
        Interpolation.TicksSince(-1.5, new Tick(1)).ShouldBe(-2.5);
    }
}
