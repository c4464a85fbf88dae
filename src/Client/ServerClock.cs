using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>What time it is on the server, and what time is drawn: three clocks.</summary>
/// <remarks><para>
/// A snapshot says when its tick was due. Let d = due - arrival, one clock minus the other less the way here: jitter, loss and a stalled
/// server can only make d smaller. The largest d of the last 10 s is therefore the packet that travelled best, and
/// <b>estimate</b> = arrival clock + max d + least round trip / 2.</para><para>
/// <b>Reference</b> follows the estimate by at most 5 % of real time. <b>Presentation</b> runs <see cref="DelayNs"/> behind the reference,
/// delay = (reference - the d that all but 1 % of 10 s exceed) + slot interval + one frame: so the one-way time and the jitter are inside
/// by measurement. The delay moves by at most 10 % of real time, the presentation by 0.9 to 1.1.</para><para>
/// The round trip holds the server's wait for its next packet, up to a slot; that error is in estimate and delay alike and cancels in the
/// presentation. Arrival and due times alone place the picture. Tried and dropped: the depth of a buffer as the clock; it says "late" when a
/// quiet server has nothing to tell.</para><para>
/// Due times also tell how long a tick is: a zone that is overloaded makes its ticks longer, up to twice, and the picture stretches.</para></remarks>
public sealed class ServerClock
{
    /// <summary>Samples older than this count no more.</summary>
    public const long WindowNs = 10_000_000_000;

    /// <summary>Bytes of a clock that every packet wants, for <see cref="Prefetch.Object"/>.</summary>
    internal const int ObjectBytes = 216;

    private const int SamplesMax = 256;
    private const int WorstMax = 4;                          // all but 1 % of 256 samples: the fourth worst at most
    private const double ReferenceRate = 0.05;
    private const double DelayRate = 0.1;
    private const double PlaybackRate = 0.1;
    private const long PlaybackGainNs = 500_000_000;         // an error of 50 ms asks for the full rate
    private const long StepErrorNs = 250_000_000;
    private const long StepAfterNs = 1_000_000_000;
    private const long StepBackErrorNs = 1_000_000_000;
    private const double LossOn = 0.10;
    private const double LossOff = 0.07;                     // hysteresis: a link near 10 % must not move the delay back and forth
    private const int LossSamplesMin = 20;
    private const int AnchorsMax = 8;
    private const double StretchMax = 2.1;                   // of a tick's length; beyond, the server has given ticks up
    private const double StretchMin = 0.9;
    private const int StretchSteps = 4;                      // a zone's tick is longer by quarters of its length
    private const double StretchError = 0.01;                // of a tick's length: due times are rounded to 0.1 ms

    private readonly long _tickLengthNs;
    private readonly Sample[] _samples = new Sample[SamplesMax];
    private readonly Anchor[] _anchors = new Anchor[AnchorsMax];
    private int _sampleCount;
    private int _windowStart;           // the samples before this one are too old to count
    private int _timedCount;
    private Extremes _extremes = Extremes.None;
    private int _anchorCount;
    private long _bestDifferenceNs;
    private long _worstDifferenceNs;
    private long _roundTripNs;
    private int _slotIntervalTicks;
    private long _frameNs = 1_000_000_000 / 60;
    private double _referenceNs;        // to add to our clock
    private double _delayNs;
    private double _presentationNs;     // the server's clock
    private long _lastUpdateNs;
    private long _errorSinceNs;
    private long _windowFromNs = long.MinValue;
    private bool _hasError;
    private bool _isLossy;
    private long _steppedNs;

    /// <summary>A clock that stands until the first snapshot.</summary>
    public ServerClock(uint tickLengthNs, int snapshotIntervalTicks)
    {
        _tickLengthNs = tickLengthNs;
        _slotIntervalTicks = snapshotIntervalTicks;
    }

    /// <summary>True after the first snapshot.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Asks for the memory of the next sample, and of the oldest.</summary>
    internal void PrefetchNext()
    {
        Prefetch.Length(_samples);
        Prefetch.Element(_samples, _sampleCount & (SamplesMax - 1));
        Prefetch.Element(_samples, _windowStart & (SamplesMax - 1));
        Prefetch.Length(_anchors);
        Prefetch.Element(_anchors, Math.Max(0, _anchorCount - 1) & (AnchorsMax - 1));
    }

    /// <summary>The fractional tick to draw; wrapped to 32 bits as ticks are. Never goes back, save by a step.</summary>
    public double PresentationTick { get; private set; } = double.NaN;

    /// <summary>Length of a tick of the server now, as its due times tell: the welcome's, or longer while the zone is overloaded.</summary>
    public long TickLengthNs => _anchorCount == 0 ? _tickLengthNs : (long)_anchors[(_anchorCount - 1) & (AnchorsMax - 1)].LengthNs;

    /// <summary>How far the presentation is meant to run behind the server, now: one-way time, jitter, slot interval and frame.</summary>
    public long DelayNs => (long)_delayNs;

    /// <summary>Where the delay is going.</summary>
    public long DelayTargetNs => DelayTargetNsFor(_referenceNs);

    /// <summary>Share of the server's packets of the last 10 s that were not accepted: lost, or overtaken.</summary>
    public double LossShare { get; private set; }

    /// <summary>What 99 % of the packets of the last 10 s came later than the best of them at most.</summary>
    public long JitterNs => _bestDifferenceNs - _worstDifferenceNs;

    /// <summary>The server's clock now, ns since the zone's start.</summary>
    public long ServerNs(long nowNs) => nowNs + (long)_referenceNs;

    /// <summary>The server's fractional tick now; wrapped to 32 bits.</summary>
    public double ServerTick(long nowNs) => TickAt(ServerNs(nowNs));

    /// <summary>An accepted snapshot.</summary>
    /// <param name="arrivalNs">Our clock.</param>
    /// <param name="sequence">The packet's.</param>
    /// <param name="tick">The tick it tells of.</param>
    /// <param name="dueTime">When that was due, 0.1 ms of the server's clock.</param>
    /// <param name="slotIntervalTicks">Ticks to the next snapshot as announced; 0 for a keep-alive, which says nothing of slots.</param>
    /// <param name="leastRoundTripNs">The connection's least round trip; 0 when unknown.</param>
    public void OnSnapshot(long arrivalNs, SequenceNumber sequence, Tick tick, long dueTime, int slotIntervalTicks, long leastRoundTripNs)
    {
        long dueNs = dueTime * 100_000;
        AddAnchor(tick, dueNs);
        _roundTripNs = leastRoundTripNs;
        if (slotIntervalTicks > 0)
            _slotIntervalTicks = slotIntervalTicks;
        Add(new Sample { ArrivalNs = arrivalNs, DifferenceNs = dueNs - arrivalNs, Sequence = sequence, HasTime = true });
        if (IsRunning)
            return;
        IsRunning = true;
        _lastUpdateNs = arrivalNs;
        _referenceNs = EstimateNs;
        _delayNs = DelayTargetNs;
        _presentationNs = arrivalNs + _referenceNs - _delayNs;
        PresentationTick = TickAt((long)_presentationNs);
    }

    /// <summary>An accepted packet that carried no snapshot: it says nothing of time, but it was not lost.</summary>
    public void OnOther(long arrivalNs, SequenceNumber sequence)
    {
        Add(new Sample { ArrivalNs = arrivalNs, Sequence = sequence });
    }

    /// <summary>Lets our clock reach <paramref name="nowNs"/>. Once a frame.</summary>
    public void Update(long nowNs)
    {
        if (!IsRunning)
            return;
        long passedNs = Math.Max(0, nowNs - _lastUpdateNs);
        _lastUpdateNs += passedNs;
        if (passedNs > 0)
            _frameNs += (Math.Clamp(passedNs, 4_000_000, 50_000_000) - _frameNs) / 16;
        _referenceNs = Approach(_referenceNs, EstimateNs, ReferenceRate * passedNs);
        _delayNs = Approach(_delayNs, DelayTargetNs, DelayRate * passedNs);

        _presentationNs += passedNs;
        double error = ErrorNs;
        double most = PlaybackRate * passedNs;
        _presentationNs += Math.Clamp(error * passedNs / PlaybackGainNs, -most, most);
        StepIfFarOff(error);
        Present(TickAt((long)_presentationNs));
    }

    /// <summary>Times that the presentation had to step.</summary>
    public long Steps { get; private set; }

    /// <summary>True once after the presentation had to step: what was drawn does not lead to what is drawn now.</summary>
    /// <param name="stepNs">By how much; positive: forward.</param>
    public bool TryTakeStep(out long stepNs)
    {
        stepNs = _steppedNs;
        _steppedNs = 0;
        return stepNs != 0;
    }

    /// <summary>The fractional tick that is due at a time of the server's clock; wrapped to 32 bits.</summary>
    /// <remarks>Ticks that the server gave up are no ticks: their time belongs to the last one before.</remarks>
    public double TickAt(long serverNs)
    {
        int newest = _anchorCount - 1, oldest = Math.Max(0, _anchorCount - AnchorsMax), at = newest;
        while (at > oldest && _anchors[at & (AnchorsMax - 1)].FromNs > serverNs)
            at--;
        Anchor anchor = _anchors[at & (AnchorsMax - 1)];
        double ticks = (serverNs - anchor.DueNs) / anchor.LengthNs;
        if (at < newest)
            ticks = Bridged(in anchor, in _anchors[(at + 1) & (AnchorsMax - 1)], serverNs, ticks);
        return anchor.Tick.Value + ticks;
    }

    // From the last known tick of one anchor to the first of the next: evenly when ticks became longer or shorter; else up to it, and then it waits.
    private static double Bridged(in Anchor anchor, in Anchor next, long serverNs, double ticks)
    {
        int span = next.FromTick - anchor.Tick;
        if (!next.IsStretched)
            return Math.Min(ticks, span);
        return serverNs <= anchor.DueNs ? ticks : span * ((serverNs - anchor.DueNs) / (double)(next.FromNs - anchor.DueNs));
    }

    private double ErrorNs => _lastUpdateNs + _referenceNs - _delayNs - _presentationNs;

    private double EstimateNs => _bestDifferenceNs + (_roundTripNs / 2.0);

    private long DelayTargetNsFor(double referenceNs)
        => (long)Math.Max(0, referenceNs - _worstDifferenceNs) + SlotIntervalNs + _frameNs + (_isLossy ? SlotIntervalNs : 0);

    private long SlotIntervalNs => _slotIntervalTicks * TickLengthNs;

    private static double Approach(double value, double target, double most) => value + Math.Clamp(target - value, -most, most);

    private void Add(in Sample sample)
    {
        bool leftExtreme = _sampleCount - _windowStart == SamplesMax && DropOldest();
        _samples[_sampleCount++ & (SamplesMax - 1)] = sample;
        if (sample.HasTime)
        {
            _timedCount++;
            _extremes.Take(sample.DifferenceNs);
        }

        Survey(sample.ArrivalNs, leftExtreme);
    }

    // Best and 99th percentile of the last 10 s, and how many of the packets came at all. Samples are in order of time, so the window only moves
    // on; all of it is looked at again only when what leaves it was the best or among the worst, once in some twenty packets.
    private void Survey(long nowNs, bool leftExtreme = false)
    {
        while (_windowStart < _sampleCount && IsOutside(in _samples[_windowStart & (SamplesMax - 1)], nowNs))
            leftExtreme |= DropOldest();
        if (leftExtreme)
            FindExtremes();
        if (_timedCount > 0)
        {
            _bestDifferenceNs = _extremes.Best;
            _worstDifferenceNs = _extremes.Worst(Math.Min(WorstMax - 1, _timedCount / 100));
        }

        int count = _sampleCount - _windowStart;
        if (count == 0)
            return;
        SequenceNumber newest = _samples[(_sampleCount - 1) & (SamplesMax - 1)].Sequence, oldest = _samples[_windowStart & (SamplesMax - 1)].Sequence;
        LossShare = 1 - (count / (double)(newest - oldest + 1));
        _isLossy = count >= LossSamplesMin && LossShare > (_isLossy ? LossOff : LossOn);
    }

    private bool IsOutside(ref readonly Sample sample, long nowNs) => nowNs - sample.ArrivalNs > WindowNs || sample.ArrivalNs < _windowFromNs;

    // True when the best or one of the worst leaves.
    private bool DropOldest()
    {
        ref Sample sample = ref _samples[_windowStart++ & (SamplesMax - 1)];
        _timedCount -= sample.HasTime ? 1 : 0;
        return sample.HasTime && _extremes.Holds(sample.DifferenceNs);
    }

    private void FindExtremes()
    {
        _extremes = Extremes.None;
        for (int i = _windowStart; i < _sampleCount; i++)
        {
            ref Sample sample = ref _samples[i & (SamplesMax - 1)];
            if (sample.HasTime)
                _extremes.Take(sample.DifferenceNs);
        }
    }

    // Due times are rounded to 0.1 ms, so one anchor serves as long as ticks come due in step; a departure of an eighth of a tick begins another.
    private void AddAnchor(Tick tick, long dueNs)
    {
        double lengthNs = _tickLengthNs;
        bool isStretched = false;
        if (_anchorCount > 0)
        {
            ref Anchor last = ref _anchors[(_anchorCount - 1) & (AnchorsMax - 1)];
            int ticks = tick - last.Tick;
            double drift = dueNs - last.DueNs - (ticks * last.LengthNs);
            if (Math.Abs(drift) < last.LengthNs / 8)
            {
                // Moved on, so that the distance stays small whatever the age, and nudged against rounding.
                last = last with { Tick = tick, DueNs = dueNs - (long)(drift * 15 / 16) };
                return;
            }

            double stretch = ticks <= 0 ? 0 : (dueNs - last.DueNs) / ((double)ticks * _tickLengthNs);
            isStretched = stretch is > StretchMin and < StretchMax;
            lengthNs = isStretched ? _tickLengthNs * Stepped(stretch) : last.LengthNs;
        }

        _anchors[_anchorCount++ & (AnchorsMax - 1)] = new Anchor { Tick = tick, DueNs = dueNs, LengthNs = lengthNs, FromTick = tick, FromNs = dueNs, IsStretched = isStretched };
    }

    // Over ticks of two lengths it is something between; the next packet tells better.
    private static double Stepped(double stretch)
    {
        double stepped = Math.Round(stretch * StretchSteps) / StretchSteps;
        return Math.Abs(stretch - stepped) < StretchError ? stepped : stretch;
    }

    // Rates mend everything small. What is far off for a second is another situation (a machine that slept): the last second alone counts from
    // there, and when the picture is far off too, it steps and the game is told.
    private void StepIfFarOff(double error)
    {
        bool isFarOff = Math.Abs(EstimateNs - _referenceNs) > StepErrorNs || IsFarOff(error);
        if (!isFarOff)
        {
            _hasError = false;
            return;
        }

        if (!_hasError)
            (_hasError, _errorSinceNs) = (true, _lastUpdateNs);
        if (_lastUpdateNs - _errorSinceNs < StepAfterNs)
            return;
        _hasError = false;
        _windowFromNs = _errorSinceNs;
        Survey(_lastUpdateNs);
        (_referenceNs, _delayNs) = (EstimateNs, DelayTargetNsFor(EstimateNs));
        if (!IsFarOff(ErrorNs))
            return;
        _steppedNs = (long)ErrorNs;
        _presentationNs += ErrorNs;
        Steps++;
        PresentationTick = double.NaN;
    }

    private static bool IsFarOff(double error) => error is > StepErrorNs or < -StepBackErrorNs;

    private void Present(double tick)
    {
        bool goesBack = !double.IsNaN(PresentationTick)
            && Interpolation.TicksSince(tick, new Tick((uint)(long)Math.Floor(PresentationTick))) < PresentationTick - Math.Floor(PresentationTick);
        if (!goesBack)
            PresentationTick = tick;
    }

    private struct Sample
    {
        public long ArrivalNs;
        public long DifferenceNs;
        public SequenceNumber Sequence;
        public bool HasTime;
    }

    /// <summary>The largest and the four smallest of what was taken.</summary>
    private struct Extremes
    {
        public static readonly Extremes None = new() { Best = long.MinValue, _first = long.MaxValue, _second = long.MaxValue, _third = long.MaxValue, _fourth = long.MaxValue };

        public long Best;
        private long _first;
        private long _second;
        private long _third;
        private long _fourth;

        public readonly long Worst(int rank) => rank switch
        {
            0 => _first,
            1 => _second,
            2 => _third,
            _ => _fourth,
        };

        /// <summary>True when without this value they might be others.</summary>
        public readonly bool Holds(long value) => value == Best || value <= _fourth;

        public void Take(long value)
        {
            Best = Math.Max(Best, value);
            if (value >= _fourth)
                return;
            _fourth = value;
            if (_fourth < _third)
                (_third, _fourth) = (_fourth, _third);
            if (_third < _second)
                (_second, _third) = (_third, _second);
            if (_second < _first)
                (_first, _second) = (_second, _first);
        }
    }

    private struct Anchor
    {
        public Tick Tick;
        public long DueNs;
        public double LengthNs;
        public Tick FromTick;
        public long FromNs;
        public bool IsStretched;     // how it follows the one before
    }
}
