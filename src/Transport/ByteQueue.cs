using System.Buffers;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>A queue of bytes in one rented array that grows as it fills and goes back to the pool when it is empty.</summary>
/// <remarks>Bytes are named by position, a count that wraps; contiguous until released. A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct ByteQueue
{
    private const int KeptBytesMax = 1024;   // an empty queue keeps no more than this: connections are many and mostly idle
    private const int SlideBytesMax = 16 * 1024;

    private byte[]? _buffer;
    private int _start;
    private int _end;
    private uint _startPosition;

    /// <summary>Bytes held.</summary>
    public readonly int Count => _end - _start;

    /// <summary>Position of the first byte held.</summary>
    public readonly uint StartPosition => _startPosition;

    /// <summary>Position behind the last byte held.</summary>
    public readonly uint EndPosition => _startPosition + (uint)Count;

    /// <summary>Bytes rented now.</summary>
    public readonly int RentedBytes => _buffer?.Length ?? 0;

    /// <summary>Adds bytes. Spans given before may move.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        EnsureRoom(bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>The bytes from <paramref name="position"/> on; valid until the next change.</summary>
    public readonly ReadOnlySpan<byte> Slice(uint position, int bytes)
    {
        int offset = (int)(position - _startPosition);
        Contract.Assert(offset >= 0 && offset + bytes <= Count);
        return _buffer.AsSpan(_start + offset, bytes);
    }

    /// <summary>Gives up everything before <paramref name="position"/>.</summary>
    public void ReleaseTo(uint position)
    {
        int bytes = (int)(position - _startPosition);
        Contract.Assert(bytes >= 0 && bytes <= Count);
        _start += bytes;
        _startPosition = position;
        if (_start != _end)
            return;
        _start = 0;
        _end = 0;
        if (_buffer is not null && _buffer.Length > KeptBytesMax)
            Free();
    }

    /// <summary>Gives up everything and the array.</summary>
    public void Free()
    {
        _startPosition = EndPosition;
        _start = 0;
        _end = 0;
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
    }

    private void EnsureRoom(int bytes)
    {
        if (_buffer is not null && _buffer.Length - _end >= bytes)
            return;
        // A long one slides only when half is free: else, nearly full, it would move all its bytes at every message. A short one always: it stays short.
        if (_buffer is not null && Count + bytes <= _buffer.Length && (Count <= SlideBytesMax || _start >= _buffer.Length / 2))
        {
            _buffer.AsSpan(_start, Count).CopyTo(_buffer);
        }
        else
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(256, Math.Max(Count + bytes, RentedBytes * 2)));
            if (_buffer is not null)
            {
                _buffer.AsSpan(_start, Count).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_buffer);
            }

            _buffer = larger;
        }

        _end = Count;
        _start = 0;
    }
}
