using System.Buffers.Binary;
using Hectare.Cli.Captures;
using Hectare.Protocol;
using Hectare.Tests.Transport;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Tests.Wire;

/// <summary>Captures of every format and link that is taken, and what is opened in them.</summary>
public sealed class CaptureTests
{
    private static readonly byte[] Payload = [.. Enumerable.Range(0, 40).Select(i => (byte)i)];

    public static TheoryData<int, string> Links => new()
    {
        { 1, "000000000000000000000000" + "0800" },
        { 1, "000000000000000000000000" + "8100" + "0007" + "0800" },
        { 1, "000000000000000000000000" + "88A8" + "0007" + "8100" + "0008" + "0800" },
        { 113, "0000" + "0304" + "0006" + "0000000000000000" + "0800" },
        { 276, "0800" + "0000" + "00000001" + "0304" + "00" + "06" + "0000000000000000" },
        { 0, "02000000" },
        { 108, "00000002" },
        { 101, "" },
        { 12, "" },
        { 228, "" },
    };

    [Theory]
    [MemberData(nameof(Links))]
    public void A_datagram_is_found_behind_every_link_header(int linkType, string head)
    {
        byte[] link = Convert.FromHexString(head);
        byte[] frame = [.. link, .. IPv4(Payload)];

        Assert.True(UdpDatagram.TryFind(linkType, frame, out UdpDatagram udp));
        Assert.Equal((link.Length + 28, Payload.Length, true), (udp.Offset, udp.Bytes, udp.Captured));
        Assert.Equal((new UdpEndpoint(0x7F000001, 1000), new UdpEndpoint(0x7F010203, 2000)), (udp.Source, udp.Target));
        Assert.Equal(0x1234, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(udp.ChecksumOffset)));
        for (int cut = 0; cut < frame.Length; cut++)
            Assert.True(!UdpDatagram.TryFind(linkType, frame.AsSpan(0, cut), out udp) || !udp.Captured, $"cut to {cut}");
    }

    [Fact]
    public void A_datagram_is_found_in_IPv6_and_not_in_fragments_or_other_protocols()
    {
        byte[] frame = [0x60, 0, 0, 0, 0, 48, 17, 64, .. new byte[15], 1, .. new byte[15], 2, .. Udp(Payload)];
        Assert.True(UdpDatagram.TryFind(101, frame, out UdpDatagram udp));
        Assert.Equal((48, (UInt128)1, (UInt128)2), (udp.Offset, udp.Source.Address, udp.Target.Address));

        byte[] fragment = IPv4(Payload), tcp = IPv4(Payload);
        fragment[6] = 0x20;
        tcp[9] = 6;
        Assert.False(UdpDatagram.TryFind(101, fragment, out _));
        Assert.False(UdpDatagram.TryFind(101, tcp, out _));
        Assert.False(UdpDatagram.TryFind(147, IPv4(Payload), out _));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_capture_is_copied_byte_by_byte_but_for_what_the_visitor_changed(bool isNew, bool isBig)
    {
        byte[] capture = isNew ? PcapNg(isBig, IPv4(Payload), IPv4([9, 9, 9])) : Pcap(isBig, IPv4(Payload), IPv4([9, 9, 9]));
        List<(int Link, string Frame)> seen = [];
        using var output = new MemoryStream();

        bool whole = CaptureFile.Rewrite(new MemoryStream(capture), output, (link, frame) =>
        {
            seen.Add((link, Convert.ToHexString(frame)));
            frame[^1] ^= 0xFF;
        });

        Assert.True(whole);
        Assert.Equal([(101, Convert.ToHexString(IPv4(Payload))), (101, Convert.ToHexString(IPv4([9, 9, 9])))], seen);
        byte[] copy = output.ToArray();
        Assert.Equal(capture.Length, copy.Length);
        Assert.Equal(2, copy.Where((one, i) => one != capture[i]).Count());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_capture_cut_anywhere_is_copied_up_to_there_or_refused(bool isNew)
    {
        byte[] capture = isNew ? PcapNg(isBig: false, IPv4(Payload)) : Pcap(isBig: false, IPv4(Payload));
        for (int cut = 0; cut < capture.Length; cut++)
        {
            using var output = new MemoryStream();
            try
            {
                bool whole = CaptureFile.Rewrite(new MemoryStream(capture, 0, cut), output, (_, _) => { });
                Assert.True(output.Length <= cut && whole == (output.Length == cut), $"cut to {cut}");
            }
            catch (CaptureException)
            {
                Assert.True(cut < 24, $"cut to {cut}");
            }
        }
    }

    [Fact]
    public void What_is_no_capture_is_refused_in_bounded_memory()
    {
        var random = new SeededRandom(3);
        byte[] good = PcapNg(isBig: false, IPv4(Payload)), old = Pcap(isBig: false, IPv4(Payload));
        for (int round = 0; round < 5_000; round++)
        {
            byte[] broken = [.. round % 2 == 0 ? good : old];
            for (int flips = random.Next(1, 6); flips > 0; flips--)
                broken[random.Next(4, broken.Length)] = (byte)random.NextUInt64();
            try
            {
                CaptureFile.Rewrite(new MemoryStream(broken), Stream.Null, (_, frame) => Assert.True(frame.Length <= broken.Length));
            }
            catch (CaptureException)
            {
            }
        }

        Assert.Throws<CaptureException>(() => CaptureFile.Rewrite(new MemoryStream(new byte[100]), Stream.Null, (_, _) => { }));
    }

    [Fact]
    public void Sealed_packets_are_opened_in_place_and_the_others_left_as_they_are()
    {
        ConnectToken token = TestTokens.Mint();
        ConnectRequest request = TestTokens.Verified(new Random128(1, 2), new Random128(3, 4), token, CipherSuite.ChaCha20Poly1305);
        const ulong Id = 0x1122_3344_5566_7788;
        TrafficSecrets secrets = request.ExportKeys(Id);
        // A capture that begins late: numbers far beyond 16 bits.
        var sealer = new PacketSealer(ConnectionSide.Server, secrets.Suite, new Secret256(secrets.Server), new SequenceNumber(300_000));
        var decryptor = new PacketDecryptor([secrets, secrets with { ConnectionId = 0x99_88 }]);
        for (int i = 0; i < 5; i++)
        {
            byte[] datagram = new byte[100];
            new PacketHeader(PacketType.Payload, Id, sealer.Next.Wire).WriteFromServer(datagram);
            byte[] plain = [.. datagram];
            int bytes = sealer.Seal(datagram, PacketHeader.ServerHeaderBytes, 60);
            byte[] frame = IPv4(datagram[..bytes]), kept = [.. frame];
            if (i == 3)
                frame[40] ^= 1;
            decryptor.Visit(101, frame);
            if (i == 3)
            {
                kept[40] ^= 1;
                Assert.Equal(kept, frame);
                continue;
            }

            plain[0] |= PacketDecryptor.OpenedMark;
            Assert.Equal(plain[..bytes], frame[28..]);
            Assert.Equal(0, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(26)));
        }

        byte[] handshake = IPv4([(byte)PacketType.Challenge, .. new byte[89]]), copy = [.. handshake];
        decryptor.Visit(101, handshake);
        Assert.Equal(copy, handshake);
        Assert.Equal((4L, 1L, 1L, 1L), (decryptor.Figures.Opened, decryptor.Figures.NotOpened, decryptor.Figures.Handshake, decryptor.Figures.Connections));
    }

    private static byte[] IPv4(byte[] payload)
    {
        byte[] udp = Udp(payload);
        return [0x45, 0, 0, (byte)(20 + udp.Length), 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 1, 2, 3, .. udp];
    }

    private static byte[] Udp(byte[] payload) => [0x03, 0xE8, 0x07, 0xD0, 0, (byte)(8 + payload.Length), 0x12, 0x34, .. payload];

    private static byte[] Pcap(bool isBig, params byte[][] frames)
        => [.. Numbers(isBig, 0xA1B2C3D4, isBig ? 0x0002_0004u : 0x0004_0002u, 0, 0, 65_535, 101), .. frames.SelectMany(frame => (byte[])[.. Numbers(isBig, 5, 6, (uint)frame.Length, (uint)frame.Length), .. frame])];

    // Section, interface, one enhanced block, and a simple one; unknown blocks between them.
    private static byte[] PcapNg(bool isBig, params byte[][] frames)
    {
        List<byte> capture = [.. Block(isBig, 0x0A0D0D0A, Numbers(isBig, 0x1A2B3C4D, isBig ? 0x0001_0000u : 0x0000_0001u, uint.MaxValue, uint.MaxValue)), .. Block(isBig, 1, Numbers(isBig, isBig ? 101u << 16 : 101, 0))];
        for (int i = 0; i < frames.Length; i++)
        {
            byte[] padded = [.. frames[i], .. new byte[-frames[i].Length & 3]];
            uint bytes = (uint)frames[i].Length;
            capture.AddRange(i % 2 == 0 ? Block(isBig, 6, [.. Numbers(isBig, 0, 1, 2, bytes, bytes), .. padded]) : Block(isBig, 3, [.. Numbers(isBig, bytes), .. padded]));
            capture.AddRange(Block(isBig, 4, new byte[8]));
        }

        return [.. capture];
    }

    private static byte[] Block(bool isBig, uint type, byte[] body) => [.. Numbers(isBig, type, (uint)(12 + body.Length)), .. body, .. Numbers(isBig, (uint)(12 + body.Length))];

    private static byte[] Numbers(bool isBig, params uint[] numbers)
    {
        byte[] bytes = new byte[4 * numbers.Length];
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 * i), isBig ? BinaryPrimitives.ReverseEndianness(numbers[i]) : numbers[i]);
        return bytes;
    }
}
