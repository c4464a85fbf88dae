using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>Reads what <see cref="BitWriter"/> wrote. Fails once and stays failed: every read after that gives zero.</summary>
/// <remarks>Callers read a whole message and look at <see cref="Failed"/> once, at its end; loops over counts from the wire look each time.</remarks>
public ref struct BitReader
{
    private readonly ReadOnlySpan<byte> _buffer;
    private int _position;         // bits

    /// <summary>Starts at the first bit of <paramref name="buffer"/>.</summary>
    public BitReader(ReadOnlySpan<byte> buffer) => _buffer = buffer;

    /// <summary>True once more was asked than there was, or a code was longer than any writer makes it.</summary>
    public bool Failed { get; private set; }

    /// <summary>Bits read so far.</summary>
    public readonly int BitPosition => _position;

    /// <summary>Bits left.</summary>
    public readonly int RemainingBits => (_buffer.Length * 8) - _position;

    /// <summary>The next <paramref name="bits"/> bits, 0 to 64; zero when failed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Read(int bits)
    {
        Contract.Assert(bits is >= 0 and <= 64);
        if (Failed || bits > RemainingBits)
        {
            Failed = true;
            return 0;
        }

        if (bits == 0)
            return 0;
        int index = _position >> 3;
        int shift = _position & 7;
        _position += bits;
        ulong value = Load(index) >> shift;
        if (shift + bits > 64)
            value |= (ulong)_buffer[index + 8] << (64 - shift);
        return bits == 64 ? value : value & ((1UL << bits) - 1);
    }

    /// <summary>One bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool ReadBool() => Read(1) != 0;

    /// <summary>See <see cref="BitWriter.WriteGolomb"/>.</summary>
    public uint ReadGolomb(int k)
    {
        int ones = 0;
        while (ReadBool())
        {
            if (++ones > 32)
                Failed = true;
        }

        int low = ones + k;
        if (Failed || low > 32)
        {
            Failed = true;
            return 0;
        }

        ulong value = (Read(low) | (1UL << low)) - (1UL << k);
        if (value > uint.MaxValue)
            Failed = true;
        return Failed ? 0 : (uint)value;
    }

    /// <summary>See <see cref="BitWriter.WriteSignedGolomb"/>.</summary>
    public int ReadSignedGolomb(int k)
    {
        uint zigzag = ReadGolomb(k);
        return (int)(zigzag >> 1) ^ -(int)(zigzag & 1);
    }

    /// <summary>Fills <paramref name="destination"/>; left as it was when bits run out.</summary>
    public void ReadBytes(scoped Span<byte> destination)
    {
        if (destination.Length * 8L > RemainingBits)
        {
            Failed = true;
            return;
        }

        for (int i = 0; i < destination.Length; i++)
            destination[i] = (byte)Read(8);
    }

    /// <summary>Skips to the next byte.</summary>
    public void AlignToByte() => Read(-_position & 7);

    /// <summary>Marks the reader spent: for a value out of its range.</summary>
    public void Fail() => Failed = true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly ulong Load(int index)
    {
        if (_buffer.Length - index >= 8)
            return BinaryPrimitives.ReadUInt64LittleEndian(_buffer[index..]);
        ulong value = 0;
        for (int i = _buffer.Length - 1; i >= index; i--)
            value = (value << 8) | _buffer[i];
        return value;
    }
}
