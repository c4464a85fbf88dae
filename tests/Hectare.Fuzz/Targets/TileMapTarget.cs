using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>A map file. It refuses by one exception, whose message is for the operator; what was taken is written back to the same bytes.</summary>
internal sealed class TileMapTarget() : FuzzTarget("tile-map", "a map file (.htm)")
{
    public override int InputBytesMax => 2048;

    // Tiles, blocking bits and the bytes that are hashed; an exception and its text.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => (5L * input.Length) + 4096;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        int width = random.Next(1, 45), height = random.Next(1, 45);
        Span<byte> tiles = destination.Slice(TileMap.HeaderBytes, width * height);
        for (int i = 0; i < tiles.Length; i++)
            tiles[i] = (byte)random.NextUInt64();
        "HTM1"u8.CopyTo(destination);
        (destination[4], destination[5], destination[6], destination[7]) = ((byte)width, 0, (byte)height, 0);
        return TileMap.HeaderBytes + tiles.Length;
    }

    public override IEnumerable<byte[]> EdgeCases() => [[], [.. "HTM1"u8], [.. "HTM1"u8, 0, 0, 0, 0], [.. "HTM1"u8, 0xFF, 0xFF, 0xFF, 0xFF], [.. "HTM1"u8, 0, 0x80, 0, 0x80, 1]];

    public override void Repair(ref SeededRandom random, Span<byte> input)
    {
        if (input.Length < TileMap.HeaderBytes + 1)
            return;
        // Sides that fit the bytes there are.
        "HTM1"u8.CopyTo(input);
        int tiles = input.Length - TileMap.HeaderBytes;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(input[4..], (ushort)tiles);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(input[6..], 1);
    }

    public override RunResult Run(Span<byte> input)
    {
        try
        {
            var map = TileMap.Read(input);
            Property.Holds(map.ToBytes().AsSpan().SequenceEqual(input), "a map that was read is written otherwise");
            for (int i = 0; i < map.Width * map.Height; i += 7)
                Property.Holds(map.Blocks(i % map.Width, i / map.Width) == ((map[i % map.Width, i / map.Width] & TileMap.BlocksBit) != 0), "a tile blocks that does not");
            Property.Holds(map.Blocks(-1, 0) && map.Blocks(map.Width, 0) && map.Blocks(0, map.Height) && map.Blocks(int.MaxValue, int.MinValue), "outside the map nothing blocks");
            return RunResult.Taken;
        }
        catch (TileMapException)
        {
            return RunResult.Refused;
        }
    }
}
