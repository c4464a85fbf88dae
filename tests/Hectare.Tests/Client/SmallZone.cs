using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Transport;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Client;

/// <summary>A zone with one peer, small enough to read: real world, replication and transport, a link of delay, jitter and loss, virtual time.</summary>
internal sealed class SmallZone
{
    public const long TickNs = 33_333_333;
    private static readonly PeerAddress Address = PeerAddress.Loopback(4000);

    private readonly Random _random;
    private readonly HandshakeServer _handshake = TestTokens.Server();
    private readonly PriorityQueue<(bool ToServer, byte[] Datagram), (long At, long Order)> _underWay = new();
    private readonly SnapshotWriter _writer;
    private readonly TopDownInput[] _inputs = new TopDownInput[InputMessage.InputsMax];
    private readonly byte[] _datagram = new byte[1200];
    private Connection? _connection;
    private PeerView? _peer;
    private long _order;
    private long _nextFrameNs;
    private long _nextTickNs;
    private bool _isWelcomed;

    public SmallZone(int seed, Schema schema, Schema? clientSchema = null, ClientOptions? options = null)
    {
        _random = new Random(seed);
        Schema = schema;
        World = new WorldState(schema, TileMap.Open(schema.Grid.ExtentUnits, schema.Grid.ExtentUnits), capacity: 4096);
        Replicator = new Replicator(World, new ReplicationOptions(), 4);
        _writer = new SnapshotWriter(Replicator);
        Client = new GameClient<TopDownInput>(options ?? new ClientOptions(), clientSchema ?? schema);
        Client.Connect(0, new Random128(1, 2), TestTokens.Mint());
    }

    public Schema Schema { get; }

    public WorldState World { get; }

    public Replicator Replicator { get; }

    public GameClient<TopDownInput> Client { get; }

    public Connection? Connection => _connection;

    public long NowNs { get; private set; }

    public Tick Tick { get; private set; } = new(uint.MaxValue - 200);

    public double Loss { get; set; }

    public long DelayNs { get; set; } = 30_000_000;

    public long JitterNs { get; set; } = 10_000_000;

    /// <summary>Time between two frames of the client.</summary>
    public long FrameNs { get; set; } = 16_666_667;

    public int AvatarRow { get; set; } = -1;

    public Tick InputTick { get; private set; }

    public bool HasInput { get; private set; }

    public int Margin { get; private set; }

    public TopDownInput NewestInput { get; private set; }

    /// <summary>Told of every tick's input that a packet brought, repeated ones too.</summary>
    public Action<Tick, TopDownInput>? InputCame { get; set; }

    public int Resyncs { get; private set; }

    /// <summary>What the client's calls (and the frame's) allocated so far.</summary>
    public long ClientAllocatedBytes { get; private set; }

    public Action? Step { get; set; }

    public Action? Frame { get; set; }

    /// <summary>Damages what the server writes, before it is sealed; for tests of refusal.</summary>
    public Func<byte[], int, bool>? Tamper { get; set; }

    public void Run(double seconds)
    {
        long end = NowNs + (long)(seconds * 1e9);
        while (NowNs < end)
        {
            NowNs += 1_000_000;
            Deliver();
            if (NowNs >= _nextTickNs)
            {
                _nextTickNs += TickNs;
                RunTick();
            }

            if (NowNs >= _nextFrameNs)
            {
                _nextFrameNs += FrameNs;
                long before = GC.GetAllocatedBytesForCurrentThread();
                Client.Update(NowNs);
                Frame?.Invoke();
                ClientAllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
                while (TakeDatagram(out int bytes))
                    Post(toServer: true, _datagram.AsSpan(0, bytes));
            }
        }
    }

    private void RunTick()
    {
        Tick = Tick.Next;
        Step?.Invoke();
        Replicator.Publish(Tick);
        if (_peer is not null)
            _peer.SetAvatar(AvatarRow, AvatarRow < 0 ? default : World.IdOf(AvatarRow));
        Replicator.UpdateInterest(Tick);
        if (_connection is { State: ConnectionState.Connected } connection)
        {
            if (_peer is not null && _writer.Prepare(_peer, Tick, 6, 0.05))
                SendSnapshot(connection);
            else if (connection.PendingLaneBytes(NowNs) > 0)
                SendPacket(connection, 0);
        }

        World.EndTick();
    }

    private void SendSnapshot(Connection connection)
    {
        byte[] datagram = new byte[1200];
        SequenceNumber sequence = connection.BeginPacket(datagram, NowNs, 300, out int tail);
        var request = new SnapshotRequest
        {
            Sequence = sequence,
            Tick = Tick,
            DueTime = (NowNs - ((NowNs - _nextTickNs + TickNs) % TickNs)) / 100_000,
            HasInput = HasInput,
            InputTick = InputTick,
            InputMarginTicks = (sbyte)Math.Clamp(Margin, -127, 127),
        };
        int bytes = _writer.Write(_peer!, in request, datagram.AsSpan(tail, connection.TailBytesMax));
        Tamper?.Invoke(datagram, tail);
        bytes = connection.FinishPacket(datagram, bytes, NowNs);
        Post(toServer: false, datagram.AsSpan(0, bytes));
    }

    private void SendPacket(Connection connection, int tailBytes)
    {
        connection.BeginPacket(_datagram, NowNs, 1000, out _);
        Post(toServer: false, _datagram.AsSpan(0, connection.FinishPacket(_datagram, tailBytes, NowNs)));
    }

    private void Post(bool toServer, ReadOnlySpan<byte> datagram)
    {
        if (_random.NextDouble() < Loss)
            return;
        long at = NowNs + DelayNs + (long)((_random.NextDouble() - 0.5) * 2 * JitterNs);
        _underWay.Enqueue((toServer, datagram.ToArray()), (at, _order++));
    }

    private void Deliver()
    {
        while (_underWay.TryPeek(out (bool ToServer, byte[] Datagram) one, out (long At, long Order) due) && due.At <= NowNs)
        {
            _underWay.Dequeue();
            if (one.ToServer)
                ReceiveAtServer(one.Datagram);
            else
                ReceiveAtClient(one.Datagram);
        }
    }

    private void ReceiveAtClient(byte[] datagram)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Client.Receive(datagram, NowNs);
        ClientAllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private bool TakeDatagram(out int bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool taken = Client.TryTakeDatagram(_datagram, out bytes);
        ClientAllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
        return taken;
    }

    private void ReceiveAtServer(byte[] datagram)
    {
        PacketHeader.TryReadType(datagram, out PacketType type);
        if (type == PacketType.Request)
        {
            int bytes = _handshake.HandleRequest(datagram, Address, NowNs, new Random128(3, 4), _datagram);
            Post(toServer: false, _datagram.AsSpan(0, bytes));
        }
        else if (type == PacketType.Response && _handshake.TryVerifyResponse(datagram, Address, NowNs, 0, _datagram, out _, out ConnectRequest request))
        {
            _connection ??= Hectare.Transport.Connection.FromRequest(ConnectionOptions.Default, in request, 99, NowNs);
            Post(toServer: false, _datagram.AsSpan(0, HandshakeServer.WriteAccepted(in request, 99, _datagram)));
            if (!_isWelcomed)
                SendWelcome(request.SchemaHash);
        }
        else if (_connection is { } connection && connection.TryOpen(datagram, NowNs, out OpenedPacket packet) == OpenResult.Opened)
        {
            TakeTail(packet.Tail(datagram));
            AckUpdate update = connection.Accept(in packet, datagram, NowNs);
            if (update.Advanced)
                _peer?.OnAck(update.Newest, update.Bits, Tick);
            while (connection.TryReceive(out _, out ReadOnlySpan<byte> message))
            {
                if (!Ready.TryRead(message))
                    continue;
                _peer = Replicator.AddPeer(0, Tick);
                byte[] joined = new byte[Joined.Bytes];
                Joined.Write(joined, World.IdOf(AvatarRow));
                connection.TrySend(Lane.Control, joined);
            }
        }
    }

    private void TakeTail(ReadOnlySpan<byte> tail)
    {
        if (tail.IsEmpty)
            return;
        var reader = new BitReader(tail);
        Assert.True(InputMessage.TryRead<TopDownInput>(ref reader, _inputs, out InputMessage message));
        if (message.AsksResync)
        {
            Resyncs++;
            _peer?.OnResync(SequenceNumber.Widen(message.ResyncSequence, _connection!.NextSequence));
        }

        if (message.Count == 0)
            return;
        Tick newest = Tick.WidenNear(message.NewestTick, Tick);
        for (int i = 0; i < message.Count; i++)
            InputCame?.Invoke(newest - (message.Count - 1 - i), _inputs[i]);
        if (HasInput && newest <= InputTick)
            return;
        (HasInput, InputTick, Margin, NewestInput) = (true, newest, newest - Tick, _inputs[message.Count - 1]);
    }

    private void SendWelcome(ulong clientHash)
    {
        _isWelcomed = true;
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(Replicator.Options);
        var welcome = new Welcome
        {
            Zone = new ZoneId(7),
            OriginX = -64,
            TickLengthNs = (uint)TickNs,
            Tick = Tick,
            DueTime = NowNs / 100_000,
            SnapshotIntervalTicks = interval,
            Intervals = Welcome.PackIntervals(fast, interval, slow, keepAlive),
            CellUnits = 16,
            EnterRadiusUnits = 100,
            ExitRadiusUnits = 116,
            SchemaHash = Schema.Hash,
            SchemaBytes = clientHash == Schema.Hash ? [] : Schema.Bytes,
        };
        byte[] message = new byte[Welcome.BytesMax];
        _connection!.TrySend(Lane.Control, message.AsSpan(0, welcome.Write(message)));
    }
}
