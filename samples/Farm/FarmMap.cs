using Hectare.Protocol;

namespace Hectare.Farm;

/// <summary>The demo's ground: rocks and ponds over 5 % of the tiles, in clumps.</summary>
public static class FarmMap
{
    /// <summary>Tiles a side.</summary>
    public const int SideTiles = FarmConstants.ExtentUnitsFixed;

    private const int ClumpStepsMin = 8;
    private const int ClumpStepsMax = 120;

    /// <summary>The map of a seed: the same on every machine.</summary>
    public static TileMap Generate(ulong seed)
    {
        var random = new SeededRandom(SeededRandom.MixSeed(seed, 0x6D61_70));
        byte[] tiles = new byte[SideTiles * SideTiles];
        int left = tiles.Length / 100 * FarmConstants.BlockingPercent;
        while (left > 0)
            left -= Clump(tiles, ref random, left);
        return new TileMap(SideTiles, SideTiles, tiles);
    }

    /// <summary>Reads a map for the farm from a file.</summary>
    /// <exception cref="TileMapException">It cannot be read, is no map, or has another size than the farm.</exception>
    public static TileMap Load(string path)
    {
        var map = TileMap.Load(path);
        return map.Width == SideTiles && map.Height == SideTiles
            ? map
            : throw new TileMapException($"map '{path}': {map.Width} x {map.Height} tiles; the farm's is {SideTiles} x {SideTiles}");
    }

    // A short random walk with a brush of 2 x 2: a blob of a dozen to a hundred tiles. Gives how many became blocking, at most the limit.
    private static int Clump(byte[] tiles, ref SeededRandom random, int limit)
    {
        int x = random.Next(0, SideTiles), y = random.Next(0, SideTiles), steps = random.Next(ClumpStepsMin, ClumpStepsMax + 1);
        int marked = 0;
        for (int step = 0; step < steps; step++)
        {
            for (int corner = 0; corner < 4 && marked < limit; corner++)
            {
                ref byte tile = ref tiles[(Math.Min(y + (corner >> 1), SideTiles - 1) * SideTiles) + Math.Min(x + (corner & 1), SideTiles - 1)];
                marked += tile == 0 ? 1 : 0;
                tile = TileMap.BlocksBit;
            }

            int direction = random.Next(0, 4);
            x = Math.Clamp(x + (direction == 0 ? 1 : direction == 1 ? -1 : 0), 0, SideTiles - 1);
            y = Math.Clamp(y + (direction == 2 ? 1 : direction == 3 ? -1 : 0), 0, SideTiles - 1);
        }

        return marked;
    }
}
