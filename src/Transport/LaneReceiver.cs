using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Receiving end of one lane: puts fragments in order and messages together, within a bound that no peer can move.</summary>
/// <remarks>At most one longest message (or more, shorter ones, of the same bytes) waits to be taken; what comes beyond that stays among the
/// fragments out of order, and what passes their window is refused with its packet.</remarks>
internal sealed class LaneReceiver
{
    private const int LengthBytes = 4;
    private const uint PackedBit = 1u << 31;  // in a message's length
    private const int SlotBytes = 256;        // 6 bytes of header, 240 of data
    private const int SlotsPerChunk = 16;

    private readonly int _window;
    private readonly int _messageBytesMax;
    private readonly int _queueBytesMax;
    private readonly byte[]?[] _chunks;       // fragments that came before their turn, rented 4 kB at a time
    private readonly ulong[] _present;        // a bit per slot of the window
    private ByteQueue _queue;                 // whole messages, each behind its length, and at the end one that is still coming
    private uint _next;                       // number of the fragment whose turn it is
    private uint _missingBytes;               // of the message that is still coming
    private int _messageCount;                // whole ones
    private byte[]? _unpacked;                // the packed message given out last, rented
    private uint _takenPosition;              // end of the message given out last; released by the next call

    public LaneReceiver(Lane lane, ConnectionSide receiver, int messageBytesMax)
    {
        _window = LaneSegment.WindowOf(lane, receiver);
        _messageBytesMax = messageBytesMax;
        _queueBytesMax = messageBytesMax + LengthBytes;
        _chunks = new byte[]?[_window / SlotsPerChunk];
        _present = new ulong[_window / 64];
    }

    /// <summary>True when the fragments contradict each other: a sealed packet of a broken or hostile peer. Nothing is read any more.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>True when it is broken by a packed message that does not unpack to what it says.</summary>
    public bool HasBadPacked { get; private set; }

    /// <summary>Bytes rented by this lane.</summary>
    public int MemoryBytes
    {
        get
        {
            int bytes = _queue.RentedBytes + (_unpacked?.Length ?? 0);
            foreach (byte[]? chunk in _chunks)
                bytes += chunk?.Length ?? 0;
            return bytes;
        }
    }

    /// <summary>True when the fragment may be taken: its turn is within the window, or was before.</summary>
    public bool HasRoomFor(in LaneSegment segment) => Distance(segment.Sequence) < _window;

    /// <summary>Takes a fragment in. Copies of one that was taken are ignored.</summary>
    public void Take(in LaneSegment segment)
    {
        // Beyond the window: when its packet was checked it lay 32,768 back, and fragments before it in the packet have moved the turn since.
        int distance = Distance(segment.Sequence);
        uint number = _next + (uint)distance;
        if (distance < 0 || distance >= _window || IsBroken || IsPresent(number))
            return;
        if (distance == 0 && TryAppend(segment))
        {
            _next++;
            Drain();
            return;
        }

        Store(number, segment);
    }

    /// <summary>Gives the oldest whole message; it is valid until the next call of this lane or the next packet.</summary>
    public bool TryTake(out ReadOnlySpan<byte> message)
    {
        message = default;
        if (_unpacked is not null)
            ArrayPool<byte>.Shared.Return(_unpacked);
        _unpacked = null;
        if (_takenPosition != _queue.StartPosition)
        {
            _queue.ReleaseTo(_takenPosition);
            Drain();
        }

        if (_messageCount == 0)
            return false;
        _messageCount--;
        uint start = _queue.StartPosition;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(_queue.Slice(start, LengthBytes));
        int bytes = (int)(length & ~PackedBit);
        message = _queue.Slice(start + LengthBytes, bytes);
        _takenPosition = start + LengthBytes + (uint)bytes;
        return (length & PackedBit) == 0 || TryUnpack(ref message);
    }

    private bool TryUnpack(ref ReadOnlySpan<byte> message)
    {
        ReadOnlySpan<byte> packed = message;
        message = default;
        if (BulkPacker.TryReadLength(packed, _messageBytesMax, out int bytes))
        {
            byte[] unpacked = ArrayPool<byte>.Shared.Rent(bytes);
            if (BulkPacker.TryUnpack(packed, unpacked.AsSpan(0, bytes)))
            {
                _unpacked = unpacked;
                message = unpacked.AsSpan(0, bytes);
                return true;
            }

            ArrayPool<byte>.Shared.Return(unpacked);
        }

        IsBroken = true;
        HasBadPacked = true;
        return false;
    }

    private int Distance(ushort sequence) => (int)(SequenceNumber.Widen(sequence, new SequenceNumber(_next)).Value - _next);

    private void Drain()
    {
        while (!IsBroken && IsPresent(_next))
        {
            Span<byte> slot = Slot(_next);
            var segment = new LaneSegment(slot[0], (ushort)_next, BinaryPrimitives.ReadUInt32LittleEndian(slot[2..]), slot.Slice(6, slot[1]));
            if (!TryAppend(segment))
                return;
            Remove(_next);
            _next++;
        }
    }

    // False when there is no room until messages are taken. A contradiction breaks the lane.
    private bool TryAppend(in LaneSegment segment)
    {
        if (segment.IsFirst != (_missingBytes == 0) || (!segment.IsFirst && segment.Data.Length > _missingBytes)
            || segment.MessageBytes > _queueBytesMax - LengthBytes)
        {
            IsBroken = true;
            return false;
        }

        if (segment.IsFirst)
        {
            // Room for the whole message is made sure of here; the bytes are rented as they come.
            if (_queue.Count > 0 && _queue.Count + LengthBytes + segment.MessageBytes > _queueBytesMax)
                return false;
            Span<byte> length = stackalloc byte[LengthBytes];
            BinaryPrimitives.WriteUInt32LittleEndian(length, segment.MessageBytes | (segment.IsPacked ? PackedBit : 0));
            _queue.Append(length);
            _missingBytes = segment.MessageBytes;
        }

        _queue.Append(segment.Data);
        _missingBytes -= (uint)segment.Data.Length;
        if (segment.IsLast != (_missingBytes == 0))
        {
            IsBroken = true;
            return false;
        }

        if (segment.IsLast)
            _messageCount++;
        return true;
    }

    private bool IsPresent(uint number)
    {
        int slot = (int)(number & (uint)(_window - 1));
        return ((_present[slot >> 6] >> (slot & 63)) & 1) != 0;
    }

    private void Store(uint number, in LaneSegment segment)
    {
        int index = (int)(number & (uint)(_window - 1));
        _present[index >> 6] |= 1UL << (index & 63);
        _chunks[index / SlotsPerChunk] ??= ArrayPool<byte>.Shared.Rent(SlotBytes * SlotsPerChunk);
        Span<byte> slot = Slot(number);
        slot[0] = segment.Flags;
        slot[1] = (byte)segment.Data.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(slot[2..], segment.MessageBytes);
        segment.Data.CopyTo(slot[6..]);
    }

    private void Remove(uint number)
    {
        int index = (int)(number & (uint)(_window - 1));
        _present[index >> 6] &= ~(1UL << (index & 63));
        int chunk = index / SlotsPerChunk;
        ulong chunkBits = (_present[index >> 6] >> (chunk * SlotsPerChunk & 63)) & 0xFFFF;
        if (BitOperations.PopCount(chunkBits) != 0)
            return;
        ArrayPool<byte>.Shared.Return(_chunks[chunk]!);
        _chunks[chunk] = null;
    }

    private Span<byte> Slot(uint number)
    {
        int index = (int)(number & (uint)(_window - 1));
        return _chunks[index / SlotsPerChunk].AsSpan(index % SlotsPerChunk * SlotBytes, SlotBytes);
    }
}
