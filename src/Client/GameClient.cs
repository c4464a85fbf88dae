using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Client;

/// <summary>A player's end: connects, keeps a replica of what the server tells, sends inputs. No socket, no clock: bytes and time come in, bytes go out.</summary>
/// <remarks>One thread at a time. Prediction of the own avatar will stand between <see cref="SetInput"/> and the picture; what it starts from is
/// in <see cref="LastHeader"/>.</remarks>
/// <example><code>
/// var client = new GameClient&lt;TopDownInput&gt;(new ClientOptions(), schema);
/// client.Connect(Now(), clientRandom);
/// while (client.State != ClientState.Closed)                        // once a frame
/// {
///     while (socket.TryReceive(datagram, out int bytes))
///         client.Receive(datagram.AsSpan(0, bytes), Now());
///     client.SetInput(new TopDownInput(intent, buttons));
///     client.Update(Now());
///     while (client.TryTakeDatagram(datagram, out int bytes))
///         socket.Send(datagram.AsSpan(0, bytes));
///     foreach (ReplicaWorld.ReplicaEntity entity in client.World!)
///         Draw(entity.Sample());
/// }
/// </code></example>
/// <typeparam name="TInput">The game's input.</typeparam>
public sealed class GameClient<TInput>
    where TInput : struct, IInput<TInput>
{
    private const long ResyncIntervalNs = 1_000_000_000;
    private const int DatagramsPerUpdateMax = 8;
    private const int InputBytesMax = 400;
    private const long LateSlackNsMax = 50_000_000;
    private const int LaneBytesMax = PacketHeader.DatagramBytesMax - Connection.PacketOverheadBytesMax - InputBytesMax;   // room for inputs first: they are what must not wait

    private readonly ClientOptions _options;
    private readonly Schema _schema;
    private readonly Hash256 _mapHash;
    private readonly SnapshotScratch _scratch;
    private readonly MessageInbox _inbox = new();
    private readonly TInput[] _unacked = new TInput[InputMessage.InputsMax];
    private readonly TInput[] _inputs = new TInput[InputMessage.InputsMax];   // by tick modulo their number
    private Connection? _connection;
    private CloseReason? _schemaRefusal;
    private ServerClock? _clock;
    private InputClock _inputClock = new();
    private TInput _input = TInput.Neutral;
    private TInput[] _coming = [];       // inputs of the ticks to come, when they are known ahead
    private int _comingAt;
    private int _comingCount;
    private ReplicaZone _zone;
    private SnapshotHeader _header;
    private Tick _nearTick;
    private long _nearDueTime;
    private Tick _ackedInput;
    private bool _hasAckedInput;
    private bool _inputChanged;
    private bool _isJoined;
    private SequenceNumber? _resync;
    private long _resyncNs = long.MinValue;
    private long _nowNs;
    private long _nextSendNs;
    private long _lateNs = long.MaxValue;   // the next snapshot should have come by then
    private int _datagramsLeft;
    private long _laneNs;             // up to when the lanes' bytes are counted,
    private double _laneBytes = LaneBytesMax;   // which the rate in force gives them, saved up for one packet
    private int _inputTicks;          // inputs held, up to the newest tick
    private long _snapshots;
    private long _malformed;
    private long _withoutBaseline;
    private long _wrongChecks;
    private long _resyncs;

    /// <summary>A client that is not connected.</summary>
    /// <param name="options">Checked here.</param>
    /// <param name="schema">What the game was built with; the server's may be another version.</param>
    /// <param name="mapHash">SHA-256 of the map the game runs on; none when it has none.</param>
    /// <param name="scratch">Shared among the clients of a thread, to save memory; null: one of its own.</param>
    /// <exception cref="OptionException">An option is out of its range.</exception>
    public GameClient(ClientOptions options, Schema schema, Hash256 mapHash = default, SnapshotScratch? scratch = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(schema);
        options.Validate();
        _options = options;
        _schema = schema;
        _mapHash = mapHash;
        _scratch = scratch ?? new SnapshotScratch();
    }

    /// <summary>Where it stands.</summary>
    public ClientState State => _connection is null ? ClientState.Idle : _connection.State switch
    {
        ConnectionState.Connecting => ClientState.Connecting,
        ConnectionState.Closed => ClientState.Closed,
        _ => _clock is null ? ClientState.Joining : ClientState.Playing,
    };

    /// <summary>Why it is closed; cause None while it is not. A server whose schema lacks what this game requires is refused with the first difference in words.</summary>
    public CloseReason CloseReason => _schemaRefusal ?? _connection?.CloseReason ?? new CloseReason(CloseCause.None);

    /// <summary>The replica; null until welcomed, and always without decoding.</summary>
    public ReplicaWorld? World { get; private set; }

    /// <summary>The server's time; null until welcomed.</summary>
    public ServerClock? Clock => _clock;

    /// <summary>The entity that our inputs move; None while we only watch.</summary>
    public EntityId Avatar { get; private set; }

    /// <summary>True once the server said which entity is ours (or none).</summary>
    public bool IsJoined => _isJoined;

    /// <summary>A token to come back with when the connection is lost: to the same server, session and avatar, as long as that waits (15 minutes). Good once;
    /// the server replaces it every few minutes. Null until the first one came.</summary>
    public ConnectToken? ResumeToken { get; private set; }

    /// <summary>The header of the newest snapshot: own state at full precision, input processed. Meaningful once one came.</summary>
    public SnapshotHeader LastHeader => _header;

    /// <summary>Where the zone's (0, 0) lies in the world, in tiles.</summary>
    public (int X, int Y) Origin { get; private set; }

    /// <summary>The zone that welcomed us.</summary>
    public ZoneId Zone { get; private set; }

    /// <summary>The newest tick that has an input.</summary>
    public Tick InputTick => _inputClock.Tick;

    /// <summary>Datagrams dropped, by reason.</summary>
    public long Drops(OpenResult reason) => _connection?.Counters.Drops(reason) ?? 0;

    /// <summary>Snapshots taken in: <see cref="ClientStats.Snapshots"/>, for whoever asks thousands of clients.</summary>
    public long SnapshotCount => _snapshots;

    /// <summary>When <see cref="Update"/> has something to send, ns, if nothing comes in and the inputs stay as they are; not after now: at once.
    /// For programs of many clients, which have no frames: an update before it does no harm.</summary>
    /// <remarks>Told of a snapshot that does not come in time it would be sooner, by less than one send interval: nobody need wake for that.</remarks>
    public long NextSendNs
        => _connection is not { State: ConnectionState.Connected } connection || !_isJoined || !_inputClock.IsRunning || _inputChanged || connection.PendingLaneBytes(_nowNs) > 0
            ? _nowNs
            : _nextSendNs;

    /// <summary>The numbers of now.</summary>
    public ClientStats Stats => new()
    {
        RttNs = _connection?.SmoothedRttNs ?? 0,
        RttMinNs = _connection?.MinRttNs ?? 0,
        LossDown = _clock?.LossShare ?? 0,
        LossUp = _connection?.LossShare ?? 0,
        JitterNs = _clock?.JitterNs ?? 0,
        DelayNs = _clock?.DelayNs ?? 0,
        InputLeadTicks = _inputClock.LeadTicks,
        InputMarginTicks = _header.InputMarginTicks,
        Entities = World?.Count ?? 0,
        Snapshots = _snapshots,
        Malformed = _malformed,
        WithoutBaseline = _withoutBaseline,
        WrongChecks = _wrongChecks,
        Resyncs = _resyncs,
        ClockSteps = _clock?.Steps ?? 0,
        SentPackets = _connection?.Counters.SentPackets ?? 0,
        SentBytes = _connection?.Counters.SentBytes ?? 0,
        ReceivedPackets = _connection?.Counters.AcceptedPackets ?? 0,
        ReceivedBytes = _connection?.Counters.AcceptedBytes ?? 0,
    };

    /// <summary>Starts to connect. Once.</summary>
    /// <param name="nowNs">Monotonic, ns; any origin.</param>
    /// <param name="clientRandom">16 fresh random bytes.</param>
    /// <param name="token">What the player was given to come in; null: the server is asked for one, which only servers in development give.</param>
    public void Connect(long nowNs, in Random128 clientRandom, ConnectToken? token = null)
    {
        Contract.Assert(_connection is null);
        _nowNs = nowNs;
        _laneNs = nowNs;
        _datagramsLeft = DatagramsPerUpdateMax;
        _connection = Connection.Connect(_options.Connection, in clientRandom, _schema.Hash, in _mapHash, nowNs, token);
    }

    /// <summary>Says goodbye; <see cref="TryTakeDatagram"/> still gives the packets that say it.</summary>
    public void Close(CloseCode code, long nowNs) => _connection?.Close(code, nowNs);

    /// <summary>Call when the device changed its network (Wi-Fi to mobile): the next datagram tells the server, which then goes on within a round trip.</summary>
    /// <remarks>Not needed where only a router renamed us: the server notices by itself.</remarks>
    public void OnNetworkChanged() => _connection?.TellOfNewPath();

    /// <summary>Takes a datagram in, whatever it is.</summary>
    /// <param name="datagram">May be changed.</param>
    /// <param name="nowNs">When it arrived.</param>
    public void Receive(Span<byte> datagram, long nowNs)
    {
        if (_connection is not { } connection || connection.TryOpen(datagram, nowNs, out OpenedPacket packet) != OpenResult.Opened)
            return;
        if (packet.TailBytes > 0 && !TakeSnapshot(packet.Tail(datagram), packet.Sequence, nowNs))
        {
            connection.CountRefused();
            return;
        }

        connection.Accept(in packet, datagram, nowNs);
        if (packet.TailBytes > 0)
            OnSnapshot(packet.Sequence, nowNs);
        else
            _clock?.OnOther(nowNs, packet.Sequence);
        TakeMessages(nowNs);
    }

    /// <summary>Lets time pass: clocks, the picture, inputs. Once a frame; then take the datagrams.</summary>
    public void Update(long nowNs)
    {
        _nowNs = nowNs;
        GiveLanes(nowNs);
        _datagramsLeft = DatagramsPerUpdateMax;
        if (_clock is not { IsRunning: true } clock)
            return;
        clock.Update(nowNs);
        World?.AdvanceTo(clock.PresentationTick, nowNs);
        if (_isJoined)
            AdvanceInputs(clock.ServerTick(nowNs));
    }

    /// <summary>The input of the ticks from now on. What changes leaves with the next tick, at once.</summary>
    public void SetInput(in TInput input)
    {
        _input = input;
        _comingAt = _comingCount = 0;
    }

    /// <summary>The inputs of the next ticks, in order; the last one holds on. For programs that know ahead what will be pressed: each tick has its
    /// own input then, however many are due at once. What was set before is forgotten.</summary>
    /// <param name="inputs">1 to <see cref="InputMessage.InputsMax"/>.</param>
    public void SetInputs(ReadOnlySpan<TInput> inputs)
    {
        Contract.Assert(inputs.Length is > 0 and <= InputMessage.InputsMax);
        if (_coming.Length < inputs.Length)
            _coming = new TInput[inputs.Length];
        inputs.CopyTo(_coming);
        (_comingAt, _comingCount) = (0, inputs.Length);
    }

    /// <summary>When the tick <paramref name="ticks"/> after <see cref="InputTick"/> is due, ns: its input is taken then. Now, before inputs run.</summary>
    public long InputDueNs(int ticks)
        => _clock is { IsRunning: true } clock && _inputClock.IsRunning ? _nowNs + _inputClock.DueInNs(clock.ServerTick(_nowNs), ticks, _zone.TickLengthNs) : _nowNs;

    /// <summary>A datagram to send now. After each <see cref="Update"/>, until false.</summary>
    /// <param name="datagram">At least 1,200 bytes.</param>
    /// <param name="bytes">What of it to send.</param>
    public bool TryTakeDatagram(Span<byte> datagram, out int bytes)
    {
        bytes = 0;
        if (_connection is not { } connection || _datagramsLeft == 0)
            return false;
        _datagramsLeft--;
        bytes = connection.Poll(_nowNs, datagram);
        if (bytes == 0 && connection.State == ConnectionState.Connected && IsPacketDue(connection))
            bytes = WritePacket(connection, datagram);
        return bytes > 0;
    }

    /// <summary>Queues a message to the server.</summary>
    public SendResult SendMessage(Lane lane, ReadOnlySpan<byte> message)
    {
        Contract.Assert(lane != Lane.Control);
        return _connection?.TrySend(lane, message) ?? SendResult.Closed;
    }

    /// <summary>The next message of the server; valid until the next call of any method.</summary>
    public bool TryReceiveMessage(out Lane lane, out ReadOnlySpan<byte> message) => _inbox.TryTake(out lane, out message);

    // ---- memory, for programs of many clients ----

    /// <summary>Bytes of a client that are read in every call, for <see cref="Prefetch.Object"/>: the first of four steps, each taken some clients before the next,
    /// so that a program of thousands waits for the memory of all of them at once. Hints: nothing else happens.</summary>
    public const int ObjectBytes = 448;

    /// <summary>The second step: what the client names.</summary>
    public void PrefetchParts()
    {
        Prefetch.Object(_connection, Connection.ObjectBytes);
        Prefetch.Object(_clock, ServerClock.ObjectBytes);
        Prefetch.Object(_inbox, MessageInbox.ObjectBytes);
        Prefetch.Length(_inputs);
        Prefetch.Length(_unacked);
        Prefetch.Length(_coming);
        _inputClock.Prefetch();
    }

    /// <summary>The third step: what those name.</summary>
    public void PrefetchBehind()
    {
        _connection?.PrefetchParts();
        _clock?.PrefetchNext();
    }

    /// <summary>The fourth step: the key of what comes in.</summary>
    public void PrefetchOpening() => _connection?.PrefetchOpening();

    /// <summary>The fourth step: the key of what goes out.</summary>
    public void PrefetchSealing() => _connection?.PrefetchSealing();

    // ---- what comes in ----

    // False: the packet is refused whole, as if it had been lost.
    private bool TakeSnapshot(ReadOnlySpan<byte> tail, SequenceNumber sequence, long nowNs)
    {
        if (_clock is null)
        {
            _malformed++;
            return false;
        }

        SnapshotHeader header;
        SnapshotResult result;
        if (World is not null)
        {
            result = SnapshotReader.Read(tail, sequence, World, _scratch, out header);
        }
        else
        {
            var reader = new BitReader(tail);
            result = SnapshotHeader.TryRead(ref reader, sequence, _nearTick, _nearDueTime, out header) ? SnapshotResult.Applied : SnapshotResult.Malformed;
        }

        if (result == SnapshotResult.Applied)
        {
            _header = header;
            return true;
        }

        _malformed += result == SnapshotResult.Malformed ? 1 : 0;
        _withoutBaseline += result == SnapshotResult.NoBaseline ? 1 : 0;
        _wrongChecks += result == SnapshotResult.WrongCheck ? 1 : 0;
        AskResync(sequence, nowNs);
        return false;
    }

    // At most once a second: what the answer costs is the server's.
    private void AskResync(SequenceNumber sequence, long nowNs)
    {
        if (_resyncNs != long.MinValue && nowNs - _resyncNs < ResyncIntervalNs)
            return;
        _resyncNs = nowNs;
        _resync = sequence;
        _resyncs++;
    }

    private void OnSnapshot(SequenceNumber sequence, long nowNs)
    {
        _snapshots++;
        (_nearTick, _nearDueTime) = (_header.Tick, _header.DueTime);
        int code = _header.IntervalCode;
        int slotTicks = code == Welcome.IntervalCount - 1 ? 0 : _zone.IntervalTicks(code);
        _clock!.OnSnapshot(nowNs, sequence, _header.Tick, _header.DueTime, slotTicks, _connection!.MinRttNs);
        _lateNs = nowNs + (_zone.IntervalTicks(code) * _clock.TickLengthNs) + Math.Clamp(_clock.JitterNs, 0, LateSlackNsMax);
        if (!_header.HasInput)
            return;
        _inputClock.OnMargin(_header.InputTick, _header.InputMarginTicks);
        if (!_hasAckedInput || _header.InputTick > _ackedInput)
            (_hasAckedInput, _ackedInput) = (true, _header.InputTick);
    }

    private void TakeMessages(long nowNs)
    {
        while (!_inbox.IsFull && _connection!.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
        {
            if (lane != Lane.Control)
                _inbox.Add(lane, message);
            else if (Joined.TryRead(message, out EntityId avatar))
                (Avatar, _isJoined) = (avatar, true);
            else if (Resume.TryRead(message, out ReadOnlySpan<byte> bytes) && ConnectToken.TryRead(bytes, out ConnectToken token))
                ResumeToken = token;
            else if (!Welcome.TryRead(message, out Welcome welcome) || _clock is not null || !TakeWelcome(in welcome, nowNs))
                _connection.Close(CloseCode.ProtocolError, nowNs);
        }
    }

    private bool TakeWelcome(in Welcome welcome, long nowNs)
    {
        Schema? server = _schema;
        if (welcome.SchemaBytes.Length > 0 && (!Schema.TryRead(welcome.SchemaBytes, out server) || server is null))
            return false;
        if (server.Hash != welcome.SchemaHash)
            return false;
        if (!SchemaMap.TryCreate(_schema, server, out SchemaMap map, out string difference))
        {
            _schemaRefusal = new CloseReason(CloseCause.Refused, CloseCode.SchemaMismatch, RefuseReason.SchemaMismatch, difference);
            _connection!.Close(CloseCode.SchemaMismatch, nowNs);
            return true;
        }

        (Zone, Origin) = (welcome.Zone, (welcome.OriginX, welcome.OriginY));
        _zone = new ReplicaZone(welcome.Tick, welcome.DueTime, welcome.TickLengthNs, welcome.SnapshotIntervalTicks, welcome.Intervals, welcome.CellUnits);
        (_nearTick, _nearDueTime) = (welcome.Tick, welcome.DueTime);
        _clock = new ServerClock(welcome.TickLengthNs, welcome.SnapshotIntervalTicks);
        World = _options.Decode ? new ReplicaWorld(map, in _zone, _options.EventsMax) : null;
        Span<byte> ready = stackalloc byte[Ready.Bytes];
        Ready.Write(ready);
        // The lane is empty but for us, so it cannot be full.
        _connection!.TrySend(Lane.Control, ready);
        return true;
    }

    // ---- what goes out ----

    // An input for every tick that has become due. The one set last counts: what is pressed now is for the tick that begins now.
    private void AdvanceInputs(double serverTick)
    {
        if (!_inputClock.IsRunning)
        {
            _inputClock.Start(serverTick, _connection!.MinRttNs, _zone.TickLengthNs);
            TakeComing();
            Hold(_input);
            _inputChanged = true;
            return;
        }

        int due = _inputClock.TicksDue(serverTick);
        if (due > InputMessage.InputsMax)
        {
            // Asleep for longer than the server waits: what was not asked for then is not made up now.
            _inputClock.Skip(due - 1);
            for (int skipped = Math.Min(due - 1, _comingCount - _comingAt); skipped > 0; skipped--)
                TakeComing();
            (due, _inputTicks) = (1, 0);
        }

        for (; due > 0; due--)
        {
            TInput previous = _inputTicks > 0 ? _inputs[_inputClock.Tick.Value % InputMessage.InputsMax] : TInput.Neutral;
            _inputClock.Advance();
            TakeComing();
            Hold(_input);
            _inputChanged |= !_input.Equals(previous);
        }
    }

    private void TakeComing()
    {
        if (_comingAt < _comingCount)
            _input = _coming[_comingAt++];
    }

    private void Hold(in TInput input)
    {
        _inputs[_inputClock.Tick.Value % InputMessage.InputsMax] = input;
        _inputTicks = Math.Min(_inputTicks + 1, InputMessage.InputsMax);
    }

    // A change leaves at once, with the tick it belongs to: so one a tick at most. Else every interval, for the acks; lanes when they have something.
    // Where a snapshot is late the server may have lost sight of us: a router gave us another address, and any packet tells it.
    private bool IsPacketDue(Connection connection)
        => _inputChanged
        || _nowNs >= _nextSendNs
        || _nowNs >= _lateNs
        || (_laneBytes >= Connection.LaneBytesMin && connection.PendingLaneBytes(_nowNs) > 0);

    // Inputs are little and always go; messages wait for what the rate leaves.
    private void GiveLanes(long nowNs)
    {
        if (_connection is not { } connection)
            return;
        _laneBytes = Math.Min(LaneBytesMax, _laneBytes + (connection.RateBytesPerSecond * Math.Min(nowNs - _laneNs, 1_000_000_000) / 1e9));
        _laneNs = nowNs;
        if (connection.PendingLaneBytes(nowNs) > _laneBytes)
            connection.NoteRateLimited();
    }

    private int WritePacket(Connection connection, Span<byte> datagram)
    {
        connection.BeginPacket(datagram, _nowNs, _laneBytes >= Connection.LaneBytesMin ? (int)_laneBytes : 0, out int tailOffset);
        _laneBytes -= Math.Max(0, tailOffset - PacketHeader.ClientHeaderBytes - Connection.BodyHeadBytesMax);
        int tailBytes = _inputTicks > 0 || _resync.HasValue ? WriteTail(datagram.Slice(tailOffset, connection.TailBytesMax)) : 0;
        int bytes = connection.FinishPacket(datagram, tailBytes, _nowNs);
        // By schedule, not from the last packet: so the sending drifts against the server's slots, and some round trips have no wait in them.
        bool isOnSchedule = !_inputChanged && _nowNs >= _nextSendNs && _nowNs - _nextSendNs < _options.SendIntervalNs;
        _nextSendNs = (isOnSchedule ? _nextSendNs : _nowNs) + _options.SendIntervalNs;
        _inputChanged = false;
        _resync = null;
        if (_nowNs >= _lateNs)
            _lateNs = long.MaxValue;
        return bytes;
    }

    private int WriteTail(Span<byte> tail)
    {
        Span<TInput> inputs = _unacked;
        Tick newest = _inputClock.Tick;
        int count = _hasAckedInput ? Math.Clamp(newest - _ackedInput, 0, _inputTicks) : _inputTicks;
        for (int i = 0; i < count; i++)
            inputs[i] = _inputs[(newest - (count - 1 - i)).Value % InputMessage.InputsMax];
        var writer = new BitWriter(tail);
        InputMessage.Write<TInput>(ref writer, _resync, newest, inputs[..count]);
        // By design: a game's input of more than 200 bits a tick, changing at every tick, would not fit; the newest half then does.
        for (; writer.Failed; count /= 2)
        {
            writer = new BitWriter(tail);
            InputMessage.Write<TInput>(ref writer, _resync, newest, inputs[(count - (count / 2))..count]);
        }

        return writer.Finish().Length;
    }
}
