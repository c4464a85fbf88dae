using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>A zone whose ticks take longer than they may, with real clients.</summary>
/// <remarks>Goal: it gives up something in the published order, comes to rest, keeps everybody, and takes all of it back. Method: how long a tick takes is a model, so much and so much more for each datagram
/// it sends; time passes accordingly, and the tick thread comes late as a real one does. Invariants are checked all the while.</remarks>
public sealed class OverloadTests(ITestOutputHelper output)
{
    private const long Ms = 1_000_000;
    private const int Clients = 20;

    // 20 players at 10 snapshots a second are 6.7 datagrams a tick.
    [Fact]
    public void Half_of_the_snapshots_is_as_far_as_it_goes_when_that_is_enough()
    {
        using var run = new Run(seed: 3);
        run.Seconds(5);
        Assert.Equal(PressureLevel.Full, run.Zone.PressureLevel);
        run.PerDatagramNs = 8_200_000;
        run.Seconds(12);
        output.WriteLine($"{run.Figures()}");
        Assert.Equal(PressureLevel.Rate, run.Zone.PressureLevel);
        Assert.Equal(run.Zone.Options.TickLengthNs, run.Zone.TickLengthNs);
        run.Forget();
        run.Seconds(10);
        output.WriteLine($"{run.Figures()}");
        Assert.Equal(0, run.Behind);
        Assert.InRange(run.LongestGapNs / Ms, 190, 270);
        Assert.InRange(run.Zone.Report().Pressure.IntervalTicks, 6, 6);
        Assert.InRange(run.Zone.Report().CapInForce.P1, 96, 96);

        run.PerDatagramNs = 1_000_000;
        run.Seconds(40);
        Assert.Equal(PressureLevel.Full, run.Zone.PressureLevel);
        run.Forget();
        run.Seconds(5);
        Assert.InRange(run.LongestGapNs / Ms, 90, 240);
        run.AssertSound();
    }

    // Simulating alone takes longer than a tick: nothing that is sent less helps. The world slows down, and whoever looks on sees a slower world, not a jerking one.
    [Fact]
    public void A_world_that_cannot_keep_pace_runs_slower_and_is_drawn_evenly()
    {
        using var run = new Run(seed: 4);
        run.Seconds(5);
        run.PerTickNs = 35 * Ms;
        run.Seconds(30);
        output.WriteLine($"{run.Figures()}");
        Assert.Equal(PressureLevel.Slow, run.Zone.PressureLevel);
        run.Forget();
        long ticks = run.Zone.Metrics.Ticks;
        run.Seconds(20);
        output.WriteLine($"{run.Figures()}");
        Assert.InRange((run.Zone.Metrics.Ticks - ticks) / 20.0, 23.9, 24.1);
        Assert.Equal(0, run.Behind);
        Assert.InRange(run.Zone.Metrics.TicksGivenUp, 0, 20);
        // 24 of 30 ticks a second: 0.8 of the speed, never a stop and never a jump.
        Assert.InRange(run.RateMin, 0.8 * 0.89, 0.8);
        Assert.InRange(run.RateMax, 0.8, 0.8 * 1.11);
        Assert.InRange(run.StarvedShare, 0, 0.02);
        Assert.Equal(0, run.ClockSteps);

        run.PerTickNs = Ms;
        run.Seconds(60);
        Assert.Equal(PressureLevel.Full, run.Zone.PressureLevel);
        run.Forget();
        run.Seconds(5);
        Assert.InRange(run.RateMin, 0.95, 1);
        Assert.InRange(run.RateMax, 1, 1.05);
        Assert.Equal(0, run.Early);
        run.AssertSound();
    }

    // Three times what it can do: every level is in force, and still ticks are caught up untold, or given up. All the same everyone is told something, and it ends.
    [Theory]
    [InlineData(100, 0)]
    [InlineData(20, 16)]
    public void However_much_it_is_nobody_is_lost_and_it_ends(int perTickMs, int perDatagramMs)
    {
        using var run = new Run(seed: 5);
        run.Seconds(5);
        (run.PerTickNs, run.PerDatagramNs) = (perTickMs * Ms, perDatagramMs * Ms);
        run.Seconds(20);
        run.Forget();
        long ticks = run.Zone.Metrics.Ticks;
        run.Seconds(30);
        output.WriteLine($"{run.Figures()}; {(run.Zone.Metrics.Ticks - ticks) / 30.0:F1} ticks a second");
        Assert.Equal(PressureLevel.Slowest, run.Zone.PressureLevel);
        // What it has time for, it runs: with a third of a snapshot to each in a tick at most every second.
        double tickMs = perTickMs + (perDatagramMs * Clients / 3.0);
        Assert.InRange((run.Zone.Metrics.Ticks - ticks) / 30.0, Math.Min(15, 1_000 / tickMs) * 0.9, 15.1);
        Assert.InRange(run.LongestGapNs / Ms, 300, 1_500);
        (run.PerTickNs, run.PerDatagramNs) = (Ms, Ms / 4);
        run.Seconds(70);
        Assert.Equal(PressureLevel.Full, run.Zone.PressureLevel);
        run.Forget();
        run.Seconds(5);
        Assert.InRange(run.LongestGapNs / Ms, 90, 240);
        Assert.Equal(0, run.Behind);
        run.AssertSound();
    }

    [Fact]
    public void Switched_off_it_gives_nothing_up_but_ticks()
    {
        using var run = new Run(seed: 6, PressureLevel.Full);
        run.PerTickNs = 60 * Ms;
        run.Seconds(20);
        Assert.Equal(PressureLevel.Full, run.Zone.PressureLevel);
        Assert.True(run.Zone.Metrics.TicksGivenUp > 100);
        Assert.All(run.System.Clients, client => Assert.Equal(ClientState.Playing, client.Game.State));
    }

    private sealed class Run : IDisposable
    {
        private readonly Invariants _invariants;
        private readonly double[] _lastTicks = Enumerable.Repeat(double.NaN, Clients).ToArray();
        private readonly long[] _lastSnapshotNs = new long[Clients];
        private readonly long[] _frameNs = new long[Clients];
        private long _datagrams;
        private int _frames;
        private int _starved;

        public Run(ulong seed, PressureLevel levelMax = PressureLevel.Slowest)
        {
            System = new SimulatedSystem(new SimulationOptions
            {
                Seed = seed,
                Clients = Clients,
                Profile = LinkProfile.Get("broadband"),
                Replication = new ReplicationOptions { FixedRate = true },
                Zone = new ZoneOptions { Pressure = new PressureOptions { LevelMax = levelMax } },
            });
            System.Work = Work;
            _invariants = new Invariants(System) { ChecksAge = false };
        }

        public SimulatedSystem System { get; }

        public Zone<TopDownInput> Zone => System.Zone;

        public long PerTickNs { get; set; } = 1 * Ms;

        public long PerDatagramNs { get; set; } = Ms / 4;

        public int Behind { get; private set; }

        public long LongestGapNs { get; private set; }

        public double RateMin { get; private set; }

        public double RateMax { get; private set; }

        public double StarvedShare => _starved / (double)Math.Max(1, _frames);

        public long ClockSteps => System.Clients.Sum(client => client.Game.Stats.ClockSteps);

        public long Early => Zone.Offences().Values.Sum();

        public string Figures()
            => $"level {Zone.PressureLevel}, load {Zone.Metrics.Load:F2}, {Behind} ticks behind, {Zone.Metrics.TicksGivenUp} given up, longest gap {LongestGapNs / Ms} ms, rate {RateMin:F2} to {RateMax:F2}, starved {StarvedShare:P1}, steps {ClockSteps}";

        public void Forget()
        {
            (Behind, LongestGapNs, RateMin, RateMax, _frames, _starved) = (0, 0, double.MaxValue, 0, 0, 0);
            for (int i = 0; i < Clients; i++)
                (_lastTicks[i], _lastSnapshotNs[i]) = (double.NaN, System.Clients[i].LastSnapshotNs);
        }

        public void Seconds(double seconds)
        {
            for (long endNs = System.NowNs + (long)(seconds * 1e9); System.NowNs < endNs;)
            {
                System.RunUntil(Math.Min(endNs, System.NowNs + (5 * Ms)));
                for (int i = 0; i < Clients; i++)
                    Look(i, System.Clients[i]);
                if (System.NowNs / (500 * Ms) != (System.NowNs - (5 * Ms)) / (500 * Ms))
                    _invariants.Check();
            }
        }

        /// <summary>Everybody is still there, nothing was drawn or told wrong, and when all stands still every replica is the truth.</summary>
        public void AssertSound()
        {
            Assert.All(System.Clients, client => Assert.Equal(ClientState.Playing, client.Game.State));
            System.Game.IsFrozen = true;
            Seconds(8);
            Assert.True(_invariants.CompareWithTruth() > 100);
            _invariants.CheckEnd();
            Assert.True(_invariants.Broken.Count == 0, string.Join('\n', _invariants.Broken.Take(10)));
        }

        public void Dispose() => System.Dispose();

        private long Work(bool behind)
        {
            long datagrams = Zone.Metrics.DatagramsOut - _datagrams;
            _datagrams = Zone.Metrics.DatagramsOut;
            Behind += behind ? 1 : 0;
            return PerTickNs + (datagrams * PerDatagramNs);
        }

        private void Look(int index, SimulatedClient client)
        {
            if (client.LastSnapshotNs != _lastSnapshotNs[index])
            {
                if (_lastSnapshotNs[index] > 0)
                    LongestGapNs = Math.Max(LongestGapNs, client.LastSnapshotNs - _lastSnapshotNs[index]);
                _lastSnapshotNs[index] = client.LastSnapshotNs;
            }

            if (client.NextFrameNs == _frameNs[index] || client.Game.Clock is not { IsRunning: true } clock)
                return;
            double tick = clock.PresentationTick, last = _lastTicks[index];
            bool isNext = client.NextFrameNs == _frameNs[index] + SimulatedSystem.FrameNs;
            (_frameNs[index], _lastTicks[index]) = (client.NextFrameNs, tick);
            if (double.IsNaN(last) || !isNext)
                return;
            double rate = (tick - last) * Zone.Options.TickLengthNs / SimulatedSystem.FrameNs;
            (RateMin, RateMax) = (Math.Min(RateMin, rate), Math.Max(RateMax, rate));
            _frames++;
            _starved += Interpolation.TicksSince(tick, client.Game.LastHeader.Tick) > 0 ? 1 : 0;
        }
    }
}
