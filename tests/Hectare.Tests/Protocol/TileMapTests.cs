using System.Buffers.Binary;
using System.Security.Cryptography;
using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class TileMapTests
{
    [Fact]
    public void A_map_comes_back_from_its_bytes_with_every_bit_of_every_tile()
    {
        byte[] tiles = new byte[70 * 33];
        var random = new SeededRandom(1);
        for (int i = 0; i < tiles.Length; i++)
            tiles[i] = (byte)random.Next(0, 256);
        var map = new TileMap(70, 33, tiles);
        var read = TileMap.Read(map.ToBytes());
        Assert.Equal((70, 33), (read.Width, read.Height));
        for (int i = 0; i < tiles.Length; i++)
        {
            Assert.Equal(tiles[i], read[i % 70, i / 70]);
            Assert.Equal((tiles[i] & 1) != 0, read.Blocks(i % 70, i / 70));
        }

        Assert.True(map.Sha256.SequenceEqual(read.Sha256));
    }

    [Fact]
    public void The_file_of_a_small_map_has_these_bytes_and_the_hash_of_them()
    {
        var map = new TileMap(3, 2, [0, 1, 0, 4, 5, 0]);
        byte[] expected = [(byte)'H', (byte)'T', (byte)'M', (byte)'1', 3, 0, 2, 0, 0, 1, 0, 4, 5, 0];
        Assert.Equal(expected, map.ToBytes());
        Assert.Equal(SHA256.HashData(expected), map.Sha256.ToArray());
    }

    [Fact]
    public void Outside_the_map_everything_blocks()
    {
        var map = TileMap.Open(8, 4);
        for (int y = -2; y < 7; y++)
        {
            for (int x = -2; x < 11; x++)
                Assert.Equal(x is < 0 or >= 8 || y is < 0 or >= 4, map.Blocks(x, y));
        }

        Assert.True(map.Blocks(int.MinValue, 0));
        Assert.True(map.Blocks(0, int.MaxValue));
    }

    [Fact]
    public void A_file_cut_at_any_length_or_grown_is_refused()
    {
        byte[] file = new TileMap(5, 3, new byte[15]).ToBytes();
        for (int length = 0; length < file.Length; length++)
            Assert.Throws<TileMapException>(() => TileMap.Read(file.AsSpan(0, length)));
        Assert.Throws<TileMapException>(() => TileMap.Read([.. file, 0]));
    }

    [Fact]
    public void A_wrong_mark_or_size_is_refused_with_a_message_that_says_so()
    {
        byte[] file = new TileMap(5, 3, new byte[15]).ToBytes();
        byte[] marked = [.. file];
        marked[3] = (byte)'2';
        Assert.Contains("HTM1", Assert.Throws<TileMapException>(() => TileMap.Read(marked)).Message, StringComparison.Ordinal);
        byte[] empty = [.. file];
        BinaryPrimitives.WriteUInt16LittleEndian(empty.AsSpan(4), 0);
        Assert.Contains("0 x 3", Assert.Throws<TileMapException>(() => TileMap.Read(empty)).Message, StringComparison.Ordinal);
        byte[] huge = [.. file];
        huge.AsSpan(4, 4).Fill(0xFF);
        Assert.Contains("65535", Assert.Throws<TileMapException>(() => TileMap.Read(huge)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_missing_or_bad_is_named()
    {
        string path = Path.Combine(Path.GetTempPath(), $"hectare-map-{Guid.NewGuid():N}.htm");
        Assert.Contains(path, Assert.Throws<TileMapException>(() => TileMap.Load(path)).Message, StringComparison.Ordinal);
        try
        {
            File.WriteAllText(path, "no map");
            Assert.Contains(path, Assert.Throws<TileMapException>(() => TileMap.Load(path)).Message, StringComparison.Ordinal);
            new TileMap(2, 2, [1, 0, 0, 1]).Save(path);
            Assert.True(TileMap.Load(path).Blocks(1, 1));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Any_ground_can_become_a_map()
    {
        var map = TileMap.From(new Chessboard());
        for (int i = 0; i < 12; i++)
            Assert.Equal((i & 1) != 0, map.Blocks(i % 4, i / 4));
        Assert.Same(map, TileMap.From(map));
    }

    private sealed class Chessboard : ITiles
    {
        public int Width => 4;

        public int Height => 3;

        public bool Blocks(int tileX, int tileY) => (((tileY * 4) + tileX) & 1) != 0;
    }
}
