using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>The clients of a zone, by index and by connection id. Tick thread only.</summary>
internal sealed class Peers<TInput>
    where TInput : struct, IInput<TInput>
{
    private readonly Peer<TInput>?[] _peers;
    private readonly int[] _free;
    private readonly PeerTable _byId;
    private int _freeCount;

    /// <summary>No peers yet.</summary>
    /// <param name="peersMax">Places.</param>
    public Peers(int peersMax)
    {
        _peers = new Peer<TInput>?[peersMax];
        _free = new int[peersMax];
        _byId = new PeerTable(peersMax);
    }

    public int Count { get; private set; }

    public bool IsFull => Count == _peers.Length;

    /// <summary>One more than the highest index ever used.</summary>
    public int Limit { get; private set; }

    public Peer<TInput>? this[int index] => (uint)index < (uint)_peers.Length ? _peers[index] : null;

    /// <summary>Asks for the memory of the look-up by connection id.</summary>
    public void PrefetchFind(ulong connectionId) => _byId.Prefetch(connectionId);

    public Peer<TInput>? Find(ulong connectionId) => _byId.TryFind(connectionId, out int index) ? _peers[index] : null;

    /// <summary>The index that the next peer gets: the one freed last, so that used rows of every table stay few.</summary>
    public int NextIndex => _freeCount > 0 ? _free[_freeCount - 1] : Limit;

    public void Add(Peer<TInput> peer)
    {
        Contract.Assert(!IsFull && peer.Index == NextIndex);
        if (_freeCount > 0)
            _freeCount--;
        else
            Limit++;
        Count++;
        _peers[peer.Index] = peer;
        _byId.Add(peer.ConnectionId, peer.Index);
        List<int> group = peer.Group.Peers;
        group.Insert(~group.BinarySearch(peer.Index), peer.Index);
    }

    public void Remove(Peer<TInput> peer)
    {
        _peers[peer.Index] = null;
        _free[_freeCount++] = peer.Index;
        Count--;
        _byId.Remove(peer.ConnectionId);
        peer.Group.Peers.Remove(peer.Index);
    }
}
