using Hectare.Protocol;

namespace Hectare.Cli.Load.Hostile;

/// <summary>How fast hostile avatars really are: their true positions at the sampled ticks of the zone's board, over a second and more.</summary>
internal sealed class SpeedWatch(TruthBoard board, int tickRate)
{
    private readonly Dictionary<uint, (uint Tick, int X, int Y)> _from = [];
    private readonly List<uint> _lost = [];
    private uint _nextBlock;

    /// <summary>The largest speed so far, units a second.</summary>
    public double MaxSpeed { get; private set; }

    /// <summary>Stretches measured.</summary>
    public long Measured { get; private set; }

    /// <summary>Looks at the samples that are new.</summary>
    /// <param name="serverTick">A tick that the zone has run, not long ago: the samples of the blocks before its own are there.</param>
    /// <param name="avatars">Who is watched.</param>
    public void Look(uint serverTick, IReadOnlyCollection<EntityId> avatars)
    {
        uint newest = serverTick / TruthBoard.BlockTicks;
        _nextBlock = Math.Max(_nextBlock, newest < TruthBoard.Samples / 2 ? 0 : newest - (TruthBoard.Samples / 2));
        for (; _nextBlock < newest; _nextBlock++)
        {
            uint tick = board.SampledTick(_nextBlock);
            foreach (EntityId avatar in avatars)
                Measure(tick, avatar.Value);
            Forget(avatars);
        }
    }

    private void Measure(uint tick, uint avatar)
    {
        if (!board.TryGetSample(tick, avatar, out bool known, out int x, out int y) || !known)
            return;
        if (!_from.TryGetValue(avatar, out (uint Tick, int X, int Y) from))
        {
            _from[avatar] = (tick, x, y);
            return;
        }

        // Sampled ticks lie 1 to 59 apart: a stretch is the least that has a second.
        uint ticks = tick - from.Tick;
        if (ticks < tickRate)
            return;
        double awayX = Units.ToDouble(x - from.X), awayY = Units.ToDouble(y - from.Y);
        MaxSpeed = Math.Max(MaxSpeed, Math.Sqrt((awayX * awayX) + (awayY * awayY)) * tickRate / ticks);
        Measured++;
        _from[avatar] = (tick, x, y);
    }

    // One that was sent away comes back as another.
    private void Forget(IReadOnlyCollection<EntityId> avatars)
    {
        _lost.Clear();
        foreach (uint avatar in _from.Keys)
        {
            if (!avatars.Contains(new EntityId(avatar)))
                _lost.Add(avatar);
        }

        foreach (uint avatar in _lost)
            _from.Remove(avatar);
    }
}
