using System.Buffers.Binary;
using System.Globalization;

namespace Hectare.Cli.Captures;

/// <summary>Packet captures as tcpdump, dumpcap and Wireshark write them: pcap and pcapng, of either byte order.</summary>
/// <remarks>Formats: https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/ (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).</remarks>
internal static class CaptureFile
{
    private const uint PcapMicroseconds = 0xA1B2C3D4;
    private const uint PcapNanoseconds = 0xA1B23C4D;
    private const uint Section = 0x0A0D0D0A;          // pcapng: the same in both byte orders
    private const uint ByteOrderMagic = 0x1A2B3C4D;
    private const uint InterfaceBlock = 1;
    private const uint SimpleBlock = 3;
    private const uint EnhancedBlock = 6;
    private const int RecordBytesMax = 4 << 20;       // far above the 256 kB that capture programs allow

    /// <summary>Sees a frame of a link, and may change it in place.</summary>
    /// <param name="linkType">A LINKTYPE_ number of https://www.tcpdump.org/linktypes.html.</param>
    /// <param name="frame">Its bytes, as many as were captured.</param>
    public delegate void FrameVisitor(int linkType, Span<byte> frame);

    /// <summary>Copies a capture record by record, in the same format; each frame may be changed on the way. Memory: one record.</summary>
    /// <returns>False when the capture ends within a record; what was before is copied.</returns>
    /// <exception cref="CaptureException">It is no capture, or broken.</exception>
    public static bool Rewrite(Stream input, Stream output, FrameVisitor visit)
    {
        byte[] head = new byte[4];
        if (input.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
            throw new CaptureException("it is too short for a capture");
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(head);
        uint swapped = BinaryPrimitives.ReverseEndianness(magic);
        if (magic == Section)
            return new PcapNg(input, output, visit).Copy(head);
        if (magic is PcapMicroseconds or PcapNanoseconds)
            return CopyPcap(new Numbers(IsBig: false), input, output, visit, head);
        return swapped is PcapMicroseconds or PcapNanoseconds
            ? CopyPcap(new Numbers(IsBig: true), input, output, visit, head)
            : throw new CaptureException("it is neither pcap nor pcapng");
    }

    // File: 24 bytes, the last four the link type. Record: seconds, fraction, bytes captured, bytes on the wire, 4 each; data.
    private static bool CopyPcap(Numbers numbers, Stream input, Stream output, FrameVisitor visit, byte[] magic)
    {
        byte[] buffer = new byte[24];
        magic.CopyTo(buffer, 0);
        if (!Fill(input, buffer.AsSpan(4)))
            throw new CaptureException("it ends within its header");
        output.Write(buffer);
        int linkType = (int)(numbers.U32(buffer.AsSpan(20)) & 0xFFFF);
        while (true)
        {
            int got = input.ReadAtLeast(buffer.AsSpan(0, 16), 16, throwOnEndOfStream: false);
            if (got < 16)
                return got == 0;
            uint captured = numbers.U32(buffer.AsSpan(8));
            if (captured > RecordBytesMax)
                throw Broken(input, captured);
            Grow(ref buffer, 16 + (int)captured);
            if (!Fill(input, buffer.AsSpan(16, (int)captured)))
                return false;
            visit(linkType, buffer.AsSpan(16, (int)captured));
            output.Write(buffer, 0, 16 + (int)captured);
        }
    }

    private static bool Fill(Stream input, Span<byte> destination) => input.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) == destination.Length;

    private static void Grow(ref byte[] buffer, int bytes)
    {
        if (buffer.Length < bytes)
            Array.Resize(ref buffer, Math.Max(bytes, 2 * buffer.Length));
    }

    private static CaptureException Broken(Stream input, uint bytes)
        => new(string.Create(CultureInfo.InvariantCulture, $"a record of {bytes} bytes{(input.CanSeek ? $" before byte {input.Position}" : "")}: the capture is broken"));

    /// <summary>Whole numbers in the byte order of the machine that captured.</summary>
    private readonly record struct Numbers(bool IsBig)
    {
        public uint U32(ReadOnlySpan<byte> source) => IsBig ? BinaryPrimitives.ReadUInt32BigEndian(source) : BinaryPrimitives.ReadUInt32LittleEndian(source);

        public ushort U16(ReadOnlySpan<byte> source) => IsBig ? BinaryPrimitives.ReadUInt16BigEndian(source) : BinaryPrimitives.ReadUInt16LittleEndian(source);
    }

    /// <summary>Blocks: type u32, bytes of all u32, body, bytes of all u32 again. A section has a byte order and its interfaces; a frame names its interface.</summary>
    private sealed class PcapNg(Stream input, Stream output, FrameVisitor visit)
    {
        private readonly List<(int LinkType, uint SnapBytes)> _interfaces = [];
        private byte[] _block = new byte[4096];
        private Numbers _numbers;

        public bool Copy(byte[] type)
        {
            type.CopyTo(_block, 0);
            while (true)
            {
                if (!Fill(input, _block.AsSpan(4, 8)))
                    return false;
                if (!ReadRest(out int bytes))
                    return false;
                Look(_block.AsSpan(0, bytes));
                output.Write(_block, 0, bytes);
                int got = input.ReadAtLeast(_block.AsSpan(0, 4), 4, throwOnEndOfStream: false);
                if (got < 4)
                    return got == 0;
            }
        }

        // A section's byte order is in its first bytes, behind the length that is written in it.
        private bool ReadRest(out int bytes)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(_block) == Section)
            {
                _numbers = new Numbers(BinaryPrimitives.ReadUInt32BigEndian(_block.AsSpan(8)) == ByteOrderMagic);
                _interfaces.Clear();
                if (_numbers.U32(_block.AsSpan(8)) != ByteOrderMagic)
                    throw new CaptureException("a pcapng section without a byte order: the capture is broken");
            }

            uint length = _numbers.U32(_block.AsSpan(4));
            if (length is < 12 or > RecordBytesMax || length % 4 != 0)
                throw Broken(input, length);
            bytes = (int)length;
            Grow(ref _block, bytes);
            return Fill(input, _block.AsSpan(12, bytes - 12));
        }

        private void Look(Span<byte> block)
        {
            Span<byte> body = block[8..^4];
            switch (_numbers.U32(block))
            {
                case InterfaceBlock when body.Length >= 8:
                    _interfaces.Add((_numbers.U16(body), _numbers.U32(body[4..])));
                    break;
                case EnhancedBlock when body.Length >= 20:
                    Visit(body[20..], (int)_numbers.U32(body), _numbers.U32(body[12..]));
                    break;
                case SimpleBlock when body.Length >= 4 && _interfaces.Count > 0:
                    uint snap = _interfaces[0].SnapBytes;
                    uint onWire = _numbers.U32(body);
                    Visit(body[4..], 0, snap == 0 ? onWire : Math.Min(onWire, snap));
                    break;
            }
        }

        private void Visit(Span<byte> data, int interfaceIndex, uint captured)
        {
            if ((uint)interfaceIndex >= _interfaces.Count || captured > data.Length)
                throw new CaptureException("a pcapng block that says more than it holds: the capture is broken");
            visit(_interfaces[interfaceIndex].LinkType, data[..(int)captured]);
        }
    }
}

/// <summary>A file that cannot be read as what it should be; the message goes on from "must be ...: ".</summary>
internal sealed class CaptureException(string message) : Exception(message);
