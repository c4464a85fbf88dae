using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>
/// A whole connection: both ends, from token and handshake to goodbye and anew, over a link that does anything. In half of the episodes the link has
/// no keys: then every message arrives unchanged and in order, and nobody is accused of anything. In the others it also forges under the seal.
/// </summary>
internal sealed class ConnectionTarget() : EpisodeTarget("connection", "a whole connection: both ends, everything between them hostile")
{
    protected override (int Min, int Max) Datagrams => (200, 2_000);

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 256 << 20;

    protected override RunResult Play(ulong seed, int datagrams, EpisodeLog log)
    {
        var pair = new Pair(seed, log);
        while (pair.Link.Delivered < datagrams)
            pair.RunTick();
        return new RunResult(pair.Link.Delivered, pair.Accepted);
    }

    private sealed class Pair
    {
        private const long TickNs = 33_333_333;
        private const int MessageBytesMax = 3_000;
        private const int MemoryBytesMax = 2 * ((4 * 8192) + (448 * 256) + (4 * 65_536) + (4 * 256 * 64));

        // The start of everything, the wrap of what is on the wire, the change of keys, the wrap of 32 bits.
        private static readonly uint[] Firsts = [0, 0, 0, (1 << 16) - 50, (1 << 20) - 100, (1 << 20) - 100, (2 << 20) - 100, uint.MaxValue - 100];

        private readonly HandshakeServer _handshakes = FuzzKeys.Handshakes();
        private readonly ConnectionOptions _options;
        private readonly bool _hasKeys;
        private readonly byte[] _datagram = new byte[PacketHeader.DatagramBytesMax];
        private readonly byte[] _message = new byte[MessageBytesMax];
        private readonly uint[] _sent = new uint[8];       // by side and lane
        private readonly uint[] _received = new uint[8];
        private SeededRandom _random;
        private Connection _client;
        private Connection? _server;
        private long _nowNs = 1_000_000_000;
        private ulong _attempt;

        public Pair(ulong seed, EpisodeLog log)
        {
            _random = new SeededRandom(seed);
            Link = new HostileLink(seed, log);
            _hasKeys = _random.Next(0, 2) == 0;
            _options = new ConnectionOptions
            {
                FirstSequence = new SequenceNumber(Firsts[_random.Next(0, _random.Next(1, Firsts.Length + 1))]),
                ReceiveMessageBytesMax = MessageBytesMax,
                MessageBytesMax = MessageBytesMax,
                TimeoutNs = 2_000_000_000,
                ConnectTimeoutNs = 3_000_000_000,
                KeepAliveNs = 500_000_000,
            };
            Link.SetRates(0, toServer: true, _hasKeys ? LinkRates.WithKeys(ref _random) : LinkRates.WithoutKeys(ref _random));
            Link.SetRates(0, toServer: false, _hasKeys ? LinkRates.WithKeys(ref _random) : LinkRates.WithoutKeys(ref _random));
            _client = Connect();
        }

        public HostileLink Link { get; }

        public int Accepted { get; private set; }

        public void RunTick()
        {
            _nowNs += TickNs;
            if (_client.State == ConnectionState.Closed)
                _client = Connect();
            Send(_client, toServer: true);
            if (_server is not null)
                Send(_server, toServer: false);
            if (_random.Next(0, 4) == 0)
                Link.PostNoise(0, _random.Next(0, 2) == 0, _nowNs);
            while (Link.TryTake(_nowNs, out Delivery delivery))
            {
                if (!delivery.ToServer)
                    Take(_client, delivery.Datagram);
                else
                    TakeAtServer(delivery.Datagram);
            }

            Check(_client);
            if (_server is not null)
                Check(_server);
        }

        private Connection Connect()
        {
            _attempt++;
            var random = new Random128(_random.NextUInt64(), _attempt);
            ConnectToken? token = _random.Next(0, 4) == 0 ? null : FuzzKeys.Mint(_attempt, _random.Next(0, 200));
            return Connection.Connect(_options, random, 5, default, _nowNs, token);
        }

        private void Send(Connection end, bool toServer)
        {
            for (int bytes = end.Poll(_nowNs, _datagram); bytes > 0; bytes = end.Poll(_nowNs, _datagram))
                Link.Post(0, toServer, _datagram.AsSpan(0, bytes), _nowNs);
            if (end.State != ConnectionState.Connected)
                return;
            Say(end);
            if (_random.Next(0, 300) == 0)
                end.TellOfNewPath();
            if (!toServer && _random.Next(0, 50) == 0)
                Link.Post(0, toServer, _datagram.AsSpan(0, end.WritePathChallenge(_datagram, _random.NextUInt64(), _nowNs)), _nowNs);
            if (_random.Next(0, 2_000) == 0)
                end.Close(CloseCode.Left, _nowNs);
            else
                SendPacket(end, toServer);
        }

        private void SendPacket(Connection end, bool toServer)
        {
            end.BeginPacket(_datagram, _nowNs, _random.Next(0, 4) == 0 ? 0 : 1_100, out int tailOffset);
            int tailBytes = Math.Min(_random.Next(0, 60), end.TailBytesMax);
            _datagram.AsSpan(tailOffset, tailBytes).Fill(0xEE);
            int bytes = end.FinishPacket(_datagram, tailBytes, _nowNs);
            Property.Holds(bytes is > 0 and <= PacketHeader.DatagramBytesMax, "a datagram longer than any may be");
            Link.Post(0, toServer, _datagram.AsSpan(0, bytes), _nowNs);
        }

        // Each message says which of its lane it is, and is filled with what follows from that.
        private void Say(Connection end)
        {
            var lane = (Lane)_random.Next(0, 4);
            int place = Place(end.Side, lane);
            int bytes = 4 + _random.Next(0, _random.Next(1, MessageBytesMax - 4));
            BinaryPrimitives.WriteUInt32LittleEndian(_message, _sent[place]);
            _message.AsSpan(4, bytes - 4).Fill((byte)(_sent[place] + (uint)bytes));
            if (_random.Next(0, 6) == 0 && end.TrySend(lane, _message.AsSpan(0, bytes)) == SendResult.Sent)
                _sent[place]++;
        }

        private void TakeAtServer(Span<byte> datagram)
        {
            if (!PacketHeader.TryReadType(datagram, out PacketType type))
                return;
            int bytes = 0;
            switch (type)
            {
                case PacketType.Request:
                    bytes = _handshakes.HandleRequest(datagram, FuzzKeys.Client, _nowNs, new Random128(_random.NextUInt64(), _random.NextUInt64()), _datagram);
                    break;
                case PacketType.TokenAsk:
                    bytes = _handshakes.HandleTokenAsk(datagram, Offer(), FuzzKeys.Random(_attempt), _datagram);
                    break;
                case PacketType.Response when _handshakes.TryVerifyResponse(datagram, FuzzKeys.Client, _nowNs, FuzzKeys.NowUnixSeconds, _datagram, out bytes, out ConnectRequest request):
                    bytes = Admit(request);
                    break;
                default:
                    if (_server is not null && PacketHeader.IsSealed(type))
                        Take(_server, datagram);
                    break;
            }

            Property.Holds(bytes <= datagram.Length, "a reply is larger than what it answers");
            if (bytes > 0)
                Link.Post(0, toServer: false, _datagram.AsSpan(0, bytes), _nowNs);
        }

        private TokenRequest Offer() => new() { ClientId = 1, Session = new SessionId(1, _attempt), Endpoints = [FuzzKeys.Server], ExpiresUnixSeconds = FuzzKeys.NowUnixSeconds + 60 };

        // One peer: a client that starts anew takes the place of its old connection, a copy of its response does not.
        private int Admit(in ConnectRequest request)
        {
            if (_server is null || (!_server.IsSameAttempt(request) && request.ClientRandom.High == _attempt))
            {
                ulong id = _random.NextUInt64();
                Array.Clear(_sent);
                Array.Clear(_received);
                _server = Connection.FromRequest(_options, request, id, _nowNs);
                TrafficSecrets secrets = request.ExportKeys(id);
                Link.SetTap(0, toServer: true, new Tap(secrets.Suite, new Secret256(secrets.Client), ConnectionSide.Client, _options.FirstSequence));
                Link.SetTap(0, toServer: false, new Tap(secrets.Suite, new Secret256(secrets.Server), ConnectionSide.Server, _options.FirstSequence));
            }

            return _server.IsSameAttempt(request) ? HandshakeServer.WriteAccepted(request, _server.ConnectionId, _datagram) : 0;
        }

        private void Take(Connection end, Span<byte> datagram)
        {
            if (end.TryOpen(datagram, _nowNs, out OpenedPacket packet) != OpenResult.Opened)
                return;
            if (_random.Next(0, 20) == 0)
            {
                end.CountRefused();
                return;
            }

            end.Accept(packet, datagram, _nowNs);
            Accepted++;
            while (_random.Next(0, 10) != 0 && end.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
                Hear(end, lane, message);
        }

        private void Hear(Connection end, Lane lane, ReadOnlySpan<byte> message)
        {
            Property.Holds(message.Length <= MessageBytesMax, "a message longer than any may be");
            bool isCurrent = end == _client || (_server is not null && _server.State == ConnectionState.Connected && _client.State == ConnectionState.Connected && _server.ConnectionId == _client.ConnectionId);
            if (_hasKeys || !isCurrent)
                return;
            int place = Place(end.Side == ConnectionSide.Client ? ConnectionSide.Server : ConnectionSide.Client, lane);
            uint number = BinaryPrimitives.ReadUInt32LittleEndian(message);
            Property.Holds(number == _received[place]++, $"message {number} on lane {lane} comes out of order");
            Property.Holds(message[4..].IndexOfAnyExcept((byte)(number + (uint)message.Length)) < 0, $"message {number} on lane {lane} is changed");
        }

        private void Check(Connection end)
        {
            Property.Holds(end.LaneMemoryBytes <= MemoryBytesMax, $"the lanes hold {end.LaneMemoryBytes} bytes");
            Property.Holds(_hasKeys || end.CloseReason.Cause != CloseCause.ProtocolError, "who has no keys makes one end accuse the other");
            Property.Holds(end.LossShare is >= 0 and <= 1 && end.SmoothedRttNs >= 0 && end.ResendNs > 0, "a figure of the link is none");
        }

        private static int Place(ConnectionSide sender, Lane lane) => ((int)sender * 4) + (int)lane;
    }
}
