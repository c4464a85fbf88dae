namespace Hectare.Replication;

/// <summary>What of <see cref="ReplicationOptions"/> is in force: all of it, or less while a zone is overloaded. Immutable; <see cref="Replicator.SetDetail"/>
/// puts another in its place between two ticks.</summary>
public sealed record Detail
{
    /// <summary>Up to here an entity is near, units.</summary>
    public required int NearUnits { get; init; }

    /// <summary>Beyond this an entity is far, units.</summary>
    public required int FarUnits { get; init; }

    /// <summary>Most movers that a peer is told of one by one.</summary>
    public required int InterestCap { get; init; }

    /// <summary>Ticks between two snapshots of a peer: the interval of the options, or twice that.</summary>
    public required int IntervalTicks { get; init; }

    /// <summary>The same for a peer with loss above 1 %.</summary>
    public required int LossyIntervalTicks { get; init; }

    /// <summary>All that the options allow.</summary>
    public static Detail Of(ReplicationOptions options) => new()
    {
        NearUnits = options.NearUnits,
        FarUnits = options.FarUnits,
        InterestCap = options.InterestCap,
        IntervalTicks = options.SnapshotIntervalTicks,
        LossyIntervalTicks = Math.Min(2, options.SnapshotIntervalTicks),
    };

    /// <summary>The same with every interval twice as long.</summary>
    public Detail AtHalfRate() => this with { IntervalTicks = 2 * IntervalTicks, LossyIntervalTicks = IntervalTicks };
}
