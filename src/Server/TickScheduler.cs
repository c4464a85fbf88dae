using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Says which ticks are owed at a given time. Pure: no clock inside.</summary>
/// <remarks>Tick k is due at start + k * length. After a stall the missed ticks are run, each with the time it was due; beyond a bound they are
/// given up: the schedule moves on by their length and the next tick keeps the next number, so that no client sees numbers jump.</remarks>
public sealed class TickScheduler
{
    private readonly long _tickLengthNs;
    private readonly int _catchUpTicksMax;

    /// <summary>The first tick is due at <paramref name="startNs"/>.</summary>
    /// <param name="startNs">Monotonic time of the first tick.</param>
    /// <param name="tickLengthNs">Length of a tick.</param>
    /// <param name="catchUpTicksMax">Most ticks run at one wake; what is owed beyond is given up.</param>
    public TickScheduler(long startNs, long tickLengthNs, int catchUpTicksMax)
    {
        Contract.Assert(tickLengthNs > 0 && catchUpTicksMax > 0);
        NextDueNs = startNs;
        _tickLengthNs = tickLengthNs;
        _catchUpTicksMax = catchUpTicksMax;
    }

    /// <summary>When the next tick is due.</summary>
    public long NextDueNs { get; private set; }

    /// <summary>Ticks given up since the start.</summary>
    public long GivenUpTicks { get; private set; }

    /// <summary>How many ticks to run now, at most the bound; takes those beyond it off the schedule. Call <see cref="Take"/> once for each.</summary>
    /// <returns>0 when the next tick is not due yet.</returns>
    public int Wake(long nowNs)
    {
        if (nowNs < NextDueNs)
            return 0;
        long owed = ((nowNs - NextDueNs) / _tickLengthNs) + 1;
        if (owed > _catchUpTicksMax)
        {
            long givenUp = owed - _catchUpTicksMax;
            GivenUpTicks += givenUp;
            NextDueNs += givenUp * _tickLengthNs;
            owed = _catchUpTicksMax;
        }

        return (int)owed;
    }

    /// <summary>The due time of the next tick, which the caller now runs.</summary>
    public long Take()
    {
        long dueNs = NextDueNs;
        NextDueNs += _tickLengthNs;
        return dueNs;
    }
}
