namespace Hectare.Protocol;

/// <summary>An entity of the whole world, across zones. Never zero, not reused for 60 s: a ghost and its original are one entity to a client.</summary>
public readonly record struct EntityId(uint Value)
{
    /// <summary>No entity.</summary>
    public static readonly EntityId None;

    /// <inheritdoc/>
    public override string ToString() => $"entity {Value}";
}

/// <summary>One connection of one zone: an index below the zone's player limit. Reused after a peer has left.</summary>
public readonly record struct PeerId(int Index)
{
    /// <inheritdoc/>
    public override string ToString() => $"peer {Index}";
}

/// <summary>One zone of a world.</summary>
public readonly record struct ZoneId(ushort Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"zone {Value}";
}
