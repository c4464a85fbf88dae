using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Hectare.Cli.Load.Hostile;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>What <c>bots</c> is asked to do.</summary>
internal sealed record BotSettings
{
    /// <summary>What a client sends unless told otherwise: three ticks a packet.</summary>
    public const int InputHzDefault = 10;

    // Each looks around thirty times a second and draws sixty frames: it costs several that do not.
    private const double DecodeShare = 0.1;
    private const int DecodingMax = 100;

    /// <summary>How many.</summary>
    public required int Players { get; init; }

    /// <summary>Where the zone listens.</summary>
    public required PeerAddress Server { get; init; }

    /// <summary>Gives each bot, by its number, its connect token; null: they ask the zone for one.</summary>
    public Func<int, ConnectToken>? Tokens { get; init; }

    /// <summary>What they do.</summary>
    public required FarmWorkload Workload { get; init; }

    /// <summary>How many of them join a second.</summary>
    public required int PlayersPerSecond { get; init; }

    /// <summary>Share that decodes everything; null: a tenth, and at most 100 bots.</summary>
    public double? DecodeSample { get; init; }

    /// <summary>Packets a second that a bot sends while its inputs do not change.</summary>
    public int InputHz { get; init; } = InputHzDefault;

    /// <summary>Seed of what they do.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Map file; null: the seed's.</summary>
    public string? Map { get; init; }

    /// <summary>Where the control socket is; null: there is none.</summary>
    public string? Control { get; init; }

    /// <summary>The zone's truth board; null: none, so nothing is compared while they run.</summary>
    public string? Truth { get; init; }

    /// <summary>Bots that decode everything.</summary>
    public int Decoding => (int)Math.Ceiling(DecodeSample is { } share ? Players * share : Math.Min(Players * DecodeShare, DecodingMax));

    /// <summary>The clients' options: 3 % faster than their rate says, to drift against the server's slots (<see cref="ClientOptions.SendIntervalNs"/>).</summary>
    public ClientOptions ClientOptionsOf(bool decodes) => new() { Decode = decodes, EventsMax = 0, SendIntervalNs = 970_000_000 / InputHz };
}

/// <summary>Thousands of clients in one thread: one loop that polls the network every few milliseconds, and lets the time of each bot pass that has something to do.</summary>
internal sealed class BotFleet : IDisposable
{
    // A receiver that blocks costs its sender a wake-up each (docs/performance.md): poll.
    private const long PollNs = 4_000_000;
    private const long FrameNs = 14_000_000; // 16 ms between two frames of a bot that draws: the schedule rounds up
    private const int GroupBots = 128;

    // How many bots ahead each link of a chain of references is asked for: as a zone does (docs/performance.md, Memory).
    private const int BotAhead = 12;
    private const int ClientAhead = 10;
    private const int PartsAhead = 7;
    private const int BehindAhead = 4;
    private const int KeyAhead = 2;
    private const int GoodbyeMs = 250;
    private const int RetriesMax = 30;        // joins that time out: a zone that is late answers no more handshakes than it can

    private readonly BotSettings _settings;
    private readonly BotNetwork _network;
    private readonly Func<bool, GameClient<TopDownInput>> _newClient;   // true: one that decodes
    private readonly Bot[] _bots;
    private readonly BotSchedule _schedule;
    private readonly Bot[] _group = new Bot[GroupBots];
    private readonly DatagramBatch _incoming = new(BotNetwork.BatchDatagrams);
    private readonly Histogram _lateUs = new();
    private readonly QuestionQueue _questions = new();
    private readonly TruthBoard? _board;
    private readonly BotEyes? _eyes;
    private readonly ControlSocket? _control;
    private ProcessFigures _windowStart = ProcessFigures.Read();
    private ProcessFigures _statusStart = ProcessFigures.Read();
    private TrafficFigures _windowTraffic;
    private long _statusSnapshots;
    private BotsReport? _report;
    private ReplicaCheck? _check;
    private Bot? _first;
    private int _started;
    private bool _stands;
    private bool _isCompact;
    private volatile bool _isTold;

    /// <summary>Makes the bots; none has joined.</summary>
    public BotFleet(BotSettings settings)
    {
        _settings = settings;
        _board = settings.Truth is null ? null : TruthBoard.Open(settings.Truth);
        _eyes = _board is null ? null : new BotEyes(_board);
        _newClient = ClientsOf(settings);
        _bots = MakeBots();
        _network = new BotNetwork(settings.Server, settings.Players);
        _schedule = new BotSchedule(settings.Players, PollNs, Clock.NowNs);
        _control = settings.Control is null ? null : ControlSocket.Open(settings.Control, AnswerAsync);
    }

    /// <summary>Joins, plays and measures until cancelled, told to stop, or for so many seconds once all have joined (0: no limit); then says goodbye.</summary>
    public BotsReport Run(int seconds, CancellationToken cancel)
    {
        using var pages = new HugePages();
        long startNs = Clock.NowNs, endNs = long.MaxValue, wakeNs = startNs;
        while (!cancel.IsCancellationRequested && !_isTold && Clock.NowNs < endNs)
        {
            Join(startNs);
            RunOnce();
            _lateUs.Record((Clock.NowNs - wakeNs) / 1000);
            CompactOnce();
            if (seconds > 0 && endNs == long.MaxValue && (IsSettled() || Clock.NowNs - startNs > JoinLimitNs))
            {
                BeginWindow();
                endNs = Array.Exists(_bots, bot => bot.IsPlaying) ? Clock.NowNs + (seconds * 1_000_000_000L) : 0;
            }

            wakeNs = Math.Max(wakeNs + PollNs, Clock.NowNs - (10 * PollNs));
            Clock.SleepUntil(wakeNs);
        }

        EndWindow();
        FindFirstLost();
        SayGoodbye();
        return Report();
    }

    /// <summary>Why the first bot whose connection is over lost it, as the end of a sentence; empty when none did.</summary>
    public string FirstReason => _first is null ? "" : $" ({Why(_first.Client)})";

    /// <summary>How they do now.</summary>
    public Task<BotsStatus> StatusAsync() => _questions.AskAsync(ReadStatus);

    /// <inheritdoc/>
    public void Dispose()
    {
        _control?.Dispose();
        _network.Dispose();
        _board?.Dispose();
    }

    private long JoinLimitNs => ((_settings.Players / _settings.PlayersPerSecond) + 30) * 1_000_000_000L;

    private static Func<bool, GameClient<TopDownInput>> ClientsOf(BotSettings settings)
    {
        var farm = new HostedFarm { Seed = settings.Seed, Workload = settings.Workload, Map = settings.Map };
        var mapHash = Hash256.Read(farm.LoadMap().Sha256);
        Schema schema = new FarmSchema(HostedFarm.TickRate).Schema;
        var scratch = new SnapshotScratch();
        (ClientOptions withReplica, ClientOptions without) = (settings.ClientOptionsOf(decodes: true), settings.ClientOptionsOf(decodes: false));
        return decodes => new GameClient<TopDownInput>(decodes ? withReplica : without, schema, mapHash, scratch);
    }

    private Bot[] MakeBots()
    {
        int decoding = _settings.Decoding;
        var bots = new Bot[_settings.Players];
        for (int i = 0; i < bots.Length; i++)
        {
            // Spread over the joins, so that the decoding ones are not all neighbours in time.
            bool decodes = (long)(i + 1) * decoding / bots.Length > (long)i * decoding / bots.Length;
            bots[i] = new Bot(i, _newClient(decodes), new FarmBot(SeededRandom.MixSeed(_settings.Seed, (ulong)i), _settings.Workload, HostedFarm.TickRate), decodes);
        }

        return bots;
    }

    private void Join(long startNs)
    {
        long due = (Clock.NowNs - startNs) / 1000 * _settings.PlayersPerSecond / 1_000_000;
        for (; _started < Math.Min(_bots.Length, due + 1); _started++)
        {
            Connect(_bots[_started], Clock.NowNs);
            Update(_bots[_started], Clock.NowNs);
        }
    }

    private void Connect(Bot bot, long nowNs)
    {
        var random = new SeededRandom(SeededRandom.MixSeed(_settings.Seed ^ (ulong)nowNs, (ulong)bot.Index));
        bot.Client.Connect(nowNs, new Random128(random.NextUInt64(), random.NextUInt64()), _settings.Tokens?.Invoke(bot.Index));
    }

    // What one client touches lies together then: a tenth less of the bots' time, which is spent waiting for memory.
    private void CompactOnce()
    {
        if (_isCompact || _started < _bots.Length || !IsSettled())
            return;
        _isCompact = true;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
    }

    private bool IsSettled() => _started == _bots.Length && Array.TrueForAll(_bots, bot => bot.IsPlaying || bot.Client.State == ClientState.Closed);

    private void RunOnce()
    {
        Receive();
        UpdateDue(Clock.NowNs);
        _network.Flush();
        _questions.AnswerAll();
    }

    private void UpdateDue(long nowNs)
    {
        int count;
        do
        {
            for (count = 0; count < GroupBots && _schedule.TryTake(nowNs, out int bot); count++)
                _group[count] = _bots[bot];
            for (int i = 0; i < count; i++)
            {
                PrefetchUpdate(_group.AsSpan(0, count), i);
                Update(_group[i], nowNs);
            }
        }
        while (count == GroupBots);
    }

    private void Receive()
    {
        for (int socket = 0; socket < Math.Min(_started, _network.SocketCount); socket++)
        {
            int received;
            do
            {
                received = _network.Receive(socket, _incoming);
                long nowNs = Clock.NowNs;
                for (int i = 0; i < received; i++)
                {
                    PrefetchReceive(socket, i, received);
                    int bot = _network.BotOf(socket, _incoming, i);
                    if ((uint)bot < (uint)_started)
                        _bots[bot].Client.Receive(_incoming.MutableDatagram(i), nowNs);
                }
            }
            while (received == _incoming.Capacity);
        }
    }

    private static void PrefetchUpdate(ReadOnlySpan<Bot> bots, int at)
    {
        if (at + BotAhead < bots.Length)
            Bot.Prefetch(bots[at + BotAhead]);
        if (at + ClientAhead < bots.Length)
            bots[at + ClientAhead].PrefetchClient();
        if (at + PartsAhead < bots.Length)
            bots[at + PartsAhead].Client.PrefetchParts();
        if (at + BehindAhead < bots.Length)
            bots[at + BehindAhead].Client.PrefetchBehind();
        if (at + KeyAhead < bots.Length)
            bots[at + KeyAhead].Client.PrefetchSealing();
    }

    private void PrefetchReceive(int socket, int at, int received)
    {
        if (TryFindBot(socket, at + BotAhead, received, out Bot? bot))
            Bot.Prefetch(bot);
        if (TryFindBot(socket, at + ClientAhead, received, out bot))
            Prefetch.Object(bot.Client, GameClient<TopDownInput>.ObjectBytes);
        if (TryFindBot(socket, at + PartsAhead, received, out bot))
            bot.Client.PrefetchParts();
        if (TryFindBot(socket, at + BehindAhead, received, out bot))
            bot.Client.PrefetchBehind();
        if (TryFindBot(socket, at + KeyAhead, received, out bot))
            bot.Client.PrefetchOpening();
    }

    private bool TryFindBot(int socket, int at, int received, [NotNullWhen(true)] out Bot? found)
    {
        int bot = at < received ? _network.BotOf(socket, _incoming, at) : -1;
        found = (uint)bot < (uint)_started ? _bots[bot] : null;
        return found is not null;
    }

    private void Update(Bot bot, long nowNs)
    {
        UpdateOnce(bot, nowNs);
        if (bot.IsUnheard && bot.Retries < RetriesMax)
        {
            bot.Retry(_newClient(bot.Decodes));
            Connect(bot, nowNs);
        }

        if (bot.Client.State == ClientState.Closed)
            return;
        long dueNs = Math.Max(bot.DueNs, nowNs + 1);
        _schedule.Add(bot.Index, bot.Decodes ? Math.Min(dueNs, nowNs + FrameNs) : dueNs);
    }

    private void UpdateOnce(Bot bot, long nowNs)
    {
        bot.Update(nowNs, _stands);
        while (bot.Client.TryTakeDatagram(_network.Buffer(bot.Index), out int bytes))
            _network.Add(bytes);
        if (!bot.Decodes || _eyes is null || _stands)
            return;
        _eyes.LookAround(bot, nowNs);
        _eyes.CompareDrawn(bot);
    }

    private void SayGoodbye()
    {
        foreach (Bot bot in _bots)
            bot.Client.Close(CloseCode.Left, Clock.NowNs);
        for (long endNs = Clock.NowNs + (GoodbyeMs * 1_000_000L); Clock.NowNs < endNs; Clock.SleepUntil(Clock.NowNs + PollNs))
        {
            Receive();
            foreach (Bot bot in _bots.AsSpan(0, _started))
                UpdateOnce(bot, Clock.NowNs);
            _network.Flush();
            _questions.AnswerAll();
        }
    }

    // ---- what it is asked ----

    private Task<string> AnswerAsync(string[] words) => _questions.AskAsync(() => Answer(words));

    private string Answer(string[] words) => words switch
    {
        ["status"] => JsonSerializer.Serialize(ReadStatus(), ReportJson.Default.BotsStatus),
        ["begin"] => ControlSocket.Done(BeginWindow),
        ["end"] => ControlSocket.Done(EndWindow),
        ["still"] => ControlSocket.Done(() => _stands = true),
        ["compare", string path] => ControlSocket.Done(() => Compare(path)),
        ["report"] => JsonSerializer.Serialize(Report(), ReportJson.Default.BotsReport),
        ["stop"] => ControlSocket.Done(() => _isTold = true),
        _ => "error: ask for status, begin, end, still, compare FILE, report, or stop\n",
    };

    private BotsStatus ReadStatus()
    {
        var now = ProcessFigures.Read();
        long snapshots = _bots.Sum(bot => bot.Client.SnapshotCount);
        int connected = _bots.Count(bot => bot.IsPlaying);
        FindFirstLost();
        var status = new BotsStatus(connected, _bots.Count(bot => bot.Client.State == ClientState.Closed), _first is null ? "" : Why(_first.Client),
            (snapshots - _statusSnapshots) / now.SecondsSince(in _statusStart) / Math.Max(1, connected), _eyes?.WrongShare,
            _eyes?.Staleness.Percentile(0.5) / 10.0, _eyes?.Staleness.Percentile(0.99) / 10.0, now.CoresSince(in _statusStart), _network.Port);
        (_statusStart, _statusSnapshots) = (now, snapshots);
        return status;
    }

    private void FindFirstLost() => _first ??= Array.Find(_bots, bot => bot.Client.State == ClientState.Closed);

    private static string Why(GameClient<TopDownInput> client)
    {
        CloseReason reason = client.CloseReason;
        string words = reason.Text;
        string what = reason.Cause switch
        {
            CloseCause.Refused => $"refused: {reason.Refusal}",
            CloseCause.ClosedByPeer => $"closed by the server: {reason.Code}",
            _ => reason.Cause.ToString(),
        };
        return words.Length > 0 ? $"{what}, {words}" : what;
    }

    private void BeginWindow()
    {
        _report = null;
        _eyes?.Clear();
        _lateUs.Clear();
        _windowTraffic = _network.Traffic;
        foreach (Bot bot in _bots)
            bot.SnapshotsBefore = bot.Client.SnapshotCount;
        _windowStart = ProcessFigures.Read();
    }

    private void EndWindow()
    {
        if (_report is not null)
            return;
        var now = ProcessFigures.Read();
        double seconds = Math.Max(1e-9, now.SecondsSince(in _windowStart));
        foreach (Bot bot in _bots)
            bot.SnapshotHz = (bot.Client.SnapshotCount - bot.SnapshotsBefore) / seconds;
        TrafficFigures traffic = _network.Traffic - _windowTraffic;
        double[] hz = [.. _bots.Select(bot => bot.SnapshotHz)];
        double[] delayMs = [.. _bots.Where(bot => bot.Decodes).Select(bot => bot.Client.Stats.DelayNs / 1e6)];
        _report = new BotsReport
        {
            Seconds = seconds,
            Connected = _bots.Count(bot => bot.IsPlaying),
            Disconnected = _bots.Count(bot => bot.Client.State == ClientState.Closed),
            CpuCores = now.CoresSince(in _windowStart),
            FullyDecoded = _bots.Count(bot => bot.Decodes),
            JoinRetries = _bots.Sum(bot => bot.Retries),
            Traffic = traffic.PerSecond(seconds),
            LateMs = new LowHigh(_lateUs.Percentile(0.5) / 1e3, _lateUs.Percentile(0.99) / 1e3),
            SnapshotHzP1 = Histogram.Percentile(hz, 0.01),
            SnapshotHzP50 = Histogram.Percentile(hz, 0.5),
            DecodeErrors = 0,
            Divergent = -1,
            ComparedEntities = 0,
            ComparedEntitiesMin = 0,
            Differences = [],
            WrongShare = _eyes?.WrongShare,
            DrawnEntities = _eyes?.Drawn ?? 0,
            DrawnTicks = _eyes?.DrawnTicks ?? 0,
            StalenessMs = _eyes is null ? null : new LowHigh(_eyes.Staleness.Percentile(0.5) / 10.0, _eyes.Staleness.Percentile(0.99) / 10.0),
            DelayMs = new LowHigh(Histogram.Percentile(delayMs, 0.5), Histogram.Percentile(delayMs, 0.99)),
        };
    }

    private void Compare(string path)
    {
        _check = new ReplicaCheck(FinalTruth.Read(path));
        foreach (Bot bot in _bots)
        {
            if (bot.Decodes)
                _check.Compare(bot);
        }
    }

    // Errors count from the first packet on; the rest is the window's.
    private BotsReport Report()
    {
        EndWindow();
        DecodeErrorCounts errors = default;
        foreach (Bot bot in _bots)
            errors += bot.DecodeErrors;
        BotsReport report = _report! with { DecodeErrors = errors.All, DecodeErrorsBy = errors.All > 0 ? errors : null };
        return _check is null ? report : report with
        {
            Divergent = _check.Divergent,
            ComparedEntities = _check.ComparedEntities,
            ComparedEntitiesMin = report.FullyDecoded == 0 ? 0 : _check.ComparedEntitiesMin,
            Differences = _check.Differences,
        };
    }
}
