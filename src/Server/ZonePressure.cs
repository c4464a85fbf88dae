using Hectare.Replication;

namespace Hectare.Server;

/// <summary>What an overloaded zone has given up: each level gives up what those before it did, and a little more. The order is published: docs/operations.md.</summary>
public enum PressureLevel : byte
{
    /// <summary>Nothing.</summary>
    Full,

    /// <summary>Near and far begin at half their distance: fewer copies, sampled fields less often.</summary>
    Detail,

    /// <summary>In a crowd, half of what the interest cap has above 96 movers.</summary>
    Crowd,

    /// <summary>All of that: 96 movers are told one by one.</summary>
    SmallCrowd,

    /// <summary>Half of the snapshots.</summary>
    Rate,

    /// <summary>The world runs at 4/5 of its speed: a tick is longer by a quarter.</summary>
    Slow,

    /// <summary>At 2/3.</summary>
    Slower,

    /// <summary>At half. What is still too much then is given up, tick by tick.</summary>
    Slowest,
}

/// <summary>What a level means.</summary>
internal static class PressureLevels
{
    /// <summary>Movers that a peer is told of one by one at least.</summary>
    public const int CapLeast = 96;

    public const int Count = (int)PressureLevel.Slowest + 1;

    /// <summary>Length of a tick, in quarters of the ordinary one. The longest is twice that: below half speed no game is playable.</summary>
    public static int TickQuarters(PressureLevel level) => level switch
    {
        PressureLevel.Slow => 5,
        PressureLevel.Slower => 6,
        PressureLevel.Slowest => 8,
        _ => 4,
    };

    /// <summary>What is in force of the options at a level.</summary>
    public static Detail DetailAt(PressureLevel level, ReplicationOptions options)
    {
        Detail detail = Detail.Of(options);
        int least = Math.Min(CapLeast, options.InterestCap);
        if (level >= PressureLevel.Detail)
            detail = detail with { NearUnits = Math.Max(1, options.NearUnits / 2), FarUnits = Math.Max(1, options.FarUnits / 2) };
        if (level >= PressureLevel.Crowd)
            detail = detail with { InterestCap = level == PressureLevel.Crowd ? (least + options.InterestCap) / 2 : least };
        return level >= PressureLevel.Rate ? detail.AtHalfRate() : detail;
    }
}

/// <summary>Decides how much an overloaded zone gives up, from the share of its time that it spends on ticks. Pure: no clock inside.</summary>
/// <remarks>
/// <para>Looked at over <see cref="PressureOptions.RiseMs"/> at a time: above the high share one level up. Then half of that time passes in which what was owed is worked off, so that what the level
/// gains is seen before the next. Below the low share for <see cref="PressureOptions.FallMs"/> one level down. Share of time, not of ticks: whoever is too late leaves ticks out, and those are no
/// rest. One tick that stood still for long is a stall, which catching up answers, and no load: of the first that takes more than two lengths the rest does not count.</para>
/// <para>What a level gains depends on what the players do, so a level down is a trial: one that had to be taken back at once makes the next wait twice as long.</para>
/// </remarks>
internal sealed class ZonePressure(PressureOptions options)
{
    private const int HoldFactorMax = 16;
    private const int StallTicks = 2;

    private readonly long _riseNs = options.RiseMs * 1_000_000L;
    private readonly long _fallNs = options.FallMs * 1_000_000L;
    private bool _hasBegun;
    private bool _hasStalled;       // since the share was last looked at
    private long _settleNs;
    private long _endNs;
    private long _workNs;
    private long _passedNs;
    private long _calmNs;
    private long _sinceDownNs = long.MaxValue / 2;
    private int _holdFactor = 1;

    /// <summary>What is given up now.</summary>
    public PressureLevel Level { get; private set; }

    /// <summary>Share of the time that ticks took when it was last looked at; 1: all there is.</summary>
    public double Load { get; private set; }

    /// <summary>How long ticks must be short before the next level down, ns.</summary>
    public long HoldNs => _fallNs * _holdFactor;

    /// <summary>A tick has run.</summary>
    /// <param name="startNs">When it began.</param>
    /// <param name="workNs">How long it took.</param>
    /// <param name="tickLengthNs">How long it may take: the length in force.</param>
    /// <returns>True when the level is another now.</returns>
    public bool Observe(long startNs, long workNs, long tickLengthNs)
    {
        long stalledNs = _hasStalled ? 0 : Math.Max(0, workNs - (StallTicks * tickLengthNs));
        long passedNs = _hasBegun ? Math.Max(0, startNs + workNs - _endNs - stalledNs) : tickLengthNs;
        (_hasBegun, _endNs) = (true, startNs + workNs);
        _hasStalled |= stalledNs > 0;
        if (_settleNs > 0)
        {
            _settleNs -= passedNs;
            return false;
        }

        _workNs += workNs - stalledNs;
        _passedNs += passedNs;
        return _passedNs >= _riseNs && Judge();
    }

    private bool Judge()
    {
        Load = (double)_workNs / _passedNs;
        long passedNs = _passedNs;
        (_workNs, _passedNs, _hasStalled) = (0, 0, false);
        _sinceDownNs = Math.Min(_sinceDownNs + passedNs, long.MaxValue / 2);
        PressureLevel before = Level;
        if (Load * 100 >= options.HighPercent)
            Rise();
        else
            Fall(passedNs);
        if (Level == before)
            return false;
        _settleNs = _riseNs / 2;
        return true;
    }

    private void Rise()
    {
        _calmNs = 0;
        if (Level >= options.LevelMax)
            return;
        _holdFactor = _sinceDownNs < HoldNs ? Math.Min(2 * _holdFactor, HoldFactorMax) : 1;
        _sinceDownNs = long.MaxValue / 2;
        Level++;
    }

    private void Fall(long passedNs)
    {
        if (Level == PressureLevel.Full)
            return;
        // What a shorter tick asks for is known beforehand.
        double lengthRatio = (double)PressureLevels.TickQuarters(Level) / PressureLevels.TickQuarters(Level - 1);
        _calmNs = Load * lengthRatio * 100 < options.LowPercent ? _calmNs + passedNs : 0;
        if (_calmNs < HoldNs)
            return;
        (_calmNs, _sinceDownNs) = (0, 0);
        Level--;
    }
}
