using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Keeps a zone's datagrams apart: at most so many leave within any millisecond, whichever thread sends them. A burst of ten thousand would overrun a
/// switch's or a phone mast's buffer, however low the mean rate is.</summary>
/// <remarks>Each batch reserves its place in time behind the one before (virtual scheduling, as ATM's GCRA), spaced so that even a window that opens on the edge
/// of a batch holds no more. Where the kernel is slower than that anyway, no batch ever waits. From any thread; a look a batch, not a datagram.</remarks>
internal sealed class SendPacer
{
    private const long WindowNs = 1_000_000;

    private readonly Lock _lock = new();
    private readonly double _nsPerDatagram;
    private readonly Func<long> _nowNs;
    private readonly Action<long> _waitUntilNs;
    private double _nextNs;

    /// <summary>A pacer on a clock.</summary>
    /// <param name="datagramsPerMsMax">Most within a millisecond; above <paramref name="batchDatagramsMax"/>.</param>
    /// <param name="batchDatagramsMax">Most that are sent at once.</param>
    /// <param name="nowNs">The clock.</param>
    /// <param name="waitUntilNs">Returns when the clock says so.</param>
    public SendPacer(int datagramsPerMsMax, int batchDatagramsMax, Func<long> nowNs, Action<long> waitUntilNs)
    {
        Contract.Assert(datagramsPerMsMax > batchDatagramsMax);
        _nsPerDatagram = (double)WindowNs / (datagramsPerMsMax - batchDatagramsMax);
        _nowNs = nowNs;
        _waitUntilNs = waitUntilNs;
    }

    /// <summary>Returns when a batch may leave.</summary>
    public void Wait(int datagrams)
    {
        long now = _nowNs();
        long startNs;
        lock (_lock)
        {
            double start = Math.Max(now, _nextNs);
            _nextNs = start + (datagrams * _nsPerDatagram);
            startNs = (long)Math.Ceiling(start);
        }

        if (startNs > now)
            _waitUntilNs(startNs);
    }
}
