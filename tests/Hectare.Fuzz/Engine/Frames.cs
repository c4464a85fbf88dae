using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>Inputs that are packets in a row, each behind a head that says its length: broken packet by packet, so that the others are still read.</summary>
/// <param name="Start">Bytes before the first head.</param>
/// <param name="HeadBytes">Bytes of a head.</param>
/// <param name="LengthOffset">Where in it the length stands, u16.</param>
/// <param name="LengthMask">Bits of it that are the length.</param>
internal readonly record struct Frames(int Start, int HeadBytes, int LengthOffset, ushort LengthMask = ushort.MaxValue)
{
    private const int FramesMax = 64;

    /// <summary>Breaks the bodies of some packets, or their heads; leaves some out, says some twice, lets some overtake.</summary>
    /// <returns>Bytes of the input then.</returns>
    public int Break(ref SeededRandom random, Span<byte> work, int length)
    {
        do
        {
            length = BreakOnce(ref random, work, length);
        }
        while (random.Next(0, 2) == 0);
        return length;
    }

    private int BreakOnce(ref SeededRandom random, Span<byte> work, int length)
    {
        Span<int> starts = stackalloc int[FramesMax + 1];
        int count = Find(work[..length], starts);
        if (count == 0)
            return Mutator.Mutate(ref random, work, length);
        int chosen = random.Next(0, count), at = starts[chosen], end = starts[chosen + 1];
        switch (random.Next(0, 10))
        {
            case 0:
                work[end..length].CopyTo(work[at..]);
                return length - (end - at);
            case 1 when length + end - at <= work.Length:
                work[at..length].CopyTo(work[end..]);
                return length + end - at;
            case 2 when chosen + 1 < count:
                Swap(work, at, end, starts[chosen + 2]);
                return length;
            case 3:
                work[at + random.Next(0, HeadBytes)] = (byte)random.NextUInt64();
                return length;
            default:
                return BreakBody(ref random, work, length, at, end);
        }
    }

    private int BreakBody(ref SeededRandom random, Span<byte> work, int length, int at, int end)
    {
        int bodyBytes = end - at - HeadBytes;
        // What a body may grow by has to lie behind it already.
        Span<byte> body = stackalloc byte[Math.Min(bodyBytes + 256, 2048)];
        if (bodyBytes > body.Length)
            return length;
        work.Slice(at + HeadBytes, bodyBytes).CopyTo(body);
        int newBytes = Math.Min(Mutator.Mutate(ref random, body, bodyBytes), work.Length - length + bodyBytes);
        work[end..length].CopyTo(work[(at + HeadBytes + newBytes)..]);
        body[..newBytes].CopyTo(work[(at + HeadBytes)..]);
        Span<byte> field = work[(at + LengthOffset)..];
        BinaryPrimitives.WriteUInt16LittleEndian(field, (ushort)((BinaryPrimitives.ReadUInt16LittleEndian(field) & ~LengthMask) | (newBytes & LengthMask)));
        return length + newBytes - bodyBytes;
    }

    private int Find(ReadOnlySpan<byte> input, Span<int> starts)
    {
        int count = 0, at = Start;
        while (count < FramesMax && at + HeadBytes <= input.Length)
        {
            starts[count++] = at;
            int bytes = BinaryPrimitives.ReadUInt16LittleEndian(input[(at + LengthOffset)..]) & LengthMask;
            at = Math.Min(at + HeadBytes + bytes, input.Length);
            starts[count] = at;
        }

        return count;
    }

    private static void Swap(Span<byte> work, int first, int second, int end)
    {
        Span<byte> moved = stackalloc byte[Math.Min(second - first, 4096)];
        if (moved.Length < second - first)
            return;
        work[first..second].CopyTo(moved);
        work[second..end].CopyTo(work[first..]);
        moved.CopyTo(work[(first + end - second)..]);
    }
}
