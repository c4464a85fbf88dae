using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>What happened to an entity on this client.</summary>
public enum ReplicaEventKind : byte
{
    /// <summary>It came into interest; it fades in where it is.</summary>
    Entered,

    /// <summary>Fields changed; <see cref="ReplicaEvent.Groups"/> says which.</summary>
    Changed,

    /// <summary>It went out of interest; it is drawn until it has faded.</summary>
    Left,

    /// <summary>It is gone from the world; it is drawn until it has faded.</summary>
    Destroyed,

    /// <summary>It became ours, or someone else's: see <see cref="ReplicaEvent.Owned"/>.</summary>
    OwnerChanged,
}

/// <summary>One event of the replica, told when its packet is accepted: a presentation delay before it is seen.</summary>
/// <param name="Kind">What.</param>
/// <param name="Id">Of which entity.</param>
/// <param name="Groups">Changed groups of the game's own kind, as bits; zero for other events.</param>
/// <param name="Owned">True when the entity is this client's own.</param>
/// <param name="Tick">The server's tick that told of it.</param>
public readonly record struct ReplicaEvent(ReplicaEventKind Kind, EntityId Id, int Groups, bool Owned, Tick Tick);

/// <summary>An entity as it is drawn.</summary>
/// <param name="Id">Which.</param>
/// <param name="Kind">The game's own kind.</param>
/// <param name="X">Units from the zone's origin. Zero for kinds without motion and without a position field.</param>
/// <param name="Y">As X.</param>
/// <param name="VelocityX">Units a second, along the path drawn.</param>
/// <param name="VelocityY">As VelocityX.</param>
/// <param name="Fade">0 (not seen) to 1 (fully seen): entering, leaving, and a correction too far to slide.</param>
/// <param name="Leaving">It has left or was destroyed and is fading out.</param>
public readonly record struct SampledEntity(EntityId Id, Kind Kind, double X, double Y, double VelocityX, double VelocityY, float Fade, bool Leaving);

/// <summary>How many movers a crowded cell holds beyond those that are told of one by one.</summary>
/// <param name="Cell">Index in the zone's grid: row * cells a side + column.</param>
/// <param name="Count">Movers.</param>
public readonly record struct DensityCell(int Cell, int Count);

/// <summary>What became of a snapshot.</summary>
public enum SnapshotResult : byte
{
    /// <summary>Applied whole.</summary>
    Applied,

    /// <summary>Not a snapshot: bits ran out, or a value out of range.</summary>
    Malformed,

    /// <summary>It builds on something this client does not have.</summary>
    NoBaseline,

    /// <summary>Its self-check says that the two ends disagree on what this client knows.</summary>
    WrongCheck,
}
