using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>How far a client has come.</summary>
internal enum PeerStage : byte
{
    /// <summary>Connected; the welcome is on its way.</summary>
    Welcomed,

    /// <summary>It is told of the world and its inputs count.</summary>
    Joined,

    /// <summary>Its connection is over; the goodbyes still go out.</summary>
    Leaving,
}

/// <summary>One client of a zone: its connection, what it is told, what it wants.</summary>
/// <remarks>Written by the tick thread, and between the two barriers of the write and send phases by the thread of its group alone.</remarks>
internal sealed class Peer<TInput>
    where TInput : struct, IInput<TInput>
{
    /// <summary>Offences are counted in halves: one is forgiven every second tick.</summary>
    public const int OffenceWeight = 2;

    public Peer(int index, ulong connectionId, Connection connection, PeerAddress address, NetworkGroup<TInput> group, InputRing<TInput> inputs)
    {
        Index = index;
        ConnectionId = connectionId;
        Connection = connection;
        Address = address;
        Group = group;
        Inputs = inputs;
    }

    public int Index { get; }

    public PeerId Id => new(Index);

    public ulong ConnectionId { get; }

    public Connection Connection { get; }

    public PeerAddress Address { get; }

    public NetworkGroup<TInput> Group { get; }

    public InputRing<TInput> Inputs { get; }

    /// <summary>When the attempt that made it was challenged.</summary>
    public required long ChallengedNs { get; init; }

    public PeerStage Stage { get; set; }

    /// <summary>What it is told; null until it has joined.</summary>
    public PeerView? View { get; set; }

    public EntityId Avatar { get; set; }

    /// <summary>The avatar's row; -1 when there is none.</summary>
    public int AvatarRow { get; set; } = -1;

    /// <summary>True when packets with lane fragments came since its messages were taken.</summary>
    public bool HasMessages { get; set; }

    /// <summary>Bytes that the lanes may still take: a quarter of the peer's rate, saved up for one full packet.</summary>
    public int LaneBytes { get; set; }

    public int Offences { get; set; }

    /// <summary>When it became <see cref="PeerStage.Leaving"/>.</summary>
    public long LeavingNs { get; set; }

    public long MemoryBytes => ObjectBytes + Connection.LaneMemoryBytes + (View?.MemoryBytes ?? 0) + Inputs.MemoryBytes;

    // The connection's fixed part: 1 kB of times of sending, tracker, counters, objects of the lanes in use.
    private const int ObjectBytes = 2048;
}
