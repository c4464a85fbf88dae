using Hectare.Client;
using Hectare.Protocol;
using Shouldly;

namespace Hectare.Tests.Client;

/// <summary>What the player sees, frame by frame: paths, late versions, fades, silence.</summary>
public sealed class ReplicaDrawingTests
{
    private const long FrameNs = 16_666_667;

    private readonly FakeServer _server = new();
    private static readonly EntityId Id = new(77);

    private Kind Player => _server.Schema["player"];

    [Fact]
    public void Copies_do_not_duplicate_and_late_versions_take_their_place()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 1006);
        Version third = first.Moved(FakeServer.Walk(101, 51, 128), 1012);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1012, packet => packet.Update(5, 77, "player", first, [third], gap: true), baseline: 1);
        KnotTicks().ShouldBe([1000u, 1012u]);
        _server.World.KnotsOf(Id)[1].AfterGap.ShouldBeTrue();

        // The step that was missing comes after all: no gap any more.
        _server.Send(3, 1015, packet => packet.Update(5, 77, "player", first, [second, third]), baseline: 1);
        KnotTicks().ShouldBe([1000u, 1006u, 1012u]);
        _server.World.KnotsOf(Id)[2].AfterGap.ShouldBeFalse();
        _server.Send(4, 1018, packet => packet.Update(5, 77, "player", first, [second, third]), baseline: 1);
        KnotTicks().ShouldBe([1000u, 1006u, 1012u]);
    }

    [Fact]
    public void Gap_starts_its_line_at_the_last_accepted_packet()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version last = first.Moved(FakeServer.Rest(104, 58), 1020);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1011, _ => { }, baseline: 1);
        _server.Send(3, 1023, packet => packet.Update(5, 77, "player", first, [first.Moved(FakeServer.Walk(103, 57, 64), 1018), last], gap: true), baseline: 1);
        _server.World.KnotsOf(Id)[1].GapFrom.ShouldBe(new Tick(1011));
        _server.World.SampleAt(Id, 1011, out SampledEntity left);
        _server.World.SampleAt(Id, 1018, out SampledEntity there);
        _server.World.SampleAt(Id, 1014.5, out SampledEntity middle);
        middle.X.ShouldBe((left.X + there.X) / 2, 1e-9);
    }

    [Fact]
    public void Late_turn_does_not_pop_and_its_error_decays_in_50_ms()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "player", first));
        Show(1008, 0);
        double shown = Sample().X;

        // It turned round at 1004, and that is heard of at 1008.
        _server.Send(2, 1005, packet => packet.Update(5, 77, "player", first, [first.Moved(FakeServer.Walk(100.6, 50, 128), 1004)]), baseline: 1);
        Sample().X.ShouldBe(shown, 1e-6);
        _server.World.SampleAt(Id, 1008, out SampledEntity truth);
        double error = shown - truth.X;
        error.ShouldBeGreaterThan(0.5);
        Show(1008, 50_000_000);
        (Sample().X - truth.X).ShouldBe(error / Math.E, 1e-4);
        Show(1008, 400_000_000);
        Sample().X.ShouldBe(truth.X, 0.001);
        Sample().Fade.ShouldBe(1);
    }

    [Fact]
    public void Error_beyond_two_units_fades_out_and_in_instead_of_sliding()
    {
        Version first = _server.Player(FakeServer.Rest(100, 50), 1000);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "player", first));
        Show(1008, 0);
        _server.Send(2, 1008, packet => packet.Update(5, 77, "player", first, [first.Moved(FakeServer.Rest(110, 50), 1004)]), baseline: 1);
        Sample().X.ShouldBe(100, 0.02);
        Show(1009, 50_000_000);
        (Sample().X, Sample().Fade).ShouldBe((Sample().X, 0.5f));
        Sample().X.ShouldBe(100, 0.02);
        Show(1010, 110_000_000);
        Sample().X.ShouldBe(110, 0.02);
        Sample().Fade.ShouldBe(0.1f, 1e-5f);
        Show(1011, 250_000_000);
        Sample().Fade.ShouldBe(1);
    }

    [Fact]
    public void Teleport_is_shown_as_one()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version there = first.Moved(FakeServer.Walk(300, 300, 0), 1010).With(Player["teleports"], 1);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1002, _ => { }, baseline: 1);
        Show(1001, 0);
        _server.Send(3, 1011, packet => packet.Update(5, 77, "player", first, [there], gap: true), baseline: 1);
        _server.World.SampleAt(Id, 1009.9, out SampledEntity before);
        before.X.ShouldBe(100 + (9.9 * 683 / 4096), 0.03);
        Show(1009.9, FrameNs);
        Sample().X.ShouldBe(before.X, 1e-6);
        Show(1010, 2 * FrameNs);
        (Sample().X, Sample().Fade).ShouldBe((Sample().X, 1f));
        Sample().X.ShouldBe(300, 0.03);

        // Heard of late, it is one all the same.
        Version back = there.Moved(FakeServer.Walk(100, 100, 0), 1014).With(Player["teleports"], 2);
        Show(1020, 3 * FrameNs);
        _server.Send(4, 1020, packet => packet.Update(5, 77, "player", there, [back], gap: true), baseline: 3);
        Sample().X.ShouldBe(100 + (6 * 683 / 4096.0), 0.03);
    }

    [Fact]
    public void New_entity_fades_in_where_it_is_and_a_left_one_out()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        Show(999, 0);
        Sample().Fade.ShouldBe(0);
        Sample().X.ShouldBe(100, 0.02);
        Show(1003, 0);
        Sample().Fade.ShouldBe(0.5f, 0.01f);
        Show(1007, 0);
        Sample().Fade.ShouldBe(1);
        _server.Send(2, 1010, packet => packet.Leave(5), baseline: 1);
        _server.World.Count.ShouldBe(0);
        Sample().Leaving.ShouldBeTrue();
        Show(1013, 0);
        Sample().Fade.ShouldBe(0.5f, 0.01f);
        Sample().X.ShouldBe(100 + (13 * 683 / 4096.0), 0.03);
        Show(1017, 0);
        _server.World.Sample(Id, out _).ShouldBeFalse();
    }

    [Fact]
    public void Standing_things_are_seen_at_once()
    {
        _server.Send(1, 1002, packet => packet.Enter(6, 80, "tree", _server.Placed("tree", 20, 30)));
        Show(996, 0);
        _server.World.Sample(new EntityId(80), out SampledEntity tree).ShouldBeTrue();
        (Math.Round(tree.X), Math.Round(tree.Y)).ShouldBe((20, 30));
        tree.Fade.ShouldBe(1);
    }

    [Fact]
    public void Entity_that_comes_back_while_it_fades_does_not_pop()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1010, packet => packet.Leave(5), baseline: 1);
        Show(1012, 0);
        SampledEntity fading = Sample();
        Version back = first.Moved(FakeServer.Rest(102, 51), 1011);
        _server.Send(3, 1013, packet => packet.Enter(6, 77, "player", back), baseline: 2);
        SampledEntity returned = Sample();
        returned.X.ShouldBe(fading.X, 1e-6);
        returned.Fade.ShouldBe(fading.Fade, 0.17f);
        returned.Leaving.ShouldBeFalse();
    }

    [Fact]
    public void Motion_goes_on_while_packets_come_and_rests_when_they_stop()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "player", first));

        // A straight walker publishes nothing for a minute: keep-alives are news enough.
        uint sequence = 2;
        for (uint tick = 1015; tick <= 1100; tick += 15)
            _server.Send(sequence++, tick, packet => packet.IntervalCode = 3, baseline: 1);
        Show(1090 + 15 + 7.4, 0);
        Sample().X.ShouldBe(100 + (112.4 * 683 / 4096), 0.03);

        // Newest packet 1090, its interval 15, 250 ms (7 ticks): 1112. Beyond it everything comes to rest in another 250 ms.
        Show(1140, 0);
        double rest = 1112 + (250 / 33.333333 / 2);
        Sample().X.ShouldBe(100 + ((rest - 1000) * 683 / 4096), 0.03);
        double stood = Sample().X;
        Show(1150, 0);
        Sample().X.ShouldBe(stood, 1e-9);

        // And comes back by offset when there is news.
        _server.Send(sequence, 1155, _ => { }, baseline: 1);
        Sample().X.ShouldBe(stood, 1e-6);
        Show(1150, 1_000_000_000);
        Sample().Fade.ShouldBe(1);
        Sample().X.ShouldBe(100 + (150 * 683 / 4096.0), 0.03);
    }

    [Fact]
    public void Fields_are_shown_with_the_picture()
    {
        Version first = _server.Player(FakeServer.Rest(100, 50), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        Show(1003, 0);
        _server.Send(2, 1008, packet => packet.Update(5, 77, "player", first, [first.With(Player["animation"], 4)]), baseline: 1);
        _server.World.GetField(Id, Player["animation"]).ShouldBe(4u);
        _server.World.GetShownField(Id, Player["animation"]).ShouldBe(0u);
        Show(1008, 0);
        _server.World.GetShownField(Id, Player["animation"]).ShouldBe(4u);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(30)]
    [InlineData(60)]
    public void Sampled_position_is_drawn_between_samples_at_the_delay_of_its_class(int spacingTicks)
    {
        // 0.05 units a tick, told every 3 ticks (near), 30 or 60 (far): drawn late by the spacing, and then exactly on the line.
        const double Step = 0.0625;
        Version previous = _server.Placed("cart", 100, 50);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "cart", previous));
        uint sequence = 2;
        long now = 0;
        double largest = 0;
        for (int tick = 3; tick < 1200; tick += 3)
        {
            uint at = (uint)(1000 + tick);
            Version next = previous;
            if (tick % spacingTicks == 0)
                next = _server.Placed("cart", 100 + (Step * tick), 50);
            Version baseline = previous;
            _server.Send(sequence, at, packet =>
            {
                if (next != baseline)
                    packet.Update(5, 77, "cart", baseline, [next]);
            }, baseline: sequence - 1).ShouldBe(SnapshotResult.Applied);
            sequence++;
            previous = next;
            for (int frame = 0; frame < 6; frame++)
            {
                double presentation = at - 6 + (frame * 0.5);
                Show(presentation, now += FrameNs);
                if (tick < 600)
                    continue;
                double drawnLate = spacingTicks - 3;
                largest = Math.Max(largest, Math.Abs(Sample().X - (100 + (Step * (presentation - 1000 - drawnLate)))));
            }
        }

        largest.ShouldBeLessThan(0.02);
    }

    [Fact]
    public void Sampled_thing_that_stood_still_does_not_creep_when_it_starts()
    {
        Version stood = _server.Placed("cart", 100, 50);
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "cart", stood));
        for (uint i = 2; i < 40; i++)
            _server.Send(i, 1000 + (i * 3), _ => { }, baseline: 1);
        Show(1110, 0);
        _server.Send(40, 1120, packet => packet.Update(5, 77, "cart", stood, [_server.Placed("cart", 100.25, 50)]), baseline: 1);
        _server.World.SampleAt(Id, 1116, out SampledEntity still);
        still.X.ShouldBe(100, 0.02);
        _server.World.SampleAt(Id, 1118.5, out SampledEntity moving);
        moving.X.ShouldBe(100.125, 0.03);
    }

    [Fact]
    public void Curve_follows_the_velocity_and_the_angle_the_shorter_way()
    {
        Field heading = _server.Schema["boat"]["heading"], velocity = _server.Schema["boat"]["velocity"];
        Version first = _server.Placed("boat", 100, 50).With(heading, 1000).With(velocity, (uint)Motion.EscapeCode(0, 0));
        Version second = _server.Placed("boat", 101, 50).With(heading, 24).With(velocity, (uint)Motion.EscapeCode(683, 0));
        _server.Send(1, 1000, packet => packet.Enter(5, 77, "boat", first));
        _server.Send(2, 1003, packet => packet.Update(5, 77, "boat", first, [second]), baseline: 1);
        Show(1001.5, 0);
        Sample().X.ShouldBeLessThan(100.5);
        double turns = _server.World.GetShownValue(Id, heading) / (2 * Math.PI);
        turns.ShouldBe(0, 0.001);
    }

    private SampledEntity Sample()
    {
        _server.World.Sample(Id, out SampledEntity sampled).ShouldBeTrue();
        return sampled;
    }

    private void Show(double tick, long nowNs) => _server.World.AdvanceTo(tick, nowNs);

    private List<uint> KnotTicks()
    {
        List<uint> ticks = [];
        foreach (MotionKnot knot in _server.World.KnotsOf(Id))
            ticks.Add(knot.T0.Value);
        return ticks;
    }
}
