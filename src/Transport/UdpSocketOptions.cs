namespace Hectare.Transport;

/// <summary>By which calls datagrams reach the kernel. The bytes are the same.</summary>
public enum UdpSocketMode
{
    /// <summary>Batched where it exists (64-bit Linux), else the framework's.</summary>
    Auto,

    /// <summary>recvmmsg and sendmmsg. 64-bit Linux only.</summary>
    Batched,

    /// <summary>The framework's socket, one call a datagram: about a third slower, everywhere.</summary>
    Framework,
}

/// <summary>How a <see cref="UdpSocket"/> is opened.</summary>
public sealed record UdpSocketOptions
{
    /// <summary>Address to bind; port 0 lets the system choose. Default 0.0.0.0:0.</summary>
    public PeerAddress Bind { get; init; } = PeerAddress.AnyIPv4(0);

    /// <summary>Lets several sockets share the address (Linux spreads peers over them). Default false.</summary>
    /// <remarks>It also lets a second process take half of the clients in silence: call <see cref="UdpSocket.ThrowIfInUse"/> first.</remarks>
    public bool ReusePort { get; init; }

    /// <summary>Receive buffer to ask for, bytes. Default 8 MiB, which holds about 50 ms of 200,000 small datagrams a second.</summary>
    /// <remarks>The system may grant less: see <see cref="UdpSocket.GrantedReceiveBufferBytes"/>.</remarks>
    public int ReceiveBufferBytes { get; init; } = 8 << 20;

    /// <summary>Send buffer to ask for, bytes. Default 4 MiB.</summary>
    public int SendBufferBytes { get; init; } = 4 << 20;

    /// <summary>Which calls are used. Default <see cref="UdpSocketMode.Auto"/>.</summary>
    public UdpSocketMode Mode { get; init; } = UdpSocketMode.Auto;

    /// <summary>Reads and sets the local IPv4 address of each datagram (IP_PKTINFO): one socket on 0.0.0.0 then speaks as many addresses.
    /// Needs the batched mode and an IPv4 bind. Default false.</summary>
    public bool PacketInfo { get; init; }
}
