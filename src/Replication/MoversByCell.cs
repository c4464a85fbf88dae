using System.Runtime.CompilerServices;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>Who stands in which cell, of those that a crowd's cap counts: columns in the order of cells, made once a tick when the first peer in a crowd asks.</summary>
/// <remarks>In a crowd thousands look at the same cells, each for the nearest round itself. A cell's own list leads through as many places in memory as it has entities.
/// From the frozen world, so it may be made by any of the threads that write; the others wait for the quarter of a millisecond that it takes (50,000 rows).</remarks>
internal sealed class MoversByCell(WorldState world, Interest interest)
{
    private readonly Lock _lock = new();
    private readonly bool[] _counts = [.. world.Schema.Kinds.ToArray().Select(kind => kind.CountsInCrowd)];
    private int[] _start = [];          // by cell; made with the first crowd
    private int[] _placeOf = [];        // by row: where it stands in the columns, if it still does
    private Mover[] _movers = [];
    private int[] _x = [];
    private int[] _y = [];
    private int[] _owners = [];
    private int _count;
    private Tick _tick;
    private volatile bool _isMade;

    /// <summary>Bytes of the columns.</summary>
    public long MemoryBytes => ((_start.LongLength + _placeOf.LongLength) * sizeof(int)) + (_movers.LongLength * (12 + Unsafe.SizeOf<Mover>()));

    /// <summary>Who they are.</summary>
    public ReadOnlySpan<Mover> Movers => _movers;

    /// <summary>Where they stand, 1/4,096 unit: for those who look at all of a cell.</summary>
    public ReadOnlySpan<int> X => _x;

    /// <summary>See <see cref="X"/>.</summary>
    public ReadOnlySpan<int> Y => _y;

    /// <summary>Whose they are.</summary>
    public ReadOnlySpan<int> Owners => _owners;

    /// <summary>The world is another from now on.</summary>
    public void Forget() => _isMade = false;

    /// <summary>The columns are those of the world at this tick.</summary>
    public void Need(Tick tick)
    {
        if (!_isMade)
            Make(tick);
        Contract.Assert(_tick == tick);
    }

    /// <summary>Those of one cell: the first and the one after the last.</summary>
    public (int First, int End) Of(int cell) => (_start[cell], _start[cell + 1]);

    /// <summary>Where an entity stands in the columns; -1 when it is not alive.</summary>
    public int PlaceOf(int row, uint id)
    {
        int place = _placeOf[row];
        return place < _count && _movers[place].Row == row && _movers[place].Id == id ? place : -1;
    }

    private void Make(Tick tick)
    {
        lock (_lock)
        {
            if (_isMade)
                return;
            ReadOnlySpan<int> counts = world.Grid.MoverCount;
            if (_start.Length == 0)
                (_start, _placeOf) = (new int[counts.Length + 1], new int[world.Capacity]);
            // One place further on, so that filling a cell leaves its start in the place before.
            int all = 0;
            for (int cell = 0; cell < counts.Length; cell++)
                (_start[cell + 1], all) = (all, all + counts[cell]);

            if (_movers.Length < all)
                Grow(all * 5 / 4);
            int side = interest.CellsPerSide;
            for (int row = 0; row < world.RowLimit; row++)
            {
                if (!_counts[world.KindIndex[row]] || !world.IsAlive(row))
                    continue;
                int cell = world.Cell[row];
                int place = _start[cell + 1]++;
                _placeOf[row] = place;
                (_x[place], _y[place], _owners[place]) = (world.X[row], world.Y[row], world.Owner[row]);
                _movers[place] = new Mover(row, world.Id[row], _x[place], _y[place], Interest.Torus(cell % side, cell / side));
            }

            _count = all;
            _tick = tick;
            _isMade = true;
        }
    }

    private void Grow(int length)
    {
        _movers = new Mover[length];
        _x = new int[length];
        _y = new int[length];
        _owners = new int[length];
    }

    /// <summary>One of them; all of it in one place, for those who look for one.</summary>
    internal readonly record struct Mover(int Row, uint Id, int X, int Y, int Torus);
}
