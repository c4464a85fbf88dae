using Hectare.Protocol;

namespace Hectare.World;

/// <summary>What happened to an entity in this tick.</summary>
public enum WorldEventKind : byte
{
    /// <summary>It came into being; from no cell.</summary>
    Spawned,

    /// <summary>It crossed a cell line; once a tick, from the cell at the tick's start. Both are equal when it came back.</summary>
    MovedCell,

    /// <summary>A field got another value; once a tick, and not in the tick of its spawn.</summary>
    Changed,

    /// <summary>It is gone; to no cell. Its row can be read until the tick ends.</summary>
    Destroyed,

    /// <summary>It is somewhere else without having moved there; once a tick. A crossed cell line is told by its own event.</summary>
    Teleported,

    /// <summary>Another peer owns it, or none; once a tick.</summary>
    OwnerChanged,
}

/// <summary>One event of a tick, in the order in which they happened. The network layer and the game read the same list.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Row">The entity's row; valid until the tick ends.</param>
/// <param name="Id">The entity.</param>
/// <param name="FromCell">Where it was in the grid, or <see cref="SpatialGrid.NoCell"/>.</param>
/// <param name="ToCell">Where it is, or <see cref="SpatialGrid.NoCell"/>.</param>
/// <param name="KindIndex">Its kind.</param>
public readonly record struct WorldEvent(WorldEventKind Kind, int Row, EntityId Id, int FromCell, int ToCell, byte KindIndex);
