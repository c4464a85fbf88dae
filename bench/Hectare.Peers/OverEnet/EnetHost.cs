using System.Net;
using System.Runtime.InteropServices;

namespace Hectare.Peers.OverEnet;

/// <summary>One ENet host: a socket and its peers. One thread at a time.</summary>
internal sealed unsafe class EnetHost : IDisposable
{
    // ENet asks for 256 kB, which a server of thousands overflows at the first pause. Hectare asks for 8 MiB.
    private const int ReceiveBufferOption = 3;     // ENET_SOCKOPT_RCVBUF
    private const int ReceiveBufferBytes = 8 << 20;

    // ENetHost of 1.3 on 64-bit systems: socket, address.port, peerCount, totalSentData, totalSentPackets.
    private const int SocketOffset = 0;
    private const int PortOffset = 8;
    private const int PeerCountOffset = 48;
    private const int SentBytesOffset = 10_960;
    private const int SentDatagramsOffset = 10_964;

    private static readonly uint LoopbackHost = BitConverter.ToUInt32(IPAddress.Loopback.GetAddressBytes());

    private nint _host;
    private uint _seenBytes;
    private uint _seenDatagrams;
    private long _sentBytes;
    private long _sentDatagrams;

    private EnetHost(nint host, int peers)
    {
        _host = host;
        if (Marshal.ReadInt64(host, PeerCountOffset) != peers)
            throw new NotSupportedException("this libenet.so.7 lays its host out otherwise than ENet 1.3.17 does");
        EnetLibrary.SetSocketOption(Marshal.ReadInt32(host, SocketOffset), ReceiveBufferOption, ReceiveBufferBytes);
    }

    /// <summary>Port of its socket.</summary>
    public int Port => (ushort)Marshal.ReadInt16(_host, PortOffset);

    /// <summary>UDP payload sent since the start.</summary>
    public long SentBytes
    {
        get
        {
            CountSent();
            return _sentBytes;
        }
    }

    /// <summary>Datagrams sent since the start.</summary>
    public long SentDatagrams
    {
        get
        {
            CountSent();
            return _sentDatagrams;
        }
    }

    /// <summary>A host on a free port of 127.0.0.1.</summary>
    public static EnetHost Open(int peers)
    {
        var address = new EnetLibrary.Address { Host = LoopbackHost };
        nint host = EnetLibrary.CreateHost(&address, (nuint)peers, 1, 0, 0);
        return host != 0 ? new EnetHost(host, peers) : throw new InvalidOperationException($"ENet opens no host for {peers} peers");
    }

    /// <summary>Begins to connect to a host of this machine; gives the peer.</summary>
    public nint Connect(int port)
    {
        var address = new EnetLibrary.Address { Host = LoopbackHost, Port = checked((ushort)port) };
        nint peer = EnetLibrary.Connect(_host, &address, 1, 0);
        return peer != 0 ? peer : throw new InvalidOperationException("ENet has no peer left");
    }

    /// <summary>Sends what is due, takes what has come and gives the next event; false when there is none.</summary>
    public bool TryNext(out EnetLibrary.Event happened)
    {
        happened = default;
        fixed (EnetLibrary.Event* to = &happened)
            return EnetLibrary.Service(_host, to, 0) > 0;
    }

    /// <summary>Queues a packet, unreliable and in order.</summary>
    public static void Send(nint peer, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* data = bytes)
        {
            EnetLibrary.Packet* packet = EnetLibrary.CreatePacket(data, (nuint)bytes.Length, 0);
            if (EnetLibrary.Send(peer, 0, packet) < 0)
                EnetLibrary.DestroyPacket(packet);
        }
    }

    /// <summary>Sends what is queued.</summary>
    public void Flush() => EnetLibrary.Flush(_host);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_host != 0)
            EnetLibrary.DestroyHost(_host);
        _host = 0;
    }

    // The library's counters have 32 bits and wrap every few minutes at full load; they are read at least once a window.
    private void CountSent()
    {
        uint bytes = (uint)Marshal.ReadInt32(_host, SentBytesOffset), datagrams = (uint)Marshal.ReadInt32(_host, SentDatagramsOffset);
        _sentBytes += bytes - _seenBytes;
        _sentDatagrams += datagrams - _seenDatagrams;
        (_seenBytes, _seenDatagrams) = (bytes, datagrams);
    }
}
