using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Datagrams on their way from one network thread to the tick thread: one writer, one reader, no lock.</summary>
/// <remarks>A ring of bytes. A record never wraps: one that would is written at the ring's start, and a length of -1 says so.
/// <code>length i32 | address 18 | zeros 2 | datagram, filled up to a multiple of 8</code></remarks>
internal sealed class InboundQueue
{
    private const int HeadBytes = 24;
    private const int Skip = -1;

    private readonly byte[] _ring;
    private readonly int _mask;
    private long _written;       // bytes, by the network thread
    private long _writtenSeen;   // the reader's copy
    private long _read;          // bytes, by the tick thread
    private int _taken;          // bytes of the record that was given out last

    /// <summary>A queue of <paramref name="bytes"/>, a power of two.</summary>
    public InboundQueue(int bytes = 4 << 20)
    {
        Contract.Assert(System.Numerics.BitOperations.IsPow2(bytes));
        _ring = GC.AllocateUninitializedArray<byte>(bytes);
        _mask = bytes - 1;
    }

    /// <summary>Datagrams dropped because the tick thread did not keep up.</summary>
    public long Dropped { get; private set; }

    public long MemoryBytes => _ring.LongLength;

    /// <summary>Network thread: puts a copy in. Dropped and counted when there is no room.</summary>
    public void Add(in PeerAddress from, ReadOnlySpan<byte> datagram)
    {
        int needed = RecordBytes(datagram.Length);
        long at = _written;
        int offset = (int)at & _mask;
        int toEnd = _ring.Length - offset;
        int skipped = needed > toEnd ? toEnd : 0;
        if (at + skipped + needed - Volatile.Read(ref _read) > _ring.Length)
        {
            Dropped++;
            return;
        }

        if (skipped > 0)
        {
            BinaryPrimitives.WriteInt32LittleEndian(_ring.AsSpan(offset), Skip);
            offset = 0;
        }

        Span<byte> record = _ring.AsSpan(offset, needed);
        BinaryPrimitives.WriteInt32LittleEndian(record, datagram.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record[4..], from.High);
        BinaryPrimitives.WriteUInt64LittleEndian(record[12..], from.Low);
        BinaryPrimitives.WriteUInt16LittleEndian(record[20..], from.Port);
        datagram.CopyTo(record[HeadBytes..]);
        Volatile.Write(ref _written, at + skipped + needed);
    }

    /// <summary>Tick thread: what is here now is what <see cref="TryTake"/> will give; later arrivals wait for the next call.</summary>
    public void Look() => _writtenSeen = Volatile.Read(ref _written);

    /// <summary>Tick thread: the next datagram, to be opened in place; it is gone with the next call.</summary>
    public bool TryTake(out PeerAddress from, out Span<byte> datagram)
    {
        Volatile.Write(ref _read, _read + _taken);
        _taken = 0;
        from = default;
        datagram = default;
        if (_read == _writtenSeen)
            return false;
        int offset = (int)_read & _mask;
        if (BinaryPrimitives.ReadInt32LittleEndian(_ring.AsSpan(offset)) == Skip)
        {
            _taken = _ring.Length - offset;
            offset = 0;
        }

        ReadOnlySpan<byte> head = _ring.AsSpan(offset, HeadBytes);
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        from = new PeerAddress(BinaryPrimitives.ReadUInt64LittleEndian(head[4..]), BinaryPrimitives.ReadUInt64LittleEndian(head[12..]), BinaryPrimitives.ReadUInt16LittleEndian(head[20..]));
        datagram = _ring.AsSpan(offset + HeadBytes, length);
        _taken += RecordBytes(length);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int RecordBytes(int datagramBytes) => (HeadBytes + datagramBytes + 7) & ~7;
}
