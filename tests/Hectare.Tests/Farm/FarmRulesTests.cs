using System.Diagnostics;
using System.Globalization;
using System.Text;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.Farm;

/// <summary>Goal: the demo world is what its constants say, tick after tick, and the same for the same seed and inputs.</summary>
public sealed class FarmRulesTests(ITestOutputHelper output)
{
    private const int One = Units.One;
    private static readonly TileMap Map = FarmMap.Generate(1);

    [Fact]
    public void The_population_is_what_the_options_say_and_stands_on_free_ground()
    {
        var farm = new Field(new FarmOptions());
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        var tiles = new HashSet<(int, int)>();
        for (int row = 0; row < farm.World.RowLimit; row++)
        {
            Kind kind = farm.World.KindOf(row);
            counts[kind.Name] = counts.GetValueOrDefault(kind.Name) + 1;
            Assert.False(farm.World.Ground.Blocks(farm.World.X[row] >> 12, farm.World.Y[row] >> 12));
            if (!kind.HasMotion)
                Assert.True(tiles.Add((farm.World.X[row] >> 12, farm.World.Y[row] >> 12)), "two things on one tile");
        }

        Assert.Equal(new Dictionary<string, int>(StringComparer.Ordinal) { ["crop"] = 30_000, ["tree"] = 10_000, ["crate"] = 500, ["animal"] = 2_000 }, counts);
        Assert.True(farm.World.Capacity - farm.World.Count >= 10_000, "room for the players");
    }

    [Fact]
    public void One_percent_of_the_plants_change_in_a_second_evenly_in_time_and_over_the_map()
    {
        var farm = new Field(new FarmOptions { Animals = 0 });
        int[] quarters = new int[4];
        int total = 0;
        for (int tick = 0; tick < 30 * 60; tick++)
        {
            farm.Rules.Step(farm.World, []);
            Assert.InRange(farm.World.DirtyRows.Length, 13, 14);
            total += farm.World.DirtyRows.Length;
            foreach (int row in farm.World.DirtyRows)
                quarters[(farm.World.X[row] >> 22) | ((farm.World.Y[row] >> 22) << 1)]++;
            farm.World.EndTick();
        }

        Assert.Equal(400 * 60, total);
        Assert.All(quarters, count => Assert.InRange(count, 5_700, 6_300));
    }

    [Fact]
    public void Animals_turn_three_times_in_ten_seconds_and_walk_at_their_speed()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0 });
        Kind animal = farm.Schema.Animal;
        int turns = 0, steps = 0, walking = 0;
        ushort[] before = new ushort[farm.World.Capacity];
        for (int tick = 0; tick < 300; tick++)
        {
            farm.Rules.Step(farm.World, []);
            for (int row = 0; row < farm.World.RowLimit; row++)
            {
                turns += tick > 0 && farm.World.IntentCode[row] != before[row] ? 1 : 0;
                before[row] = farm.World.IntentCode[row];
                walking += before[row] == 0 ? 0 : 1;
                steps++;
                (int x, int y) = new Intent(before[row]).Velocity(animal.Speeds[0]);
                int moved = Math.Abs(farm.World.X[row] - farm.World.PreviousX[row]) + Math.Abs(farm.World.Y[row] - farm.World.PreviousY[row]);
                Assert.InRange(moved, 0, (Math.Abs(x) + Math.Abs(y)) * 2);
                Assert.False(Collide.Overlaps(farm.World.Ground, farm.World.X[row], farm.World.Y[row], animal.Radius));
            }

            farm.World.EndTick();
        }

        Assert.Equal(205, animal.Speeds[0]);
        Assert.InRange(turns / 2_000.0 / 10, 0.28, 0.32);
        Assert.InRange(walking / (double)steps, 0.7, 0.9);
    }

    [Fact]
    public void Players_start_on_free_ground_and_walk_five_units_a_second()
    {
        var farm = new Field(new FarmOptions { Animals = 0 });
        farm.Join(200);
        var distances = new List<double>();
        int[] startX = [.. farm.Players.Select(row => farm.World.X[row])], startY = [.. farm.Players.Select(row => farm.World.Y[row])];
        for (int i = 0; i < farm.Players.Count; i++)
            Assert.False(Collide.Overlaps(farm.World.Ground, startX[i], startY[i], farm.Schema.Player.Radius));
        for (int tick = 0; tick < 30; tick++)
            farm.Step(_ => new TopDownInput(new Intent(0, 15), 0));
        for (int i = 0; i < farm.Players.Count; i++)
            distances.Add(Units.ToDouble(farm.World.X[farm.Players[i]] - startX[i]));
        distances.Sort();
        Assert.Equal(683 * 30 / 4096.0, distances[^1], 9);
        Assert.Equal(distances[^1], distances[100], 9);
    }

    [Fact]
    public void Two_inputs_in_one_tick_move_nobody_twice_as_far()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 }, TileMap.Open(2048, 2048));
        farm.Join(2);
        var east = new TopDownInput(new Intent(0, 15), 0);
        (int once, int twice) = (farm.Players[0], farm.Players[1]);
        farm.Rules.Warp(farm.World, once, 100 * One, 100 * One);
        farm.Rules.Warp(farm.World, twice, 100 * One, 200 * One);
        for (int tick = 0; tick < 60; tick++)
        {
            farm.Rules.Step(farm.World, [new(once, east), new(twice, east), new(twice, east)]);
            farm.World.EndTick();
        }

        Assert.Equal(farm.World.X[once], farm.World.X[twice]);
        Assert.Equal((100 * One) + (60 * 683), farm.World.X[once]);
    }

    [Fact]
    public void Players_and_crops_are_in_nobodys_way_but_trees_and_crates_are()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 }, TileMap.Open(2048, 2048));
        farm.Join(2);
        int walker = farm.Players[0], other = farm.Players[1];
        Assert.InRange(WalkPast(null), 20, 20.1);
        farm.Rules.Warp(farm.World, other, 110 * One, 100 * One);
        Assert.InRange(WalkPast(null), 20, 20.1);
        Assert.InRange(WalkPast(farm.Schema.Crop), 20, 20.1);
        Assert.InRange(WalkPast(farm.Schema.Tree), 9.2, 9.3);
        Assert.InRange(WalkPast(farm.Schema.Crate), 9.1, 9.2);

        // Straight at what stands 10 units ahead: how far it came, units.
        double WalkPast(Kind? obstacle)
        {
            farm.Rules.Warp(farm.World, walker, 100 * One, 100 * One);
            int row = obstacle is null ? -1 : farm.World.Spawn(obstacle, 110 * One, 100 * One);
            for (int tick = 0; tick < 120; tick++)
                farm.Step(player => player == walker ? new TopDownInput(new Intent(0, 15), 0) : TopDownInput.Neutral);
            if (row >= 0)
                farm.World.Destroy(row);
            farm.World.EndTick();
            return Units.ToDouble(farm.World.X[walker] - (100 * One));
        }
    }

    [Fact]
    public void A_press_is_one_swing_and_shows_for_a_third_of_a_second()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 });
        farm.Join(1);
        int row = farm.Players[0];
        var seen = new List<PlayerAnimation>();
        for (int tick = 0; tick < 60; tick++)
        {
            // Held for five ticks, walking from tick 20 on; the second press wraps nothing and starts anew.
            ushort buttons = (tick % 30) is >= 2 and < 7 ? FarmRules.SwingButton : (ushort)0;
            farm.Step(_ => new TopDownInput(tick < 20 ? Intent.Rest : new Intent(0, 15), buttons));
            seen.Add((PlayerAnimation)farm.World.Get(row, farm.Schema.Animation));
        }

        Assert.Equal(2u, farm.World.Get(row, farm.Schema.Swings));
        Assert.Equal([.. Enumerable.Repeat(PlayerAnimation.Idle, 2), .. Enumerable.Repeat(PlayerAnimation.Swing, 10), .. Enumerable.Repeat(PlayerAnimation.Idle, 8)], seen[..20]);
        Assert.Equal([.. Enumerable.Repeat(PlayerAnimation.Walk, 12), .. Enumerable.Repeat(PlayerAnimation.Swing, 10), .. Enumerable.Repeat(PlayerAnimation.Walk, 18)], seen[20..]);
    }

    [Fact]
    public void A_dry_crop_within_reach_is_watered_once_for_a_coin()
    {
        var farm = new Field(new FarmOptions { Trees = 0, Crates = 0, Animals = 0 });
        farm.Join(1);
        int row = farm.Players[0], crop = 0;
        Assert.Equal(farm.Schema.Crop.Index, farm.World.KindIndex[crop]);
        (int tileX, int tileY) = (farm.World.X[crop] >> 12, farm.World.Y[crop] >> 12);
        farm.Rules.Warp(farm.World, row, farm.World.X[crop] + (2 * One) + 1, farm.World.Y[crop]);
        Assert.Equal(UseResult.OutOfReach, farm.Rules.Use(farm.World, row, tileX, tileY));
        farm.Rules.Warp(farm.World, row, farm.World.X[crop] + (2 * One), farm.World.Y[crop]);
        Assert.Equal(UseResult.Watered, farm.Rules.Use(farm.World, row, tileX, tileY));
        Assert.Equal(UseResult.AlreadyWatered, farm.Rules.Use(farm.World, row, tileX, tileY));
        Assert.Equal((1u, 1u), (farm.World.Get(crop, farm.Schema.CropWatered), farm.World.Get(row, farm.Schema.Coins)));
        farm.Rules.Warp(farm.World, row, 0, 0);
        Assert.Equal(UseResult.OutOfReach, farm.Rules.Use(farm.World, row, -1, 0));
        Assert.Equal(UseResult.OutOfReach, farm.Rules.Use(farm.World, row, 2048, 0));
        Assert.Equal(3u, farm.World.Get(row, farm.Schema.Teleports));
    }

    [Fact]
    public void A_tile_without_a_crop_says_so()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 });
        farm.Join(1);
        int row = farm.Players[0];
        Assert.Equal(UseResult.NothingThere, farm.Rules.Use(farm.World, row, farm.World.X[row] >> 12, farm.World.Y[row] >> 12));
    }

    [Fact]
    public void A_use_comes_back_from_its_bytes_and_other_bytes_are_refused()
    {
        byte[] bytes = new byte[UseMessage.Bytes];
        Assert.Equal(5, new UseMessage(0x0102, 0xFFFE).Write(bytes));
        Assert.Equal([1, 2, 1, 0xFE, 0xFF], bytes);
        Assert.True(UseMessage.TryRead(bytes, out UseMessage use));
        Assert.Equal(new UseMessage(0x0102, 0xFFFE), use);
        for (int length = 0; length < bytes.Length; length++)
            Assert.False(UseMessage.TryRead(bytes.AsSpan(0, length), out _));
        Assert.False(UseMessage.TryRead([.. bytes, 0], out _));
        bytes[0] = 2;
        Assert.False(UseMessage.TryRead(bytes, out _));
    }

    [Fact]
    public void Who_leaves_is_gone_and_the_others_go_on()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 });
        farm.Join(5);
        int gone = farm.Players[1];
        farm.Players.RemoveAt(1);
        farm.Rules.Leave(farm.World, gone);
        Assert.False(farm.World.IsAlive(gone));
        farm.World.EndTick();
        Assert.Equal(4, farm.Rules.PlayerCount);
        int[] before = [.. farm.Players.Select(row => farm.World.X[row] + farm.World.Y[row])];
        farm.Step(player => new TopDownInput(new Intent((byte)(player * 8), 15), 0));
        Assert.All(farm.Players, row => Assert.NotEqual(0u, farm.World.Get(row, farm.Schema.Animation)));
        Assert.Equal(before.Length, farm.Players.Where((row, i) => farm.World.X[row] + farm.World.Y[row] != before[i]).Count());
        farm.Join(1);
        Assert.Equal(gone, farm.Players[^1]);
    }

    [Fact]
    public void A_name_and_an_owner_are_set_at_joining()
    {
        var farm = new Field(new FarmOptions { Crops = 0, Trees = 0, Crates = 0, Animals = 0 });
        int row = farm.Rules.Join(farm.World, 42, "Grace"u8);
        Assert.Equal(42, farm.World.Owner[row]);
        Assert.Equal("Grace", Encoding.UTF8.GetString(farm.World.Texts.Find(farm.World.Get(row, farm.Schema.Name))));
    }

    [Fact]
    public void A_festival_has_everybody_within_its_radius()
    {
        var farm = new Field(new FarmOptions { Workload = FarmWorkload.Festival });
        farm.Join(5_000);
        double sum = 0;
        foreach (int row in farm.Players)
        {
            double away = Away(farm.World, row, 1024, 1024);
            Assert.InRange(away, 0, 100);
            sum += away;
        }

        // Evenly over the circle: two thirds of the radius.
        Assert.InRange(sum / 5_000, 65, 68);
    }

    [Fact]
    public void Towns_hold_sixty_percent_by_Zipfs_law()
    {
        const int Players = 20_000;
        var farm = new Field(new FarmOptions { Workload = FarmWorkload.Towns, Animals = 0, Crops = 0 });
        farm.Join(Players);
        int[] inTown = new int[20];
        foreach (int row in farm.Players)
        {
            for (int town = 0; town < inTown.Length; town++)
                inTown[town] += Away(farm.World, row, farm.Rules.Towns[town].X, farm.Rules.Towns[town].Y) <= 60 ? 1 : 0;
        }

        double harmonic = Enumerable.Range(1, 20).Sum(rank => 1.0 / rank);
        double strangers = 0.4 * Players * Math.PI * 60 * 60 / (2048.0 * 2048);
        for (int town = 0; town < inTown.Length; town++)
        {
            double expected = (0.6 * Players / harmonic / (town + 1)) + strangers;
            Assert.InRange(inTown[town], expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected)));
        }

        for (int town = 0; town < 20; town++)
        {
            for (int other = 0; other < town; other++)
                Assert.True(double.Hypot(farm.Rules.Towns[town].X - farm.Rules.Towns[other].X, farm.Rules.Towns[town].Y - farm.Rules.Towns[other].Y) >= 200);
        }
    }

    [Fact]
    public void Uniform_is_spread_over_the_whole_map()
    {
        var farm = new Field(new FarmOptions { Animals = 0 });
        farm.Join(4_000);
        int[] sixteenths = new int[16];
        foreach (int row in farm.Players)
            sixteenths[(farm.World.X[row] >> 21) | ((farm.World.Y[row] >> 21) << 2)]++;
        Assert.All(sixteenths, count => Assert.InRange(count, 180, 320));
    }

    [Fact]
    public void The_same_seed_and_inputs_give_the_same_world_and_another_seed_another()
    {
        Assert.Equal(Run(1), Run(1));
        Assert.NotEqual(Run(1), Run(2));

        static ulong Run(ulong seed)
        {
            var farm = new Field(new FarmOptions { Seed = seed });
            farm.Join(100);
            FarmBot[] bots = [.. Enumerable.Range(0, 100).Select(i => new FarmBot((ulong)i, FarmWorkload.Uniform))];
            for (int tick = 0; tick < 300; tick++)
                farm.StepBots(bots);
            return farm.World.StateHash();
        }
    }

    [Fact]
    public void A_steady_tick_with_2000_walkers_and_40000_plants_allocates_nothing()
    {
        var farm = new Field(new FarmOptions());
        farm.Join(2_000);
        FarmBot[] bots = [.. Enumerable.Range(0, 2_000).Select(i => new FarmBot((ulong)i, FarmWorkload.Uniform))];
        for (int tick = 0; tick < 300; tick++)
            farm.StepBots(bots);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int tick = 0; tick < 300; tick++)
            farm.StepBots(bots);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Ten_thousand_in_one_place_cost_what_ten_thousand_spread_out_do()
    {
        (double uniformMs, long uniformPairs) = Measure(FarmWorkload.Uniform);
        (double festivalMs, long festivalPairs) = Measure(FarmWorkload.Festival);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"10,000 players and 2,000 animals, median step: uniform {uniformMs:F2} ms, {uniformPairs} pairs; festival {festivalMs:F2} ms, {festivalPairs} pairs"));
        Assert.InRange(festivalPairs, 0, 20_000);
        Assert.InRange(uniformPairs, 0, 20_000);

        static (double StepMs, long Pairs) Measure(FarmWorkload workload)
        {
            var farm = new Field(new FarmOptions { Workload = workload });
            farm.Join(10_000);
            FarmBot[] bots = [.. Enumerable.Range(0, 10_000).Select(i => new FarmBot((ulong)i, workload))];
            double[] stepMs = new double[61];
            long pairs = 0;
            for (int tick = 0; tick < stepMs.Length; tick++)
            {
                farm.Ask(bots);
                long before = farm.World.PairsTested;
                long start = Stopwatch.GetTimestamp();
                farm.StepAsked();
                stepMs[tick] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                pairs = farm.World.PairsTested - before;
            }

            Array.Sort(stepMs);
            return (stepMs[stepMs.Length / 2], pairs);
        }
    }

    [Theory]
    [InlineData(10, 100)]
    [InlineData(121, 100)]
    [InlineData(30, -1)]
    [InlineData(30, 100_001)]
    public void Options_out_of_range_are_refused(int tickRate, int animals)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new FarmRules(new FarmOptions { TickRate = tickRate, Animals = animals }, new FarmSchema()));

    [Fact]
    public void A_world_too_small_for_its_population_says_so()
    {
        var schema = new FarmSchema();
        var rules = new FarmRules(new FarmOptions(), schema);
        Assert.Throws<WorldFullException>(() => rules.Populate(new WorldState(schema.Schema, Map, capacity: 1_000)));
    }

    [Fact]
    public void The_constants_are_those_of_the_schema()
    {
        var constants = new FarmConstants(new FarmOptions());
        var schema = new FarmSchema();
        Assert.Equal((683, 205), (constants.PlayerStep, constants.AnimalStep));
        Assert.Equal((683, 205), (schema.Player.Speeds[0], schema.Animal.Speeds[0]));
        Assert.Equal((1434, 1229), (schema.Player.Radius, schema.Animal.Radius));
        Assert.Equal(2048, schema.Schema.Grid.ExtentUnits);
    }

    [Fact]
    public void The_schema_comes_back_from_its_bytes()
    {
        var schema = new FarmSchema();
        Assert.True(Schema.TryRead(schema.Schema.Bytes, out Schema? read));
        Assert.Equal(schema.Schema.Hash, read?.Hash);
    }

    private static double Away(WorldState world, int row, int x, int y)
        => double.Hypot(Units.ToDouble(world.X[row]) - x, Units.ToDouble(world.Y[row]) - y);

    private sealed class Field
    {
        private readonly FarmInput[] _inputs = new FarmInput[20_000];

        public Field(FarmOptions options, TileMap? map = null)
        {
            Schema = new FarmSchema(options.TickRate);
            World = new WorldState(Schema.Schema, map ?? Map);
            Rules = new FarmRules(options, Schema);
            Rules.Populate(World);
            World.EndTick();
        }

        public FarmSchema Schema { get; }

        public WorldState World { get; }

        public FarmRules Rules { get; }

        public List<int> Players { get; } = [];

        public void Join(int players)
        {
            for (int i = 0; i < players; i++)
                Players.Add(Rules.Join(World, i, Encoding.UTF8.GetBytes($"p{i}")));
            World.EndTick();
        }

        public void Step(Func<int, TopDownInput> inputOf)
        {
            for (int i = 0; i < Players.Count; i++)
                _inputs[i] = new FarmInput(Players[i], inputOf(Players[i]));
            StepAsked();
        }

        public void StepBots(FarmBot[] bots)
        {
            Ask(bots);
            StepAsked();
        }

        public void Ask(FarmBot[] bots)
        {
            for (int i = 0; i < bots.Length; i++)
            {
                bots[i].Observe(World.X[Players[i]], World.Y[Players[i]]);
                _inputs[i] = new FarmInput(Players[i], bots[i].Next());
            }
        }

        public void StepAsked()
        {
            Rules.Step(World, _inputs.AsSpan(0, Players.Count));
            World.EndTick();
        }
    }
}
