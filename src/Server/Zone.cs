using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Server;

/// <summary>One zone: a world that one thread steps, and the clients that are told of it. <see cref="RunTick"/> is the whole server in a list.</summary>
/// <remarks>
/// One writer: everything here belongs to the thread that calls <see cref="RunTick"/>. Network threads only carry datagrams in, and write and send
/// packets from the frozen world while that thread waits. No clock and no chance inside: time, randomness and sockets come in, so a recorded run
/// can be run again. Nothing is allocated by a steady tick.
/// </remarks>
public sealed partial class Zone<TInput> : IZone, IDisposable
    where TInput : struct, IInput<TInput>
{
    /// <summary>Length of a goodbye: four packets 50 ms apart.</summary>
    private const long GoodbyeNs = 250_000_000;

    private readonly Schema _schema;
    private readonly IGame<TInput> _game;
    private readonly ZoneHooks _hooks;
    private readonly ZoneRecorder? _recorder;
    private readonly Peers<TInput> _peers;
    private readonly SessionTable _sessions;
    private readonly AddressLimiter _failedOpens;
    private readonly ZoneRandom _random;
    private readonly Door<TInput> _door;
    private readonly NetworkGroup<TInput>[] _groups;
    private readonly Replicator _replicator;
    private readonly ConnectionOptions _connectionOptions;
    private readonly ZoneDrops _drops = new();
    private readonly PeerInput<TInput>[] _inputs;
    private readonly bool[] _restless;      // by peer: there is something to do for it in every tick, not in its turn alone
    private readonly TInput[] _message = new TInput[InputRing<TInput>.EveryMax];
    private readonly byte[] _control = new byte[Protocol.Welcome.BytesMax];
    private readonly BulkPacker _packer = new();
    private readonly ZoneBudget _budget;
    private readonly byte[] _poll = new byte[PacketHeader.DatagramBytesMax];
    private int _failedOpensInTick;
    private int _inputCount;
    private long _dueNs;
    private long _nowNs;
    private bool _hasTicked;
    private Tick _amnestyEnd;

    /// <summary>A zone whose game has started, ready for its first tick.</summary>
    /// <param name="options">Checked here.</param>
    /// <param name="schema">The game's kinds.</param>
    /// <param name="game">Started here.</param>
    /// <param name="tiles">The ground; its hash is compared with the clients'.</param>
    /// <param name="random">Where secrets come from: <see cref="ZoneRandom.System"/> for a zone that strangers can reach.</param>
    /// <param name="sockets">One; or one for each of <see cref="ZoneOptions.Threads"/>. They stay the caller's to dispose, after the zone.</param>
    /// <param name="hooks">What looks on.</param>
    /// <exception cref="OptionException">An option is out of range.</exception>
    public Zone(ZoneOptions options, Schema schema, IGame<TInput> game, ITiles tiles, ZoneRandom random, IDatagramSocket[] sockets, ZoneHooks? hooks = null)
    {
        options.Validate();
        if (sockets.Length == 0 || (options.Threads > 0 && sockets.Length != options.Threads))
            throw new OptionException(nameof(sockets), $"{sockets.Length}", options.Threads > 0 ? $"{options.Threads}, one for each thread" : "1 or more");
        Options = options;
        _schema = schema;
        _game = game;
        _hooks = hooks ?? new ZoneHooks();
        _recorder = _hooks.Recorder;
        World = new WorldState(schema, tiles, options.FirstEntityId, options.EntitiesMax, options.CellUnits);
        MapHash = Hash256.Read(World.Map.Sha256);
        _recorder?.Begin(options, sockets.Length, schema.Hash, MapHash);
        if (_recorder is not null)
            random = new RecordedRandom(random, _recorder);
        _replicator = new Replicator(World, options.Replication with { TickRate = options.TickRate }, options.PlayersMax);
        _connectionOptions = new ConnectionOptions
        {
            TimeoutNs = options.TimeOutMs * 1_000_000L,
            ReceiveMessageBytesMax = options.Limits.MessageBytesMax,
            RateBytesPerSecondMin = options.RateBytesPerSecondMin,
            RateBytesPerSecondMax = options.Replication.BytesPerSecond,
        };
        _connectionOptions.Validate();
        _peers = new Peers<TInput>(options.PlayersMax);
        _sessions = new SessionTable(options.PlayersMax + options.Limits.LostPlayersMax + 1, random.Next());
        _failedOpens = new AddressLimiter(options.Limits.FailedOpensPerSecond, options.Limits.FailedOpensBurst, random);
        _random = random;
        _door = new Door<TInput>(this, _peers, random);
        _restless = new bool[options.PlayersMax];
        _inputs = new PeerInput<TInput>[options.PlayersMax * (options.ApplyEveryInput ? InputRing<TInput>.EveryMax : 1)];
        Tick = new Tick(options.FirstTick) - 1;
        _amnestyEnd = Tick;
        _budget = new ZoneBudget(options);
        _pressure = new ZonePressure(options.Pressure);
        _joinPace = new JoinPace(options.Limits.JoinsPerTickMax);
        JoinsPerTick = _joinPace.PerTick;
        _details = [.. Enum.GetValues<PressureLevel>().Select(level => PressureLevels.DetailAt(level, _replicator.Options))];
        game.Start(this);
        _groups = new NetworkGroup<TInput>[sockets.Length];
        for (int i = 0; i < sockets.Length; i++)
            _groups[i] = new NetworkGroup<TInput>(this, i, sockets[i], new SnapshotWriter(_replicator) { CountsFresh = _budget.IsLimited }, options.Threads > 0, _hooks.HashOutbound || _recorder is not null);
        // Last: the process keeps a meter until it is disposed, and of what cannot be made nobody disposes.
        Metrics = new ZoneMetrics(options.Zone);
        BeginWindow();
    }

    /// <inheritdoc/>
    public ZoneOptions Options { get; }

    /// <inheritdoc/>
    public WorldState World { get; }

    /// <inheritdoc/>
    public Tick Tick { get; private set; }

    /// <inheritdoc/>
    public long DueTime => (_dueNs - StartNs) / 100_000;

    /// <inheritdoc/>
    public long StartNs { get; private set; }

    /// <summary>SHA-256 of the map.</summary>
    public Hash256 MapHash { get; }

    /// <summary>Where the time goes.</summary>
    public ZoneMetrics Metrics { get; }

    /// <summary>Clients connected now, those on their way in or out among them.</summary>
    public int PeerCount => _peers.Count;

    /// <summary>Of these, clients that were let in and have not joined yet.</summary>
    public int PendingCount { get; private set; }

    /// <summary>Players whose connection was lost, and whose session and avatar wait for them.</summary>
    public int LostCount => _sessions.LostCount;

    /// <summary>Ticks run, and datagrams sent with the hash over them (0 unless <see cref="ZoneHooks.HashOutbound"/> or a recorder).</summary>
    public RecordingEnd End
    {
        get
        {
            var hash = default(OutboundHash);
            foreach (NetworkGroup<TInput> group in _groups)
                hash.Add(group.OutboundHash);
            return new RecordingEnd(Metrics.Ticks, hash.Datagrams, hash.Value);
        }
    }

    /// <summary>Who is told what; for tools that compare. Changed by the zone alone.</summary>
    public Replicator Replicator => _replicator;

    /// <summary>The time of day, from the start's and the monotonic clock.</summary>
    internal ulong UnixSeconds => Options.Access.StartUnixSeconds + (ulong)(Math.Max(0, _nowNs - StartNs) / 1_000_000_000);

    /// <summary>Keeps datagrams apart in real time; null in virtual time, where nothing can be overrun.</summary>
    internal SendPacer? Pacer { get; set; }

    internal IZoneLog? Log => _hooks.Log;

    internal Action<TrafficSecrets>? KeyLog => _hooks.KeyLog;

    /// <summary>Runs the next tick. This is the server.</summary>
    /// <param name="dueNs">When the tick was due, monotonic; what lies beyond the tick before's by more than a tick was given up.</param>
    /// <param name="nowNs">The time now.</param>
    /// <param name="behind">True for a tick that is caught up while another is due: it is simulated and published, but the clients are told by the next.</param>
    public void RunTick(long dueNs, long nowNs, bool behind = false)
    {
        BeginTick(dueNs, nowNs, behind);
        Receive();
        Inputs();
        Step();
        Publish();
        Interest();
        if (!behind)
        {
            Write();
            Send();
        }
        else
        {
            _replicator.SkipTurn();
        }

        EndTick();
    }

    // Who came, what they acked, what they want. Of strangers nothing is kept.
    private void Receive()
    {
        _failedOpensInTick = 0;
        _door.Sweep();
        foreach (NetworkGroup<TInput> group in _groups)
        {
            group.Look();
            int left = Options.Limits.ReceiveDatagramsMax;
            while (left-- > 0 && group.TryTake(out PeerAddress from, out Span<byte> datagram))
            {
                _recorder?.Datagram(group.Index, from, datagram);
                Metrics.DatagramsIn++;
                Metrics.BytesIn += datagram.Length;
                Take(group, from, datagram);
            }
        }

        Metrics.End(Phase.Receive);
    }

    // Peers come and go, their messages are heard, and each gives exactly one input for this tick.
    private void Inputs()
    {
        _inputCount = 0;
        ForgetLost();
        for (int i = 0; i < _peers.Limit; i++)
        {
            PrefetchInput(i);
            if (_peers[i] is { } peer && (!_restless[i] || Attend(peer)))
                TakeInput(peer);
        }

        Metrics.End(Phase.Inputs);
    }

    private void Step()
    {
        _game.Step(World, _inputs.AsSpan(0, _inputCount), Tick);
        Metrics.End(Phase.Step);
    }

    private void Publish()
    {
        _replicator.Publish(Tick);
        Metrics.End(Phase.Publish);
    }

    // After this the world is frozen until the next tick: what the peers are told is all of one moment.
    private void Interest()
    {
        _replicator.UpdateInterest(Tick);
        _hooks.Observer?.AfterPublish(this, Tick);
        World.EndTick();
        Metrics.End(Phase.Interest);
    }

    // Each group writes its own peers; their order among each other changes no byte.
    private void Write()
    {
        ShareOut();
        foreach (NetworkGroup<TInput> group in _groups)
            group.BeginWrite();
        long sendStamps = 0;
        foreach (NetworkGroup<TInput> group in _groups)
        {
            group.Wait();
            sendStamps += group.SendStamps / _groups.Length;
            group.SendStamps = 0;
        }

        Metrics.End(Phase.Write);
        Metrics.Move(Phase.Write, Phase.Send, sendStamps);
    }

    // What was wanted and sent so far says what share of it there is for each peer now.
    private void ShareOut()
    {
        long wantedBytes = 0, wantedPackets = 0, sentBytes = 0, sentPackets = 0;
        foreach (NetworkGroup<TInput> group in _groups)
        {
            wantedBytes += group.Wanted.Bytes;
            wantedPackets += group.Wanted.Packets;
            sentBytes += group.BytesOut + (UdpHeaderBytes * group.DatagramsOut);
            sentPackets += group.DatagramsOut;
        }

        _budget.Begin(Tick, wantedBytes, wantedPackets, sentBytes, sentPackets);
    }

    private void Send()
    {
        foreach (NetworkGroup<TInput> group in _groups)
            group.BeginSend();
        foreach (NetworkGroup<TInput> group in _groups)
            group.Wait();
        _hooks.Observer?.AfterWrite(this, Tick);
        Metrics.End(Phase.Send);
    }

    private void BeginTick(long dueNs, long nowNs, bool behind)
    {
        Metrics.BeginTick();
        _recorder?.Tick(dueNs, nowNs, behind);
        Tick = Tick.Next;
        if (_hasTicked)
            NoteGivenUp((dueNs - _dueNs - (TickLengthNs / 2)) / TickLengthNs);
        else
            StartNs = dueNs;
        _hasTicked = true;
        _dueNs = dueNs;
        _nowNs = nowNs;
        _packer.BeginRound();
    }

    private void EndTick()
    {
        long datagrams = 0, bytes = 0, updates = 0;
        foreach (NetworkGroup<TInput> group in _groups)
        {
            datagrams += group.DatagramsOut;
            bytes += group.BytesOut;
            updates += group.Writer.Counters.Updates;
        }

        Metrics.DatagramsOut = datagrams;
        Metrics.BytesOut = bytes;
        Metrics.Updates = updates;
        Metrics.Peers = _peers.Count;
        Metrics.BudgetShare = _budget.Share;
        _windowPlayerTicks += _peers.Count;
        CountPressure();
        Metrics.EndTick(_dueNs, _nowNs, TickLengthNs);
    }

    private void NoteGivenUp(long ticks)
    {
        if (ticks <= 0)
            return;
        Metrics.TicksGivenUp += ticks;
        Excuse();
        Log?.TicksGivenUp(Tick, (int)Math.Min(ticks, int.MaxValue));
    }

    /// <summary>Ends the zone's threads. Clients are told nothing: <see cref="Close"/> and a few more ticks do that.</summary>
    public void Dispose()
    {
        foreach (NetworkGroup<TInput> group in _groups)
            group.Dispose();
        Metrics.Dispose();
    }
}
