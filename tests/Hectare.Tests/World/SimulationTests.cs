using System.Diagnostics;
using System.Globalization;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.World;

/// <summary>Goal: many walkers among walls and rocks stay out of both, alike in every run, at a cost that follows their number.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int One = Units.One;

    [Fact]
    public void Nobody_is_ever_in_a_wall_or_a_rock()
    {
        var crowd = new Crowd(seed: 21, walkers: 500, rocks: 500, extentUnits: 128);
        var found = new Body[1];
        int moved = 0;
        for (int tick = 0; tick < 300; tick++)
        {
            crowd.Step();
            foreach (int row in crowd.Walkers)
            {
                Assert.False(Collide.Overlaps(crowd.World.Ground, crowd.World.X[row], crowd.World.Y[row], Crowd.Radius));
                Assert.Equal(0, crowd.World.BodiesNear(row, crowd.World.X[row], crowd.World.Y[row], Crowd.Radius, found));
                moved += crowd.World.X[row] != crowd.World.PreviousX[row] ? 1 : 0;
            }

            crowd.World.EndTick();
        }

        Assert.True(moved > 100_000);
    }

    [Fact]
    public void Two_runs_of_one_seed_are_one_world_and_another_seed_is_another()
    {
        Assert.Equal(Run(1), Run(1));
        Assert.NotEqual(Run(1), Run(2));

        static ulong Run(ulong seed)
        {
            var crowd = new Crowd(seed, walkers: 400, rocks: 200, extentUnits: 128);
            ulong hash = 0;
            for (int tick = 0; tick < 200; tick++)
            {
                crowd.Step();
                crowd.World.EndTick();
                hash = (hash * 31) + crowd.World.StateHash();
            }

            return hash;
        }
    }

    [Fact]
    public void The_order_of_walkers_changes_nothing()
    {
        var forward = new Crowd(seed: 4, walkers: 300, rocks: 100, extentUnits: 64);
        var backward = new Crowd(seed: 4, walkers: 300, rocks: 100, extentUnits: 64);
        for (int tick = 0; tick < 100; tick++)
        {
            forward.Step();
            backward.Step(backwards: true);
            forward.World.EndTick();
            backward.World.EndTick();
        }

        Assert.Equal(forward.World.StateHash(), backward.World.StateHash());
    }

    [Fact]
    public void A_rock_that_rolls_is_in_nobodys_way_until_it_rests()
    {
        var builder = new SchemaBuilder(64, 14);
        builder.Kind("walker").Motion(683).Body(BodyRole.Walks, 1434);
        builder.Kind("barrel").Motion(683).Body(BodyRole.Blocks, 1434);
        Schema schema = builder.Build();
        var world = new WorldState(schema, TileMap.Open(64, 64), capacity: 4);
        int walker = world.Spawn(schema["walker"], 10 * One, 10 * One), barrel = world.Spawn(schema["barrel"], 11 * One, 10 * One);
        world.EndTick();
        Assert.Equal(1, world.BodiesNear(walker, 10 * One, 10 * One, 3 * One, new Body[4]));
        Assert.Equal(0, world.BodiesNear(barrel, 11 * One, 10 * One, 3 * One, new Body[4]));
        world.MoveTo(barrel, 11 * One, (10 * One) + 683, new Intent(64, 15));
        Assert.Equal(0, world.BodiesNear(walker, 10 * One, 10 * One, 3 * One, new Body[4]));
        world.MoveTo(barrel, 30 * One, 30 * One, new Intent(64, 15));
        world.EndTick();
        Assert.Equal(0, world.BodiesNear(walker, 10 * One, 10 * One, 3 * One, new Body[4]));
        Assert.Equal(1, world.BodiesNear(walker, 30 * One, 30 * One, One, new Body[4]));
        world.Destroy(barrel);
        Assert.Equal(0, world.BodiesNear(walker, 30 * One, 30 * One, One, new Body[4]));
    }

    [Fact]
    public void Fifty_thousand_movers_step_well_within_a_tick()
    {
        var crowd = new Crowd(seed: 5, walkers: 50_000, rocks: 10_000, extentUnits: 2048);
        double[] stepMs = new double[61];
        for (int tick = 0; tick < stepMs.Length; tick++)
        {
            crowd.Turn();
            long start = Stopwatch.GetTimestamp();
            crowd.Walk();
            crowd.World.EndTick();
            stepMs[tick] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        // The fastest is asserted: the others hold what else this machine does.
        Array.Sort(stepMs);
        double median = stepMs[stepMs.Length / 2];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"50,000 movers: median {median:F2} ms a step, {median * 20:F0} ns each, fastest {stepMs[0]:F2} ms"));
        Assert.True(stepMs[0] < 33, $"{stepMs[0]} ms");
    }

    [Fact]
    public void A_steady_step_allocates_nothing()
    {
        var crowd = new Crowd(seed: 6, walkers: 2_000, rocks: 2_000, extentUnits: 512);
        for (int tick = 0; tick < 300; tick++)
            Tick(crowd);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int tick = 0; tick < 300; tick++)
            Tick(crowd);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        // With somebody coming and somebody going in every tick.
        static void Tick(Crowd crowd)
        {
            crowd.Step();
            crowd.Replace();
            crowd.World.EndTick();
        }
    }

    private sealed class Crowd
    {
        public const int Radius = 1434;

        private readonly TopDownMovement _movement;
        private readonly TopDownInput[] _inputs;
        private readonly int _side;
        private SeededRandom _random;

        public Crowd(ulong seed, int walkers, int rocks, int extentUnits)
        {
            var builder = new SchemaBuilder(extentUnits, 14);
            builder.Kind("walker").Motion(683).Body(BodyRole.Walks, Radius).Group("look").Enum("mood", 3);
            builder.Kind("rock").Body(BodyRole.Blocks, 1638).Group("place").Position2();
            Schema schema = builder.Build();
            _random = new SeededRandom(seed);
            _side = extentUnits * One;
            byte[] tiles = new byte[extentUnits * extentUnits];
            for (int i = 0; i < tiles.Length; i++)
                tiles[i] = (byte)(_random.Next(0, 20) == 0 ? 1 : 0);
            World = new WorldState(schema, new TileMap(extentUnits, extentUnits, tiles));
            for (int i = 0; i < rocks; i++)
                World.Spawn(schema["rock"], _random.Next(0, _side), _random.Next(0, _side));
            Walkers = new int[walkers];
            _inputs = new TopDownInput[walkers];
            _movement = new TopDownMovement(schema["walker"]);
            for (int i = 0; i < walkers; i++)
            {
                Walkers[i] = SpawnWalker();
                _inputs[i] = new TopDownInput(new Intent((byte)_random.Next(0, 256), 15), 0);
            }

            World.EndTick();
        }

        public WorldState World { get; }

        public int[] Walkers { get; }

        public void Step(bool backwards = false)
        {
            Turn();
            if (!backwards)
            {
                Walk();
                return;
            }

            for (int i = Walkers.Length - 1; i >= 0; i--)
                Simulation.Walk(World, in _movement, Walkers[i], in _inputs[i]);
        }

        public void Turn()
        {
            for (int i = 0; i < _inputs.Length; i++)
            {
                if (_random.Next(0, 30) == 0)
                    _inputs[i] = new TopDownInput(new Intent((byte)_random.Next(0, 256), 15), 0);
            }
        }

        public void Walk() => Simulation.Step(World, in _movement, Walkers, _inputs);

        public void Replace()
        {
            int i = _random.Next(0, Walkers.Length);
            World.Destroy(Walkers[i]);
            Walkers[i] = SpawnWalker();
        }

        private int SpawnWalker()
        {
            var found = new Body();
            int x, y;
            do
                (x, y) = (_random.Next(0, _side), _random.Next(0, _side));
            while (Collide.Overlaps(World.Ground, x, y, Radius) || World.BodiesNear(-1, x, y, Radius, new Span<Body>(ref found)) > 0);
            return World.Spawn(World.Schema.Kinds[0], x, y);
        }
    }
}
