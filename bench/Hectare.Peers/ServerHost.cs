using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Server;
using Histogram = Hectare.Cli.Load.Histogram;

namespace Hectare.Peers;

/// <summary>What a contestant's server says of itself while it runs.</summary>
internal sealed record ServerStatus(int Port, int Players);

/// <summary>What a contestant's server measured in the window.</summary>
internal sealed record ServerFigures(double Seconds, double CpuCores, double TickMsP50, double TickMsP99, long Ticks, long TicksLate, double InputsPerPlayerPerSecond, double BytesPerPlayerPerSecond);

/// <summary>A contestant's tick loop: fixed ticks on the clock of Hectare's own loop, judged by the same rule.</summary>
internal sealed class ServerHost(PeerServer server, LoopDoor door) : IMeasuredLoop
{
    // As game engines have it: a few ticks are caught up, what is farther behind is given up. Given-up ticks count as late.
    private const int CatchUpTicksMax = 8;
    private const int HeaderBytes = 28;

    private readonly Histogram _tickNs = new();
    private ProcessFigures _start = ProcessFigures.Read();
    private long _startDatagrams;
    private long _startBytes;
    private long _startInputs;
    private long _ticks;
    private long _late;
    private ServerFigures? _figures;

    /// <summary>Ticks until it is told to stop.</summary>
    public void Run(CancellationToken stop)
    {
        long tickNs = 1_000_000_000L / server.TickRate;
        long dueNs = Clock.NowNs + tickNs;
        for (long tick = 0; !stop.IsCancellationRequested; tick++)
        {
            WaitUntil(dueNs);
            long beginNs = Clock.NowNs;
            server.Tick(tick);
            long endNs = Clock.NowNs;
            dueNs += tickNs;
            Count(beginNs, endNs, isLate: endNs > dueNs);
            door.AnswerFor(this);
            if (endNs - dueNs > CatchUpTicksMax * tickNs)
                dueNs = GiveUp(dueNs, endNs, tickNs);
        }
    }

    /// <inheritdoc/>
    public string Status() => JsonSerializer.Serialize(new ServerStatus(server.Port, server.PeerCount), PeersJson.Default.ServerStatus);

    /// <inheritdoc/>
    public void Begin()
    {
        _figures = null;
        _tickNs.Clear();
        (_ticks, _late) = (0, 0);
        (_startDatagrams, _startBytes, _startInputs) = (server.SentDatagrams, server.SentBytes, server.Inputs);
        _start = ProcessFigures.Read();
    }

    /// <inheritdoc/>
    public void End() => _figures = Read();

    /// <inheritdoc/>
    public string Report() => JsonSerializer.Serialize(_figures ?? Read(), PeersJson.Default.ServerFigures);

    private void WaitUntil(long dueNs)
    {
        while (server.PollNs > 0 && dueNs - Clock.NowNs > server.PollNs)
        {
            server.Poll();
            Clock.SleepUntil(Math.Min(Clock.NowNs + server.PollNs, dueNs));
        }

        Clock.WaitUntil(dueNs);
    }

    private void Count(long beginNs, long endNs, bool isLate)
    {
        _tickNs.Record(endNs - beginNs);
        _ticks++;
        _late += isLate ? 1 : 0;
    }

    private long GiveUp(long dueNs, long nowNs, long tickNs)
    {
        long ticks = (nowNs - dueNs) / tickNs;
        _ticks += ticks;
        _late += ticks;
        return dueNs + (ticks * tickNs);
    }

    private ServerFigures Read()
    {
        var now = ProcessFigures.Read();
        double seconds = Math.Max(1e-9, now.SecondsSince(in _start));
        long bytes = server.SentBytes - _startBytes + ((server.SentDatagrams - _startDatagrams) * HeaderBytes);
        double playerSeconds = seconds * Math.Max(1, server.PeerCount);
        return new ServerFigures(seconds, now.CoresSince(in _start), _tickNs.Percentile(0.5) / 1e6, _tickNs.Percentile(0.99) / 1e6, _ticks, _late,
            (server.Inputs - _startInputs) / playerSeconds, bytes / playerSeconds);
    }
}
