using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>What a simulation is made of. Everything random in it follows from the seed.</summary>
internal sealed record SimulationOptions
{
    public ulong Seed { get; init; } = 1;

    public int Clients { get; init; } = 8;

    /// <summary>Clients that a test adds later, at most.</summary>
    public int LaterClients { get; init; }

    /// <summary>How the zone's sockets share its address; null: it has one socket, and that is the network's.</summary>
    public Func<IDatagramSocket, SharedPort>? SharedPort { get; init; }

    public LinkProfile Profile { get; init; } = LinkProfile.Perfect;

    public LinkTracePair? Traces { get; init; }

    public ReplicationOptions Replication { get; init; } = new();

    public ZoneOptions Zone { get; init; } = new();

    public Func<ulong, MeadowGame>? Game { get; init; }

    /// <summary>Input of a client for a tick; null: a walker who turns once a second.</summary>
    public Func<int, TopDownInput>? Input { get; init; }

    /// <summary>The schema that clients are built with; null: the game's.</summary>
    public Schema? ClientSchema { get; init; }

    public uint FirstTick { get; init; }

    /// <summary>Is told the keys of each connection.</summary>
    public Action<TrafficSecrets>? KeyLog { get; init; }
}

/// <summary>
/// A whole system in virtual time: one zone, many clients, the links between them. Runs from event to event: a zone's tick, a client's frame, a
/// datagram's arrival; so arrivals are exact and no machine's speed matters.
/// </summary>
internal sealed class SimulatedSystem : IDisposable, IZoneObserver
{
    public const long FrameNs = 1_000_000_000 / 30;
    public static readonly PeerAddress ServerAddress = PeerAddress.Loopback(4_000);

    private readonly DatagramBatch _batch = new();
    private readonly DatagramBatch _one = new(1);
    private readonly Queue<(SimulatedClient Client, bool InOrder, bool IsCorrupted)> _arrived = new();
    private readonly Dictionary<PeerAddress, SimulatedClient> _clientAt = [];
    private readonly IDatagramSocket _serverSocket;
    private readonly SharedPort? _port;
    private readonly SimulationOptions _options;
    private readonly TickScheduler _schedule;
    private int _owed;
    private long _freeNs;         // the tick thread works until then
    private SeededRandom _random;

    public SimulatedSystem(SimulationOptions options)
    {
        _options = options;
        _random = new SeededRandom(options.Seed);
        Network = new LinkSimulator(_random.NextUInt64()) { DefaultProfile = options.Traces is null ? options.Profile : LinkProfile.Perfect, Observer = OnLink };
        Game = options.Game?.Invoke(_random.NextUInt64()) ?? new MeadowGame(_random.NextUInt64());
        _serverSocket = Network.Open(ServerAddress);
        _port = options.SharedPort?.Invoke(_serverSocket);
        int clients = options.Clients + options.LaterClients;
        ZoneOptions zone = options.Zone with { PlayersMax = Math.Max(clients, 2), EntitiesMax = 1_024 + clients, Replication = options.Replication, FirstTick = options.FirstTick };
        Zone = new Zone<TopDownInput>(zone, Game.Kinds.Schema, Game, MeadowGame.Map, ZoneRandom.Seeded(_random.NextUInt64()), _port?.Sockets ?? [_serverSocket], new ZoneHooks { Observer = this, KeyLog = options.KeyLog });
        _schedule = new TickScheduler(0, TickNs, Zone.Options.CatchUpTicksMax);
        for (int i = 0; i < options.Clients; i++)
            AddClient();
    }

    public LinkSimulator Network { get; }

    public MeadowGame Game { get; }

    public Zone<TopDownInput> Zone { get; }

    public List<SimulatedClient> Clients { get; } = [];

    public long NowNs { get; private set; }

    public long TickNs => Zone.Options.TickLengthNs;

    public int LargestDatagram { get; private set; }

    /// <summary>Datagrams with changed bits that the links handed to the server.</summary>
    public long CorruptedToServer { get; private set; }

    /// <summary>Called after each tick's versions are published.</summary>
    public Action? Published { get; set; }

    /// <summary>Called for every datagram a client is handed, before it reads it.</summary>
    public Action<SimulatedClient, ReadOnlyMemory<byte>>? Delivered { get; set; }

    /// <summary>Called for every datagram a client sends.</summary>
    public Action<SimulatedClient, ReadOnlyMemory<byte>>? Sent { get; set; }

    /// <summary>Called after each tick that was told to the clients.</summary>
    public Action? Written { get; set; }

    /// <summary>The tick thread stands still until then; it catches up as a real one does.</summary>
    public long StallUntilNs { get; set; }

    /// <summary>How long the tick that has just run took, ns; it is asked whether nobody was told of it. Null: no time at all, and nobody measures.</summary>
    public Func<bool, long>? Work { get; set; }

    public SimulatedClient AddClient(Schema? schema = null)
    {
        int index = Clients.Count;
        PeerAddress address = PeerAddress.Loopback((ushort)(10_000 + index));
        if (_options.Traces is { } traces)
            Network.SetPath(address, ServerAddress, _options.Profile, traces);
        var client = new SimulatedClient(index, Network.Open(address), address, new GameClient<TopDownInput>(new ClientOptions(), schema ?? _options.ClientSchema ?? Game.Kinds.Schema), _random.NextUInt64())
        {
            NextFrameNs = NowNs + (index * FrameNs / Math.Max(1, _options.Clients)),
        };
        client.Game.Connect(NowNs, new Random128(_random.NextUInt64(), _random.NextUInt64()));
        Clients.Add(client);
        _clientAt.Add(address, client);
        return client;
    }

    /// <summary>Gives a client another address, as its router or its phone does.</summary>
    public void Move(SimulatedClient client, PeerAddress to)
    {
        Network.Rebind(client.Address, to);
        _clientAt.Remove(client.Address);
        client.Address = to;
        _clientAt.Add(to, client);
    }

    public void RunSeconds(double seconds) => RunUntil(NowNs + (long)(seconds * 1e9));

    public void RunUntil(long endNs)
    {
        while (true)
        {
            long next = Math.Min(NextTickNs, Network.NextArrivalNs);
            SimulatedClient? framed = null;
            foreach (SimulatedClient client in Clients)
            {
                if (client.NextFrameNs < next)
                    (next, framed) = (client.NextFrameNs, client);
            }

            if (next > endNs)
                break;
            NowNs = Math.Max(NowNs, next);
            Network.AdvanceTo(NowNs);
            HandOver();
            if (framed is not null)
                Frame(framed);
            else if (NextTickNs <= NowNs)
                RunTicks();
        }

        NowNs = endNs;
    }

    public PeerView? ViewOf(SimulatedClient client) => client.Game.Avatar == EntityId.None ? null : Zone.ViewOf(new PeerId(PeerIndexOf(client)));

    public int PeerIndexOf(SimulatedClient client) => Game.RowOfPeer.First(pair => Zone.World.IdOf(pair.Value) == client.Game.Avatar).Key;

    public void Dispose()
    {
        Zone.Dispose();
        _serverSocket.Dispose();
    }

    void IZoneObserver.AfterPublish(IZone zone, Tick tick) => Published?.Invoke();

    void IZoneObserver.AfterWrite(IZone zone, Tick tick) => Written?.Invoke();

    private long NextTickNs => Math.Max(_owed > 0 ? 0 : _schedule.NextDueNs, Math.Max(_freeNs, StallUntilNs));

    // As ZoneLoop does. Where a tick takes time, time passes before the next.
    private void RunTicks()
    {
        if (_owed == 0)
            _owed = _schedule.Wake(NowNs);
        while (_owed > 0 && NextTickNs <= NowNs)
        {
            bool behind = _owed-- > 1;
            _port?.Deliver();
            Zone.RunTick(_schedule.Take(), NowNs, behind);
            _port?.Flush();
            if (Work is null)
                continue;
            long workNs = Work(behind);
            _freeNs = NowNs + workNs;
            Zone.NoteWork(workNs);
            _schedule.TickLengthNs = Zone.TickLengthNs;
        }
    }

    private void Frame(SimulatedClient client)
    {
        client.NextFrameNs += FrameNs;
        client.Game.SetInput(_options.Input?.Invoke(client.Index) ?? (Game.IsFrozen ? TopDownInput.Neutral : client.Bot.Next()));
        client.Game.Update(NowNs);
        _batch.Clear();
        while (!_batch.IsFull && client.Game.TryTakeDatagram(_batch.Buffer(_batch.Count), out int bytes))
            _batch.Add(ServerAddress, bytes);
        for (int i = 0; Sent is not null && i < _batch.Count; i++)
            Sent(client, _batch.Datagram(i).ToArray());
        client.Socket.Send(_batch);
    }

    private void OnLink(LinkEvent one)
    {
        LargestDatagram = Math.Max(LargestDatagram, one.Bytes);
        if (one.Fate != LinkFate.Delivered)
            return;
        if (_clientAt.TryGetValue(one.To, out SimulatedClient? client))
            _arrived.Enqueue((client, client.IsInOrder(in one), one.IsCorrupted));
        else
            CorruptedToServer += one.IsCorrupted ? 1 : 0;
    }

    private void HandOver()
    {
        while (_arrived.TryDequeue(out (SimulatedClient Client, bool InOrder, bool IsCorrupted) arrival))
            arrival.Client.Take(NowNs, _one, arrival.InOrder, arrival.IsCorrupted, Delivered);
    }
}

/// <summary>One client of a simulation, and what an onlooker notes of it.</summary>
internal sealed class SimulatedClient(int index, IDatagramSocket socket, PeerAddress address, GameClient<TopDownInput> game, ulong seed)
{
    private const int GapsKept = 64;
    private const int TailFlag = 4;

    private readonly long[] _inOrderNs = new long[GapsKept];
    private int _inOrderCount;
    private long _newestNumber = -1;
    private long _newestNs = -1;

    public int Index { get; } = index;

    public IDatagramSocket Socket { get; } = socket;

    public PeerAddress Address { get; set; } = address;

    public GameClient<TopDownInput> Game { get; } = game;

    public FarmBot Bot { get; } = new(seed, FarmWorkload.Uniform);

    public long NextFrameNs { get; set; }

    /// <summary>Payload datagrams that the link delivered in order and the client did not accept.</summary>
    public int RefusedInOrder { get; private set; }

    /// <summary>Datagrams with changed bits, and those of them that the client accepted.</summary>
    public (int Count, int Accepted) Corrupted { get; private set; }

    /// <summary>The longest time between two snapshots that the client applied.</summary>
    public long LongestWithoutDataNs { get; private set; }

    /// <summary>The longest time between two snapshots that its link delivered in order.</summary>
    public long LongestInOrderGapNs { get; private set; }

    /// <summary>When each snapshot was applied.</summary>
    public long LastSnapshotNs => _newestNs;

    /// <summary>Newer than all that arrived whole: what was corrupted on the way never arrived.</summary>
    public bool IsInOrder(in LinkEvent one)
    {
        bool inOrder = !one.IsCorrupted && one.Number > _newestNumber;
        _newestNumber = inOrder ? one.Number : _newestNumber;
        return inOrder;
    }

    public void Take(long nowNs, DatagramBatch one, bool inOrder, bool isCorrupted, Action<SimulatedClient, ReadOnlyMemory<byte>>? delivered)
    {
        int got = Socket.Receive(one);
        Assert.Equal(1, got);
        // Until the acceptance is heard, nothing can be opened.
        bool isPayload = !isCorrupted && one.Datagram(0)[0] == (byte)PacketType.Payload && Game.State is ClientState.Joining or ClientState.Playing;
        long accepted = Game.Stats.ReceivedPackets, snapshots = Game.Stats.Snapshots;
        delivered?.Invoke(this, one.Datagram(0).ToArray());
        Game.Receive(one.MutableDatagram(0), nowNs);
        if (isCorrupted)
            Corrupted = (Corrupted.Count + 1, Corrupted.Accepted + (Game.Stats.ReceivedPackets == accepted ? 0 : 1));
        if (!isPayload || Game.State == ClientState.Closed)
            return;
        // What came in order was opened in place.
        bool hasSnapshot = (one.Datagram(0)[PacketHeader.ServerHeaderBytes] & TailFlag) != 0;
        RefusedInOrder += inOrder && Game.Stats.ReceivedPackets == accepted ? 1 : 0;
        if (Game.Stats.Snapshots != snapshots)
        {
            LongestWithoutDataNs = Math.Max(LongestWithoutDataNs, _newestNs < 0 ? 0 : nowNs - _newestNs);
            _newestNs = nowNs;
        }

        if (!inOrder || !hasSnapshot)
            return;
        if (_inOrderCount > 0)
            LongestInOrderGapNs = Math.Max(LongestInOrderGapNs, nowNs - _inOrderNs[(_inOrderCount - 1) % GapsKept]);
        _inOrderNs[_inOrderCount++ % GapsKept] = nowNs;
    }

    /// <summary>The longest gap between in-order deliveries that touches the time since <paramref name="sinceNs"/>.</summary>
    public long LongestGapSince(long sinceNs, long nowNs)
    {
        long longest = 0, later = nowNs;
        for (int i = _inOrderCount - 1; i >= Math.Max(0, _inOrderCount - GapsKept); i--)
        {
            long at = _inOrderNs[i % GapsKept];
            longest = Math.Max(longest, later - at);
            later = at;
            if (at < sinceNs)
                return longest;
        }

        return Math.Max(longest, later - sinceNs);
    }
}
