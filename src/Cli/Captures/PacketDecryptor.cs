using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Cli.Captures;

/// <summary>Opens the sealed packets of captured frames in place, with the keys that a server wrote down.</summary>
/// <remarks>Numbers are widened as each end does it. A capture must reach back into the first epoch of a connection's keys, its first million packets.
/// Memory: two openers for each connection that was seen.</remarks>
internal sealed class PacketDecryptor
{
    /// <summary>Set in the type byte of an opened packet; never set on the wire.</summary>
    public const byte OpenedMark = 0x80;

    // A client that moves about has a few addresses; the file may claim any number.
    private const int AddressesMax = 64;

    private readonly Dictionary<ulong, Connection> _connections;
    private readonly ILookup<byte, Connection> _byLowByte;
    private readonly Dictionary<(UdpEndpoint Client, UdpEndpoint Server), List<Connection>> _byAddress = [];
    private readonly byte[] _scratch = new byte[PacketHeader.DatagramBytesMax];

    /// <summary>A decryptor for these connections.</summary>
    public PacketDecryptor(IEnumerable<TrafficSecrets> secrets)
    {
        // A server that wrote a line again means the same connection.
        _connections = secrets.DistinctBy(one => one.ConnectionId).ToDictionary(one => one.ConnectionId, one => new Connection(one));
        _byLowByte = _connections.Values.ToLookup(connection => (byte)connection.Secrets.ConnectionId);
    }

    /// <summary>What came of the frames so far.</summary>
    public DecryptFigures Figures { get; } = new();

    /// <summary>A <see cref="CaptureFile.FrameVisitor"/>.</summary>
    public void Visit(int linkType, Span<byte> frame)
    {
        Figures.Frames++;
        if (!UdpDatagram.TryFind(linkType, frame, out UdpDatagram udp))
            return;
        if (!udp.Captured)
        {
            Figures.CutShort++;
            return;
        }

        Span<byte> datagram = frame.Slice(udp.Offset, udp.Bytes);
        if (!PacketHeader.TryReadType(datagram, out PacketType type) || datagram.Length > PacketHeader.DatagramBytesMax)
            Figures.Foreign++;
        else if (!PacketHeader.IsSealed(type))
            Note(type, udp, datagram);
        else if (TryOpen(udp, datagram))
            Mark(frame, udp, datagram);
    }

    // An acceptance tells where a connection lives before anything of it was opened.
    private void Note(PacketType type, in UdpDatagram udp, ReadOnlySpan<byte> datagram)
    {
        Figures.Handshake++;
        if (type == PacketType.Accepted && datagram.Length >= 25 && _connections.TryGetValue(BinaryPrimitives.ReadUInt64LittleEndian(datagram[17..]), out Connection? connection))
            Remember(udp.Target, udp.Source, connection);
    }

    private bool TryOpen(in UdpDatagram udp, Span<byte> datagram)
    {
        if (PacketHeader.TryReadFromClient(datagram, out PacketHeader header) && _connections.TryGetValue(header.ConnectionId, out Connection? known))
        {
            if (!TryOpen(known.Client, datagram, header, PacketHeader.ClientHeaderBytes))
                return Failed();
            Remember(udp.Source, udp.Target, known);
            return true;
        }

        if (!PacketHeader.TryReadFromServer(datagram, out header))
        {
            Figures.Foreign++;
            return false;
        }

        // Where only the low byte travels, the address says which; if that is not known yet, the tag does.
        List<Connection> here = _byAddress.GetValueOrDefault((udp.Target, udp.Source)) ?? [];
        byte low = (byte)header.ConnectionId;
        foreach (Connection candidate in here.Where(one => (byte)one.Secrets.ConnectionId == low).Concat(_byLowByte[low].Except(here)))
        {
            if (TryOpen(candidate.Server, datagram, header, PacketHeader.ServerHeaderBytes))
            {
                Remember(udp.Target, udp.Source, candidate);
                return true;
            }
        }

        if (!_byLowByte[low].Any())
        {
            Figures.WithoutKeys++;
            return false;
        }

        return Failed();
    }

    private bool Failed()
    {
        Figures.NotOpened++;
        return false;
    }

    // Tried on a copy: what does not open must stay as it is.
    private bool TryOpen(Direction direction, Span<byte> datagram, in PacketHeader header, int headerBytes)
    {
        Span<byte> copy = _scratch.AsSpan(0, datagram.Length);
        foreach (SequenceNumber sequence in direction.NumbersOf(header.Sequence))
        {
            datagram.CopyTo(copy);
            if (!direction.TryOpen(copy, headerBytes, sequence))
                continue;
            copy.CopyTo(datagram);
            Figures.Count(header.Type);
            return true;
        }

        return false;
    }

    private static void Mark(Span<byte> frame, in UdpDatagram udp, Span<byte> datagram)
    {
        datagram[0] |= OpenedMark;
        datagram[^PacketHeader.TagBytes..].Clear();
        frame.Slice(udp.ChecksumOffset, 2).Clear();
    }

    private void Remember(UdpEndpoint client, UdpEndpoint server, Connection connection)
    {
        if (!_byAddress.TryGetValue((client, server), out List<Connection>? here))
            _byAddress[(client, server)] = here = [];
        if (here.Contains(connection))
            return;
        Figures.Connections += connection.Addresses == 0 ? 1 : 0;
        if (connection.Addresses++ < AddressesMax)
            here.Insert(0, connection);
    }

    private sealed class Connection(TrafficSecrets secrets)
    {
        public TrafficSecrets Secrets { get; } = secrets;

        public Direction Client { get; } = new(ConnectionSide.Client, secrets.Suite, secrets.Client);

        public Direction Server { get; } = new(ConnectionSide.Server, secrets.Suite, secrets.Server);

        public int Addresses { get; set; }
    }

    /// <summary>What one end sends: its keys, made when the first packet wants them, and its newest number.</summary>
    private sealed class Direction(ConnectionSide sender, CipherSuite suite, byte[] secret)
    {
        private PacketOpener? _opener;
        private SequenceNumber? _newest;

        // Once a packet was opened its neighbours' numbers are near. Before that all of the first epoch are tried: a capture may begin late.
        public IEnumerable<SequenceNumber> NumbersOf(ushort wire)
        {
            if (_newest is { } newest)
                yield return SequenceNumber.Widen(wire, newest);
            for (uint number = wire; _newest is null && EpochKeys.EpochOf(number) == 0; number += 1 << 16)
                yield return new SequenceNumber(number);
        }

        public bool TryOpen(Span<byte> datagram, int headerBytes, SequenceNumber sequence)
        {
            _opener ??= new PacketOpener(sender, suite, new Secret256(secret), new SequenceNumber(0));
            if (!_opener.TryOpen(datagram, headerBytes, sequence, out _))
                return false;
            if (_newest is null || sequence > _newest.Value)
                _newest = sequence;
            return true;
        }
    }
}

/// <summary>What a decryption came to.</summary>
internal sealed class DecryptFigures
{
    /// <summary>Frames of the capture.</summary>
    public long Frames { get; set; }

    /// <summary>Datagrams that are too long, too short or of no type of ours.</summary>
    public long Foreign { get; set; }

    /// <summary>Datagrams that the capture holds only the beginning of.</summary>
    public long CutShort { get; set; }

    /// <summary>Packets of handshakes: never sealed.</summary>
    public long Handshake { get; set; }

    /// <summary>Payloads opened.</summary>
    public long Payloads { get; private set; }

    /// <summary>Other packets opened: goodbyes and path checks.</summary>
    public long Others { get; private set; }

    /// <summary>Connections of which something was opened, or whose acceptance was seen.</summary>
    public long Connections { get; set; }

    /// <summary>Sealed packets of connections that the keys do not know.</summary>
    public long WithoutKeys { get; set; }

    /// <summary>Sealed packets that no key opened: corrupted, forged, or of a connection whose beginning is missing.</summary>
    public long NotOpened { get; set; }

    /// <summary>Packets opened.</summary>
    public long Opened => Payloads + Others;

    internal void Count(PacketType type)
    {
        if (type == PacketType.Payload)
            Payloads++;
        else
            Others++;
    }
}
