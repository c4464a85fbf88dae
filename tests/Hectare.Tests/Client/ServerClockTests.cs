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

    // An overloaded zone makes its ticks longer by quarters, and shorter again; at any tick, whatever a packet spans.
    [Theory]
    [InlineData(3, 40)]
    [InlineData(6, 20)]
    [InlineData(1, 100)]
    public void Picture_stretches_with_the_ticks_of_the_server(int interval, int delayMs)
    {
        var clock = new ServerClock((uint)TickNs, interval);
        int[] quarters = [4, 5, 6, 8, 6, 5, 4];
        long due = 0, sinceChange = 0;
        double previous = double.NaN, factor = 1, rateMin = double.MaxValue, rateMax = 0;
        int starved = 0, frames = 0;
        uint sequence = 0;
        for (uint tick = 0; tick < 300 * quarters.Length; tick++)
        {
            double before = factor;
            factor = quarters[tick / 300] / 4.0;
            sinceChange = factor == before ? sinceChange + 1 : 0;
            if (tick % interval == 0)
                clock.OnSnapshot(due + OffsetNs + (delayMs * Ms), new SequenceNumber(++sequence), new Tick(tick), due / 100_000, interval, 2 * delayMs * Ms);
            long length = TickNs * quarters[tick / 300] / 4;
            for (int half = 1; half <= 2; half++)
            {
                clock.Update(due + OffsetNs + (delayMs * Ms) + (half * length / 2));
                // Once the delay has followed, every frame is a frame's way, and there is news ahead of it.
                double rate = (clock.PresentationTick - previous) * 2;
                previous = clock.PresentationTick;
                if (sinceChange < 120 || tick < 120)
                    continue;
                (rateMin, rateMax) = (Math.Min(rateMin, rate), Math.Max(rateMax, rate));
                frames++;
                starved += clock.PresentationTick > tick ? 1 : 0;
            }

            due += length;
            if (sinceChange > 2 * interval)
                (clock.TickLengthNs / (double)(TickNs * factor)).ShouldBe(1, 0.001);
        }

        clock.Steps.ShouldBe(0);
        rateMin.ShouldBeGreaterThan(0.97);
        rateMax.ShouldBeLessThan(1.03);
        (starved / (double)frames).ShouldBeLessThan(0.01);
    }

    // While the clock learns of a change, a frame is never more than the faster of the two lengths allows, and never back.
    [Fact]
    public void Picture_never_jumps_when_the_length_of_a_tick_changes()
    {
        for (int change = 0; change < 3; change++)
        {
            var clock = new ServerClock((uint)TickNs, 3);
            long due = 0;
            double previous = double.NaN;
            uint sequence = 0;
            for (uint tick = 0; tick < 900; tick++)
            {
                long length = tick >= 300 + change && tick < 600 + change ? 2 * TickNs : TickNs;
                if (tick % 3 == 0)
                    clock.OnSnapshot(due + OffsetNs + (30 * Ms), new SequenceNumber(++sequence), new Tick(tick), due / 100_000, 3, 60 * Ms);
                for (long ns = 0; ns < length; ns += TickNs / 2)
                {
                    clock.Update(due + OffsetNs + (30 * Ms) + ns);
                    double way = clock.PresentationTick - previous;
                    previous = clock.PresentationTick;
                    if (tick > 60)
                        way.ShouldBeInRange(0, 0.5 * 1.11);
                }

                due += length;
            }

            clock.Steps.ShouldBe(0);
        }
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

    [Theory]
    [InlineData(1, 100, 80)]
    [InlineData(2, 33, 3)]       // more samples in ten seconds than are kept
    [InlineData(3, 700, 200)]
    public void Jitter_and_loss_are_those_of_the_last_ten_seconds_whatever_came_before(int seed, int spacingMs, int jitterMs)
    {
        var random = new Random(seed);
        var clock = new ServerClock((uint)TickNs, 3);
        List<(long Arrival, long Difference, uint Sequence, bool Timed)> all = [];
        uint sequence = 0;
        for (long now = OffsetNs; now < OffsetNs + (60_000 * Ms); now += spacingMs * Ms)
        {
            // A stretch without a packet, longer than the window; and packets without a time.
            if (random.Next(400) == 0)
                now += 11_000 * Ms;
            sequence += 1 + (uint)random.Next(2);
            bool timed = random.Next(5) > 0;
            long due = (now - OffsetNs - (random.Next(jitterMs * 10) * Ms / 10)) / 100_000;
            if (timed)
                clock.OnSnapshot(now, new SequenceNumber(sequence), new Tick((uint)(due * 100_000 / TickNs)), due, 3, 0);
            else
                clock.OnOther(now, new SequenceNumber(sequence));
            all.Add((now, (due * 100_000) - now, sequence, timed));

            var window = all.TakeLast(256).Where(one => now - one.Arrival <= ServerClock.WindowNs).ToList();
            clock.LossShare.ShouldBe(1 - (window.Count / (double)(sequence - window[0].Sequence + 1)), 1e-12, $"seed {seed}");
            long[] differences = [.. window.Where(one => one.Timed).Select(one => one.Difference).Order()];
            if (differences.Length > 0)
                clock.JitterNs.ShouldBe(differences[^1] - differences[Math.Min(3, differences.Length / 100)], $"seed {seed}, {differences.Length} samples");
        }
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
