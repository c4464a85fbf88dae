using Hectare.Farm;
using Hectare.Protocol;

namespace Hectare.Tests.Farm;

public sealed class FarmMapTests
{
    private static readonly TileMap Map = FarmMap.Generate(1);

    [Fact]
    public void Five_percent_of_the_tiles_block_and_they_lie_in_clumps()
    {
        int blocking = 0, withNeighbour = 0;
        for (int y = 0; y < Map.Height; y++)
        {
            for (int x = 0; x < Map.Width; x++)
            {
                if (!Map.Blocks(x, y))
                    continue;
                blocking++;
                withNeighbour += (x > 0 && Map.Blocks(x - 1, y)) || (x + 1 < Map.Width && Map.Blocks(x + 1, y)) ? 1 : 0;
            }
        }

        Assert.Equal(2048 * 2048 / 100 * 5, blocking);
        // Scattered singly, one tile in ten would have a neighbour in its row.
        Assert.True(withNeighbour > blocking * 0.95, $"{withNeighbour} of {blocking}");
    }

    [Fact]
    public void A_seed_gives_one_map_and_another_seed_another()
    {
        Assert.True(Map.Sha256.SequenceEqual(FarmMap.Generate(1).Sha256));
        Assert.False(Map.Sha256.SequenceEqual(FarmMap.Generate(2).Sha256));
    }

    [Fact]
    public void A_map_comes_back_from_its_file_and_one_of_another_size_is_refused()
    {
        string path = Path.Combine(Path.GetTempPath(), $"hectare-farm-{Guid.NewGuid():N}.htm");
        try
        {
            Map.Save(path);
            Assert.True(FarmMap.Load(path).Sha256.SequenceEqual(Map.Sha256));
            TileMap.Open(64, 64).Save(path);
            Assert.Contains("64 x 64", Assert.Throws<TileMapException>(() => FarmMap.Load(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
