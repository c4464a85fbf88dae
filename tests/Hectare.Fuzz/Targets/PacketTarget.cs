using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>Sealed packets of a peer that has the keys, at an end that also sends: flags, acks, lane blocks, tails, goodbyes, paths.</summary>
/// <remarks>Input: side u8 (0 the server's end), then for each packet its type u8 (low bits; bit 7: a bit of the sealed datagram is flipped; bit 6: this
/// end sends one first), its distance from the one before as i8, the body's length u16, the body.</remarks>
internal sealed class PacketTarget() : FuzzTarget("packet", "the bodies of sealed packets, at both ends of a connection")
{
    private const int HeadBytes = 4;
    private const byte FlipFlag = 0x80, SendFlag = 0x40, TypeMask = 0x3F;
    private const ulong Id = 0x1122_3344_5566_7788;
    private const int MessageBytesMax = 2000;
    private const int MemoryBytesMax = (4 * 8192) + (448 * 256) + (4 * 1024);

    private static readonly ConnectionOptions Options = new() { ReceiveMessageBytesMax = MessageBytesMax, MessageBytesMax = MessageBytesMax };
    private static readonly Random128 ClientRandom = new(1, 2), ServerRandom = new(3, 4);

    private readonly byte[] _datagram = new byte[PacketHeader.DatagramBytesMax + 100];
    private readonly byte[] _sent = new byte[PacketHeader.DatagramBytesMax];
    private readonly byte[] _message = new byte[MessageBytesMax];
    private readonly byte[] _block = new byte[PacketHeader.DatagramBytesMax];
    private readonly ConnectionKeys _keys = ConnectionKeys.Derive(new Secret256(new byte[32]), ClientRandom, ServerRandom, Handshake.ProtocolVersion, CipherSuite.Aes256Gcm);
    private EpochKeys _fromClient = null!;
    private EpochKeys _fromServer = null!;

    public override int InputBytesMax => 6 * 1024;

    // A connection with its keys, and what its lanes rent; a bad seal may make the framework throw inside.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 32_768 + (2 * MemoryBytesMax) + (input.Length / HeadBytes * FuzzKeys.BadSealBytesMax);

    public override void Begin()
    {
        _fromClient = new EpochKeys(_keys.Suite, _keys.ClientTraffic, 0);
        _fromServer = new EpochKeys(_keys.Suite, _keys.ServerTraffic, 0);
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        bool atServer = random.Next(0, 2) == 0;
        destination[0] = atServer ? (byte)0 : (byte)1;
        var lanes = new ReliableLanes(Options, atServer ? ConnectionSide.Client : ConnectionSide.Server);
        int used = 1, sends = 0, packets = random.Next(1, 16);
        for (uint i = 0; i < packets; i++)
        {
            bool sendsFirst = random.Next(0, 2) == 0;
            sends += sendsFirst ? 1 : 0;
            PacketType type = random.Next(0, 8) != 0 ? PacketType.Payload : atServer ? PacketType.PathResponse : PacketType.PathChallenge;
            if (i == packets - 1 && random.Next(0, 4) == 0)
                type = PacketType.Close;
            int bytes = WriteBody(ref random, _block, type, lanes, i, sends);
            if (used + HeadBytes + bytes > destination.Length)
                break;
            destination[used] = (byte)((byte)type | (sendsFirst ? SendFlag : 0));
            destination[used + 1] = 1;
            BinaryPrimitives.WriteUInt16LittleEndian(destination[(used + 2)..], (ushort)bytes);
            _block.AsSpan(0, bytes).CopyTo(destination[(used + HeadBytes)..]);
            used += HeadBytes + bytes;
        }

        lanes.Close();
        return used;
    }

    public override int Break(ref SeededRandom random, Span<byte> work, int length)
        => random.Next(0, 4) == 0 ? Mutator.Mutate(ref random, work, length) : new Frames(Start: 1, HeadBytes, LengthOffset: 2).Break(ref random, work, length);

    public override RunResult Run(Span<byte> input)
    {
        if (input.IsEmpty)
            return RunResult.Refused;
        Connection end = (input[0] & 1) == 0 ? AtServer() : AtClient();
        var number = new SequenceNumber(uint.MaxValue);
        int packets = 0, accepted = 0, dropsBefore = Drops(end);
        long nowNs = 10;
        for (ReadOnlySpan<byte> rest = input[1..]; rest.Length >= HeadBytes && end.State == ConnectionState.Connected; packets++)
        {
            int bodyBytes = Math.Min(Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]), rest.Length - HeadBytes), PacketHeader.DatagramBytesMax);
            nowNs += 20_000_000;
            if ((rest[0] & SendFlag) != 0)
                Send(end, nowNs);
            number += (sbyte)rest[1];
            Span<byte> datagram = Seal(end.Side, rest[0], number, rest.Slice(HeadBytes, bodyBytes));
            accepted += Take(end, datagram, (rest[0] & FlipFlag) != 0, nowNs) ? 1 : 0;
            rest = rest[(HeadBytes + bodyBytes)..];
        }

        Property.Holds(Drops(end) - dropsBefore + accepted == packets, "a packet is neither accepted nor counted as dropped");
        Property.Holds(end.Counters.AcceptedPackets == accepted, "accepted packets are counted otherwise");
        return RunResult.Of(accepted == packets && packets > 0);
    }

    private static bool Take(Connection end, Span<byte> datagram, bool flipped, long nowNs)
    {
        OpenResult result = end.TryOpen(datagram, nowNs, out OpenedPacket packet);
        Property.Holds(result != OpenResult.Handshake, "a handshake packet on a connection that is made");
        if (result != OpenResult.Opened)
            return false;
        Property.Holds(!flipped, "a packet opens in which a bit was flipped");
        Property.Holds(packet.LaneOffset + packet.LaneBytes <= datagram.Length - PacketHeader.TagBytes && packet.TailOffset + packet.TailBytes <= datagram.Length - PacketHeader.TagBytes, "a part of a packet lies outside it");
        end.Accept(packet, datagram, nowNs);
        while (end.TryReceive(out _, out ReadOnlySpan<byte> message))
            Property.Holds(message.Length <= MessageBytesMax, "a message longer than any may be");
        Property.Holds(end.LaneMemoryBytes <= MemoryBytesMax, $"the lanes hold {end.LaneMemoryBytes} bytes");
        return true;
    }

    private void Send(Connection end, long nowNs)
    {
        end.TrySend(Lane.Chat, _message.AsSpan(0, 300));
        int bytes = end.Poll(nowNs, _sent);
        if (bytes == 0 && end.State == ConnectionState.Connected)
        {
            end.BeginPacket(_sent, nowNs, 600, out _);
            bytes = end.FinishPacket(_sent, 10, nowNs);
        }

        Property.Holds(bytes is >= 0 and <= PacketHeader.DatagramBytesMax, "a datagram longer than any may be");
    }

    private Span<byte> Seal(ConnectionSide receiver, byte flags, SequenceNumber number, ReadOnlySpan<byte> body)
    {
        bool toServer = receiver == ConnectionSide.Server;
        var header = new PacketHeader((PacketType)(flags & TypeMask), Id, number.Wire);
        int headerBytes = toServer ? PacketHeader.ClientHeaderBytes : PacketHeader.ServerHeaderBytes;
        if (toServer)
            header.WriteFromClient(_datagram);
        else
            header.WriteFromServer(_datagram);
        body.CopyTo(_datagram.AsSpan(headerBytes));
        Span<byte> nonce = stackalloc byte[PacketCipher.NonceBytes];
        EpochKeys.WriteNonce(nonce, toServer ? ConnectionSide.Client : ConnectionSide.Server, number.Value);
        Span<byte> datagram = _datagram.AsSpan(0, headerBytes + body.Length + PacketHeader.TagBytes);
        (toServer ? _fromClient : _fromServer).Cipher.Seal(nonce, datagram[..headerBytes], datagram[headerBytes..^PacketHeader.TagBytes], datagram[^PacketHeader.TagBytes..]);
        if ((flags & FlipFlag) != 0)
            datagram[(number.Wire * 7) % datagram.Length] ^= (byte)(1 << (body.Length & 7));
        return datagram;
    }

    // Acks that can be true, what the lanes have to say, any tail.
    private int WriteBody(ref SeededRandom random, Span<byte> body, PacketType type, ReliableLanes lanes, uint packet, int sends)
    {
        if (type != PacketType.Payload)
        {
            body[..8].Clear();
            body[0] = (byte)random.Next(0, 10);
            return type == PacketType.Close ? 1 : 8;
        }

        int used = 1;
        body[0] = 0;
        if (sends > 0)
        {
            body[0] |= 1;
            BinaryPrimitives.WriteUInt16LittleEndian(body[1..], (ushort)(sends - 1));
            BinaryPrimitives.WriteUInt32LittleEndian(body[3..], (uint)random.NextUInt64() & (uint)((1UL << Math.Min(32, sends - 1)) - 1));
            used = 7;
        }

        if (random.Next(0, 2) == 0)
            lanes.TrySend((Lane)random.Next(0, 4), _message.AsSpan(0, random.Next(0, random.Next(1, MessageBytesMax))));
        int laneBytes = lanes.Write(body.Slice(used, random.Next(260, 700)), new SequenceNumber(packet), packet * 20_000_000L, 50_000_000);
        body[0] |= laneBytes > 0 ? (byte)2 : (byte)0;
        used += laneBytes;
        int tailBytes = random.Next(0, 40);
        body[0] |= tailBytes > 0 ? (byte)4 : (byte)0;
        body.Slice(used, tailBytes).Fill((byte)random.NextUInt64());
        return used + tailBytes;
    }

    private static int Drops(Connection end)
    {
        long drops = 0;
        for (OpenResult result = OpenResult.Malformed; result <= OpenResult.NotAccepted; result++)
            drops += end.Counters.Drops(result);
        return (int)drops;
    }

    private Connection AtServer() => Connection.FromRequest(Options, new ConnectRequest { ClientRandom = ClientRandom, ServerRandom = ServerRandom, Keys = _keys }, Id, 0);

    private Connection AtClient()
    {
        // The whole way in, with a secret of zeros: what the server says is written here.
        var token = new ConnectToken(Handshake.ProtocolVersion, ulong.MaxValue, [FuzzKeys.Server], new Secret256(new byte[32]), [1]);
        var client = Connection.Connect(Options, ClientRandom, 0, default, 0, token);
        client.Poll(0, _sent);
        int bytes = Handshake.WriteChallenge(_sent, new Challenge(ClientRandom, ServerRandom, 1, CipherSuite.Aes256Gcm), FuzzKeys.CookieSecret);
        client.TryOpen(_sent.AsSpan(0, bytes), 1, out _);
        bytes = Handshake.WriteAccepted(_sent, ClientRandom, _keys, Id);
        Property.Holds(client.TryOpen(_sent.AsSpan(0, bytes), 2, out _) == OpenResult.Handshake && client.State == ConnectionState.Connected, "a client does not come in");
        return client;
    }
}
