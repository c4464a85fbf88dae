using System.Buffers.Binary;
using Hectare.Cli.Captures;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>A capture file, pcap or pcapng, with frames of several links; what is sealed in it is opened where the keys fit. It refuses by one exception alone.</summary>
internal sealed class CaptureTarget() : FuzzTarget("capture", "a capture, its frames, the packets in them opened by a key file")
{
    private const ulong Id = 0x0102_0304_0506_0708;
    private const int Ethernet = 1, Raw = 101;

    private static readonly TrafficSecrets Secrets = new(Id, CipherSuite.Aes256Gcm, [.. Enumerable.Repeat((byte)1, 32)], [.. Enumerable.Repeat((byte)2, 32)]);

    private readonly Tap _client = new(Secrets.Suite, new Secret256(Secrets.Client), ConnectionSide.Client, default);
    private readonly Tap _server = new(Secrets.Suite, new Secret256(Secrets.Server), ConnectionSide.Server, default);
    private readonly byte[] _frame = new byte[2048];

    public override int InputBytesMax => 8 * 1024;

    // One record may say that it has 4 MB; the keys of two directions are made anew.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => (9 << 20) + (input.Length * 64L);

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        bool isNext = random.Next(0, 2) == 0, isBig = random.Next(0, 2) == 0;
        int linkType = random.Next(0, 2) == 0 ? Ethernet : Raw;
        int used = isNext ? WriteSection(destination, linkType, isBig) : WriteFileHeader(destination, linkType, isBig);
        for (int i = random.Next(1, 12); i > 0; i--)
        {
            int bytes = WriteFrame(ref random, _frame, linkType, (ulong)i);
            if (used + 40 + bytes > destination.Length)
                break;
            used += isNext ? WriteBlock(destination[used..], _frame.AsSpan(0, bytes), isBig) : WriteRecord(destination[used..], _frame.AsSpan(0, bytes), isBig);
        }

        return used;
    }

    public override RunResult Run(Span<byte> input)
    {
        var decryptor = new PacketDecryptor([Secrets]);
        var copy = new MemoryStream();
        try
        {
            bool isWhole = CaptureFile.Rewrite(new MemoryStream(input.ToArray()), copy, decryptor.Visit);
            Property.Holds(isWhole ? copy.Length == input.Length : copy.Length < input.Length, "a copy of another length");
        }
        catch (CaptureException)
        {
            Property.Holds(copy.Length <= input.Length, "a copy longer than what was read of it");
        }

        DecryptFigures figures = decryptor.Figures;
        Property.Holds(figures.Foreign + figures.CutShort + figures.Handshake + figures.Opened + figures.WithoutKeys + figures.NotOpened <= figures.Frames, "more packets than frames");
        return RunResult.Of(figures.Opened > 0);
    }

    private int WriteFrame(ref SeededRandom random, Span<byte> frame, int linkType, ulong number)
    {
        frame.Clear();
        int ip = linkType == Ethernet ? 14 : 0;
        if (linkType == Ethernet)
            BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x0800);
        bool fromClient = random.Next(0, 2) == 0;
        Tap tap = fromClient ? _client : _server;
        int payloadBytes = tap.HeaderBytes + 1 + random.Next(0, 200) + PacketHeader.TagBytes;
        frame[ip] = 0x45;
        frame[ip + 9] = 17;
        frame[ip + (fromClient ? 15 : 19)] = 9;
        Span<byte> udp = frame[(ip + 20)..];
        BinaryPrimitives.WriteUInt16BigEndian(udp, fromClient ? (ushort)50_000 : (ushort)4_000);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], fromClient ? (ushort)4_000 : (ushort)50_000);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)(8 + payloadBytes));
        Span<byte> datagram = udp.Slice(8, payloadBytes);
        var header = new PacketHeader(PacketType.Payload, Id, 0);
        if (fromClient)
            header.WriteFromClient(datagram);
        else
            header.WriteFromServer(datagram);
        tap.Seal(datagram, number);
        return ip + 28 + payloadBytes;
    }

    private static void Write32(Span<byte> place, uint value, bool isBig)
    {
        if (isBig)
            BinaryPrimitives.WriteUInt32BigEndian(place, value);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(place, value);
    }

    private static int WriteFileHeader(Span<byte> place, int linkType, bool isBig)
    {
        place[..24].Clear();
        Write32(place, 0xA1B2C3D4, isBig);
        Write32(place[16..], 65_536, isBig);
        Write32(place[20..], (uint)linkType, isBig);
        return 24;
    }

    private static int WriteRecord(Span<byte> place, ReadOnlySpan<byte> frame, bool isBig)
    {
        place[..8].Clear();
        Write32(place[8..], (uint)frame.Length, isBig);
        Write32(place[12..], (uint)frame.Length, isBig);
        frame.CopyTo(place[16..]);
        return 16 + frame.Length;
    }

    // A section and its interface.
    private static int WriteSection(Span<byte> place, int linkType, bool isBig)
    {
        place[..48].Clear();
        Write32(place, 0x0A0D0D0A, isBig);
        Write32(place[4..], 28, isBig);
        Write32(place[8..], 0x1A2B3C4D, isBig);
        Write32(place[24..], 28, isBig);
        Write32(place[28..], 1, isBig);
        Write32(place[32..], 20, isBig);
        place[isBig ? 37 : 36] = (byte)linkType;
        Write32(place[44..], 20, isBig);
        return 48;
    }

    private static int WriteBlock(Span<byte> place, ReadOnlySpan<byte> frame, bool isBig)
    {
        int bytes = 32 + ((frame.Length + 3) & ~3);
        place[..bytes].Clear();
        Write32(place, 6, isBig);
        Write32(place[4..], (uint)bytes, isBig);
        Write32(place[20..], (uint)frame.Length, isBig);
        Write32(place[24..], (uint)frame.Length, isBig);
        frame.CopyTo(place[28..]);
        Write32(place[(bytes - 4)..], (uint)bytes, isBig);
        return bytes;
    }
}
