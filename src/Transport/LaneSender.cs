using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Sending end of one lane: queues messages, cuts them into fragments, sends each until a packet that carried it is acked.</summary>
internal sealed class LaneSender
{
    private const int LengthBytes = 4;
    private const uint PackedBit = 1u << 31;   // in a message's length
    private const int BackoffDoublingsMax = 2;

    private readonly Lane _lane;
    private readonly int _queueBytesMax;
    private readonly int _window;
    private ByteQueue _queue;            // messages, each behind its length, from the oldest byte not yet acked
    private uint _cutPosition;           // next byte to become part of a fragment
    private uint _cutMessageBytes;       // of the message being cut; 0 between messages
    private uint _cutLeftBytes;
    private Fragment[] _flight = [];     // ring by fragment number; a power of two, grown to the window
    private uint _base;                  // oldest fragment not acked
    private uint _next;                  // number of the next fragment to be cut
    private uint _cursor;                // where this packet's search stands
    private int _unackedCount;
    private long _nextDueNs;             // no fragment in flight is due before

    public LaneSender(Lane lane, ConnectionSide receiver, int queueBytesMax)
    {
        _lane = lane;
        _queueBytesMax = queueBytesMax;
        _window = LaneSegment.WindowOf(lane, receiver);
    }

    /// <summary>Fragments sent again, since the start.</summary>
    public long Resent { get; private set; }

    /// <summary>Bytes queued or under way.</summary>
    public int QueuedBytes => _queue.Count;

    /// <summary>Bytes that the other end has taken, since the start.</summary>
    public long ReleasedBytes { get; private set; }

    /// <summary>Fragments cut and not acked.</summary>
    public int UnackedCount => _unackedCount;

    /// <summary>Bytes rented and allocated by this lane.</summary>
    public int MemoryBytes => _queue.RentedBytes + (_flight.Length * System.Runtime.CompilerServices.Unsafe.SizeOf<Fragment>());

    public SendResult TrySend(ReadOnlySpan<byte> message, bool isPacked)
    {
        int bytes = LengthBytes + message.Length;
        if (bytes > _queueBytesMax)
            return SendResult.TooLarge;
        if (_queue.Count + bytes > _queueBytesMax)
            return SendResult.QueueFull;
        Span<byte> length = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)message.Length | (isPacked ? PackedBit : 0));
        _queue.Append(length);
        _queue.Append(message);
        return SendResult.Sent;
    }

    /// <summary>Bytes that would go out now if there were room, headers included.</summary>
    public int PendingBytes(long nowNs)
    {
        int bytes = 0;
        if (_unackedCount > 0 && nowNs >= _nextDueNs)
            bytes = SumDue(nowNs);
        int room = _window - (int)(_next - _base);
        int uncut = (int)(_queue.EndPosition - _cutPosition);
        // A message's length in the queue and the header of its first fragment weigh the same; a cut adds four bytes.
        if (uncut > 0 && room > 0)
            bytes += Math.Min(uncut + 8 + (uncut / LaneSegment.DataBytesMax * 4), room * (LaneSegment.DataBytesMax + LaneSegment.HeaderBytesMax));
        return bytes;
    }

    /// <summary>A new packet: the search for what is due starts again at the oldest.</summary>
    public void BeginPacket() => _cursor = _base;

    /// <summary>Finds the next fragment that is due and fits; cuts a new one when all before it are under way.</summary>
    public bool TryPeek(long nowNs, int roomBytes, out int segmentBytes)
    {
        while (true)
        {
            if (_cursor == _next && !TryCut())
            {
                segmentBytes = 0;
                return false;
            }

            ref Fragment fragment = ref At(_cursor);
            segmentBytes = LaneSegment.HeaderBytes(fragment.Flags) + fragment.Bytes;
            if (!fragment.IsAcked && fragment.DueNs <= nowNs)
            {
                if (segmentBytes <= roomBytes)
                    return true;
                if (fragment.Sends == 0)
                    return false;   // what is new goes in order; only an older resend may be passed by
            }

            _cursor++;
        }
    }

    /// <summary>Writes the fragment that <see cref="TryPeek"/> found as a part of <paramref name="packet"/>.</summary>
    public int WriteNext(Span<byte> destination, SequenceNumber packet, long nowNs, long resendNs)
    {
        ref Fragment fragment = ref At(_cursor);
        var segment = new LaneSegment(fragment.Flags, (ushort)_cursor, fragment.MessageBytes, _queue.Slice(fragment.Position, fragment.Bytes));
        int written = segment.Write(destination);
        if (fragment.Sends > 0)
            Resent++;
        fragment.PreviousPacket = fragment.LastPacket;
        fragment.LastPacket = packet;
        fragment.IsGivenUp = false;
        long waitNs = resendNs << Math.Min((int)fragment.Sends, BackoffDoublingsMax);
        if (fragment.Sends < byte.MaxValue)
            fragment.Sends++;
        // Spread over half a resend time, so that what was lost together does not come due together.
        ulong spread = (_cursor * 0x9E3779B97F4A7C15UL) >> 56;
        fragment.DueNs = nowNs + waitNs + ((waitNs >> 9) * (long)spread);
        _nextDueNs = Math.Min(_nextDueNs, fragment.DueNs);
        _cursor++;
        return written;
    }

    /// <summary>Fragments that the newly acked packets carried are done.</summary>
    public void OnAcked(in FreshAcks acks)
    {
        if (_unackedCount == 0)
            return;
        for (uint i = _base; i != _next; i++)
        {
            ref Fragment fragment = ref At(i);
            if (fragment.IsAcked || fragment.Sends == 0)
                continue;
            if (acks.Contains(fragment.LastPacket) || (fragment.Sends > 1 && acks.Contains(fragment.PreviousPacket)))
            {
                fragment.IsAcked = true;
                _unackedCount--;
            }
        }

        while (_base != _next && At(_base).IsAcked)
            _base++;
        uint end = _base == _next ? _cutPosition : At(_base).Position;
        ReleasedBytes += end - _queue.StartPosition;
        _queue.ReleaseTo(end);
    }

    /// <summary>Fragments whose last packet is <paramref name="packets"/> or more behind the newest acked are taken for lost and sent again early.</summary>
    public void OnNewestAcked(SequenceNumber newest, int packets, long nowNs)
    {
        if (_unackedCount == 0)
            return;
        int found = 0;
        for (uint i = _base; i != _next; i++)
        {
            ref Fragment fragment = ref At(i);
            if (fragment.IsAcked || fragment.IsGivenUp || fragment.Sends == 0 || newest - fragment.LastPacket < packets)
                continue;
            // One packet's worth at once, the next 10 ms later: a burst of losses must not become a burst of resends.
            fragment.IsGivenUp = true;
            fragment.DueNs = Math.Min(fragment.DueNs, nowNs + (found / 4 * 10_000_000L));
            _nextDueNs = Math.Min(_nextDueNs, fragment.DueNs);
            found++;
        }
    }

    /// <summary>Gives the memory back: the connection is closed.</summary>
    public void Free()
    {
        _queue.Free();
        _cutPosition = _queue.EndPosition;
        _cutLeftBytes = 0;
        _cutMessageBytes = 0;
        _base = _next;
        _cursor = _next;
        _unackedCount = 0;
        _flight = [];
    }

    private int SumDue(long nowNs)
    {
        int bytes = 0;
        long nextDueNs = long.MaxValue;
        for (uint i = _base; i != _next; i++)
        {
            ref Fragment fragment = ref At(i);
            if (fragment.IsAcked)
                continue;
            nextDueNs = Math.Min(nextDueNs, fragment.DueNs);
            if (fragment.DueNs <= nowNs)
                bytes += LaneSegment.HeaderBytes(fragment.Flags) + fragment.Bytes;
        }

        _nextDueNs = nextDueNs;
        return bytes;
    }

    private bool TryCut()
    {
        if (_next - _base >= (uint)_window || _cutPosition == _queue.EndPosition)
            return false;
        byte flags = (byte)_lane;
        if (_cutMessageBytes == 0 && _cutLeftBytes == 0)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(_queue.Slice(_cutPosition, LengthBytes));
            _cutMessageBytes = length & ~PackedBit;
            flags |= (length & PackedBit) != 0 ? LaneSegment.PackedFlag : (byte)0;
            _cutLeftBytes = _cutMessageBytes;
            _cutPosition += LengthBytes;
            flags |= LaneSegment.FirstFlag;
        }

        int bytes = (int)Math.Min(_cutLeftBytes, LaneSegment.DataBytesMax);
        uint messageBytes = _cutMessageBytes;
        uint position = _cutPosition;
        _cutPosition += (uint)bytes;
        _cutLeftBytes -= (uint)bytes;
        if (_cutLeftBytes == 0)
        {
            flags |= LaneSegment.LastFlag;
            _cutMessageBytes = 0;
        }

        AddFragment(new Fragment { Position = position, MessageBytes = messageBytes, Bytes = (byte)bytes, Flags = flags });
        return true;
    }

    private void AddFragment(Fragment fragment)
    {
        if (_next - _base == (uint)_flight.Length)
            GrowFlight();
        At(_next) = fragment;
        _next++;
        _unackedCount++;
        _nextDueNs = 0;
    }

    private void GrowFlight()
    {
        var larger = new Fragment[Math.Max(8, _flight.Length * 2)];
        for (uint i = _base; i != _next; i++)
            larger[i & (larger.Length - 1)] = At(i);
        _flight = larger;
    }

    private ref Fragment At(uint number) => ref _flight[number & (_flight.Length - 1)];

    private struct Fragment
    {
        public long DueNs;
        public uint Position;
        public uint MessageBytes;
        public SequenceNumber LastPacket;
        public SequenceNumber PreviousPacket;
        public byte Bytes;
        public byte Flags;
        public byte Sends;
        public bool IsAcked;
        public bool IsGivenUp;
    }
}
