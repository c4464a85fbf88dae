using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Scenarios;

/// <summary>The zone's tick thread stands still for a while and catches up, under real clients and real links.</summary>
/// <remarks>Goal: nobody notices more than news that comes later. Method: one player walks straight on, one turns once, at some tick before, in or after the stall; a third looks on.
/// What it draws is compared, frame by frame, with where the zone's world had both at the very tick that is drawn; truth is copied from the world after every tick.</remarks>
public sealed class StallTests(ITestOutputHelper output)
{
    private const long Ms = 1_000_000;
    private const long StallNs = 200 * Ms;
    private const double WrongUnits = 0.1;

    [Theory]
    [InlineData("lan", 0.3)]
    [InlineData("broadband", 25)]
    [InlineData("audit-5pct", 120)]
    public void A_stall_of_200_ms_is_news_that_comes_later_and_nothing_else(string profile, double oneWayMs)
    {
        double mostLateMs = 0;
        int late = 0;
        for (int turn = -6; turn <= 7; turn++)
        {
            for (int startTicks = 0; startTicks < 3; startTicks++)
            {
                using var run = new Run(profile, seed: 40, turn, startTicks);
                run.Stall(StallNs);
                // Those that fell due meanwhile are all run and published; the last alone is told.
                Assert.InRange(run.CaughtUp, 6, 7);
                Assert.Equal(0, run.Zone.Metrics.TicksGivenUp);
                Assert.Equal(run.CaughtUp, run.PublishedAtOnce);
                Assert.Equal(1, run.WrittenAtOnce);
                AssertFlows(run);

                (int compared, int wrong) = run.StraightWrong();
                Assert.True(compared > 110);
                Assert.Equal(0, wrong);

                // A packet that was lost makes its news later by an interval.
                (long lateNs, long wrongNs) = run.Turn();
                long losses = profile == "audit-5pct" ? 2 * run.IntervalNs : 0;
                long boundNs = StallNs + run.IntervalNs + (long)(oneWayMs * Ms) - run.DelayNs + losses;
                Assert.InRange(lateNs, 0, boundNs + SimulatedSystem.FrameNs);
                // What was known late is drawn right once its offset has decayed.
                Assert.InRange(wrongNs, 0, lateNs + (lateNs > 0 ? 250 * Ms : SimulatedSystem.FrameNs));
                late += lateNs > 0 ? 1 : 0;
                mostLateMs = Math.Max(mostLateMs, lateNs / 1e6);
                if (lateNs > 0 && startTicks == 0)
                    output.WriteLine($"{profile}, turn {turn} ticks after the stall began: known {lateNs / 1e6:F0} ms late, bound {boundNs / 1e6:F0}; wrong for {wrongNs / 1e6:F0} ms; delay {run.DelayNs / 1e6:F0} ms");
            }
        }

        output.WriteLine($"{profile}: {late} of 42 turns late, by {mostLateMs:F0} ms at most");
        Assert.True(late > 3);
    }

    // 600 ms are 18 ticks: the last ten are run, as the options say, and the others never were.
    [Fact]
    public void Of_a_longer_stall_ten_ticks_are_caught_up_and_the_others_given_up()
    {
        using var run = new Run("broadband", seed: 41, turnTicks: 60, startTicks: 0);
        run.Stall(600 * Ms);
        Assert.Equal(10, run.CaughtUp);
        Assert.InRange(run.Zone.Metrics.TicksGivenUp, 8, 9);
        Assert.Equal(10, run.PublishedAtOnce);
        Assert.Equal(1, run.WrittenAtOnce);
        AssertFlows(run);
        Assert.Equal(0, run.Turn().LateNs);
    }

    private static void AssertFlows(Run run)
    {
        Assert.All(run.Clients, client => Assert.Equal(ClientState.Playing, client.Game.State));
        Assert.Equal(0, run.ClockSteps);
        // Time flows at 0.9 to 1.1: it neither jumps nor runs back, whatever comes late.
        Assert.InRange(run.RateMin, run.Zone.Metrics.TicksGivenUp > 0 ? 0 : 0.899, 1.0);
        Assert.InRange(run.RateMax, 1.0, 1.101);
    }

    private sealed class Run : IDisposable
    {
        private const double UnitsPerTick = 683 / (double)Units.One;

        private readonly SimulatedSystem _system;
        private readonly Dictionary<uint, Dictionary<uint, (double X, double Y)>> _truth = [];
        private readonly List<Frame> _frames = [];
        private readonly EntityId _straight;
        private readonly EntityId _turner;
        private readonly int _turnTicks;
        private readonly int _startTicks;
        private readonly bool _walks;
        private bool _turns;
        private long _turnNs = long.MaxValue;

        public Run(string profile, ulong seed, int turnTicks, int startTicks)
        {
            (_turnTicks, _startTicks) = (turnTicks, startTicks);
            var east = new TopDownInput(new Intent(0, Intent.MagnitudeMax), 0);
            var south = new TopDownInput(new Intent(64, Intent.MagnitudeMax), 0);
            _system = new SimulatedSystem(new SimulationOptions
            {
                Seed = seed,
                Clients = 3,
                Profile = LinkProfile.Get(profile),
                Replication = new ReplicationOptions { FixedRate = true },
                Game = gameSeed => new MeadowGame(gameSeed, hasStock: false),
                Input = client => !_walks || client == 2 ? TopDownInput.Neutral : client == 1 && _turns ? south : east,
            });
            _system.Published = Remember;
            _system.Written = () => WrittenAtOnce++;
            _system.RunSeconds(3);
            PutOnOpenGround();
            _straight = Clients[0].Game.Avatar;
            _turner = Clients[1].Game.Avatar;
            _system.RunSeconds(1);
            _walks = true;
            _system.RunSeconds(2);
        }

        public Zone<TopDownInput> Zone => _system.Zone;

        public List<SimulatedClient> Clients => _system.Clients;

        public long IntervalNs => Zone.Options.Replication.SnapshotIntervalTicks * _system.TickNs;

        public long CaughtUp { get; private set; }

        public int PublishedAtOnce { get; private set; }

        public int WrittenAtOnce { get; private set; }

        public long DelayNs { get; private set; }

        public double RateMin { get; private set; } = double.MaxValue;

        public double RateMax { get; private set; }

        public long ClockSteps => Clients.Sum(client => client.Game.Stats.ClockSteps);

        private SimulatedClient Eye => Clients[2];

        /// <summary>Watches for a second, stands still for so long, and watches for three more.</summary>
        public void Stall(long stallNs)
        {
            // Just after a tick.
            long startNs = ((_system.NowNs / _system.TickNs) + 30 + _startTicks) * _system.TickNs + Ms;
            _turnNs = startNs + (_turnTicks * _system.TickNs);
            Watch(startNs);
            DelayNs = Eye.Game.Clock!.DelayNs;
            _system.StallUntilNs = startNs + stallNs;
            Watch(_system.StallUntilNs - 1);
            long ticks = Zone.Metrics.Ticks;
            (PublishedAtOnce, WrittenAtOnce) = (0, 0);
            Watch(_system.StallUntilNs);
            CaughtUp = Zone.Metrics.Ticks - ticks;
            int published = PublishedAtOnce, written = WrittenAtOnce;
            Watch(startNs + stallNs + (3_000 * Ms));
            (PublishedAtOnce, WrittenAtOnce) = (published, written);
        }

        /// <summary>Frames in which the one that walks straight on was drawn where it was not.</summary>
        public (int Compared, int Wrong) StraightWrong()
        {
            (int compared, int wrong) = (0, 0);
            foreach (Frame frame in _frames)
            {
                if (!TryTruth(_straight, frame.Tick, out (double X, double Y) truth))
                    continue;
                compared++;
                wrong += Distance(frame.Straight, truth) > WrongUnits ? 1 : 0;
            }

            return (compared, wrong);
        }

        /// <summary>How long the turn was in the picture and not known; and how long it was drawn wrong.</summary>
        public (long LateNs, long WrongNs) Turn()
        {
            uint turn = _truth.Keys.Where(tick => _truth.ContainsKey(tick - 1)).Order().First(tick => tick > _frames[0].Tick && HasTurned(tick));
            long lateNs = 0, wrongNs = 0;
            foreach (Frame frame in _frames.Where(frame => frame.Tick >= turn))
            {
                // A version starts at the tick before the departure.
                lateNs += frame.Known.Value + 1 < turn ? SimulatedSystem.FrameNs : 0;
                if (TryTruth(_turner, frame.Tick, out (double X, double Y) truth))
                    wrongNs += Distance(frame.Turner, truth) > WrongUnits ? SimulatedSystem.FrameNs : 0;
            }

            return (lateNs, wrongNs);
        }

        public void Dispose() => _system.Dispose();

        private bool HasTurned(uint tick) => _truth[tick][_turner.Value].X - _truth[tick - 1][_turner.Value].X < UnitsPerTick / 2;

        private void Watch(long endNs)
        {
            for (long frameNs = Eye.NextFrameNs; _system.NowNs < endNs;)
            {
                _system.RunUntil(Math.Min(_system.NowNs + Ms, endNs));
                _turns |= _system.NowNs >= _turnNs;
                if (Eye.NextFrameNs == frameNs)
                    continue;
                frameNs = Eye.NextFrameNs;
                Look();
            }
        }

        private void Look()
        {
            double tick = Eye.Game.Clock!.PresentationTick;
            if (_frames.Count > 0)
            {
                double rate = (tick - _frames[^1].Tick) * _system.TickNs / SimulatedSystem.FrameNs;
                (RateMin, RateMax) = (Math.Min(RateMin, rate), Math.Max(RateMax, rate));
            }

            Assert.True(Eye.Game.World!.TryGetMotion(_turner, out PublishedMotion motion));
            _frames.Add(new Frame(tick, Drawn(_straight), Drawn(_turner), motion.T0));
        }

        private (double X, double Y) Drawn(EntityId id)
        {
            Assert.True(Eye.Game.World!.Sample(id, out SampledEntity drawn));
            return (drawn.X, drawn.Y);
        }

        // Where the world had it at the tick that was drawn; between two ticks all walk evenly.
        private bool TryTruth(EntityId id, double tick, out (double X, double Y) truth)
        {
            uint before = (uint)Math.Floor(tick);
            truth = default;
            if (!_truth.TryGetValue(before, out Dictionary<uint, (double X, double Y)>? from) || !_truth.TryGetValue(before + 1, out Dictionary<uint, (double X, double Y)>? to))
                return false;
            double share = tick - before;
            truth = (from[id.Value].X + ((to[id.Value].X - from[id.Value].X) * share), from[id.Value].Y + ((to[id.Value].Y - from[id.Value].Y) * share));
            return true;
        }

        private static double Distance((double X, double Y) drawn, (double X, double Y) truth)
            => Math.Sqrt(((drawn.X - truth.X) * (drawn.X - truth.X)) + ((drawn.Y - truth.Y) * (drawn.Y - truth.Y)));

        private void Remember()
        {
            PublishedAtOnce++;
            WorldState world = Zone.World;
            var places = new Dictionary<uint, (double X, double Y)>();
            foreach (int row in _system.Game.RowOfPeer.Values)
                places[world.Id[row]] = (Units.ToDouble(world.X[row]), Units.ToDouble(world.Y[row]));
            _truth[Zone.Tick.Value] = places;
        }

        // Room to walk straight and to turn.
        private void PutOnOpenGround()
        {
            const int Length = 44, TurnFrom = 12, TurnWidth = 10, TurnLength = 20;
            WorldState world = Zone.World;
            (int X, int Y) start = (from y in Enumerable.Range(20, 440)
                                    from x in Enumerable.Range(20, 440)
                                    where !Enumerable.Range(0, Length * 3).Any(i => world.Tiles.Blocks(x + (i % Length), y - 1 + (i / Length)))
                                    where !Enumerable.Range(0, TurnWidth * TurnLength).Any(i => world.Tiles.Blocks(x + TurnFrom + (i % TurnWidth), y + (i / TurnWidth)))
                                    select (x, y)).First();
            foreach (int row in _system.Game.RowOfPeer.Values)
                world.Teleport(row, (start.X + 2) * Units.One, (start.Y * Units.One) + (Units.One / 2));
        }

        private readonly record struct Frame(double Tick, (double X, double Y) Straight, (double X, double Y) Turner, Tick Known);
    }
}
