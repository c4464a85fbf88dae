using Hectare.Replication;

namespace Hectare.Server;

/// <content>What a zone does when its ticks take too long: it gives up something, in a published order, and takes it back.</content>
public sealed partial class Zone<TInput>
{
    private readonly ZonePressure _pressure;
    private readonly JoinPace _joinPace;
    private readonly Detail[] _details;
    private readonly long[] _ticksAtLevel = new long[PressureLevels.Count];

    /// <summary>What is given up now.</summary>
    public PressureLevel PressureLevel { get; private set; }

    /// <summary>Length of a tick that is in force, ns: that of the options, or up to twice that while the zone is overloaded. When the next tick is due follows from it.</summary>
    public long TickLengthNs => Options.TickLengthNs * PressureLevels.TickQuarters(PressureLevel) / 4;

    /// <summary>Clients that are let in within a tick: fewer while those inside have not enough.</summary>
    internal int JoinsPerTick { get; private set; }

    /// <summary>Says how long the tick that ran last took; between two ticks. Whoever never says it has a zone that never gives anything up.</summary>
    /// <remarks>Measured time does not come back in a replay, so what follows from it is recorded: the level and how many may join, when they change.</remarks>
    public void NoteWork(long workNs)
    {
        if (_joinPace.Observe(workNs, TickLengthNs))
            SetJoins(_joinPace.PerTick);
        bool isOther = _pressure.Observe(_nowNs, workNs, TickLengthNs);
        Metrics.Load = _pressure.Load;
        if (isOther)
            SetPressure(_pressure.Level);
    }

    /// <summary>Puts a level in force. Between two ticks.</summary>
    internal void SetPressure(PressureLevel level)
    {
        _recorder?.Pressure(level);
        Metrics.PressureChanges++;
        if (PressureLevels.TickQuarters(level) != PressureLevels.TickQuarters(PressureLevel))
            Excuse();
        PressureLevel = level;
        _replicator.SetDetail(_details[(int)level]);
        Log?.PressureChanged(Tick, level);
    }

    /// <summary>Says how many may join within a tick. Between two ticks.</summary>
    internal void SetJoins(int perTick)
    {
        _recorder?.Joins(perTick);
        JoinsPerTick = perTick;
    }

    // The clients' clocks run ahead of ours until they have followed: their inputs are early by no fault of theirs.
    private void Excuse() => _amnestyEnd = Tick + (10 * Options.TickRate);

    private void CountPressure()
    {
        _ticksAtLevel[(int)PressureLevel]++;
        Metrics.PressureLevel = PressureLevel;
        Metrics.TickLengthNs = TickLengthNs;
    }

    private PressureFigures Pressure(long[] ticksBefore, long changesBefore)
    {
        long[] ticks = [.. _ticksAtLevel.Zip(ticksBefore, (now, before) => now - before)];
        Detail detail = _replicator.Detail;
        return new PressureFigures
        {
            Level = (int)PressureLevel,
            LevelName = PressureLevel.ToString(),
            LevelMost = Math.Max((int)PressureLevel, Array.FindLastIndex(ticks, count => count > 0)),
            Changes = Metrics.PressureChanges - changesBefore,
            SecondsAtLevel = [.. ticks.Select((count, level) => count * (double)Options.TickLengthNs * PressureLevels.TickQuarters((PressureLevel)level) / 4e9)],
            Load = Metrics.Load,
            InterestCap = detail.InterestCap,
            IntervalTicks = detail.IntervalTicks,
            TickLengthMs = TickLengthNs / 1e6,
        };
    }
}
