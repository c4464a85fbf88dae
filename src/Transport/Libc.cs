using System.Runtime.InteropServices;

namespace Hectare.Transport;

#pragma warning disable CS0649 // fields the kernel writes

/// <summary>The two calls of 64-bit Linux that move many datagrams at once, and the structs they read.</summary>
/// <remarks>Layouts are those of the kernel's own headers (socket.h, in.h, in6.h); a test holds their sizes.</remarks>
internal static unsafe partial class Libc
{
    internal const int DontWait = 0x40;               // MSG_DONTWAIT
    internal const int Truncated = 0x20;              // MSG_TRUNC
    internal const ushort FamilyIPv4 = 2;             // AF_INET
    internal const ushort FamilyIPv6 = 10;            // AF_INET6
    internal const int AddressIPv4Bytes = 16;         // sizeof(struct sockaddr_in)
    internal const int AddressIPv6Bytes = 28;         // sizeof(struct sockaddr_in6)
    internal const int LevelSocket = 1;               // SOL_SOCKET
    internal const int LevelIp = 0;                   // IPPROTO_IP
    internal const int LevelIpv6 = 41;                // IPPROTO_IPV6
    internal const int PacketInfo = 8;                // IP_PKTINFO
    internal const int MtuDiscover = 10;              // IP_MTU_DISCOVER
    internal const int MtuDiscoverIpv6 = 23;          // IPV6_MTU_DISCOVER
    internal const int MtuDiscoverDo = 2;             // IP_PMTUDISC_DO: never fragment
    internal const int ReceiveBuffer = 8;             // SO_RCVBUF
    internal const int SendBuffer = 7;                // SO_SNDBUF
    internal const int SendBufferForce = 32;          // SO_SNDBUFFORCE
    internal const int ReceiveBufferForce = 33;       // SO_RCVBUFFORCE
    internal const int ReusePort = 15;                // SO_REUSEPORT
    internal const int Interrupted = 4;               // EINTR
    internal const int WouldBlock = 11;               // EAGAIN
    internal const int NoBuffers = 105;               // ENOBUFS

    [LibraryImport("libc", EntryPoint = "recvmmsg", SetLastError = true)]
    internal static partial int ReceiveMany(int socket, MessageHeader* messages, uint count, int flags, void* timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    internal static partial int SendMany(int socket, MessageHeader* messages, uint count, int flags);

    /// <summary>struct iovec.</summary>
    internal struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct mmsghdr. Trap: it nests struct msghdr, whose 56 bytes end in padding behind an int.</summary>
    /// <remarks>Flattened with an int for the flags, the length would land in that padding, at 52, and the array step would be 56 instead of 64;
    /// sendmmsg then reports one message sent and no error.</remarks>
    internal struct MessageHeader
    {
        public Address* Name;
        public uint NameBytes;
        public IoVector* Vectors;
        public nuint VectorCount;
        public PacketInfoControl* Control;
        public nuint ControlBytes;
        public nuint Flags;
        public nuint DatagramBytes;
    }

    /// <summary>struct sockaddr_in and struct sockaddr_in6 in one place; port and addresses in network order.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    internal struct Address
    {
        [FieldOffset(0)]
        public ushort Family;

        [FieldOffset(2)]
        public ushort Port;

        [FieldOffset(4)]
        public uint IPv4;

        [FieldOffset(4)]
        public uint FlowInfo;

        [FieldOffset(8)]
        public ulong High;

        [FieldOffset(16)]
        public ulong Low;

        [FieldOffset(24)]
        public uint Scope;
    }

    /// <summary>struct cmsghdr with a struct in_pktinfo behind it: 28 bytes, 32 with padding.</summary>
    internal struct PacketInfoControl
    {
        public const int DataBytes = 28;              // CMSG_LEN(sizeof(struct in_pktinfo))

        public nuint Length;
        public int Level;
        public int Type;
        public int InterfaceIndex;
        public uint LocalAddress;                     // ipi_spec_dst: the source, on send
        public uint DestinationAddress;               // ipi_addr: the header's destination, on receive
        public uint Padding;
    }
}
