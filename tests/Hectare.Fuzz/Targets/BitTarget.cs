using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>The bit reader against one that reads bit by bit: a stream of reads, each named by the bits before it.</summary>
internal sealed class BitTarget() : FuzzTarget("bits", "bits, Golomb codes and bytes, by a stream that says what to read next")
{
    private const int KindBits = 3;
    private readonly byte[] _bytes = new byte[16];

    public override int InputBytesMax => 96;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var writer = new BitWriter(destination[..random.Next(1, destination.Length)]);
        while (!writer.Failed)
            WriteOne(ref random, ref writer);
        return writer.Finish().Length;
    }

    public override IEnumerable<byte[]> EdgeCases() => [[], [0xFF], [.. Enumerable.Repeat((byte)0xFF, 40)], new byte[9]];

    public override RunResult Run(Span<byte> input)
    {
        var reader = new BitReader(input);
        var slow = new SlowReader(input);
        while (!reader.Failed)
        {
            int what = (int)reader.Read(KindBits);
            Property.Holds(what == (int)slow.Read(KindBits), "what to read next differs");
            ReadOne(what, ref reader, ref slow);
            Property.Holds(reader.Failed == slow.Failed, "one reader failed, the other did not");
            Property.Holds(reader.BitPosition <= input.Length * 8, "read past the end");
            Property.Holds(reader.Failed || reader.BitPosition == slow.Position, "the readers stand at different bits");
        }

        Property.Holds(reader.Read(64) == 0 && !reader.ReadBool() && reader.ReadGolomb(3) == 0, "a failed reader gives something");
        return RunResult.Taken;
    }

    private static void WriteOne(ref SeededRandom random, ref BitWriter writer)
    {
        int what = random.Next(0, 1 << KindBits);
        writer.Write((ulong)what, KindBits);
        ulong value = random.NextUInt64() >> random.Next(0, 64);
        int k = random.Next(0, 16);
        switch (what)
        {
            case 0 or 1:
                int bits = random.Next(0, 64);
                writer.Write((ulong)bits, 6);
                writer.Write(value, bits);
                break;
            case 2:
                writer.WriteBool((value & 1) != 0);
                break;
            case 3 or 4:
                writer.Write((ulong)k, 4);
                writer.WriteGolomb((uint)value, k);
                break;
            case 5:
                writer.Write((ulong)k, 4);
                writer.WriteSignedGolomb((int)value, k);
                break;
            case 6:
                writer.Write((ulong)k, 4);
                for (int i = 0; i < k; i++)
                    writer.Write(value >> i, 8);
                break;
            default:
                writer.AlignToByte();
                break;
        }
    }

    private void ReadOne(int what, ref BitReader reader, ref SlowReader slow)
    {
        switch (what)
        {
            case 0 or 1:
                int bits = (int)reader.Read(6);
                slow.Read(6);
                Property.Holds(reader.Read(bits) == slow.Read(bits), "bits differ");
                break;
            case 2:
                Property.Holds(reader.ReadBool() == (slow.Read(1) == 1), "a bit differs");
                break;
            case 3 or 4:
                int k = (int)reader.Read(4);
                slow.Read(4);
                Property.Holds(reader.ReadGolomb(k) == slow.ReadGolomb(k), "a Golomb code differs");
                break;
            case 5:
                k = (int)reader.Read(4);
                slow.Read(4);
                uint zigzag = slow.ReadGolomb(k);
                Property.Holds(reader.ReadSignedGolomb(k) == ((zigzag & 1) == 0 ? (int)(zigzag >> 1) : (int)~(zigzag >> 1)), "a signed Golomb code differs");
                break;
            case 6:
                ReadBytes((int)reader.Read(4), ref reader, ref slow);
                break;
            default:
                reader.AlignToByte();
                slow.Align();
                break;
        }
    }

    private void ReadBytes(int count, ref BitReader reader, ref SlowReader slow)
    {
        slow.Read(4);
        _bytes.AsSpan().Clear();
        reader.ReadBytes(_bytes.AsSpan(0, count));
        if (slow.Fails(count * 8))
            return;
        for (int i = 0; i < count; i++)
            Property.Holds(_bytes[i] == (byte)slow.Read(8), "a byte differs");
    }

    /// <summary>One bit at a time.</summary>
    private ref struct SlowReader(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        public int Position { get; private set; }

        public bool Failed { get; private set; }

        public bool Fails(int bits) => Failed |= Position + bits > _bytes.Length * 8;

        public ulong Read(int bits)
        {
            if (Fails(bits))
                return 0;
            ulong value = 0;
            for (int i = 0; i < bits; i++, Position++)
                value |= (ulong)((_bytes[Position >> 3] >> (Position & 7)) & 1) << i;
            return value;
        }

        public uint ReadGolomb(int k)
        {
            int ones = 0;
            while (Read(1) == 1)
                ones++;
            Failed |= ones + k > 32;
            ulong value = (Read(ones + k) | (1UL << Math.Min(ones + k, 40))) - (1UL << k);
            Failed |= !Failed && value > uint.MaxValue;
            return Failed ? 0 : (uint)value;
        }

        public void Align() => Read(-Position & 7);
    }
}
