using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>Writes bits from the least significant bit of a little-endian stream. Fails once and stays failed; never writes past the end.</summary>
public ref struct BitWriter
{
    private const uint GolombAtOnce = 1 << 16;

    private readonly Span<byte> _buffer;
    private ulong _pending;        // bits not yet stored, from bit 0
    private int _pendingBits;      // 0 to 63
    private int _storedBytes;
    private readonly int _capacityBits;

    /// <summary>Starts at the first bit of <paramref name="buffer"/>.</summary>
    public BitWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        _capacityBits = buffer.Length * 8;
    }

    /// <summary>True once a write did not fit. Everything after that is ignored.</summary>
    public bool Failed { get; private set; }

    /// <summary>Bits written so far.</summary>
    public readonly int BitCount => (_storedBytes * 8) + _pendingBits;

    /// <summary>Bytes that <see cref="Finish"/> will give now.</summary>
    public readonly int ByteCount => (BitCount + 7) >> 3;

    /// <summary>Bits that still fit.</summary>
    public readonly int FreeBits => _capacityBits - BitCount;

    /// <summary>The low <paramref name="bits"/> bits of <paramref name="value"/>; 0 to 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write(ulong value, int bits)
    {
        Contract.Assert(bits is >= 0 and <= 64);
        if (Failed || bits > FreeBits)
        {
            Failed = true;
            return;
        }

        if (bits < 64)
            value &= (1UL << bits) - 1;
        _pending |= value << _pendingBits;
        int total = _pendingBits + bits;
        if (total >= 64)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer[_storedBytes..], _pending);
            _storedBytes += 8;
            _pending = _pendingBits == 0 ? 0 : value >> (64 - _pendingBits);
            total -= 64;
        }

        _pendingBits = total;
    }

    /// <summary>The same of a value that has no other bits, and that is known to fit: less to look at, where much is written.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not fit.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WriteFitting(ulong value, int bits)
    {
        Contract.Assert(bits is > 0 and <= 64 && bits <= FreeBits && (bits == 64 || value >> bits == 0));
        int pendingBits = _pendingBits, total = pendingBits + bits;
        ulong pending = _pending | (value << pendingBits);
        if (total >= 64)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.Slice(_storedBytes, sizeof(ulong)), pending);
            _storedBytes += sizeof(ulong);
            // By 64 at once nothing would be shifted.
            pending = value >> 1 >> (63 - pendingBits);
            total -= 64;
        }

        (_pending, _pendingBits) = (pending, total);
    }

    /// <summary>One bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WriteBool(bool value) => Write(value ? 1u : 0u, 1);

    /// <summary>Exponential Golomb code of order <paramref name="k"/>: short for values near 2^k, never long.</summary>
    /// <remarks>w = value + 2^k; as many ones as w has bits above k + 1, a zero, then the bits of w below its highest.</remarks>
    public void WriteGolomb(uint value, int k)
    {
        if (value < GolombAtOnce)
        {
            ulong code = Golomb(value, k, out int bits);
            Write(code, bits);
            return;
        }

        ulong w = value + (1UL << k);
        int low = BitOperations.Log2(w);
        int ones = low - k;
        Write((1UL << ones) - 1, ones + 1);
        Write(w, low);
    }

    /// <summary>The code of a value below 2^16, of an order of at most 15, and how many bits it has: at most 33.</summary>
    public static ulong Golomb(uint value, int k, out int bits)
    {
        Contract.Assert(value < GolombAtOnce && k <= 15);
        ulong w = value + (1UL << k);
        int low = BitOperations.Log2(w), ones = low - k;
        bits = ones + 1 + low;
        return ((1UL << ones) - 1) | ((w & ((1UL << low) - 1)) << (ones + 1));
    }

    /// <summary>A signed value as zigzag and Golomb: 0, -1, 1, -2 ... become 0, 1, 2, 3 ...</summary>
    public void WriteSignedGolomb(int value, int k) => WriteGolomb((uint)((value << 1) ^ (value >> 31)), k);

    /// <summary>Whole bytes at any bit position.</summary>
    public void WriteBytes(scoped ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= 8)
        {
            Write(BinaryPrimitives.ReadUInt64LittleEndian(bytes), 64);
            bytes = bytes[8..];
        }

        foreach (byte one in bytes)
            Write(one, 8);
    }

    /// <summary>Zero bits up to the next byte.</summary>
    public void AlignToByte() => Write(0, -_pendingBits & 7);

    /// <summary>Stores what is pending and gives the bytes used. Further writes go on behind the last bit.</summary>
    public readonly ReadOnlySpan<byte> Finish()
    {
        int bytes = (_pendingBits + 7) >> 3;
        for (int i = 0; i < bytes; i++)
            _buffer[_storedBytes + i] = (byte)(_pending >> (8 * i));
        return _buffer[..(_storedBytes + bytes)];
    }

    /// <summary>Bits of a value's Golomb code, for budgets.</summary>
    public static int GolombBits(uint value, int k)
    {
        int low = BitOperations.Log2(value + (1UL << k));
        return (2 * low) - k + 1;
    }
}
