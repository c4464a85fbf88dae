namespace Hectare.Cli.Load;

/// <summary>Which bot has something to do when: a wheel of time slots, each with the bots that are due in it. Nobody is asked before it is due.</summary>
/// <remarks>A due time is rounded up to the end of its slot: never early, at most one slot late. A bot is in the wheel once at most, so nothing is
/// ever taken out but by time. 10,000 bots asked at every tick whether they have something to do were the largest part of their cost.</remarks>
internal sealed class BotSchedule
{
    private const int SlotsMax = 256;
    private const int None = -1;

    private readonly long _slotNs;
    private readonly int[] _first = new int[SlotsMax];
    private readonly int[] _last = new int[SlotsMax];
    private readonly int[] _next;
    private long _slot;

    /// <summary>An empty wheel.</summary>
    /// <param name="bots">Bots, numbered from 0.</param>
    /// <param name="slotNs">Length of a slot: the time between two looks at the wheel.</param>
    /// <param name="nowNs">Now; nothing before it can be due.</param>
    public BotSchedule(int bots, long slotNs, long nowNs)
    {
        _slotNs = slotNs;
        _slot = nowNs / slotNs;
        _next = new int[bots];
        _first.AsSpan().Fill(None);
        _last.AsSpan().Fill(None);
    }

    /// <summary>Longest time ahead that a bot sleeps: what is due later is woken by then, to no effect but its own.</summary>
    public long AheadMaxNs => (SlotsMax - 1) * _slotNs;

    /// <summary>A bot that is not in the wheel is due at <paramref name="dueNs"/>; what is past, or now, is due in the next slot.</summary>
    public void Add(int bot, long dueNs)
    {
        long slot = Math.Clamp((dueNs + _slotNs - 1) / _slotNs, _slot + 1, _slot + SlotsMax - 1);
        int place = (int)(slot % SlotsMax);
        _next[bot] = None;
        if (_first[place] == None)
            _first[place] = bot;
        else
            _next[_last[place]] = bot;
        _last[place] = bot;
    }

    /// <summary>Takes the next bot that is due out of the wheel, the longest due first; in the order in which they were added within a slot.</summary>
    /// <returns>False when nobody else is due.</returns>
    public bool TryTake(long nowNs, out int bot)
    {
        for (long now = nowNs / _slotNs; ; _slot++)
        {
            int place = (int)(_slot % SlotsMax);
            bot = _first[place];
            if (bot != None)
            {
                _first[place] = _next[bot];
                return true;
            }

            if (_slot >= now)
                return false;
        }
    }
}
