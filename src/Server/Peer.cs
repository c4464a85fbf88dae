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

/// <summary>Acks that came since the peer was written last. What they prove is settled when it is written next, in memory that is looked at then anyway: nothing asks before.</summary>
internal struct AckNews
{
    private SequenceNumber _settled;     // the newest ack that was
    private SequenceNumber _newest;
    private uint _bits;
    private bool _waits;

    /// <summary>An ack that says something new.</summary>
    public void Add(in AckUpdate acks, PeerView view, Tick tick)
    {
        // What one ack says of the packets before it is in the next one too, as far back as its bits reach.
        if (_waits && acks.Newest - _settled > AckField.Window)
            Settle(view, tick);
        if (!_waits)
            _settled = acks.PreviousNewest;
        (_newest, _bits, _waits) = (acks.Newest, acks.Bits, true);
    }

    /// <summary>Tells the peer's view.</summary>
    public void Settle(PeerView view, Tick tick)
    {
        if (_waits)
            view.OnAck(_newest, _bits, tick);
        _waits = false;
    }
}

/// <summary>One client of a zone: its connection, what it is told, what it wants.</summary>
/// <remarks>Written by the tick thread, and between the two barriers of the write and send phases by the thread of its group alone.</remarks>
internal sealed class Peer<TInput>
    where TInput : struct, IInput<TInput>
{
    public Peer(int index, ulong connectionId, Connection connection, PeerAddress address, NetworkGroup<TInput> group, InputRing<TInput> inputs)
    {
        Index = index;
        ConnectionId = connectionId;
        Connection = connection;
        Address = address;
        Group = group;
        Inputs = inputs;
    }

    // Structs that change in place.
    public AckNews Acks;
    public OffenceTally Offences;
    public RateBucket Packets;
    public RateBucket Messages;
    public RateBucket MessageBytes;
    private Tick _packetsTick;
    private int _packetsInTick;
    private Tick _failedTick;
    private int _failedInTick;

    public int Index { get; }

    public PeerId Id => new(Index);

    public ulong ConnectionId { get; }

    public Connection Connection { get; }

    /// <summary>Where it is: proved by the handshake, or by a path response since.</summary>
    public PeerAddress Address { get; set; }

    /// <summary>Where it seems to be now; null when it never came from anywhere else.</summary>
    public PeerPath? Path { get; set; }

    public NetworkGroup<TInput> Group { get; }

    public InputRing<TInput> Inputs { get; }

    /// <summary>When the attempt that made it was challenged.</summary>
    public required long ChallengedNs { get; init; }

    /// <summary>When it was let in.</summary>
    public required long AdmittedNs { get; init; }

    /// <summary>Who it is, by its token.</summary>
    public required ulong ClientId { get; init; }

    /// <summary>Its stay.</summary>
    public required SessionId Session { get; init; }

    /// <summary>Its token was one to come back with.</summary>
    public required bool IsResume { get; init; }

    /// <summary>The token that it came with.</summary>
    public required Random128 Token { get; init; }

    /// <summary>What its token says to the game; null once the session's row keeps it.</summary>
    public byte[]? UserData { get; set; }

    /// <summary>Its row of the session table; <see cref="SessionTable.None"/> until it has joined, and for a token without a session.</summary>
    public int SessionRow { get; set; } = SessionTable.None;

    /// <summary>When it is given the next token to come back with.</summary>
    public long NextResumeNs { get; set; }

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

    /// <summary>What it may be sent of the zone's budget. A field: it is changed in place.</summary>
    public ShareAccount Share;

    /// <summary>When what it took of its lanes is looked at next.</summary>
    public long SlowLookNs { get; set; }

    /// <summary>What it must have taken by then, as <see cref="Connection.ReleasedLaneBytes"/> counts.</summary>
    public long SlowTarget { get; set; }

    /// <summary>The tick up to which <see cref="LaneBytes"/> were given.</summary>
    public Tick LaneTick { get; set; }

    /// <summary>When it became <see cref="PeerStage.Leaving"/>.</summary>
    public long LeavingNs { get; set; }

    /// <summary>The tick in which inputs of it were last found too old: what a link held back comes all at once and is one offence.</summary>
    public Tick? TooOldTick { get; set; }

    /// <summary>Packets in this tick that named it, came from elsewhere and did not open.</summary>
    public int FailedOpens(Tick tick) => _failedTick == tick ? _failedInTick : 0;

    /// <summary>One more.</summary>
    public void CountFailedOpen(Tick tick) => (_failedInTick, _failedTick) = (FailedOpens(tick) + 1, tick);

    /// <summary>Counts a packet that is about to be opened.</summary>
    /// <returns>False when there were too many in this tick.</returns>
    public bool TryCountPacket(Tick tick, int max)
    {
        if (_packetsTick != tick)
            (_packetsTick, _packetsInTick) = (tick, 0);
        return _packetsInTick++ < max;
    }

    /// <summary>Bytes of a peer that are read for every packet, for <see cref="Prefetch.Object"/>.</summary>
    public const int PrefetchBytes = 336;

    public long MemoryBytes => ObjectBytes + Connection.LaneMemoryBytes + Connection.KeyMemoryBytes + (View?.MemoryBytes ?? 0) + Inputs.MemoryBytes;

    // The connection's fixed part: 1 kB of times of sending, tracker, counters, objects of the lanes in use.
    private const int ObjectBytes = 2048;
}
