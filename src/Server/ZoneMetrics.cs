using System.Diagnostics;
using System.Diagnostics.Metrics;
using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>The parts of a tick, in order.</summary>
public enum Phase
{
    /// <summary>Datagrams are taken in, opened, and their acks, inputs and messages put in place.</summary>
    Receive,

    /// <summary>Peers come and go; one input is taken for each.</summary>
    Inputs,

    /// <summary>The game and the bodies move.</summary>
    Step,

    /// <summary>What departed from what clients extrapolate becomes a version, encoded once.</summary>
    Publish,

    /// <summary>Who could be told of what.</summary>
    Interest,

    /// <summary>Snapshots are written and sealed from the frozen world.</summary>
    Write,

    /// <summary>They leave.</summary>
    Send,
}

/// <summary>Where a zone's time goes. Written by the tick thread; a few stamps a tick and no allocation.</summary>
/// <remarks>Every total is also an instrument of the meter "Hectare.Zone", for collectors of the framework's metrics.</remarks>
public sealed class ZoneMetrics : IDisposable
{
    internal const int PhaseCount = (int)Phase.Send + 1;

    private static readonly double NsPerStamp = 1e9 / Stopwatch.Frequency;

    private readonly Histogram[] _phaseNs = new Histogram[PhaseCount];
    private readonly Histogram _tickNs = new();
    private readonly Histogram _intervalTickNs = new();
    private readonly Histogram _intervalLateNs = new();
    private readonly long[] _phaseNow = new long[PhaseCount];
    private readonly Meter _meter = new("Hectare.Zone");
    private long _tickStart;
    private long _lastStamp;

    internal ZoneMetrics(ZoneId zone)
    {
        for (int i = 0; i < PhaseCount; i++)
            _phaseNs[i] = new Histogram();
        var tag = new KeyValuePair<string, object?>("zone", zone.Value);
        Observe("hectare.zone.ticks", "{tick}", "Ticks run.", tag, () => Ticks);
        Observe("hectare.zone.ticks_late", "{tick}", "Ticks whose work was not done when the next was due.", tag, () => TicksLate);
        Observe("hectare.zone.ticks_given_up", "{tick}", "Ticks taken off the schedule.", tag, () => TicksGivenUp);
        Observe("hectare.zone.datagrams_in", "{datagram}", "Datagrams received.", tag, () => DatagramsIn);
        Observe("hectare.zone.datagrams_out", "{datagram}", "Datagrams sent.", tag, () => DatagramsOut);
        Observe("hectare.zone.bytes_in", "By", "UDP payload received.", tag, () => BytesIn);
        Observe("hectare.zone.bytes_out", "By", "UDP payload sent.", tag, () => BytesOut);
        Observe("hectare.zone.updates", "{update}", "Versions of entities written to clients, copies included.", tag, () => Updates);
        _meter.CreateObservableGauge("hectare.zone.phase_mean", () => PhaseMeans(tag), "us", "Mean time of each phase of a tick since measuring began.");
        _meter.CreateObservableGauge("hectare.zone.tick_p99", () => new Measurement<double>(_tickNs.Percentile(0.99) / 1e6, tag), "ms", "99th percentile of a tick's time since measuring began.");
        _meter.CreateObservableGauge("hectare.zone.budget_share", () => new Measurement<double>(BudgetShare, tag), "1", "Share of what clients want that the zone's budget lets them have.");
        _meter.CreateObservableGauge("hectare.zone.pressure_level", () => new Measurement<int>((int)PressureLevel, tag), "1", "What an overloaded zone has given up: 0 nothing, 7 the most.");
        _meter.CreateObservableGauge("hectare.zone.load", () => new Measurement<double>(Load, tag), "1", "Share of its time that the tick thread spent on ticks when that was last looked at.");
        _meter.CreateObservableGauge("hectare.zone.tick_length", () => new Measurement<double>(TickLengthNs / 1e6, tag), "ms", "Length of a tick that is in force.");
        _meter.CreateObservableGauge("hectare.zone.peers", () => new Measurement<int>(Peers, tag), "{peer}", "Connected clients.");
    }

    /// <summary>Ticks run since the start.</summary>
    public long Ticks { get; private set; }

    /// <summary>Of these, ticks whose work was not done by the next tick's due time.</summary>
    public long TicksLate { get; private set; }

    /// <summary>Ticks taken off the schedule because the zone was too far behind.</summary>
    public long TicksGivenUp { get; internal set; }

    /// <summary>Datagrams taken in.</summary>
    public long DatagramsIn { get; internal set; }

    /// <summary>UDP payload taken in.</summary>
    public long BytesIn { get; internal set; }

    /// <summary>Datagrams handed to the sockets.</summary>
    public long DatagramsOut { get; internal set; }

    /// <summary>Their UDP payload.</summary>
    public long BytesOut { get; internal set; }

    /// <summary>Versions of entities written to clients, copies included.</summary>
    public long Updates { get; internal set; }

    /// <summary>Datagrams that came on the socket of another thread than their client's, and were handed over.</summary>
    public long DatagramsHandedOver { get; internal set; }

    /// <summary>Times that a client seemed to have moved to another address.</summary>
    public long PathsSeen { get; internal set; }

    /// <summary>Of these, proved: the client is there now.</summary>
    public long PathsProved { get; internal set; }

    /// <summary>Of these, given up because nobody answered there.</summary>
    public long PathsGivenUp { get; internal set; }

    /// <summary>Share of what clients want that the zone's budget lets them have now: 1 when there is enough, or no budget.</summary>
    public double BudgetShare { get; internal set; } = 1;

    /// <summary>What is given up now.</summary>
    public PressureLevel PressureLevel { get; internal set; }

    /// <summary>Times that it was another.</summary>
    public long PressureChanges { get; internal set; }

    /// <summary>Share of its time that the tick thread spent on ticks when that was last looked at; 0 when nobody measures (<see cref="Zone{TInput}.NoteWork"/>).</summary>
    public double Load { get; internal set; }

    /// <summary>Length of a tick that is in force, ns.</summary>
    public long TickLengthNs { get; internal set; }

    /// <summary>Clients connected now.</summary>
    public int Peers { get; internal set; }

    /// <summary>How long ticks took since the window began. Costs microseconds, where a report looks at every player.</summary>
    public TickTimes TickMs => TickTimes.Of(_tickNs);

    /// <summary>Duration of whole ticks since <see cref="Clear"/>.</summary>
    internal Histogram TickNs => _tickNs;

    /// <summary>Duration of a phase per tick since <see cref="Clear"/>.</summary>
    internal Histogram PhaseNs(Phase phase) => _phaseNs[(int)phase];

    /// <summary>Forgets the distributions: measuring begins here. Totals go on.</summary>
    internal void Clear()
    {
        _tickNs.Clear();
        ClearInterval();
        foreach (Histogram phase in _phaseNs)
            phase.Clear();
    }

    /// <summary>How the ticks went since the last call, or since <see cref="Clear"/>.</summary>
    internal ZoneInterval TakeInterval()
    {
        var interval = new ZoneInterval
        {
            Ticks = Ticks,
            TicksLate = TicksLate,
            TicksGivenUp = TicksGivenUp,
            TickMs = TickTimes.Of(_intervalTickNs),
            StartLateMs = TickTimes.Of(_intervalLateNs),
        };
        ClearInterval();
        return interval;
    }

    internal void BeginTick()
    {
        _tickStart = _lastStamp = Stopwatch.GetTimestamp();
        Array.Clear(_phaseNow);
    }

    /// <summary>What passed since the last stamp belongs to <paramref name="phase"/>.</summary>
    internal void End(Phase phase)
    {
        long now = Stopwatch.GetTimestamp();
        _phaseNow[(int)phase] += now - _lastStamp;
        _lastStamp = now;
    }

    /// <summary>Time inside one phase that really was another's (a batch that filled up is sent while snapshots are written).</summary>
    internal void Move(Phase from, Phase to, long stamps)
    {
        _phaseNow[(int)from] -= stamps;
        _phaseNow[(int)to] += stamps;
    }

    /// <summary>Ends the tick that was due at <paramref name="dueNs"/> and began at <paramref name="startNs"/>.</summary>
    internal void EndTick(long dueNs, long startNs, long tickLengthNs)
    {
        long tickNs = (long)((Stopwatch.GetTimestamp() - _tickStart) * NsPerStamp);
        _tickNs.Add(tickNs);
        _intervalTickNs.Add(tickNs);
        _intervalLateNs.Add(startNs - dueNs);
        for (int i = 0; i < PhaseCount; i++)
            _phaseNs[i].Add((long)(_phaseNow[i] * NsPerStamp));
        Ticks++;
        if (startNs + tickNs > dueNs + tickLengthNs)
            TicksLate++;
    }

    /// <summary>Takes the instruments out of the meter.</summary>
    public void Dispose() => _meter.Dispose();

    private void ClearInterval()
    {
        _intervalTickNs.Clear();
        _intervalLateNs.Clear();
    }

    private IEnumerable<Measurement<double>> PhaseMeans(KeyValuePair<string, object?> tag)
    {
        foreach (Phase phase in Enum.GetValues<Phase>())
            yield return new Measurement<double>(PhaseNs(phase).Mean / 1e3, tag, new("phase", phase.ToString().ToLowerInvariant()));
    }

    private void Observe(string name, string unit, string what, KeyValuePair<string, object?> tag, Func<long> value)
        => _meter.CreateObservableCounter(name, () => new Measurement<long>(value(), tag), unit, what);
}
