using System.Numerics;
using System.Runtime.Intrinsics;
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
    private const float Gone = -1;         // a member's distance when it is told of no longer

    private readonly WorldState _world = replicator.World;
    private readonly ReplicationOptions _options = replicator.Options;
    private readonly MoversByCell _movers = replicator.Movers;
    private readonly float[] _squared = new float[GatherMax];     // of the gathered: the distance from the viewpoint,
    private readonly int[] _places = new int[GatherMax];          // and the place among all movers
    private readonly Member[] _members = new Member[2 * SlotCodec.SlotsMax];    // those told before the look, and those who enter in it
    private readonly ulong[] _isMember = new ulong[(replicator.World.Capacity + 63) >> 6];    // by place
    private readonly CellCount[] _cells = new CellCount[Interest.Side * Interest.Side];
    private int _memberCount;
    private readonly int[] _bins = new int[BinCount];
    private readonly int[] _told = new int[Interest.Side * Interest.Side];   // movers with a slot, per cell of the torus
    private readonly (int Cell, int Count)[] _densities = new (int, int)[DensityCodec.CellsMax];
    private int _densityCount;
    private int _plannedCount;
    private int _nextAgain;
    private int _gathered;
    private float _farthest;

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
            GatherMembers(peer, tick);
        if (isCrowd)
            Choose(peer, cap, tick);
        else
            TellAll(peer, tick);

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
        Gather(peer);
        // The nearest quarter is told in any case; of the others whoever is told stays, as long as there is room and it is not twice as far down: in a crowd that walks, the nearest
        // are others at every step, and to come and go is what costs.
        int most = cap * 5 / 4;
        float nearest = UpperDistance(BinOfRank(cap / 4)), near = UpperDistance(BinOfRank(cap)), exit = UpperDistance(BinOfRank(cap * 2) - 1);
        LeaveBeyond(peer, Math.Max(near, exit), tick);
        int room = most - CountOthers(nearest);
        if (peer.MoverCount > room)
            LeaveBeyond(peer, DistanceOfMember(room), tick);
        int enters = _options.EntersMax, returns = _options.ReturnsMax;
        peer.IsFilling = !(EnterWithin(peer, nearest, most, tick, ref enters, ref returns) && EnterWithin(peer, near, cap, tick, ref enters, ref returns));
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

    /// <summary>False when no mover of a cell can enter but by its rank: none is the peer's own, or its party's, or named by the game.</summary>
    internal bool MayEnterByCell(PeerView peer, int cell, Tick tick)
    {
        if (!peer.IsCapped || replicator.HasParty(peer) || peer.Relevance is not null)
            return true;
        _movers.Need(tick);
        (int first, int end) = _movers.Of(cell);
        return _movers.Owners[first..end].Contains(peer.Index);
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

    // Those of its slots that a cap counts, and where they stand: in memory that all who look there share.
    private void GatherMembers(PeerView peer, Tick tick)
    {
        _movers.Need(tick);
        ForgetMembers();
        Array.Clear(_told);
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        ReadOnlySpan<PeerView.Slot> slots = peer.Slots;
        ReadOnlySpan<ulong> words = peer.Members;
        for (int word = 0; word < words.Length; word++)
        {
            for (ulong rest = words[word]; rest != 0; rest &= rest - 1)
            {
                int index = (word << 6) + BitOperations.TrailingZeroCount(rest);
                ref readonly PeerView.Slot slot = ref slots[index];
                int place = _movers.PlaceOf(slot.Row, slot.Id);
                // Gone from the world: it leaves by itself, and counts no more.
                if (place < 0)
                    continue;
                ref readonly MoversByCell.Mover mover = ref _movers.Movers[place];
                _members[_memberCount++] = new Member { Slot = (ushort)index, Row = slot.Row, Place = place, Torus = (ushort)mover.Torus, Squared = Squared(mover.X - viewX, mover.Y - viewY) };
                _isMember[place >> 6] |= 1UL << place;
                _told[mover.Torus]++;
            }
        }
    }

    private void ForgetMembers()
    {
        foreach (ref readonly Member member in _members.AsSpan(0, _memberCount))
            _isMember[member.Place >> 6] = 0;
        _memberCount = 0;
    }

    private static float Squared(float dx, float dy) => (dx * dx) + (dy * dy);

    // Movers of the nearest cells, until they are surely more than those that matter.
    private void Gather(PeerView peer)
    {
        int viewX = _world.X[peer.AvatarRow], viewY = _world.Y[peer.AvatarRow];
        int enough = replicator.Detail.InterestCap * 2, cells = 0;
        (_gathered, _farthest) = (0, 1);
        foreach (int cell in new SubscribedCells(replicator.Interest, peer))
        {
            if ((cells++ >= NearCells && _gathered >= enough) || _gathered == GatherMax)
                break;
            if (_world.Grid.MoverCount[cell] > 0)
                GatherCell(cell, viewX, viewY);
        }

        counters.RowsRanked += _gathered;
        FillBins();
    }

    private void GatherCell(int cell, int viewX, int viewY)
    {
        (int first, int end) = _movers.Of(cell);
        int count = Math.Min(end - first, GatherMax - _gathered), i = 0;
        ReadOnlySpan<int> x = _movers.X.Slice(first, count), y = _movers.Y.Slice(first, count);
        Span<float> squared = _squared.AsSpan(_gathered, count);
        Vector256<int> fromX = Vector256.Create(viewX), fromY = Vector256.Create(viewY);
        Vector256<float> farthest = Vector256.Create(_farthest);
        for (; i <= count - Vector256<int>.Count; i += Vector256<int>.Count)
        {
            Vector256<float> dx = Vector256.ConvertToSingle(Vector256.Create(x[i..]) - fromX), dy = Vector256.ConvertToSingle(Vector256.Create(y[i..]) - fromY);
            Vector256<float> sum = (dx * dx) + (dy * dy);
            sum.CopyTo(squared[i..]);
            farthest = Vector256.Max(farthest, sum);
        }

        for (int lane = 0; lane < Vector256<float>.Count; lane++)
            _farthest = Math.Max(_farthest, farthest[lane]);
        for (; i < count; i++)
        {
            squared[i] = Squared(x[i] - viewX, y[i] - viewY);
            _farthest = Math.Max(_farthest, squared[i]);
        }

        for (i = 0; i < count; i++)
            _places[_gathered + i] = first + i;
        _gathered += count;
    }

    private void FillBins()
    {
        Array.Clear(_bins);
        float scale = BinCount / _farthest;
        foreach (float squared in _squared.AsSpan(0, _gathered))
            _bins[Bin(squared, scale)]++;
    }

    // The bin in which the one of that rank is; the last one when there are fewer.
    private int BinOfRank(int rank)
    {
        int bin = 0;
        for (int seen = 0; bin < BinCount - 1 && seen + _bins[bin] <= rank; bin++)
            seen += _bins[bin];
        return bin;
    }

    // The squared distance within which all of a bin are.
    private float UpperDistance(int bin) => _farthest * (bin + 1) / BinCount;

    private static int Bin(float squared, float scale) => Math.Min(BinCount - 1, (int)(squared * scale));

    private void LeaveBeyond(PeerView peer, float exit, Tick tick)
    {
        foreach (ref Member member in _members.AsSpan(0, _memberCount))
        {
            if (member.Squared <= exit || member.Squared == Gone || replicator.IsRelevant(peer, member.Row, tick))
                continue;
            peer.BeginLeave(member.Slot, SlotState.Leaving);
            member.Squared = Gone;
            _told[member.Torus]--;
        }
    }

    // The squared distance within which so many of those that it is told of are.
    private float DistanceOfMember(int rank)
    {
        _farthest = 1;
        foreach (ref readonly Member member in _members.AsSpan(0, _memberCount))
            _farthest = Math.Max(_farthest, member.Squared);
        Array.Clear(_bins);
        float scale = BinCount / _farthest;
        foreach (ref readonly Member member in _members.AsSpan(0, _memberCount))
        {
            if (member.Squared != Gone)
                _bins[Bin(member.Squared, scale)]++;
        }

        return UpperDistance(BinOfRank(rank) - 1);
    }

    private int CountOthers(float within)
    {
        int others = 0;
        for (int i = NextWithin(0, within); i < _gathered; i = NextWithin(i + 1, within))
            others += IsMember(_places[i]) ? 0 : 1;
        return others;
    }

    // False when others wait for the next snapshot.
    private bool EnterWithin(PeerView peer, float within, int most, Tick tick, ref int enters, ref int returns)
    {
        for (int i = NextWithin(0, within); i < _gathered && peer.MoverCount < most; i = NextWithin(i + 1, within))
        {
            int place = _places[i];
            ref readonly MoversByCell.Mover mover = ref _movers.Movers[place];
            // Who left in this look does not come back in it; what has no version is told to nobody.
            if (IsMember(place) || replicator.History.IdOf(mover.Row) != mover.Id)
                continue;
            if (enters <= 0 || returns <= 0)
                return false;
            SnapshotWriter.Enter(peer, mover.Row, mover.Id, _world.KindOf(mover.Row), tick, ref enters, ref returns);
            replicator.History.PrefetchRecord(mover.Row);
            _told[mover.Torus]++;
            _isMember[place >> 6] |= 1UL << place;
            _members[_memberCount++] = new Member { Place = place, Squared = Gone };
        }

        return true;
    }

    private bool IsMember(int place) => (_isMember[place >> 6] >> place & 1) != 0;

    // Of the gathered the first at or after one that stands within a distance.
    private int NextWithin(int i, float within)
    {
        Vector256<float> most = Vector256.Create(within);
        for (; i <= _gathered - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            uint lanes = Vector256.LessThanOrEqual(Vector256.Create<float>(_squared.AsSpan(i)), most).ExtractMostSignificantBits();
            if (lanes != 0)
                return i + BitOperations.TrailingZeroCount(lanes);
        }

        while (i < _gathered && _squared[i] > within)
            i++;
        return i;
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
        public float Squared;    // distance from its viewpoint, or Gone
        public int Row;
        public int Place;
        public ushort Slot;
        public ushort Torus;
    }

    private struct CellCount
    {
        public int Cell;
        public int Rest;
        public int Told;
        public int Error;
    }
}
