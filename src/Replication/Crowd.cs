using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>
/// Crowds: of the movers in a peer's interest the nearest <see cref="Detail.InterestCap"/> are told one by one, the others as a
/// count per cell. Membership has hysteresis by rank, so that it does not flicker.
/// </summary>
/// <remarks>
/// Looked at twice a second, each peer at times of its own. A look reads the counts of the subscribed cells, the movers of the nearest cells, and the peer's own
/// slots: none of these grows with the crowd. The cells' rows are read only where something came that ranks do not choose.
/// </remarks>
internal sealed class Crowd(Replicator replicator, WriterCounters counters)
{
    private const int GatherMax = 4096;
    private const int BinCount = 256;
    private const int CellBits = 34;
    private const int None = int.MaxValue;
    private const int ErrorSteps = 8;
    private const int AgainMin = 16;       // of the cells in a packet, those that are only said again
    private const int NearCells = 9;       // looked at in any case: the nearest may stand just across a cell line

    private readonly WorldState _world = replicator.World;
    private readonly ReplicationOptions _options = replicator.Options;
    private readonly int[] _rows = new int[GatherMax];
    private readonly long[] _squared = new long[GatherMax];
    private readonly int[] _bins = new int[BinCount];
    private readonly int[] _told = new int[Interest.Side * Interest.Side];   // movers with a slot, per cell of the torus
    private readonly (int Cell, int Count)[] _densities = new (int, int)[DensityCodec.CellsMax];
    private int _densityCount;
    private int _plannedCount;
    private int _nextAgain;
    private int _gathered;
    private long _farthest;

    private int LookTicks => _options.TickRate / 2;

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
        int cap = replicator.Detail.InterestCap;
        bool mayBeCrowd = peer.IsCapped || peer.PullCells > 0 || peer.MoverCount > cap || peer.PendingCount > PendingCells.ListMax || peer.ToldCells > 0;
        if (!mayBeCrowd || peer.AvatarRow < 0 || (tick - peer.LastCrowdTick < LookTicks && !peer.IsFilling))
            return false;
        counters.CrowdLooks++;
        int movers = CountMovers(peer);
        bool isCrowd = movers > cap || (movers > cap * 9 / 10 && peer.IsCapped);
        if (isCrowd)
            Choose(peer, cap, tick);
        else
            TellAll(peer, tick);
        if (isCrowd || peer.ToldCells > 0)
            PlanDensities(peer);
        if (!isCrowd && _densityCount == 0 && peer.ToldCells > 0)
            ForgetTold(peer);
        return _densityCount > 0;
    }

    // All is told one by one again, and that is known; what is left is of cells out of interest.
    private static void ForgetTold(PeerView peer)
    {
        Array.Clear(peer.ToldCounts!);
        peer.ToldCells = 0;
    }

    // Those whom the cap kept out were looked at once and passed over.
    private static void TellAll(PeerView peer, Tick tick)
    {
        if (peer.IsCapped || peer.PullCells > 0)
            peer.ReconsiderCells();
        (peer.IsCapped, peer.IsInCrowd, peer.IsFilling, peer.LastCrowdTick) = (false, false, false, tick);
    }

    private void Choose(PeerView peer, int cap, Tick tick)
    {
        peer.IsCapped = true;
        LookAround(peer, tick);
        // Who comes into a crowd together does not look at it together for ever. Mixed: who joined one after the other may have come one after the other.
        peer.LastCrowdTick = peer.IsInCrowd && !peer.IsFilling ? tick : tick - (int)((uint)peer.Index * 2_654_435_769u >> 16) % Math.Max(1, LookTicks);
        peer.IsInCrowd = true;
        Gather(peer);
        FillBins();
        // So many at least enter, so many at most stay.
        int most = cap * 5 / 4;
        long enter = UpperDistance(BinOfRank(cap));
        LeaveBeyond(peer, Math.Max(enter, UpperDistance(BinOfRank(most) - 1)), tick);
        if (peer.MoverCount > most)
            LeaveBeyond(peer, DistanceOfMember(peer, most), tick);
        peer.IsFilling = !EnterWithin(peer, enter, tick);
    }

    /// <summary>Has the cells looked into where somebody may have come that the peer was not told of: in a crowd those with news since its last look, else all.</summary>
    internal void LookAround(PeerView peer, Tick tick)
    {
        if (!peer.IsCapped)
        {
            peer.ReconsiderCells();
            return;
        }

        replicator.Interest.ReconsiderChanged(peer, peer.LastCrowdTick);
        // Whoever acts on the peer stays wherever it ranks, and may have come in from outside.
        foreach (uint id in peer.Relevance is null ? [] : peer.Relevance.Ids)
        {
            if (id != 0 && peer.Relevance!.Has(id, tick) && peer.FindSlot(id) < 0 && _world.TryFind(new EntityId(id), out int row))
                replicator.Interest.Reconsider(peer, _world.Cell[row]);
        }
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
            ref ushort told = ref peer.ToldCounts![TorusIndex(previous)];
            peer.ToldCells += (_densities[i].Count > 0 ? 1 : 0) - (told > 0 ? 1 : 0);
            told = (ushort)_densities[i].Count;
        }

        // What did not fit is next; else what is still to be said again, or all of it from the start.
        int next = _densityCount < _plannedCount ? Math.Min(previous + 1, _nextAgain) : _nextAgain;
        peer.DensityCursor = next == None ? 0 : next;
        _densityCount = 0;
    }

    private int CountMovers(PeerView peer)
    {
        int movers = 0;
        foreach (int cell in new CellsByRow(replicator.Interest, peer))
            movers += _world.Grid.MoverCount[cell];
        return movers;
    }

    // Movers of the nearest cells, until they are surely more than the exit rank.
    private void Gather(PeerView peer)
    {
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        (_gathered, _farthest) = (0, 1);
        int enough = replicator.Detail.InterestCap * 2, cells = 0;
        foreach (int cell in new SubscribedCells(replicator.Interest, peer))
        {
            if ((cells++ >= NearCells && _gathered >= enough) || _gathered == GatherMax)
                break;
            if (_world.Grid.MoverCount[cell] > 0)
                GatherCell(cell, viewX, viewY);
        }

        counters.RowsRanked += _gathered;
    }

    private void GatherCell(int cell, int viewX, int viewY)
    {
        foreach (int row in _world.Grid.RowsOf(cell))
        {
            if (!_world.KindOf(row).CountsInCrowd)
                continue;
            if (_gathered == GatherMax)
                return;
            long dx = _world.X[row] - viewX, dy = _world.Y[row] - viewY, squared = (dx * dx) + (dy * dy);
            _farthest = Math.Max(_farthest, squared);
            _rows[_gathered] = row;
            _squared[_gathered++] = squared;
        }
    }

    private void FillBins()
    {
        Array.Clear(_bins);
        for (int i = 0; i < _gathered; i++)
            _bins[Bin(_squared[i], _farthest)]++;
    }

    // The bin in which the gathered of that rank is; the last one when there are fewer.
    private int BinOfRank(int rank)
    {
        int bin = 0;
        for (int seen = 0; bin < BinCount - 1 && seen + _bins[bin] <= rank; bin++)
            seen += _bins[bin];
        return bin;
    }

    // The squared distance within which all of a bin are.
    private long UpperDistance(int bin) => _farthest * (bin + 1) / BinCount;

    private static int Bin(long squared, long max) => (int)Math.Min(BinCount - 1, squared * BinCount / max);

    private void LeaveBeyond(PeerView peer, long exit, Tick tick)
    {
        for (int i = 0; i < peer.SlotLimit; i++)
        {
            if (SquaredDistance(peer, i) > exit && !replicator.IsRelevant(peer, peer.Slots[i].Row, tick))
                peer.BeginLeave(i, SlotState.Leaving);
        }
    }

    // The squared distance within which so many of those that it is told of are; less than that are farther away than any that was gathered.
    private long DistanceOfMember(PeerView peer, int rank)
    {
        _farthest = 1;
        for (int i = 0; i < peer.SlotLimit; i++)
            _farthest = Math.Max(_farthest, SquaredDistance(peer, i));
        Array.Clear(_bins);
        for (int i = 0; i < peer.SlotLimit; i++)
        {
            long squared = SquaredDistance(peer, i);
            if (squared >= 0)
                _bins[Bin(squared, _farthest)]++;
        }

        return UpperDistance(BinOfRank(rank) - 1);
    }

    // Of a mover that the peer is told of, to its viewpoint; -1 for a slot of anything else.
    private long SquaredDistance(PeerView peer, int index)
    {
        ref PeerView.Slot slot = ref peer.Slots[index];
        if (slot.State is not (SlotState.Entering or SlotState.Known) || !slot.CountsInCrowd || _world.Id[slot.Row] != slot.Id)
            return -1;
        long dx = _world.X[slot.Row] - _world.X[peer.AvatarRow], dy = _world.Y[slot.Row] - _world.Y[peer.AvatarRow];
        return (dx * dx) + (dy * dy);
    }

    // False when others wait for the next snapshot.
    private bool EnterWithin(PeerView peer, long enter, Tick tick)
    {
        int enters = _options.EntersMax, returns = _options.ReturnsMax, most = replicator.Detail.InterestCap * 5 / 4;
        for (int i = 0; i < _gathered; i++)
        {
            int row = _rows[i];
            if ((_squared[i] > enter && !replicator.IsRelevant(peer, row, tick)) || peer.MoverCount >= most)
                continue;
            if (!_world.IsAlive(row) || replicator.History.IdOf(row) != _world.Id[row] || peer.FindSlot(_world.Id[row]) >= 0)
                continue;
            if (enters <= 0 || returns <= 0)
                return false;
            SnapshotWriter.Enter(peer, row, _world.Id[row], _world.KindOf(row), tick, ref enters, ref returns);
        }

        return true;
    }

    // First the cells whose count is farthest from what was told; the rest of the room says the others again, in turn: what was told is forgotten after 3 s, or was lost.
    private void PlanDensities(PeerView peer)
    {
        peer.ToldCounts ??= new ushort[Interest.Side * Interest.Side];
        CountTold(peer);
        int least = LeastError(peer, DensityCodec.CellsMax - AgainMin, out int wrong), again = DensityCodec.CellsMax - wrong;
        _nextAgain = 0;
        foreach (int cell in new CellsByRow(replicator.Interest, peer))
        {
            int rest = RestOf(cell), told = peer.ToldCounts[TorusIndex(cell)];
            bool isWrong = ErrorOf(cell, rest, told) >= least;
            if (!isWrong && (again == 0 || cell < peer.DensityCursor || (rest == 0 && told == 0)))
                continue;
            if (!isWrong)
            {
                again--;
                _nextAgain = cell + 1;
            }

            _densities[_densityCount++] = (cell, rest);
        }

        _plannedCount = _densityCount;
        if (again > 0)
            _nextAgain = None;
        if (_densityCount == 0)
            peer.DensityCursor = 0;
    }

    private void CountTold(PeerView peer)
    {
        Array.Clear(_told);
        foreach (ref readonly PeerView.Slot slot in peer.Slots)
        {
            if (slot.State is (SlotState.Entering or SlotState.Known) && slot.CountsInCrowd && _world.Id[slot.Row] == slot.Id)
                _told[TorusIndex(_world.Cell[slot.Row])]++;
        }
    }

    // The least error that counts, so that those cells are so many at most.
    private int LeastError(PeerView peer, int cellsMax, out int wrong)
    {
        Span<int> cells = stackalloc int[ErrorSteps + 1];
        foreach (int cell in new CellsByRow(replicator.Interest, peer))
            cells[ErrorOf(cell, RestOf(cell), peer.ToldCounts![TorusIndex(cell)])]++;
        int least = ErrorSteps + 1;
        for (wrong = 0; least > 1 && wrong + cells[least - 1] <= cellsMax; least--)
            wrong += cells[least - 1];
        return least;
    }

    // Of all movers of the cell, in twentieths; 0: none worth a word.
    private int ErrorOf(int cell, int rest, int told) => Math.Min(ErrorSteps, Math.Abs(rest - told) * 20 / Math.Max(1, _world.Grid.MoverCount[cell]));

    private int RestOf(int cell) => Math.Min(ushort.MaxValue, _world.Grid.MoverCount[cell] - _told[TorusIndex(cell)]);

    private int TorusIndex(int cell)
    {
        int side = replicator.Interest.CellsPerSide;
        return ((cell / side & 31) * Interest.Side) + (cell % side & 31);
    }
}
