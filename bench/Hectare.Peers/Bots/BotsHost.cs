using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Histogram = Hectare.Cli.Load.Histogram;

namespace Hectare.Peers.Bots;

/// <summary>What bots say of themselves while they run.</summary>
internal sealed record FleetStatus(int Connected);

/// <summary>What bots measured in the window.</summary>
internal sealed record FleetFigures(double Seconds, int Connected, double CpuCores, double SnapshotHzP1, double SnapshotHzP50);

/// <summary>The bots' loop: every few milliseconds takes what came, and lets those send whose input is due. Their hands are those of Hectare's bots.</summary>
internal sealed class BotsHost(BotLink link, LoopDoor door, BotPlan plan) : IMeasuredLoop
{
    // As Hectare's bots: a receiver that blocks costs its sender a wake-up each.
    private const long PollNs = 4_000_000;
    private const long RetryNs = 100_000_000;
    private const int HandTickRate = 30;

    private readonly FarmBot[] _hands = [.. Enumerable.Range(0, plan.Bots).Select(bot => new FarmBot(SeededRandom.MixSeed(plan.Seed, (ulong)bot), FarmWorkload.Uniform, HandTickRate))];
    private readonly TopDownInput[] _inputs = new TopDownInput[plan.Bots];
    private readonly long[] _handTicks = new long[plan.Bots];
    private readonly long[] _dueNs = new long[plan.Bots];
    private readonly long[] _snapshotsBefore = new long[plan.Bots];
    private ProcessFigures _start = ProcessFigures.Read();
    private FleetFigures? _figures;
    private int _started;

    /// <summary>Plays until it is told to stop.</summary>
    public void Run(CancellationToken stop)
    {
        long startNs = Clock.NowNs, wakeNs = startNs;
        while (!stop.IsCancellationRequested)
        {
            long nowNs = Clock.NowNs;
            Join(startNs, nowNs);
            for (int bot = 0; bot < _started; bot++)
            {
                if (_dueNs[bot] <= nowNs)
                    Act(bot, startNs, nowNs);
            }

            link.Flush();
            link.Receive();
            door.AnswerFor(this);
            wakeNs = Math.Max(wakeNs + PollNs, Clock.NowNs - (10 * PollNs));
            Clock.SleepUntil(wakeNs);
        }
    }

    /// <inheritdoc/>
    public string Status() => JsonSerializer.Serialize(new FleetStatus(link.IsConnected.Count(connected => connected)), PeersJson.Default.FleetStatus);

    /// <inheritdoc/>
    public void Begin()
    {
        _figures = null;
        link.Snapshots.CopyTo(_snapshotsBefore, 0);
        _start = ProcessFigures.Read();
    }

    /// <inheritdoc/>
    public void End() => _figures = Read();

    /// <inheritdoc/>
    public string Report() => JsonSerializer.Serialize(_figures ?? Read(), PeersJson.Default.FleetFigures);

    private void Join(long startNs, long nowNs)
    {
        long due = (nowNs - startNs) / 1_000 * plan.PlayersPerSecond / 1_000_000;
        for (; _started < Math.Min(plan.Bots, due + 1); _started++)
            _dueNs[_started] = nowNs;
    }

    private void Act(int bot, long startNs, long nowNs)
    {
        if (!link.IsConnected[bot])
        {
            link.Connect(bot);
            _dueNs[bot] = nowNs + RetryNs;
            return;
        }

        long ticks = (nowNs - startNs) * HandTickRate / 1_000_000_000;
        // One that has just joined has not moved its hands in vain.
        for (_handTicks[bot] = Math.Max(_handTicks[bot], ticks - HandTickRate); _handTicks[bot] < ticks; _handTicks[bot]++)
            _inputs[bot] = _hands[bot].Next();
        link.SendInput(bot, _inputs[bot]);
        long everyNs = 1_000_000_000L / plan.InputsPerSecond;
        // Evenly, not late again and again; but what was missed in a stall is not made up for.
        _dueNs[bot] = Math.Max(_dueNs[bot] + everyNs, nowNs - everyNs);
    }

    private FleetFigures Read()
    {
        var now = ProcessFigures.Read();
        double seconds = Math.Max(1e-9, now.SecondsSince(in _start));
        double[] hz = [.. link.Snapshots.Zip(_snapshotsBefore, (after, before) => (after - before) / seconds)];
        return new FleetFigures(seconds, link.IsConnected.Count(connected => connected), now.CoresSince(in _start), Histogram.Percentile(hz, 0.01), Histogram.Percentile(hz, 0.5));
    }
}

/// <summary>What bots are to do.</summary>
internal sealed record BotPlan
{
    /// <summary>How many.</summary>
    public required int Bots { get; init; }

    /// <summary>How many of them join a second.</summary>
    public required int PlayersPerSecond { get; init; }

    /// <summary>Input packets a second of each.</summary>
    public required int InputsPerSecond { get; init; }

    /// <summary>Seed of their hands.</summary>
    public required ulong Seed { get; init; }
}
