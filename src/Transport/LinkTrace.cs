using System.Globalization;

namespace Hectare.Transport;

/// <summary>A recorded link: the milliseconds at which 1,500 bytes may leave it. Wraps at its period.</summary>
/// <remarks>One line of the file is one opportunity, used by one packet or several small ones; what is not used is gone (the format of the
/// Saturator recordings and of mahimahi).</remarks>
public sealed class LinkTrace
{
    /// <summary>Bytes that one opportunity lets leave, IP and UDP headers included.</summary>
    public const int OpportunityBytes = 1500;

    private readonly int[] _opportunitiesMs;

    private LinkTrace(int[] opportunitiesMs, int periodMs)
    {
        _opportunitiesMs = opportunitiesMs;
        PeriodMs = periodMs;
    }

    /// <summary>Length after which the trace starts again, ms.</summary>
    public int PeriodMs { get; }

    /// <summary>Opportunities in one period, ms from its start, in order.</summary>
    public ReadOnlySpan<int> OpportunitiesMs => _opportunitiesMs;

    /// <summary>Mean rate, bits a second.</summary>
    public double BitsPerSecond => _opportunitiesMs.Length * (OpportunityBytes * 8.0) * 1000 / PeriodMs;

    /// <summary>Reads a trace.</summary>
    /// <exception cref="FormatException">A line is no number, or smaller than the one before; or there is none above 0.</exception>
    public static LinkTrace Parse(ReadOnlySpan<char> text)
    {
        using var reader = new StringReader(text.ToString());
        return Parse(reader);
    }

    /// <summary>Reads a trace to its end.</summary>
    /// <exception cref="FormatException">A line is no number, or smaller than the one before; or there is none above 0.</exception>
    public static LinkTrace Parse(TextReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var opportunities = new List<int>();
        int lineNumber = 0;
        int lastMs = 0;
        while (reader.ReadLine() is { } line)
        {
            lineNumber++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (!int.TryParse(line.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int ms) || ms < lastMs)
                throw new FormatException($"line {lineNumber.ToString(CultureInfo.InvariantCulture)}: '{line}' is not a millisecond at or after the one before");
            opportunities.Add(ms);
            lastMs = ms;
        }

        if (lastMs == 0)
            throw new FormatException("the trace has no opportunity after 0 ms");
        return new LinkTrace([.. opportunities], lastMs);
    }

    /// <summary>The first <paramref name="periodMs"/> of it.</summary>
    /// <exception cref="FormatException">There is no opportunity in them.</exception>
    internal LinkTrace Cut(int periodMs)
    {
        int[] kept = Array.FindAll(_opportunitiesMs, ms => ms <= periodMs);
        return kept.Length > 0 ? new LinkTrace(kept, periodMs) : throw new FormatException("the two directions of the trace have no time in common");
    }

    /// <summary>Number, over all periods, of the first opportunity at or after <paramref name="timeNs"/> of the trace's time.</summary>
    internal long FirstAtOrAfter(long timeNs)
    {
        const long Ms = 1_000_000;
        long timeMs = (timeNs + Ms - 1) / Ms;
        long period = timeMs / PeriodMs;
        int withinMs = (int)(timeMs - (period * PeriodMs));
        int low = 0;
        int high = _opportunitiesMs.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_opportunitiesMs[middle] < withinMs)
                low = middle + 1;
            else
                high = middle;
        }

        return (period * _opportunitiesMs.Length) + low;
    }

    /// <summary>When opportunity <paramref name="number"/> comes, ns of the trace's time.</summary>
    internal long AtNs(long number)
    {
        long period = number / _opportunitiesMs.Length;
        return ((period * PeriodMs) + _opportunitiesMs[(int)(number % _opportunitiesMs.Length)]) * 1_000_000;
    }
}

/// <summary>Both directions of one recorded link: they were recorded together, so they share period and offset.</summary>
public sealed record LinkTracePair
{
    /// <summary>Puts two directions on one period, the shorter of theirs: the longer one would add an outage that nobody recorded.</summary>
    /// <exception cref="FormatException">They have no time in common.</exception>
    public LinkTracePair(LinkTrace down, LinkTrace up)
    {
        ArgumentNullException.ThrowIfNull(down);
        ArgumentNullException.ThrowIfNull(up);
        int periodMs = Math.Min(down.PeriodMs, up.PeriodMs);
        Down = down.Cut(periodMs);
        Up = up.Cut(periodMs);
    }

    /// <summary>Towards the client.</summary>
    public LinkTrace Down { get; }

    /// <summary>Towards the server.</summary>
    public LinkTrace Up { get; }

    /// <summary>Reads the two files of a recording.</summary>
    /// <exception cref="FormatException">One is no trace.</exception>
    public static LinkTracePair Parse(TextReader down, TextReader up) => new(LinkTrace.Parse(down), LinkTrace.Parse(up));
}
