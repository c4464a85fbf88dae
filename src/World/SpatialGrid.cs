using System.Numerics;
using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.World;

/// <summary>A uniform grid over a square world: which rows are in which cell. Intrusive lists in arrays: no allocation, no hashing.</summary>
/// <remarks>A cell's index is <c>cellY * CellsPerSide + cellX</c>. Within a cell those that do not count in crowds come first; else the order is newest first and says nothing.</remarks>
public sealed class SpatialGrid
{
    /// <summary>No cell: a row that is in none, an event that comes from or goes to none.</summary>
    public const int NoCell = -1;

    /// <summary>Most cells of one grid: 64 MB.</summary>
    public const int CellsMax = 1 << 22;

    private const int NoRow = -1;

    /// <summary>First row of each cell that does not count in crowds, or -1.</summary>
    public readonly int[] First;

    /// <summary>First row of each cell that does, or -1.</summary>
    public readonly int[] FirstMover;

    /// <summary>Rows in each cell.</summary>
    public readonly int[] Count;

    /// <summary>Rows of kinds that count in crowds (<see cref="Protocol.Kind.CountsInCrowd"/>) in each cell: what the interest cap and the density count.</summary>
    public readonly int[] MoverCount;

    /// <summary>The row after each row in its cell, or -1.</summary>
    public readonly int[] Next;

    /// <summary>The row before each row in its cell, or -1.</summary>
    public readonly int[] Previous;

    /// <summary>An empty grid.</summary>
    /// <param name="extentUnits">World size per axis, a power of two.</param>
    /// <param name="capacity">Rows at most.</param>
    /// <param name="cellUnits">Cell size per axis, a power of two, at most <paramref name="extentUnits"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not a power of two, or more than <see cref="CellsMax"/> cells.</exception>
    public SpatialGrid(int extentUnits, int capacity, int cellUnits = 16)
    {
        if (extentUnits < 1 || !BitOperations.IsPow2(extentUnits))
            throw new ArgumentOutOfRangeException(nameof(extentUnits), extentUnits, "must be a power of two");
        if (cellUnits < 1 || cellUnits > extentUnits || !BitOperations.IsPow2(cellUnits))
            throw new ArgumentOutOfRangeException(nameof(cellUnits), cellUnits, $"must be a power of two from 1 to {extentUnits}");
        CellsPerSide = extentUnits / cellUnits;
        if ((long)CellsPerSide * CellsPerSide > CellsMax)
            throw new ArgumentOutOfRangeException(nameof(cellUnits), cellUnits, $"gives {CellsPerSide} x {CellsPerSide} cells; at most {CellsMax} in all");
        CellUnits = cellUnits;
        CellShift = BitOperations.Log2((uint)cellUnits) + Units.Shift;
        int cells = CellsPerSide * CellsPerSide;
        First = new int[cells];
        FirstMover = new int[cells];
        Count = new int[cells];
        MoverCount = new int[cells];
        Next = new int[capacity];
        Previous = new int[capacity];
        Array.Fill(First, NoRow);
        Array.Fill(FirstMover, NoRow);
    }

    /// <summary>Bytes of its arrays.</summary>
    public long MemoryBytes => (First.LongLength + FirstMover.LongLength + Count.LongLength + MoverCount.LongLength + Next.LongLength + Previous.LongLength) * sizeof(int);

    /// <summary>Cells per axis.</summary>
    public int CellsPerSide { get; }

    /// <summary>All cells.</summary>
    public int CellCount => First.Length;

    /// <summary>Size of a cell per axis, units.</summary>
    public int CellUnits { get; }

    /// <summary>log2 of a cell's size in 1/4,096 unit.</summary>
    public int CellShift { get; }

    /// <summary>The cell of a position inside the world, 1/4,096 unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int CellOf(int x, int y) => ((y >> CellShift) * CellsPerSide) + (x >> CellShift);

    /// <summary>The column and row of the cell of a coordinate, clamped to the grid: for ranges that stick out of the world.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Clamp(int position) => Math.Clamp(position >> CellShift, 0, CellsPerSide - 1);

    /// <summary>The rows of a cell, for <c>foreach</c>. The cell must not change meanwhile.</summary>
    public CellRows RowsOf(int cell) => new(this, cell, withMovers: true);

    /// <summary>Those of them that do not count in crowds.</summary>
    public CellRows OthersOf(int cell) => new(this, cell, withMovers: false);

    /// <summary>Puts a row that is in no cell into one.</summary>
    public void Insert(int row, int cell, bool isMover)
    {
        ref int first = ref (isMover ? FirstMover : First)[cell];
        Next[row] = first;
        Previous[row] = NoRow;
        if (first != NoRow)
            Previous[first] = row;
        first = row;
        Count[cell]++;
        MoverCount[cell] += isMover ? 1 : 0;
    }

    /// <summary>Takes a row out of the cell it is in.</summary>
    public void Remove(int row, int cell, bool isMover)
    {
        int next = Next[row], previous = Previous[row];
        if (previous != NoRow)
            Next[previous] = next;
        else
            (isMover ? FirstMover : First)[cell] = next;
        if (next != NoRow)
            Previous[next] = previous;
        Count[cell]--;
        MoverCount[cell] -= isMover ? 1 : 0;
        Contract.Assert(Count[cell] >= 0 && MoverCount[cell] >= 0);
    }

    /// <summary>The rows of one cell.</summary>
    public readonly struct CellRows
    {
        private readonly SpatialGrid _grid;
        private readonly int _cell;
        private readonly bool _withMovers;

        internal CellRows(SpatialGrid grid, int cell, bool withMovers) => (_grid, _cell, _withMovers) = (grid, cell, withMovers);

        /// <summary>Starts before the first row.</summary>
        public RowEnumerator GetEnumerator() => new(_grid.Next, _grid.First[_cell], _withMovers ? _grid.FirstMover[_cell] : NoRow);
    }

    /// <summary>Walks along one cell's lists.</summary>
    public struct RowEnumerator
    {
        private readonly int[] _next;
        private int _upcoming;
        private int _mover;

        internal RowEnumerator(int[] next, int first, int mover)
        {
            _next = next;
            (_upcoming, _mover) = (first, mover);
            Current = NoRow;
        }

        /// <summary>The row reached.</summary>
        public int Current { get; private set; }

        /// <summary>Goes on; false at the end.</summary>
        public bool MoveNext()
        {
            if (_upcoming == NoRow)
                (_upcoming, _mover) = (_mover, NoRow);
            Current = _upcoming;
            if (Current == NoRow)
                return false;
            _upcoming = _next[Current];
            return true;
        }
    }
}
