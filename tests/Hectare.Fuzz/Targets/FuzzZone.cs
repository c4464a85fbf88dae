using Hectare.Client;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Fuzz.Targets;

/// <summary>A game on the meadow: players walk, messages come back, everything else lives by itself.</summary>
internal sealed class FuzzGame(ulong seed) : IGame<TopDownInput>
{
    private static readonly TopDownMovement Walk = new(FuzzSchemas.Meadow["player"]);

    private readonly FuzzMeadow _meadow = new(seed);
    private readonly Dictionary<int, uint> _avatars = [];
    private IZone _zone = null!;

    public void Start(IZone zone)
    {
        _zone = zone;
        _meadow.Populate(zone.World);
    }

    public EntityId Joined(PeerId peer, in Arrival arrival)
    {
        if (arrival.Avatar == EntityId.None || !_zone.World.TryFind(arrival.Avatar, out int row))
            row = _meadow.Join(_zone.World, peer.Index);
        _avatars[peer.Index] = _zone.World.Id[row];
        return _zone.World.IdOf(row);
    }

    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        foreach (ref readonly PeerInput<TopDownInput> input in inputs)
            Simulation.Walk(world, in Walk, input.Row, input.Input);
        _meadow.Step(world);
    }

    public void Left(PeerId peer, in Departure departure)
    {
        if (_avatars.Remove(peer.Index, out uint id) && !departure.MayReturn)
            Forgotten(new EntityId(id));
    }

    public void Forgotten(EntityId avatar)
    {
        if (_zone.World.TryFind(avatar, out int row))
            _zone.World.Destroy(row);
    }

    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
        Property.Holds(lane is > Lane.Control and <= Lane.Bulk, "a message on a lane that is not the game's");
        _zone.Send(peer, lane, message);
    }
}

/// <summary>A zone's socket that is no socket: what arrives is put in, what leaves is handed on.</summary>
internal sealed class FuzzSocket(PeerAddress address, Action<PeerAddress, ReadOnlyMemory<byte>> send) : IDatagramSocket
{
    private readonly Queue<(PeerAddress From, byte[] Bytes, int Length)> _arrived = new();
    private readonly Stack<byte[]> _free = new();
    private readonly byte[] _out = new byte[DatagramBatch.SlotBytes];

    public PeerAddress LocalAddress => address;

    public SocketCounters Counters { get; } = new();

    public void Arrive(in PeerAddress from, ReadOnlySpan<byte> datagram)
    {
        byte[] bytes = _free.TryPop(out byte[]? free) ? free : new byte[DatagramBatch.SlotBytes];
        datagram.CopyTo(bytes);
        _arrived.Enqueue((from, bytes, datagram.Length));
    }

    public int Receive(DatagramBatch batch)
    {
        batch.Clear();
        while (!batch.IsFull && _arrived.TryDequeue(out (PeerAddress From, byte[] Bytes, int Length) one))
        {
            one.Bytes.AsSpan(0, one.Length).CopyTo(batch.Buffer(batch.Count));
            batch.Add(one.From, one.Length);
            _free.Push(one.Bytes);
        }

        return batch.Count;
    }

    public int Send(DatagramBatch batch)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            ReadOnlySpan<byte> datagram = batch.Datagram(i);
            Property.Holds(datagram.Length is > 0 and <= PacketHeader.DatagramBytesMax, "a datagram longer than any may be");
            datagram.CopyTo(_out);
            send(batch.Address[i], _out.AsMemory(0, datagram.Length));
        }

        return batch.Count;
    }

    public void Dispose()
    {
    }
}

/// <summary>What kind of an episode a zone lives through.</summary>
/// <param name="Honest">Clients whose link loses and delays, no more.</param>
/// <param name="Hostile">Clients whose link also forges, under their own seal or under the server's.</param>
/// <param name="Strangers">Addresses that send noise.</param>
/// <param name="ServerIsHostile">The forging is done to what the server sends.</param>
internal readonly record struct ZoneCast(int Honest, int Hostile, int Strangers, bool ServerIsHostile);

/// <summary>
/// A zone with its clients in virtual time, and what must hold of it: nothing throws, no stranger is sent more than came from it, every datagram is
/// received once, honest clients play on and refuse nothing, memory stays in its bounds, nothing is drawn that is no number.
/// </summary>
internal sealed class FuzzZone : IDisposable
{
    private const int WarmUpTicks = 60;
    private const long ReplicaBytesMax = 4 << 20;
    private const int AliasesMax = 3;

    private static readonly ZoneOptions Rules = new()
    {
        PlayersMax = 8,
        EntitiesMax = 1_024,
        Limits = new ZoneLimits { HandshakesPerTickMax = 16, LostPlayersMax = 6, UsedTokensMax = 1_024, PendingMax = 6 },
        TimeOutMs = 5_000,   // longer than the longest stall: nobody is lost by it
        Replication = new ReplicationOptions { EnterRadiusUnits = 60, ExitRadiusUnits = 76, NearUnits = 30, FarUnits = 60 },
        Access = new ZoneAccess { Keys = FuzzKeys.Cluster.ToText(), StartUnixSeconds = FuzzKeys.NowUnixSeconds },
    };

    private readonly ZoneCast _cast;
    private readonly HostileLink _link;
    private readonly FuzzSocket _socket;
    private readonly Zone<TopDownInput> _zone;
    private readonly Player[] _players;
    private readonly Dictionary<PeerAddress, (long In, long Out)> _strangers = [];
    private readonly byte[] _datagram = new byte[PacketHeader.DatagramBytesMax];
    private SeededRandom _random;
    private long _nowNs = 1_000_000_000;
    private long _arrived;
    private uint _attempts;
    private bool _hasBegun;

    public FuzzZone(ulong seed, in ZoneCast cast, EpisodeLog log)
    {
        _cast = cast;
        _random = new SeededRandom(seed);
        _link = new HostileLink(seed, log);
        _socket = new FuzzSocket(FuzzKeys.Server, Leave);
        _zone = new Zone<TopDownInput>(Rules, FuzzSchemas.Meadow, new FuzzGame(seed), FuzzMeadow.Map, ZoneRandom.Seeded(seed), [_socket]);
        _players = new Player[cast.Honest + cast.Hostile];
        for (int i = 0; i < _players.Length; i++)
            _players[i] = new Player(i, isHonest: i < cast.Honest);
    }

    /// <summary>Datagrams carried.</summary>
    public int Delivered => _link.Delivered;

    /// <summary>Datagrams that the zone took; known at the end.</summary>
    public int Accepted { get; private set; }

    /// <summary>Lets everyone in, then becomes hostile for so many datagrams.</summary>
    public void Play(int datagrams)
    {
        for (int i = 0; i < WarmUpTicks; i++)
            RunTick();
        foreach (Player player in _players)
        {
            Property.Holds(player.Client!.State == ClientState.Playing, $"client {player.Flow} does not come in over a perfect link: {player.Client.State}, {player.Client.CloseReason}, {_zone.PeerCount} peers, {string.Join(' ', _zone.Drops())}, {player.Client.Stats}");
            SetRates(player);
        }

        _hasBegun = true;
        while (_link.Delivered < datagrams)
        {
            RunTick();
            MakeTrouble();
            Check();
        }

        CheckCounters();
    }

    public void Dispose() => _zone.Dispose();

    private void SetRates(Player player)
    {
        LinkRates mild = new(Lost: 10, Late: 20, Twice: 10, Damaged: 0, Forged: 0, Renumbered: 0);
        _link.SetRates(player.Flow, toServer: true, player.IsHonest || _cast.ServerIsHostile ? mild : LinkRates.WithKeys(ref _random));
        _link.SetRates(player.Flow, toServer: false, player.IsHonest ? mild : _cast.ServerIsHostile ? LinkRates.WithKeys(ref _random) : LinkRates.WithoutKeys(ref _random));
    }

    private void RunTick()
    {
        _nowNs += Rules.TickLengthNs;
        foreach (Player player in _players)
            Update(player);
        while (_link.TryTake(_nowNs, out Delivery delivery))
            Deliver(delivery);
        _zone.RunTick(_nowNs, _nowNs, behind: _random.Next(0, 200) == 0);
        Property.Holds(_zone.Metrics.DatagramsIn == _arrived, "a datagram was received twice, or not at all");
    }

    private void MakeTrouble()
    {
        if (_random.Next(0, 400) == 0)
            _nowNs += _random.Next(0L, 3_000_000_000);   // a stall
        if (_random.Next(0, 300) == 0)
            _zone.Disconnect(new PeerId(_random.Next(_cast.Honest, Rules.PlayersMax)), CloseCode.Kicked);
        for (int i = _random.Next(0, _cast.Strangers + 1); i > 0; i--)
            _link.PostNoise(_players.Length + _random.Next(0, _cast.Strangers), toServer: true, _nowNs);
    }

    private void Update(Player player)
    {
        if (player.Client is null or { State: ClientState.Closed })
            Connect(player);
        GameClient<TopDownInput> client = player.Client!;
        client.SetInput(new TopDownInput(new Intent((byte)_random.Next(0, 256), _random.Next(0, 16)), 0));
        if (client.State == ClientState.Playing && _random.Next(0, 20) == 0)
            client.SendMessage((Lane)_random.Next(1, 4), _datagram.AsSpan(0, _random.Next(0, _random.Next(1, 1_200))));
        if (_random.Next(0, 500) == 0)
            client.OnNetworkChanged();
        client.Update(_nowNs);
        while (client.TryTakeDatagram(_datagram, out int bytes))
            _link.Post(player.Flow, toServer: true, _datagram.AsSpan(0, bytes), _nowNs);
        while (client.TryReceiveMessage(out _, out ReadOnlySpan<byte> message))
            Property.Holds(message.Length <= ConnectionOptions.LongestMessageBytes, "a message longer than any may be");
        Draw(client);
    }

    private void Connect(Player player)
    {
        player.Token = TokenFor(player);
        player.Random = new Random128(_random.NextUInt64(), _attempts);
        player.Client = new GameClient<TopDownInput>(new ClientOptions { EventsMax = 64 }, FuzzSchemas.Meadow, default, player.Scratch);
        player.Client.Connect(_nowNs, player.Random, player.Token);
    }

    // A new one; the one to come back with; or the last again, which is good only if nobody was heard with it.
    private ConnectToken TokenFor(Player player)
    {
        ConnectToken fresh = FuzzKeys.Mint(_attempts++, _random.Next(0, 100));
        return _random.Next(0, 8) switch
        {
            0 or 1 or 2 when player.Client?.ResumeToken is { } resume => resume,
            3 when player.Token is { } used => used,
            _ => fresh,
        };
    }

    // A flow's datagrams come from its address, a few from others: a router renamed it, or somebody repeats what he saw.
    private void Deliver(in Delivery delivery)
    {
        if (delivery.ToServer)
        {
            PeerAddress from = AddressOf(delivery.Flow, alias: !_hasBegun || IsHonest(delivery.Flow) || _random.Next(0, 100) != 0 ? 0 : _random.Next(1, AliasesMax + 1));
            if (delivery.Flow >= _players.Length)
                _strangers[from] = (_strangers.GetValueOrDefault(from).In + delivery.Datagram.Length, _strangers.GetValueOrDefault(from).Out);
            _arrived++;
            _socket.Arrive(from, delivery.Datagram);
        }
        else if (delivery.Flow < _players.Length)
        {
            Player player = _players[delivery.Flow];
            Listen(player, delivery.Datagram);
            player.Client!.Receive(delivery.Datagram, _nowNs);
        }
    }

    // What the server sends, on its way.
    private void Leave(PeerAddress to, ReadOnlyMemory<byte> datagram)
    {
        int flow = FlowOf(to);
        if (flow >= _players.Length)
        {
            (long received, long sent) = _strangers[to];
            Property.Holds(sent + datagram.Length <= received, $"{to} was sent more than came from it");
            _strangers[to] = (received, sent + datagram.Length);
            return;
        }

        _link.Post(flow, toServer: false, datagram.Span, _nowNs);
    }

    // Whoever minted the token knows the secret; the rest is in the challenge.
    private void Listen(Player player, ReadOnlySpan<byte> datagram)
    {
        if (!Handshake.TryReadChallenge(datagram, out Challenge challenge, out _) || challenge.ClientRandom != player.Random || player.Client!.State != ClientState.Connecting)
            return;
        var keys = ConnectionKeys.Derive(player.Token!.Secret, player.Random, challenge.ServerRandom, Handshake.ProtocolVersion, challenge.Suite);
        _link.SetTap(player.Flow, toServer: true, new Tap(keys.Suite, keys.ClientTraffic, ConnectionSide.Client, default));
        _link.SetTap(player.Flow, toServer: false, new Tap(keys.Suite, keys.ServerTraffic, ConnectionSide.Server, default));
    }

    private static void Draw(GameClient<TopDownInput> client)
    {
        if (client.World is not { } world)
            return;
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            SampledEntity drawn = entity.Sample();
            Property.Holds(double.IsFinite(drawn.X + drawn.Y + drawn.VelocityX + drawn.VelocityY), "something is drawn nowhere");
        }

        while (world.TryTakeEvent(out ReplicaEvent told))
            Property.Holds(told.Id != EntityId.None, "an event of nothing");
        Property.Holds(world.MemoryBytes <= ReplicaBytesMax, $"a replica holds {world.MemoryBytes} bytes");
    }

    private void Check()
    {
        Property.Holds(_zone.PeerCount <= Rules.PlayersMax, "more peers than there may be");
        for (int i = 0; i < _cast.Honest; i++)
        {
            GameClient<TopDownInput> client = _players[i].Client!;
            ClientStats stats = client.Stats;
            Property.Holds(client.State == ClientState.Playing, $"an honest client is {client.State} ({client.CloseReason})");
            Property.Holds(stats.Malformed + stats.WrongChecks + stats.WithoutBaseline == 0, "an honest client refuses a snapshot");
        }
    }

    private void CheckCounters()
    {
        long dropped = 0;
        foreach ((string reason, long count) in _zone.Drops())
        {
            Property.Holds(count > 0, $"{reason} is counted {count} times");
            dropped += IsOfDatagrams(reason) ? count : 0;
        }

        Property.Holds(dropped <= _arrived, "more packets were dropped than came");
        Accepted = (int)(_arrived - dropped);
    }

    // The others count inputs and messages, of which a datagram has many.
    private static bool IsOfDatagrams(string reason)
        => reason.StartsWith("packet", StringComparison.Ordinal) || reason.StartsWith("handshake", StringComparison.Ordinal) || reason is "malformed" or "unknownConnection" or "otherAddress";

    private bool IsHonest(int flow) => flow < _cast.Honest;

    private static PeerAddress AddressOf(int flow, int alias) => PeerAddress.FromIPv4(0x0A00_0000u | ((uint)flow << 8) | (uint)alias, 5_000);

    private static int FlowOf(in PeerAddress address) => (int)(address.IPv4 >> 8) & 0xFFFF;

    private sealed class Player(int flow, bool isHonest)
    {
        public int Flow { get; } = flow;

        public bool IsHonest { get; } = isHonest;

        public SnapshotScratch Scratch { get; } = new();

        public GameClient<TopDownInput>? Client { get; set; }

        public ConnectToken? Token { get; set; }

        public Random128 Random { get; set; }
    }
}
