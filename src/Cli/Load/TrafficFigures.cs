using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>Datagrams and UDP payload bytes that sockets have moved; the difference of two is a window's.</summary>
internal readonly record struct TrafficFigures(long SentDatagrams, long SentBytes, long ReceivedDatagrams, long ReceivedBytes)
{
    public static TrafficFigures operator +(TrafficFigures a, TrafficFigures b)
        => new(a.SentDatagrams + b.SentDatagrams, a.SentBytes + b.SentBytes, a.ReceivedDatagrams + b.ReceivedDatagrams, a.ReceivedBytes + b.ReceivedBytes);

    public static TrafficFigures operator -(TrafficFigures a, TrafficFigures b)
        => new(a.SentDatagrams - b.SentDatagrams, a.SentBytes - b.SentBytes, a.ReceivedDatagrams - b.ReceivedDatagrams, a.ReceivedBytes - b.ReceivedBytes);

    /// <summary>What one socket has moved since it was opened.</summary>
    public static TrafficFigures Of(UdpSocket socket)
        => new(socket.Counters.SentDatagrams, socket.Counters.SentBytes, socket.Counters.ReceivedDatagrams, socket.Counters.ReceivedBytes);

    /// <summary>As rates of a window.</summary>
    public TrafficReport PerSecond(double seconds) => new()
    {
        SentPerSecond = SentDatagrams / seconds,
        ReceivedPerSecond = ReceivedDatagrams / seconds,
        SentBytesMean = SentBytes / (double)Math.Max(1, SentDatagrams),
        ReceivedBytesMean = ReceivedBytes / (double)Math.Max(1, ReceivedDatagrams),
        SentBytesPerSecond = SentBytes / seconds,
        ReceivedBytesPerSecond = ReceivedBytes / seconds,
    };
}

/// <summary>What one process's sockets moved a second, both ways; UDP payload.</summary>
internal sealed record TrafficReport
{
    /// <summary>Datagrams sent.</summary>
    public required double SentPerSecond { get; init; }

    /// <summary>Datagrams received.</summary>
    public required double ReceivedPerSecond { get; init; }

    /// <summary>Mean size of one sent.</summary>
    public required double SentBytesMean { get; init; }

    /// <summary>Mean size of one received.</summary>
    public required double ReceivedBytesMean { get; init; }

    /// <summary>Bytes sent.</summary>
    public required double SentBytesPerSecond { get; init; }

    /// <summary>Bytes received.</summary>
    public required double ReceivedBytesPerSecond { get; init; }
}
