using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: a snapshot's time is its tick's number; after a hitch many ticks come at once, time jumps, and what walks straight on is drawn
/// wrong. Answer: each tick carries the time it was due, and the client's clock follows the packet that travelled best (architecture, Time).
/// Method: one player walks straight, another looks on, and the server stands still for 200 ms, at every tick of a snapshot interval and three places of a tick. Drawn is compared,
/// frame by frame, with where the walker was at the time that is drawn, and with the way of a frame. The stand-in takes the newest tick for the time.
/// </summary>
public sealed class Fault07Tests(ITestOutputHelper output)
{
    private const double DelayTicks = 5;
    private const int Speed = 683;

    private static readonly LinkProfile Link = new() { Name = "steady", DelayNs = 30_000_000 };

    [Fact]
    public void Fault07_a_straight_walker_is_drawn_right_through_a_stall_of_200_ms()
    {
        (double on, double off) = (0, 0);
        (_, double offWithoutStall) = Wrong(ticks: 0, stallNs: 0);
        for (int ticks = 0; ticks < 3; ticks++)
        {
            foreach (double share in (double[])[0.1, 0.5, 0.9])
            {
                (double wrong, double wrongByTickCount) = Wrong(ticks, 200_000_000 + (long)(share * SimulatedSystem.FrameNs));
                on = Math.Max(on, wrong);
                off = Math.Max(off, wrongByTickCount);
            }
        }

        output.WriteLine($"on (due times): at most {on:F3} units off; off (time is the newest tick): at most {off:F3} units off, {offWithoutStall:F3} without a stall");
        Assert.True(on < 0.1);
        Assert.True(off > 0.1);
        Assert.True(offWithoutStall < 0.1);
    }

    private static (double Units, double ByTickCount) Wrong(int ticks, long stallNs)
    {
        var input = new TopDownInput(new Intent(0, Intent.MagnitudeMax), 0);
        bool walks = false;
        using var system = new SimulatedSystem(new SimulationOptions
        {
            Seed = 7,
            Clients = 2,
            Profile = Link,
            Replication = new ReplicationOptions { FixedRate = true },
            Game = seed => new MeadowGame(seed, hasStock: false),
            Input = client => client == 0 && walks ? input : TopDownInput.Neutral,
        });
        system.RunSeconds(2);
        PutOnOpenGround(system);
        system.RunSeconds(1);
        walks = true;
        system.RunSeconds(3);
        var picture = new Picture(system);
        picture.WatchUntil(((system.NowNs / system.TickNs) + 30 + ticks) * system.TickNs);
        system.StallUntilNs = system.NowNs + stallNs;
        return picture.WatchUntil(system.NowNs + 3_000_000_000);
    }

    // Room to walk straight: 80 free tiles in a row, one beside them on either side.
    private static void PutOnOpenGround(SimulatedSystem system)
    {
        const int Length = 80;
        WorldState world = system.Zone.World;
        (int X, int Y) start = (from y in Enumerable.Range(100, 300)
                                from x in Enumerable.Range(100, 200)
                                where !Enumerable.Range(0, 3 * Length).Any(i => world.Tiles.Blocks(x + (i % Length), y - 1 + (i / Length)))
                                select (x, y)).First();
        foreach (int row in system.Game.RowOfPeer.Values)
            world.Teleport(row, (start.X + 2) * Units.One, (start.Y * Units.One) + (Units.One / 2));
    }

    // Looks at the walker once a frame: by the client's own clock, and by the stand-in's.
    private sealed class Picture
    {
        private const long StepNs = 1_000_000;

        private readonly SimulatedSystem _system;
        private readonly SimulatedClient _eye;
        private readonly EntityId _walker;
        private readonly Tick _startTick;
        private readonly double _startX;
        private Tick _newest;
        private long _arrivalNs;

        public Picture(SimulatedSystem system)
        {
            _system = system;
            _eye = system.Clients[1];
            _walker = system.Clients[0].Game.Avatar;
            _startTick = system.Zone.Tick;
            Assert.True(system.Zone.World.TryFind(_walker, out int row));
            _startX = Units.ToDouble(system.Zone.World.X[row]);
            (_newest, _arrivalNs) = (_eye.Game.LastHeader.Tick, system.NowNs);
        }

        public (double Units, double ByTickCount) WatchUntil(long endNs)
        {
            ReplicaWorld world = _eye.Game.World!;
            Drawing own = new(this), byTickCount = new(this);
            long frameNs = _eye.NextFrameNs;
            while (_system.NowNs < endNs)
            {
                _system.RunUntil(Math.Min(_system.NowNs + StepNs, endNs));
                if (_eye.Game.LastHeader.Tick > _newest)
                    (_newest, _arrivalNs) = (_eye.Game.LastHeader.Tick, _system.NowNs);
                if (_eye.NextFrameNs == frameNs)
                    continue;
                Assert.True(world.Sample(_walker, out SampledEntity drawn));
                own.Look(drawn.X, world.PresentationTick);
                double tick = _newest.Value + ((frameNs - _arrivalNs) / (double)_system.TickNs) - DelayTicks;
                Assert.True(world.SampleAt(_walker, tick, out drawn));
                byTickCount.Look(drawn.X, tick);
                frameNs = _eye.NextFrameNs;
            }

            return (own.Wrong, byTickCount.Wrong);
        }

        // Two ways to be wrong: not where the walker was at the time that is drawn, and a time that does not flow: a frame's way that is not a frame's.
        private sealed class Drawing(Picture picture)
        {
            private double _lastX = double.NaN;

            public double Wrong { get; private set; }

            public void Look(double x, double tick)
            {
                double unitsPerTick = Speed / (double)Units.One;
                double place = x - picture._startX - (unitsPerTick * Interpolation.TicksSince(tick, picture._startTick));
                double way = double.IsNaN(_lastX) ? 0 : x - _lastX - (unitsPerTick * SimulatedSystem.FrameNs / picture._system.TickNs);
                Wrong = Math.Max(Wrong, Math.Max(Math.Abs(place), Math.Abs(way)));
                _lastX = x;
            }
        }
    }
}
