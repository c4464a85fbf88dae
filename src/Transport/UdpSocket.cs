// The only file that names sockets: everything else in this project takes bytes and time as arguments.
#pragma warning disable RS0030
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Hectare.Transport;

/// <summary>A bound UDP socket that moves datagrams in batches, without allocating. One thread at a time.</summary>
/// <remarks>Never fragments: what is too long for the path is refused by the system and counted (<see cref="SocketCounters.SendErrors"/>).</remarks>
public sealed unsafe class UdpSocket : IDatagramSocket
{
    private const int ChunkDatagrams = 64;            // what one system call carries; larger batches take several

    private readonly Socket _socket;
    private readonly int _handle;
    private readonly bool _isIPv6;
    private readonly bool _packetInfo;
    private readonly SocketAddress _received;
    private readonly SocketAddress _target;

    // Headers for the batched calls, pinned and filled once; only addresses, lengths and buffers change. Null in framework mode.
    private readonly Libc.MessageHeader[]? _headers;
    private readonly Libc.IoVector[]? _vectors;
    private readonly Libc.Address[]? _addresses;
    private readonly Libc.PacketInfoControl[]? _controls;

    /// <summary>Opens and binds.</summary>
    /// <exception cref="AddressInUseException">Another socket is bound there.</exception>
    /// <exception cref="NotSupportedException">The options ask for what this system does not have.</exception>
    /// <exception cref="SocketException">The system refuses for another reason (no such address, not permitted).</exception>
    public UdpSocket(UdpSocketOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        bool canBatch = OperatingSystem.IsLinux() && Environment.Is64BitProcess;
        IsBatched = options.Mode == UdpSocketMode.Batched || (options.Mode == UdpSocketMode.Auto && canBatch);
        if (IsBatched && !canBatch)
            throw new NotSupportedException("UdpSocketOptions.Mode Batched needs 64-bit Linux; use Auto or Framework");
        _isIPv6 = !options.Bind.IsIPv4;
        if (options.PacketInfo && (!IsBatched || _isIPv6))
            throw new NotSupportedException("UdpSocketOptions.PacketInfo needs 64-bit Linux, mode Batched or Auto, and an IPv4 address to bind");
        _packetInfo = options.PacketInfo;

        AddressFamily family = _isIPv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        _received = new SocketAddress(family);
        _target = new SocketAddress(family);
        _socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            SetOptions(options);
            Bind(_socket, options.Bind);
            LocalAddress = AddressOf((IPEndPoint)_socket.LocalEndPoint!);
            GrantedReceiveBufferBytes = ReadGrantedBuffer();
        }
        catch
        {
            _socket.Dispose();
            throw;
        }

        _handle = (int)_socket.Handle;
        if (IsBatched)
        {
            _headers = GC.AllocateArray<Libc.MessageHeader>(ChunkDatagrams, pinned: true);
            _vectors = GC.AllocateArray<Libc.IoVector>(ChunkDatagrams, pinned: true);
            _addresses = GC.AllocateArray<Libc.Address>(ChunkDatagrams, pinned: true);
            _controls = GC.AllocateArray<Libc.PacketInfoControl>(ChunkDatagrams, pinned: true);
            LinkHeaders();
        }
    }

    /// <inheritdoc/>
    public PeerAddress LocalAddress { get; }

    /// <inheritdoc/>
    public SocketCounters Counters { get; } = new();

    /// <summary>True when recvmmsg and sendmmsg carry the datagrams.</summary>
    public bool IsBatched { get; }

    /// <summary>Receive buffer that the system gave, bytes. Less than asked: raise the sysctl net.core.rmem_max (Linux).</summary>
    public int GrantedReceiveBufferBytes { get; }

    /// <summary>Binds a plain socket to the address and closes it again: SO_REUSEPORT would share a port in silence.</summary>
    /// <exception cref="AddressInUseException">Another socket is bound there.</exception>
    public static void ThrowIfInUse(PeerAddress address)
    {
        using var probe = new Socket(address.IsIPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
        if (OperatingSystem.IsWindows())
            probe.ExclusiveAddressUse = true;
        Bind(probe, address);
    }

    /// <summary>Waits until something has arrived. For threads that have nothing else to do; a server polls on its tick instead.</summary>
    /// <returns>False after <paramref name="timeoutMs"/> without a datagram.</returns>
    public bool WaitReadable(int timeoutMs) => _socket.Poll(timeoutMs * 1000, SelectMode.SelectRead);

    /// <inheritdoc/>
    public int Receive(DatagramBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        return IsBatched ? ReceiveBatched(batch) : ReceiveSingly(batch);
    }

    /// <inheritdoc/>
    public int Send(DatagramBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return IsBatched ? SendBatched(batch) : SendSingly(batch);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private int ReceiveBatched(DatagramBatch batch)
    {
        int total = 0;
        while (total < batch.Capacity)
        {
            int wanted = Math.Min(ChunkDatagrams, batch.Capacity - total);
            PrepareReceive(batch, total, wanted);
            int got;
            fixed (Libc.MessageHeader* headers = _headers)
                got = Libc.ReceiveMany(_handle, headers, (uint)wanted, Libc.DontWait, null);
            if (got < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Libc.Interrupted)
                    continue;
                if (error != Libc.WouldBlock)
                    Counters.ReceiveErrors++;
                break;
            }

            for (int i = 0; i < got; i++)
                TakeReceived(batch, total + i, ref _headers![i], i);
            total += got;
            if (got < wanted)
                break;
        }

        batch.SetCount(total);
        return total;
    }

    private void PrepareReceive(DatagramBatch batch, int first, int count)
    {
        byte* slots = batch.Base;
        for (int i = 0; i < count; i++)
        {
            ref Libc.MessageHeader header = ref _headers![i];
            header.NameBytes = Libc.AddressIPv6Bytes;
            header.ControlBytes = _packetInfo ? (nuint)sizeof(Libc.PacketInfoControl) : 0;
            header.Flags = 0;
            _vectors![i].Base = slots + ((first + i) * DatagramBatch.SlotBytes);
            _vectors[i].Length = DatagramBatch.SlotBytes;
        }
    }

    private void TakeReceived(DatagramBatch batch, int entry, ref Libc.MessageHeader header, int i)
    {
        int bytes = (int)header.DatagramBytes;
        if (bytes >= DatagramBatch.SlotBytes || ((int)header.Flags & Libc.Truncated) != 0)
        {
            Counters.ReceivedTooLong++;
            bytes = 0;
        }

        ref Libc.Address from = ref _addresses![i];
        ushort port = BinaryPrimitives.ReverseEndianness(from.Port);
        batch.Address[entry] = from.Family == Libc.FamilyIPv4
            ? PeerAddress.FromIPv4(BinaryPrimitives.ReverseEndianness(from.IPv4), port)
            : new PeerAddress(BinaryPrimitives.ReverseEndianness(from.High), BinaryPrimitives.ReverseEndianness(from.Low), port);
        ref Libc.PacketInfoControl control = ref _controls![i];
        bool hasDestination = header.ControlBytes >= Libc.PacketInfoControl.DataBytes && control is { Level: Libc.LevelIp, Type: Libc.PacketInfo };
        batch.Local[entry] = hasDestination
            ? PeerAddress.FromIPv4(BinaryPrimitives.ReverseEndianness(control.DestinationAddress), LocalAddress.Port)
            : LocalAddress;
        batch.SetLength(entry, bytes);
        Counters.ReceivedDatagrams++;
        Counters.ReceivedBytes += bytes;
    }

    private int SendBatched(DatagramBatch batch)
    {
        int sentTotal = 0;
        int next = 0;
        while (next < batch.Count)
        {
            int wanted = Math.Min(ChunkDatagrams, batch.Count - next);
            PrepareSend(batch, next, wanted);
            int sent;
            fixed (Libc.MessageHeader* headers = _headers)
                sent = Libc.SendMany(_handle, headers, (uint)wanted, Libc.DontWait);
            if (sent > 0)
            {
                CountSent(batch, next, sent);
                sentTotal += sent;
                next += sent;
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == Libc.Interrupted)
                continue;
            if (error is Libc.WouldBlock or Libc.NoBuffers)
            {
                Counters.SendBufferFull += batch.Count - next;
                break;
            }

            // The system refuses this one datagram (too long for the path, no route): the rest may still go.
            Counters.SendErrors++;
            next++;
        }

        return sentTotal;
    }

    private void PrepareSend(DatagramBatch batch, int first, int count)
    {
        byte* slots = batch.Base;
        for (int i = 0; i < count; i++)
        {
            int entry = first + i;
            ref Libc.MessageHeader header = ref _headers![i];
            header.NameBytes = _isIPv6 ? Libc.AddressIPv6Bytes : (uint)Libc.AddressIPv4Bytes;
            header.Flags = 0;
            _vectors![i].Base = slots + (entry * DatagramBatch.SlotBytes);
            _vectors[i].Length = (nuint)batch.LengthBytes(entry);
            WriteAddress(ref _addresses![i], batch.Address[entry]);
            PeerAddress local = batch.Local[entry];
            header.ControlBytes = 0;
            if (_packetInfo && !local.IsNone)
            {
                header.ControlBytes = (nuint)sizeof(Libc.PacketInfoControl);
                ref Libc.PacketInfoControl control = ref _controls![i];
                control = new Libc.PacketInfoControl
                {
                    Length = Libc.PacketInfoControl.DataBytes,
                    Level = Libc.LevelIp,
                    Type = Libc.PacketInfo,
                    LocalAddress = BinaryPrimitives.ReverseEndianness(local.IPv4),
                };
            }
        }
    }

    private void WriteAddress(ref Libc.Address target, PeerAddress address)
    {
        target = default;
        target.Port = BinaryPrimitives.ReverseEndianness(address.Port);
        if (_isIPv6)
        {
            target.Family = Libc.FamilyIPv6;
            target.High = BinaryPrimitives.ReverseEndianness(address.High);
            target.Low = BinaryPrimitives.ReverseEndianness(address.Low);
            return;
        }

        target.Family = Libc.FamilyIPv4;
        target.IPv4 = BinaryPrimitives.ReverseEndianness(address.IPv4);
    }

    private int ReceiveSingly(DatagramBatch batch)
    {
        // Poll, not Available: an empty datagram at the head of the queue makes Available zero, and nothing behind it would ever be read.
        while (!batch.IsFull && _socket.Poll(0, SelectMode.SelectRead))
        {
            int bytes;
            try
            {
                bytes = _socket.ReceiveFrom(batch.Buffer(batch.Count), SocketFlags.None, _received);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.MessageSize)
            {
                bytes = DatagramBatch.SlotBytes;
            }
            catch (SocketException error)
            {
                if (error.SocketErrorCode != SocketError.WouldBlock)
                    Counters.ReceiveErrors++;
                break;
            }

            if (bytes >= DatagramBatch.SlotBytes)
            {
                Counters.ReceivedTooLong++;
                bytes = 0;
            }

            batch.Add(ReadAddress(_received), bytes, LocalAddress);
            Counters.ReceivedDatagrams++;
            Counters.ReceivedBytes += bytes;
        }

        return batch.Count;
    }

    private int SendSingly(DatagramBatch batch)
    {
        int sent = 0;
        for (int i = 0; i < batch.Count; i++)
        {
            WriteAddress(_target, batch.Address[i]);
            try
            {
                _socket.SendTo(batch.Datagram(i), SocketFlags.None, _target);
            }
            catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable)
            {
                // One exception a batch at most: the rest would meet the same full buffer.
                Counters.SendBufferFull += batch.Count - i;
                break;
            }
            catch (SocketException)
            {
                Counters.SendErrors++;
                continue;
            }

            CountSent(batch, i, 1);
            sent++;
        }

        return sent;
    }

    private void CountSent(DatagramBatch batch, int first, int count)
    {
        Counters.SentDatagrams += count;
        for (int i = first; i < first + count; i++)
            Counters.SentBytes += batch.LengthBytes(i);
    }

    // Port at 2, IPv4 at 4, IPv6 at 8: the same on every system; only the family's two bytes differ, and the framework writes those.
    private static PeerAddress ReadAddress(SocketAddress address)
    {
        ReadOnlySpan<byte> bytes = address.Buffer.Span;
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        return address.Family == AddressFamily.InterNetwork
            ? PeerAddress.FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), port)
            : PeerAddress.FromBytes(bytes.Slice(8, 16), port);
    }

    private void WriteAddress(SocketAddress target, PeerAddress address)
    {
        Span<byte> bytes = target.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], address.Port);
        if (_isIPv6)
            address.WriteAddress(bytes.Slice(8, 16));
        else
            BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], address.IPv4);
    }

    private void SetOptions(UdpSocketOptions options)
    {
        if (_isIPv6)
            _socket.DualMode = true;
        _socket.Blocking = false;
        if (OperatingSystem.IsLinux())
        {
            SetLinuxOptions(options);
            return;
        }

        if (options.ReusePort)
            _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _socket.ReceiveBufferSize = options.ReceiveBufferBytes;
        _socket.SendBufferSize = options.SendBufferBytes;
        if (!_isIPv6)
            _socket.DontFragment = true;
        if (OperatingSystem.IsWindows())
            _socket.IOControl(unchecked((int)0x9800000C), [0], null);   // SIO_UDP_CONNRESET off: a peer that went away is no error of ours
    }

    private void SetLinuxOptions(UdpSocketOptions options)
    {
        if (options.ReusePort)
            SetOption(Libc.LevelSocket, Libc.ReusePort, 1);
        if (!TrySetOption(Libc.LevelSocket, Libc.ReceiveBufferForce, options.ReceiveBufferBytes))
            SetOption(Libc.LevelSocket, Libc.ReceiveBuffer, options.ReceiveBufferBytes);
        if (!TrySetOption(Libc.LevelSocket, Libc.SendBufferForce, options.SendBufferBytes))
            SetOption(Libc.LevelSocket, Libc.SendBuffer, options.SendBufferBytes);
        SetOption(Libc.LevelIp, Libc.MtuDiscover, Libc.MtuDiscoverDo);
        if (_isIPv6)
            SetOption(Libc.LevelIpv6, Libc.MtuDiscoverIpv6, Libc.MtuDiscoverDo);
        if (_packetInfo)
            SetOption(Libc.LevelIp, Libc.PacketInfo, 1);
    }

    private void SetOption(int level, int name, int value) => _socket.SetRawSocketOption(level, name, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));

    private bool TrySetOption(int level, int name, int value)
    {
        try
        {
            SetOption(level, name, value);
            return true;
        }
        catch (SocketException)
        {
            return false;   // by design: the forced sizes need CAP_NET_ADMIN, and most servers rightly run without
        }
    }

    private int ReadGrantedBuffer()
    {
        if (!OperatingSystem.IsLinux())
            return _socket.ReceiveBufferSize;
        int doubled = 0;
        _socket.GetRawSocketOption(Libc.LevelSocket, Libc.ReceiveBuffer, MemoryMarshal.AsBytes(new Span<int>(ref doubled)));
        return doubled / 2;   // Linux reports twice what it was asked for: half is its own book-keeping
    }

    private static void Bind(Socket socket, PeerAddress address)
    {
        try
        {
            socket.Bind(EndPointOf(address));
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(address, error);
        }
    }

    private static IPEndPoint EndPointOf(PeerAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.WriteAddress(bytes);
        return new IPEndPoint(new IPAddress(address.IsIPv4 ? bytes[12..] : bytes), address.Port);
    }

    private static PeerAddress AddressOf(IPEndPoint endPoint)
    {
        Span<byte> bytes = stackalloc byte[16];
        endPoint.Address.TryWriteBytes(bytes, out int written);
        return written == 4
            ? PeerAddress.FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes), endPoint.Port)
            : PeerAddress.FromBytes(bytes, (ushort)endPoint.Port);
    }

    private void LinkHeaders()
    {
        var vectors = (Libc.IoVector*)Marshal.UnsafeAddrOfPinnedArrayElement(_vectors!, 0);
        var addresses = (Libc.Address*)Marshal.UnsafeAddrOfPinnedArrayElement(_addresses!, 0);
        var controls = (Libc.PacketInfoControl*)Marshal.UnsafeAddrOfPinnedArrayElement(_controls!, 0);
        for (int i = 0; i < ChunkDatagrams; i++)
        {
            ref Libc.MessageHeader header = ref _headers![i];
            header.Name = addresses + i;
            header.Vectors = vectors + i;
            header.VectorCount = 1;
            header.Control = controls + i;
        }
    }
}
