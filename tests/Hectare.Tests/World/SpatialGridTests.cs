using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.World;

public sealed class SpatialGridTests
{
    [Fact]
    public void A_position_is_in_the_cell_that_holds_it()
    {
        var grid = new SpatialGrid(2048, 1, 16);
        Assert.Equal((128, 128 * 128, 16), (grid.CellsPerSide, grid.CellCount, grid.CellShift));
        const int Cell = 16 * Units.One;
        Assert.Equal(0, grid.CellOf(0, 0));
        Assert.Equal(0, grid.CellOf(Cell - 1, Cell - 1));
        Assert.Equal(1, grid.CellOf(Cell, Cell - 1));
        Assert.Equal(128, grid.CellOf(Cell - 1, Cell));
        Assert.Equal(grid.CellCount - 1, grid.CellOf((2048 * Units.One) - 1, (2048 * Units.One) - 1));
        Assert.Equal((0, 3, 127), (grid.Clamp(-1), grid.Clamp(3 * Cell), grid.Clamp(int.MaxValue)));
    }

    [Fact]
    public void Lists_and_counts_agree_with_a_plain_model_through_random_moves()
    {
        const int Rows = 300;
        var grid = new SpatialGrid(64, Rows, 16);
        var random = new SeededRandom(5);
        int[] cells = new int[Rows];
        Array.Fill(cells, SpatialGrid.NoCell);
        for (int step = 0; step < 20_000; step++)
        {
            int row = random.Next(0, Rows);
            bool mover = row % 3 == 0;
            if (cells[row] != SpatialGrid.NoCell)
                grid.Remove(row, cells[row], mover);
            cells[row] = random.Next(-1, grid.CellCount);
            if (cells[row] != SpatialGrid.NoCell)
                grid.Insert(row, cells[row], mover);
            if (step % 97 == 0)
                Compare(grid, cells);
        }
    }

    [Theory]
    [InlineData(100, 16)]
    [InlineData(64, 0)]
    [InlineData(64, 12)]
    [InlineData(64, 128)]
    [InlineData(32_768, 8)]
    public void Sizes_that_cannot_be_are_refused(int extentUnits, int cellUnits)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new SpatialGrid(extentUnits, 1, cellUnits));

    private static void Compare(SpatialGrid grid, int[] cells)
    {
        int seen = 0;
        for (int cell = 0; cell < grid.CellCount; cell++)
        {
            int count = 0, movers = 0;
            foreach (int row in grid.RowsOf(cell))
            {
                Assert.Equal(cell, cells[row]);
                count++;
                movers += row % 3 == 0 ? 1 : 0;
            }

            Assert.Equal((count, movers), (grid.Count[cell], grid.MoverCount[cell]));
            seen += count;
        }

        Assert.Equal(cells.Count(cell => cell != SpatialGrid.NoCell), seen);
    }
}
