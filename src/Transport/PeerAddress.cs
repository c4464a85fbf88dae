using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Numerics;

namespace Hectare.Transport;

/// <summary>An IPv6 address and a UDP port; IPv4 is held mapped (::ffff:a.b.c.d). A plain value: no allocation, cheap to compare.</summary>
/// <param name="High">The first eight bytes of the address, the first byte highest.</param>
/// <param name="Low">The last eight bytes.</param>
/// <param name="Port">UDP port, host order.</param>
public readonly record struct PeerAddress(ulong High, ulong Low, ushort Port)
{
    private const ulong MappedPrefix = 0x0000_FFFF_0000_0000;

    /// <summary>True for a mapped IPv4 address.</summary>
    public bool IsIPv4 => High == 0 && (Low & 0xFFFF_FFFF_0000_0000) == MappedPrefix;

    /// <summary>The IPv4 address, first byte highest (127.0.0.1 is 0x7F000001). Meaningful when <see cref="IsIPv4"/>.</summary>
    public uint IPv4 => (uint)Low;

    /// <summary>True for the default value: no address at all.</summary>
    public bool IsNone => High == 0 && Low == 0 && Port == 0;

    /// <summary>True for 127.0.0.0/8 and ::1: only this machine sends from there.</summary>
    public bool IsLoopback => IsIPv4 ? IPv4 >> 24 == 127 : High == 0 && Low == 1;

    /// <summary>127.0.0.1 at <paramref name="port"/>.</summary>
    public static PeerAddress Loopback(int port) => FromIPv4(0x7F00_0001, port);

    /// <summary>0.0.0.0 at <paramref name="port"/>: every IPv4 address of this machine, for binding.</summary>
    public static PeerAddress AnyIPv4(int port) => FromIPv4(0, port);

    /// <summary>An IPv4 address, first byte highest, at <paramref name="port"/> (0 to 65,535).</summary>
    public static PeerAddress FromIPv4(uint address, int port) => new(0, MappedPrefix | address, checked((ushort)port));

    /// <summary>The same address at another port.</summary>
    public PeerAddress WithPort(int port) => this with { Port = checked((ushort)port) };

    /// <summary>Reads <c>127.0.0.1:4000</c> or <c>[::1]:4000</c>.</summary>
    /// <exception cref="FormatException">The text is not an address and a port.</exception>
    public static PeerAddress Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out PeerAddress address) ? address : throw new FormatException($"'{text}' is not an address and port such as 127.0.0.1:4000");

    /// <summary>Reads <c>127.0.0.1:4000</c> or <c>[::1]:4000</c>. Names are not looked up.</summary>
    /// <returns>False when the text is anything else.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out PeerAddress address)
    {
        address = default;
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return false;
        ReadOnlySpan<char> host = text[..colon];
        bool bracketed = host.Length > 2 && host[0] == '[' && host[^1] == ']';
        // The framework takes 127.1 and 2130706433 for IPv4 addresses; a mistyped option should not.
        if (!bracketed && host.Count('.') != 3)
            return false;
        if (!IPAddress.TryParse(bracketed ? host[1..^1] : host, out IPAddress? parsed))
            return false;
        Span<byte> bytes = stackalloc byte[16];
        if (!parsed.TryWriteBytes(bytes, out int written))
            return false;
        address = written == 4 ? FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes), port) : FromBytes(bytes, port);
        return true;
    }

    /// <summary>16 bytes of address in network order.</summary>
    internal static PeerAddress FromBytes(ReadOnlySpan<byte> address, ushort port) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(address), BinaryPrimitives.ReadUInt64BigEndian(address[8..]), port);

    /// <summary>Writes the 16 bytes of the address in network order.</summary>
    internal void WriteAddress(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        ulong mixed = (Low ^ ((ulong)Port << 40) ^ BitOperations.RotateLeft(High, 29)) * 0x9E3779B97F4A7C15;
        return (int)(mixed >> 32);
    }

    /// <summary><c>127.0.0.1:4000</c> or <c>[::1]:4000</c>.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        WriteAddress(bytes);
        return IsIPv4
            ? string.Create(CultureInfo.InvariantCulture, $"{bytes[12]}.{bytes[13]}.{bytes[14]}.{bytes[15]}:{Port}")
            : string.Create(CultureInfo.InvariantCulture, $"[{new IPAddress(bytes)}]:{Port}");
    }
}
