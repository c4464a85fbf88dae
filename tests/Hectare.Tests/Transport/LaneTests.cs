using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class LaneTests
{
    [Theory]
    [InlineData("lan")]
    [InlineData("audit-10pct")]
    [InlineData("hell")]
    public void A_message_of_200_kB_arrives_whole_in_order_among_small_ones(string profile)
    {
        var pair = new ConnectedPair(21, profile);
        pair.Connect();
        byte[] large = Bytes(1, 200_000);
        Assert.Equal(SendResult.Sent, pair.Server!.TrySend(Lane.Bulk, "before"u8));
        Assert.Equal(SendResult.Sent, pair.Server.TrySend(Lane.Bulk, large));
        Assert.Equal(SendResult.Sent, pair.Server.TrySend(Lane.Bulk, "after"u8));
        long actionNs = 0;
        pair.Server.TrySend(Lane.Action, "small"u8);
        Assert.True(pair.Run(120, () =>
        {
            if (actionNs == 0 && pair.ClientReceived.Any(received => received.Lane == Lane.Action))
                actionNs = pair.NowNs;
            return pair.ClientReceived.Count == 4;
        }));
        Assert.InRange(actionNs, 1, 2_500_000_000);
        byte[][] bulk = [.. pair.ClientReceived.Where(received => received.Lane == Lane.Bulk).Select(received => received.Message)];
        Assert.Equal("before"u8, bulk[0]);
        Assert.True(bulk[1].AsSpan().SequenceEqual(large));
        Assert.Equal("after"u8, bulk[2]);
        Assert.True(pair.Run(5, () => pair.Server.QueuedBytes(Lane.Bulk) == 0));
        Assert.InRange(pair.Server.LaneMemoryBytes, 0, 12_000);
        Assert.InRange(pair.Client.LaneMemoryBytes, 0, 2_000);
    }

    [Fact]
    public void Messages_of_every_length_on_every_lane_keep_their_order_under_hell()
    {
        for (ulong seed = 0; seed < 5; seed++)
        {
            var random = new SeededRandom(seed);
            var pair = new ConnectedPair(seed, "hell");
            pair.Connect();
            var sent = new List<byte[]>[] { [], [], [], [] };
            for (int i = 0; i < 400; i++)
            {
                var lane = (Lane)random.Next(0, 4);
                byte[] message = Bytes(random.NextUInt64(), random.NextBool(0.1) ? random.Next(0, 3000) : random.Next(0, 60));
                if (pair.Client.TrySend(lane, message) == SendResult.Sent)
                    sent[(int)lane].Add(message);
                if (i % 4 == 0)
                    pair.Step();
            }

            int total = sent.Sum(list => list.Count);
            Assert.True(pair.Run(60, () => pair.ServerReceived.Count == total), $"seed {seed}: {pair.ServerReceived.Count} of {total}");
            for (Lane lane = Lane.Control; lane <= Lane.Bulk; lane++)
                Assert.Equal(sent[(int)lane], pair.ServerReceived.Where(received => received.Lane == lane).Select(received => received.Message));
        }
    }

    [Fact]
    public void A_full_queue_answers_the_sender_and_takes_more_when_some_is_acked()
    {
        var pair = new ConnectedPair(22);
        pair.Connect();
        byte[] message = new byte[1000];
        int queued = 0;
        while (pair.Server!.TrySend(Lane.Chat, message) == SendResult.Sent)
            queued++;
        Assert.Equal(64 * 1024 / 1004, queued);
        Assert.Equal(SendResult.QueueFull, pair.Server.TrySend(Lane.Chat, message));
        Assert.Equal(SendResult.Sent, pair.Server.TrySend(Lane.Action, message));
        Assert.True(pair.Run(1, () => pair.Server.TrySend(Lane.Chat, message) == SendResult.Sent));
        Assert.True(pair.Run(20, () => pair.ClientReceived.Count == queued + 2));
    }

    [Fact]
    public void A_message_longer_than_the_bounds_is_refused_at_once()
    {
        (Connection client, _) = PacketTests.Connected();
        Assert.Equal(SendResult.TooLarge, client.TrySend(Lane.Bulk, new byte[ConnectionOptions.LongestMessageBytes + 1]));
        Assert.Equal(SendResult.Sent, client.TrySend(Lane.Bulk, new byte[ConnectionOptions.LongestMessageBytes]));
        Assert.Equal(SendResult.TooLarge, client.TrySend(Lane.Chat, new byte[64 * 1024]));
        Assert.Equal(0, client.QueuedBytes(Lane.Chat));
    }

    [Theory]
    [InlineData(0x8000)]
    [InlineData(0x8001)]
    [InlineData(0x7FFF)]
    public void A_fragment_that_passes_from_far_back_to_far_ahead_inside_its_packet_is_nothing(int sequence)
    {
        var lanes = new ReliableLanes(ConnectionOptions.Default, ConnectionSide.Server);
        const byte Whole = LaneSegment.FirstFlag | LaneSegment.LastFlag;
        var fragments = new (ushort Sequence, byte Data)[] { (0, 1), ((ushort)sequence, 2), (1, 3) };
        byte[] block = [(byte)fragments.Length, .. fragments.SelectMany(one => new byte[] { Whole, (byte)one.Sequence, (byte)(one.Sequence >> 8), 1, one.Data })];
        // A first fragment makes the lane: only then is a number far back an old one.
        lanes.Take([1, Whole, 0xFF, 0xFF, 0]);
        ReadOnlySpan<byte> rest = block;
        if (lanes.Check(ref rest) == OpenResult.Opened)
            lanes.Take(block);
        var taken = new List<byte>();
        while (lanes.TryReceive(out _, out ReadOnlySpan<byte> message))
            taken.Add(message[0]);
        Assert.False(lanes.IsBroken);
        Assert.DoesNotContain((byte)2, taken);
        Assert.InRange(lanes.MemoryBytes, 0, 1024);
    }

    [Fact]
    public void Nobody_taking_messages_stops_the_sender_and_grows_nothing()
    {
        var pair = new ConnectedPair(23) { TakeMessages = false };
        pair.Connect();
        byte[] message = Bytes(5, 100_000);
        int sent = 0;
        for (int i = 0; i < 450; i++)
        {
            if (pair.Server!.TrySend(Lane.Bulk, message) == SendResult.Sent)
                sent++;
            pair.Step();
        }

        Assert.Equal(SendResult.QueueFull, pair.Server!.TrySend(Lane.Bulk, message));
        // Two whole messages wait, the third does not fit: 256 kB and the window of 64 kB, in arrays of powers of two.
        Assert.InRange(pair.Client.LaneMemoryBytes, 200_000, (512 * 1024) + (256 * 256));
        Assert.True(pair.Client.Counters.Drops(OpenResult.LaneFull) > 0);
        pair.TakeMessages = true;
        Assert.True(pair.Run(60, () => pair.ClientReceived.Count == sent), $"{pair.ClientReceived.Count} of {sent}");
        Assert.All(pair.ClientReceived, received => Assert.True(received.Message.AsSpan().SequenceEqual(message)));
    }

    [Fact]
    public void Resends_of_what_was_lost_together_are_spread_in_time()
    {
        // Trap: every reliable resend falls due in one tick.
        (Connection client, Connection server) = PacketTests.Connected();
        for (byte i = 0; i < 60; i++)
            server.TrySend(Lane.Action, [i]);
        ConnectionTests.Packet(server, 0);
        Assert.Equal(0, server.PendingLaneBytes(1_000_000));
        var dueByTick = new List<int>();
        int before = 0;
        for (long nowNs = 0; nowNs < 1_500_000_000; nowNs += 33_000_000)
        {
            int due = server.PendingLaneBytes(nowNs);
            dueByTick.Add(due - before);
            before = due;
        }

        Assert.True(before >= 60 * 5);
        Assert.InRange(dueByTick.Max(), 1, before / 3);
        _ = client;
    }

    [Fact]
    public void Losses_told_by_one_ack_are_not_all_resent_at_once()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        server.TrySend(Lane.Bulk, new byte[15_000]);
        for (int i = 0; i < 16; i++)
            ConnectionTests.Packet(server, 0);
        byte[] last = ConnectionTests.Packet(server, 0, 0);
        ConnectionTests.Take(client, last, 50_000_000);
        ConnectionTests.Take(server, ConnectionTests.Packet(client, 50_000_000), 100_000_000);
        int atOnce = server.PendingLaneBytes(100_000_000);
        Assert.InRange(atOnce, 500, 2000);
        Assert.True(server.PendingLaneBytes(300_000_000) > 10_000);
    }

    [Fact]
    public void A_client_that_passed_a_packet_by_has_its_fragments_at_once_again()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        server.TrySend(Lane.Action, "hit"u8);
        ConnectionTests.Packet(server, 0);
        byte[] next = ConnectionTests.Packet(server, 33_000_000);
        ConnectionTests.Take(client, next, 60_000_000);
        ConnectionTests.Take(server, ConnectionTests.Packet(client, 60_000_000), 90_000_000);
        Assert.True(server.PendingLaneBytes(90_000_000) > 0);
        ConnectionTests.Take(client, ConnectionTests.Packet(server, 99_000_000), 120_000_000);
        Assert.True(client.TryReceive(out Lane lane, out ReadOnlySpan<byte> message));
        Assert.Equal(Lane.Action, lane);
        Assert.Equal("hit"u8, message);
    }

    [Fact]
    public void Lanes_share_a_short_room_by_their_weights()
    {
        var pair = new ConnectedPair(24) { LaneBytesMax = 260 };
        pair.Connect();
        byte[] message = new byte[200];
        for (int i = 0; i < 300; i++)
        {
            while (pair.Server!.TrySend(Lane.Action, message) == SendResult.Sent)
            {
            }

            while (pair.Server.TrySend(Lane.Chat, message) == SendResult.Sent)
            {
            }

            while (pair.Server.TrySend(Lane.Bulk, message) == SendResult.Sent)
            {
            }

            pair.Step();
        }

        int Count(Lane lane) => pair.ClientReceived.Count(received => received.Lane == lane);
        Assert.InRange(Count(Lane.Action), 190, 240);
        Assert.InRange(Count(Lane.Chat), 45, 65);
        Assert.InRange(Count(Lane.Bulk), 22, 35);
    }

    [Fact]
    public void Little_room_never_stops_a_lane()
    {
        var pair = new ConnectedPair(25, "audit-5pct") { LaneBytesMax = Connection.LaneBytesMin };
        pair.Connect();
        byte[] message = Bytes(3, 5000);
        pair.Client.TrySend(Lane.Chat, message);
        Assert.True(pair.Run(10, () => pair.ServerReceived.Count == 1));
        Assert.Equal(message, pair.ServerReceived[0].Message);
    }

    [Fact]
    public void Fragments_that_contradict_each_other_close_the_connection()
    {
        byte first = (byte)Lane.Chat | LaneSegment.FirstFlag;
        byte last = (byte)Lane.Chat | LaneSegment.LastFlag;
        Hostile([new Piece(last, 0, 5, 5)]);                                              // no first
        Hostile([new Piece(first, 0, 240, 500), new Piece(first, 1, 240, 500)]);          // a second first
        Hostile([new Piece(first, 0, 240, 500), new Piece(last, 1, 100, 0)]);             // shorter than announced
        Hostile([new Piece(first, 0, 240, 241), new Piece(last, 1, 9, 0)]);               // longer than announced
        Hostile([new Piece(first, 0, 240, 480), new Piece((byte)Lane.Chat, 1, 240, 0)]);  // no last
    }

    [Fact]
    public void Hostile_fragments_make_nothing_grow_beyond_its_bound()
    {
        var options = new ConnectionOptions { ReceiveMessageBytesMax = 20_000 };
        (Connection client, Connection server) = PacketTests.Connected(options);
        for (byte lane = 0; lane < 4; lane++)
        {
            int window = LaneSegment.WindowOf((Lane)lane, ConnectionSide.Server);
            for (int i = 1; i < window; i++)
                Assert.Equal(OpenResult.Opened, Send(client, server, [new Piece(lane, (ushort)i, 240, 0)]));
            Assert.Equal(OpenResult.LaneFull, Send(client, server, [new Piece(lane, (ushort)window, 240, 0)]));
            Assert.Equal(OpenResult.Malformed, Send(client, server, [new Piece((byte)(lane | LaneSegment.FirstFlag), 0, 240, 20_001)]));
        }

        Assert.Equal(ConnectionState.Connected, server.State);
        Assert.InRange(server.LaneMemoryBytes, 0, 4 * 64 * 256);
    }

    [Fact]
    public void A_hostile_client_makes_a_zone_hold_128_kB_and_no_more()
    {
        // On each lane: the longest message but for its last fragment, and all that may come out of order behind a gap.
        const int Longest = ConnectionOptions.ToServerMessageBytes, Whole = Longest / LaneSegment.DataBytesMax;
        var options = new ConnectionOptions { ReceiveMessageBytesMax = Longest };
        (Connection client, Connection server) = PacketTests.Connected(options);
        int most = 0;
        for (byte lane = 0; lane < 4; lane++)
        {
            for (int i = 0; i < Whole; i++)
                Assert.Equal(OpenResult.Opened, Send(client, server, [new Piece((byte)(lane | (i == 0 ? LaneSegment.FirstFlag : 0)), (ushort)i, 240, Longest)]));
            for (int i = Whole + 1; i < Whole + LaneSegment.WindowOf((Lane)lane, ConnectionSide.Server); i++)
                Assert.Equal(OpenResult.Opened, Send(client, server, [new Piece(lane, (ushort)i, 240, 0)]));
            most = Math.Max(most, server.LaneMemoryBytes);
        }

        Assert.Equal(ConnectionState.Connected, server.State);
        Assert.InRange(most, 120 * 1024, 128 * 1024);
    }

    [Fact]
    public void Nor_by_messages_that_leave_the_queue_one_by_one()
    {
        var options = new ConnectionOptions { ReceiveMessageBytesMax = ConnectionOptions.ToServerMessageBytes };
        (Connection client, Connection server) = PacketTests.Connected(options);
        byte whole = (byte)Lane.Chat | LaneSegment.FirstFlag | LaneSegment.LastFlag;
        int most = 0;
        ushort fragment = 0;
        for (int i = 0; i < 3_000; i++)
        {
            Send(client, server, [new Piece(whole, fragment, 200, 200)]);
            fragment++;
            if (i > 70)
                Assert.True(server.TryReceive(out _, out _));
            most = Math.Max(most, server.LaneMemoryBytes);
        }

        Assert.InRange(most, 14_000, 16 * 1024);
    }

    private static void Hostile(Piece[] pieces)
    {
        (Connection client, Connection server) = PacketTests.Connected();
        Assert.Equal(OpenResult.Opened, Send(client, server, pieces));
        Assert.Equal(new CloseReason(CloseCause.ProtocolError, CloseCode.ProtocolError), server.CloseReason);
    }

    private static OpenResult Send(Connection client, Connection server, Piece[] pieces)
    {
        byte[] datagram = new byte[1200];
        datagram[11] = 2;
        datagram[12] = (byte)pieces.Length;
        int used = 13;
        foreach (Piece piece in pieces)
            used += new LaneSegment(piece.Flags, piece.Sequence, piece.MessageBytes, new byte[piece.Bytes]).Write(datagram.AsSpan(used));
        return ConnectionTests.Take(server, datagram[..client.SealRaw(datagram, PacketType.Payload, used - 11, 0)]);
    }

    private static byte[] Bytes(ulong seed, int count)
    {
        var random = new SeededRandom(seed);
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
            bytes[i] = (byte)random.NextUInt64();
        return bytes;
    }

    private readonly record struct Piece(byte Flags, ushort Sequence, int Bytes, uint MessageBytes);
}
