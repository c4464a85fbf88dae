using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Where each peer looks from, in columns: whoever has not crossed a line is passed without a look at its view.</summary>
internal sealed class Viewpoints
{
    /// <summary>Words of news of a peer.</summary>
    public const int NewsWords = SlotCodec.SlotsMax / 64;

    private const int NewsPerLine = 4;
    private const ulong None = ulong.MaxValue;

    private readonly int[] _rows;            // of the avatar; -1: the peer sees nothing
    private readonly uint[] _ids;
    private readonly ulong[] _quarters;      // x and y in quarters of a cell; None: never followed
    private readonly Tick[] _timers;
    private readonly bool[] _hasTimer;
    private readonly int[] _phases;

    /// <summary>Of each peer <see cref="Interest.Side"/> words: the cells that it subscribes to, as a bitmap on a torus.</summary>
    public readonly LineArray<uint> Cells;

    /// <summary>Of these, the ones that lie beyond the exit radius and are dropped after the dwell.</summary>
    public readonly LineArray<uint> Beyond;

    /// <summary>Those that may hold entities not yet entered.</summary>
    public readonly LineArray<uint> Pending;

    /// <summary>Of each peer <see cref="NewsWords"/> words: its slots that are to be looked at when it is written.</summary>
    public readonly LineArray<NewsWord> News;

    /// <summary>Of each peer <see cref="NewsWords"/> words: its slots of movers that a crowd's cap counts.</summary>
    public readonly LineArray<ulong> Members;

    /// <summary>By peer: cells are pending, or landmarks are to be looked through.</summary>
    public readonly bool[] HasPending;

    /// <summary>By peer: who came into its cells one by one since it was written.</summary>
    public readonly LineArray<Arrivals> Arrivals;

    /// <summary>By peer: there are some.</summary>
    public readonly bool[] HasArrivals;

    public Viewpoints(int peersMax)
    {
        HasPending = new bool[peersMax];
        HasArrivals = new bool[peersMax];
        Cells = new LineArray<uint>(peersMax * Interest.Side);
        Beyond = new LineArray<uint>(peersMax * Interest.Side);
        Pending = new LineArray<uint>(peersMax * Interest.Side);
        Arrivals = new LineArray<Arrivals>(peersMax);
        News = new LineArray<NewsWord>(peersMax * NewsWords);
        Members = new LineArray<ulong>(peersMax * NewsWords);
        _rows = new int[peersMax];
        Array.Fill(_rows, -1);
        _ids = new uint[peersMax];
        _quarters = new ulong[peersMax];
        _timers = new Tick[peersMax];
        _hasTimer = new bool[peersMax];
        _phases = new int[peersMax];
    }

    /// <summary>In which ticks of a snapshot interval it is a peer's turn: see <see cref="SnapshotPhases"/>.</summary>
    public ref int PhaseOf(int peer) => ref _phases[peer];

    /// <summary>The peer looks through another entity's eyes; row -1: through nobody's.</summary>
    public void Set(int peer, int row, uint id) => (_rows[peer], _ids[peer]) = (row, id);

    /// <summary>The peer is new, or gone.</summary>
    public void Clear(int peer)
    {
        (_rows[peer], _quarters[peer], _hasTimer[peer], HasPending[peer], HasArrivals[peer]) = (-1, None, false, false, false);
        Arrivals[peer] = default;
        Of(Cells, peer).Clear();
        Of(Beyond, peer).Clear();
        Of(Pending, peer).Clear();
        NewsOf(peer).Clear();
        MembersOf(peer).Clear();
    }

    /// <summary>Asks for the memory of what a peer is told of: its cells, its news, who came.</summary>
    public void Prefetch(int peer, int newsWords)
    {
        PrefetchBits(Cells, peer);
        for (int word = 0; word < newsWords; word += NewsPerLine)
            News.Prefetch((peer * NewsWords) + word);
        if (HasPending[peer])
            PrefetchBits(Pending, peer);
        if (HasArrivals[peer])
            Arrivals.Prefetch(peer);
    }

    /// <summary>Asks for the memory of all that following a peer changes.</summary>
    public void PrefetchFollowing(int peer)
    {
        PrefetchBits(Cells, peer);
        PrefetchBits(Pending, peer);
        PrefetchBits(Beyond, peer);
    }

    // Two lines each.
    private static void PrefetchBits(LineArray<uint> bitmaps, int peer)
    {
        bitmaps.Prefetch(peer * Interest.Side);
        bitmaps.Prefetch((peer * Interest.Side) + (Interest.Side / 2));
    }

    /// <summary>A peer's words of news.</summary>
    public Span<NewsWord> NewsOf(int peer) => News.AsSpan(peer * NewsWords, NewsWords);

    /// <summary>A peer's words of the movers that it is told of.</summary>
    public Span<ulong> MembersOf(int peer) => Members.AsSpan(peer * NewsWords, NewsWords);

    /// <summary>A peer's words of a bitmap.</summary>
    public static Span<uint> Of(LineArray<uint> bitmaps, int peer) => bitmaps.AsSpan(peer * Interest.Side, Interest.Side);

    /// <summary>It was followed to there; what lies beyond is looked at again when the timer runs out.</summary>
    public void Followed(int peer, int quarterX, int quarterY, bool hasTimer, Tick timer)
        => (_quarters[peer], _hasTimer[peer], _timers[peer]) = (Pack(quarterX, quarterY), hasTimer, timer);

    /// <summary>True when a peer sees from that row.</summary>
    public bool SeesFrom(int peer, int row) => _rows[peer] == row;

    /// <summary>The row that a peer sees from.</summary>
    public bool TryGetRow(int peer, ReadOnlySpan<uint> idOfRow, out int row)
    {
        row = _rows[peer];
        return row >= 0 && idOfRow[row] == _ids[peer];
    }

    /// <summary>True when there is nothing to follow.</summary>
    public bool Stays(int peer, int quarterX, int quarterY, Tick tick)
        => _quarters[peer] == Pack(quarterX, quarterY) && !(_hasTimer[peer] && tick >= _timers[peer]);

    private static ulong Pack(int quarterX, int quarterY) => ((ulong)(uint)quarterX << 32) | (uint)quarterY;
}

/// <summary>News of 64 slots.</summary>
internal struct NewsWord
{
    /// <summary>Bit per slot: look at it when the peer is written.</summary>
    public ulong Slots;

    /// <summary>Bit per slot: there is something that came up after it was last written, so an ack does not settle it.</summary>
    public ulong Fresh;

    /// <summary>Something came up. Of the slot's number the low six bits count.</summary>
    public void Mark(int slot)
    {
        ulong bit = 1UL << slot;
        Slots |= bit;
        Fresh |= bit;
    }
}

/// <summary>Who came into a peer's cells across a line, one by one; where there is no room for it, its cell waits to be looked through.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct Arrivals
{
    private const int ListMax = 7;

    private Entries _entries;
    private int _count;

    /// <summary>Those there are.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public readonly ReadOnlySpan<(int Row, uint Id)> List => MemoryMarshal.CreateReadOnlySpan(in _entries[0], _count);

    /// <summary>One more; false when there are too many.</summary>
    public bool TryAdd(int row, uint id)
    {
        if (_count == ListMax)
            return false;
        _entries[_count++] = (row, id);
        return true;
    }

    /// <summary>All were looked at.</summary>
    public void Clear() => _count = 0;

    [InlineArray(ListMax)]
    private struct Entries
    {
        private (int Row, uint Id) _first;
    }
}
