using System.Runtime.InteropServices;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>Who stands in which cell, of those that a crowd's cap counts: one row of memory for each cell, made once a tick when the first peer in a crowd asks.</summary>
/// <remarks>In a crowd thousands look at the same cells, each for the nearest round itself. A cell's own list leads through as many places in memory as it has entities.
/// From the frozen world, so it may be made by any of the threads that write; the others wait for the tenth of a millisecond that it takes.</remarks>
internal sealed class MoversByCell(WorldState world)
{
    private readonly Lock _lock = new();
    private readonly bool[] _counts = [.. world.Schema.Kinds.ToArray().Select(kind => kind.CountsInCrowd)];
    private int[] _start = [];          // by cell; made with the first crowd
    private Mover[] _movers = [];
    private Tick _tick;
    private volatile bool _isMade;

    /// <summary>Bytes of the list.</summary>
    public long MemoryBytes => (_start.LongLength * sizeof(int)) + (_movers.LongLength * Marshal.SizeOf<Mover>());

    /// <summary>The world is another from now on.</summary>
    public void Forget() => _isMade = false;

    /// <summary>Those of one cell, as the world is at this tick.</summary>
    public ReadOnlySpan<Mover> Of(int cell, Tick tick)
    {
        if (!_isMade)
            Make(tick);
        Contract.Assert(_tick == tick);
        return _movers.AsSpan(_start[cell], _start[cell + 1] - _start[cell]);
    }

    private void Make(Tick tick)
    {
        lock (_lock)
        {
            if (_isMade)
                return;
            ReadOnlySpan<int> counts = world.Grid.MoverCount;
            if (_start.Length == 0)
                _start = new int[counts.Length + 1];
            // One place further on, so that filling a cell leaves its start in the place before.
            int all = 0;
            for (int cell = 0; cell < counts.Length; cell++)
                (_start[cell + 1], all) = (all, all + counts[cell]);

            if (_movers.Length < all)
                _movers = new Mover[all * 5 / 4];
            for (int row = 0; row < world.RowLimit; row++)
            {
                if (!_counts[world.KindIndex[row]] || !world.IsAlive(row))
                    continue;
                ref int end = ref _start[world.Cell[row] + 1];
                _movers[end++] = new Mover(row, world.Id[row], world.X[row], world.Y[row]);
            }

            _tick = tick;
            _isMade = true;
        }
    }

    /// <summary>One of them.</summary>
    internal readonly record struct Mover(int Row, uint Id, int X, int Y);
}
