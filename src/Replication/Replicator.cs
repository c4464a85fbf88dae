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

    /// <summary>Index of the keep-alive interval.</summary>
    public const int KeepAliveCode = 3;

    private readonly PeerView?[] _peers;
    private readonly ushort[] _party;
    private readonly Visibility[] _visibility;     // by kind
    private int _peerLimit;

    /// <summary>For one world, with room for <paramref name="peersMax"/> peers (at most 65,535).</summary>
    /// <exception cref="OptionException">An option is out of range.</exception>
    public Replicator(WorldState world, ReplicationOptions options, int peersMax)
    {
        options.Validate(world.Grid.CellUnits);
        World = world;
        Options = options;
        _peers = new PeerView?[peersMax];
        _party = new ushort[peersMax];
        _visibility = [.. world.Schema.Kinds.ToArray().Select(kind => kind.Visibility)];
        History = new WorldHistory(world, options, Counters);
        Landmarks = new Landmarks(world, options, Counters, _peers);
        Interest = new Interest(world, options, Counters, _peers, Landmarks);
    }

    /// <summary>What is replicated.</summary>
    public WorldState World { get; }

    /// <summary>The rules.</summary>
    public ReplicationOptions Options { get; }

    /// <summary>The published versions.</summary>
    public WorldHistory History { get; }

    /// <summary>What publishing and interest did.</summary>
    public ReplicationCounters Counters { get; } = new();

    internal Interest Interest { get; }

    internal Landmarks Landmarks { get; }

    /// <summary>Bytes of the cells' lists of subscribers and of the list of landmarks; what each peer takes beside is <see cref="PeerView.MemoryBytes"/>.</summary>
    public long SubscriptionBytes => Interest.MemoryBytes + Landmarks.MemoryBytes;

    /// <summary>Ticks to the next snapshot at most, by the code in its header: two ticks (served faster under loss), the interval, twice the interval, keep-alive.</summary>
    public static (byte Fast, byte Interval, byte Slow, byte KeepAlive) Intervals(ReplicationOptions options)
        => (2, (byte)options.SnapshotIntervalTicks, (byte)(2 * options.SnapshotIntervalTicks), (byte)options.KeepAliveTicks);

    /// <summary>The peer at an index, or null.</summary>
    public PeerView? Peer(int peerIndex) => _peers[peerIndex];

    /// <summary>A peer that joined: it is told of nothing until it has an avatar.</summary>
    public PeerView AddPeer(int peerIndex, Tick tick)
    {
        Contract.Assert(_peers[peerIndex] is null);
        var peer = new PeerView(peerIndex, History, Options, tick);
        _peers[peerIndex] = peer;
        _peerLimit = Math.Max(_peerLimit, peerIndex + 1);
        _party[peerIndex] = 0;
        return peer;
    }

    /// <summary>Forgets a peer that left.</summary>
    public void RemovePeer(int peerIndex)
    {
        if (_peers[peerIndex] is not { } peer)
            return;
        Interest.Remove(peer);
        _peers[peerIndex] = null;
        // What it still owns is no longer its party's.
        if (_party[peerIndex] != 0)
            SetParty(peerIndex, 0);
    }

    /// <summary>Puts a peer into a party (0: none): its members see each other's party groups and stay visible in a crowd.</summary>
    public void SetParty(int peerIndex, ushort party)
    {
        _party[peerIndex] = party;
        foreach (PeerView? peer in _peers.AsSpan(0, _peerLimit))
        {
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
        Interest.Cross();
        for (int i = 0; i < _peerLimit; i++)
        {
            if (_peers[i] is { AvatarRow: >= 0 } peer && World.Id[peer.AvatarRow] == peer.AvatarId.Value)
                Interest.Follow(peer, World.X[peer.AvatarRow], World.Y[peer.AvatarRow], tick);
        }

        Interest.Distribute(History);
    }

    /// <summary>Whether an entity is in a peer's interest: near enough, and of a kind that it may be told of.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="row">The entity's row.</param>
    /// <param name="isHeld">True when the peer holds it: what has entered leaves a little farther away.</param>
    internal bool IsInInterest(PeerView peer, int row, bool isHeld)
        => MayBeTold(peer, row) && (Landmarks.Has(row) ? Landmarks.Reaches(peer, row, isHeld) : Interest.Subscribes(peer, World.Cell[row]));

    /// <summary>Whether an entity of a subscribed cell enters because of that.</summary>
    internal bool EntersByCell(PeerView peer, int row) => !Landmarks.Has(row) && MayBeTold(peer, row);

    /// <summary>Oneself, one's party and whoever the game named stay in a crowd, wherever they rank.</summary>
    internal bool IsRelevant(PeerView peer, int row, Tick tick)
        => World.Id[row] == peer.AvatarId.Value || AudienceOf(peer, row) != 0 || peer.Relevance?.Has(World.Id[row], tick) == true;

    /// <summary>What a peer is to an entity: bit 0 owner, bit 1 of the owner's party.</summary>
    internal byte AudienceOf(PeerView peer, int row)
    {
        int owner = World.Owner[row];
        if (owner < 0)
            return 0;
        bool party = _party[peer.Index] != 0 && _party[peer.Index] == _party[owner];
        return (byte)((owner == peer.Index ? 1 : 0) | (party ? 2 : 0));
    }

    /// <summary>Whether the peer is among those who are told of the entity's kind. What nobody is told of has no version and never gets here.</summary>
    internal bool MayBeTold(PeerView peer, int row) => _visibility[World.KindIndex[row]] switch
    {
        Visibility.OwnerOnly => (AudienceOf(peer, row) & 1) != 0,
        Visibility.Party => AudienceOf(peer, row) != 0,
        _ => true,
    };
}
