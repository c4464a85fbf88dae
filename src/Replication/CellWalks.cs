using System.Numerics;

namespace Hectare.Replication;

/// <summary>A peer's subscribed cells, nearest first.</summary>
internal ref struct SubscribedCells(Interest interest, PeerView peer)
{
    private int _next;

    public int Current { get; private set; }

    public readonly SubscribedCells GetEnumerator() => this;

    public bool MoveNext()
    {
        int side = interest.CellsPerSide;
        while (_next < interest.Spiral.Length)
        {
            (sbyte dx, sbyte dy) = interest.Spiral[_next++];
            int x = peer.CellX + dx, y = peer.CellY + dy;
            if ((uint)x >= (uint)side || (uint)y >= (uint)side || (peer.Cells[y & 31] >> (x & 31) & 1) == 0)
                continue;
            Current = (y * side) + x;
            return true;
        }

        return false;
    }
}

/// <summary>A peer's subscribed cells, by their number.</summary>
internal ref struct CellsByRow(Interest interest, PeerView peer)
{
    private const int Reach = 15;

    private int _dy = -Reach - 1;
    private uint _rest;

    public int Current { get; private set; }

    /// <summary>The cell's place on the torus.</summary>
    public int Torus { get; private set; }

    public readonly CellsByRow GetEnumerator() => this;

    public bool MoveNext()
    {
        int side = interest.CellsPerSide;
        while (_rest == 0)
        {
            if (++_dy > Reach)
                return false;
            if ((uint)(peer.CellY + _dy) < (uint)side)
                _rest = BitOperations.RotateRight(peer.Cells[(peer.CellY + _dy) & 31], (peer.CellX - Reach) & 31);
        }

        int x = peer.CellX - Reach + BitOperations.TrailingZeroCount(_rest), y = peer.CellY + _dy;
        (Current, Torus) = ((y * side) + x, Interest.Torus(x, y));
        _rest &= _rest - 1;
        return true;
    }
}

/// <summary>A peer's cells that wait to be looked into, nearest first.</summary>
/// <remarks>Mostly one or two, into which something walked: those are listed. Only after a jump are there so many that all the surroundings are gone through.</remarks>
internal ref struct PendingCells
{
    /// <summary>Most that are listed.</summary>
    public const int ListMax = 16;

    private readonly Interest _interest;
    private readonly PeerView _peer;
    private readonly Span<int> _list;
    private readonly bool _isListed;
    private int _next;

    public PendingCells(Interest interest, PeerView peer, int[] scratch)
    {
        (_interest, _peer) = (interest, peer);
        _isListed = peer.PendingCount <= ListMax;
        _list = _isListed ? List(interest, peer, scratch) : [];
    }

    public int Current { get; private set; }

    public readonly PendingCells GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_isListed)
        {
            if (_next == _list.Length)
                return false;
            Current = _interest.CellAt(_peer, _list[_next++]);
            return true;
        }

        while (_next < _interest.Spiral.Length)
        {
            (sbyte dx, sbyte dy) = _interest.Spiral[_next++];
            int x = _peer.CellX + dx, y = _peer.CellY + dy;
            if (!_interest.IsInside(x, y) || (_peer.Pending[y & 31] >> (x & 31) & 1) == 0)
                continue;
            Current = (y * _interest.CellsPerSide) + x;
            return true;
        }

        return false;
    }

    // Ranks of the walk through all of them, in order.
    private static Span<int> List(Interest interest, PeerView peer, int[] scratch)
    {
        int count = 0;
        for (int word = 0; word < Interest.Side; word++)
        {
            for (uint rest = peer.Pending[word]; rest != 0; rest &= rest - 1)
            {
                int rank = interest.RankOf(BitOperations.TrailingZeroCount(rest) - peer.CellX, word - peer.CellY);
                if (rank >= 0)
                    scratch[count++] = rank;
            }
        }

        Span<int> list = scratch.AsSpan(0, count);
        list.Sort();
        return list;
    }
}
