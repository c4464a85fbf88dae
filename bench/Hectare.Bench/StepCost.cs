using System.Globalization;
using System.Text.Json;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Bench;

/// <summary>What it costs to move 50,000 walkers on by one tick: the rule, walls, bodies at rest, grid and events. Thread CPU time of each tick.</summary>
/// <remarks>2,048 x 2,048 units, a wall on every twentieth tile, 10,000 rocks; each walker turns about once a second. Drawing who turns is not in the figure.</remarks>
internal static class StepCost
{
    /// <summary>The median of a tick is to be at most this.</summary>
    public const double TargetMs = 8;

    private const int Walkers = 50_000;
    private const int Rocks = 10_000;
    private const int ExtentUnits = 2_048;
    private const int WalkerRadius = 1_434;
    private const int RockRadius = 1_638;
    private const int SpeedPerTick = 683;      // 5 units a second at 30 ticks
    private const int WallOneIn = 20;
    private const int TurnOneIn = 30;
    private const int WarmUpTicks = 60;
    private const int Ticks = 300;
    private static readonly JsonSerializerOptions JsonOptions = new() { WriteIndented = true };

    /// <summary>Measures. 0 when the median tick took at most <paramref name="atMostMs"/>.</summary>
    public static int Run(TextWriter output, string? jsonFile, double atMostMs)
    {
        var crowd = new Walking(seed: 5);
        long moved = 0;
        double[] tickMs = new double[Ticks];
        for (int tick = -WarmUpTicks; tick < Ticks; tick++)
        {
            crowd.Turn();
            long before = ThreadClock.NowNs();
            crowd.Walk();
            long walked = ThreadClock.NowNs();
            moved += crowd.CountMoved();
            long counted = ThreadClock.NowNs();
            crowd.World.EndTick();
            if (tick >= 0)
                tickMs[tick] = (walked - before + ThreadClock.NowNs() - counted) / 1e6;
        }

        // Walkers who stand before walls cost less than those who walk: a figure of a stuck crowd would say nothing.
        double movedShare = moved / (double)(WarmUpTicks + Ticks) / Walkers;
        double pairsPerWalker = crowd.World.PairsTested / (double)(WarmUpTicks + Ticks) / Walkers;
        Array.Sort(tickMs);
        double median = tickMs[Ticks / 2], p99 = tickMs[Ticks * 99 / 100];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Walkers:N0} walkers, {Rocks:N0} rocks: {median:F2} ms a tick (median of {Ticks}, thread CPU time), p99 {p99:F2}, least {tickMs[0]:F2}; {median * 1e6 / Walkers:F0} ns each"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100 * movedShare:F1} % moved in a tick, {pairsPerWalker:F2} bodies looked at for each"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"target: at most {TargetMs:F0} ms; allowed here: {atMostMs:F2} ms"));
        if (jsonFile is not null)
        {
            File.WriteAllText(jsonFile, JsonSerializer.Serialize(
                new { walkers = Walkers, rocks = Rocks, ticks = Ticks, medianMs = median, p99Ms = p99, leastMs = tickMs[0], nsPerWalker = median * 1e6 / Walkers, movedShare, pairsPerWalker, targetMs = TargetMs },
                JsonOptions) + "\n");
        }

        return median <= atMostMs && movedShare > 0.5 ? 0 : 1;
    }

    /// <summary>The world and who walks in it.</summary>
    private sealed class Walking
    {
        private readonly TopDownMovement _movement;
        private readonly int[] _rows = new int[Walkers];
        private readonly TopDownInput[] _inputs = new TopDownInput[Walkers];
        private SeededRandom _random;

        public Walking(ulong seed)
        {
            var builder = new SchemaBuilder(ExtentUnits, 16);
            builder.Kind("walker").Motion(SpeedPerTick).Body(BodyRole.Walks, WalkerRadius);
            builder.Kind("rock").Body(BodyRole.Blocks, RockRadius).Group("place").Position2();
            Schema schema = builder.Build();
            _random = new SeededRandom(seed);
            byte[] tiles = new byte[ExtentUnits * ExtentUnits];
            for (int i = 0; i < tiles.Length; i++)
                tiles[i] = _random.Next(0, WallOneIn) == 0 ? TileMap.BlocksBit : (byte)0;
            World = new WorldState(schema, new TileMap(ExtentUnits, ExtentUnits, tiles));
            for (int i = 0; i < Rocks; i++)
                World.Spawn(schema["rock"], Anywhere(), Anywhere());
            _movement = new TopDownMovement(schema["walker"]);
            for (int i = 0; i < Walkers; i++)
            {
                _rows[i] = SpawnWalker(schema["walker"]);
                _inputs[i] = AnyWay();
            }

            World.EndTick();
        }

        public WorldState World { get; }

        public void Turn()
        {
            for (int i = 0; i < Walkers; i++)
            {
                if (_random.Next(0, TurnOneIn) == 0)
                    _inputs[i] = AnyWay();
            }
        }

        public void Walk() => Simulation.Step(World, in _movement, _rows, _inputs);

        public int CountMoved()
        {
            int moved = 0;
            foreach (int row in _rows)
                moved += World.X[row] != World.PreviousX[row] || World.Y[row] != World.PreviousY[row] ? 1 : 0;
            return moved;
        }

        private TopDownInput AnyWay() => new(new Intent((byte)_random.Next(0, Directions.Count), Intent.MagnitudeMax), 0);

        private int Anywhere() => _random.Next(0, ExtentUnits * Units.One);

        private int SpawnWalker(Kind walker)
        {
            var found = default(Body);
            while (true)
            {
                (int x, int y) = (Anywhere(), Anywhere());
                if (!Collide.Overlaps(World.Ground, x, y, WalkerRadius) && World.BodiesNear(-1, x, y, WalkerRadius, new Span<Body>(ref found)) == 0)
                    return World.Spawn(walker, x, y);
            }
        }
    }
}
