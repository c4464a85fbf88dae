using Hectare.Client;
using Hectare.Protocol;

namespace Hectare.Cli.Load;

/// <summary>What decoding bots see against what is true: how old their news is, and how far from the truth they draw.</summary>
internal sealed class BotEyes(TruthBoard board)
{
    /// <summary>A mover drawn farther off than this is wrong, units.</summary>
    public const double WrongUnits = 0.1;

    /// <summary>Movers within this distance of the avatar are near, units.</summary>
    public const double NearUnits = 50;

    /// <summary>Time between two looks of a bot at what is near: 30 a second.</summary>
    public const long LookEveryNs = 1_000_000_000 / 30;

    private readonly HashSet<uint> _ticks = [];

    /// <summary>Age of the oldest news that a bot lacks of a near mover, 0.1 ms.</summary>
    public Histogram Staleness { get; } = new();

    /// <summary>Movers drawn and compared.</summary>
    public long Drawn { get; private set; }

    /// <summary>Of these, wrong.</summary>
    public long Wrong { get; private set; }

    /// <summary>Sampled ticks at which something was compared.</summary>
    public int DrawnTicks => _ticks.Count;

    /// <summary>Wrong over drawn; null when nothing was drawn.</summary>
    public double? WrongShare => Drawn == 0 ? null : Wrong / (double)Drawn;

    /// <summary>Forgets all: the window begins.</summary>
    public void Clear()
    {
        Staleness.Clear();
        _ticks.Clear();
        Drawn = Wrong = 0;
    }

    /// <summary>30 times a second: how old is what the bot holds of the movers near it?</summary>
    public void LookAround(Bot bot, long nowNs)
    {
        if (nowNs < bot.LookNs || bot.Client.World is not { HasSnapshot: true } world)
            return;
        bot.LookNs = Math.Max(bot.LookNs + LookEveryNs, nowNs - LookEveryNs);
        if (bot.SeenSnapshots != bot.Client.SnapshotCount)
        {
            bot.SeenSnapshots = bot.Client.SnapshotCount;
            FindNear(bot, world);
        }

        foreach ((uint id, uint hash) in bot.Near)
        {
            if (board.TryStaleness(id, hash, nowNs, out long staleNs))
                Staleness.Record(staleNs / 100_000);
        }
    }

    /// <summary>Once its picture has reached a sampled tick: what does it draw for it?</summary>
    public void CompareDrawn(Bot bot)
    {
        if (bot.Client.World is not { HasSnapshot: true } world || double.IsNaN(world.PresentationTick))
            return;
        uint presented = (uint)world.PresentationTick;
        uint tick = board.SampledTick(presented / TruthBoard.BlockTicks);
        if (presented < tick || tick == bot.DrawnTick)
            return;

        // The first one it ever passes may lie before its first snapshot: nothing was drawn then.
        bool isFirst = bot.DrawnTick == 0;
        bot.DrawnTick = tick;
        if (isFirst)
            return;
        _ticks.Add(tick);
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            // Fade 0: it has entered, and the picture has not reached the tick that told of it. Nothing is seen yet.
            if (!entity.Leaving && entity.Kind.HasMotion && entity.Sample().Fade > 0 && world.SampleAt(entity.Id, tick, out SampledEntity drawn))
                Compare(tick, in drawn);
        }
    }

    // Who is near, and what of it is held, changes with a snapshot only: both are of its tick.
    private static void FindNear(Bot bot, ReplicaWorld world)
    {
        bot.Near.Clear();
        if (!world.TryGetMotion(bot.Client.Avatar, out PublishedMotion own))
            return;
        (int ownX, int ownY) = own.At(world.NewestTick);
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            if (!entity.Kind.HasMotion || entity.Leaving || !entity.TryGetMotion(out PublishedMotion motion))
                continue;
            (int x, int y) = motion.At(world.NewestTick);
            double awayX = Units.ToDouble(x - ownX), awayY = Units.ToDouble(y - ownY);
            if ((awayX * awayX) + (awayY * awayY) <= NearUnits * NearUnits)
                bot.Near.Add((entity.Id.Value, HashOf(world, entity, in motion)));
        }
    }

    private void Compare(uint tick, in SampledEntity drawn)
    {
        if (!board.TryGetSample(tick, drawn.Id.Value, out bool known, out int x, out int y))
            return;
        double offX = drawn.X - Units.ToDouble(x), offY = drawn.Y - Units.ToDouble(y);
        Drawn++;
        Wrong += known && (offX * offX) + (offY * offY) <= WrongUnits * WrongUnits ? 0 : 1;
    }

    private static uint HashOf(ReplicaWorld world, ReplicaWorld.ReplicaEntity entity, in PublishedMotion motion)
    {
        uint hash = MoverHash.Begin(entity.Kind, in motion);
        foreach (Group group in entity.Kind.Groups)
        {
            if (group.Audience != Audience.All)
                continue;
            foreach (Field field in group.Fields)
                hash = MoverHash.Add(hash, world.GetField(entity.Id, field));
        }

        return hash;
    }
}
