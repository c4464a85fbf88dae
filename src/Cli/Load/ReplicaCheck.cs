using System.Globalization;
using Hectare.Client;
using Hectare.Protocol;

namespace Hectare.Cli.Load;

/// <summary>Is a replica the zone's truth, now that all stands still? Same entities, same kinds, same fields in the published quantum.</summary>
internal sealed class ReplicaCheck(FinalTruth truth)
{
    private const int DifferencesMax = 20;

    private readonly List<Difference> _differences = [];
    private bool _differs;
    private Bot? _bot;

    /// <summary>The first differences.</summary>
    public IReadOnlyList<Difference> Differences => _differences;

    /// <summary>Bots whose replica differs.</summary>
    public int Divergent { get; private set; }

    /// <summary>Entities compared, over all bots.</summary>
    public long ComparedEntities { get; private set; }

    /// <summary>Entities compared by the bot that compared fewest; 0 when none compared.</summary>
    public int ComparedEntitiesMin { get; private set; } = int.MaxValue;

    /// <summary>Compares one bot.</summary>
    public void Compare(Bot bot)
    {
        (_bot, _differs) = (bot, false);
        int compared = 0;
        uint avatar = bot.Client.Avatar.Value;
        if (bot.Client.World is not { } world || !truth.Peers.TryGetValue(avatar, out PeerTruth? peer))
        {
            Add(avatar, "player", "none", bot.Client.State.ToString());
        }
        else
        {
            compared = CompareHeld(world, peer);
            CheckInterest(avatar, peer);
        }

        ComparedEntities += compared;
        ComparedEntitiesMin = Math.Min(ComparedEntitiesMin, compared);
        Divergent += _differs ? 1 : 0;
    }

    // The replica holds exactly what the peer's view says it entered, and each as it is.
    private int CompareHeld(ReplicaWorld world, PeerTruth peer)
    {
        int held = 0;
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            if (entity.Leaving)
                continue;
            held++;
            uint id = entity.Id.Value;
            if (!peer.Entered.Contains(id))
                Add(id, "entity", "not told of", "held");
            else if (truth.Entities.TryGetValue(id, out EntityTruth entityTruth))
                CompareEntity(world, entity, in entityTruth, peer.Index);
            else
                Add(id, "entity", "gone", "held");
        }

        foreach (uint id in peer.Entered)
        {
            if (!world.Contains(new EntityId(id)))
                Add(id, "entity", "entered", "not held");
        }

        return held;
    }

    private void CompareEntity(ReplicaWorld world, ReplicaWorld.ReplicaEntity entity, in EntityTruth entityTruth, int peerIndex)
    {
        Kind kind = entity.Kind;
        uint id = entity.Id.Value;
        if (kind.Index != entityTruth.KindIndex)
        {
            Add(id, "kind", Text(entityTruth.KindIndex), Text(kind.Index));
            return;
        }

        bool owned = entityTruth.Owner == peerIndex;
        if (owned != world.IsOwned(entity.Id))
            Add(id, "owner", owned ? "this peer" : "another", owned ? "another" : "this peer");
        if (kind.HasMotion)
            CompareMotion(world, entity.Id, kind, entityTruth.Record[0]);
        int visible = kind.VisibleGroups(owned, party: owned);
        foreach (Field field in kind.Fields)
        {
            uint expected = field.Get(entityTruth.Record);
            uint actual = world.GetField(entity.Id, field);
            if ((visible & (1 << field.GroupIndex)) != 0 && expected != actual)
                Add(id, field.Name, Text(expected), Text(actual));
        }
    }

    private void CompareMotion(ReplicaWorld world, EntityId id, Kind kind, ulong word)
    {
        var expected = Motion.Unpack(word, default, kind);
        if (!world.TryGetMotion(id, out PublishedMotion actual))
            Add(id.Value, "motion", Text(in expected), "none");
        else if (!actual.IsRest || actual.X != expected.X || actual.Y != expected.Y)
            Add(id.Value, "motion", Text(in expected), Text(in actual));
    }

    // Everything within the enter radius was told of, unless a crowd is capped: then its movers may be missing.
    private void CheckInterest(uint avatar, PeerTruth peer)
    {
        EntityTruth eye = truth.Entities[avatar];
        long radius = truth.EnterRadiusUnits * (long)Units.One;
        foreach ((uint id, EntityTruth other) in truth.Entities)
        {
            long awayX = other.X - eye.X, awayY = other.Y - eye.Y;
            if ((awayX * awayX) + (awayY * awayY) <= radius * radius && !peer.Entered.Contains(id) && !(peer.IsCapped && other.IsMover))
                Add(id, "interest", "within the enter radius", "never entered");
        }
    }

    private void Add(uint entity, string field, string zone, string held)
    {
        _differs = true;
        if (_differences.Count < DifferencesMax)
            _differences.Add(new Difference(_bot!.Index, entity, field, zone, held));
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(in PublishedMotion motion)
        => string.Create(CultureInfo.InvariantCulture, $"({Units.ToDouble(motion.X):0.0000}, {Units.ToDouble(motion.Y):0.0000}) {(motion.IsRest ? "at rest" : "moving")}");
}
