using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>The interest rules as the page states them, in floating point and from the world's positions: what a peer must, and may, be told of.</summary>
internal static class InterestOracle
{
    /// <summary>Must: it is to hold it once its budget has allowed. May: it can hold it now, be it by hysteresis.</summary>
    public static (bool Must, bool May) Judge(ReplicationRig rig, PeerView peer, int row)
    {
        WorldState world = rig.World;
        Kind kind = world.KindOf(row);
        if (kind.Visibility == Visibility.Never)
            return (false, false);
        if (world.Id[row] == peer.AvatarId.Value)
            return (true, true);
        bool isOwner = world.Owner[row] == peer.Index, isParty = (rig.Replicator.AudienceOf(peer, row) & 2) != 0;
        if ((kind.Visibility == Visibility.OwnerOnly && !isOwner) || (kind.Visibility == Visibility.Party && !isOwner && !isParty))
            return (false, false);
        if (kind.Visibility == Visibility.Always)
            return (true, true);
        if (kind.FarRadiusUnits == 0)
        {
            bool isSubscribed = rig.Replicator.Interest.Subscribes(peer, world.Cell[row]);
            return (isSubscribed, isSubscribed);
        }

        double gap = GapUnits(world, peer.AvatarRow, row);
        ReplicationOptions options = rig.Replicator.Options;
        return (gap <= kind.FarRadiusUnits, gap <= kind.FarRadiusUnits + options.ExitRadiusUnits - options.EnterRadiusUnits);
    }

    // From the quarter of a cell that the viewer is in to the cell that the entity is in.
    private static double GapUnits(WorldState world, int viewer, int row)
    {
        double cell = world.Grid.CellUnits, quarter = cell / 4;
        double x = Gap(Math.Floor(Units.ToDouble(world.X[viewer]) / quarter) * quarter, quarter, Math.Floor(Units.ToDouble(world.X[row]) / cell) * cell, cell);
        double y = Gap(Math.Floor(Units.ToDouble(world.Y[viewer]) / quarter) * quarter, quarter, Math.Floor(Units.ToDouble(world.Y[row]) / cell) * cell, cell);
        return Math.Sqrt((x * x) + (y * y));
    }

    private static double Gap(double a, double aSize, double b, double bSize) => Math.Max(0, Math.Max(b - (a + aSize), a - (b + bSize)));
}
