using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Where each peer looks from, in columns: whoever has not crossed a line is passed without a look at its view.</summary>
internal sealed class Viewpoints
{
    private const ulong None = ulong.MaxValue;

    private readonly int[] _rows;            // of the avatar; -1: the peer sees nothing
    private readonly uint[] _ids;
    private readonly ulong[] _quarters;      // x and y in quarters of a cell; None: never followed
    private readonly Tick[] _timers;
    private readonly bool[] _hasTimer;
    private readonly int[] _phases;

    /// <summary>Of each peer <see cref="Interest.Side"/> words: the cells that it subscribes to, as a bitmap on a torus.</summary>
    public readonly uint[] Cells;

    /// <summary>Of these, the ones that lie beyond the exit radius and are dropped after the dwell.</summary>
    public readonly uint[] Beyond;

    /// <summary>Those that may hold entities not yet entered.</summary>
    public readonly uint[] Pending;

    public Viewpoints(int peersMax)
    {
        Cells = new uint[peersMax * Interest.Side];
        Beyond = new uint[peersMax * Interest.Side];
        Pending = new uint[peersMax * Interest.Side];
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
        (_rows[peer], _quarters[peer], _hasTimer[peer]) = (-1, None, false);
        Of(Cells, peer).Clear();
        Of(Beyond, peer).Clear();
        Of(Pending, peer).Clear();
    }

    /// <summary>A peer's words of a bitmap.</summary>
    public static Span<uint> Of(uint[] bitmaps, int peer) => bitmaps.AsSpan(peer * Interest.Side, Interest.Side);

    /// <summary>It was followed to there; what lies beyond is looked at again when the timer runs out.</summary>
    public void Followed(int peer, int quarterX, int quarterY, bool hasTimer, Tick timer)
        => (_quarters[peer], _hasTimer[peer], _timers[peer]) = (Pack(quarterX, quarterY), hasTimer, timer);

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
