using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>One end of a connection: bytes and time come in, bytes go out. No socket, no clock, no address.</summary>
/// <remarks><para>Receive: <see cref="TryOpen"/> changes nothing; <see cref="Accept"/> takes the packet in, and only then is it acked. So the layer
/// above can look into a packet and leave it, as if it had been lost.</para>
/// <para>Send: <see cref="BeginPacket"/>, write the tail, <see cref="FinishPacket"/>; <see cref="Poll"/> for handshake and goodbye.</para>
/// <para>Body of a payload packet, behind the header (<see cref="PacketHeader"/>), before the tag, encrypted (<see cref="PacketSealer"/>):</para>
/// <code>
/// flags u8     bit 0 acks, bit 1 lane block, bit 2 tail, bit 3 all ack bits set (only with bit 0), bits 4-7 zero
/// acks         newest accepted sequence u16 | bits u32 of the 32 before it (absent when bit 3 is set)
/// lane block   see LaneSegment
/// tail         to the end of the body: a snapshot from the server, input from the client
/// </code>
/// <para>Body of a close packet: close code u8. Of a path challenge: data u64. Of a path response: data u64, then zeros. One thread at a time.</para></remarks>
public sealed class Connection
{
    /// <summary>Room that a lane block needs at least to carry any fragment.</summary>
    public const int LaneBytesMin = 1 + LaneSegment.HeaderBytesMax + LaneSegment.DataBytesMax;

    /// <summary>Most bytes of header, flags, acks and tag: what is always left for lanes and tail is 1,200 less this.</summary>
    public const int PacketOverheadBytesMax = PacketHeader.OverheadBytes + BodyHeadBytesMax;

    /// <summary>Most bytes of flags and acks.</summary>
    public const int BodyHeadBytesMax = 7;

    private const byte AcksFlag = 1;
    private const byte LanesFlag = 2;
    private const byte TailFlag = 4;
    private const byte AllBitsFlag = 8;
    private const int PathBytes = 8;
    private const int GoodbyeCount = 4;            // a goodbye is not acked: said often enough, one gets through
    private const long GoodbyeIntervalNs = 50_000_000;

    private readonly ConnectionOptions _options;
    private readonly int _headerBytes;
    private readonly int _peerHeaderBytes;
    private readonly ReliableLanes _lanes;
    private HandshakeClient? _handshake;
    private PacketSealer? _sealer;
    private PacketOpener? _opener;
    private Random128 _clientRandom;
    private Random128 _serverRandom;
    private AckTracker _received;
    private AckedPackets _acked;
    private LinkQuality _quality;
    private RateControl _rate;
    private SequenceNumber _settled;               // the fate of our packets before this one is known or given up
    private readonly long _startedNs;
    private long _lastSentNs;
    private long _lastHeardNs;
    private long _nextGoodbyeNs;
    private int _goodbyesLeft;
    private int _bodyBytes;                        // of the packet begun; -1 when there is none
    private bool _owesAck;
    private bool _owesPathResponse;
    private bool _owesPathNews;
    private ulong _pathData;

    private Connection(ConnectionSide side, ConnectionOptions options, long nowNs)
    {
        Side = side;
        _options = options;
        _headerBytes = side == ConnectionSide.Client ? PacketHeader.ClientHeaderBytes : PacketHeader.ServerHeaderBytes;
        _peerHeaderBytes = side == ConnectionSide.Client ? PacketHeader.ServerHeaderBytes : PacketHeader.ClientHeaderBytes;
        _lanes = new ReliableLanes(options, side);
        _settled = options.FirstSequence;
        _rate = new RateControl(options.RateBytesPerSecondMin, options.RateBytesPerSecondMax, options.FirstSequence, nowNs);
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
    /// <param name="token">What the player was given to come in; null: the server is asked for one, which only servers in development give.</param>
    public static Connection Connect(ConnectionOptions options, in Random128 clientRandom, ulong schemaHash, in Hash256 mapHash, long nowNs, ConnectToken? token = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new Connection(ConnectionSide.Client, options, nowNs)
        {
            State = ConnectionState.Connecting,
            _clientRandom = clientRandom,
            _handshake = new HandshakeClient(options.ProtocolVersion, options.HandshakeResendNs, clientRandom, new ResponseBody(options.Suites, schemaHash, mapHash), token, nowNs),
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
        connection.Establish(connectionId, request.Keys);
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
    public SequenceNumber NextSequence => _sealer?.Next ?? _options.FirstSequence;

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

    /// <summary>Bytes of UDP payload that may be sent a second now, between the bounds of the options: what loss and round trips tell of the link.</summary>
    /// <remarks>Kept by the layer above, which knows what may wait; goodbyes and keep-alives go in any case.</remarks>
    public int RateBytesPerSecond => _rate.BytesPerSecond;

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

    /// <summary>Bytes on all lanes that wait or are not acked yet.</summary>
    public int QueuedLaneBytes => _lanes.QueuedBytesOfAll;

    /// <summary>Bytes on all lanes that the other end has taken, since the start.</summary>
    public long ReleasedLaneBytes => _lanes.ReleasedBytes;

    /// <summary>True when the other end sent a packed message that does not unpack to what it says: the connection is closed then.</summary>
    public bool HasBadPacked => _lanes.HasBadPacked;

    /// <summary>Bytes held by the lanes now, both directions.</summary>
    public int LaneMemoryBytes => _lanes.MemoryBytes;

    /// <summary>Bytes held by the keys of both directions.</summary>
    public int KeyMemoryBytes => (_sealer?.MemoryBytes ?? 0) + (_opener?.MemoryBytes ?? 0);

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
            ConnectionState.Connected => PollConnected(nowNs, datagram),
            _ => PollGoodbye(nowNs, datagram),
        };
        if (bytes > 0)
            Counters.SentBytes += bytes;
        return bytes;
    }

    /// <summary>Lets the rate follow the time: while nothing is acked the lowest is in force. <see cref="Poll"/> does it too.</summary>
    public void NoticeSilence(long nowNs) => _rate.Poll(_quality.SmoothedRttNs, nowNs);

    /// <summary>True when nothing was heard for so long that <see cref="Poll"/> gives the connection up.</summary>
    public bool IsTimedOut(long nowNs) => nowNs - _lastHeardNs > _options.TimeoutNs;

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

    /// <summary>Checks a datagram and says what it holds. Handshake packets and late path challenges are dealt with; of anything else nothing is taken in.</summary>
    /// <param name="datagram">May be changed (opened in place).</param>
    /// <param name="nowNs">Now.</param>
    /// <param name="packet">What it holds; meaningful when the result is <see cref="OpenResult.Opened"/>.</param>
    /// <returns>Every result but Opened and Handshake is a drop, already counted.</returns>
    public OpenResult TryOpen(Span<byte> datagram, long nowNs, out OpenedPacket packet)
    {
        packet = default;
        if (!PacketHeader.TryReadType(datagram, out PacketType type))
            return Counters.CountDrop(OpenResult.Malformed);
        OpenResult result = PacketHeader.IsSealed(type)
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
        if (packet.IsPathChallenge)
            (_owesPathResponse, _pathData) = (true, packet.PathData);
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

    /// <summary>Something waits that only <see cref="RateBytesPerSecond"/> kept from being sent: without that, the rate does not rise.</summary>
    public void NoteRateLimited() => _rate.OnLimited();

    /// <summary>Bytes that the lanes would send now, headers included: more than fits into one packet goes into the next ones.</summary>
    public int PendingLaneBytes(long nowNs) => _lanes.PendingBytes(nowNs, out _);

    /// <summary>The same, and whether all of it is on the bulk lane: large things, which may wait for a packet that goes anyway.</summary>
    public int PendingLaneBytes(long nowNs, out bool onlyBulk) => _lanes.PendingBytes(nowNs, out onlyBulk);

    /// <summary>Queues a message; the span is copied. Allowed while connecting.</summary>
    /// <param name="lane">Which stream.</param>
    /// <param name="message">Up to <see cref="ConnectionOptions.MessageBytesMax"/> bytes.</param>
    /// <param name="packer">Makes it smaller if it is large, of the bulk lane, and goes to a client; null: as it is.</param>
    public SendResult TrySend(Lane lane, ReadOnlySpan<byte> message, BulkPacker? packer = null)
        => _lanes.TrySend(lane, message, Side == ConnectionSide.Server ? packer : null);

    /// <summary>Bytes of a lane that wait or are not acked yet.</summary>
    public int QueuedBytes(Lane lane) => _lanes.QueuedBytes(lane);

    /// <summary>The next message that came in whole. Call until false, at least once a tick.</summary>
    /// <remarks>Whoever leaves messages lying stops the lane, and in the end drops packets that carry more of it (<see cref="OpenResult.LaneFull"/>).</remarks>
    /// <param name="lane">The lane it came on.</param>
    /// <param name="message">Valid until the next call of this method or <see cref="Accept"/>.</param>
    public bool TryReceive(out Lane lane, out ReadOnlySpan<byte> message)
    {
        bool has = _lanes.TryReceive(out lane, out message);
        if (_lanes.IsBroken && State == ConnectionState.Connected)
            Close(CloseCode.ProtocolError, _lastHeardNs);

        return has;
    }

    /// <summary>Server: writes a path challenge, to be sent to the address that is to be proved. 28 bytes: no more than the shortest packet of a client.</summary>
    /// <param name="datagram">At least 28 bytes.</param>
    /// <param name="data">Random; comes back in the response.</param>
    /// <param name="nowNs">Now.</param>
    /// <returns>Bytes to send.</returns>
    public int WritePathChallenge(Span<byte> datagram, ulong data, long nowNs)
    {
        Contract.Assert(Side == ConnectionSide.Server && State == ConnectionState.Connected && _bodyBytes < 0);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[_headerBytes..], data);
        int bytes = SealRaw(datagram, PacketType.PathChallenge, PathBytes, nowNs);
        Counters.SentBytes += bytes;
        return bytes;
    }

    /// <summary>Client: tells the server at once, in a full-sized packet, that it now sends from another address (<see cref="Poll"/> gives it).</summary>
    public void TellOfNewPath() => _owesPathNews = State == ConnectionState.Connected;

    /// <summary>Bytes of a connection that are read for every packet, for <see cref="Prefetch.Object"/>: the first of three steps of asking for its memory.</summary>
    public const int ObjectBytes = 432;

    /// <summary>The second step: what lies behind the connection, once its own lines are here.</summary>
    public void PrefetchParts()
    {
        Prefetch.Object(_opener, 72);
        Prefetch.Object(_sealer, 64);
        Prefetch.Object(_lanes, 64);
        Prefetch.Object(Counters, 72);
        _sent.Prefetch(_acked.Known.Newest + 1);
    }

    /// <summary>The third step, before a packet is opened.</summary>
    public void PrefetchOpening() => _opener?.Prefetch();

    /// <summary>The third step, before a packet is sealed.</summary>
    public void PrefetchSealing() => _sealer?.Prefetch();

    /// <summary>Writes a header and seals whatever body the caller has written behind it.</summary>
    internal int SealRaw(Span<byte> datagram, PacketType type, int bodyBytes, long nowNs)
    {
        WriteHeader(datagram, type, NextSequence);
        return SealNext(datagram, bodyBytes, nowNs);
    }

    private int PollHandshake(long nowNs, Span<byte> datagram)
    {
        if (nowNs - _startedNs < _options.ConnectTimeoutNs)
            return _handshake!.Poll(nowNs, datagram);
        SetClosed(new CloseReason(CloseCause.TimedOut));
        return 0;
    }

    private int PollConnected(long nowNs, Span<byte> datagram)
    {
        _rate.Poll(_quality.SmoothedRttNs, nowNs);
        if (IsTimedOut(nowNs))
            SetClosed(new CloseReason(CloseCause.TimedOut));
        else if (_owesPathResponse || _owesPathNews)
            return WritePathResponse(datagram, nowNs);
        return 0;
    }

    // The news is padded: the server may send no more to an unproved address than came from it.
    private int WritePathResponse(Span<byte> datagram, long nowNs)
    {
        bool isNews = !_owesPathResponse;
        Span<byte> body = datagram[_headerBytes..(isNews ? PacketHeader.DatagramBytesMax - PacketHeader.TagBytes : _headerBytes + PathBytes)];
        body.Clear();
        if (!isNews)
            BinaryPrimitives.WriteUInt64LittleEndian(body, _pathData);
        (_owesPathResponse, _owesPathNews) = (false, _owesPathNews && !isNews);
        return SealRaw(datagram, PacketType.PathResponse, body.Length, nowNs);
    }

    private int PollGoodbye(long nowNs, Span<byte> datagram)
    {
        if (_goodbyesLeft == 0 || nowNs < _nextGoodbyeNs)
            return 0;
        _goodbyesLeft--;
        _nextGoodbyeNs = nowNs + GoodbyeIntervalNs;
        datagram[_headerBytes] = (byte)CloseReason.Code;
        int bytes = SealRaw(datagram, PacketType.Close, 1, nowNs);
        if (_goodbyesLeft == 0)
            EraseKeys();
        return bytes;
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
        SequenceNumber sequence = NextSequence;
        int bytes = _sealer!.Seal(datagram, _headerBytes, bodyBytes);
        _sent.Add(sequence, bytes, nowNs);
        _rate.OnSent(bytes, nowNs);
        _lastSentNs = nowNs;
        Counters.SentPackets++;
        return bytes;
    }

    private OpenResult Open(Span<byte> datagram, out OpenedPacket packet)
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
        // By design: a challenge that a snapshot has overtaken on another path is answered all the same, and not accepted.
        bool isLateChallenge = age == OpenResult.Late && header.Type == PacketType.PathChallenge;
        if (age != OpenResult.Opened && !isLateChallenge)
            return age;
        if (!_opener!.TryOpen(datagram, _peerHeaderBytes, sequence, out int bodyBytes))
            return OpenResult.BadSeal;
        ReadOnlySpan<byte> body = datagram.Slice(_peerHeaderBytes, bodyBytes);
        if (isLateChallenge)
        {
            if (ReadPath(header.Type, body, sequence, out OpenedPacket late) == OpenResult.Opened)
                (_owesPathResponse, _pathData) = (true, late.PathData);
            return OpenResult.Late;
        }

        return header.Type switch
        {
            PacketType.Payload => ReadBody(body, sequence, out packet),
            PacketType.Close => ReadClose(body, sequence, out packet),
            _ => ReadPath(header.Type, body, sequence, out packet),
        };
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

    private OpenResult ReadPath(PacketType type, ReadOnlySpan<byte> body, SequenceNumber sequence, out OpenedPacket packet)
    {
        packet = default;
        bool isToClient = Side == ConnectionSide.Client;
        if (isToClient != (type == PacketType.PathChallenge) || body.Length < PathBytes || (isToClient && body.Length != PathBytes))
            return OpenResult.Malformed;
        packet = new OpenedPacket
        {
            Sequence = sequence,
            IsPathChallenge = isToClient,
            IsPathResponse = !isToClient,
            PathData = BinaryPrimitives.ReadUInt64LittleEndian(body),
            TailOffset = _peerHeaderBytes + body.Length,
        };
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
        _rate.OnAcked(_sent.BytesOf(fresh, NextSequence));
        _lanes.OnAcked(fresh);
        if (!advanced)
            return Unchanged();
        if (NextSequence - field.Newest <= SentPackets.Window)
            TakeRtt(field.Newest, nowNs);
        // A client never goes back, so what it passed by is lost; a server takes late packets in, so three newer ones must be acked first.
        _lanes.OnNewestAcked(field.Newest, Side == ConnectionSide.Server ? 1 : 3, nowNs);
        return new AckUpdate(true, _acked.Known.Newest, _acked.Known.Bits, previous);
    }

    private void TakeRtt(SequenceNumber newest, long nowNs)
    {
        long rttNs = _sent.AgeNs(newest, nowNs);
        _quality.TakeRtt(rttNs, nowNs);
        _rate.OnAdvance(newest, NextSequence, rttNs, in _quality, nowNs);
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
            _rate.OnFate(isLost);
            if (isLost)
                Counters.LostPackets++;
        }
    }

    private OpenResult TakeHandshake(PacketType type, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (Side == ConnectionSide.Server || type is PacketType.Request or PacketType.Response or PacketType.TokenAsk)
            return OpenResult.Foreign;
        if (State != ConnectionState.Connecting)
            return OpenResult.NotConnected;
        switch (type)
        {
            case PacketType.TokenGrant when _handshake!.TryTakeGrant(datagram, nowNs):
                return OpenResult.Handshake;
            case PacketType.Challenge when _handshake!.TryTakeChallenge(datagram, nowNs, out long rttNs):
                if (rttNs > 0)
                    _quality.TakeRtt(rttNs, nowNs);
                return OpenResult.Handshake;
            case PacketType.Accepted when _handshake!.TryTakeAccepted(datagram, out ulong connectionId):
                _serverRandom = _handshake.ServerRandom;
                _lastHeardNs = nowNs;
                _lastSentNs = nowNs;
                Establish(connectionId, _handshake.Keys!.Value);
                return OpenResult.Handshake;
            case PacketType.Refused when _handshake!.TryTakeRefused(datagram, out RefuseReason reason, out string text):
                SetClosed(new CloseReason(CloseCause.Refused, CloseCode.None, reason, text));
                return OpenResult.Handshake;
            default:
                return OpenResult.Foreign;
        }
    }

    private void Establish(ulong connectionId, in ConnectionKeys keys)
    {
        _handshake = null;
        bool isClient = Side == ConnectionSide.Client;
        ConnectionSide peer = isClient ? ConnectionSide.Server : ConnectionSide.Client;
        _sealer = new PacketSealer(Side, keys.Suite, isClient ? keys.ClientTraffic : keys.ServerTraffic, _options.FirstSequence);
        _opener = new PacketOpener(peer, keys.Suite, isClient ? keys.ServerTraffic : keys.ClientTraffic, _options.FirstSequence);
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
        if (reason.Cause is not (CloseCause.Local or CloseCause.ProtocolError))
            EraseKeys();
    }

    // Nothing is sealed or opened any more.
    private void EraseKeys()
    {
        _sealer?.Erase();
        _opener?.Erase();
    }

    // Last, because fields lie in this order: what every packet wants is together before it.
    private SentPackets _sent;
}
