using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>A client and a server of one peer over a simulated link: each sends a packet a tick, as the layers above will.</summary>
internal sealed class ConnectedPair
{
    public const long TickNs = 33_333_333;

    public static readonly PeerAddress ClientAddress = PeerAddress.Loopback(50_000);
    public static readonly PeerAddress ServerAddress = PeerAddress.Loopback(4000);
    public static readonly Random128 ClientRandom = new(0x1111_2222_3333_4444, 0x5555_6666_7777_8888);

    private readonly IDatagramSocket _clientSocket;
    private readonly IDatagramSocket _serverSocket;
    private readonly DatagramBatch _batch = new();
    private readonly ConnectionOptions _serverOptions;
    private SeededRandom _random;

    public ConnectedPair(ulong seed, string profile = "lan", ConnectionOptions? options = null, ConnectionOptions? serverOptions = null)
        : this(seed, LinkProfile.Get(profile), options, serverOptions)
    {
    }

    public ConnectedPair(ulong seed, LinkProfile profile, ConnectionOptions? options = null, ConnectionOptions? serverOptions = null)
    {
        _random = new SeededRandom(seed);
        Network = new LinkSimulator(seed) { DefaultProfile = profile };
        _clientSocket = Network.Open(ClientAddress);
        _serverSocket = Network.Open(ServerAddress);
        _serverOptions = serverOptions ?? options ?? ConnectionOptions.Default;
        Client = Connection.Connect(options ?? ConnectionOptions.Default, ClientRandom, 77, default, 0, TestTokens.Mint());
    }

    public LinkSimulator Network { get; }

    public HandshakeServer Handshakes { get; } = TestTokens.Server();

    public Connection Client { get; }

    public Connection? Server { get; private set; }

    public long NowNs => Network.NowNs;

    /// <summary>Decides on a verified request: None takes it.</summary>
    public Func<ConnectRequest, RefuseReason> Admit { get; set; } = _ => RefuseReason.None;

    /// <summary>May eat a datagram before it is sent: type, to the server.</summary>
    public Func<PacketType, bool, bool> Eat { get; set; } = (_, _) => false;

    /// <summary>Says whether the client accepts an opened packet.</summary>
    public Func<OpenedPacket, bool> ClientAccepts { get; set; } = _ => true;

    public List<(Lane Lane, byte[] Message)> ClientReceived { get; } = [];

    public List<(Lane Lane, byte[] Message)> ServerReceived { get; } = [];

    public bool TakeMessages { get; set; } = true;

    public int LaneBytesMax { get; set; } = 1100;

    public int RepliesLargerThanRequests { get; private set; }

    public int Acceptances { get; private set; }

    public Action<AckUpdate> OnServerAck { get; set; } = _ => { };

    public Action<OpenResult, OpenedPacket> OnClientOpen { get; set; } = (_, _) => { };

    public bool ClientSends { get; set; } = true;

    public bool ServerSends { get; set; } = true;

    /// <summary>Runs whole ticks until <paramref name="until"/> holds or the time is up.</summary>
    public bool Run(double seconds, Func<bool>? until = null)
    {
        long endNs = NowNs + (long)(seconds * 1e9);
        while (NowNs < endNs)
        {
            if (until?.Invoke() == true)
                return true;
            Step();
        }

        return until?.Invoke() ?? true;
    }

    public void Connect() => Assert.True(Run(20, () => Client.State == ConnectionState.Connected && Server is not null));

    public void Step()
    {
        SendClient();
        SendServer();
        Network.AdvanceTo(NowNs + TickNs);
        ReceiveClient();
        ReceiveServer();
    }

    private void SendClient()
    {
        _batch.Clear();
        int bytes;
        while ((bytes = Client.Poll(NowNs, _batch.Buffer(_batch.Count))) > 0)
            Queue(bytes, ServerAddress);
        if (Client.State == ConnectionState.Connected && ClientSends)
            Queue(WritePacket(Client), ServerAddress);
        _clientSocket.Send(_batch);
    }

    private void SendServer()
    {
        if (Server is null)
            return;
        _batch.Clear();
        int bytes;
        while ((bytes = Server.Poll(NowNs, _batch.Buffer(_batch.Count))) > 0)
            Queue(bytes, ClientAddress);
        if (Server.State == ConnectionState.Connected && ServerSends)
            Queue(WritePacket(Server), ClientAddress);
        _serverSocket.Send(_batch);
    }

    private int WritePacket(Connection connection)
    {
        Span<byte> datagram = _batch.Buffer(_batch.Count);
        connection.BeginPacket(datagram, NowNs, LaneBytesMax, out int tailOffset);
        int tailBytes = Math.Min(20, connection.TailBytesMax);
        datagram.Slice(tailOffset, tailBytes).Fill(0xEE);
        int bytes = connection.FinishPacket(datagram, tailBytes, NowNs);
        Assert.InRange(bytes, 1, PacketHeader.DatagramBytesMax);
        return bytes;
    }

    private void Queue(int bytes, PeerAddress to)
    {
        var type = (PacketType)_batch.Buffer(_batch.Count)[0];
        if (!Eat(type, to == ServerAddress))
            _batch.Add(to, bytes);
    }

    private void ReceiveClient()
    {
        while (_clientSocket.Receive(_batch) > 0)
        {
            for (int i = 0; i < _batch.Count; i++)
            {
                Span<byte> datagram = _batch.MutableDatagram(i);
                OpenResult result = Client.TryOpen(datagram, NowNs, out OpenedPacket packet);
                OnClientOpen(result, packet);
                if (result != OpenResult.Opened)
                    continue;
                if (ClientAccepts(packet))
                    Client.Accept(packet, datagram, NowNs);
                else
                    Client.CountRefused();
            }
        }

        while (TakeMessages && Client.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
            ClientReceived.Add((lane, message.ToArray()));
    }

    private void ReceiveServer()
    {
        while (_serverSocket.Receive(_batch) > 0)
        {
            for (int i = 0; i < _batch.Count; i++)
                TakeOnServer(_batch.MutableDatagram(i), _batch.Address[i]);
        }

        while (TakeMessages && Server is not null && Server.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
            ServerReceived.Add((lane, message.ToArray()));
    }

    private void TakeOnServer(Span<byte> datagram, PeerAddress from)
    {
        if (!PacketHeader.TryReadType(datagram, out PacketType type))
            return;
        byte[] reply = new byte[1200];
        int replyBytes = 0;
        switch (type)
        {
            case PacketType.Request:
                replyBytes = Handshakes.HandleRequest(datagram, from, NowNs, new Random128(_random.NextUInt64(), _random.NextUInt64()), reply);
                break;
            case PacketType.Response:
                if (Handshakes.TryVerifyResponse(datagram, from, NowNs, 0, reply, out replyBytes, out ConnectRequest request))
                    replyBytes = Answer(request, reply);
                break;
            case >= PacketType.Payload and <= PacketType.PathResponse when Server is not null && Server.TryOpen(datagram, NowNs, out OpenedPacket packet) == OpenResult.Opened:
                OnServerAck(Server.Accept(packet, datagram, NowNs));
                break;
        }

        if (replyBytes > datagram.Length)
            RepliesLargerThanRequests++;
        if (replyBytes == 0 || Eat((PacketType)reply[0], false))
            return;
        var one = new DatagramBatch(1);
        reply.AsSpan(0, replyBytes).CopyTo(one.Buffer(0));
        one.Add(from, replyBytes);
        _serverSocket.Send(one);
    }

    private int Answer(in ConnectRequest request, byte[] reply)
    {
        RefuseReason refusal = Admit(request);
        if (refusal != RefuseReason.None)
            return HandshakeServer.WriteRefused(request, refusal, "no: Größe", reply);
        if (Server is null || !Server.IsSameAttempt(request))
            Server = Connection.FromRequest(_serverOptions, request, 0xABCD_EF01_2345_6789, NowNs);
        Acceptances++;
        return HandshakeServer.WriteAccepted(request, Server.ConnectionId, reply);
    }
}
