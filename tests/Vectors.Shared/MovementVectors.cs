using Hectare.Protocol;

namespace Hectare.Vectors;

/// <summary>A million steps of movement and published motion as one hash: every runtime must come to the same.</summary>
/// <remarks>Compiled into the tests (net10.0) and into an ahead-of-time program (net9.0). Public API only, no clock, no float.</remarks>
public static class MovementVectors
{
    /// <summary>Steps behind the hash.</summary>
    public const int Steps = 1_000_000;

    private const int Side = 64;
    private const int Walkers = 64;

    /// <summary>The hash; tests/Hectare.Tests/Vectors/movement.txt holds what it must be.</summary>
    public static ulong Hash()
    {
        var builder = new SchemaBuilder(Side, 14);
        builder.Kind("walker").Motion(683, 205, 2047, 1).Body(BodyRole.Walks, 1434);
        builder.Kind("mouse").Motion(1500).Body(BodyRole.Walks, 200);
        Schema schema = builder.Build();
        var random = new SeededRandom(20_240_229);
        TileMap map = Map(ref random);
        ulong hash = 0;
        for (int walker = 0; walker < Walkers; walker++)
            hash = Mix(hash, Walk(schema.Kinds[(walker & 3) == 3 ? 1 : 0], map.View, new SeededRandom(random.NextUInt64())));
        return hash;
    }

    private static ulong Walk(Kind kind, TileView tiles, SeededRandom random)
    {
        var movement = new TopDownMovement(kind);
        var trunks = default(Trunks);
        var state = new MoverState(random.Next(0, Side * Units.One), random.Next(0, Side * Units.One), Intent.Rest);
        TopDownInput input = TopDownInput.Neutral;
        PublishedMotion motion = default;
        ulong hash = 0;
        for (int step = 0; step < Steps / Walkers; step++)
        {
            if (random.Next(0, 12) == 0)
                input = new TopDownInput(new Intent(random.Next(0, 1 << Intent.Bits)), 0);
            (int beforeX, int beforeY) = (state.X, state.Y);
            movement.Step(in input, ref state, in tiles, ref trunks);
            var tick = new Tick(uint.MaxValue - 5_000 + (uint)step);
            (int seenX, int seenY) = motion.At(tick);
            if (Math.Max(Math.Abs(seenX - state.X), Math.Abs(seenY - state.Y)) > kind.Grid.Quantum)
                motion = Publish(kind, state, state.X - beforeX, state.Y - beforeY, tick);
            hash = Mix(hash, (uint)state.X | ((ulong)(uint)state.Y << 32));
            hash = Mix(hash, (uint)seenX | ((ulong)(uint)seenY << 32));
        }

        return hash;
    }

    private static PublishedMotion Publish(Kind kind, MoverState state, int stepX, int stepY, Tick tick)
    {
        int quantumX = kind.Grid.Quantize(state.X), quantumY = kind.Grid.Quantize(state.Y);
        bool asIntended = !state.Intent.IsRest && state.Intent.Velocity(kind.Speeds[state.Intent.SpeedClass]) == (stepX, stepY);
        ulong word = asIntended ? Motion.Pack(quantumX, quantumY, state.Intent) : Motion.PackEscape(quantumX, quantumY, stepX, stepY, sampled: false);
        return Motion.Unpack(word, tick, kind);
    }

    private static TileMap Map(ref SeededRandom random)
    {
        byte[] tiles = new byte[Side * Side];
        for (int i = 0; i < tiles.Length; i++)
            tiles[i] = random.Next(0, 8) == 0 ? TileMap.BlocksBit : (byte)0;
        return new TileMap(Side, Side, tiles);
    }

    private static ulong Mix(ulong hash, ulong value)
    {
        hash = (hash ^ value) * 0xFF51_AFD7_ED55_8CCDUL;
        return hash ^ (hash >> 32);
    }

    // A trunk in the middle of every nineteenth tile.
    private readonly struct Trunks : IBodies
    {
        private const int Radius = 1638;

        public int Near(int x, int y, int reach, Span<Body> found)
        {
            int count = 0, far = reach + Radius;
            for (int row = (y - far) >> Units.Shift; row <= (y + far) >> Units.Shift; row++)
            {
                for (int column = (x - far) >> Units.Shift; column <= (x + far) >> Units.Shift; column++)
                {
                    if (((column * 7) + (row * 12)) % 19 == 0 && count < found.Length)
                        found[count++] = new Body((column << Units.Shift) + (Units.One / 2), (row << Units.Shift) + (Units.One / 2), Radius);
                }
            }

            return count;
        }
    }
}
