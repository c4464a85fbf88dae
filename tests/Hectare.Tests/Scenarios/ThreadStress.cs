using System.Collections.Concurrent;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>What a stress found.</summary>
internal sealed record StressFindings(long Ticks, long Snapshots, long Looked, long Compared, int Joined, int LargestDatagram, int WrongChecks, IReadOnlyList<string> Faults)
{
    public override string ToString() => $"{Ticks} ticks, {Snapshots} snapshots, {Looked} looks at an entity, {Compared} entities compared at the end, {Joined} joined, largest datagram {LargestDatagram}, {WrongChecks} self-checks fired, {Faults.Count} faults{string.Concat(Faults.Take(10).Select(fault => "\n" + fault))}";
}

/// <summary>
/// A zone whose network threads are real, with clients on a thread of their own who send whenever they like, while ticks run. Sockets are in memory: no
/// kernel, so threads meet as often as can be. Time is counted in ticks, which follow each other as fast as the clients follow. Each client decodes all,
/// and after each snapshot looks at every entity it holds: does it agree with itself (<see cref="MirrorGame"/>)?
/// </summary>
internal sealed class ThreadStress : IDisposable
{
    private const int Clients = 40;
    private const int FirstPort = 10_000;
    private const int ClientsBehindMax = 3;        // ticks that the zone may be ahead of the clients
    private const int ChurnTicks = 40;             // one client leaves and another comes
    private const int SettleTicks = 240;
    private const int FaultsKept = 50;
    private static readonly PeerAddress ServerAddress = PeerAddress.Loopback(4_000);

    private readonly ConcurrentDictionary<PeerAddress, ConcurrentQueue<byte[]>> _mailboxes = new();
    private readonly ZoneSocket[] _sockets;
    private readonly StressClient[] _clients = new StressClient[Clients];
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly SnapshotScratch _scratch = new();
    private readonly ulong _seed;
    private SeededRandom _random;
    private int _nextPort = FirstPort;
    private long _nowNs;
    private long _clientsNs;           // the time that all clients have lived through
    private long _snapshots;
    private long _looked;
    private int _joined;
    private int _largestDatagram;
    private volatile bool _churns = true;
    private volatile bool _ends;

    public ThreadStress(ulong seed, int threads, IZoneObserver? observer = null)
    {
        _seed = seed;
        _random = new SeededRandom(seed);
        _sockets = [.. Enumerable.Range(0, threads).Select(i => new ZoneSocket(this, _random.NextUInt64() + (ulong)i))];
        Game = new MirrorGame(_random.NextUInt64());
        var options = new ZoneOptions
        {
            PlayersMax = 2 * Clients,
            EntitiesMax = 1_024,
            Threads = threads,
            // All from one address.
            Limits = new ZoneLimits { HandshakesBurst = 100_000, HandshakesPerSecond = 100_000 },
        };
        Zone = new Zone<TopDownInput>(options, MirrorSchema.Schema, Game, MirrorGame.Map, ZoneRandom.Seeded(_random.NextUInt64()), [.. _sockets], new ZoneHooks { Observer = observer });
        for (int i = 0; i < Clients; i++)
            _clients[i] = NewClient();
    }

    public Zone<TopDownInput> Zone { get; }

    public MirrorGame Game { get; }

    /// <summary>Ticks until <paramref name="seconds"/> of real time have passed or a fault was found; then everything stands still and is compared.</summary>
    public StressFindings Run(double seconds, CancellationToken cancel)
    {
        var clients = new Thread(RunClients) { Name = "clients", IsBackground = true };
        clients.Start();
        long compared = 0;
        try
        {
            for (long endNs = Clock.NowNs + (long)(seconds * 1e9); Clock.NowNs < endNs && _faults.IsEmpty && !cancel.IsCancellationRequested;)
                RunTick();
            _churns = false;
            Game.IsFrozen = true;
            foreach (ZoneSocket socket in _sockets)
                socket.LosesOneIn = 0;
            for (int tick = 0; tick < SettleTicks && _faults.IsEmpty; tick++)
                RunTick();
        }
        catch (Exception failure)
        {
            // It fell over what it read.
            Fault($"the zone: {(failure.InnerException ?? failure).GetType().Name}: {(failure.InnerException ?? failure).Message}");
        }
        finally
        {
            _ends = true;
            clients.Join();
        }

        if (_faults.IsEmpty)
            compared = Compare();
        return new StressFindings(Zone.Metrics.Ticks, _snapshots, _looked, compared, _joined, _largestDatagram, (int)_clients.Sum(client => client.Game.Stats.WrongChecks), [.. _faults]);
    }

    public void Dispose() => Zone.Dispose();

    private void RunTick()
    {
        long nowNs = _nowNs + Zone.Options.TickLengthNs;
        Zone.RunTick(nowNs, nowNs);
        Volatile.Write(ref _nowNs, nowNs);
        for (int looks = 0; nowNs - Volatile.Read(ref _clientsNs) > ClientsBehindMax * Zone.Options.TickLengthNs && !_ends; looks++)
            Wait(looks);
    }

    // ---- the clients' thread ----

    private void RunClients()
    {
        try
        {
            for (int looks = 0; !_ends;)
            {
                long nowNs = Volatile.Read(ref _nowNs);
                if (nowNs == _clientsNs)
                {
                    Wait(looks++);
                    continue;
                }

                looks = 0;
                if (_churns && nowNs / Zone.Options.TickLengthNs / ChurnTicks != _clientsNs / Zone.Options.TickLengthNs / ChurnTicks)
                    Churn(nowNs);
                foreach (StressClient client in _clients)
                    Live(client, nowNs);
                Volatile.Write(ref _clientsNs, nowNs);
            }
        }
        catch (Exception failure)
        {
            Fault($"a client: {failure}");
            Volatile.Write(ref _clientsNs, long.MaxValue);
        }
    }

    private void Live(StressClient client, long nowNs)
    {
        while (client.Mailbox.TryDequeue(out byte[]? datagram))
        {
            _largestDatagram = Math.Max(_largestDatagram, datagram.Length);
            long snapshots = client.Game.Stats.Snapshots;
            client.Game.Receive(datagram, nowNs);
            if (client.Game.Stats.Snapshots != snapshots)
                Look(client);
        }

        ClientStats stats = client.Game.Stats;
        if (stats.WrongChecks + stats.Malformed + stats.WithoutBaseline > 0)
            Fault($"{client.Address}: {stats.WrongChecks} self-checks fired, {stats.Malformed} malformed, {stats.WithoutBaseline} without a baseline");
        if (client.Game.State == ClientState.Closed)
            Fault($"{client.Address}: closed: {client.Game.CloseReason}");
        client.Game.SetInput(Game.IsFrozen ? TopDownInput.Neutral : client.Bot.Next());
        Send(client, nowNs);
    }

    private void Send(StressClient client, long nowNs)
    {
        client.Game.Update(nowNs);
        Span<byte> datagram = stackalloc byte[PacketHeader.DatagramBytesMax];
        while (client.Game.TryTakeDatagram(datagram, out int bytes))
            _sockets[client.Address.Port % _sockets.Length].Arrived.Enqueue((client.Address, datagram[..bytes].ToArray()));
    }

    private void Look(StressClient client)
    {
        _snapshots++;
        ReplicaWorld world = client.Game.World!;
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            _looked++;
            if (MirrorGame.FaultOf(world, entity.Id, entity.Kind) is { } fault)
                Fault($"{client.Address}, tick {world.NewestTick.Value}: {fault}");
        }
    }

    private void Churn(long nowNs)
    {
        int at = _random.Next(0, Clients);
        StressClient old = _clients[at];
        _joined += old.Game.IsJoined ? 1 : 0;
        old.Game.Close(CloseCode.Left, nowNs);
        Send(old, nowNs);
        _mailboxes.TryRemove(old.Address, out _);
        _clients[at] = NewClient();
    }

    private StressClient NewClient()
    {
        PeerAddress address = PeerAddress.Loopback(_nextPort);
        _nextPort = _nextPort == ushort.MaxValue ? FirstPort : _nextPort + 1;
        ConcurrentQueue<byte[]> mailbox = _mailboxes[address] = new();
        var game = new GameClient<TopDownInput>(new ClientOptions(), MirrorSchema.Schema, scratch: _scratch);
        game.Connect(Volatile.Read(ref _nowNs), new Random128(_random.NextUInt64(), _random.NextUInt64()));
        return new StressClient(address, mailbox, game, new FarmBot(_random.NextUInt64(), FarmWorkload.Uniform));
    }

    // ---- at the end ----

    private long Compare()
    {
        long compared = 0;
        for (int i = 0; i < Zone.Options.PlayersMax; i++)
        {
            if (Zone.PeerOf(new PeerId(i)) is not { View: { } view } peer || Array.Find(_clients, client => client.Address == peer.Address) is not { } client)
                continue;
            _joined++;
            var entered = new List<EntityId>();
            view.CopyKnown(entered);
            var held = new HashSet<uint>();
            foreach (ReplicaWorld.ReplicaEntity entity in client.Game.World!)
            {
                if (!entity.Leaving)
                    held.Add(entity.Id.Value);
            }

            if (!held.SetEquals(entered.Select(id => id.Value)))
                Fault($"{client.Address} holds {held.Count} entities, its view has entered {entered.Count}");
            foreach (uint id in held)
            {
                compared++;
                CompareEntity(client, new EntityId(id));
            }
        }

        if (Zone.PeerCount < Clients)
            Fault($"{Zone.PeerCount} of {Clients} clients are connected");
        return compared;
    }

    private void CompareEntity(StressClient client, EntityId id)
    {
        ReplicaWorld world = client.Game.World!;
        if (!Zone.World.TryFind(id, out int row))
        {
            Fault($"{client.Address} holds entity {id.Value}, which does not exist");
            return;
        }

        foreach (Field field in Zone.World.KindOf(row).Fields)
        {
            if (field.Type is not (FieldType.Position2 or FieldType.Text) && world.GetField(id, field) != Zone.World.Get(row, field))
                Fault($"{client.Address}, {Zone.World.KindOf(row).Name} {id.Value}, {field.Name}: {world.GetField(id, field):x}, truth {Zone.World.Get(row, field):x}");
        }

        if (MirrorGame.FaultOf(world, id, Zone.World.KindOf(row)) is { } fault)
            Fault($"{client.Address}, at the end: {fault}");
    }

    private void Fault(string what)
    {
        if (_faults.Count < FaultsKept)
            _faults.Enqueue($"seed {_seed}: {what}");
    }

    // A waiter that spins keeps its processor from those it waits for, where threads are more than processors.
    private static void Wait(int looks)
    {
        if (looks < 20)
            Thread.SpinWait(50);
        else
            Thread.Sleep(0);
    }

    private sealed record StressClient(PeerAddress Address, ConcurrentQueue<byte[]> Mailbox, GameClient<TopDownInput> Game, FarmBot Bot);

    /// <summary>One of the zone's: its own thread receives and sends.</summary>
    private sealed class ZoneSocket(ThreadStress stress, ulong seed) : IDatagramSocket
    {
        private SeededRandom _random = new(seed);

        public ConcurrentQueue<(PeerAddress From, byte[] Bytes)> Arrived { get; } = new();

        /// <summary>Of the datagrams to clients; 0: none.</summary>
        public int LosesOneIn { get; set; } = 40;

        public PeerAddress LocalAddress => ServerAddress;

        public SocketCounters Counters { get; } = new();

        public int Receive(DatagramBatch batch)
        {
            batch.Clear();
            while (!batch.IsFull && Arrived.TryDequeue(out (PeerAddress From, byte[] Bytes) datagram))
            {
                datagram.Bytes.CopyTo(batch.Buffer(batch.Count));
                batch.Add(datagram.From, datagram.Bytes.Length, ServerAddress);
            }

            return batch.Count;
        }

        public int Send(DatagramBatch batch)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                bool isLost = LosesOneIn > 0 && _random.Next(0, LosesOneIn) == 0;
                if (!isLost && stress._mailboxes.TryGetValue(batch.Address[i], out ConcurrentQueue<byte[]>? mailbox))
                    mailbox.Enqueue(batch.Datagram(i).ToArray());
            }

            return batch.Count;
        }

        public void Dispose()
        {
        }
    }
}
