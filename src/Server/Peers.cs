using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>The clients of a zone, by index, by connection id and by address. Tick thread only.</summary>
internal sealed class Peers<TInput>
    where TInput : struct, IInput<TInput>
{
    private readonly Peer<TInput>?[] _peers;
    private readonly int[] _free;
    private readonly PeerTable _byId;
    private readonly PeerTable _byAddress;
    private readonly ulong _addressKey;
    private int _freeCount;

    /// <summary>No peers yet.</summary>
    /// <param name="peersMax">Places.</param>
    /// <param name="addressKey">Random: nobody can choose addresses that collide.</param>
    public Peers(int peersMax, ulong addressKey)
    {
        _peers = new Peer<TInput>?[peersMax];
        _free = new int[peersMax];
        _byId = new PeerTable(peersMax);
        _byAddress = new PeerTable(peersMax);
        _addressKey = addressKey;
    }

    public int Count { get; private set; }

    public bool IsFull => Count == _peers.Length;

    /// <summary>One more than the highest index ever used.</summary>
    public int Limit { get; private set; }

    public Peer<TInput>? this[int index] => (uint)index < (uint)_peers.Length ? _peers[index] : null;

    public Peer<TInput>? Find(ulong connectionId) => _byId.TryFind(connectionId, out int index) ? _peers[index] : null;

    public Peer<TInput>? Find(in PeerAddress address) => _byAddress.TryFind(KeyOf(address), out int index) ? _peers[index] : null;

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
        _byAddress.Add(KeyOf(peer.Address), peer.Index);
        List<int> group = peer.Group.Peers;
        group.Insert(~group.BinarySearch(peer.Index), peer.Index);
    }

    public void Remove(Peer<TInput> peer)
    {
        _peers[peer.Index] = null;
        _free[_freeCount++] = peer.Index;
        Count--;
        _byId.Remove(peer.ConnectionId);
        _byAddress.Remove(KeyOf(peer.Address));
        peer.Group.Peers.Remove(peer.Index);
    }

    private ulong KeyOf(in PeerAddress address)
    {
        ulong high = Math.BigMul(address.Low ^ _addressKey, address.High ^ ((ulong)address.Port << 48) ^ 0x9E3779B97F4A7C15, out ulong low);
        ulong key = (high ^ low) * 0xD6E8FEB86659FD93;
        return key == 0 ? 1 : key;
    }
}
