using System.Runtime.InteropServices;

namespace Hectare.Peers.OverEnet;

/// <summary>What of ENet 1.3 is called: Debian's <c>libenet7</c>, by its own interface.</summary>
internal static unsafe partial class EnetLibrary
{
    /// <summary>How to get it.</summary>
    public const string Missing = "libenet.so.7 is not on this machine (Debian: apt-get install libenet7)";

    private const string Name = "libenet.so.7";

    /// <summary>True when it can be used. Its structs are those of 64-bit systems.</summary>
    public static bool IsThere { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess && NativeLibrary.TryLoad(Name, out _) && Initialize() == 0;

    /// <summary>ENetEvent's type.</summary>
    public enum EventType
    {
        /// <summary>Nothing happened.</summary>
        None = 0,

        /// <summary>A peer is connected.</summary>
        Connect = 1,

        /// <summary>A peer is gone.</summary>
        Disconnect = 2,

        /// <summary>A packet came; whoever gets it destroys it.</summary>
        Receive = 3,
    }

    /// <summary>ENetAddress.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Address
    {
        /// <summary>IPv4 address in network order.</summary>
        public uint Host;

        /// <summary>Port in the machine's order.</summary>
        public ushort Port;
    }

    /// <summary>ENetEvent.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Event
    {
        /// <summary>What happened.</summary>
        public EventType Type;

        /// <summary>To whom: an ENetPeer.</summary>
        public nint Peer;

        /// <summary>On which channel.</summary>
        public byte Channel;

        /// <summary>What the other side said at connect and disconnect.</summary>
        public uint Data;

        /// <summary>What came.</summary>
        public Packet* Packet;
    }

    /// <summary>ENetPacket, its first fields.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Packet
    {
        /// <summary>The library's own count.</summary>
        public nuint ReferenceCount;

        /// <summary>0: unreliable and in order.</summary>
        public uint Flags;

        /// <summary>Its bytes.</summary>
        public byte* Data;

        /// <summary>How many.</summary>
        public nuint DataBytes;
    }

    [LibraryImport(Name, EntryPoint = "enet_host_create")]
    public static partial nint CreateHost(Address* address, nuint peers, nuint channels, uint bytesPerSecondIn, uint bytesPerSecondOut);

    [LibraryImport(Name, EntryPoint = "enet_host_destroy")]
    public static partial void DestroyHost(nint host);

    [LibraryImport(Name, EntryPoint = "enet_host_connect")]
    public static partial nint Connect(nint host, Address* address, nuint channels, uint data);

    [LibraryImport(Name, EntryPoint = "enet_host_service")]
    public static partial int Service(nint host, Event* happened, uint timeoutMs);

    [LibraryImport(Name, EntryPoint = "enet_host_flush")]
    public static partial void Flush(nint host);

    [LibraryImport(Name, EntryPoint = "enet_packet_create")]
    public static partial Packet* CreatePacket(byte* data, nuint bytes, uint flags);

    [LibraryImport(Name, EntryPoint = "enet_packet_destroy")]
    public static partial void DestroyPacket(Packet* packet);

    [LibraryImport(Name, EntryPoint = "enet_peer_send")]
    public static partial int Send(nint peer, byte channel, Packet* packet);

    [LibraryImport(Name, EntryPoint = "enet_peer_throttle_configure")]
    public static partial void ConfigureThrottle(nint peer, uint intervalMs, uint acceleration, uint deceleration);

    [LibraryImport(Name, EntryPoint = "enet_socket_set_option")]
    public static partial int SetSocketOption(int socket, int option, int value);

    [LibraryImport(Name, EntryPoint = "enet_initialize")]
    private static partial int Initialize();
}
