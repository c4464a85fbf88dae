using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class PacketTests
{
    private static readonly Random128 ClientRandom = new(0x0706050403020100, 0x0F0E0D0C0B0A0908);
    private static readonly Random128 ServerRandom = new(0x1716151413121110, 0x1F1E1D1C1B1A1918);

    [Fact]
    public void Headers_come_back_and_have_these_bytes()
    {
        var header = new PacketHeader(PacketType.Payload, 0x8877665544332211, 0xBBAA);
        byte[] datagram = new byte[40];
        header.WriteFromClient(datagram);
        Assert.Equal("051122334455667788AABB", Convert.ToHexString(datagram.AsSpan(0, PacketHeader.ClientHeaderBytes)));
        Assert.True(PacketHeader.TryReadFromClient(datagram, out PacketHeader read));
        Assert.Equal(header, read);
        (header with { Type = PacketType.Close }).WriteFromServer(datagram);
        Assert.Equal("0611AABB", Convert.ToHexString(datagram.AsSpan(0, PacketHeader.ServerHeaderBytes)));
        Assert.True(PacketHeader.TryReadFromServer(datagram, out read));
        Assert.Equal(new PacketHeader(PacketType.Close, 0x11, 0xBBAA), read);
    }

    [Fact]
    public void Headers_of_other_types_or_lengths_are_not_read()
    {
        byte[] datagram = new byte[1300];
        for (int first = 0; first < 256; first++)
        {
            datagram[0] = (byte)first;
            bool isPacket = first is 5 or 6;
            Assert.Equal(first <= 6, PacketHeader.TryReadType(datagram, out _));
            for (int length = 0; length <= 40; length++)
            {
                Assert.Equal(isPacket && length >= 27, PacketHeader.TryReadFromClient(datagram.AsSpan(0, length), out _));
                Assert.Equal(isPacket && length >= 20, PacketHeader.TryReadFromServer(datagram.AsSpan(0, length), out _));
            }

            Assert.Equal(isPacket, PacketHeader.TryReadFromClient(datagram.AsSpan(0, 1200), out _));
            Assert.False(PacketHeader.TryReadFromClient(datagram.AsSpan(0, 1201), out _));
        }

        Assert.False(PacketHeader.TryReadType([], out _));
    }

    [Fact]
    public void The_seal_opens_only_the_same_bytes_under_the_same_key_and_number()
    {
        var seal = new PacketSeal(ClientRandom, ServerRandom);
        var random = new SeededRandom(9);
        for (int bodyBytes = 0; bodyBytes < 60; bodyBytes++)
        {
            byte[] datagram = new byte[4 + bodyBytes + 16];
            for (int i = 0; i < datagram.Length; i++)
                datagram[i] = (byte)random.NextUInt64();
            ulong nonce = random.NextUInt64();
            Assert.Equal(datagram.Length, seal.Seal(datagram, 4, bodyBytes, nonce));
            Assert.True(seal.TryOpen(datagram, 4, nonce, out int opened));
            Assert.Equal(bodyBytes, opened);
            Assert.False(seal.TryOpen(datagram, 4, nonce + 1, out _));
            Assert.False(seal.TryOpen(datagram, 4, nonce ^ (1UL << 63), out _));
            Assert.False(new PacketSeal(ServerRandom, ClientRandom).TryOpen(datagram, 4, nonce, out _));
            for (int bit = 0; bit < datagram.Length * 8; bit++)
            {
                datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
                Assert.False(seal.TryOpen(datagram, 4, nonce, out _));
                datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
            }

            for (int length = 0; length < datagram.Length; length++)
                Assert.False(seal.TryOpen(datagram.AsSpan(0, length), 4, nonce, out _));
        }
    }

    [Fact]
    public void The_seal_has_these_bytes()
    {
        var seal = new PacketSeal(ClientRandom, ServerRandom);
        byte[] datagram = new byte[4 + 3 + 16];
        new PacketHeader(PacketType.Payload, 1, 2).WriteFromServer(datagram);
        "abc"u8.CopyTo(datagram.AsSpan(4));
        seal.Seal(datagram, 4, 3, PacketSeal.Nonce(ConnectionSide.Server, new SequenceNumber(2)));
        Assert.Equal(Golden.Seal, Convert.ToHexString(datagram));
    }

    [Fact]
    public void Handshake_packets_have_these_bytes()
    {
        byte[] packet = new byte[1200];
        var challenge = new Challenge(ClientRandom, ServerRandom, 0x0102030405060708);
        byte[] cookie = [.. Enumerable.Range(0x40, 32).Select(i => (byte)i)];
        Assert.Equal(1200, Handshake.WriteRequest(packet, 1, ClientRandom));
        Assert.Equal(Golden.Request, Short(packet, 1200));
        Assert.Equal(89, Handshake.WriteChallenge(packet, challenge, cookie));
        Assert.Equal(Golden.Challenge, Short(packet, 89));
        Assert.Equal(1200, Handshake.WriteResponse(packet, challenge, cookie, 0x1122334455667788, new Hash256(1, 2, 3, 4)));
        Assert.Equal(Golden.Response, Short(packet, 1200));
        Assert.Equal(41, Handshake.WriteAccepted(packet, ClientRandom, ServerRandom, 0xAABBCCDDEEFF0011));
        Assert.Equal(Golden.Accepted, Short(packet, 41));
        Assert.Equal(39, Handshake.WriteRefused(packet, ClientRandom, RefuseReason.Full, "full"));
        Assert.Equal(Golden.Refused, Short(packet, 39));
    }

    [Fact]
    public void Handshake_packets_come_back()
    {
        byte[] packet = new byte[1200];
        var challenge = new Challenge(ClientRandom, ServerRandom, 99);
        byte[] cookie = new byte[32];
        cookie[5] = 9;
        Handshake.WriteRequest(packet, 7, ClientRandom);
        Assert.True(Handshake.TryReadRequest(packet, out ushort version, out Random128 random));
        Assert.Equal((7, ClientRandom), (version, random));
        Handshake.WriteChallenge(packet, challenge, cookie);
        Assert.True(Handshake.TryReadChallenge(packet.AsSpan(0, 89), out Challenge read, out ReadOnlySpan<byte> readCookie));
        Assert.Equal(challenge, read);
        Assert.Equal(cookie, readCookie.ToArray());
        var map = new Hash256(4, 3, 2, 1);
        Handshake.WriteResponse(packet, challenge, cookie, 5, map);
        Assert.True(Handshake.TryReadResponse(packet, out read, out readCookie, out ulong schema, out Hash256 readMap));
        Assert.Equal((challenge, 5UL, map), (read, schema, readMap));
        Assert.Equal(cookie, readCookie.ToArray());
        int bytes = Handshake.WriteRefused(packet, ClientRandom, RefuseReason.Banned, new string('ä', 150));
        Assert.Equal(Handshake.RefusedBytesMax, bytes);
        Assert.True(Handshake.TryReadRefused(packet.AsSpan(0, bytes), ClientRandom, out RefuseReason reason, out string text));
        Assert.Equal((RefuseReason.Banned, new string('ä', 100)), (reason, text));
    }

    [Fact]
    public void Handshake_packets_cut_anywhere_or_with_a_bit_changed_are_not_read()
    {
        byte[][] packets = HandshakePackets();
        foreach (byte[] packet in packets)
        {
            Assert.True(IsRead(packet));
            for (int length = 0; length < packet.Length; length++)
                Assert.False(IsRead(packet.AsSpan(0, length)));
            Assert.False(IsRead([.. packet, 0]));
            for (int bit = 0; bit < packet.Length * 8; bit++)
            {
                packet[bit >> 3] ^= (byte)(1 << (bit & 7));
                Assert.False(IsRead(packet), $"type {packet[0]}, bit {bit}");
                packet[bit >> 3] ^= (byte)(1 << (bit & 7));
            }
        }
    }

    [Fact]
    public void Random_bytes_are_never_a_handshake_packet_nor_an_exception()
    {
        var random = new SeededRandom(12);
        byte[] bytes = new byte[1300];
        foreach (int length in (int[])[0, 1, 16, 39, 41, 89, 235, 1199, 1200, 1201, 1300])
        {
            for (int i = 0; i < 500; i++)
            {
                for (int j = 0; j < length; j++)
                    bytes[j] = (byte)random.NextUInt64();
                if (length > 0)
                    bytes[0] = (byte)(i % 8);
                Assert.False(IsRead(bytes.AsSpan(0, length)));
            }
        }
    }

    [Fact]
    public void Payload_packets_have_these_bytes()
    {
        (Connection client, Connection server) = Connected();
        byte[] datagram = new byte[1200];
        client.TrySend(Lane.Action, "hi"u8);
        client.BeginPacket(datagram, 0, 1000, out int tailOffset);
        "tail"u8.CopyTo(datagram.AsSpan(tailOffset));
        int bytes = client.FinishPacket(datagram, 4, 0);
        Assert.Equal(Golden.ClientPayload, Convert.ToHexString(datagram.AsSpan(0, bytes)));
        Assert.Equal(OpenResult.Opened, server.TryOpen(datagram.AsSpan(0, bytes), 0, out OpenedPacket packet));
        server.Accept(packet, datagram.AsSpan(0, bytes), 0);
        server.BeginPacket(datagram, 0, 1000, out _);
        bytes = server.FinishPacket(datagram, 0, 0);
        Assert.Equal(Golden.ServerPayload, Convert.ToHexString(datagram.AsSpan(0, bytes)));
        Assert.Equal(OpenResult.Opened, client.TryOpen(datagram.AsSpan(0, bytes), 0, out packet));
        Assert.Equal(new AckField(new SequenceNumber(0), 0), packet.Acks);
        server.Close(CloseCode.Kicked, 0);
        bytes = server.Poll(0, datagram);
        Assert.Equal(Golden.Close, Convert.ToHexString(datagram.AsSpan(0, bytes)));
    }

    [Fact]
    public void A_payload_packet_cut_anywhere_or_with_a_bit_changed_is_dropped_and_counted()
    {
        (Connection client, Connection server) = Connected();
        byte[] datagram = new byte[1200];
        client.TrySend(Lane.Chat, new byte[50]);
        client.BeginPacket(datagram, 0, 1000, out _);
        int bytes = client.FinishPacket(datagram, 30, 0);
        Span<byte> whole = datagram.AsSpan(0, bytes);
        for (int length = 0; length < bytes; length++)
            Assert.NotEqual(OpenResult.Opened, server.TryOpen(whole[..length], 0, out _));
        for (int bit = 0; bit < bytes * 8; bit++)
        {
            whole[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.NotEqual(OpenResult.Opened, server.TryOpen(whole, 0, out _));
            whole[bit >> 3] ^= (byte)(1 << (bit & 7));
        }

        long drops = 0;
        for (OpenResult reason = OpenResult.Opened; reason <= OpenResult.NotAccepted; reason++)
            drops += server.Counters.Drops(reason);
        Assert.Equal(bytes + (bytes * 8L), drops);
        Assert.Equal(OpenResult.Opened, server.TryOpen(whole, 0, out _));
    }

    [Fact]
    public void Sealed_nonsense_is_dropped_without_an_exception_and_without_a_trace()
    {
        var random = new SeededRandom(31);
        var seal = new PacketSeal(ClientRandom, ServerRandom);
        (_, Connection server) = Connected();
        byte[] datagram = new byte[1200];
        int opened = 0;
        for (uint i = 0; i < 50_000; i++)
        {
            var sequence = new SequenceNumber(i % 30_000);
            new PacketHeader(i % 50 == 0 ? PacketType.Close : PacketType.Payload, 5, sequence.Wire).WriteFromClient(datagram);
            int bodyBytes = random.Next(0, 60);
            for (int j = 0; j < bodyBytes; j++)
                datagram[11 + j] = (byte)random.NextUInt64();
            if (bodyBytes > 0)
                datagram[11] &= 15;
            if (bodyBytes > 8)
                datagram[18] &= 3;   // few lane segments, so that some are read to their end
            int bytes = seal.Seal(datagram, 11, bodyBytes, PacketSeal.Nonce(ConnectionSide.Client, sequence));
            if (server.TryOpen(datagram.AsSpan(0, bytes), 0, out OpenedPacket packet) != OpenResult.Opened)
                continue;
            opened++;
            Assert.InRange(packet.TailOffset + packet.TailBytes, 11, bytes - 16);
        }

        Assert.InRange(opened, 1, 49_000);
        Assert.False(server.HasAccepted);
        Assert.Equal(0, server.LaneMemoryBytes);
    }

    internal static (Connection Client, Connection Server) Connected(ConnectionOptions? options = null)
    {
        options ??= ConnectionOptions.Default;
        var request = new ConnectRequest { ClientRandom = ClientRandom, ServerRandom = ServerRandom };
        var server = Connection.FromRequest(options, request, 5, 0);
        var client = Connection.Connect(options, ClientRandom, 0, default, 0);
        byte[] packet = new byte[1200];
        client.Poll(0, packet);
        Handshake.WriteChallenge(packet, new Challenge(ClientRandom, ServerRandom, 0), new byte[32]);
        Assert.Equal(OpenResult.Handshake, client.TryOpen(packet.AsSpan(0, 89), 0, out _));
        HandshakeServer.WriteAccepted(request, 5, packet);
        Assert.Equal(OpenResult.Handshake, client.TryOpen(packet.AsSpan(0, 41), 0, out _));
        return (client, server);
    }

    private static byte[][] HandshakePackets()
    {
        var challenge = new Challenge(ClientRandom, ServerRandom, 7);
        byte[][] packets = [new byte[1200], new byte[89], new byte[1200], new byte[41], new byte[300]];
        Handshake.WriteRequest(packets[0], 1, ClientRandom);
        Handshake.WriteChallenge(packets[1], challenge, new byte[32]);
        Handshake.WriteResponse(packets[2], challenge, new byte[32], 8, default);
        Handshake.WriteAccepted(packets[3], ClientRandom, ServerRandom, 6);
        packets[4] = packets[4][..Handshake.WriteRefused(packets[4], ClientRandom, RefuseReason.Full, "no place")];
        return packets;
    }

    private static bool IsRead(ReadOnlySpan<byte> packet) =>
        Handshake.TryReadRequest(packet, out _, out _) || Handshake.TryReadChallenge(packet, out _, out _)
        || Handshake.TryReadResponse(packet, out _, out _, out _, out _) || Handshake.TryReadAccepted(packet, ClientRandom, ServerRandom, out _)
        || Handshake.TryReadRefused(packet, ClientRandom, out _, out _);

    // Long runs of zeros are the padding: told by their count.
    private static string Short(byte[] packet, int bytes)
    {
        string hex = Convert.ToHexString(packet.AsSpan(0, bytes - 16)).TrimEnd('0');
        hex += (hex.Length & 1) != 0 ? "0" : "";
        return $"{hex} +{bytes - 16 - (hex.Length / 2)} {Convert.ToHexString(packet.AsSpan(bytes - 16, 16))}";
    }

    // Made by a few lines of Python from the layouts in the doc comments, not by this code.
    private static class Golden
    {
        public const string Seal = "050102006162630A500CABD647D5E2B234F885C295E47D";
        public const string Request = "00484543540100000102030405060708090A0B0C0D0E0F +1161 C37EE797FED1D54CFDF3EDDA57A819C5";
        public const string Challenge = "01000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F0807060504030201404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F +0 132D09BA071B3B0076F77767AF987D2A";
        public const string Response = "02000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F0807060504030201404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F887766554433221101000000000000000200000000000000030000000000000004 +1078 ED91D8DBF661ACFDD2A863F322E5EA7A";
        public const string Accepted = "03000102030405060708090A0B0C0D0E0F1100FFEEDDCCBBAA +0 6F73E15B13B26CAE7CF5D31D10073E6F";
        public const string Refused = "04000102030405060708090A0B0C0D0E0F020466756C6C +0 823625C6CC95BF099B47BC1550383CCF";
        public const string ClientPayload = "050500000000000000000006010D00000268697461696CE0505B3E70C9693A8992569FB16848D7";
        public const string ServerPayload = "05050000010000000000002156BD2A7CAB38E217DC82B3972E0353";
        public const string Close = "0605010002F4D076FB3F2B023677962AD839D515D0";
    }
}
