using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>One end of a connection: bytes and time come in, bytes go out. No socket, no clock, no address.</summary>
/// <remarks><para>Receive: <see cref="TryOpen"/> changes nothing; <see cref="Accept"/> takes the packet in, and only then is it acked. So the layer
/// above can look into a packet and leave it, as if it had been lost.</para>
/// <para>Send: <see cref="BeginPacket"/>, write the tail, <see cref="FinishPacket"/>; <see cref="Poll"/> for handshake and goodbye.</para>
/// <para>Body of a payload packet, behind the header (<see cref="PacketHeader"/>), before the tag (<see cref="PacketSeal"/>):</para>
/// <code>
/// flags u8     bit 0 acks, bit 1 lane block, bit 2 tail, bit 3 all ack bits set (only with bit 0), bits 4-7 zero
/// acks         newest accepted sequence u16 | bits u32 of the 32 before it (absent when bit 3 is set)
/// lane block   see LaneSegment
/// tail         to the end of the body: a snapshot from the server, input from the client
/// </code>
/// <para>Body of a close packet: close code u8. One thread at a time.</para></remarks>
public sealed class Connection
{
    /// <summary>Room that a lane block needs at least to carry any fragment.</summary>
    public const int LaneBytesMin = 1 + LaneSegment.HeaderBytesMax + LaneSegment.DataBytesMax;

    /// <summary>Most bytes of header, flags, acks and tag: what is always left for lanes and tail is 1,200 less this.</summary>
    public const int PacketOverheadBytesMax = PacketHeader.OverheadBytes + 7;

    private const byte AcksFlag = 1;
    private const byte LanesFlag = 2;
    private const byte TailFlag = 4;
    private const byte AllBitsFlag = 8;
    private const int SentRing = 128;              // packets whose time of sending is kept, for round trips
    private const int GoodbyeCount = 4;            // a goodbye is not acked: said often enough, one gets through
    private const long GoodbyeIntervalNs = 50_000_000;

    private readonly ConnectionOptions _options;
    private readonly int _headerBytes;
    private readonly int _peerHeaderBytes;
    private readonly ReliableLanes _lanes;
    private readonly long[] _sentNs = new long[SentRing];
    private HandshakeClient? _handshake;
    private PacketSeal? _seal;
    private Random128 _clientRandom;
    private Random128 _serverRandom;
    private AckTracker _received;
    private AckedPackets _acked;
    private LinkQuality _quality;
    private SequenceNumber _settled;               // the fate of our packets before this one is known or given up
    private readonly long _startedNs;
    private long _lastSentNs;
    private long _lastHeardNs;
    private long _nextGoodbyeNs;
    private int _goodbyesLeft;
    private int _bodyBytes;                        // of the packet begun; -1 when there is none
    private bool _owesAck;

    private Connection(ConnectionSide side, ConnectionOptions options, long nowNs)
    {
        Side = side;
        _options = options;
        _headerBytes = side == ConnectionSide.Client ? PacketHeader.ClientHeaderBytes : PacketHeader.ServerHeaderBytes;
        _peerHeaderBytes = side == ConnectionSide.Client ? PacketHeader.ServerHeaderBytes : PacketHeader.ClientHeaderBytes;
        _lanes = new ReliableLanes(options);
        NextSequence = options.FirstSequence;
        _settled = options.FirstSequence;
        _startedNs = nowNs;
        _lastHeardNs = nowNs;
        _lastSentNs = nowNs;
        _bodyBytes = -1;
    }

    /// <summary>Starts to connect; <see cref="Poll"/> gives the packets to send.</summary>
    /// <param name="options">Validated here.</param>
    /// <param name="clientRandom">Fresh random bytes: name this attempt and become a part of its keys.</param>
    /// <param name="schemaHash">Hash of the schema that this client was built with.</param>
    /// <param name="mapHash">SHA-256 of the client's map; default when it has none.</param>
    /// <param name="nowNs">Monotonic time of this end.</param>
    public static Connection Connect(ConnectionOptions options, in Random128 clientRandom, ulong schemaHash, in Hash256 mapHash, long nowNs)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new Connection(ConnectionSide.Client, options, nowNs)
        {
            State = ConnectionState.Connecting,
            _clientRandom = clientRandom,
            _handshake = new HandshakeClient(options.ProtocolVersion, options.HandshakeResendNs, clientRandom, schemaHash, mapHash, nowNs),
        };
    }

    /// <summary>The server's end for a verified request; the caller sends <see cref="HandshakeServer.WriteAccepted"/>.</summary>
    /// <param name="options">Validated by the caller, once.</param>
    /// <param name="request">From <see cref="HandshakeServer.TryVerifyResponse"/>.</param>
    /// <param name="connectionId">The number by which the client's packets name this connection.</param>
    /// <param name="nowNs">Monotonic time of this end.</param>
    public static Connection FromRequest(ConnectionOptions options, in ConnectRequest request, ulong connectionId, long nowNs)
    {
        ArgumentNullException.ThrowIfNull(options);
        var connection = new Connection(ConnectionSide.Server, options, nowNs);
        connection._clientRandom = request.ClientRandom;
        connection._serverRandom = request.ServerRandom;
        connection.Establish(connectionId);
        return connection;
    }

    /// <summary>Which end this is.</summary>
    public ConnectionSide Side { get; }

    /// <summary>Where it stands.</summary>
    public ConnectionState State { get; private set; }

    /// <summary>Why it is closed; cause None while it is not.</summary>
    public CloseReason CloseReason { get; private set; } = new(CloseCause.None);

    /// <summary>The number by which the client's packets name this connection. 0 while connecting.</summary>
    public ulong ConnectionId { get; private set; }

    /// <summary>The number that the next packet will have.</summary>
    public SequenceNumber NextSequence { get; private set; }

    /// <summary>What passed and what was dropped.</summary>
    public ConnectionCounters Counters { get; } = new();

    /// <summary>Smoothed round trip, ns, the other end's wait for its next packet included; 0 before the first.</summary>
    public long SmoothedRttNs => _quality.SmoothedRttNs;

    /// <summary>Shortest round trip of the last 10 to 20 s, ns; 0 before the first.</summary>
    public long MinRttNs => _quality.MinRttNs;

    /// <summary>Smoothed mean deviation of the round trip, ns.</summary>
    public long JitterNs => _quality.JitterNs;

    /// <summary>Share of our last 128 packets with a known fate that the other end did not accept.</summary>
    public double LossShare => _quality.LossShare;

    /// <summary>Time after which unacked lane fragments are sent again, ns.</summary>
    public long ResendNs => _quality.ResendNs;

    /// <summary>True when a packet with lane fragments was accepted since the last packet sent: an ack soon saves a resend.</summary>
    public bool OwesAck => _owesAck;

    /// <summary>Newest packet of the other end that was accepted; meaningful when <see cref="HasAccepted"/>.</summary>
    public SequenceNumber NewestAccepted => _received.Field.Newest;

    /// <summary>True once a packet was accepted.</summary>
    public bool HasAccepted => _received.HasAny;

    /// <summary>When the last packet was accepted (or the connection made), ns.</summary>
    public long LastHeardNs => _lastHeardNs;

    /// <summary>When the last packet was sent (or the connection made), ns.</summary>
    public long LastSentNs => _lastSentNs;

    /// <summary>Bytes that a tail may have in the packet that was begun.</summary>
    public int TailBytesMax => _bodyBytes < 0 ? 0 : PacketHeader.DatagramBytesMax - PacketHeader.TagBytes - _headerBytes - _bodyBytes;

    /// <summary>Lane fragments sent again.</summary>
    public long ResentFragments => _lanes.Resent;

    /// <summary>Bytes held by the lanes now, both directions.</summary>
    public int LaneMemoryBytes => _lanes.MemoryBytes;

    /// <summary>True when the request is of the attempt that made this connection: the client has not heard, so send the acceptance again.</summary>
    /// <remarks>A request of the same address that is not, comes from a client that started anew: it takes the place of the old connection.</remarks>
    public bool IsSameAttempt(in ConnectRequest request) => request.ClientRandom == _clientRandom && request.ServerRandom == _serverRandom;

    /// <summary>True when nothing was sent for <see cref="ConnectionOptions.KeepAliveNs"/>: the layer above then sends a packet.</summary>
    public bool KeepAliveDue(long nowNs) => State == ConnectionState.Connected && nowNs - _lastSentNs >= _options.KeepAliveNs;

    /// <summary>Lets time pass, and gives the handshake or goodbye packet that is due. Call until it gives 0, at least every 50 ms.</summary>
    /// <returns>Bytes written to <paramref name="datagram"/> (at least 1,200 long); 0: nothing to send.</returns>
    public int Poll(long nowNs, Span<byte> datagram)
    {
        int bytes = State switch
        {
            ConnectionState.Connecting => PollHandshake(nowNs, datagram),
            ConnectionState.Connected => PollConnected(nowNs),
            _ => PollGoodbye(nowNs, datagram),
        };
        Counters.SentBytes += bytes;
        return bytes;
    }

    /// <summary>Ends the connection; <see cref="Poll"/> gives the goodbyes. No effect on one that is closed.</summary>
    public void Close(CloseCode code, long nowNs)
    {
        if (State == ConnectionState.Closed)
            return;
        bool tell = State == ConnectionState.Connected;
        SetClosed(new CloseReason(code == CloseCode.ProtocolError ? CloseCause.ProtocolError : CloseCause.Local, code));
        _goodbyesLeft = tell ? GoodbyeCount : 0;
        _nextGoodbyeNs = nowNs;
    }

    /// <summary>Checks a datagram and says what it holds. Handshake packets are dealt with; of anything else nothing is taken in.</summary>
    /// <param name="datagram">May be changed (opened in place).</param>
    /// <param name="nowNs">Now.</param>
    /// <param name="packet">What it holds; meaningful when the result is <see cref="OpenResult.Opened"/>.</param>
    /// <returns>Every result but Opened and Handshake is a drop, already counted.</returns>
    public OpenResult TryOpen(Span<byte> datagram, long nowNs, out OpenedPacket packet)
    {
        packet = default;
        if (!PacketHeader.TryReadType(datagram, out PacketType type))
            return Counters.CountDrop(OpenResult.Malformed);
        OpenResult result = type is PacketType.Payload or PacketType.Close
            ? Open(datagram, out packet)
            : TakeHandshake(type, datagram, nowNs);
        return result is OpenResult.Opened or OpenResult.Handshake ? result : Counters.CountDrop(result);
    }

    /// <summary>Takes an opened packet in: it will be acked, its acks and lane fragments count, the other end is alive.</summary>
    /// <param name="packet">From <see cref="TryOpen"/>, with no other packet accepted in between that makes it a copy or late.</param>
    /// <param name="datagram">The same datagram.</param>
    /// <param name="nowNs">Now.</param>
    public AckUpdate Accept(in OpenedPacket packet, ReadOnlySpan<byte> datagram, long nowNs)
    {
        Contract.Assert(State == ConnectionState.Connected);
        _received.Accept(packet.Sequence);
        _lastHeardNs = nowNs;
        Counters.AcceptedPackets++;
        Counters.AcceptedBytes += datagram.Length;
        AckUpdate update = packet.HasAcks ? TakeAcks(packet.Acks, nowNs) : Unchanged();
        if (packet.LaneBytes > 0)
        {
            _owesAck = true;
            _lanes.Take(datagram.Slice(packet.LaneOffset, packet.LaneBytes));
        }

        if (_lanes.IsBroken)
            Close(CloseCode.ProtocolError, nowNs);
        if (packet.IsClose && State == ConnectionState.Connected)
            SetClosed(new CloseReason(CloseCause.ClosedByPeer, packet.CloseCode));
        return update;
    }

    /// <summary>Counts a packet that was opened and not accepted: its self-check failed, or its tail made no sense.</summary>
    public void CountRefused() => Counters.CountDrop(OpenResult.NotAccepted);

    /// <summary>Starts a packet: header, acks, and what is due on the lanes.</summary>
    /// <param name="datagram">At least 1,200 bytes.</param>
    /// <param name="nowNs">Now.</param>
    /// <param name="laneBytesMax">Room for the lane block; below <see cref="LaneBytesMin"/> long fragments wait. 0: none.</param>
    /// <param name="tailOffset">Where the tail may be written; <see cref="TailBytesMax"/> says how much of it.</param>
    /// <returns>The packet's number. <see cref="FinishPacket"/> must follow.</returns>
    public SequenceNumber BeginPacket(Span<byte> datagram, long nowNs, int laneBytesMax, out int tailOffset)
    {
        Contract.Assert(State == ConnectionState.Connected && _bodyBytes < 0);
        SequenceNumber sequence = NextSequence;
        WriteHeader(datagram, PacketType.Payload, sequence);
        Span<byte> body = datagram[_headerBytes..(PacketHeader.DatagramBytesMax - PacketHeader.TagBytes)];
        byte flags = 0;
        int used = 1;
        if (_received.HasAny)
        {
            flags |= AcksFlag;
            BinaryPrimitives.WriteUInt16LittleEndian(body[1..], _received.Field.Newest.Wire);
            used += 2;
            if (_received.Field.Bits == uint.MaxValue)
            {
                flags |= AllBitsFlag;
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(body[3..], _received.Field.Bits);
                used += 4;
            }
        }

        if (laneBytesMax > 0)
        {
            int laneBytes = _lanes.Write(body.Slice(used, Math.Min(laneBytesMax, body.Length - used)), sequence, nowNs, _quality.ResendNs);
            if (laneBytes > 0)
                flags |= LanesFlag;
            used += laneBytes;
        }

        body[0] = flags;
        _bodyBytes = used;
        tailOffset = _headerBytes + used;
        return sequence;
    }

    /// <summary>Seals the packet that was begun.</summary>
    /// <param name="datagram">The same as for <see cref="BeginPacket"/>.</param>
    /// <param name="tailBytes">Bytes written at the tail's offset; 0: no tail.</param>
    /// <param name="nowNs">Now.</param>
    /// <returns>Bytes of the datagram to send, at most 1,200.</returns>
    public int FinishPacket(Span<byte> datagram, int tailBytes, long nowNs)
    {
        Contract.Assert(_bodyBytes >= 0 && tailBytes >= 0 && tailBytes <= TailBytesMax);
        if (tailBytes > 0)
            datagram[_headerBytes] |= TailFlag;
        int bytes = SealNext(datagram, _bodyBytes + tailBytes, nowNs);
        _bodyBytes = -1;
        _owesAck = false;
        Counters.SentBytes += bytes;
        return bytes;
    }

    /// <summary>Bytes that the lanes would send now, headers included: more than fits into one packet goes into the next ones.</summary>
    public int PendingLaneBytes(long nowNs) => _lanes.PendingBytes(nowNs);

    /// <summary>Queues a message; the span is copied. Allowed while connecting.</summary>
    public SendResult TrySend(Lane lane, ReadOnlySpan<byte> message) => _lanes.TrySend(lane, message);

    /// <summary>Bytes of a lane that wait or are not acked yet.</summary>
    public int QueuedBytes(Lane lane) => _lanes.QueuedBytes(lane);

    /// <summary>The next message that came in whole. Call until false, at least once a tick.</summary>
    /// <remarks>Whoever leaves messages lying stops the lane, and in the end drops packets that carry more of it (<see cref="OpenResult.LaneFull"/>).</remarks>
    /// <param name="lane">The lane it came on.</param>
    /// <param name="message">Valid until the next call of this method or <see cref="Accept"/>.</param>
    public bool TryReceive(out Lane lane, out ReadOnlySpan<byte> message) => _lanes.TryReceive(out lane, out message);

    private int PollHandshake(long nowNs, Span<byte> datagram)
    {
        if (nowNs - _startedNs < _options.ConnectTimeoutNs)
            return _handshake!.Poll(nowNs, datagram);
        SetClosed(new CloseReason(CloseCause.TimedOut));
        return 0;
    }

    private int PollConnected(long nowNs)
    {
        if (nowNs - _lastHeardNs > _options.TimeoutNs)
            SetClosed(new CloseReason(CloseCause.TimedOut));
        return 0;
    }

    private int PollGoodbye(long nowNs, Span<byte> datagram)
    {
        if (_goodbyesLeft == 0 || nowNs < _nextGoodbyeNs)
            return 0;
        _goodbyesLeft--;
        _nextGoodbyeNs = nowNs + GoodbyeIntervalNs;
        WriteHeader(datagram, PacketType.Close, NextSequence);
        datagram[_headerBytes] = (byte)CloseReason.Code;
        return SealNext(datagram, 1, nowNs);
    }

    private void WriteHeader(Span<byte> datagram, PacketType type, SequenceNumber sequence)
    {
        var header = new PacketHeader(type, ConnectionId, sequence.Wire);
        if (Side == ConnectionSide.Client)
            header.WriteFromClient(datagram);
        else
            header.WriteFromServer(datagram);
    }

    private int SealNext(Span<byte> datagram, int bodyBytes, long nowNs)
    {
        int bytes = _seal!.Seal(datagram, _headerBytes, bodyBytes, PacketSeal.Nonce(Side, NextSequence));
        _sentNs[NextSequence.Value % SentRing] = nowNs;
        NextSequence = NextSequence.Next;
        _lastSentNs = nowNs;
        Counters.SentPackets++;
        return bytes;
    }

    private OpenResult Open(ReadOnlySpan<byte> datagram, out OpenedPacket packet)
    {
        packet = default;
        if (State != ConnectionState.Connected)
            return OpenResult.NotConnected;
        bool isRead = Side == ConnectionSide.Server
            ? PacketHeader.TryReadFromClient(datagram, out PacketHeader header)
            : PacketHeader.TryReadFromServer(datagram, out header);
        if (!isRead)
            return OpenResult.Malformed;
        if (header.ConnectionId != (Side == ConnectionSide.Server ? ConnectionId : (byte)ConnectionId))
            return OpenResult.Foreign;
        SequenceNumber sequence = _options.WidensSequence
            ? SequenceNumber.Widen(header.Sequence, _received.HasAny ? _received.Field.Newest : _options.FirstSequence)
            : new SequenceNumber(header.Sequence);
        OpenResult age = JudgeAge(sequence);
        if (age != OpenResult.Opened)
            return age;
        ConnectionSide sender = Side == ConnectionSide.Server ? ConnectionSide.Client : ConnectionSide.Server;
        if (!_seal!.TryOpen(datagram, _peerHeaderBytes, PacketSeal.Nonce(sender, sequence), out int bodyBytes))
            return OpenResult.BadSeal;
        ReadOnlySpan<byte> body = datagram.Slice(_peerHeaderBytes, bodyBytes);
        return header.Type == PacketType.Close ? ReadClose(body, sequence, out packet) : ReadBody(body, sequence, out packet);
    }

    private OpenResult JudgeAge(SequenceNumber sequence)
    {
        if (!_received.HasAny)
            return sequence >= _options.FirstSequence ? OpenResult.Opened : OpenResult.TooOld;
        return _received.Judge(sequence) switch
        {
            PacketAge.New => OpenResult.Opened,
            PacketAge.Duplicate => OpenResult.Duplicate,
            PacketAge.TooOld => OpenResult.TooOld,
            // What a client has accepted up to a packet is final: which baseline a delta starts from follows from it (docs/wire-format.md, Payload).
            _ => Side == ConnectionSide.Client || sequence < _options.FirstSequence ? OpenResult.Late : OpenResult.Opened,
        };
    }

    private OpenResult ReadClose(ReadOnlySpan<byte> body, SequenceNumber sequence, out OpenedPacket packet)
    {
        packet = default;
        if (body.Length != 1)
            return OpenResult.Malformed;
        packet = new OpenedPacket { Sequence = sequence, IsClose = true, CloseCode = (CloseCode)body[0], TailOffset = _peerHeaderBytes + 1 };
        return OpenResult.Opened;
    }

    private OpenResult ReadBody(ReadOnlySpan<byte> body, SequenceNumber sequence, out OpenedPacket packet)
    {
        packet = default;
        if (body.IsEmpty)
            return OpenResult.Malformed;
        byte flags = body[0];
        ReadOnlySpan<byte> rest = body[1..];
        if (flags >= 16 || (flags & (AcksFlag | AllBitsFlag)) == AllBitsFlag)
            return OpenResult.Malformed;
        AckField acks = default;
        bool hasAcks = (flags & AcksFlag) != 0;
        if (hasAcks)
        {
            OpenResult read = ReadAcks((flags & AllBitsFlag) != 0, ref rest, out acks);
            if (read != OpenResult.Opened)
                return read;
        }

        int laneOffset = body.Length - rest.Length;
        if ((flags & LanesFlag) != 0)
        {
            OpenResult check = _lanes.Check(ref rest);
            if (check != OpenResult.Opened)
                return check;
        }

        int tailOffset = body.Length - rest.Length;
        if (rest.IsEmpty != ((flags & TailFlag) == 0))
            return OpenResult.Malformed;
        packet = new OpenedPacket
        {
            Sequence = sequence,
            HasAcks = hasAcks,
            Acks = acks,
            LaneOffset = _peerHeaderBytes + laneOffset,
            LaneBytes = tailOffset - laneOffset,
            TailOffset = _peerHeaderBytes + tailOffset,
            TailBytes = rest.Length,
        };
        return OpenResult.Opened;
    }

    private OpenResult ReadAcks(bool allBits, ref ReadOnlySpan<byte> rest, out AckField acks)
    {
        acks = default;
        int ackBytes = allBits ? 2 : 6;
        if (rest.Length < ackBytes)
            return OpenResult.Malformed;
        SequenceNumber newestSent = NextSequence - 1;
        var newest = SequenceNumber.Widen(BinaryPrimitives.ReadUInt16LittleEndian(rest), newestSent);
        uint bits = allBits ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(rest[2..]);
        rest = rest[ackBytes..];
        if (newest > newestSent || newest < _options.FirstSequence)
            return OpenResult.AckOfUnsent;
        // Bits before our first packet: a count of 0 to 31 earlier packets can be acked then.
        int earlier = newest - _options.FirstSequence;
        if (earlier < AckField.Window && bits >> earlier != 0)
            return OpenResult.AckOfUnsent;
        acks = new AckField(newest, bits);
        return OpenResult.Opened;
    }

    private AckUpdate Unchanged() => new(false, _acked.Known.Newest, _acked.Known.Bits, _acked.Known.Newest);

    private AckUpdate TakeAcks(AckField field, long nowNs)
    {
        SequenceNumber previous = _acked.HasAny ? _acked.Known.Newest : _options.FirstSequence - 1;
        bool advanced = field.Newest > previous;
        if (advanced)
            SettleFates(field);
        FreshAcks fresh = _acked.Take(field);
        if (fresh.Count == 0)
            return Unchanged();
        Counters.AckedPackets += fresh.Count;
        _lanes.OnAcked(fresh);
        if (!advanced)
            return Unchanged();
        if (NextSequence - field.Newest <= SentRing)
            _quality.TakeRtt(nowNs - _sentNs[field.Newest.Value % SentRing], nowNs);
        // A client never goes back, so what it passed by is lost; a server takes late packets in, so three newer ones must be acked first.
        _lanes.OnNewestAcked(field.Newest, Side == ConnectionSide.Server ? 1 : 3, nowNs);
        return new AckUpdate(true, _acked.Known.Newest, _acked.Known.Bits, previous);
    }

    // A packet's fate is known when the other end cannot accept it any more: at once when a client passed it by, else when it leaves the window.
    private void SettleFates(AckField field)
    {
        SequenceNumber end = Side == ConnectionSide.Server ? field.Newest + 1 : field.Newest - (AckField.Window - 1);
        if (end - _settled > 2 * AckField.Window)
            _settled = end - (2 * AckField.Window);
        for (; _settled < end; _settled += 1)
        {
            bool isTold = field.Covers(_settled) || (_acked.HasAny && _acked.Known.Covers(_settled));
            if (!isTold)
                continue;   // the unknown: no ack ever spoke of it
            bool isLost = !field.Holds(_settled) && !(_acked.HasAny && _acked.Known.Holds(_settled));
            _quality.TakeFate(isLost);
            if (isLost)
                Counters.LostPackets++;
        }
    }

    private OpenResult TakeHandshake(PacketType type, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (Side == ConnectionSide.Server || type is PacketType.Request or PacketType.Response)
            return OpenResult.Foreign;
        if (State != ConnectionState.Connecting)
            return OpenResult.NotConnected;
        switch (type)
        {
            case PacketType.Challenge when _handshake!.TryTakeChallenge(datagram, nowNs, out long rttNs):
                if (rttNs > 0)
                    _quality.TakeRtt(rttNs, nowNs);
                return OpenResult.Handshake;
            case PacketType.Accepted when _handshake!.TryTakeAccepted(datagram, out ulong connectionId):
                _serverRandom = _handshake.ServerRandom;
                _lastHeardNs = nowNs;
                _lastSentNs = nowNs;
                Establish(connectionId);
                return OpenResult.Handshake;
            case PacketType.Refused when _handshake!.TryTakeRefused(datagram, out RefuseReason reason, out string text):
                SetClosed(new CloseReason(CloseCause.Refused, CloseCode.None, reason, text));
                return OpenResult.Handshake;
            default:
                return OpenResult.Foreign;
        }
    }

    private void Establish(ulong connectionId)
    {
        _handshake = null;
        _seal = new PacketSeal(_clientRandom, _serverRandom);
        ConnectionId = connectionId;
        State = ConnectionState.Connected;
    }

    private void SetClosed(in CloseReason reason)
    {
        State = ConnectionState.Closed;
        CloseReason = reason;
        _handshake = null;
        _bodyBytes = -1;
        _lanes.Close();
    }
}
