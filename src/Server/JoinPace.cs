namespace Hectare.Server;

/// <summary>How many may come in within a tick: as many as there is time for. A player who joins costs a thousand times what one does who walks, and most of it in the second that follows.</summary>
/// <remarks>Halved after each tick that takes most of its time, one more after some that leave time. Pure: no clock inside; who never says how long ticks take lets in the most.</remarks>
internal sealed class JoinPace
{
    private const int BusyPercent = 75;
    private const int CalmPercent = 65;
    private const int CalmTicks = 6;

    private readonly int _most;
    private int _calmTicks;

    /// <summary>The most at first.</summary>
    public JoinPace(int most) => PerTick = _most = most;

    /// <summary>Clients that are let in within a tick; never less than one, so that whoever waits gets in.</summary>
    public int PerTick { get; private set; }

    /// <summary>A tick has run.</summary>
    /// <param name="workNs">How long it took.</param>
    /// <param name="tickLengthNs">How long it may take.</param>
    /// <returns>True when the pace is another now.</returns>
    public bool Observe(long workNs, long tickLengthNs)
    {
        int before = PerTick;
        long percent = workNs * 100 / tickLengthNs;
        _calmTicks = percent < CalmPercent ? _calmTicks + 1 : 0;
        if (percent >= BusyPercent)
        {
            PerTick = Math.Max(1, PerTick / 2);
        }
        else if (_calmTicks >= CalmTicks)
        {
            _calmTicks = 0;
            PerTick = Math.Min(_most, PerTick + 1);
        }

        return PerTick != before;
    }
}
