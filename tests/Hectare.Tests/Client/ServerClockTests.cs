using Hectare.Client;
using Hectare.Protocol;
using Shouldly;

namespace Hectare.Tests.Client;

/// <summary>The clock against a server whose time is known: every link here is a list of due and arrival times.</summary>
public sealed class ServerClockTests
{
    private const long Ms = 1_000_000;
    private const long TickNs = 33_333_333;
    private const long SlotNs = 3 * TickNs;
    private const long OffsetNs = 7_000_000_000_000;   // client's clock minus server's
    private const long FrameNs = 16_666_667;

    [Theory]
    [InlineData(20, 5, 0.001, 142)]
    [InlineData(100, 20, 0.05, 237)]
    [InlineData(100, 80, 0.20, 395)]
    public void Delay_is_one_way_time_jitter_slot_and_frame(int delayMs, int jitterMs, double loss, double expectedMs)
    {
        List<double> delays = [];
        for (int seed = 0; seed < 5; seed++)
        {
            var run = new Run(seed, delayMs, jitterMs, loss);
            run.Go(60_000 * Ms);
            delays.Add(run.Clock.DelayNs / (double)Ms);
            run.Clock.Steps.ShouldBe(0);
        }

        delays.Average().ShouldBe(expectedMs, 14);
    }

    [Theory]
    [InlineData(20, 5, 0.001)]
    [InlineData(100, 20, 0.05)]
    [InlineData(100, 80, 0.20)]
    public void Picture_never_jumps_nor_runs_back_and_stays_between_the_packets(int delayMs, int jitterMs, double loss)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            var run = new Run(seed, delayMs, jitterMs, loss);
            run.Go(5_000 * Ms);
            run.Watch = true;
            run.Go(60_000 * Ms);
            run.RateMin.ShouldBeGreaterThanOrEqualTo(0.9 - 1e-3);
            run.RateMax.ShouldBeLessThanOrEqualTo(1.1 + 1e-3);
            run.StarvedShare.ShouldBeLessThan(0.05);
        }
    }

    [Fact]
    public void Stalled_server_is_not_time()
    {
        var run = new Run(3, 100, 20, 0.05);
        run.Go(10_000 * Ms);
        run.Watch = true;
        run.StallFromNs = 12_000 * Ms;
        run.StallToNs = 12_200 * Ms;
        run.Go(30_000 * Ms);
        run.Clock.Steps.ShouldBe(0);
        run.RateMin.ShouldBeGreaterThanOrEqualTo(0.9 - 1e-3);
        run.RateMax.ShouldBeLessThanOrEqualTo(1.1 + 1e-3);

        // The estimate is the server's clock all along: within the link's asymmetry of the moment.
        Math.Abs(run.EstimateErrorNs).ShouldBeLessThan(12 * Ms);
    }

    [Fact]
    public void Clock_that_drifts_is_followed()
    {
        var run = new Run(4, 20, 5, 0.001) { DriftPpm = 200 };
        run.Go(120_000 * Ms);
        Math.Abs(run.EstimateErrorNs).ShouldBeLessThan(8 * Ms);
        run.Clock.Steps.ShouldBe(0);
        var back = new Run(5, 20, 5, 0.001) { DriftPpm = -200 };
        back.Go(120_000 * Ms);
        Math.Abs(back.EstimateErrorNs).ShouldBeLessThan(8 * Ms);
    }

    [Fact]
    public void Way_that_grows_longer_for_good_only_slows_the_picture()
    {
        var run = new Run(6, 30, 8, 0.005);
        run.Go(15_000 * Ms);
        run.Watch = true;
        run.DelayMs = 80;
        run.Go(60_000 * Ms);
        run.Clock.Steps.ShouldBe(0);
        run.RateMin.ShouldBeGreaterThanOrEqualTo(0.9 - 1e-3);
        (run.Clock.DelayNs / (double)Ms).ShouldBe(88 + 100 + 16.7, 10);
    }

    [Fact]
    public void Ticks_that_the_server_gave_up_are_stepped_over_without_running_back()
    {
        var clock = new ServerClock((uint)TickNs, 3);
        double previous = double.MinValue;
        long due = 0;
        for (uint tick = 0; tick < 600; tick += 3)
        {
            due = tick * TickNs;
            due += tick >= 300 ? 10 * TickNs : 0;
            long arrival = due + OffsetNs + (20 * Ms);
            clock.OnSnapshot(arrival, new SequenceNumber(tick / 3), new Tick(tick), due / 100_000, 3, 40 * Ms);
            for (int frame = 1; frame <= 6; frame++)
            {
                clock.Update(arrival + (frame * FrameNs));
                clock.PresentationTick.ShouldBeGreaterThanOrEqualTo(previous);
                previous = clock.PresentationTick;
            }
        }

        clock.Steps.ShouldBe(0);
        previous.ShouldBe(597 + 3 - ((20 + 100 + 17) / 33.33), 1);
        clock.TickAt(due).ShouldBe(597, 0.01);
    }

    [Fact]
    public void Situation_that_is_new_for_a_second_is_stepped_over_and_told()
    {
        var clock = new ServerClock((uint)TickNs, 3);
        long skipped = 0;
        for (uint i = 0; i < 300; i++)
        {
            long due = (i * SlotNs) + skipped;
            long arrival = (i * SlotNs) + OffsetNs;
            clock.OnSnapshot(arrival, new SequenceNumber(i), new Tick((uint)(due / TickNs)), due / 100_000, 3, 40 * Ms);
            clock.Update(arrival + FrameNs);
            if (i == 100)
                skipped = 60 * TickNs;
        }

        clock.Steps.ShouldBe(1);
        clock.TryTakeStep(out long stepNs).ShouldBeTrue();
        stepNs.ShouldBeInRange(1_000 * Ms, 2_500 * Ms);
        clock.TryTakeStep(out _).ShouldBeFalse();
    }

    [Fact]
    public void Clock_works_across_the_wrap_of_ticks()
    {
        var clock = new ServerClock((uint)TickNs, 3);
        double previous = double.NaN;
        for (uint i = 0; i < 100; i++)
        {
            long due = i * SlotNs;
            clock.OnSnapshot(due + OffsetNs, new SequenceNumber(i), new Tick(uint.MaxValue - 150 + (i * 3)), due / 100_000, 3, 0);
            clock.Update(due + OffsetNs + FrameNs);
            if (i > 0)
                Interpolation.TicksSince(clock.PresentationTick, new Tick((uint)(long)Math.Floor(previous))).ShouldBeInRange(2, 5);
            previous = clock.PresentationTick;
        }

        ((uint)(long)Math.Floor(previous)).ShouldBeInRange(140u, 150u);
    }

    [Fact]
    public void Inputs_run_ahead_so_that_they_arrive_in_time()
    {
        foreach ((int delayMs, int jitterMs) in new[] { (20, 5), (100, 20), (100, 80) })
        {
            var random = new Random(delayMs + jitterMs);
            var clock = new InputClock();
            clock.Start(0, 0, TickNs);
            double now = 0;
            int late = 0, told = 0, early = 0;
            Queue<(double At, Tick Tick, int Margin)> feedback = [];
            for (int step = 0; step < 3000; step++)
            {
                now += 1;
                for (int due = clock.TicksDue(now); due > 0; due--)
                {
                    clock.Advance();
                    double arrives = now + ((delayMs + ((random.NextDouble() - 0.5) * 2 * jitterMs)) * Ms / TickNs);
                    int margin = (int)Math.Floor(clock.Tick.Value - arrives);
                    feedback.Enqueue((arrives + (delayMs * (double)Ms / TickNs), clock.Tick, margin));
                    if (step <= 300)
                        continue;
                    told++;
                    late += margin < 0 ? 1 : 0;
                    early += margin;
                }

                while (feedback.TryPeek(out var next) && next.At <= now)
                {
                    feedback.Dequeue();
                    clock.OnMargin(next.Tick, next.Margin);
                }
            }

            (late / (double)told).ShouldBeLessThan(0.02);
            (early / (double)told).ShouldBeLessThan((2 * jitterMs * Ms / (double)TickNs) + 4);
        }
    }

    /// <summary>A link of uniform jitter; packets overtaken by newer ones are not accepted, as on a client.</summary>
    private sealed class Run(int seed, int delayMs, int jitterMs, double loss)
    {
        private readonly Random _random = new(seed);
        private readonly PriorityQueue<(long Due, uint Sequence), long> _underWay = new();
        private long _serverNs;
        private uint _sent;
        private uint _newest;
        private long _newestDue;
        private long _clientNs = -1;
        private double _presented = double.NaN;
        private int _frames;
        private int _starved;

        public ServerClock Clock { get; } = new((uint)TickNs, 3);

        public int DelayMs { get; set; } = delayMs;

        public double DriftPpm { get; init; }

        public bool Watch { get; set; }

        public long StallFromNs { get; set; }

        public long StallToNs { get; set; }

        public double RateMin { get; private set; } = double.MaxValue;

        public double RateMax { get; private set; }

        public double StarvedShare => _starved / (double)Math.Max(1, _frames);

        public double EstimateErrorNs => Clock.ServerNs(_clientNs) - _serverNs;

        public void Go(long untilNs)
        {
            while (_serverNs < untilNs)
            {
                _serverNs += Ms;
                while (_sent * SlotNs <= _serverNs && !(_serverNs > StallFromNs && _serverNs < StallToNs))
                    Send();
                _clientNs = OffsetNs + _serverNs + (long)(_serverNs * DriftPpm / 1e6);
                while (_underWay.TryPeek(out (long Due, uint Sequence) packet, out long at) && at <= _serverNs)
                {
                    _underWay.Dequeue();
                    if (packet.Sequence < _newest)
                        continue;
                    (_newest, _newestDue) = (packet.Sequence, packet.Due);
                    long roundTrip = 2 * (DelayMs - jitterMs) * Ms;
                    Clock.OnSnapshot(_clientNs, new SequenceNumber(packet.Sequence), new Tick((uint)(packet.Due / TickNs)), packet.Due / 100_000, 3, roundTrip);
                }

                if (_serverNs / Ms % 17 == 0)
                    Frame();
            }
        }

        private void Send()
        {
            uint sequence = ++_sent;
            if (_random.NextDouble() < loss)
                return;
            long way = (long)((DelayMs + ((_random.NextDouble() - 0.5) * 2 * jitterMs)) * Ms);
            _underWay.Enqueue(((sequence - 1) * SlotNs, sequence), _serverNs + way);
        }

        private void Frame()
        {
            double before = _presented;
            Clock.Update(_clientNs);
            _presented = Clock.PresentationTick;
            if (!Watch || double.IsNaN(before))
                return;
            double rate = (_presented - before) * TickNs / (17 * Ms);
            (RateMin, RateMax) = (Math.Min(RateMin, rate), Math.Max(RateMax, rate));
            _frames++;
            _starved += _presented * TickNs > _newestDue ? 1 : 0;
        }
    }
}
