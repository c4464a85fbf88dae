using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>
/// Servers that have more to send than they may, and their clients, over one link: each flow sends a packet a tick while its rate allows, as a zone
/// does; its client answers every 97 ms. Flows of one link share its bottleneck.
/// </summary>
internal sealed class RatedLink
{
    /// <summary>A demand above any rate.</summary>
    public const double Everything = double.MaxValue;

    private const long TickNs = 33_333_333;
    private const long ClientNs = 97_000_000;
    private const long StepNs = 1_000_000;

    private static readonly PeerAddress ServerAddress = PeerAddress.Loopback(4000);
    private static readonly PeerAddress ClientAddress = PeerAddress.Loopback(50_000);

    private readonly LinkSimulator _network;
    private readonly IDatagramSocket _server;
    private readonly IDatagramSocket _client;
    private readonly DatagramBatch _batch = new();
    private readonly List<long> _queueNs = [];
    private long _nextTickNs;

    public RatedLink(ulong seed, LinkProfile down, LinkProfile? up = null, int flows = 1, ConnectionOptions? options = null)
    {
        _network = new LinkSimulator(seed) { Observer = Note };
        _server = _network.Open(ServerAddress);
        _client = _network.Open(ClientAddress);
        SetDown(down);
        _network.SetLink(ClientAddress, ServerAddress, up ?? down with { BitsPerSecond = 0 });
        for (int i = 0; i < flows; i++)
            Flows.Add(new Flow(options ?? ConnectionOptions.Default, i));
    }

    public List<Flow> Flows { get; } = [];

    public Flow First => Flows[0];

    public long NowNs => _network.NowNs;

    /// <summary>Time that datagrams to the client waited before the bottleneck since <see cref="Mark"/>, ms: all but one in a hundred.</summary>
    public double QueueMsP99 => Percentile(0.99);

    public double QueueMsP50 => Percentile(0.5);

    public LinkProfile Down { get; private set; } = LinkProfile.Perfect;

    public void SetDown(LinkProfile profile)
    {
        Down = profile;
        _network.SetLink(ServerAddress, ClientAddress, profile);
    }

    public void Outage(double seconds)
    {
        long endNs = NowNs + (long)(seconds * 1e9);
        _network.AddOutage(ServerAddress, ClientAddress, NowNs, endNs);
        _network.AddOutage(ClientAddress, ServerAddress, NowNs, endNs);
    }

    /// <summary>Measuring begins here.</summary>
    public void Mark()
    {
        _queueNs.Clear();
        foreach (Flow flow in Flows)
            flow.Mark(NowNs);
    }

    public void Run(double seconds)
    {
        for (long endNs = NowNs + (long)(seconds * 1e9); NowNs < endNs;)
        {
            _network.AdvanceTo(NowNs + StepNs);
            Receive(_client, isServer: false);
            if (NowNs >= _nextTickNs)
                Tick();
            foreach (Flow flow in Flows)
                Answer(flow);
        }
    }

    /// <summary>The servers stand still; what comes waits in their socket.</summary>
    public void StallServer(double seconds)
    {
        for (long endNs = NowNs + (long)(seconds * 1e9); NowNs < endNs;)
        {
            _network.AdvanceTo(NowNs + StepNs);
            Receive(_client, isServer: false);
            foreach (Flow flow in Flows)
                Answer(flow);
        }

        _nextTickNs = NowNs;
    }

    private void Tick()
    {
        _nextTickNs += TickNs;
        Receive(_server, isServer: true);
        foreach (Flow flow in Flows)
        {
            _batch.Clear();
            int bytes = flow.WriteTick(_batch.Buffer(0), NowNs, TickNs);
            if (bytes > 0)
                Send(_server, ClientAddress, flow, bytes);
        }
    }

    private void Answer(Flow flow)
    {
        if (NowNs < flow.NextAnswerNs)
            return;
        flow.NextAnswerNs += ClientNs;
        _batch.Clear();
        Span<byte> datagram = _batch.Buffer(0);
        flow.Client.BeginPacket(datagram, NowNs, 0, out _);
        Send(_client, ServerAddress, flow, flow.Client.FinishPacket(datagram, 0, NowNs));
    }

    // One byte more says whose it is: the flows share the addresses, and so the link.
    private void Send(IDatagramSocket from, PeerAddress to, Flow flow, int bytes)
    {
        _batch.Buffer(0)[bytes] = (byte)flow.Index;
        _batch.Add(to, bytes + 1);
        from.Send(_batch);
    }

    private void Receive(IDatagramSocket socket, bool isServer)
    {
        while (socket.Receive(_batch) > 0)
        {
            for (int i = 0; i < _batch.Count; i++)
            {
                Span<byte> datagram = _batch.MutableDatagram(i);
                Flow flow = Flows[datagram[^1]];
                Flow.Take(isServer ? flow.Server : flow.Client, datagram[..^1], NowNs);
            }
        }
    }

    private void Note(LinkEvent one)
    {
        if (one.To == ClientAddress && one.Fate == LinkFate.Delivered)
            _queueNs.Add(one.AtNs - one.SentNs - Down.DelayNs);
    }

    private double Percentile(double share)
    {
        if (_queueNs.Count == 0)
            return 0;
        _queueNs.Sort();
        return _queueNs[(int)(share * (_queueNs.Count - 1))] / 1e6;
    }

    /// <summary>One server and its client.</summary>
    internal sealed class Flow
    {
        private readonly byte[] _bulk = new byte[20_000];
        private double _tokens;
        private long _markNs;
        private long _markBytes;
        private double _rateSum;
        private int _rateCount;

        public Flow(ConnectionOptions options, int index)
        {
            (Client, Server) = PacketTests.Connected(options);
            Index = index;
            NextAnswerNs = 10_000_000 * index;
        }

        public Connection Client { get; }

        public Connection Server { get; }

        public int Index { get; }

        public long NextAnswerNs { get; set; }

        /// <summary>Bytes a second that there is to say; above the rate: the bulk lane is always full.</summary>
        public double DemandPerSecond { get; set; } = Everything;

        public int Rate => Server.RateBytesPerSecond;

        public int LowestRate { get; private set; }

        public double MeanRate => _rateSum / Math.Max(1, _rateCount);

        public void Mark(long nowNs)
        {
            (_markNs, _markBytes) = (nowNs, Client.Counters.AcceptedBytes);
            (_rateSum, _rateCount, LowestRate) = (0, 0, int.MaxValue);
        }

        /// <summary>Bytes a second that arrived since the mark.</summary>
        public double Throughput(long nowNs) => (Client.Counters.AcceptedBytes - _markBytes) / ((nowNs - _markNs) / 1e9);

        public int WriteTick(Span<byte> datagram, long nowNs, long tickNs)
        {
            Server.Poll(nowNs, datagram);
            _rateSum += Rate;
            _rateCount++;
            LowestRate = Math.Min(LowestRate, Rate);
            bool isFull = DemandPerSecond == Everything;
            while (isFull && Server.TrySend(Lane.Bulk, _bulk) == SendResult.Sent)
            {
            }

            _tokens = Math.Min(_tokens + (Math.Min(Rate, DemandPerSecond) * tickNs / 1e9), 2_400);
            if (isFull)
                Server.NoteRateLimited();
            if (_tokens < (isFull ? 1_200 : 100))
                return 0;
            Server.BeginPacket(datagram, nowNs, isFull ? 1_150 : 0, out int tail);
            int tailBytes = isFull ? 0 : Math.Clamp((int)_tokens - (tail + 16), 1, Server.TailBytesMax);
            datagram.Slice(tail, tailBytes).Clear();
            int bytes = Server.FinishPacket(datagram, tailBytes, nowNs);
            _tokens -= bytes;
            return bytes;
        }

        public static void Take(Connection end, Span<byte> datagram, long nowNs)
        {
            if (end.TryOpen(datagram, nowNs, out OpenedPacket packet) == OpenResult.Opened)
                end.Accept(packet, datagram, nowNs);
            while (end.TryReceive(out _, out _))
            {
            }
        }
    }
}
