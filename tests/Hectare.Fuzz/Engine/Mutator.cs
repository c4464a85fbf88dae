using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>Makes inputs: fresh valid ones, and broken ones of those, of the corpus and of nothing.</summary>
/// <remarks>Input i follows from seed, target and i alone: no feedback of coverage, so any of them can be made again by its number.</remarks>
internal sealed class Mutator(FuzzTarget target, IReadOnlyList<byte[]> corpus)
{
    private const int MutationsMax = 16;

    private static readonly byte[] Bytes = [0, 1, 2, 0x0F, 0x10, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF];
    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 3, 31, 32, 33, 63, 64, 127, 128, 239, 240, 241, 255, 256, 257, 1023, 1024, 1025, 1199, 1200, 1201, 2047, 2048, 4095, 4096,
        0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x1_0000, 0x3_FFFF, 0x4_0000, 0xFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF,
        0x7FC0_0000, 0x7F80_0000, 0xFF80_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
    ];

    private readonly byte[] _other = new byte[target.InputBytesMax];

    /// <summary>Makes input <paramref name="random"/> stands for.</summary>
    /// <param name="random">The stream of this input.</param>
    /// <param name="work">Its bytes go here.</param>
    /// <param name="isValid">True when it was generated and left alone: the reader has to take it.</param>
    /// <returns>Its length.</returns>
    public int Make(ref SeededRandom random, Span<byte> work, out bool isValid)
    {
        int choice = random.Next(0, 100);
        isValid = choice < 10 || !target.IsMutable;
        if (isValid)
            return target.Generate(ref random, work);
        int length;
        if (choice < 95)
        {
            length = Take(ref random, work);
            if (choice < 20)
                length = Splice(ref random, work, length);
            length = target.Break(ref random, work, length);
        }
        else
        {
            length = Noise(ref random, work);
        }

        if (random.Next(0, 4) != 0)
            target.Repair(ref random, work[..length]);
        return length;
    }

    private int Take(ref SeededRandom random, Span<byte> work)
    {
        if (corpus.Count == 0 || random.Next(0, 2) == 0)
            return target.Generate(ref random, work);
        byte[] entry = corpus[random.Next(0, corpus.Count)];
        entry.CopyTo(work);
        return entry.Length;
    }

    // The start of one input and the end of another.
    private int Splice(ref SeededRandom random, Span<byte> work, int length)
    {
        int otherLength = Take(ref random, _other);
        int at = random.Next(0, length + 1), from = random.Next(0, otherLength + 1);
        int taken = Math.Min(otherLength - from, work.Length - at);
        _other.AsSpan(from, taken).CopyTo(work[at..]);
        return at + taken;
    }

    private static int Noise(ref SeededRandom random, Span<byte> work)
    {
        // Short ones more often: a long one fails at its first bytes as well.
        int length = random.Next(0, 1 + (work.Length >> random.Next(0, 8)));
        for (int i = 0; i < length; i++)
            work[i] = (byte)random.NextUInt64();
        return length;
    }

    /// <summary>Breaks some bytes of an input.</summary>
    /// <param name="random">The stream of this input.</param>
    /// <param name="work">The input, with room behind it.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>Its bytes then.</returns>
    public static int Mutate(ref SeededRandom random, Span<byte> work, int length)
    {
        int mutations = 1;
        while (mutations < MutationsMax && random.Next(0, 2) == 0)
            mutations++;
        for (; mutations > 0; mutations--)
            length = MutateOnce(ref random, work, length);
        return length;
    }

    private static int MutateOnce(ref SeededRandom random, Span<byte> work, int length)
    {
        int what = random.Next(0, 18);
        if (length == 0)
            what = 16;
        int at = random.Next(0, length);
        switch (what)
        {
            case 0 or 1 or 2 or 3:
                work[at] ^= (byte)(1 << random.Next(0, 8));
                return length;
            case 4:
                work[at] = (byte)random.NextUInt64();
                return length;
            case 5:
                work[at] = Bytes[random.Next(0, Bytes.Length)];
                return length;
            case 6 or 7:
                WriteNumber(work[at..length], Numbers[random.Next(0, Numbers.Length)], 1 << random.Next(0, 4));
                return length;
            case 8:
                work[at] += (byte)random.Next(-16, 17);
                return length;
            case 9:
                AddToWord(work[at..length], random.Next(-64, 65));
                return length;
            case 10 or 11:
                return random.Next(0, length + 1);
            case 12:
                return Delete(ref random, work, length, at);
            case 13:
                return Insert(ref random, work, length, at);
            case 14:
                return ShiftBits(work, length, at, random.Next(1, 8), random.Next(0, 2) == 0);
            case 15:
                return Copy(ref random, work, length, at);
            case 16:
                return Extend(ref random, work, length);
            default:
                work.Slice(at, Math.Min(length - at, random.Next(1, 9))).Fill(random.Next(0, 2) == 0 ? (byte)0 : (byte)0xFF);
                return length;
        }
    }

    private static void WriteNumber(Span<byte> place, ulong number, int bytes)
    {
        for (int i = 0; i < Math.Min(bytes, place.Length); i++)
            place[i] = (byte)(number >> (8 * i));
    }

    private static void AddToWord(Span<byte> place, int difference)
    {
        if (place.Length >= 4)
            BinaryPrimitives.WriteUInt32LittleEndian(place, BinaryPrimitives.ReadUInt32LittleEndian(place) + (uint)difference);
        else if (place.Length >= 2)
            BinaryPrimitives.WriteUInt16LittleEndian(place, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(place) + difference));
    }

    private static int Delete(ref SeededRandom random, Span<byte> work, int length, int at)
    {
        int gone = Math.Min(length - at, BlockBytes(ref random));
        work[(at + gone)..length].CopyTo(work[at..]);
        return length - gone;
    }

    private static int Insert(ref SeededRandom random, Span<byte> work, int length, int at)
    {
        int added = Math.Min(work.Length - length, BlockBytes(ref random));
        work[at..length].CopyTo(work[(at + added)..]);
        Fill(ref random, work.Slice(at, added));
        return length + added;
    }

    // One to seven bits in or out: everything behind them in a stream of bits becomes something else.
    private static int ShiftBits(Span<byte> work, int length, int at, int bits, bool left)
    {
        uint carry = 0;
        if (left)
        {
            for (int i = at; i < length; i++)
            {
                uint wide = ((uint)work[i] << bits) | carry;
                (work[i], carry) = ((byte)wide, wide >> 8);
            }

            return length;
        }

        for (int i = at; i < length; i++)
        {
            int next = i + 1 < length ? work[i + 1] : 0;
            work[i] = (byte)((work[i] >> bits) | (next << (8 - bits)));
        }

        return length;
    }

    private static int Copy(ref SeededRandom random, Span<byte> work, int length, int at)
    {
        int to = random.Next(0, length);
        int copied = Math.Min(Math.Min(length - at, length - to), BlockBytes(ref random));
        work.Slice(at, copied).CopyTo(work[to..]);
        return length;
    }

    private static int Extend(ref SeededRandom random, Span<byte> work, int length)
    {
        int added = Math.Min(work.Length - length, BlockBytes(ref random));
        Fill(ref random, work.Slice(length, added));
        return length + added;
    }

    private static void Fill(ref SeededRandom random, Span<byte> place)
    {
        int how = random.Next(0, 3);
        for (int i = 0; i < place.Length; i++)
            place[i] = how == 0 ? (byte)0 : how == 1 ? (byte)0xFF : (byte)random.NextUInt64();
    }

    private static int BlockBytes(ref SeededRandom random) => random.Next(1, 2 + (128 >> random.Next(0, 8)));
}
