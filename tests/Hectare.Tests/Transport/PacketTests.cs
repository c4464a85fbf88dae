using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Tests.Transport;

public sealed class PacketTests
{
    private static readonly Random128 ClientRandom = new(0x0706050403020100, 0x0F0E0D0C0B0A0908);
    private static readonly Random128 ServerRandom = new(0x1716151413121110, 0x1F1E1D1C1B1A1918);
    private static readonly ConnectToken Token = TestTokens.Mint();
    private static readonly ConnectionKeys Keys = ConnectionKeys.Derive(Token.Secret, ClientRandom, ServerRandom, Handshake.ProtocolVersion, CipherSuite.Aes256Gcm);

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
            bool isPacket = first is 5 or 6 or 7 or 8;
            Assert.Equal(first <= 10, PacketHeader.TryReadType(datagram, out _));
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
        var random = new SeededRandom(9);
        for (int bodyBytes = 0; bodyBytes < 40; bodyBytes++)
        {
            byte[] datagram = new byte[4 + bodyBytes + 16];
            for (int i = 0; i < datagram.Length; i++)
                datagram[i] = (byte)random.NextUInt64();
            byte[] plain = datagram[..(4 + bodyBytes)];
            Assert.Equal(datagram.Length, Sealer(5).Seal(datagram, 4, bodyBytes));
            Assert.True(Opens(datagram, 5));
            Assert.False(Opens(datagram, 6));
            Assert.False(Opens(datagram, 5, ConnectionSide.Client));
            for (int bit = 0; bit < datagram.Length * 8; bit++)
            {
                datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
                Assert.False(Opens(datagram, 5));
                datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
            }

            for (int length = 0; length < datagram.Length; length++)
                Assert.False(Opens(datagram[..length], 5));
            Assert.True(Opener(5).TryOpen(datagram, 4, new SequenceNumber(5), out int opened));
            Assert.Equal(bodyBytes, opened);
            Assert.Equal(plain, datagram[..(4 + bodyBytes)]);
        }
    }

    [Fact]
    public void The_seal_has_these_bytes()
    {
        byte[] datagram = new byte[4 + 3 + 16];
        new PacketHeader(PacketType.Payload, 1, 2).WriteFromServer(datagram);
        "abc"u8.CopyTo(datagram.AsSpan(4));
        Sealer(2).Seal(datagram, 4, 3);
        Assert.Equal(Golden.Seal, Convert.ToHexString(datagram));
    }

    [Fact]
    public void A_key_lives_for_an_epoch_and_late_packets_of_the_one_before_still_open()
    {
        const uint Boundary = 1u << EpochKeys.EpochBits;
        PacketSealer sealer = Sealer(Boundary - 40);
        PacketOpener opener = Opener(Boundary - 40);
        byte[][] packets = [.. Enumerable.Range(0, 120).Select(_ => new byte[4 + 2 + 16])];
        foreach (byte[] packet in packets)
            sealer.Seal(packet, 4, 2);
        bool Open(int i) => opener.TryOpen([.. packets[i]], 4, new SequenceNumber((uint)(Boundary - 40 + i)), out _);
        Assert.True(Open(0));
        Assert.True(Open(60), "the first of the next epoch");
        Assert.True(Open(39), "a straggler of the epoch before");
        Assert.True(Open(72));
        Assert.True(Open(38), "31 behind the boundary");
        Assert.True(Open(73), "33 behind the boundary: the old key is erased");
        Assert.False(Open(37));
        byte[] sameBytes = new byte[22];
        Sealer(Boundary - 1).Seal(sameBytes, 4, 2);
        Assert.Equal(packets[39], sameBytes);
        Assert.NotEqual(packets[39][4..], packets[40][4..]);
    }

    [Fact]
    public void Handshake_packets_have_these_bytes()
    {
        byte[] packet = new byte[1200];
        var challenge = new Challenge(ClientRandom, ServerRandom, 0x0102030405060708, CipherSuite.Aes256Gcm);
        byte[] cookie = [.. Enumerable.Range(0x40, 32).Select(i => (byte)i)];
        Assert.Equal(1200, Handshake.WriteRequest(packet, 1, ClientRandom, (CipherSuites)7));
        Assert.Equal(Golden.Request, Short(packet, 1200));
        Assert.Equal(90, Handshake.WriteChallenge(packet, challenge, cookie));
        Assert.Equal(Golden.Challenge, Short(packet, 90));
        Assert.Equal(1200, Handshake.WriteResponse(packet, challenge, cookie, new ResponseBody((CipherSuites)7, 0x1122334455667788, new Hash256(1, 2, 3, 4)), "sealed"u8, Keys));
        Assert.Equal(Golden.Response, Short(packet, 1200));
        Assert.Equal(41, Handshake.WriteAccepted(packet, ClientRandom, Keys, 0xAABBCCDDEEFF0011));
        Assert.Equal(Golden.Accepted, Short(packet, 41));
        Assert.Equal(39, Handshake.WriteRefused(packet, ClientRandom, Keys, RefuseReason.Full, "full"));
        Assert.Equal(Golden.Refused, Short(packet, 39));
    }

    [Fact]
    public void Handshake_packets_come_back()
    {
        byte[] packet = new byte[1200];
        var challenge = new Challenge(ClientRandom, ServerRandom, 99, CipherSuite.ChaCha20Poly1305);
        byte[] cookie = new byte[32];
        cookie[5] = 9;
        Handshake.WriteRequest(packet, 7, ClientRandom, CipherSuites.ChaCha20Poly1305);
        Assert.True(Handshake.TryReadRequest(packet, out ushort version, out Random128 random, out CipherSuites suites));
        Assert.Equal((7, ClientRandom, CipherSuites.ChaCha20Poly1305), (version, random, suites));
        Handshake.WriteChallenge(packet, challenge, cookie);
        Assert.True(Handshake.TryReadChallenge(packet.AsSpan(0, 90), out Challenge read, out ReadOnlySpan<byte> readCookie));
        Assert.Equal(challenge, read);
        Assert.Equal(cookie, readCookie.ToArray());
        var map = new Hash256(4, 3, 2, 1);
        var body = new ResponseBody(CipherSuites.Aes256Gcm, 5, map);
        Handshake.WriteResponse(packet, challenge, cookie, body, Token.Sealed, Keys);
        Assert.True(Handshake.TryReadResponse(packet, out read, out readCookie, out ResponseBody readBody, out ReadOnlySpan<byte> sealedToken));
        Assert.Equal((challenge, body), (read, readBody));
        Assert.Equal(cookie, readCookie.ToArray());
        Assert.Equal(Token.Sealed.ToArray(), sealedToken.ToArray());
        int grantBytes = Handshake.WriteTokenGrant(packet, ClientRandom, Token);
        Assert.True(Handshake.TryReadTokenGrant(packet.AsSpan(0, grantBytes), ClientRandom, out ConnectToken granted));
        Assert.Equal(Token.ToText(), granted.ToText());
        int bytes = Handshake.WriteRefused(packet, ClientRandom, Keys, RefuseReason.Banned, new string('ä', 150));
        Assert.Equal(Handshake.RefusedBytesMax, bytes);
        Assert.True(Handshake.TryReadRefused(packet.AsSpan(0, bytes), ClientRandom, Keys, out RefuseReason reason, out string text));
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
                    bytes[0] = (byte)(i % 11);
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
            Assert.NotEqual(OpenResult.Opened, server.TryOpen(whole[..length].ToArray(), 0, out _));
        for (int bit = 0; bit < bytes * 8; bit++)
        {
            whole[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.NotEqual(OpenResult.Opened, server.TryOpen(whole.ToArray(), 0, out _));
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
        (Connection client, Connection server) = Connected();
        byte[] datagram = new byte[1200];
        int opened = 0;
        for (uint i = 0; i < 30_000; i++)
        {
            int bodyBytes = random.Next(0, 60);
            for (int j = 0; j < bodyBytes; j++)
                datagram[11 + j] = (byte)random.NextUInt64();
            if (bodyBytes > 0)
                datagram[11] &= 15;
            if (bodyBytes > 8)
                datagram[18] &= 3;   // few lane segments, so that some are read to their end
            PacketType type = (i % 50) switch { 0 => PacketType.Close, 1 => PacketType.PathResponse, 2 => PacketType.PathChallenge, _ => PacketType.Payload };
            int bytes = client.SealRaw(datagram, type, bodyBytes, 0);
            if (server.TryOpen(datagram.AsSpan(0, bytes), 0, out OpenedPacket packet) != OpenResult.Opened)
                continue;
            opened++;
            Assert.InRange(packet.TailOffset + packet.TailBytes, 11, bytes - 16);
        }

        Assert.InRange(opened, 1, 29_000);
        Assert.False(server.HasAccepted);
        Assert.Equal(0, server.LaneMemoryBytes);
    }

    internal static (Connection Client, Connection Server) Connected(ConnectionOptions? options = null)
    {
        options ??= ConnectionOptions.Default;
        ConnectRequest request = TestTokens.Verified(ClientRandom, ServerRandom, Token);
        var server = Connection.FromRequest(options, request, 5, 0);
        var client = Connection.Connect(options, ClientRandom, 0, default, 0, Token);
        byte[] packet = new byte[1200];
        client.Poll(0, packet);
        Handshake.WriteChallenge(packet, new Challenge(ClientRandom, ServerRandom, 0, CipherSuite.Aes256Gcm), new byte[32]);
        Assert.Equal(OpenResult.Handshake, client.TryOpen(packet.AsSpan(0, 90), 0, out _));
        HandshakeServer.WriteAccepted(request, 5, packet);
        Assert.Equal(OpenResult.Handshake, client.TryOpen(packet.AsSpan(0, 41), 0, out _));
        return (client, server);
    }

    private static PacketSealer Sealer(uint first) => new(ConnectionSide.Server, CipherSuite.Aes256Gcm, Keys.ServerTraffic, new SequenceNumber(first));

    private static PacketOpener Opener(uint first, ConnectionSide sender = ConnectionSide.Server) =>
        new(sender, CipherSuite.Aes256Gcm, Keys.ServerTraffic, new SequenceNumber(first));

    private static bool Opens(byte[] datagram, uint number, ConnectionSide sender = ConnectionSide.Server) =>
        Opener(number, sender).TryOpen([.. datagram], 4, new SequenceNumber(number), out _);

    private static byte[][] HandshakePackets()
    {
        var challenge = new Challenge(ClientRandom, ServerRandom, 7, CipherSuite.Aes256Gcm);
        byte[][] packets = [new byte[1200], new byte[90], new byte[1200], new byte[41], new byte[300], new byte[300], new byte[1200], new byte[1200]];
        Handshake.WriteRequest(packets[0], 1, ClientRandom, (CipherSuites)7);
        Handshake.WriteChallenge(packets[1], challenge, new byte[32]);
        Handshake.WriteResponse(packets[2], challenge, new byte[32], new ResponseBody((CipherSuites)7, 8, default), Token.Sealed, Keys);
        Handshake.WriteAccepted(packets[3], ClientRandom, Keys, 6);
        packets[4] = packets[4][..Handshake.WriteRefused(packets[4], ClientRandom, Keys, RefuseReason.Full, "no place")];
        packets[5] = packets[5][..Handshake.WriteRefused(packets[5], ClientRandom, null, RefuseReason.BadToken, "expired")];
        Handshake.WriteTokenAsk(packets[6], 2, ClientRandom);
        packets[7] = packets[7][..Handshake.WriteTokenGrant(packets[7], ClientRandom, Token)];
        return packets;
    }

    private static bool IsRead(ReadOnlySpan<byte> packet) =>
        Handshake.TryReadRequest(packet, out _, out _, out _) || Handshake.TryReadChallenge(packet, out _, out _)
        || (Handshake.TryReadResponse(packet, out _, out _, out _, out _) && Handshake.HasMac(packet, Keys.ClientHandshake))
        || Handshake.TryReadAccepted(packet, ClientRandom, Keys, out _) || Handshake.TryReadRefused(packet, ClientRandom, Keys, out _, out _)
        || Handshake.TryReadTokenAsk(packet, out _, out _) || Handshake.TryReadTokenGrant(packet, ClientRandom, out _);

    // Long runs of zeros before the last 16 bytes are the padding: told by their count.
    private static string Short(byte[] packet, int bytes)
    {
        string hex = Convert.ToHexString(packet.AsSpan(0, bytes - 16)).TrimEnd('0');
        hex += (hex.Length & 1) != 0 ? "0" : "";
        return $"{hex} +{bytes - 16 - (hex.Length / 2)} {Convert.ToHexString(packet.AsSpan(bytes - 16, 16))}";
    }

    // Made by a few lines of Python from the layouts in the doc comments, not by this code.
    private static class Golden
    {
        public const string Seal = "05010200C263F0905AFC95CB5D2DC0804461612F94456D";
        public const string Request = "00484543540100000102030405060708090A0B0C0D0E0F07 +1160 C6D59EFAB5FD724CDB9B4F93ADAC092A";
        public const string Challenge = "01000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F0807060504030201404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F01 +0 CC1BF4EB9FDFABE4A5BA8A36D9168B57";
        public const string Response = "02000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F0807060504030201404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F01078877665544332211010000000000000002000000000000000300000000000000040000000000000006007365616C6564000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005E625B5BEFA48B6DF1AE3AAA78DFEAD2 +0 A9D9E096876BD521CE68BD94B88AFB4B";
        public const string Accepted = "03000102030405060708090A0B0C0D0E0F1100FFEEDDCCBBAA +0 78E835AB22B18CB29105DBF80973B9AE";
        public const string Refused = "04000102030405060708090A0B0C0D0E0F020466756C6C +0 70F081F587CB34449DC939348A72A104";
        public const string ClientPayload = "05050000000000000000002A1885148DD85CA8C16F2A9B60FA21681D527324F185C5FE3B706C42";
        public const string ServerPayload = "05050000D290B9218B81284CB8FC95EAEA695C4085DF8E0E48A7D5";
        public const string Close = "060501000CCD9B8AFFA7E8983070F3B5FE2FEC7F91";
    }
}
