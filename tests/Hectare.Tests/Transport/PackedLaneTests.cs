using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class PackedLaneTests
{
    [Fact]
    public void A_large_text_on_bulk_takes_a_third_of_the_bytes_and_arrives_as_it_was()
    {
        byte[] text = Text(200_000);
        (long packedBytes, double packedSeconds) = Deliver(Lane.Bulk, text, new BulkPacker());
        (long plainBytes, double plainSeconds) = Deliver(Lane.Bulk, text, packer: null);
        Assert.InRange((double)packedBytes / plainBytes, 0.1, 0.5);
        Assert.True(packedSeconds < plainSeconds);
    }

    [Fact]
    public void What_is_short_or_noise_or_on_another_lane_goes_as_it_is()
    {
        Assert.Equal(4 + 512, QueuedBytes(ConnectionSide.Server, Lane.Bulk, Text(512)));
        Assert.InRange(QueuedBytes(ConnectionSide.Server, Lane.Bulk, Text(513)), 8 + 32, 4 + 512);
        Assert.Equal(4 + 20_000, QueuedBytes(ConnectionSide.Server, Lane.Bulk, Noise(20_000)));
        Assert.Equal(4 + 20_000, QueuedBytes(ConnectionSide.Server, Lane.Chat, Text(20_000)));
        Assert.Equal(4 + 20_000, QueuedBytes(ConnectionSide.Server, Lane.Action, Text(20_000)));
        // Towards a server nothing is packed.
        Assert.Equal(4 + 20_000, QueuedBytes(ConnectionSide.Client, Lane.Bulk, Text(20_000)));
    }

    [Fact]
    public void One_message_to_many_is_packed_once_and_a_round_has_its_limit()
    {
        var packer = new BulkPacker();
        packer.BeginRound();
        byte[] first = Text(150_000), second = Text(150_001);
        int packed = 0;
        for (int i = 0; i < 50; i++)
            packed += packer.Pack(first).IsEmpty ? 0 : 1;
        Assert.Equal(50, packed);
        Assert.True(packer.Pack(second).IsEmpty);
        Assert.Equal(1, packer.Unpacked);
        Assert.False(packer.Pack(first).IsEmpty);
        packer.BeginRound();
        Assert.False(packer.Pack(second).IsEmpty);
        Assert.True(packer.Pack(Noise(90_000)).IsEmpty);
        Assert.Equal((1, 1), (packer.Incompressible, packer.Unpacked));
        Assert.True(packer.Pack(Noise(90_000)).IsEmpty);
        Assert.Equal(1, packer.Incompressible);
    }

    [Fact]
    public void Every_length_packs_and_unpacks()
    {
        var random = new SeededRandom(3);
        var packer = new BulkPacker();
        byte[] text = Text(256 * 1024);
        for (int round = 0; round < 300; round++)
        {
            int bytes = round < 200 ? random.Next(513, 3_000) : random.Next(513, text.Length + 1);
            byte[] message = text[..bytes];
            packer.BeginRound();
            ReadOnlySpan<byte> packed = packer.Pack(message);
            Assert.True(BulkPacker.TryReadLength(packed, ConnectionOptions.LongestMessageBytes, out int length), $"{bytes} bytes");
            byte[] back = new byte[length];
            Assert.True(BulkPacker.TryUnpack(packed, back), $"{bytes} bytes");
            Assert.Equal(message, back);
        }
    }

    [Fact]
    public void A_bomb_closes_the_connection_before_it_grows()
    {
        byte[] bomb = Packed(new byte[200_000], 200_000, windowBits: 18);
        Assert.InRange(bomb.Length, 8, 100);
        Taken(bomb, new ConnectionOptions());
        Refused(bomb, new ConnectionOptions { ReceiveMessageBytesMax = 100_000 });                            // more than this end takes
        Refused(Packed(new byte[200_000], 100_000, windowBits: 18), new ConnectionOptions());                 // more than it says
        Refused(Packed(new byte[99_999], 100_000, windowBits: 18), new ConnectionOptions());                  // less than it says
        Refused(Packed(new byte[200_000], 200_000, windowBits: 24), new ConnectionOptions());                 // a ring of 16 MB
        Refused(Packed(new byte[600], 512, windowBits: 10), new ConnectionOptions());                         // too short to be packed
        Refused(Packed(Noise(600), 600, windowBits: 10), new ConnectionOptions());                            // not smaller
        Refused(bomb[..^1], new ConnectionOptions());
        Refused(bomb[..5], new ConnectionOptions());
        Refused(bomb[..4], new ConnectionOptions());
        Refused([], new ConnectionOptions());
        Refused([0x20, 0x4E, 0, 0, .. Noise(100)], new ConnectionOptions());
    }

    [Fact]
    public void Random_and_mutated_packed_messages_are_taken_or_close_the_connection()
    {
        var random = new SeededRandom(9);
        byte[] sound = Packed(Text(2_000), 2_000, windowBits: 11);
        byte[] message = new byte[2_000];
        int taken = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] packed = (byte[])sound.Clone();
            for (int flips = random.Next(1, 5); flips > 0; flips--)
                packed[random.Next(0, packed.Length)] ^= (byte)(1 << random.Next(0, 8));
            if (BulkPacker.TryReadLength(packed, message.Length, out int bytes) && BulkPacker.TryUnpack(packed, message.AsSpan(0, bytes)))
                taken++;
        }

        Assert.InRange(taken, 0, 19_999);
    }

    [Fact]
    public void A_server_takes_nothing_packed()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] packed = Packed(new byte[1_000], 1_000, windowBits: 10);
        Assert.Equal(OpenResult.Malformed, Send(client, server, packed, headerBytes: 11));
        Assert.Equal(ConnectionState.Connected, server.State);
        Assert.Equal(0, server.LaneMemoryBytes);
    }

    [Theory]
    [InlineData((byte)Lane.Chat | LaneSegment.FirstFlag | LaneSegment.LastFlag)]
    [InlineData((byte)Lane.Bulk | LaneSegment.LastFlag)]
    [InlineData((byte)Lane.Bulk)]
    public void Only_the_first_fragment_of_a_bulk_message_may_be_marked_packed(byte flags)
    {
        byte[] bytes = new byte[260];
        int written = new LaneSegment((byte)(flags | LaneSegment.PackedFlag), 0, 240, new byte[240]).Write(bytes);
        ReadOnlySpan<byte> source = bytes.AsSpan(0, written);
        Assert.False(LaneSegment.TryRead(ref source, out _));
    }

    [Fact]
    public void Packing_and_unpacking_allocate_nothing()
    {
        var packer = new BulkPacker();
        byte[] text = Text(16_000), other = Text(16_001), back = new byte[16_001];
        long bytes = Allocation.SteadyBytes(() =>
        {
            packer.BeginRound();
            Assert.True(BulkPacker.TryUnpack(packer.Pack(text), back.AsSpan(0, 16_000)));
            Assert.True(BulkPacker.TryUnpack(packer.Pack(other), back));
        });
        Assert.Equal(0, bytes);
    }

    private static (long Bytes, double Seconds) Deliver(Lane lane, byte[] message, BulkPacker? packer)
    {
        var pair = new ConnectedPair(5, "audit-5pct");
        pair.Connect();
        long before = pair.Server!.Counters.SentBytes, startNs = pair.NowNs;
        Assert.Equal(SendResult.Sent, pair.Server.TrySend(lane, message, packer));
        Assert.True(pair.Run(60, () => pair.ClientReceived.Count == 1));
        Assert.True(pair.ClientReceived[0].Message.AsSpan().SequenceEqual(message));
        Assert.True(pair.Run(5, () => pair.Server.QueuedBytes(lane) == 0));
        Assert.InRange(pair.Client.LaneMemoryBytes, 0, 2_000);
        return (pair.Server.Counters.SentBytes - before, (pair.NowNs - startNs) / 1e9);
    }

    private static int QueuedBytes(ConnectionSide side, Lane lane, byte[] message)
    {
        (Connection client, Connection server) = PacketTests.Connected();
        Connection sender = side == ConnectionSide.Client ? client : server;
        Assert.Equal(SendResult.Sent, sender.TrySend(lane, message, new BulkPacker()));
        return sender.QueuedBytes(lane);
    }

    private static void Taken(byte[] packed, ConnectionOptions options)
    {
        (Connection client, Connection server) = PacketTests.Connected(options);
        Assert.Equal(OpenResult.Opened, Send(server, client, packed, headerBytes: 4));
        Assert.True(client.TryReceive(out Lane lane, out ReadOnlySpan<byte> message));
        Assert.Equal((Lane.Bulk, 200_000), (lane, message.Length));
    }

    private static void Refused(byte[] packed, ConnectionOptions options)
    {
        (Connection client, Connection server) = PacketTests.Connected(options);
        Assert.Equal(OpenResult.Opened, Send(server, client, packed, headerBytes: 4));
        Assert.False(client.TryReceive(out _, out ReadOnlySpan<byte> message));
        Assert.True(message.IsEmpty);
        Assert.Equal(new CloseReason(CloseCause.ProtocolError, CloseCode.ProtocolError), client.CloseReason);
        Assert.True(client.HasBadPacked);
        Assert.InRange(client.LaneMemoryBytes, 0, 1024);
    }

    // One packet with the whole message in it, as no sound server writes it.
    private static OpenResult Send(Connection sender, Connection receiver, byte[] packed, int headerBytes)
    {
        byte[] datagram = new byte[1200];
        const byte Bulk = (byte)Lane.Bulk | LaneSegment.PackedFlag;
        datagram[headerBytes] = 2;
        int used = headerBytes + 2;
        ushort fragment = 0;
        byte[][] pieces = packed.Length == 0 ? [[]] : [.. packed.Chunk(LaneSegment.DataBytesMax)];
        datagram[headerBytes + 1] = (byte)pieces.Length;
        for (int i = 0; i < pieces.Length; i++)
        {
            byte flags = (byte)((i == 0 ? Bulk | LaneSegment.FirstFlag : (byte)Lane.Bulk) | (i == pieces.Length - 1 ? LaneSegment.LastFlag : 0));
            used += new LaneSegment(flags, fragment++, (uint)packed.Length, pieces[i]).Write(datagram.AsSpan(used));
        }

        return ConnectionTests.Take(receiver, datagram[..sender.SealRaw(datagram, PacketType.Payload, used - headerBytes, 0)]);
    }

    private static byte[] Packed(byte[] message, int saidBytes, int windowBits)
    {
        byte[] packed = new byte[4 + BrotliEncoder.GetMaxCompressedLength(message.Length)];
        BinaryPrimitives.WriteInt32LittleEndian(packed, saidBytes);
        Assert.True(BrotliEncoder.TryCompress(message, packed.AsSpan(4), out int bytes, quality: 2, windowBits));
        return packed[..(4 + bytes)];
    }

    private static byte[] Text(int count)
    {
        var random = new SeededRandom(7);
        var text = new StringBuilder();
        while (text.Length < count)
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"player {random.Next(0, 500)} sells {random.Next(1, 99)} turnips at {random.Next(0, 2048)} {random.Next(0, 2048)}; ");
        return Encoding.UTF8.GetBytes(text.ToString())[..count];
    }

    private static byte[] Noise(int count)
    {
        var random = new SeededRandom(8);
        byte[] noise = new byte[count];
        for (int i = 0; i < count; i++)
            noise[i] = (byte)random.NextUInt64();
        return noise;
    }
}
