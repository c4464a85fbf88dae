using System.Buffers.Binary;

namespace Hectare.Cli.Captures;

/// <summary>Where a UDP datagram lies in a captured frame.</summary>
/// <param name="Source">Who sent it.</param>
/// <param name="Target">To whom.</param>
/// <param name="Offset">First byte of its payload in the frame.</param>
/// <param name="Bytes">Length of its payload.</param>
/// <param name="Captured">False when the capture cut it short.</param>
internal readonly record struct UdpDatagram(UdpEndpoint Source, UdpEndpoint Target, int Offset, int Bytes, bool Captured)
{
    private const int Ethernet = 1, Null = 0, Loop = 108, RawOld = 12, RawOpenBsd = 14, Raw = 101, LinuxCooked = 113, IPv4Alone = 228, IPv6Alone = 229, LinuxCooked2 = 276;
    private const int TypeIPv4 = 0x0800, TypeIPv6 = 0x86DD, TypeVlan = 0x8100, TypeProviderVlan = 0x88A8;
    private const int UdpProtocol = 17;
    private const int HeaderBytes = 8;

    /// <summary>Its checksum in the frame, 2 bytes.</summary>
    public int ChecksumOffset => Offset - 2;

    /// <summary>Finds the datagram: Ethernet (with VLAN tags), Linux cooked (1 and 2), BSD loopback, raw IP; IPv4 and IPv6 without extension headers.</summary>
    /// <returns>False for all else, fragments among it: no datagram of ours is ever cut.</returns>
    public static bool TryFind(int linkType, ReadOnlySpan<byte> frame, out UdpDatagram datagram)
    {
        datagram = default;
        int ip = NetworkOffset(linkType, frame);
        if (ip < 0 || frame.Length <= ip)
            return false;
        return (frame[ip] >> 4) switch
        {
            4 => TryFindIPv4(frame, ip, out datagram),
            6 => TryFindIPv6(frame, ip, out datagram),
            _ => false,
        };
    }

    private static int NetworkOffset(int linkType, ReadOnlySpan<byte> frame) => linkType switch
    {
        Ethernet => BehindEthernet(frame),
        LinuxCooked => IsIP(frame, 14) ? 16 : -1,
        LinuxCooked2 => IsIP(frame, 0) ? 20 : -1,
        Null or Loop => 4,
        Raw or RawOld or RawOpenBsd or IPv4Alone or IPv6Alone => 0,
        _ => -1,
    };

    private static int BehindEthernet(ReadOnlySpan<byte> frame)
    {
        int type = 12;
        while (TypeAt(frame, type) is TypeVlan or TypeProviderVlan)
            type += 4;
        return IsIP(frame, type) ? type + 2 : -1;
    }

    private static bool IsIP(ReadOnlySpan<byte> frame, int offset) => TypeAt(frame, offset) is TypeIPv4 or TypeIPv6;

    private static int TypeAt(ReadOnlySpan<byte> frame, int offset) => frame.Length >= offset + 2 ? BinaryPrimitives.ReadUInt16BigEndian(frame[offset..]) : 0;

    private static bool TryFindIPv4(ReadOnlySpan<byte> frame, int ip, out UdpDatagram datagram)
    {
        datagram = default;
        int header = (frame[ip] & 15) * 4;
        if (header < 20 || frame.Length < ip + header || frame[ip + 9] != UdpProtocol || (BinaryPrimitives.ReadUInt16BigEndian(frame[(ip + 6)..]) & 0x3FFF) != 0)
            return false;
        UInt128 source = BinaryPrimitives.ReadUInt32BigEndian(frame[(ip + 12)..]), target = BinaryPrimitives.ReadUInt32BigEndian(frame[(ip + 16)..]);
        return TryFindUdp(frame, ip + header, source, target, out datagram);
    }

    private static bool TryFindIPv6(ReadOnlySpan<byte> frame, int ip, out UdpDatagram datagram)
    {
        datagram = default;
        if (frame.Length < ip + 40 || frame[ip + 6] != UdpProtocol)
            return false;
        UInt128 source = BinaryPrimitives.ReadUInt128BigEndian(frame[(ip + 8)..]), target = BinaryPrimitives.ReadUInt128BigEndian(frame[(ip + 24)..]);
        return TryFindUdp(frame, ip + 40, source, target, out datagram);
    }

    private static bool TryFindUdp(ReadOnlySpan<byte> frame, int udp, UInt128 source, UInt128 target, out UdpDatagram datagram)
    {
        datagram = default;
        if (frame.Length < udp + HeaderBytes)
            return false;
        ReadOnlySpan<byte> header = frame[udp..];
        int length = BinaryPrimitives.ReadUInt16BigEndian(header[4..]);
        if (length < HeaderBytes)
            return false;
        datagram = new UdpDatagram(new UdpEndpoint(source, BinaryPrimitives.ReadUInt16BigEndian(header)), new UdpEndpoint(target, BinaryPrimitives.ReadUInt16BigEndian(header[2..])),
            udp + HeaderBytes, length - HeaderBytes, header.Length >= length);
        return true;
    }
}

/// <summary>An address, IPv4 or IPv6 as a number, and a port.</summary>
internal readonly record struct UdpEndpoint(UInt128 Address, ushort Port);
