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
    private const int MemberShift = 10;    // in _memberOf: the look above, the place among the members below
    private const int LooksMax = 1 << (31 - MemberShift);      // then they are counted anew
    private const long NotSeen = -2;       // a member's distance while no cell that is looked at had it
    private const long Gone = -1;          // or when it is no more, or no longer in reach

    private readonly WorldState _world = replicator.World;
    private readonly ReplicationOptions _options = replicator.Options;
    private readonly Near[] _near = new Near[GatherMax];
    private readonly Member[] _members = new Member[SlotCodec.SlotsMax];
    private readonly CellCount[] _cells = new CellCount[Interest.Side * Interest.Side];
    private readonly int[] _memberOf = new int[replicator.World.Capacity];   // by row: the look in which it was a member, and its place among them
    private int _look;
    private int _memberCount;
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
        // Who stands in no crowd gains nothing by a smaller cap, and looking round costs more than it saves: what is given up is given up in crowds.
        int crowd = _options.InterestCap, cap = replicator.Detail.InterestCap;
        bool mayBeCrowd = peer.IsCapped || peer.PullCells > 0 || peer.MoverCount > crowd || peer.PendingCount > PendingCells.ListMax || peer.ToldCells > 0;
        if (!mayBeCrowd || peer.AvatarRow < 0 || (tick - peer.LastCrowdTick < LookTicks && !peer.IsFilling))
            return false;
        counters.CrowdLooks++;
        int movers = CountMovers(peer);
        bool isCrowd = movers > crowd || (movers > crowd * 9 / 10 && peer.IsCapped);
        bool isTold = peer.ToldCells > 0;
        if (isCrowd || isTold)
            GatherMembers(peer);
        if (isCrowd)
        {
            Choose(peer, cap, tick);
        }
        else
        {
            if (isTold)
                SeeOthers(peer);
            TellAll(peer, tick);
        }

        if (isCrowd || isTold)
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
        Gather(peer, tick);
        SeeOthers(peer);
        FillBins();
        // So many at least enter, so many at most stay.
        int most = cap * 5 / 4;
        long enter = UpperDistance(BinOfRank(cap));
        LeaveBeyond(peer, Math.Max(enter, UpperDistance(BinOfRank(most) - 1)), tick);
        if (peer.MoverCount > most)
            LeaveBeyond(peer, DistanceOfMember(most), tick);
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

    // Those of its slots that a cap counts. Where they stand is found with the others that stand near (Gather), in memory that all who look there share.
    private void GatherMembers(PeerView peer)
    {
        if (++_look == LooksMax)
        {
            Array.Clear(_memberOf);
            _look = 1;
        }

        Array.Clear(_told);
        (_gathered, _farthest, _memberCount) = (0, 1, 0);
        ReadOnlySpan<PeerView.Slot> slots = peer.Slots;
        for (int i = 0; i < slots.Length; i++)
        {
            ref readonly PeerView.Slot slot = ref slots[i];
            if (slot.State is not (SlotState.Entering or SlotState.Known) || !slot.CountsInCrowd)
                continue;
            _memberOf[slot.Row] = (_look << MemberShift) | _memberCount;
            _members[_memberCount++] = new Member { Slot = (ushort)i, Row = slot.Row, Id = slot.Id, Squared = NotSeen };
        }
    }

    // Movers of the nearest cells, until they are surely more than the exit rank.
    private void Gather(PeerView peer, Tick tick)
    {
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        int enough = replicator.Detail.InterestCap * 2, cells = 0;
        foreach (int cell in new SubscribedCells(replicator.Interest, peer))
        {
            if ((cells++ >= NearCells && _gathered >= enough) || _gathered == GatherMax)
                break;
            if (_world.Grid.MoverCount[cell] > 0)
                GatherCell(cell, viewX, viewY, tick);
        }

        counters.RowsRanked += _gathered;
    }

    private void GatherCell(int cell, int viewX, int viewY, Tick tick)
    {
        int torus = TorusIndex(cell);
        foreach (ref readonly MoversByCell.Mover mover in replicator.Movers.Of(cell, tick))
        {
            if (_gathered == GatherMax)
                return;
            long dx = mover.X - viewX, dy = mover.Y - viewY, squared = (dx * dx) + (dy * dy);
            _farthest = Math.Max(_farthest, squared);
            int memberOf = _memberOf[mover.Row], member = memberOf & (SlotCodec.SlotsMax - 1);
            bool isMember = memberOf >> MemberShift == _look && _members[member].Id == mover.Id;
            _near[_gathered++] = new Near { Row = mover.Row, Id = mover.Id, Squared = squared, Torus = (ushort)torus, IsMember = isMember };
            if (isMember)
                See(ref _members[member], squared, torus);
        }
    }

    private void See(ref Member member, long squared, int torus)
    {
        (member.Squared, member.Torus) = (squared, (ushort)torus);
        _told[torus]++;
    }

    // Those who stand farther away than any that was gathered, and who is gone from the world: it leaves by itself, and counts no more.
    private void SeeOthers(PeerView peer)
    {
        foreach (ref Member member in _members.AsSpan(0, _memberCount))
        {
            if (member.Squared != NotSeen)
                continue;
            ref readonly WorldHistory.Row at = ref replicator.History.RowOf(member.Row);
            member.Squared = Gone;
            if (at.Id != member.Id)
                continue;
            long dx = _world.X[member.Row] - _world.X[peer.AvatarRow], dy = _world.Y[member.Row] - _world.Y[peer.AvatarRow];
            See(ref member, (dx * dx) + (dy * dy), Interest.Torus(at.CellX, at.CellY));
        }
    }

    private void FillBins()
    {
        Array.Clear(_bins);
        for (int i = 0; i < _gathered; i++)
            _bins[Bin(_near[i].Squared, _farthest)]++;
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
        foreach (ref Member member in _members.AsSpan(0, _memberCount))
        {
            if (member.Squared <= exit || replicator.IsRelevant(peer, member.Row, tick))
                continue;
            peer.BeginLeave(member.Slot, SlotState.Leaving);
            member.Squared = Gone;
            _told[member.Torus]--;
        }
    }

    // The squared distance within which so many of those that it is told of are; less than that are farther away than any that was gathered.
    private long DistanceOfMember(int rank)
    {
        _farthest = 1;
        foreach (ref readonly Member member in _members.AsSpan(0, _memberCount))
            _farthest = Math.Max(_farthest, member.Squared);
        Array.Clear(_bins);
        foreach (ref readonly Member member in _members.AsSpan(0, _memberCount))
        {
            if (member.Squared >= 0)
                _bins[Bin(member.Squared, _farthest)]++;
        }

        return UpperDistance(BinOfRank(rank) - 1);
    }

    // False when others wait for the next snapshot.
    private bool EnterWithin(PeerView peer, long enter, Tick tick)
    {
        int enters = _options.EntersMax, returns = _options.ReturnsMax, most = replicator.Detail.InterestCap * 5 / 4;
        foreach (ref readonly Near near in _near.AsSpan(0, _gathered))
        {
            // Who left in this look does not come back in it.
            if (near.IsMember || peer.MoverCount >= most || (near.Squared > enter && !replicator.IsRelevant(peer, near.Row, tick)))
                continue;
            // What has no version is told to nobody.
            if (replicator.History.IdOf(near.Row) != near.Id)
                continue;
            if (enters <= 0 || returns <= 0)
                return false;
            SnapshotWriter.Enter(peer, near.Row, near.Id, _world.KindOf(near.Row), tick, ref enters, ref returns);
            _told[near.Torus]++;
        }

        return true;
    }

    // First the cells whose count is farthest from what was told; the rest of the room says the others again, in turn: what was told is forgotten after 3 s, or was lost.
    private void PlanDensities(PeerView peer)
    {
        peer.ToldCounts ??= new ushort[Interest.Side * Interest.Side];
        int count = GatherCells(peer);
        int least = LeastError(count, DensityCodec.CellsMax - AgainMin, out int wrong), again = DensityCodec.CellsMax - wrong;
        _nextAgain = 0;
        foreach (ref readonly CellCount at in _cells.AsSpan(0, count))
        {
            bool isWrong = at.Error >= least;
            if (!isWrong && (again == 0 || at.Cell < peer.DensityCursor || (at.Rest == 0 && at.Told == 0)))
                continue;
            if (!isWrong)
            {
                again--;
                _nextAgain = at.Cell + 1;
            }

            _densities[_densityCount++] = (at.Cell, at.Rest);
        }

        _plannedCount = _densityCount;
        if (again > 0)
            _nextAgain = None;
        if (_densityCount == 0)
            peer.DensityCursor = 0;
    }

    // Of each cell how many there are beside those who are told one by one, and how far that is from what was told.
    private int GatherCells(PeerView peer)
    {
        int count = 0;
        var cells = new CellsByRow(replicator.Interest, peer);
        while (cells.MoveNext())
        {
            int movers = _world.Grid.MoverCount[cells.Current], told = peer.ToldCounts![cells.Torus];
            int rest = Math.Min(ushort.MaxValue, movers - _told[cells.Torus]);
            // Of all movers of the cell, in twentieths; 0: none worth a word.
            int error = rest == told ? 0 : Math.Min(ErrorSteps, Math.Abs(rest - told) * 20 / Math.Max(1, movers));
            _cells[count++] = new CellCount { Cell = cells.Current, Rest = rest, Told = told, Error = error };
        }

        return count;
    }

    // The least error that counts, so that those cells are so many at most.
    private int LeastError(int count, int cellsMax, out int wrong)
    {
        Span<int> cells = stackalloc int[ErrorSteps + 1];
        foreach (ref readonly CellCount at in _cells.AsSpan(0, count))
            cells[at.Error]++;
        int least = ErrorSteps + 1;
        for (wrong = 0; least > 1 && wrong + cells[least - 1] <= cellsMax; least--)
            wrong += cells[least - 1];
        return least;
    }


    private int TorusIndex(int cell)
    {
        int side = replicator.Interest.CellsPerSide;
        return Interest.Torus(cell % side, cell / side);
    }

    // One that the peer is told of.
    private struct Member
    {
        public long Squared;     // distance from its viewpoint
        public int Row;
        public uint Id;
        public ushort Slot;
        public ushort Torus;
    }

    // One that stands near, told or not.
    private struct Near
    {
        public long Squared;
        public int Row;
        public uint Id;
        public ushort Torus;
        public bool IsMember;
    }

    private struct CellCount
    {
        public int Cell;
        public int Rest;
        public int Told;
        public int Error;
    }
}
