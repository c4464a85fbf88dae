namespace Hectare.Transport;

/// <summary>The times at which a recorded link let nothing through: what no netcode can hide, so figures are also given outside of it.</summary>
/// <remarks>An outage is a stretch between two opportunities (the wrap included) longer than the limit. Tests and tools share this one function.</remarks>
public sealed class TraceOutages
{
    /// <summary>Gaps up to this long, ms, are not called outages.</summary>
    public const int DefaultLimitMs = 250;

    private readonly (int StartMs, int EndMs)[] _outages;
    private readonly int _periodMs;

    /// <summary>Finds the outages of <paramref name="trace"/> longer than <paramref name="limitMs"/>.</summary>
    public TraceOutages(LinkTrace trace, int limitMs = DefaultLimitMs)
    {
        ArgumentNullException.ThrowIfNull(trace);
        _periodMs = trace.PeriodMs;
        ReadOnlySpan<int> opportunitiesMs = trace.OpportunitiesMs;
        var outages = new List<(int, int)>();
        int lastMs = opportunitiesMs[^1] - _periodMs;
        foreach (int ms in opportunitiesMs)
        {
            if (ms - lastMs > limitMs)
                outages.Add((lastMs, ms));
            lastMs = ms;
        }

        _outages = [.. outages];
        foreach ((int startMs, int endMs) in _outages)
            TotalMs += endMs - startMs;
    }

    /// <summary>Start and end of each outage within one period, ms. The first may start below 0: it spans the wrap.</summary>
    public ReadOnlySpan<(int StartMs, int EndMs)> Intervals => _outages;

    /// <summary>Sum of all outages of one period, ms.</summary>
    public int TotalMs { get; }

    /// <summary>Longest outage, ms.</summary>
    public int LongestMs
    {
        get
        {
            int longest = 0;
            foreach ((int startMs, int endMs) in _outages)
                longest = Math.Max(longest, endMs - startMs);
            return longest;
        }
    }

    /// <summary>True when the link is out at <paramref name="nowNs"/>.</summary>
    /// <param name="nowNs">Virtual time of the simulator, ns.</param>
    /// <param name="offsetNs">Where in the trace virtual time 0 lies: <see cref="LinkSimulator.TraceOffsetNs"/>.</param>
    public bool Contains(long nowNs, long offsetNs)
    {
        long ms = (nowNs + offsetNs) / 1_000_000 % _periodMs;
        foreach ((int startMs, int endMs) in _outages)
        {
            if ((ms > startMs && ms < endMs) || ms - _periodMs > startMs)
                return true;
        }

        return false;
    }
}
