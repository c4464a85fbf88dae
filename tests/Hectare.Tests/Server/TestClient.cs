using System.Text;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>The least client there is: shakes hands, acks, sends inputs. It opens every packet and reads no entity.</summary>
internal sealed class TestClient
{
    private readonly IDatagramSocket _socket;
    private readonly PeerAddress _server;
    private readonly DatagramBatch _in = new(32);
    private readonly DatagramBatch _out = new(2);
    private readonly TopDownInput[] _recent = new TopDownInput[InputMessage.InputsMax];
    private readonly FarmBot _bot;
    private int _sends;

    public TestClient(IDatagramSocket socket, PeerAddress server, ulong seed, ConnectionOptions? options = null, ulong? schemaHash = null, Hash256 mapHash = default, FarmWorkload workload = FarmWorkload.Uniform, ConnectToken? token = null, long nowNs = 0)
    {
        _socket = socket;
        _server = server;
        _bot = new FarmBot(seed, workload);
        Connection = Connection.Connect(options ?? ConnectionOptions.Default, new Random128(seed + 1, 77), schemaHash ?? TestGame.SharedSchema.Schema.Hash, mapHash, nowNs, token);
    }

    public Connection Connection { get; }

    public EntityId Avatar { get; private set; }

    public bool IsWelcomed { get; private set; }

    public ConnectToken? ResumeToken { get; private set; }

    /// <summary>Off: it is let in and never says that it is ready.</summary>
    public bool SaysReady { get; init; } = true;

    public int WelcomeSchemaBytes { get; private set; }

    public int Snapshots { get; private set; }

    /// <summary>When the last snapshot came.</summary>
    public long LastSnapshotNs { get; private set; }

    /// <summary>The next update sends a packet of inputs.</summary>
    public bool SendsNext => SendEvery > 0 && _sends % SendEvery == 0;

    /// <summary>Called for every datagram sent.</summary>
    public Action<byte[]>? Sent { get; set; }

    public List<string> Messages { get; } = [];

    /// <summary>On: packets with lane fragments are left, as if they had been lost.</summary>
    public bool IgnoresLanes { get; set; }

    /// <summary>Ticks between two input packets; 0: sends none, and so acks nothing.</summary>
    public int SendEvery { get; set; } = 3;

    /// <summary>What is held; null: the bot's.</summary>
    public TopDownInput? Held { get; set; }

    /// <summary>Inputs a zone tick: 2 is a client whose clock runs twice as fast.</summary>
    public int InputsPerTick { get; set; } = 1;

    public uint ClientTick { get; set; }

    /// <summary>Takes what came and sends what is due. <paramref name="zoneTick"/> is how the client knows the time: tests have no clocks to tune.</summary>
    public void Update(Tick zoneTick, long nowNs)
    {
        while (_socket.Receive(_in) > 0)
        {
            for (int i = 0; i < _in.Count; i++)
                Take(_in.MutableDatagram(i), nowNs);
        }

        _out.Clear();
        int bytes = Connection.Poll(nowNs, _out.Buffer(0));
        if (bytes > 0)
            _out.Add(_server, bytes);
        if (Connection.State == ConnectionState.Connected)
            Play(zoneTick, nowNs);
        for (int i = 0; Sent is not null && i < _out.Count; i++)
            Sent(_out.Datagram(i).ToArray());
        if (_out.Count > 0)
            _socket.Send(_out);
    }

    public void Say(Lane lane, string text) => Connection.TrySend(lane, Encoding.UTF8.GetBytes(text));

    /// <summary>Sends a sealed packet with this tail.</summary>
    public void SendTail(ReadOnlySpan<byte> tail, long nowNs)
    {
        _out.Clear();
        Span<byte> datagram = _out.Buffer(0);
        Connection.BeginPacket(datagram, nowNs, 0, out int offset);
        tail.CopyTo(datagram[offset..]);
        _out.Add(_server, Connection.FinishPacket(datagram, tail.Length, nowNs));
        _socket.Send(_out);
    }

    /// <summary>Sends a sealed packet whose whole body is this.</summary>
    public void SendBody(ReadOnlySpan<byte> body, long nowNs)
    {
        _out.Clear();
        body.CopyTo(_out.Buffer(0)[PacketHeader.ClientHeaderBytes..]);
        _out.Add(_server, Connection.SealRaw(_out.Buffer(0), PacketType.Payload, body.Length, nowNs));
        _socket.Send(_out);
    }

    /// <summary>Sends a packet of its own connection that nobody sealed; the connection's numbers go on as if it had not.</summary>
    public void SendForged()
    {
        _out.Clear();
        _out.Buffer(0)[..60].Clear();
        new PacketHeader(PacketType.Payload, Connection.ConnectionId, (ushort)(Connection.NextSequence.Wire + 5)).WriteFromClient(_out.Buffer(0));
        _out.Add(_server, 60);
        _socket.Send(_out);
    }

    private void Play(Tick zoneTick, long nowNs)
    {
        if (ClientTick == 0)
            ClientTick = zoneTick.Value + 3;
        for (int i = 0; i < InputsPerTick; i++)
        {
            Array.Copy(_recent, 1, _recent, 0, _recent.Length - 1);
            _recent[^1] = Held ?? _bot.Next();
            ClientTick++;
        }

        if (SendEvery == 0 || _sends++ % SendEvery != 0)
            return;
        Span<byte> datagram = _out.Buffer(_out.Count);
        Connection.BeginPacket(datagram, nowNs, 600, out int offset);
        var writer = new BitWriter(datagram.Slice(offset, Connection.TailBytesMax));
        int count = Avatar == EntityId.None ? 0 : Math.Min(InputMessage.InputsMax, (SendEvery + 2) * InputsPerTick);
        InputMessage.Write<TopDownInput>(ref writer, null, new Tick(ClientTick), _recent.AsSpan(_recent.Length - count));
        _out.Add(_server, Connection.FinishPacket(datagram, writer.Finish().Length, nowNs));
    }

    private void Take(Span<byte> datagram, long nowNs)
    {
        if (Connection.TryOpen(datagram, nowNs, out OpenedPacket packet) != OpenResult.Opened)
            return;
        if (IgnoresLanes && packet.LaneBytes > 0)
            return;
        Connection.Accept(packet, datagram, nowNs);
        if (packet.TailBytes > 0)
            (Snapshots, LastSnapshotNs) = (Snapshots + 1, nowNs);
        while (Connection.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
            Hear(lane, message);
    }

    private void Hear(Lane lane, ReadOnlySpan<byte> message)
    {
        if (lane != Lane.Control)
        {
            Messages.Add(Encoding.UTF8.GetString(message));
        }
        else if (Welcome.TryRead(message, out Welcome welcome))
        {
            IsWelcomed = true;
            WelcomeSchemaBytes = welcome.SchemaBytes.Length;
            Span<byte> ready = stackalloc byte[Ready.Bytes];
            Ready.Write(ready);
            if (SaysReady)
                Connection.TrySend(Lane.Control, ready);
        }
        else if (Resume.TryRead(message, out ReadOnlySpan<byte> bytes))
        {
            Assert.True(ConnectToken.TryRead(bytes, out ConnectToken token));
            ResumeToken = token;
        }
        else if (Joined.TryRead(message, out EntityId avatar))
        {
            Avatar = avatar;
        }
    }
}
