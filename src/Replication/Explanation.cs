using System.Globalization;
using System.Numerics;
using System.Text;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>The operator's question: why is (or is not) an entity in a peer's packets? Answered with the terms that decide it.</summary>
/// <remarks>Reads between two ticks, allocates, and changes nothing. What it says follows <see cref="SnapshotWriter"/>'s own conditions.</remarks>
public static class Explanation
{
    /// <summary>What a peer is told of: its interest, slots and budget. Lines of text.</summary>
    public static string Of(Replicator replicator, PeerView peer, Tick tick)
    {
        ArgumentNullException.ThrowIfNull(replicator);
        ArgumentNullException.ThrowIfNull(peer);
        var text = new StringBuilder();
        int entering = 0, leaving = 0, free = 0, unacked = 0;
        foreach (ref readonly PeerView.Slot slot in peer.Slots)
        {
            entering += slot.State == SlotState.Entering ? 1 : 0;
            leaving += slot.State is SlotState.Leaving or SlotState.Destroying ? 1 : 0;
            free += slot.State == SlotState.Free ? 1 : 0;
            unacked += slot.State == SlotState.Known && replicator.History.VersionOf(slot.Row) != slot.AckedVersion ? 1 : 0;
        }

        Line(text, $"peer {peer.Index}, avatar {peer.AvatarId}{PlaceOf(replicator, peer)}");
        Line(text, $"interest: {Bits(peer.Cells)} cells, {Bits(peer.Pending)} not yet looked into, {Bits(peer.Beyond)} to be dropped after the dwell");
        Line(text, $"known: {peer.KnownCount} entities, {peer.MoverCount} movers of {replicator.Detail.InterestCap}{(peer.IsCapped ? ", capped: a crowd's rest is told as a density" : "")}");
        Line(text, $"slots: {peer.Slots.Length} used so far, {entering} entering, {leaving} leaving, {free} free, {unacked} with news not acked");
        Line(text, $"budget: {peer.Bytes} bytes now, {peer.RateBytesPerSecond} a second; last snapshot {tick - peer.LastSentTick} ticks ago, {(peer.LeftOut ? "something was left out for want of bytes" : "complete")}");
        Line(text, $"since it came: {peer.UpdatesWritten} updates, {peer.UnknownPackets} packets of unknown fate, {peer.Resyncs} resyncs");
        return text.ToString();
    }

    /// <summary>Why an entity is, or is not, in a peer's packets. Lines of text; the last is the verdict.</summary>
    public static string Of(Replicator replicator, PeerView peer, EntityId entity, Tick tick)
    {
        ArgumentNullException.ThrowIfNull(replicator);
        ArgumentNullException.ThrowIfNull(peer);
        var text = new StringBuilder();
        if (!replicator.World.TryFind(entity, out int row))
        {
            Line(text, $"verdict: not in its packets, since the zone has no {entity}");
            return text.ToString();
        }

        Kind kind = replicator.World.KindOf(row);
        double units = DistanceUnits(replicator, peer, row);
        string distance = entity == peer.AvatarId ? "its own" : units <= replicator.Detail.NearUnits ? "near" : units <= replicator.Detail.FarUnits ? "middle" : "far";
        Line(text, $"{entity}: {kind.Name} at {Place(replicator.World, row)}, {units:0.0} units from the avatar: class {distance}");
        int cell = replicator.World.Cell[row];
        Line(text, InterestIn(replicator, peer, row, cell, kind));
        int index = peer.FindSlot(entity.Value);
        if (index < 0)
            Line(text, $"verdict: not in its packets, since {WhyNoSlot(replicator, peer, row, cell, kind)}");
        else
            OfSlot(text, replicator, peer, index, distance, tick);
        return text.ToString();
    }

    private static void OfSlot(StringBuilder text, Replicator replicator, PeerView peer, int index, string distance, Tick tick)
    {
        ref PeerView.Slot slot = ref peer.Slots[index];
        uint newest = replicator.History.VersionOf(slot.Row);
        bool held = replicator.History.Holds(slot.Row, slot.AckedVersion);
        int copiesMax = distance is "its own" or "near" ? int.MaxValue : distance == "middle" ? 2 : 1;
        Line(text, $"slot {index}: {slot.State}, audience {slot.AckedAudience}, flags {slot.Flags}");
        Line(text, $"versions: newest {newest}, last sent {slot.SentVersion}, acked {slot.AckedVersion}{(slot.AckedVersion != 0 && !held ? " (no longer in the ring: absolute)" : "")}");
        Line(text, $"copies: {slot.Copies} of {(copiesMax == int.MaxValue ? "as many as it takes" : copiesMax.ToString(CultureInfo.InvariantCulture))}, last {(ushort)((ushort)tick.Value - slot.SentTick)} ticks ago; urgency {slot.Urgency:0.0}");
        Line(text, $"budget: {peer.Bytes} bytes now");
        bool upToDate = slot.State == SlotState.Known && slot.AckedVersion == newest && !slot.Has(SlotFlags.Unknown);
        string verdict = upToDate ? "silent, since the peer is known to hold the newest version: it costs nothing"
            : slot.State == SlotState.Entering ? "entering: its Enter goes out until one is acked"
            : slot.Has(SlotFlags.Unknown) ? "written absolute until acked: a packet that carried it was never heard of"
            : slot.SentVersion != newest ? "in the next snapshot: there is a version that was never sent"
            : slot.Copies < copiesMax ? "in the next snapshot once more: sent, and not acked yet"
            : "waiting: sent as often as its class allows, then again when lost or not heard of for a round trip and two intervals";
        Line(text, $"verdict: {verdict}");
    }

    private static FormattableString InterestIn(Replicator replicator, PeerView peer, int row, int cell, Kind kind)
    {
        if (replicator.Landmarks.Has(row))
            return $"interest: a landmark, visible {kind.Visibility}{(kind.FarRadiusUnits > 0 ? $" within {kind.FarRadiusUnits} units" : "")}: {(replicator.IsInInterest(peer, row, isHeld: false) ? "in interest" : "not in interest")}{(peer.LandmarksDue ? ", not yet looked for" : "")}";
        bool subscribed = replicator.Interest.Subscribes(peer, cell);
        string who = kind.Visibility == Visibility.ByDistance ? "" : $", visible {kind.Visibility}";
        return $"interest: cell {cell} is {(subscribed ? "subscribed" : "not subscribed")}{(subscribed && replicator.Interest.IsPending(peer, cell) ? ", not yet looked into" : "")} (enter radius {replicator.Options.EnterRadiusUnits}, exit {replicator.Options.ExitRadiusUnits}){who}";
    }

    private static string WhyNoSlot(Replicator replicator, PeerView peer, int row, int cell, Kind kind)
    {
        if (kind.Visibility == Visibility.Never)
            return $"nobody is told of a {kind.Name}";
        if (!replicator.MayBeTold(peer, row))
            return $"only {(kind.Visibility == Visibility.OwnerOnly ? "its owner is" : "its owner's party is")} told of a {kind.Name}";
        if (!replicator.IsInInterest(peer, row, isHeld: false))
            return replicator.Landmarks.Has(row) ? "it is out of the reach of its kind" : "its cell is out of the peer's interest";
        if (replicator.Landmarks.Has(row))
            return peer.LandmarksDue ? $"landmarks wait for their turn: half of {replicator.Options.EntersMax} entities in one snapshot" : "all slots are taken, or it has just come";
        if (kind.CountsInCrowd && (peer.IsCapped || peer.MoverCount >= replicator.Options.InterestCap))
            return $"the crowd is capped at {replicator.Detail.InterestCap} movers and others are nearer; it counts in the cell's density";
        if (replicator.Interest.IsPending(peer, cell))
            return $"its cell waits for its turn: at most {replicator.Options.EntersMax} entities enter in one snapshot, nearest first";
        return peer.Slots.Length == SlotCodec.SlotsMax ? "all slots are taken" : "it has just come: it enters with the next snapshot";
    }

    private static double DistanceUnits(Replicator replicator, PeerView peer, int row)
    {
        if (peer.AvatarRow < 0)
            return 0;
        double awayX = Units.ToDouble(replicator.World.X[row] - replicator.World.X[peer.AvatarRow]);
        double awayY = Units.ToDouble(replicator.World.Y[row] - replicator.World.Y[peer.AvatarRow]);
        return Math.Sqrt((awayX * awayX) + (awayY * awayY));
    }

    private static string PlaceOf(Replicator replicator, PeerView peer) => peer.AvatarRow < 0 ? " (only watches)" : $" at {Place(replicator.World, peer.AvatarRow)}";

    private static string Place(WorldState world, int row) => string.Create(CultureInfo.InvariantCulture, $"({Units.ToDouble(world.X[row]):0.00}, {Units.ToDouble(world.Y[row]):0.00})");

    private static int Bits(ReadOnlySpan<uint> words)
    {
        int bits = 0;
        foreach (uint word in words)
            bits += BitOperations.PopCount(word);
        return bits;
    }

    private static void Line(StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
}
