using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class ConnectionTests
{
    [Fact]
    public void A_client_never_accepts_nor_acks_a_packet_older_than_the_newest()
    {
        // Trap "the first packet is a late one" as well: seeds differ in what comes first.
        for (ulong seed = 0; seed < 10; seed++)
        {
            var pair = new ConnectedPair(seed, "hell");
            var accepted = new HashSet<SequenceNumber>();
            SequenceNumber newest = default;
            int late = 0;
            pair.OnClientOpen = (result, packet) =>
            {
                late += result == OpenResult.Late ? 1 : 0;
                if (result != OpenResult.Opened)
                    return;
                Assert.True(accepted.Count == 0 || packet.Sequence > newest, $"seed {seed}");
                newest = packet.Sequence;
                accepted.Add(newest);
            };
            pair.OnServerAck = update =>
            {
                for (int back = 0; back <= 32 && update.Advanced; back++)
                {
                    if (update.Field.Holds(update.Newest - back))
                        Assert.Contains(update.Newest - back, accepted);
                }
            };
            pair.Connect();
            pair.Run(10);
            Assert.True(late > 10, $"seed {seed}: the link reordered too little to show anything");
        }
    }

    [Fact]
    public void A_server_accepts_late_packets_inside_the_window_once()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[][] packets = [.. Enumerable.Range(0, 40).Select(_ => Packet(client, 0))];
        Take(server, packets[35]);
        Assert.Equal(OpenResult.Opened, Take(server, packets[3]));
        Assert.Equal(OpenResult.Duplicate, Take(server, packets[3]));
        Assert.Equal(OpenResult.Duplicate, Take(server, packets[35]));
        Assert.Equal(OpenResult.TooOld, Take(server, packets[2]));
        Assert.Equal(OpenResult.Opened, Take(server, packets[34]));
        Assert.Equal(2, server.Counters.Drops(OpenResult.Duplicate));
        Assert.Equal(1, server.Counters.Drops(OpenResult.TooOld));
    }

    [Fact]
    public void A_packet_opened_but_not_accepted_leaves_no_trace()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        server.TrySend(Lane.Action, "event"u8);
        byte[] packet = Packet(server, 0);
        Assert.Equal(OpenResult.Opened, client.TryOpen([.. packet], 0, out _));
        client.CountRefused();
        Assert.False(client.HasAccepted);
        Assert.False(client.TryReceive(out _, out _));
        Assert.Equal(1, client.Counters.Drops(OpenResult.NotAccepted));
        Assert.Equal(OpenResult.Opened, server.TryOpen(Packet(client, 0), 0, out OpenedPacket reply));
        Assert.False(reply.HasAcks);
        Assert.Equal(OpenResult.Opened, Take(client, packet));
        Assert.True(client.TryReceive(out _, out ReadOnlySpan<byte> message));
        Assert.Equal("event"u8, message);
    }

    [Fact]
    public void What_a_client_does_not_accept_is_sent_again_and_never_acked()
    {
        var pair = new ConnectedPair(8, "broadband");
        pair.Connect();
        pair.ClientAccepts = packet => packet.Sequence.Value % 2 == 0;
        var acked = new HashSet<uint>();
        pair.OnServerAck = update =>
        {
            for (int back = 0; back <= 32 && update.Advanced; back++)
            {
                if (update.Field.Holds(update.Newest - back))
                    acked.Add((update.Newest - back).Value);
            }
        };
        for (byte i = 0; i < 50; i++)
            pair.Server!.TrySend(Lane.Chat, [i]);
        Assert.True(pair.Run(10, () => pair.ClientReceived.Count == 50));
        pair.Run(1);
        Assert.All(acked, sequence => Assert.Equal(0u, sequence % 2));
        Assert.True(acked.Count > 10);
        Assert.InRange(pair.Server!.LossShare, 0.4, 0.6);
    }

    [Fact]
    public void A_replayed_or_foreign_packet_is_dropped_by_reason()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] first = Packet(server, 0);
        Assert.Equal(OpenResult.Opened, Take(client, first));
        Assert.Equal(OpenResult.Duplicate, Take(client, first));
        byte[] foreign = Packet(server, 0);
        foreign[1] ^= 1;
        Assert.Equal(OpenResult.Foreign, Take(client, foreign));
        byte[] renumbered = (byte[])first.Clone();
        renumbered[2] = 9;
        Assert.Equal(OpenResult.BadSeal, Take(client, renumbered));
        byte[] ownPacket = Packet(client, 0);
        Assert.NotEqual(OpenResult.Opened, Take(client, ownPacket));
        Assert.Equal(OpenResult.Malformed, Take(client, [11, 1, 2]));
        Assert.Equal(OpenResult.Malformed, Take(client, []));
    }

    [Fact]
    public void An_ack_of_a_packet_never_sent_drops_the_whole_packet()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] datagram = new byte[1200];
        for (int i = 0; i < 3; i++)
            Packet(server, 0);
        OpenResult Try(ushort newest, uint bits)
        {
            datagram[11] = 1;
            BitConverter.TryWriteBytes(datagram.AsSpan(12), newest);
            BitConverter.TryWriteBytes(datagram.AsSpan(14), bits);
            int bytes = client.SealRaw(datagram, PacketType.Payload, 7, 0);
            return server.TryOpen(datagram.AsSpan(0, bytes), 0, out _);
        }

        Assert.Equal(OpenResult.AckOfUnsent, Try(3, 0));
        Assert.Equal(OpenResult.AckOfUnsent, Try(ushort.MaxValue, 0));
        Assert.Equal(OpenResult.AckOfUnsent, Try(2, 0b100));
        Assert.Equal(OpenResult.AckOfUnsent, Try(0, 1));
        Assert.Equal(OpenResult.Opened, Try(2, 0b11));
        Assert.Equal(OpenResult.Opened, Try(0, 0));
        Assert.Equal(4, server.Counters.Drops(OpenResult.AckOfUnsent));
        Assert.False(server.HasAccepted);
    }

    [Theory]
    [InlineData(0xFFFF_FF00u)]
    [InlineData(0x0000_FFE0u)]
    [InlineData(0x7FFF_FFE0u)]
    public void Packets_and_lanes_flow_across_every_wrap(uint first)
    {
        var options = new ConnectionOptions { FirstSequence = new SequenceNumber(first) };
        var pair = new ConnectedPair(first, "hell", options);
        pair.Connect();
        for (int i = 0; i < 200; i++)
        {
            pair.Server!.TrySend(Lane.Action, BitConverter.GetBytes(i));
            pair.Run(0.1);
        }

        Assert.True(pair.Run(20, () => pair.ClientReceived.Count == 200));
        Assert.Equal(Enumerable.Range(0, 200), pair.ClientReceived.Select(received => BitConverter.ToInt32(received.Message)));
        Assert.True(pair.Client.NewestAccepted - new SequenceNumber(first) > 500);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_does_not_widen_accepts_nothing_after_the_wrap(bool widens)
    {
        var options = new ConnectionOptions { FirstSequence = new SequenceNumber(65_500), WidensSequence = widens };
        var pair = new ConnectedPair(13, "lan", options, options with { WidensSequence = true });
        pair.Connect();
        pair.Run(5);
        if (widens)
            Assert.InRange(pair.Client.Counters.AcceptedPackets, 140, 160);
        else
            Assert.InRange(pair.Client.Counters.AcceptedPackets, 30, 36);
    }

    [Fact]
    public void A_packet_with_the_room_that_is_asked_for_carries_all_that_is_due()
    {
        (_, Connection server) = PacketTests.Connected();
        foreach (int bytes in (int[])[0, 1, 239, 240, 241, 600, 720, 1000])
        {
            Assert.Equal(SendResult.Sent, server.TrySend(Lane.Chat, new byte[bytes]));
            Packet(server, 0, server.PendingLaneBytes(0));
            Assert.Equal(0, server.PendingLaneBytes(0));
        }
    }

    [Fact]
    public void Silence_ends_both_ends_after_the_time_out_and_not_before()
    {
        var pair = new ConnectedPair(9);
        pair.Connect();
        pair.Run(1);
        long silentNs = pair.NowNs;
        pair.Network.AddOutage(ConnectedPair.ClientAddress, ConnectedPair.ServerAddress, silentNs, long.MaxValue);
        pair.Network.AddOutage(ConnectedPair.ServerAddress, ConnectedPair.ClientAddress, silentNs, long.MaxValue);
        pair.Run(9.9);
        Assert.Equal((ConnectionState.Connected, ConnectionState.Connected), (pair.Client.State, pair.Server!.State));
        pair.Run(0.3);
        Assert.Equal(CloseCause.TimedOut, pair.Client.CloseReason.Cause);
        Assert.Equal(CloseCause.TimedOut, pair.Server.CloseReason.Cause);
        Assert.Equal(SendResult.Closed, pair.Client.TrySend(Lane.Chat, "x"u8));
    }

    [Fact]
    public void A_keep_alive_is_due_only_after_silence_of_ours()
    {
        (Connection client, _) = PacketTests.Connected();
        Assert.False(client.KeepAliveDue(499_999_999));
        Assert.True(client.KeepAliveDue(500_000_000));
        Packet(client, 500_000_000);
        Assert.False(client.KeepAliveDue(999_999_999));
        Assert.True(client.KeepAliveDue(1_000_000_000));
    }

    [Theory]
    [InlineData("lan")]
    [InlineData("hell")]
    public void A_goodbye_reaches_the_other_end_with_its_reason(string profile)
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var pair = new ConnectedPair(seed, profile);
            pair.Connect();
            pair.Run(0.5);
            pair.Server!.Close(CloseCode.ShuttingDown, pair.NowNs);
            pair.Run(1);
            Assert.Equal(new CloseReason(CloseCause.Local, CloseCode.ShuttingDown), pair.Server.CloseReason);
            // Four goodbyes at 20 % loss: all are lost once in 625.
            Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.ShuttingDown), pair.Client.CloseReason);
        }
    }

    [Fact]
    public void Round_trip_and_loss_are_those_of_the_link()
    {
        var pair = new ConnectedPair(10, "audit-10pct");
        pair.Connect();
        pair.Run(30);
        // 200 ms of link, and up to a tick of waiting at each end.
        Assert.InRange(pair.Server!.SmoothedRttNs, 190_000_000, 300_000_000);
        Assert.InRange(pair.Server.MinRttNs, 150_000_000, 250_000_000);
        Assert.InRange(pair.Client.LossShare, 0.02, 0.2);
        Assert.InRange((double)pair.Client.Counters.LostPackets / pair.Client.Counters.SentPackets, 0.07, 0.13);
        Assert.True(pair.Client.JitterNs > 0);
    }

    [Fact]
    public void Corrupted_and_copied_datagrams_do_no_harm()
    {
        var nasty = new LinkProfile { DelayNs = 20_000_000, JitterNs = 10_000_000, CorruptShare = 0.2, DuplicateShare = 0.2, ReorderShare = 0.1, ReorderNs = 50_000_000 };
        var pair = new ConnectedPair(11, nasty);
        pair.Connect();
        for (int i = 0; i < 100; i++)
        {
            pair.Client.TrySend(Lane.Action, BitConverter.GetBytes(i));
            pair.Run(0.1);
        }

        Assert.True(pair.Run(5, () => pair.ServerReceived.Count == 100));
        Assert.Equal(Enumerable.Range(0, 100), pair.ServerReceived.Select(received => BitConverter.ToInt32(received.Message)));
        Assert.True(pair.Server!.Counters.Drops(OpenResult.BadSeal) > 20);
        Assert.True(pair.Server.Counters.Drops(OpenResult.Duplicate) > 20);
    }

    [Fact]
    public void A_steady_exchange_allocates_nothing()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] datagram = new byte[1200];
        byte[] message = new byte[600];
        long nowNs = 0;
        void Exchange(Connection from, Connection to, bool isLost)
        {
            from.TrySend(Lane.Action, message.AsSpan(0, 20));
            from.TrySend(Lane.Bulk, message);
            from.BeginPacket(datagram, nowNs, Math.Min(1000, from.PendingLaneBytes(nowNs)), out _);
            int bytes = from.FinishPacket(datagram, 50, nowNs);
            if (isLost || to.TryOpen(datagram.AsSpan(0, bytes), nowNs, out OpenedPacket packet) != OpenResult.Opened)
                return;
            to.Accept(packet, datagram.AsSpan(0, bytes), nowNs);
            while (to.TryReceive(out _, out _))
            {
            }

            to.Poll(nowNs, datagram);
        }

        void Steps(int count)
        {
            for (int i = 0; i < count; i++)
            {
                nowNs += 33_000_000;
                Exchange(client, server, i % 10 == 3);
                Exchange(server, client, i % 10 == 7);
            }
        }

        Assert.Equal(0, Allocation.SteadyBytes(() => Steps(500)));
        Assert.True(server.Counters.AcceptedPackets > 1000);
        Assert.True(client.ResentFragments > 100);
    }

    [Fact]
    public void An_idle_connection_is_small()
    {
        ConnectRequest request = TestTokens.Verified(new Random128(1, 2), new Random128(3, 4), TestTokens.Mint());
        Connection.FromRequest(ConnectionOptions.Default, request, 1, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var connections = new Connection[100];
        for (int i = 0; i < connections.Length; i++)
            connections[i] = Connection.FromRequest(ConnectionOptions.Default, request, 1, 0);
        long bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / connections.Length;
        Assert.InRange(bytes, 1, 3000);
        GC.KeepAlive(connections);
    }

    [Fact]
    public void Options_out_of_range_are_named_with_value_and_range()
    {
        var options = new ConnectionOptions { KeepAliveNs = 1 };
        OptionException error = Assert.Throws<OptionException>(options.Validate);
        Assert.Equal(("KeepAliveNs", "1", "50000000 to 3333333333 ns"), (error.Name, error.Value, error.Range));
        Assert.Throws<OptionException>(() => new ConnectionOptions { Bulk = new LaneOptions(0, 1000) }.Validate());
        ConnectionOptions.Default.Validate();
    }

    internal static byte[] Packet(Connection connection, long nowNs, int laneBytesMax = 1000)
    {
        byte[] datagram = new byte[1200];
        connection.BeginPacket(datagram, nowNs, laneBytesMax, out _);
        return datagram[..connection.FinishPacket(datagram, 0, nowNs)];
    }

    internal static OpenResult Take(Connection connection, byte[] datagram, long nowNs = 0)
    {
        datagram = [.. datagram];   // it is opened in place
        OpenResult result = connection.TryOpen(datagram, nowNs, out OpenedPacket packet);
        if (result == OpenResult.Opened)
            connection.Accept(packet, datagram, nowNs);
        return result;
    }
}
