using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>
/// Crowds: of the movers in a peer's interest the nearest <see cref="ReplicationOptions.InterestCap"/> are told one by one, the others as a
/// count per cell. Membership has hysteresis by rank, so that it does not flicker.
/// </summary>
/// <remarks>Looked at twice a second, at the peer's own phase; it reads the nearest cells only, so nothing grows with the crowd.</remarks>
internal sealed class Crowd(Replicator replicator)
{
    private const int GatherMax = 4096;
    private const int BinCount = 256;
    private const int CellBits = 34;
    private const int NearCells = 9;       // looked at in any case: the nearest may stand just across a cell line

    private readonly WorldState _world = replicator.World;
    private readonly ReplicationOptions _options = replicator.Options;
    private readonly int[] _rows = new int[GatherMax];
    private readonly long[] _squared = new long[GatherMax];
    private readonly int[] _bins = new int[BinCount];
    private readonly int[] _told = new int[Interest.Side * Interest.Side];   // movers with a slot, per cell of the torus
    private readonly (int Cell, int Count)[] _densities = new (int, int)[DensityCodec.CellsMax];
    private int _densityCount;
    private int _gathered;

    /// <summary>Bits that the densities of the peer last looked at will take; cells that do not fit into <paramref name="bitsMax"/> wait for the next time.</summary>
    internal int Plan(int bitsMax)
    {
        _densityCount = Math.Clamp((bitsMax - 7) / CellBits, 0, _densityCount);
        return _densityCount == 0 ? 1 : 7 + (_densityCount * CellBits);
    }

    /// <summary>Chooses who of the crowd is told one by one. True when densities are to be sent.</summary>
    internal bool Update(PeerView peer, Tick tick)
    {
        _densityCount = 0;
        if (!peer.IsCapped && peer.PullCells == 0)
            return false;
        if (tick - peer.LastCrowdTick < _options.TickRate / 2 || peer.AvatarRow < 0)
            return false;
        peer.LastCrowdTick = tick;
        int movers = CountMovers(peer);
        if (movers <= _options.InterestCap * 9 / 10 || (movers <= _options.InterestCap && !peer.IsCapped))
        {
            // Those whom the cap kept out were looked at once and passed over.
            if (peer.IsCapped || peer.PullCells > 0)
                peer.ReconsiderCells();
            peer.IsCapped = false;
            return false;
        }

        peer.IsCapped = true;
        MarkPullCells(peer);
        Gather(peer);
        long enter = DistanceAtRank(_options.InterestCap), exit = DistanceAtRank(_options.InterestCap * 5 / 4);
        LeaveBeyond(peer, exit, tick);
        EnterWithin(peer, enter, tick);
        PlanDensities(peer);
        return _densityCount > 0;
    }

    internal void Write(ref BitWriter writer, PeerView peer)
    {
        writer.WriteBool(_densityCount > 0);
        if (_densityCount == 0)
            return;
        writer.Write((ulong)(_densityCount - 1), 6);
        int previous = -1;
        for (int i = 0; i < _densityCount; i++)
        {
            DensityCodec.Write(ref writer, _densities[i].Cell, previous, _densities[i].Count);
            previous = _densities[i].Cell;
        }

        peer.DensityCursor = previous + 1;
        _densityCount = 0;
    }

    private int CountMovers(PeerView peer)
    {
        int movers = 0;
        foreach (int cell in new SubscribedCells(replicator.Interest, peer))
            movers += _world.Grid.MoverCount[cell];
        return movers;
    }

    // What came into crowded cells was not pushed: their entities are looked at again.
    private static void MarkPullCells(PeerView peer)
    {
        if (peer.PullCells > 0)
            peer.ReconsiderCells();
    }

    // Movers of the nearest cells, until they are surely more than the exit rank.
    private void Gather(PeerView peer)
    {
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        _gathered = 0;
        int enough = _options.InterestCap * 2, cells = 0;
        foreach (int cell in new SubscribedCells(replicator.Interest, peer))
        {
            if (cells++ >= NearCells && _gathered >= enough)
                return;
            foreach (int row in _world.Grid.RowsOf(cell))
            {
                if (_gathered == GatherMax)
                    return;
                if (!_world.KindOf(row).CountsInCrowd)
                    continue;
                long dx = _world.X[row] - viewX, dy = _world.Y[row] - viewY;
                _rows[_gathered] = row;
                _squared[_gathered++] = (dx * dx) + (dy * dy);
            }
        }
    }

    // The squared distance within which at least that many of the gathered are, to the fineness of a bin.
    private long DistanceAtRank(int rank)
    {
        long max = 1;
        for (int i = 0; i < _gathered; i++)
            max = Math.Max(max, _squared[i]);
        if (rank >= _gathered)
            return max;
        Array.Clear(_bins);
        for (int i = 0; i < _gathered; i++)
            _bins[Bin(_squared[i], max)]++;
        int bin = 0;
        for (int seen = 0; bin < BinCount && seen + _bins[bin] <= rank; bin++)
            seen += _bins[bin];
        return max * bin / BinCount;
    }

    private static int Bin(long squared, long max) => (int)Math.Min(BinCount - 1, squared * BinCount / max);

    private void LeaveBeyond(PeerView peer, long exit, Tick tick)
    {
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        Span<PeerView.Slot> slots = peer.Slots;
        for (int i = 0; i < slots.Length; i++)
        {
            ref PeerView.Slot slot = ref slots[i];
            if (slot.State is not (SlotState.Entering or SlotState.Known) || !slot.CountsInCrowd || _world.Id[slot.Row] != slot.Id || replicator.IsRelevant(peer, slot.Row, tick))
                continue;
            long dx = _world.X[slot.Row] - viewX, dy = _world.Y[slot.Row] - viewY;
            if ((dx * dx) + (dy * dy) > exit)
                peer.BeginLeave(i, SlotState.Leaving);
        }
    }

    private void EnterWithin(PeerView peer, long enter, Tick tick)
    {
        int enters = _options.EntersMax, returns = _options.ReturnsMax;
        for (int i = 0; i < _gathered; i++)
        {
            int row = _rows[i];
            if ((_squared[i] > enter && !replicator.IsRelevant(peer, row, tick)) || peer.MoverCount >= _options.InterestCap * 5 / 4)
                continue;
            if (!_world.IsAlive(row) || replicator.History.IdOf(row) != _world.Id[row] || peer.FindSlot(_world.Id[row]) >= 0)
                continue;
            if (enters <= 0 || returns <= 0)
                return;
            SnapshotWriter.Enter(peer, row, _world.Id[row], _world.KindOf(row), tick, ref enters, ref returns);
        }
    }

    private void PlanDensities(PeerView peer)
    {
        Array.Clear(_told);
        foreach (ref readonly PeerView.Slot slot in peer.Slots)
        {
            if (slot.State is (SlotState.Entering or SlotState.Known) && slot.CountsInCrowd && _world.Id[slot.Row] == slot.Id)
                _told[TorusIndex(_world.Cell[slot.Row])]++;
        }

        PlanFrom(peer, peer.DensityCursor);
        if (_densityCount == 0)
            PlanFrom(peer, 0);
    }

    private void PlanFrom(PeerView peer, int cursor)
    {
        int side = replicator.Interest.CellsPerSide;
        for (int dy = -15; dy <= 15 && _densityCount < _densities.Length; dy++)
        {
            for (int dx = -15; dx <= 15 && _densityCount < _densities.Length; dx++)
            {
                int x = peer.CellX + dx, y = peer.CellY + dy, cell = (y * side) + x;
                if (x < 0 || x >= side || y < 0 || y >= side || cell < cursor || (peer.Cells[y & 31] >> (x & 31) & 1) == 0)
                    continue;
                int rest = _world.Grid.MoverCount[cell] - _told[TorusIndex(cell)];
                if (rest > 0)
                    _densities[_densityCount++] = (cell, rest);
            }
        }
    }

    private int TorusIndex(int cell)
    {
        int side = replicator.Interest.CellsPerSide;
        return ((cell / side & 31) * Interest.Side) + (cell % side & 31);
    }
}

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
