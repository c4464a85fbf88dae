using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>
/// Entities that peers do not find through cells: those that everyone is told of wherever they are (<see cref="Visibility.Always"/>), and big
/// things that are told of from afar (<see cref="Kind.FarRadiusUnits"/>). A short list. A peer looks through it when its viewpoint has gone a
/// quarter of a cell; a change of one is told to all peers that it reaches. So the cost follows changes and crossings, and a schema without such
/// kinds pays nothing.
/// </summary>
/// <remarks>
/// Whether a far entity reaches a peer is a matter of its cell and the viewpoint's quarter of a cell alone, as with subscriptions: between two
/// crossings it cannot change. Whoever finds the list full is told by cells, as if near, and counted.
/// </remarks>
internal sealed class Landmarks
{
    internal const int Max = 1024;

    private const int QuartersPerCell = 4;

    private readonly WorldState _world;
    private readonly ReplicationCounters _counters;
    private readonly PeerView?[] _peers;
    private readonly Reach[] _reach;         // by kind; empty when the schema has no such kind
    private readonly ushort[] _place;        // by row: place in _rows + 1, 0 for none; empty likewise
    private readonly int[] _rows;
    private readonly int _cellsPerSide;
    private int _count;
    private int _farCount;

    internal Landmarks(WorldState world, ReplicationOptions options, ReplicationCounters counters, PeerView?[] peers)
    {
        _world = world;
        _counters = counters;
        _peers = peers;
        _cellsPerSide = world.Grid.CellsPerSide;
        bool isUsed = false;
        foreach (Kind kind in world.Schema.Kinds)
        {
            isUsed |= kind.Visibility == Visibility.Always || kind.FarRadiusUnits > 0;
            if (kind.FarRadiusUnits > 0 && kind.FarRadiusUnits <= options.EnterRadiusUnits)
                throw new OptionException($"Far of kind '{kind.Name}'", $"{kind.FarRadiusUnits}", $"more than {nameof(options.EnterRadiusUnits)} ({options.EnterRadiusUnits})");
        }

        _reach = isUsed ? [.. world.Schema.Kinds.ToArray().Select(kind => Reach.Of(kind, options, world.Grid.CellUnits))] : [];
        _place = isUsed ? new ushort[world.Capacity] : [];
        _rows = isUsed ? new int[Max] : [];
    }

    /// <summary>Rows of the list, in no order.</summary>
    internal ReadOnlySpan<int> Rows => _rows.AsSpan(0, _count);

    internal long MemoryBytes => (_place.LongLength * sizeof(ushort)) + (_rows.LongLength * sizeof(int));

    internal bool Has(int row) => (uint)row < (uint)_place.Length && _place[row] != 0;

    /// <summary>True when a landmark is near enough to enter; or, for a peer that holds it, not far enough to leave.</summary>
    internal bool Reaches(PeerView peer, int row, bool isHeld) => Reaches(peer, _world.KindIndex[row], _world.Cell[row], isHeld);

    /// <summary>Adds, removes and follows landmarks. True when the event was of one: no cell needs to hear of it.</summary>
    internal bool Take(in WorldEvent change)
    {
        if (_reach.Length == 0 || !_reach[change.KindIndex].IsAny)
            return false;
        if (change.Kind == WorldEventKind.Spawned)
            Add(change.Row);
        if (!Has(change.Row))
            return false;
        switch (change.Kind)
        {
            case WorldEventKind.Spawned:
                Call(change.Row);
                break;
            case WorldEventKind.MovedCell:
                Cross(in change);
                break;
            case WorldEventKind.OwnerChanged:
                Call(change.Row);
                break;
            case WorldEventKind.Destroyed:
                Remove(change.Row);
                break;
            default:
                break;
        }

        return true;
    }

    /// <summary>The viewpoint has gone a quarter of a cell, or opens its eyes for the first time.</summary>
    internal void OnCrossed(PeerView peer, bool isFirst)
    {
        if (_farCount > 0 || (isFirst && _count > 0))
            peer.LookForLandmarks();
    }

    private void Add(int row)
    {
        if (_count == Max)
        {
            _counters.LandmarksRefused++;
            return;
        }

        _rows[_count++] = row;
        _place[row] = (ushort)_count;
        _farCount += _reach[_world.KindIndex[row]].IsFar ? 1 : 0;
    }

    private void Remove(int row)
    {
        int last = _rows[--_count];
        _rows[_place[row] - 1] = last;
        _place[last] = _place[row];
        _place[row] = 0;
        _farCount -= _reach[_world.KindIndex[row]].IsFar ? 1 : 0;
    }

    // Whoever it came near to looks for it; whoever it went away from looks at it once more.
    private void Cross(in WorldEvent change)
    {
        foreach (PeerView? peer in _peers)
        {
            if (peer is null)
                continue;
            if (Reaches(peer, change.KindIndex, change.ToCell, isHeld: false) && !Reaches(peer, change.KindIndex, change.FromCell, isHeld: false))
                peer.LookForLandmarks();
            else if (Reaches(peer, change.KindIndex, change.FromCell, isHeld: true) && !Reaches(peer, change.KindIndex, change.ToCell, isHeld: true))
                peer.MarkNews(change.Id.Value);
        }
    }

    private void Call(int row)
    {
        foreach (PeerView? peer in _peers)
        {
            if (peer is not null && Reaches(peer, row, isHeld: false))
                peer.LookForLandmarks();
        }
    }

    private bool Reaches(PeerView peer, int kind, int cell, bool isHeld)
    {
        if (!peer.HasView)
            return false;
        long x = Gap(peer.QuarterX, cell % _cellsPerSide), y = Gap(peer.QuarterY, cell / _cellsPerSide);
        return (x * x) + (y * y) <= (isHeld ? _reach[kind].Exit : _reach[kind].Enter);
    }

    // Between a quarter of a cell and a cell along one axis, in quarters.
    private static long Gap(int quarter, int cell)
        => Math.Max(0, Math.Max((cell * QuartersPerCell) - (quarter + 1), quarter - ((cell + 1) * QuartersPerCell)));

    /// <summary>How far a kind is told of: squared, in quarters of a cell.</summary>
    private readonly record struct Reach(long Enter, long Exit)
    {
        internal bool IsAny => Enter != 0;

        internal bool IsFar => Enter is not 0 and not long.MaxValue;

        internal static Reach Of(Kind kind, ReplicationOptions options, int cellUnits)
        {
            if (kind.Visibility == Visibility.Always)
                return new Reach(long.MaxValue, long.MaxValue);
            if (kind.FarRadiusUnits == 0)
                return default;
            int hysteresis = options.IsOff(Mechanisms.Hysteresis) ? 0 : options.ExitRadiusUnits - options.EnterRadiusUnits;
            return new Reach(Squared(kind.FarRadiusUnits, cellUnits), Squared(kind.FarRadiusUnits + hysteresis, cellUnits));
        }

        private static long Squared(long units, long cellUnits) => QuartersPerCell * QuartersPerCell * units * units / (cellUnits * cellUnits);
    }
}
