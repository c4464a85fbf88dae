namespace Hectare.Replication;

/// <summary>What publishing and interest did: totals since the start. Written by the tick thread alone.</summary>
public sealed class ReplicationCounters
{
    /// <summary>Versions published.</summary>
    public long VersionsPublished;

    /// <summary>Steps encoded: once a version, whatever the number of peers.</summary>
    public long StepsEncoded;

    /// <summary>Rows compared with what was published.</summary>
    public long RowsCompared;

    /// <summary>Cells subscribed to or dropped.</summary>
    public long CellsVisited;

    /// <summary>Changes marked for a peer that holds the entity.</summary>
    public long Pushes;

    /// <summary>Rows looked at because a peer dropped their cell.</summary>
    public long RowsLeft;

    /// <summary>Cells that began to be a crowd's: what comes into them is found by rank.</summary>
    public long PullSwitches;

    /// <summary>Entities of far or always visible kinds that found the list of 1,024 full when they spawned: they are told by distance, as if near.</summary>
    public long LandmarksRefused;

    /// <summary>Versions published because a motion went on unchanged for 500 ticks.</summary>
    public long Republished;

    /// <summary>Versions published as samples.</summary>
    public long Samples;
}

/// <summary>What snapshots carried: totals since the start. One instance per writer, so that no counter is shared between threads.</summary>
public sealed class WriterCounters
{
    /// <summary>Snapshots written, keep-alives included.</summary>
    public long Snapshots;

    /// <summary>Snapshots without an operation.</summary>
    public long KeepAlives;

    /// <summary>Delta updates written, copies included.</summary>
    public long Updates;

    /// <summary>Of the updates and lifecycle operations, those that repeat something unacked.</summary>
    public long Copies;

    /// <summary>Enters written, copies included.</summary>
    public long Enters;

    /// <summary>Of the enters, those coded against what the peer kept.</summary>
    public long Returns;

    /// <summary>Leaves written.</summary>
    public long Leaves;

    /// <summary>Destroys written.</summary>
    public long Destroys;

    /// <summary>Absolute updates written.</summary>
    public long Absolutes;

    /// <summary>Operations left out for want of bytes.</summary>
    public long LeftOut;

    /// <summary>Bits of all operations, slot and operation code included.</summary>
    public long OperationBits;

    /// <summary>Bits of delta updates.</summary>
    public long UpdateBits;

    /// <summary>Bits of updates that carry steps and nothing else.</summary>
    public long TurnBits;

    /// <summary>Steps in those.</summary>
    public long Turns;

    /// <summary>Bits of updates that carry change groups and no step, texts excluded.</summary>
    public long AnimationBits;

    /// <summary>Updates of that sort.</summary>
    public long Animations;

    /// <summary>Bits of absolute enters, texts excluded.</summary>
    public long EnterBits;

    /// <summary>Enters of that sort.</summary>
    public long AbsoluteEnters;

    /// <summary>Bits of headers, own state included.</summary>
    public long HeaderBits;

    /// <summary>Of these, bits of the peer's own state.</summary>
    public long OwnBits;

    /// <summary>Bits of densities.</summary>
    public long DensityBits;

    /// <summary>Rows of cells looked at for what may enter.</summary>
    public long RowsEntered;

    /// <summary>Slots that peers looked through because they left a crowd's cell.</summary>
    public long SlotsPulled;

    /// <summary>Looks of a peer at the crowd that it is in.</summary>
    public long CrowdLooks;

    /// <summary>Rows ranked by distance in those.</summary>
    public long RowsRanked;

    /// <summary>Adds another writer's totals to this one.</summary>
    public void Add(WriterCounters other)
    {
        Snapshots += other.Snapshots;
        KeepAlives += other.KeepAlives;
        Updates += other.Updates;
        Copies += other.Copies;
        Enters += other.Enters;
        Returns += other.Returns;
        Leaves += other.Leaves;
        Destroys += other.Destroys;
        Absolutes += other.Absolutes;
        LeftOut += other.LeftOut;
        OperationBits += other.OperationBits;
        UpdateBits += other.UpdateBits;
        TurnBits += other.TurnBits;
        Turns += other.Turns;
        AnimationBits += other.AnimationBits;
        Animations += other.Animations;
        EnterBits += other.EnterBits;
        AbsoluteEnters += other.AbsoluteEnters;
        HeaderBits += other.HeaderBits;
        OwnBits += other.OwnBits;
        DensityBits += other.DensityBits;
        RowsEntered += other.RowsEntered;
        SlotsPulled += other.SlotsPulled;
        CrowdLooks += other.CrowdLooks;
        RowsRanked += other.RowsRanked;
    }
}
