using System.Numerics;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>
/// Which peer is told of which cells. A peer subscribes to the cells that its enter radius touches and drops one only beyond the exit radius and
/// after a dwell; both are recomputed only when its viewpoint crosses a quarter of a cell. So the cost follows crossings, and is nothing when
/// nobody moves.
/// </summary>
/// <remarks>
/// A peer's cells are a bitmap of 32 x 32 bits on a torus: cell (x, y) is bit x mod 32 of word y mod 32; subscribed cells are always within 15 of
/// the viewpoint, so nothing is ambiguous and nothing moves when the viewpoint does. A cell lists its subscribers while they are few; above
/// <see cref="ReplicationOptions.PushSubscribersMax"/> what comes into it is found by rank (pull, <see cref="Crowd"/>). What changes is told to those who hold it (<see cref="Holders"/>).
/// </remarks>
internal sealed class Interest
{
    internal const int Side = 32;            // of the torus, cells
    private const int Reach = 14;            // farthest subscribed cell from the viewpoint's
    private const int FirstSubscribers = 16;
    private const int PreparedCellsMax = 1 << 16;
    private const int QuarterShift = 2;      // quarters of a cell per axis: 4
    private const int LeavingPrefetched = 12;

    private readonly WorldState _world;
    private readonly ReplicationOptions _options;
    private readonly ReplicationCounters _counters;
    private readonly int _cellShift;         // log2 of a cell in 1/4,096 unit
    private readonly int _cellsPerSide;
    private readonly uint[] _enterSpans;     // [quarter y, quarter x, dy + 15]: bits dx + 15 within the enter radius
    private readonly uint[] _exitSpans;
    private readonly ushort[]?[] _subscribers;
    private readonly int[] _subscriberCount;
    private readonly bool[] _isPull;
    private readonly PeerView?[] _peers;
    private readonly Landmarks _landmarks;
    private readonly Parties _parties;
    private readonly Viewpoints _viewpoints;
    private readonly Holders _holders;
    private readonly int[] _ranks = new int[Side * Side];     // place in Spiral of an offset on the torus
    private Tick[]? _newsTick;               // by cell: when something that no crowd counts last came, or changed its owner; none until there is a crowd

    internal Interest(WorldState world, ReplicationOptions options, ReplicationCounters counters, PeerView?[] peers, Landmarks landmarks, Parties parties, Viewpoints viewpoints, Holders holders)
    {
        _world = world;
        _options = options;
        _counters = counters;
        _peers = peers;
        _landmarks = landmarks;
        _parties = parties;
        _viewpoints = viewpoints;
        _holders = holders;
        _cellShift = BitOperations.Log2((uint)world.Grid.CellUnits) + Units.Shift;
        _cellsPerSide = world.Grid.CellsPerSide;
        int exit = options.IsOff(Mechanisms.Hysteresis) ? options.EnterRadiusUnits : options.ExitRadiusUnits;
        _enterSpans = Spans(world.Grid.CellUnits, options.EnterRadiusUnits);
        _exitSpans = Spans(world.Grid.CellUnits, exit);
        _subscribers = new ushort[_cellsPerSide * _cellsPerSide][];
        // Twice what peers spread evenly need, so that a steady tick allocates nothing; lists grow where they gather. Not in the largest
        // worlds: millions of lists, nearly all of them never used.
        int listed = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Math.Max(peers.Length / 50, FirstSubscribers), options.PushSubscribersMax + 1));
        for (int cell = 0; cell < _subscribers.Length && _subscribers.Length <= PreparedCellsMax; cell++)
            _subscribers[cell] = new ushort[listed];
        _subscriberCount = new int[_cellsPerSide * _cellsPerSide];
        _isPull = new bool[_cellsPerSide * _cellsPerSide];
        Spiral = MakeSpiral();
        Array.Fill(_ranks, -1);
        for (int rank = 0; rank < Spiral.Length; rank++)
            _ranks[Torus(Spiral[rank].X, Spiral[rank].Y)] = rank;
    }

    /// <summary>Offsets of cells from the viewpoint's, nearest first.</summary>
    internal (sbyte X, sbyte Y)[] Spiral { get; }

    internal int CellsPerSide => _cellsPerSide;

    internal bool IsInside(int x, int y) => (uint)x < (uint)_cellsPerSide && (uint)y < (uint)_cellsPerSide;

    /// <summary>The place in <see cref="Spiral"/> of an offset on the torus; -1 where no cell can be subscribed.</summary>
    internal int RankOf(int dx, int dy) => _ranks[Torus(dx, dy)];

    /// <summary>The place on the torus of a cell, or of an offset.</summary>
    internal static int Torus(int x, int y) => ((y & 31) * Side) + (x & 31);

    /// <summary>The cell at a place of <see cref="Spiral"/> round a peer's viewpoint.</summary>
    internal int CellAt(PeerView peer, int rank) => ((peer.CellY + Spiral[rank].Y) * _cellsPerSide) + peer.CellX + Spiral[rank].X;

    /// <summary>Peers that are told of changes in a cell one by one; empty in a crowd.</summary>
    internal ReadOnlySpan<ushort> SubscribersOf(int cell) => _isPull[cell] ? [] : _subscribers[cell].AsSpan(0, _subscribers[cell] is null ? 0 : _subscriberCount[cell]);

    internal long MemoryBytes => _subscribers.Sum(list => list is null ? 0L : list.Length * 2L) + (_subscriberCount.LongLength * 13) + ((_newsTick?.LongLength ?? 0) * 4);

    /// <summary>True when a viewpoint has crossed no line and nothing waits for its time.</summary>
    internal bool Stays(int peerIndex, int x, int y, Tick tick) => _viewpoints.Stays(peerIndex, x >> (_cellShift - QuarterShift), y >> (_cellShift - QuarterShift), tick);

    /// <summary>Follows the peer's viewpoint. Once a tick for every peer whose viewpoint does not stay.</summary>
    internal void Follow(PeerView peer, int x, int y, Tick tick)
    {
        int quarterX = x >> (_cellShift - QuarterShift), quarterY = y >> (_cellShift - QuarterShift);
        bool timer = peer.HasBeyond && tick >= peer.BeyondDue, isFirst = !peer.HasView;
        bool crossed = peer.QuarterX != quarterX || peer.QuarterY != quarterY || isFirst;
        if (!crossed && !timer)
            return;
        int cellX = Math.Clamp(x >> _cellShift, 0, _cellsPerSide - 1), cellY = Math.Clamp(y >> _cellShift, 0, _cellsPerSide - 1);
        if (peer.HasView && (Math.Abs(cellX - peer.CellX) > 1 || Math.Abs(cellY - peer.CellY) > 1))
            DropAll(peer, beyondReachOnly: (cellX, cellY));
        (peer.QuarterX, peer.QuarterY, peer.CellX, peer.CellY, peer.HasView) = (quarterX, quarterY, cellX, cellY, true);
        Recompute(peer, (((quarterY & 3) * 4) + (quarterX & 3)) * Side, tick, timer);
        _viewpoints.Followed(peer.Index, quarterX, quarterY, peer.HasBeyond, peer.BeyondDue);
        if (crossed)
            _landmarks.OnCrossed(peer, isFirst);
    }

    /// <summary>Drops all cells of a peer that leaves.</summary>
    internal void Remove(PeerView peer)
    {
        if (peer.HasView)
            DropAll(peer, beyondReachOnly: null);
        peer.HasView = false;
    }

    internal bool Subscribes(PeerView peer, int cell) => Subscribes(peer, cell % _cellsPerSide, cell / _cellsPerSide);

    internal static bool Subscribes(PeerView peer, int cellX, int cellY) => Subscribes(peer, peer.Cells, cellX, cellY);

    /// <summary>The same, for who asks for many and has the peer's cells at hand.</summary>
    internal static bool Subscribes(PeerView peer, ReadOnlySpan<uint> cells, int cellX, int cellY)
        => peer.HasView && (uint)(cellX - peer.CellX + 15) <= 30 && (uint)(cellY - peer.CellY + 15) <= 30 && (cells[cellY & 31] >> (cellX & 31) & 1) != 0;

    /// <summary>True while a cell may hold entities that the peer has not entered.</summary>
    internal bool IsPending(PeerView peer, int cell)
    {
        (int word, uint bit) = Place(cell);
        return (peer.Pending[word] & bit) != 0;
    }

    /// <summary>All that may enter from a cell has.</summary>
    internal void ClearPending(PeerView peer, int cell)
    {
        (int word, uint bit) = Place(cell);
        peer.Pending[word] &= ~bit;
    }

    /// <summary>Looks for entities to enter in one cell, if the peer subscribes to it.</summary>
    internal void Reconsider(PeerView peer, int cell) => Reconsider(peer, cell % _cellsPerSide, cell / _cellsPerSide);

    /// <summary>The same of the cell at that place.</summary>
    internal static void Reconsider(PeerView peer, int cellX, int cellY)
    {
        if (!Subscribes(peer, cellX, cellY))
            return;
        peer.Pending[cellY & 31] |= 1u << (cellX & 31);
        peer.HasPending = true;
    }

    /// <summary>Looks into those subscribed cells into which something came since a tick that no crowd's rank chooses: where many look on, nobody was told.</summary>
    /// <remarks>Movers are found by rank, and the peer's own and its party's are told to it; so what a look costs does not grow with the crowd.</remarks>
    internal void ReconsiderChanged(PeerView peer, Tick since)
    {
        if (_newsTick is null)
            return;
        foreach (int cell in new CellsByRow(this, peer))
        {
            if (_newsTick[cell] > since)
                Reconsider(peer, cell);
        }
    }

    /// <summary>Who crossed which cell line in this tick, judged by the subscriptions as they were before any viewpoint is followed.</summary>
    /// <remarks>Before, not after: of a cell that is dropped or added in the same tick, the grid no longer says who was in it.</remarks>
    internal void Cross(Tick tick)
    {
        foreach (WorldEvent change in _world.Events)
        {
            Visibility visibility = _world.Schema.Kinds[change.KindIndex].Visibility;
            if (visibility == Visibility.Never)
                continue;
            // Whoever holds it must hear of that, however it came to know of it.
            if (change.Kind is WorldEventKind.OwnerChanged or WorldEventKind.Destroyed)
                Push(change.Row);
            if (_landmarks.Take(in change))
                continue;
            if (change.Kind != WorldEventKind.Destroyed)
                Note(in change, tick);
            switch (change.Kind)
            {
                case WorldEventKind.Spawned:
                    // Where it is now: it may have crossed a line since.
                    Announce(in change, _world.Cell[change.Row], except: SpatialGrid.NoCell);
                    break;
                case WorldEventKind.MovedCell:
                    Announce(in change, change.ToCell, except: change.FromCell);
                    LeaveCell(change.Row, change.FromCell, change.ToCell);
                    break;
                case WorldEventKind.OwnerChanged:
                    // Who was not told of it may have to be from now on.
                    if (visibility is Visibility.OwnerOnly or Visibility.Party)
                        Announce(in change, _world.Cell[change.Row], except: SpatialGrid.NoCell);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>This tick's versions to those who hold the entities.</summary>
    internal void Distribute(WorldHistory history)
    {
        const int PlaceAhead = 8, ListAhead = 4;
        ReadOnlySpan<int> rows = history.Published;
        for (int i = 0; i < rows.Length; i++)
        {
            if (i + PlaceAhead < rows.Length)
                _holders.PrefetchPlace(rows[i + PlaceAhead]);
            if (i + ListAhead < rows.Length)
                _holders.PrefetchList(rows[i + ListAhead]);
            Push(rows[i]);
        }
    }

    // In a crowd cells push nothing, and ranks choose among movers alone: whoever is to be told of it all the same finds it here.
    private void Note(in WorldEvent change, Tick tick)
    {
        int cell = _world.Cell[change.Row], owner = _world.Owner[change.Row];
        Kind kind = _world.Schema.Kinds[change.KindIndex];
        if (_newsTick is not null && !kind.CountsInCrowd && kind.Visibility is not (Visibility.OwnerOnly or Visibility.Party))
            _newsTick[cell] = tick;
        if ((uint)owner >= (uint)_peers.Length)
            return;
        foreach (int member in _parties.MembersWith(owner))
        {
            // Its own it enters without.
            if (_peers[member] is { } peer && !_viewpoints.SeesFrom(member, change.Row) && peer.FindSlot(change.Id.Value) < 0)
                Reconsider(peer, cell);
        }
    }

    private void Push(int row)
    {
        ReadOnlySpan<uint> holders = _holders.Of(row);
        LineArray<NewsWord> news = _viewpoints.News;
        _counters.Pushes += holders.Length;
        for (int i = 0; i < holders.Length; i++)
        {
            const int Ahead = 12;
            if (i + Ahead < holders.Length)
                news.Prefetch(NewsPlace(holders[i + Ahead]));
            uint holder = holders[i];
            news[NewsPlace(holder)].Mark((int)holder);
        }
    }

    // A peer's words of news lie side by side: the place of a slot's is the entry without the bit in it.
    private static int NewsPlace(uint holder)
    {
        Contract.Assert(Viewpoints.NewsWords << 6 == 1 << Holders.SlotBits);
        return (int)(holder >> 6);
    }

    // To those who are told of a cell: something came into it, and did not come from one that they look into too.
    private void Announce(in WorldEvent change, int cell, int except)
    {
        (int word, uint bit) = Place(cell);
        (int exceptWord, uint exceptBit) = Place(Math.Max(0, except));
        bool isNeighbour = IsNeighbour(cell, except);
        ReadOnlySpan<ushort> subscribers = SubscribersOf(cell);
        for (int i = 0; i < subscribers.Length; i++)
        {
            PrefetchCells(subscribers, i, exceptWord);
            ushort index = subscribers[i];
            // Whoever looked at the cell it comes from knows it already; unless that cell still waits to be looked at, or was a crowd's.
            bool knows = except >= 0 && !_isPull[except] && (isNeighbour
                ? (Cells(index, exceptWord) & ~_viewpoints.Pending[(index * Side) + exceptWord] & exceptBit) != 0
                : Subscribes(_peers[index]!, except) && !IsPending(_peers[index]!, except));
            ref uint pending = ref _viewpoints.Pending[(index * Side) + word];
            if (knows || (pending & bit) != 0)
                continue;
            if (_viewpoints.Arrivals[index].TryAdd(change.Row, change.Id.Value))
            {
                _viewpoints.HasArrivals[index] = true;
                continue;
            }

            pending |= bit;
            _viewpoints.HasPending[index] = true;
        }
    }

    private uint Cells(ushort peer, int word) => _viewpoints.Cells[(peer * Side) + word];

    private void PrefetchCells(ReadOnlySpan<ushort> subscribers, int at, int word)
    {
        const int Ahead = 8;
        if (at + Ahead >= subscribers.Length)
            return;
        int place = (subscribers[at + Ahead] * Side) + word;
        _viewpoints.Cells.Prefetch(place);
        _viewpoints.Pending.Prefetch(place);
    }

    // Who subscribes to a cell can subscribe to those round it only within the reach of its bitmap: then a bit says it all.
    private bool IsNeighbour(int cell, int other)
        => other >= 0 && Math.Abs((cell % _cellsPerSide) - (other % _cellsPerSide)) <= 1 && Math.Abs((cell / _cellsPerSide) - (other / _cellsPerSide)) <= 1;

    private (int Word, uint Bit) Place(int cell) => ((cell / _cellsPerSide) & 31, 1u << ((cell % _cellsPerSide) & 31));

    // Whether it really leaves is seen when the peer is written: it may subscribe to the new cell in this very tick.
    private void LeaveCell(int row, int from, int to)
    {
        (int word, uint bit) = Place(to);
        bool isNeighbour = IsNeighbour(from, to);
        LineArray<NewsWord> news = _viewpoints.News;
        foreach (uint holder in _holders.Of(row))
        {
            int peer = (int)(holder >> Holders.SlotBits);
            if (isNeighbour ? (_viewpoints.Cells[(peer * Side) + word] & bit) == 0 : !Subscribes(_peers[peer]!, to))
                news[NewsPlace(holder)].Mark((int)holder);
        }
    }

    private void Recompute(PeerView peer, int spans, Tick tick, bool timer)
    {
        bool beyondLeft = false;
        for (int dy = -15; dy <= 15; dy++)
        {
            int y = peer.CellY + dy, word = y & 31;
            uint old = peer.Cells[word], beyondBefore = peer.Beyond[word];
            if (y < 0 || y >= _cellsPerSide)
            {
                Contract.Assert(old == 0);
                continue;
            }

            uint inside = Place(_enterSpans[spans + dy + 15], peer.CellX), keep = Place(_exitSpans[spans + dy + 15], peer.CellX);
            uint beyond = old & ~keep & ~inside;
            uint drop = timer || _options.DwellTicks == 0 || _options.IsOff(Mechanisms.Hysteresis)
                ? (_options.DwellTicks == 0 || _options.IsOff(Mechanisms.Hysteresis) ? beyond : beyond & beyondBefore)
                : 0;
            drop |= beyond & ~Place(ReachBits, peer.CellX);
            if (Math.Abs(dy) > Reach)
                drop = beyond;
            uint added = inside & ~old;
            peer.Cells[word] = (old | inside) & ~drop;
            peer.Beyond[word] = timer || !peer.HasBeyond ? beyond & ~drop : beyondBefore & beyond & ~drop;
            beyondLeft |= (beyond & ~drop) != 0;
            for (uint rest = added; rest != 0; rest &= rest - 1)
                Add(peer, CellX(peer, BitOperations.TrailingZeroCount(rest)), y);
            for (uint rest = drop; rest != 0; rest &= rest - 1)
                Drop(peer, CellX(peer, BitOperations.TrailingZeroCount(rest)), y);
        }

        if (timer || !peer.HasBeyond)
            peer.BeyondDue = tick + _options.DwellTicks;
        peer.HasBeyond = beyondLeft;
    }

    private const uint ReachBits = 0x3FFFFFFE & ~(1u << 30) & ~(1u << 0);   // dx from -14 to 14 at bit dx + 15

    // Bits at dx + 15 to bits at x mod 32, and only cells inside the world.
    private uint Place(uint bits, int cellX)
    {
        int low = 15 - cellX, high = 15 + (_cellsPerSide - 1 - cellX);
        if (low > 0)
            bits &= uint.MaxValue << low;
        if (high < 31)
            bits &= (1u << (high + 1)) - 1;
        return BitOperations.RotateLeft(bits, cellX - 15);
    }

    private static int CellX(PeerView peer, int bit)
    {
        int difference = (bit - peer.CellX) & 31;
        return peer.CellX + (difference > 15 ? difference - 32 : difference);
    }

    private void DropAll(PeerView peer, (int X, int Y)? beyondReachOnly)
    {
        for (int dy = -15; dy <= 15; dy++)
        {
            int y = peer.CellY + dy;
            if (y < 0 || y >= _cellsPerSide)
                continue;
            for (uint rest = peer.Cells[y & 31]; rest != 0; rest &= rest - 1)
            {
                int x = CellX(peer, BitOperations.TrailingZeroCount(rest));
                if (beyondReachOnly is { } center && Math.Abs(x - center.X) <= Reach && Math.Abs(y - center.Y) <= Reach)
                    continue;
                peer.Cells[y & 31] &= ~(1u << (x & 31));
                peer.Beyond[y & 31] &= ~(1u << (x & 31));
                Drop(peer, x, y);
            }
        }
    }

    private void Add(PeerView peer, int x, int y)
    {
        _counters.CellsVisited++;
        int cell = (y * _cellsPerSide) + x;
        peer.Pending[y & 31] |= 1u << (x & 31);
        peer.HasPending = true;
        int count = _subscriberCount[cell]++;
        if (_isPull[cell])
        {
            peer.PullCells++;
            return;
        }

        ushort[] list = _subscribers[cell] ??= new ushort[FirstSubscribers];
        if (count == list.Length)
        {
            Array.Resize(ref list, count * 2);
            _subscribers[cell] = list;
        }

        list[count] = (ushort)peer.Index;
        if (count + 1 > _options.PushSubscribersMax)
            SetPull(cell, true);
    }

    private void Drop(PeerView peer, int x, int y)
    {
        _counters.CellsVisited++;
        int cell = (y * _cellsPerSide) + x;
        peer.Pending[y & 31] &= ~(1u << (x & 31));
        int count = --_subscriberCount[cell];
        if (_isPull[cell])
        {
            // Its slots are looked at when it is written: that finds what was here, and what went on from here untold. Not the rows of a crowd's cell.
            peer.PullCells--;
            peer.PullOnce = true;
            if (count < _options.PushSubscribersMax * 3 / 4)
                SetPull(cell, false);
            return;
        }

        ushort[] list = _subscribers[cell]!;
        list[Array.IndexOf(list, (ushort)peer.Index, 0, count + 1)] = list[count];
        _counters.RowsLeft += _world.Grid.Count[cell];
        PrefetchLeaving(peer, cell);
        foreach (int row in _world.Grid.RowsOf(cell))
        {
            if (!_landmarks.Has(row))
                peer.LeaveInterest(_world.Id[row]);
        }
    }

    // Where the peer holds them is two looks into its memory for each: all at once.
    private void PrefetchLeaving(PeerView peer, int cell)
    {
        int left = LeavingPrefetched;
        foreach (int row in _world.Grid.RowsOf(cell))
        {
            if (left-- == 0)
                break;
            peer.PrefetchFind(_world.Id[row]);
        }

        left = LeavingPrefetched;
        foreach (int row in _world.Grid.RowsOf(cell))
        {
            if (left-- == 0)
                break;
            peer.PrefetchFound(_world.Id[row]);
        }
    }

    // Rare, and with hysteresis.
    private void SetPull(int cell, bool pull)
    {
        _isPull[cell] = pull;
        ushort[] list = _subscribers[cell]!;
        if (pull)
        {
            _newsTick ??= new Tick[_isPull.Length];
            _counters.PullSwitches++;
            for (int i = 0; i < _subscriberCount[cell]; i++)
                _peers[list[i]]!.PullCells++;
            return;
        }

        // Who subscribes is in no list: every peer is asked once.
        int count = 0;
        foreach (PeerView? peer in _peers)
        {
            if (peer is null || !Subscribes(peer, cell))
                continue;
            peer.PullCells--;
            list[count++] = (ushort)peer.Index;
            peer.PullOnce = true;      // what changed, came and went while nobody pushed
        }

        Contract.Assert(count == _subscriberCount[cell]);
    }

    // Cells that touch the disc of that radius round any point of a quarter, as bits dx + 15 for each dy + 15.
    private static uint[] Spans(int cellUnits, int radiusUnits)
    {
        uint[] spans = new uint[16 * Side];
        double quarter = cellUnits / 4.0;
        for (int quarterY = 0; quarterY < 4; quarterY++)
        {
            for (int quarterX = 0; quarterX < 4; quarterX++)
            {
                for (int dy = -Reach; dy <= Reach; dy++)
                {
                    for (int dx = -Reach; dx <= Reach; dx++)
                    {
                        double gapX = Gap(quarterX * quarter, quarter, dx * cellUnits, cellUnits);
                        double gapY = Gap(quarterY * quarter, quarter, dy * cellUnits, cellUnits);
                        if ((gapX * gapX) + (gapY * gapY) <= (double)radiusUnits * radiusUnits)
                            spans[(((quarterY * 4) + quarterX) * Side) + dy + 15] |= 1u << (dx + 15);
                    }
                }
            }
        }

        return spans;
    }

    private static double Gap(double a, double aSize, double b, double bSize) => Math.Max(0, Math.Max(b - (a + aSize), a - (b + bSize)));

    private static (sbyte X, sbyte Y)[] MakeSpiral()
        => [.. Enumerable.Range(-15, 31).SelectMany(y => Enumerable.Range(-15, 31).Select(x => ((sbyte)x, (sbyte)y)))
            .OrderBy(cell => (cell.Item1 * cell.Item1) + (cell.Item2 * cell.Item2)).ThenBy(cell => cell.Item2).ThenBy(cell => cell.Item1)];
}
