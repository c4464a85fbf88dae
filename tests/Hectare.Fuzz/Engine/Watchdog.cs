using System.Diagnostics;

namespace Hectare.Fuzz.Engine;

/// <summary>Looks from another thread whether an input ends.</summary>
internal sealed class Watchdog : IDisposable
{
    private readonly Timer _timer;
    private readonly long _patienceStamps;
    private readonly Action _bark;
    private long _since;    // stamp at which the input began; 0 between inputs

    public Watchdog(TimeSpan patience, Action bark)
    {
        _patienceStamps = (long)(patience.TotalSeconds * Stopwatch.Frequency);
        _bark = bark;
        _timer = new Timer(_ => Look(), null, 100, 100);
    }

    /// <summary>An input begins; gives the time.</summary>
    public long Begin()
    {
        long now = Stopwatch.GetTimestamp();
        Volatile.Write(ref _since, now);
        return now;
    }

    /// <summary>It has ended; gives the time.</summary>
    public long End()
    {
        Volatile.Write(ref _since, 0);
        return Stopwatch.GetTimestamp();
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        long since = Volatile.Read(ref _since);
        if (since != 0 && Stopwatch.GetTimestamp() - since > _patienceStamps)
            _bark();
    }
}
