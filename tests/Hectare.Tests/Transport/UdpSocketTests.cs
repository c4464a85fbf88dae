using System.Diagnostics;
using System.Runtime.CompilerServices;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>Real datagrams, on loopback only and few.</summary>
public sealed class UdpSocketTests
{
    [Theory]
    [InlineData(UdpSocketMode.Auto, UdpSocketMode.Auto)]
    [InlineData(UdpSocketMode.Framework, UdpSocketMode.Framework)]
    [InlineData(UdpSocketMode.Auto, UdpSocketMode.Framework)]
    [InlineData(UdpSocketMode.Framework, UdpSocketMode.Auto)]
    public void Both_modes_carry_the_same_bytes(UdpSocketMode sender, UdpSocketMode receiver)
    {
        using UdpSocket a = Open(sender);
        using UdpSocket b = Open(receiver);
        var batch = new DatagramBatch(200);
        for (int i = 0; i < 150; i++)
        {
            batch.Buffer(i)[..(i * 8)].Fill((byte)i);
            batch.Add(b.LocalAddress, i * 8);
        }

        Assert.Equal(150, a.Send(batch));
        List<byte[]> received = ReceiveAll(b, 150, a.LocalAddress);
        for (int i = 0; i < 150; i++)
        {
            Assert.Equal(i * 8, received[i].Length);
            Assert.All(received[i], one => Assert.Equal((byte)i, one));
        }

        Assert.Equal((150, 150), (a.Counters.SentDatagrams, b.Counters.ReceivedDatagrams));
        Assert.Equal(a.Counters.SentBytes, b.Counters.ReceivedBytes);
        Assert.Equal(0, b.Receive(batch));
        Assert.Equal(0, batch.Count);
    }

    [Theory]
    [InlineData(UdpSocketMode.Auto)]
    [InlineData(UdpSocketMode.Framework)]
    public void A_datagram_that_fills_its_slot_is_counted_and_empty(UdpSocketMode mode)
    {
        using UdpSocket a = Open(mode);
        using UdpSocket b = Open(mode);
        var batch = new DatagramBatch(4);
        batch.Add(b.LocalAddress, DatagramBatch.SlotBytes);
        batch.Buffer(1)[0] = 42;
        batch.Add(b.LocalAddress, 1);
        Assert.Equal(2, a.Send(batch));
        List<byte[]> received = ReceiveAll(b, 2, a.LocalAddress);
        Assert.Empty(received[0]);
        Assert.Equal(42, Assert.Single(received[1]));
        Assert.Equal(1, b.Counters.ReceivedTooLong);
    }

    [Theory]
    [InlineData(UdpSocketMode.Auto)]
    [InlineData(UdpSocketMode.Framework)]
    public void What_the_system_refuses_does_not_keep_the_rest_back(UdpSocketMode mode)
    {
        using UdpSocket a = Open(mode);
        using UdpSocket b = Open(mode);
        var batch = new DatagramBatch(4);
        batch.Add(b.LocalAddress, 10);
        batch.Add(PeerAddress.Parse("255.255.255.255:9"), 10);   // broadcast is not permitted to this socket
        batch.Add(b.LocalAddress, 11);
        Assert.Equal(2, a.Send(batch));
        Assert.Equal(1, a.Counters.SendErrors);
        Assert.Equal([10, 11], ReceiveAll(b, 2, a.LocalAddress).Select(one => one.Length));
    }

    [Fact]
    public void One_socket_speaks_as_many_addresses_by_packet_info()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "IP_PKTINFO source addresses are Linux only");
        using var bots = new UdpSocket(new UdpSocketOptions { PacketInfo = true });
        using UdpSocket server = Open(UdpSocketMode.Auto);
        int port = bots.LocalAddress.Port;
        var batch = new DatagramBatch(100);
        for (int i = 0; i < 100; i++)
        {
            batch.Buffer(i)[0] = (byte)i;
            batch.Add(server.LocalAddress, 1, PeerAddress.FromIPv4(Bot(i), port));
        }

        Assert.Equal(100, bots.Send(batch));
        var replies = new DatagramBatch(100);
        var seen = new HashSet<PeerAddress>();
        while (seen.Count < 100 && server.WaitReadable(1000))
        {
            server.Receive(batch);
            replies.Clear();
            for (int i = 0; i < batch.Count; i++)
            {
                int bot = batch.Datagram(i)[0];
                Assert.Equal(PeerAddress.FromIPv4(Bot(bot), port), batch.Address[i]);
                seen.Add(batch.Address[i]);
                replies.Buffer(replies.Count)[0] = (byte)bot;
                replies.Add(batch.Address[i], 1);
            }

            server.Send(replies);
        }

        Assert.Equal(100, seen.Count);
        int answered = 0;
        while (answered < 100 && bots.WaitReadable(1000))
        {
            bots.Receive(batch);
            for (int i = 0; i < batch.Count; i++, answered++)
                Assert.Equal(PeerAddress.FromIPv4(Bot(batch.Datagram(i)[0]), port), batch.Local[i]);
        }

        Assert.Equal(100, answered);
    }

    [Fact]
    public void Packet_info_where_it_is_not_is_refused_at_start()
    {
        Assert.Throws<NotSupportedException>(() => new UdpSocket(new UdpSocketOptions { PacketInfo = true, Mode = UdpSocketMode.Framework }));
        Assert.Throws<NotSupportedException>(() => new UdpSocket(new UdpSocketOptions { PacketInfo = true, Bind = PeerAddress.Parse("[::1]:0") }));
    }

    [Fact]
    public void An_address_in_use_is_told_even_behind_reuse_port()
    {
        using var first = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReusePort = true });
        PeerAddress address = first.LocalAddress;
        using (var second = new UdpSocket(new UdpSocketOptions { Bind = address, ReusePort = true }))
            Assert.Equal(address, second.LocalAddress);
        AddressInUseException error = Assert.Throws<AddressInUseException>(() => UdpSocket.ThrowIfInUse(address));
        Assert.Equal(address, error.Address);
        Assert.Throws<AddressInUseException>(() => UdpSocket.ThrowIfInUse(PeerAddress.AnyIPv4(address.Port)));
        Assert.Throws<AddressInUseException>(() => new UdpSocket(new UdpSocketOptions { Bind = address }));
        first.Dispose();
        UdpSocket.ThrowIfInUse(address);
    }

    [Theory]
    [InlineData(UdpSocketMode.Auto)]
    [InlineData(UdpSocketMode.Framework)]
    public void IPv6_and_mapped_IPv4_reach_a_dual_socket(UdpSocketMode mode)
    {
        UdpSocket both;
        try
        {
            both = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Parse("[::]:0"), Mode = mode });
        }
        catch (System.Net.Sockets.SocketException)
        {
            return;   // by design: a machine without IPv6 has nothing to test here, and a skip would fail its build
        }

        using UdpSocket four = Open(mode);
        var batch = new DatagramBatch(4);
        batch.Add(PeerAddress.Loopback(both.LocalAddress.Port), 3);
        four.Send(batch);
        Assert.True(both.WaitReadable(1000));
        Assert.Equal(1, both.Receive(batch));
        Assert.Equal(four.LocalAddress, batch.Address[0]);
        both.Send(batch);
        Assert.Equal([3], ReceiveAll(four, 1, PeerAddress.Loopback(both.LocalAddress.Port)).Select(one => one.Length));
        both.Dispose();
    }

    [Fact]
    public void The_granted_buffer_is_told()
    {
        using UdpSocket socket = new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReceiveBufferBytes = 64 * 1024 });
        Assert.InRange(socket.GrantedReceiveBufferBytes, 32 * 1024, 256 * 1024);
    }

    [Fact]
    public void A_full_send_buffer_drops_and_never_blocks()
    {
        using UdpSocket a = new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), SendBufferBytes = 4096 });
        using UdpSocket b = Open(UdpSocketMode.Auto);
        var batch = new DatagramBatch(256);
        for (int i = 0; i < 256; i++)
            batch.Add(b.LocalAddress, 1200);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 20; i++)
            a.Send(batch);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5));
        Assert.Equal(20 * 256, a.Counters.SentDatagrams + a.Counters.SendBufferFull + a.Counters.SendErrors);
    }

    [Theory]
    [InlineData(UdpSocketMode.Auto)]
    [InlineData(UdpSocketMode.Framework)]
    public void Steady_traffic_allocates_nothing(UdpSocketMode mode)
    {
        using UdpSocket a = Open(mode);
        using UdpSocket b = Open(mode);
        var batch = new DatagramBatch(32);
        int total = 0;
        void Steps(int count)
        {
            for (int i = 0; i < count; i++)
            {
                batch.Clear();
                for (int j = 0; j < 32; j++)
                    batch.Add(b.LocalAddress, 100);
                a.Send(batch);
                b.WaitReadable(100);
                total += b.Receive(batch);
                b.Receive(batch);
            }
        }

        Assert.Equal(0, Allocation.SteadyBytes(() => Steps(100)));
        Assert.True(total > 3 * 3000);
    }

    [Fact]
    public void The_structs_have_the_kernels_sizes()
    {
        // The trap: mmsghdr nests msghdr; flattened, its length would land at 52.
        Assert.Equal(64, Unsafe.SizeOf<Libc.MessageHeader>());
        Assert.Equal(16, Unsafe.SizeOf<Libc.IoVector>());
        Assert.Equal(32, Unsafe.SizeOf<Libc.PacketInfoControl>());
        Assert.Equal(32, Unsafe.SizeOf<Libc.Address>());
    }

    private static uint Bot(int i) => 0x7F01_0001u + (uint)i;

    private static UdpSocket Open(UdpSocketMode mode) => new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), Mode = mode });

    private static List<byte[]> ReceiveAll(UdpSocket socket, int count, PeerAddress from)
    {
        var received = new List<byte[]>();
        var batch = new DatagramBatch();
        while (received.Count < count && socket.WaitReadable(1000))
        {
            socket.Receive(batch);
            for (int i = 0; i < batch.Count; i++)
            {
                Assert.Equal(from, batch.Address[i]);
                received.Add(batch.Datagram(i).ToArray());
            }
        }

        Assert.Equal(count, received.Count);
        return received;
    }
}
