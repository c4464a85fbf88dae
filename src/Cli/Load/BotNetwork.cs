using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>The bots' way to the server: one socket that speaks as many addresses 127.a.b.c where the system can, else a socket each.</summary>
/// <remarks>Ten thousand sockets would cost 1.7 times as much for each datagram received (docs/performance.md); to the server both are ten thousand peers.</remarks>
internal sealed class BotNetwork : IDisposable
{
    /// <summary>The first bot's address where they share a socket, 127.1.0.1; the others follow.</summary>
    public const uint FirstAddress = 0x7F01_0001;

    /// <summary>Datagrams that go in or out together.</summary>
    public const int BatchDatagrams = 256;

    private const int SharedBufferBytes = 32 << 20;
    private const int OwnBufferBytes = 256 << 10;

    private readonly UdpSocket[] _sockets;
    private readonly PeerAddress _server;
    private readonly DatagramBatch _outgoing = new(BatchDatagrams);
    private readonly bool _isShared;
    private int _sender;

    /// <summary>Opens it for so many bots.</summary>
    public BotNetwork(PeerAddress server, int bots)
    {
        _server = server;
        _isShared = OperatingSystem.IsLinux() && Environment.Is64BitProcess;
        _sockets = _isShared ? [OpenShared()] : new UdpSocket[bots];
        for (int i = 0; i < _sockets.Length; i++)
            _sockets[i] ??= new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReceiveBufferBytes = OwnBufferBytes, SendBufferBytes = OwnBufferBytes });
    }

    /// <summary>Sockets to be asked by <see cref="Receive"/>.</summary>
    public int SocketCount => _sockets.Length;

    /// <summary>The port that all bots have in common; 0 where each has a socket of its own.</summary>
    public int Port => _isShared ? _sockets[0].LocalAddress.Port : 0;

    /// <summary>What has passed since it was opened.</summary>
    public TrafficFigures Traffic
    {
        get
        {
            TrafficFigures all = default;
            foreach (UdpSocket socket in _sockets)
                all += TrafficFigures.Of(socket);
            return all;
        }
    }

    /// <summary>Takes what has arrived at one socket; a full batch means there may be more.</summary>
    public int Receive(int socket, DatagramBatch batch) => _sockets[socket].Receive(batch);

    /// <summary>The bot that an arrived datagram is for; -1 for nobody.</summary>
    public int BotOf(int socket, DatagramBatch batch, int i) => _isShared ? (int)(batch.Local[i].IPv4 - FirstAddress) : socket;

    /// <summary>Where the next datagram of a bot may be written; then <see cref="Add"/>.</summary>
    public Span<byte> Buffer(int bot)
    {
        if (_outgoing.IsFull || (!_isShared && bot != _sender))
            Flush();
        _sender = bot;
        return _outgoing.Buffer(_outgoing.Count);
    }

    /// <summary>Sends what was written there, now or with the next <see cref="Flush"/>.</summary>
    public void Add(int bytes) => _outgoing.Add(_server, bytes, _isShared ? PeerAddress.FromIPv4(FirstAddress + (uint)_sender, _sockets[0].LocalAddress.Port) : default);

    /// <summary>Sends what is waiting.</summary>
    public void Flush()
    {
        if (_outgoing.Count > 0)
            _sockets[_isShared ? 0 : _sender].Send(_outgoing);
        _outgoing.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (UdpSocket socket in _sockets)
            socket.Dispose();
    }

    /// <summary>The socket that speaks all bots' addresses. 64-bit Linux.</summary>
    public static UdpSocket OpenShared()
        => new(new UdpSocketOptions { PacketInfo = true, Mode = UdpSocketMode.Batched, ReceiveBufferBytes = SharedBufferBytes, SendBufferBytes = SharedBufferBytes });
}
