using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>The hostile bots' way to the server: one socket that speaks as any address 127.a.b.c, a bot's own or one that is nobody's.</summary>
internal sealed class HostileNetwork : IDisposable
{
    /// <summary>The first bot's address, 127.64.0.1; honest bots have 127.1.0.1 and on.</summary>
    public const uint FirstBotAddress = 0x7F40_0001;

    /// <summary>The first bot's second address, 127.72.0.1: where it hears, too, when it pretends to be someone else.</summary>
    public const uint FirstSecondAddress = 0x7F48_0001;

    /// <summary>The first of the addresses that are nobody's, 127.80.0.1: named as a source, never listened at.</summary>
    public const uint FirstOtherAddress = 0x7F50_0001;

    /// <summary>How many of those there are.</summary>
    public const int OtherAddresses = 16_384;

    private const int BufferBytes = 32 << 20;

    private readonly IDatagramSocket _socket;
    private readonly PeerAddress _server;
    private readonly int _bots;
    private readonly DatagramBatch _outgoing = new(256);

    /// <summary>On an open socket, which this then owns.</summary>
    public HostileNetwork(IDatagramSocket socket, PeerAddress server, int bots)
    {
        _socket = socket;
        _server = server;
        _bots = bots;
    }

    /// <summary>What was sent from the addresses of nobody, and what came back to them.</summary>
    public AddressLedger Others { get; } = new(FirstOtherAddress, OtherAddresses);

    /// <summary>A socket that can name any local address as its source.</summary>
    /// <exception cref="Commands.BadInputException">This system has none.</exception>
    public static UdpSocket OpenSocket()
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess)
            throw new Commands.BadInputException("--behaviour: hostile and flood must name other source addresses, which only 64-bit Linux lets them; use honest here");
        return new UdpSocket(new UdpSocketOptions { PacketInfo = true, Mode = UdpSocketMode.Batched, ReceiveBufferBytes = BufferBytes, SendBufferBytes = BufferBytes });
    }

    /// <summary>The address of a bot.</summary>
    public PeerAddress AddressOf(int bot) => PeerAddress.FromIPv4(FirstBotAddress + (uint)bot, _socket.LocalAddress.Port);

    /// <summary>The second address of a bot.</summary>
    public PeerAddress SecondAddressOf(int bot) => PeerAddress.FromIPv4(FirstSecondAddress + (uint)bot, _socket.LocalAddress.Port);

    /// <summary>One of the addresses of nobody.</summary>
    public PeerAddress OtherAddress(int number) => PeerAddress.FromIPv4(FirstOtherAddress + ((uint)number % OtherAddresses), _socket.LocalAddress.Port);

    /// <summary>Takes what has arrived; a full batch means there may be more.</summary>
    public int Receive(DatagramBatch batch)
    {
        int received = _socket.Receive(batch);
        for (int i = 0; i < received; i++)
        {
            if (Others.Has(batch.Local[i].IPv4))
                Others.AddReceived(batch.Local[i].IPv4, batch.LengthBytes(i));
        }

        return received;
    }

    /// <summary>The bot that an arrived datagram is for; -1 for none.</summary>
    public int BotOf(DatagramBatch batch, int i, out bool isSecond)
    {
        uint address = batch.Local[i].IPv4;
        isSecond = address - FirstSecondAddress < (uint)_bots;
        uint bot = address - (isSecond ? FirstSecondAddress : FirstBotAddress);
        return bot < (uint)_bots ? (int)bot : -1;
    }

    /// <summary>Sends a copy, now or with the next <see cref="Flush"/>.</summary>
    /// <param name="datagram">0 to 2,048 bytes.</param>
    /// <param name="from">The source to name: of a bot or of nobody.</param>
    public void Send(ReadOnlySpan<byte> datagram, PeerAddress from)
    {
        if (_outgoing.IsFull)
            Flush();
        datagram.CopyTo(_outgoing.Buffer(_outgoing.Count));
        _outgoing.Add(_server, datagram.Length, from);
        if (Others.Has(from.IPv4))
            Others.AddSent(from.IPv4, datagram.Length);
    }

    /// <summary>Sends what is waiting.</summary>
    public void Flush()
    {
        if (_outgoing.Count > 0)
            _socket.Send(_outgoing);
        _outgoing.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
