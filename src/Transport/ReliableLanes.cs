using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>The lanes of one connection: who goes first when a packet's room is short, and what came in. Lanes cost nothing until used.</summary>
internal sealed class ReliableLanes
{
    private const int LaneCount = 4;
    private const int SegmentsMax = byte.MaxValue;

    private readonly ConnectionOptions _options;
    private readonly ConnectionSide _side;
    private readonly LaneSender?[] _senders = new LaneSender?[LaneCount];
    private readonly LaneReceiver?[] _receivers = new LaneReceiver?[LaneCount];

    // Start-time fair queueing: each lane's clock runs by the bytes it sent over its weight, the lane furthest behind goes next.
    private readonly ulong[] _clocks = new ulong[LaneCount];
    private ulong _clock;
    private bool _isClosed;
    private bool _isIdle = true;      // nothing waits and nothing is under way: as mostly, and then no lane is looked at
    private bool _hasNew;             // something came in since nothing more could be taken: else no lane is looked at either

    public ReliableLanes(ConnectionOptions options, ConnectionSide side)
    {
        _options = options;
        _side = side;
    }

    /// <summary>Fragments sent again.</summary>
    public long Resent => Sum(sender => sender.Resent);

    /// <summary>Bytes of all lanes that wait or are not acked.</summary>
    public int QueuedBytesOfAll => _isIdle ? 0 : (int)Sum(sender => sender.QueuedBytes);

    /// <summary>Bytes of all lanes that the other end has taken.</summary>
    public long ReleasedBytes => Sum(sender => sender.ReleasedBytes);

    /// <summary>Bytes that all lanes have rented or allocated.</summary>
    public int MemoryBytes
    {
        get
        {
            int bytes = 0;
            for (int i = 0; i < LaneCount; i++)
                bytes += (_senders[i]?.MemoryBytes ?? 0) + (_receivers[i]?.MemoryBytes ?? 0);
            return bytes;
        }
    }

    /// <summary>True when a peer sent fragments that contradict each other.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>True when one of them was packed and does not unpack.</summary>
    public bool HasBadPacked { get; private set; }

    public SendResult TrySend(Lane lane, ReadOnlySpan<byte> message, BulkPacker? packer = null)
    {
        if (_isClosed)
            return SendResult.Closed;
        if (message.Length > _options.MessageBytesMax)
            return SendResult.TooLarge;
        LaneSender sender = _senders[(int)lane] ??= new LaneSender(lane, Other(_side), _options.LaneOf(lane).QueueBytesMax);
        _isIdle = false;
        ReadOnlySpan<byte> packed = lane == Lane.Bulk && packer is not null ? packer.Pack(message) : default;
        return packed.IsEmpty ? sender.TrySend(message, isPacked: false) : sender.TrySend(packed, isPacked: true);
    }

    public int QueuedBytes(Lane lane) => _senders[(int)lane]?.QueuedBytes ?? 0;

    public int PendingBytes(long nowNs, out bool onlyBulk)
    {
        onlyBulk = true;
        if (_isIdle)
            return 0;
        int bytes = 0;
        for (Lane lane = Lane.Control; lane < Lane.Bulk; lane++)
            bytes += _senders[(int)lane]?.PendingBytes(nowNs) ?? 0;
        onlyBulk = bytes == 0;
        bytes += _senders[(int)Lane.Bulk]?.PendingBytes(nowNs) ?? 0;
        return bytes == 0 ? 0 : bytes + 1;
    }

    /// <summary>Writes a lane block of what is due, at most as long as <paramref name="room"/>.</summary>
    /// <returns>Its bytes; 0 when nothing is due or fits.</returns>
    public int Write(Span<byte> room, SequenceNumber packet, long nowNs, long resendNs)
    {
        if (_isIdle)
            return 0;
        foreach (LaneSender? sender in _senders)
            sender?.BeginPacket();
        int used = 1;
        int segments = 0;
        while (segments < SegmentsMax)
        {
            int lane = Choose(nowNs, room.Length - used, out int segmentBytes);
            if (lane < 0)
                break;
            used += _senders[lane]!.WriteNext(room[used..], packet, nowNs, resendNs);
            segments++;
            _clock = Math.Max(_clocks[lane], _clock);
            _clocks[lane] = _clock + ((ulong)segmentBytes * 1024 / (ulong)_options.LaneOf((Lane)lane).Weight);
        }

        if (segments == 0)
            return 0;
        room[0] = (byte)segments;
        return used;
    }

    /// <summary>Some of our packets are newly known to be accepted.</summary>
    public void OnAcked(in FreshAcks acks)
    {
        if (_isIdle)
            return;
        foreach (LaneSender? sender in _senders)
            sender?.OnAcked(acks);
        _isIdle = QueuedBytesOfAll == 0;
    }

    /// <summary>The newest acked packet moved: what was sent in one <paramref name="packets"/> or more before it and not acked is lost.</summary>
    public void OnNewestAcked(SequenceNumber newest, int packets, long nowNs)
    {
        if (_isIdle)
            return;
        foreach (LaneSender? sender in _senders)
            sender?.OnNewestAcked(newest, packets, nowNs);
    }

    /// <summary>Steps <paramref name="bytes"/> past the lane block at its start, without taking it in.</summary>
    public OpenResult Check(ref ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || bytes[0] == 0)
            return OpenResult.Malformed;
        int segments = bytes[0];
        bytes = bytes[1..];
        for (int i = 0; i < segments; i++)
        {
            if (!LaneSegment.TryRead(ref bytes, out LaneSegment segment) || segment.MessageBytes > _options.ReceiveMessageBytesMax || (segment.IsPacked && _side == ConnectionSide.Server))
                return OpenResult.Malformed;
            if (_receivers[(int)segment.Lane] is { } receiver ? !receiver.HasRoomFor(segment) : segment.Sequence >= LaneSegment.WindowOf(segment.Lane, _side))
                return OpenResult.LaneFull;
        }

        return OpenResult.Opened;
    }

    /// <summary>Takes a checked lane block in.</summary>
    public void Take(ReadOnlySpan<byte> block)
    {
        int segments = block[0];
        block = block[1..];
        _hasNew = true;
        for (int i = 0; i < segments; i++)
        {
            bool isRead = LaneSegment.TryRead(ref block, out LaneSegment segment);
            Contract.Assert(isRead);
            LaneReceiver receiver = _receivers[(int)segment.Lane] ??= new LaneReceiver(segment.Lane, _side, _options.ReceiveMessageBytesMax);
            receiver.Take(segment);
            IsBroken |= receiver.IsBroken;
        }
    }

    public bool TryReceive(out Lane lane, out ReadOnlySpan<byte> message)
    {
        for (int i = 0; _hasNew && i < LaneCount; i++)
        {
            if (_receivers[i] is not { } receiver)
                continue;
            bool has = receiver.TryTake(out message);
            IsBroken |= receiver.IsBroken;
            HasBadPacked |= receiver.HasBadPacked;
            if (!has)
                continue;
            lane = (Lane)i;
            return true;
        }

        _hasNew = false;
        lane = default;
        message = default;
        return false;
    }

    /// <summary>Nothing is sent any more; what came in may still be taken.</summary>
    public void Close()
    {
        _isClosed = true;
        foreach (LaneSender? sender in _senders)
            sender?.Free();
    }

    private long Sum(Func<LaneSender, long> of)
    {
        long sum = 0;
        foreach (LaneSender? sender in _senders)
            sum += sender is null ? 0 : of(sender);
        return sum;
    }

    private static ConnectionSide Other(ConnectionSide side) => side == ConnectionSide.Client ? ConnectionSide.Server : ConnectionSide.Client;

    private int Choose(long nowNs, int roomBytes, out int segmentBytes)
    {
        int best = -1;
        ulong bestClock = ulong.MaxValue;
        segmentBytes = 0;
        for (int i = 0; i < LaneCount; i++)
        {
            if (_senders[i] is not { } sender || !sender.TryPeek(nowNs, roomBytes, out int bytes))
                continue;
            ulong clock = Math.Max(_clocks[i], _clock);
            if (clock >= bestClock)
                continue;
            best = i;
            bestClock = clock;
            segmentBytes = bytes;
        }

        return best;
    }
}
