using Hectare.Cli.Dissection;
using Hectare.Protocol;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Wire;

/// <summary>A client and a server that say everything to each other, and lose a third of it. Each packet is opened by its receiver and, with keys of our
/// own, by us: the table must say what the receiver found.</summary>
internal sealed class OverheardTalk
{
    private const ulong Id = 0xABCD_EF01_2345_6789;

    private readonly HandshakeServer _handshakes = TestTokens.Server();
    private readonly byte[] _datagram = new byte[PacketHeader.DatagramBytesMax];
    private readonly Connection _client;
    private readonly Connection _server;
    private readonly PacketOpener _fromClient;
    private readonly PacketOpener _fromServer;
    private SeededRandom _random;
    private long _nowNs;

    public OverheardTalk(ulong seed)
    {
        _random = new SeededRandom(seed);
        _client = Connection.Connect(ConnectionOptions.Default, new Random128(1, 2), 77, default, 0, TestTokens.Mint());
        ConnectRequest request = ShakeHands();
        _server = Connection.FromRequest(ConnectionOptions.Default, request, Id, _nowNs);
        TrafficSecrets secrets = request.ExportKeys(Id);
        _fromClient = new PacketOpener(ConnectionSide.Client, secrets.Suite, new Secret256(secrets.Client), default);
        _fromServer = new PacketOpener(ConnectionSide.Server, secrets.Suite, new Secret256(secrets.Server), default);
        foreach (PacketType type in Enum.GetValues<PacketType>())
            Seen[type] = 0;
    }

    public Dictionary<PacketType, int> Seen { get; } = [];

    /// <summary>Payloads with a lane block.</summary>
    public int Lanes { get; private set; }

    /// <summary>Payloads whose 32 bits are all ones, and left out.</summary>
    public int AllAcks { get; private set; }

    public void Run(int ticks)
    {
        byte[] message = new byte[2_000];
        for (int i = 0; i < ticks; i++)
        {
            _nowNs += 33_333_333;
            // The first half loses nothing: only then are all bits ones.
            double loss = i < ticks / 2 ? 0 : 0.3;
            if (i % 7 == 0)
                (i % 2 == 0 ? _client : _server).TrySend((Lane)(i % 4), message.AsSpan(0, _random.Next(1, message.Length)));
            if (i % 50 == 9)
                _client.TellOfNewPath();
            if (i % 50 == 19)
                Deliver(_server, _server.WritePathChallenge(_datagram, _random.NextUInt64(), _nowNs), loss: 0);
            Speak(_client, loss);
            Speak(_server, loss);
        }
    }

    public void SayGoodbye()
    {
        _server.Close(CloseCode.Moved, _nowNs);
        Deliver(_server, _server.Poll(_nowNs, _datagram), loss: 0);
        Assert.Equal(CloseCode.Moved, _client.CloseReason.Code);
    }

    private ConnectRequest ShakeHands()
    {
        byte[] reply = new byte[PacketHeader.DatagramBytesMax];
        PeerAddress from = PeerAddress.Loopback(5000);
        int bytes = _client.Poll(0, _datagram);
        bytes = _handshakes.HandleRequest(_datagram.AsSpan(0, bytes), from, 0, new Random128(3, 4), reply);
        Assert.Equal(OpenResult.Handshake, _client.TryOpen(reply.AsSpan(0, bytes), 0, out _));
        bytes = _client.Poll(0, _datagram);
        Assert.True(_handshakes.TryVerifyResponse(_datagram.AsSpan(0, bytes), from, 0, 0, reply, out _, out ConnectRequest request));
        bytes = HandshakeServer.WriteAccepted(request, Id, reply);
        Assert.Equal(OpenResult.Handshake, _client.TryOpen(reply.AsSpan(0, bytes), 0, out _));
        Assert.Equal(ConnectionState.Connected, _client.State);
        return request;
    }

    private void Speak(Connection speaker, double loss)
    {
        int bytes;
        while ((bytes = speaker.Poll(_nowNs, _datagram)) > 0)
            Deliver(speaker, bytes, loss);
        speaker.BeginPacket(_datagram, _nowNs, _random.Next(0, 1100), out int tailOffset);
        int tail = Math.Min(_random.Next(0, 30), speaker.TailBytesMax);
        _datagram.AsSpan(tailOffset, tail).Fill(0xEE);
        Deliver(speaker, speaker.FinishPacket(_datagram, tail, _nowNs), loss);
    }

    private void Deliver(Connection speaker, int bytes, double loss)
    {
        if (_random.NextBool(loss))
            return;
        bool toServer = speaker == _client;
        Connection listener = toServer ? _server : _client;
        byte[] ours = _datagram[..bytes], theirs = _datagram[..bytes];
        Assert.Equal(OpenResult.Opened, listener.TryOpen(theirs, _nowNs, out OpenedPacket packet));
        Assert.True((toServer ? _fromClient : _fromServer).TryOpen(ours, toServer ? PacketHeader.ClientHeaderBytes : PacketHeader.ServerHeaderBytes, packet.Sequence, out _));
        Compare(ours, packet, toServer);
        listener.Accept(packet, theirs, _nowNs);
        while (listener.TryReceive(out _, out _))
        {
        }
    }

    private void Compare(byte[] opened, in OpenedPacket packet, bool toServer)
    {
        var reader = new TableReader(opened[..^PacketHeader.TagBytes]);
        TableScope header = reader.Read(toServer ? WireMessages.ClientHeader : WireMessages.ServerHeader);
        var type = (PacketType)header["type"];
        Seen[type]++;
        Assert.Equal((packet.Sequence.Wire, unchecked(toServer ? (long)Id : (byte)Id)), (header["sequence"], header[toServer ? "connection" : "connection low byte"]));
        Assert.Equal((type == PacketType.Close, type == PacketType.PathChallenge, type == PacketType.PathResponse), (packet.IsClose, packet.IsPathChallenge, packet.IsPathResponse));
        switch (type)
        {
            case PacketType.Close:
                Assert.Equal((long)packet.CloseCode, reader.Read(WireMessages.Close)["reason"]);
                break;
            case PacketType.PathChallenge:
                Assert.Equal((long)packet.PathData, reader.Read(WireMessages.PathChallenge)["data"]);
                break;
            case PacketType.PathResponse:
                Assert.Equal((long)packet.PathData, reader.Read(WireMessages.PathResponse)["data"]);
                break;
            default:
                ComparePayload(reader, packet);
                return;
        }

        Assert.Equal(0, reader.Remaining);
    }

    private void ComparePayload(TableReader reader, in OpenedPacket packet)
    {
        TableScope read = reader.Read(WireMessages.Payload);
        Assert.Equal((packet.HasAcks, packet.LaneBytes > 0, packet.TailBytes > 0), (read["has acks"] == 1, read["has lanes"] == 1, read["has tail"] == 1));
        if (packet.HasAcks)
            Assert.Equal((packet.Acks.Newest.Wire, packet.Acks.Bits), (read["newest acked"], read["all acks"] == 1 ? uint.MaxValue : read["acked before"]));
        Assert.Equal(packet.TailOffset * 8, reader.Position);
        Assert.Equal(packet.TailBytes * 8, reader.Remaining);
        Lanes += packet.LaneBytes > 0 ? 1 : 0;
        AllAcks += packet.HasAcks && read["all acks"] == 1 ? 1 : 0;
    }
}
