using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: a physics body per entity, every pair of which is a candidate. Answer: columns of plain data, and a grid that is asked for the few bodies
/// near a walker.
/// Method: walkers among rocks, at one density, 250 to 2,000 of each. Counted are the pairs tested; the stand-in gives the same movement rule every
/// body there is, and must lead every walker to the same place.
/// </summary>
public sealed class Fault02Tests(ITestOutputHelper output)
{
    private const int Ticks = 10;

    [Fact]
    public void Fault02_pairs_tested_grow_with_the_bodies_and_not_with_their_square()
    {
        (double Grid, double All) small = Pairs(250, 64), middle = Pairs(1_000, 128), large = Pairs(4_000, 256);
        output.WriteLine($"pairs tested a tick, 250 / 1,000 / 4,000 walkers and as many rocks: grid {small.Grid:F0} / {middle.Grid:F0} / {large.Grid:F0}; every body {small.All:F0} / {middle.All:F0} / {large.All:F0}");
        Assert.True(small.Grid > 100);
        Assert.InRange(middle.Grid / small.Grid, 3, 5.5);
        Assert.InRange(large.Grid / middle.Grid, 3, 5.5);
        Assert.InRange(middle.All / small.All, 15, 17);
        Assert.InRange(large.All / middle.All, 15, 17);
    }

    private static (double Grid, double All) Pairs(int bodies, int extentUnits)
    {
        WorldState grid = MakeWorld(bodies, extentUnits), all = MakeWorld(bodies, extentUnits);
        var movement = new TopDownMovement(grid.Schema["walker"]);
        var count = new PairCount();
        for (int tick = 0; tick < Ticks; tick++)
        {
            for (int row = bodies; row < 2 * bodies; row++)
            {
                var input = new TopDownInput(new Intent((byte)(row * 37), Intent.MagnitudeMax), 0);
                Simulation.Walk(grid, in movement, row, in input);
                var state = new MoverState(all.X[row], all.Y[row], Intent.Rest);
                var bodiesOfAll = new EveryBody(all, row, count);
                movement.Step(in input, ref state, all.Ground, ref bodiesOfAll);
                all.MoveTo(row, state.X, state.Y, state.Intent);
                Assert.Equal((all.X[row], all.Y[row]), (grid.X[row], grid.Y[row]));
            }

            grid.EndTick();
            all.EndTick();
        }

        return (grid.PairsTested / (double)Ticks, count.Pairs / (double)Ticks);
    }

    private static WorldState MakeWorld(int bodies, int extentUnits)
    {
        var builder = new SchemaBuilder(extentUnits, 14);
        builder.Kind("walker").Motion(683).Body(BodyRole.Walks, 1_434);
        builder.Kind("rock").Body(BodyRole.Blocks, 1_638).Group("place").Position2();
        Schema schema = builder.Build();
        var world = new WorldState(schema, TileMap.Open(extentUnits, extentUnits), capacity: 16_384);
        var random = new SeededRandom(3);
        for (int i = 0; i < 2 * bodies; i++)
            world.Spawn(schema[i < bodies ? "rock" : "walker"], random.Next(0, extentUnits * Units.One), random.Next(0, extentUnits * Units.One));
        world.EndTick();
        return world;
    }

    private sealed class PairCount
    {
        public long Pairs { get; set; }
    }

    private readonly struct EveryBody(WorldState world, int walker, PairCount count) : IBodies
    {
        public int Near(int x, int y, int reach, Span<Body> found)
        {
            int at = 0;
            for (int row = 0; row < world.RowLimit; row++)
            {
                if (row == walker)
                    continue;
                count.Pairs++;
                Kind kind = world.KindOf(row);
                long dx = world.X[row] - x, dy = world.Y[row] - y, touch = reach + kind.Radius;
                if (kind.Body == BodyRole.Blocks && (dx * dx) + (dy * dy) <= touch * touch && at < found.Length)
                    found[at++] = new Body(world.X[row], world.Y[row], kind.Radius);
            }

            return at;
        }
    }
}
