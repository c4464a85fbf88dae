using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>The replication of one zone: what is published, who is interested, and each peer's view of it.</summary>
/// <remarks>
/// A tick: <see cref="Publish"/>, <see cref="UpdateInterest"/> (both on the tick thread, before the world's tick ends); then, from the frozen
/// world, one <see cref="SnapshotWriter"/> per thread writes the peers that are due.
/// </remarks>
public sealed class Replicator
{
    /// <summary>Index in the table of intervals of the ordinary snapshot interval.</summary>
    public const int IntervalCode = 1;

    /// <summary>Index in the table of intervals of twice the snapshot interval: what an overloaded zone keeps to.</summary>
    public const int SlowCode = 2;

    /// <summary>Index of the keep-alive interval.</summary>
    public const int KeepAliveCode = 3;

    private readonly PeerView?[] _peers;
    private readonly (int Peer, int Row)[] _crossed;    // scratch: viewpoints that crossed a line in this tick
    private readonly Parties _parties;
    private readonly SnapshotPhases _phases;
    private readonly Visibility[] _visibility;     // by kind
    private readonly Viewpoints _viewpoints;
    private readonly Holders _holders;
    private readonly HoldersLog _holdersLog;            // of peers that nobody has written yet
    private readonly List<HoldersLog> _holdersLogs = [];
    private int _peerLimit;
    private int _nextToEase;     // where the search for a peer that can change its phase goes on

    /// <summary>For one world, with room for <paramref name="peersMax"/> peers (at most 65,535).</summary>
    /// <exception cref="OptionException">An option is out of range.</exception>
    public Replicator(WorldState world, ReplicationOptions options, int peersMax)
    {
        options.Validate(world.Grid.CellUnits);
        World = world;
        Options = options;
        _peers = new PeerView?[peersMax];
        _crossed = new (int, int)[peersMax];
        _parties = new Parties(peersMax);
        _viewpoints = new Viewpoints(peersMax);
        _phases = new SnapshotPhases(options.SnapshotIntervalTicks);
        Detail = Detail.Of(options);
        _visibility = [.. world.Schema.Kinds.ToArray().Select(kind => kind.Visibility)];
        History = new WorldHistory(world, options, Counters);
        _holders = new Holders(world.Capacity, peersMax);
        _holdersLog = NewHoldersLog();
        Landmarks = new Landmarks(world, options, Counters, _peers);
        Interest = new Interest(world, options, Counters, _peers, Landmarks, _parties, _viewpoints, _holders);
        Movers = new MoversByCell(world, Interest);
    }

    /// <summary>What is replicated.</summary>
    public WorldState World { get; }

    /// <summary>The rules.</summary>
    public ReplicationOptions Options { get; }

    /// <summary>What of <see cref="Options"/> is in force.</summary>
    public Detail Detail { get; private set; }

    /// <summary>The published versions.</summary>
    public WorldHistory History { get; }

    /// <summary>What publishing and interest did.</summary>
    public ReplicationCounters Counters { get; } = new();

    internal Interest Interest { get; }

    internal Landmarks Landmarks { get; }

    internal MoversByCell Movers { get; }

    /// <summary>Bytes of the cells' lists of subscribers and of the list of landmarks; what each peer takes beside is <see cref="PeerView.MemoryBytes"/>.</summary>
    public long SubscriptionBytes => Interest.MemoryBytes + Landmarks.MemoryBytes + _holders.MemoryBytes + Movers.MemoryBytes;

    /// <summary>Ticks to the next snapshot at most, by the code in its header: two ticks (served faster under loss), the interval, twice the interval, keep-alive.</summary>
    public static (byte Fast, byte Interval, byte Slow, byte KeepAlive) Intervals(ReplicationOptions options)
        => (2, (byte)options.SnapshotIntervalTicks, (byte)(2 * options.SnapshotIntervalTicks), (byte)options.KeepAliveTicks);

    /// <summary>Ticks of which nobody was told, since the start. Turns are counted without them: whose turn one of them was is next, and nobody is passed over for good.</summary>
    internal uint TurnsSkipped { get; private set; }

    /// <summary>A log for a thread that writes peers.</summary>
    internal HoldersLog NewHoldersLog()
    {
        var log = new HoldersLog();
        _holdersLogs.Add(log);
        return log;
    }

    /// <summary>Puts another detail in force. Between two ticks.</summary>
    public void SetDetail(Detail detail) => Detail = detail;

    /// <summary>The tick that was published is told by the next: peers are not written.</summary>
    public void SkipTurn() => TurnsSkipped++;

    /// <summary>True in the ticks in which it is a peer's turn to be sent an ordinary snapshot.</summary>
    public bool IsTurn(int peerIndex, Tick tick) => (tick.Value - TurnsSkipped + (uint)_viewpoints.PhaseOf(peerIndex)) % (uint)Options.SnapshotIntervalTicks == 0;

    /// <summary>The peer at an index, or null.</summary>
    public PeerView? Peer(int peerIndex) => _peers[peerIndex];

    /// <summary>A peer that joined: it is told of nothing until it has an avatar.</summary>
    public PeerView AddPeer(int peerIndex, Tick tick)
    {
        Contract.Assert(_peers[peerIndex] is null);
        _viewpoints.Clear(peerIndex);
        var peer = new PeerView(peerIndex, History, Options, _viewpoints, _holdersLog, tick);
        peer.Phase = _phases.Take();
        _peers[peerIndex] = peer;
        _peerLimit = Math.Max(_peerLimit, peerIndex + 1);
        _parties.Set(peerIndex, 0);
        return peer;
    }

    /// <summary>Forgets a peer that left.</summary>
    /// <returns>A peer that takes its turn from now on, and whose next packet is due at once; -1: none.</returns>
    public int RemovePeer(int peerIndex)
    {
        if (_peers[peerIndex] is not { } peer)
            return -1;
        Interest.Remove(peer);
        peer.DropHoldings();
        _viewpoints.Clear(peerIndex);
        _peers[peerIndex] = null;
        _phases.Give(peer.Phase);
        int eased = EasePhases();
        // What it still owns is no longer its party's.
        if (_parties[peerIndex] != 0)
            SetParty(peerIndex, 0);
        return eased;
    }

    // A peer of the fullest phase goes over to the emptiest. At once, so that the packet before it has not promised more than it keeps.
    private int EasePhases()
    {
        if (!_phases.IsUneven(out int full, out int over))
            return -1;
        for (int looked = 0; looked < _peerLimit; looked++)
        {
            _nextToEase = _nextToEase + 1 < _peerLimit ? _nextToEase + 1 : 0;
            if (_peers[_nextToEase] is not { } peer || peer.Phase != full)
                continue;
            _phases.Move(full, over);
            peer.Phase = over;
            peer.SendAtOnce();
            return _nextToEase;
        }

        return -1;
    }

    /// <summary>Puts a peer into a party (0: none): its members see each other's party groups and stay visible in a crowd.</summary>
    public void SetParty(int peerIndex, ushort party)
    {
        ushort before = _parties[peerIndex];
        if (before == party)
            return;
        // Nobody else sees anything of it: a party is what its own members are told.
        Reconsider(peerIndex);
        _parties.Set(peerIndex, party);
        Reconsider(peerIndex);
    }

    private void Reconsider(int peerIndex)
    {
        foreach (int member in _parties.MembersWith(peerIndex))
        {
            PeerView? peer = _peers[member];
            peer?.ReconsiderAll();
            peer?.ReconsiderCells();
            peer?.LookForLandmarks();
        }
    }

    /// <summary>Keeps an entity among those that a peer is told of one by one, however large the crowd: it acts on the peer, say it fights it.</summary>
    /// <param name="peerIndex">The peer; nothing happens when there is none.</param>
    /// <param name="id">The entity. It must still be within the peer's interest: this is about rank, not distance.</param>
    /// <param name="until">The last tick at which it is relevant; replaces what was said of the entity before.</param>
    /// <remarks>At most eight a peer: a ninth takes the place of the one that ends first. During the game's step, like every change.</remarks>
    public void SetRelevant(int peerIndex, EntityId id, Tick until)
    {
        if (_peers[peerIndex] is not { } peer)
            return;
        (peer.Relevance ??= new Relevance()).Set(id, until);
        if (World.TryFind(id, out int row) && !peer.Knows(id))
            Interest.Reconsider(peer, World.Cell[row]);
    }

    /// <summary>Compares the dirty rows with what is published and makes versions, once for all peers.</summary>
    public void Publish(Tick tick) => History.Publish(tick);

    /// <summary>Hands the tick's changes to those who must hear of them, then follows every viewpoint across cells.</summary>
    public void UpdateInterest(Tick tick)
    {
        foreach (HoldersLog log in _holdersLogs)
            log.Settle(_holders);
        Movers.Forget();
        Interest.Cross(tick);
        FollowViewpoints(tick);
        Interest.Distribute(History);
    }

    // Few cross a line in a tick: those first, so that their memory can be asked for.
    private void FollowViewpoints(Tick tick)
    {
        const int ViewAhead = 8, CellsAhead = 4;
        int count = 0;
        for (int i = 0; i < _peerLimit; i++)
        {
            if (_viewpoints.TryGetRow(i, World.Id, out int row) && !Interest.Stays(i, World.X[row], World.Y[row], tick))
                _crossed[count++] = (i, row);
        }

        ReadOnlySpan<(int Peer, int Row)> crossed = _crossed.AsSpan(0, count);
        for (int i = 0; i < crossed.Length; i++)
        {
            if (i + ViewAhead < crossed.Length)
                PeerView.Prefetch(_peers[crossed[i + ViewAhead].Peer]);
            if (i + CellsAhead < crossed.Length)
                _peers[crossed[i + CellsAhead].Peer]!.PrefetchFollowing();
            int row = crossed[i].Row;
            Interest.Follow(_peers[crossed[i].Peer]!, World.X[row], World.Y[row], tick);
        }
    }

    /// <summary>Whether an entity is in a peer's interest: near enough, and of a kind that it may be told of.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="row">The entity's row.</param>
    /// <param name="isHeld">True when the peer holds it: what has entered leaves a little farther away.</param>
    internal bool IsInInterest(PeerView peer, int row, bool isHeld)
        => MayBeTold(peer, row) && (Landmarks.Has(row) ? Landmarks.Reaches(peer, row, isHeld) : Interest.Subscribes(peer, World.Cell[row]));

    /// <summary>The same of an entity that the peer holds, from what the writer looks at anyway.</summary>
    internal bool IsInInterest(PeerView peer, int row, in WorldHistory.Row at)
        => MayBeTold(peer, at.Kind, at.Owner) && (Landmarks.Has(row) ? Landmarks.Reaches(peer, row, isHeld: true) : Interest.Subscribes(peer, at.CellX, at.CellY));

    /// <summary>Whether an entity of a subscribed cell enters because of that.</summary>
    internal bool EntersByCell(PeerView peer, int row) => !Landmarks.Has(row) && MayBeTold(peer, row);

    /// <summary>The same, from what is published of it.</summary>
    internal bool EntersByCell(PeerView peer, int row, in WorldHistory.Row at) => !Landmarks.Has(row) && MayBeTold(peer, at.Kind, at.Owner);

    /// <summary>Oneself, one's party and whoever the game named stay in a crowd, wherever they rank.</summary>
    internal bool IsRelevant(PeerView peer, int row, Tick tick)
        => World.Id[row] == peer.AvatarId.Value || AudienceOf(peer, row) != 0 || peer.Relevance?.Has(World.Id[row], tick) == true;

    /// <summary>What a peer is to an entity: bit 0 owner, bit 1 of the owner's party.</summary>
    internal byte AudienceOf(PeerView peer, int row) => AudienceTo(peer, World.Owner[row]);

    /// <summary>The same, to an entity of that owner.</summary>
    internal byte AudienceTo(PeerView peer, int owner)
    {
        if (owner < 0)
            return 0;
        bool party = _parties[peer.Index] != 0 && _parties[peer.Index] == _parties[owner];
        return (byte)((owner == peer.Index ? 1 : 0) | (party ? 2 : 0));
    }

    internal bool HasParty(PeerView peer) => _parties[peer.Index] != 0;

    /// <summary>Whether the peer is among those who are told of the entity's kind. What nobody is told of has no version and never gets here.</summary>
    internal bool MayBeTold(PeerView peer, int row) => MayBeTold(peer, World.KindIndex[row], World.Owner[row]);

    private bool MayBeTold(PeerView peer, byte kind, int owner) => _visibility[kind] switch
    {
        Visibility.OwnerOnly => (AudienceTo(peer, owner) & 1) != 0,
        Visibility.Party => AudienceTo(peer, owner) != 0,
        _ => true,
    };
}
