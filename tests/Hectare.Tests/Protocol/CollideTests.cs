using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class CollideTests
{
    private const int One = Units.One;
    private const int Radius = 1434;

    [Fact]
    public void A_step_into_the_open_is_taken_whole()
    {
        TileView tiles = Rows("....", "....", "....").View;
        Assert.Equal((One + 683, (2 * One) - 100), Collide.Move(in tiles, [], One, 2 * One, 683, -100, 400));
    }

    [Theory]
    [InlineData(683, 0)]
    [InlineData(683, 311)]
    [InlineData(500, -683)]
    public void A_walker_stops_flush_at_a_wall_and_slides_along_it_without_stumbling_at_the_joints(int stepX, int stepY)
    {
        TileView tiles = Wall(20).View;
        (int x, int y) = (8 * One, 10 * One);
        for (int tick = 0; tick < 14; tick++)
            (x, y) = Collide.Move(in tiles, [], x, y, stepX, stepY, Radius);
        Assert.Equal((10 * One) - Radius, x);
        for (int tick = 0; tick < 5; tick++)
        {
            int before = y;
            (x, y) = Collide.Move(in tiles, [], x, y, stepX, stepY, Radius);
            Assert.Equal(((10 * One) - Radius, before + stepY), (x, y));
        }
    }

    [Fact]
    public void The_edge_of_the_map_is_a_wall()
    {
        TileView tiles = TileMap.Open(8, 8).View;
        (int x, int y) = (One, One);
        for (int tick = 0; tick < 20; tick++)
            (x, y) = Collide.Move(in tiles, [], x, y, -2047, -2047, Radius);
        Assert.Equal((Radius, Radius), (x, y));
    }

    [Fact]
    public void A_grazed_corner_is_rounded()
    {
        TileView tiles = Rows("......", "......", "...#..", "......", "......").View;
        // The lower edge of the body would touch the tile's upper corner by 100.
        (int x, int y) = (One, (2 * One) - Radius + 100);
        for (int tick = 0; tick < 80; tick++)
            (x, y) = Collide.Move(in tiles, [], x, y, 200, 0, Radius);
        Assert.True(x > 4 * One, $"stuck at {x}");
        Assert.InRange(y, (2 * One) - Radius - 1, (2 * One) - Radius + 1);
    }

    [Fact]
    public void A_trunk_is_walked_around_unless_it_is_met_in_the_very_middle()
    {
        TileView tiles = TileMap.Open(16, 16).View;
        Body[] trunk = [new(8 * One, 8 * One, 1638)];
        (int x, int y) = (4 * One, (8 * One) + 200);
        for (int tick = 0; tick < 60; tick++)
        {
            (x, y) = Collide.Move(in tiles, trunk, x, y, 683, 0, Radius);
            Assert.False(Collide.Overlaps(trunk, x, y, Radius));
        }

        Assert.True(x > 10 * One);
        (x, y) = (4 * One, 8 * One);
        for (int tick = 0; tick < 40; tick++)
            (x, y) = Collide.Move(in tiles, trunk, x, y, 683, 0, Radius);
        Assert.Equal(((8 * One) - Radius - 1638, 8 * One), (x, y));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(700)]
    [InlineData(Radius)]
    public void Nobody_slips_between_two_tiles_that_touch_at_a_corner(int radius)
    {
        TileView tiles = Rows("..........", "..........", "..........", "..........", ".....#####", "#####.....", "..........", "..........", "..........", "..........").View;
        (int x, int y) = ((4 * One) + (One / 2), (4 * One) + (One / 2));
        var random = new SeededRandom(3);
        for (int tick = 0; tick < 2_000; tick++)
        {
            (x, y) = Collide.Move(in tiles, [], x, y, random.Next(-500, 2048), random.Next(-500, 2048), radius);
            Assert.True(y < 5 * One || x < 5 * One, $"tick {tick}: came through at {x},{y}");
            if (x > 6 * One || y > 5 * One)
                (x, y) = ((4 * One) + (One / 2), (4 * One) + (One / 2));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(1229)]
    [InlineData(Radius)]
    [InlineData(2500)]
    public void A_body_that_was_free_is_free_after_every_step(int radius)
    {
        const int Side = 32;
        var random = new SeededRandom(7);
        byte[] cells = new byte[Side * Side];
        for (int i = 0; i < cells.Length; i++)
            cells[i] = (byte)(random.Next(0, 6) == 0 ? 1 : 0);
        TileView tiles = new TileMap(Side, Side, cells).View;
        Body[] bodies = new Body[40];
        for (int i = 0; i < bodies.Length; i++)
            bodies[i] = new Body(random.Next(0, Side * One), random.Next(0, Side * One), random.Next(400, 3000));
        int moved = 0, tested = 0;
        for (int walk = 0; walk < 400; walk++)
        {
            (int x, int y) = (random.Next(0, Side * One), random.Next(0, Side * One));
            if (Collide.Overlaps(in tiles, x, y, radius) || Collide.Overlaps(bodies, x, y, radius))
                continue;
            (int stepX, int stepY) = (0, 0);
            for (int tick = 0; tick < 200; tick++)
            {
                if (random.Next(0, 10) == 0 || tick == 0)
                    (stepX, stepY) = (random.Next(-2047, 2048), random.Next(-2047, 2048));
                (int toX, int toY) = Collide.Move(in tiles, bodies, x, y, stepX, stepY, radius);
                Assert.False(Collide.Overlaps(in tiles, toX, toY, radius), $"in a wall at {toX},{toY} from {x},{y} by {stepX},{stepY}");
                Assert.False(Collide.Overlaps(bodies, toX, toY, radius), $"in a body at {toX},{toY} from {x},{y} by {stepX},{stepY}");
                moved += (toX, toY) == (x, y) ? 0 : 1;
                (x, y) = (toX, toY);
                tested++;
            }
        }

        Assert.True(tested > 5_000);
        Assert.True(moved > tested / 2, $"{moved} of {tested} steps moved");
    }

    [Fact]
    public void Who_begins_inside_a_wall_comes_out()
    {
        TileView tiles = Rows("......", ".####.", ".####.", ".####.", ".####.", "......").View;
        (int x, int y) = (3 * One, 3 * One);
        for (int tick = 0; tick < 40; tick++)
            (x, y) = Collide.Move(in tiles, [], x, y, 683, 0, 1000);
        Assert.False(Collide.Overlaps(in tiles, x, y, 1000));
    }

    [Fact]
    public void Who_stands_in_a_crate_that_was_put_there_is_pushed_out_by_the_first_step()
    {
        TileView tiles = TileMap.Open(8, 8).View;
        Body[] crate = [new(4 * One, 4 * One, 1843)];
        (int x, int y) = Collide.Move(in tiles, crate, 4 * One, 4 * One, 0, 0, Radius);
        Assert.False(Collide.Overlaps(crate, x, y, Radius));
    }

    // Open ground whose tiles from column 10 on block.
    private static TileMap Wall(int side)
    {
        byte[] tiles = new byte[side * side];
        for (int i = 0; i < tiles.Length; i++)
            tiles[i] = (byte)(i % side >= 10 ? 1 : 0);
        return new TileMap(side, side, tiles);
    }

    private static TileMap Rows(params string[] rows)
        => new(rows[0].Length, rows.Length, [.. string.Concat(rows).Select(one => (byte)(one == '#' ? 1 : 0))]);
}
