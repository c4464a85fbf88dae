using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Peers by connection id: one bounded lookup for each datagram, whoever sent it. Open addressing, at most half full, never grows.</summary>
/// <remarks>Ids are drawn at random by the server, so their low bits are hash enough: a stranger can ask for one, not choose one that collides.</remarks>
internal sealed class PeerTable
{
    private readonly ulong[] _ids;      // 0: free
    private readonly int[] _peers;
    private readonly int _mask;

    public PeerTable(int peersMax)
    {
        int places = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, peersMax * 2));
        _ids = new ulong[places];
        _peers = new int[places];
        _mask = places - 1;
    }

    public long MemoryBytes => (_ids.LongLength * sizeof(ulong)) + (_peers.LongLength * sizeof(int));

    /// <summary>Index of the peer with that connection id; false when there is none (0 never is).</summary>
    public bool TryFind(ulong connectionId, out int peer)
    {
        int place = PlaceOf(connectionId);
        bool found = connectionId != 0 && _ids[place] == connectionId;
        peer = found ? _peers[place] : -1;
        return found;
    }

    /// <summary>Asks for the memory of a look-up.</summary>
    public void Prefetch(ulong connectionId)
    {
        int place = (int)connectionId & _mask;
        Protocol.Prefetch.Line(ref _ids[place]);
        Protocol.Prefetch.Line(ref _peers[place]);
    }

    public void Add(ulong connectionId, int peer)
    {
        Contract.Assert(connectionId != 0);
        int place = PlaceOf(connectionId);
        Contract.Assert(_ids[place] == 0);
        _ids[place] = connectionId;
        _peers[place] = peer;
    }

    /// <summary>Takes an id out and moves back what had been pushed past it: no tombstones, so lookups stay short for ever.</summary>
    public void Remove(ulong connectionId)
    {
        int hole = PlaceOf(connectionId);
        Contract.Assert(_ids[hole] == connectionId);
        for (int place = (hole + 1) & _mask; _ids[place] != 0; place = (place + 1) & _mask)
        {
            int home = (int)_ids[place] & _mask;
            if (((place - home) & _mask) < ((place - hole) & _mask))
                continue;   // it lies between the hole and its place: moving it would put it before its home
            _ids[hole] = _ids[place];
            _peers[hole] = _peers[place];
            hole = place;
        }

        _ids[hole] = 0;
    }

    // The place that holds the id, or the free one where a search for it ends.
    private int PlaceOf(ulong connectionId)
    {
        int place = (int)connectionId & _mask;
        while (_ids[place] != 0 && _ids[place] != connectionId)
            place = (place + 1) & _mask;
        return place;
    }
}
