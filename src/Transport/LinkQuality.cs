using System.Numerics;

namespace Hectare.Transport;

/// <summary>Round-trip time, its variation and the share of packets lost: what a connection learns of its link from acks.</summary>
/// <remarks>A round trip here ends with the ack, so it includes the other end's wait for its next packet. Smoothing as RFC 6298.
/// A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct LinkQuality
{
    private const long InitialRttNs = 200_000_000;
    private const long ResendNsMin = 100_000_000;
    private const long ResendNsMax = 3_000_000_000;
    private const long MinWindowNs = 10_000_000_000;
    private const int FateWindow = 128;

    private UInt128 _fates;          // a bit per packet, set when lost, newest lowest
    private int _fateCount;
    private long _olderMinNs;
    private long _newerMinNs;
    private long _windowStartNs;

    /// <summary>True once a round trip was measured.</summary>
    public bool HasRtt { get; private set; }

    /// <summary>Smoothed round trip; 0 before the first.</summary>
    public long SmoothedRttNs { get; private set; }

    /// <summary>Smoothed mean deviation of the round trip.</summary>
    public long JitterNs { get; private set; }

    /// <summary>Shortest round trip of the last 10 to 20 s; 0 before the first.</summary>
    public readonly long MinRttNs => HasRtt ? Math.Min(_olderMinNs, _newerMinNs) : 0;

    /// <summary>Share of the last 128 packets with a known fate that were lost.</summary>
    public readonly double LossShare =>
        _fateCount == 0 ? 0 : (double)(BitOperations.PopCount((ulong)_fates) + BitOperations.PopCount((ulong)(_fates >> 64))) / _fateCount;

    /// <summary>Time after which what was not acked is sent again.</summary>
    public readonly long ResendNs =>
        HasRtt ? Math.Clamp(SmoothedRttNs + (4 * JitterNs), ResendNsMin, ResendNsMax) : 2 * InitialRttNs;

    public void TakeRtt(long rttNs, long nowNs)
    {
        if (!HasRtt)
        {
            HasRtt = true;
            SmoothedRttNs = rttNs;
            JitterNs = rttNs / 2;
            _olderMinNs = rttNs;
            _newerMinNs = rttNs;
            _windowStartNs = nowNs;
            return;
        }

        JitterNs += (Math.Abs(rttNs - SmoothedRttNs) - JitterNs) / 4;
        SmoothedRttNs += (rttNs - SmoothedRttNs) / 8;
        if (nowNs - _windowStartNs > MinWindowNs)
        {
            _olderMinNs = _newerMinNs;
            _newerMinNs = rttNs;
            _windowStartNs = nowNs;
        }

        _newerMinNs = Math.Min(_newerMinNs, rttNs);
    }

    public void TakeFate(bool isLost)
    {
        _fates = (_fates << 1) | (isLost ? UInt128.One : UInt128.Zero);
        _fateCount = Math.Min(_fateCount + 1, FateWindow);
    }
}
