using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.World;

namespace Hectare.Cli.Load;

/// <summary>Writes a zone's truth to the board, on its tick thread: what was published this tick, and now and then where all movers are.</summary>
internal sealed class ZoneWatch(TruthBoard board) : IZoneObserver
{
    /// <summary>The published versions; set once the zone is made.</summary>
    public WorldHistory? History { get; set; }

    /// <inheritdoc/>
    public void AfterPublish(IZone zone, Tick tick)
    {
        WorldState world = zone.World;
        long dueNs = zone.StartNs + (zone.DueTime * 100_000);
        foreach (WorldEvent change in world.Events)
        {
            if (change.Kind == WorldEventKind.Destroyed)
                board.SetRow(change.Row, 0);
        }

        foreach (int row in History!.Published)
        {
            if (world.KindOf(row).HasMotion)
                Publish(world, row, dueNs);
        }

        if (board.IsSampled(tick.Value))
            SamplePositions(world, tick);
    }

    /// <inheritdoc/>
    public void AfterWrite(IZone zone, Tick tick)
    {
    }

    private void Publish(WorldState world, int row, long dueNs)
    {
        uint version = History!.VersionOf(row);
        if (board.IdOf(row) != world.Id[row])
            board.SetRow(row, world.Id[row]);
        Kind kind = world.KindOf(row);
        ReadOnlySpan<ulong> record = History.Record(row, version);
        uint hash = MoverHash.Begin(kind, in History.MotionOf(row));
        foreach (Group group in kind.Groups)
        {
            if (group.Audience != Audience.All)
                continue;
            foreach (Field field in group.Fields)
                hash = MoverHash.Add(hash, field.Get(record));
        }

        board.Publish(row, hash, dueNs);
    }

    // From the world, not from what was published of it.
    private void SamplePositions(WorldState world, Tick tick)
    {
        TruthBoard.SampleWriter sample = board.BeginSample(tick.Value, world.RowLimit);
        for (int row = 0; row < world.RowLimit; row++)
        {
            bool isMover = world.IsAlive(row) && world.KindOf(row).HasMotion;
            sample.Set(row, isMover ? world.Id[row] : 0, world.X[row], world.Y[row]);
        }

        sample.End();
    }
}
