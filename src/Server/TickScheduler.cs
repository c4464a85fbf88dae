using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Says which ticks are owed at a given time. Pure: no clock inside.</summary>
/// <remarks>Tick k is due at start + k * length, while the length stays the same. After a stall the missed ticks are run, each with the time it was due; beyond a bound they are
/// given up: the schedule moves on by their length and the next tick keeps the next number, so that no client sees numbers jump.</remarks>
public sealed class TickScheduler
{
    private const int WakesOnTimeMin = 8;

    private readonly int _catchUpTicksMax;
    private int _catchUpTicks;          // what is caught up at the next wake at most
    private bool _hasGivenUp;           // at the last one
    private int _wakesOnTime;           // up to the last one

    /// <summary>The first tick is due at <paramref name="startNs"/>.</summary>
    /// <param name="startNs">Monotonic time of the first tick.</param>
    /// <param name="tickLengthNs">Length of a tick.</param>
    /// <param name="catchUpTicksMax">Most ticks run at one wake; what is owed beyond is given up.</param>
    public TickScheduler(long startNs, long tickLengthNs, int catchUpTicksMax)
    {
        Contract.Assert(tickLengthNs > 0 && catchUpTicksMax > 0);
        NextDueNs = startNs;
        TickLengthNs = tickLengthNs;
        _catchUpTicksMax = catchUpTicksMax;
        _catchUpTicks = catchUpTicksMax;
    }

    /// <summary>Length of a tick from the next one on: an overloaded zone makes it longer.</summary>
    public long TickLengthNs { get; set; }

    /// <summary>When the next tick is due.</summary>
    public long NextDueNs { get; private set; }

    /// <summary>Ticks given up since the start.</summary>
    public long GivenUpTicks { get; private set; }

    /// <summary>How many ticks to run now, at most the bound; takes those beyond it off the schedule. Call <see cref="Take"/> once for each.</summary>
    /// <remarks>Of those that are run at once only the last is told to clients. Where ticks are given up wake after wake, catching up gains nothing, and the bound is halved each time, down to one:
    /// fewer ticks, and all of them told. It is what it was once ticks have been on time for a while.</remarks>
    /// <returns>0 when the next tick is not due yet.</returns>
    public int Wake(long nowNs)
    {
        if (nowNs < NextDueNs)
            return 0;
        long lateNs = nowNs - NextDueNs, owed = (lateNs / TickLengthNs) + 1, givenUp = Math.Max(0, owed - _catchUpTicks);
        int bound = _catchUpTicks;
        _wakesOnTime = lateNs < TickLengthNs / 4 ? _wakesOnTime + 1 : 0;
        if (_wakesOnTime >= WakesOnTimeMin)
            _catchUpTicks = _catchUpTicksMax;
        else if (givenUp > 0 && _hasGivenUp)
            _catchUpTicks = Math.Max(1, _catchUpTicks / 2);
        _hasGivenUp = givenUp > 0;
        GivenUpTicks += givenUp;
        NextDueNs += givenUp * TickLengthNs;
        return (int)Math.Min(owed, bound);
    }

    /// <summary>The due time of the next tick, which the caller now runs.</summary>
    public long Take()
    {
        long dueNs = NextDueNs;
        NextDueNs += TickLengthNs;
        return dueNs;
    }
}
