using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>One direction of one simulated link: decides, when a datagram is sent, whether and when it arrives.</summary>
internal sealed class SimulatedLink
{
    private const int HeaderBytes = 28;               // IPv4 and UDP: a bottleneck carries them too
    private const long Second = 1_000_000_000;

    private readonly ulong _pairSeed;                 // the same for both directions
    private readonly List<(long StartNs, long EndNs)> _outages = [];
    private SeededRandom _random;
    private bool _isInBurst;
    private long _busyUntilNs;                        // of a bottleneck with a fixed rate
    private LinkTrace? _trace;
    private long _opportunity = -1;                   // of a trace: the one in use, over all periods
    private int _opportunityLeftBytes;
    private WaitingBytes[] _waiting = [];             // ring: datagrams before the trace's bottleneck
    private int _waitingHead;
    private int _waitingCount;
    private int _queuedBytes;
    private long _step = -1;
    private long _stepDelayNs;
    private long _stepOutageEndNs;

    public SimulatedLink(PeerAddress from, PeerAddress to, ulong seed, ulong pairSeed)
    {
        From = from;
        To = to;
        _pairSeed = pairSeed;
        _random = new SeededRandom(seed);
        var pairRandom = new SeededRandom(pairSeed);
        TraceOffsetNs = pairRandom.Next(0, 3600 * Second);
        Statistics = new LinkStatistics { LastInOrderNs = -1 };
    }

    public PeerAddress From { get; set; }

    public PeerAddress To { get; set; }

    public LinkProfile Profile { get; private set; } = LinkProfile.Perfect;

    /// <summary>Where in the trace virtual time 0 lies, before wrapping.</summary>
    public long TraceOffsetNs { get; }

    public LinkStatistics Statistics;

    /// <summary>Highest number delivered; -1 before the first.</summary>
    public long HighestDelivered { get; set; } = -1;

    /// <summary>Changes what the link does from now on; its random stream and counters go on.</summary>
    public void SetProfile(LinkProfile profile, LinkTrace? trace)
    {
        if (profile.TraceName is not null && trace is null)
            throw new ArgumentException($"the link profile '{profile.Name}' needs the trace {profile.TraceName}", nameof(trace));
        if (profile.JitterNs > profile.DelayNs)
            throw new ArgumentOutOfRangeException(nameof(profile), profile.JitterNs, "LinkProfile.JitterNs is above DelayNs");
        Profile = profile;
        _trace = trace;
        _opportunity = -1;
        _opportunityLeftBytes = 0;
        _step = -1;
    }

    public void AddOutage(long startNs, long endNs) => _outages.Add((startNs, endNs));

    /// <summary>Judges a datagram sent now.</summary>
    /// <returns>Delivered, <see cref="DrawDelayNs"/> after <paramref name="leaveNs"/>; or why not.</returns>
    public LinkFate Judge(long nowNs, int bytes, out long leaveNs)
    {
        leaveNs = nowNs;
        RunSteps(nowNs);
        if (IsOut(nowNs))
            return LinkFate.Outage;
        if (!TryPassBottleneck(nowNs, bytes + HeaderBytes, out leaveNs))
            return LinkFate.QueueFull;
        return DrawLoss() ? LinkFate.Lost : LinkFate.Delivered;
    }

    public bool DrawDuplicate() => _random.NextBool(Profile.DuplicateShare);

    public bool DrawCorrupt() => _random.NextBool(Profile.CorruptShare);

    /// <summary>Delay of one datagram behind the bottleneck.</summary>
    public long DrawDelayNs()
    {
        LinkProfile profile = Profile;
        long delayNs = profile.DelayNs + _stepDelayNs;
        if (profile.JitterNs > 0)
            delayNs += (long)(((_random.NextDouble() * 2) - 1) * profile.JitterNs);
        if (profile.TailMeanNs > 0)
            delayNs += (long)_random.NextExponential(profile.TailMeanNs);
        if (profile.DelayNsMax > 0)
            delayNs = Math.Min(delayNs, profile.DelayNsMax);
        if (_random.NextBool(profile.ReorderShare))
            delayNs += profile.ReorderNs;
        return delayNs;
    }

    /// <summary>Changes one to three bits.</summary>
    public void Corrupt(Span<byte> datagram)
    {
        if (datagram.IsEmpty)
            return;
        // Neighbours from a drawn bit on, so that no two flips undo each other.
        int flips = _random.Next(1, 4);
        int first = _random.Next(0, datagram.Length * 8);
        for (int i = 0; i < flips; i++)
        {
            int bit = (first + i) % (datagram.Length * 8);
            datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    // Drawn from the step's own number, not from the stream: both directions agree, whoever sends first.
    private void RunSteps(long nowNs)
    {
        LinkProfile profile = Profile;
        if (profile.StepEveryNs == 0)
        {
            _stepDelayNs = 0;
            return;
        }

        long step = nowNs / profile.StepEveryNs;
        if (step == _step)
            return;
        _step = step;
        var random = new SeededRandom(SeededRandom.MixSeed(_pairSeed, (ulong)step + 1));
        _stepDelayNs = random.Next(0, profile.StepNsMax + 1);
        bool isOut = random.NextBool(profile.StepOutageShare);
        long outageNs = random.Next(profile.StepOutageNsMin, profile.StepOutageNsMax + 1);
        _stepOutageEndNs = isOut ? (step * profile.StepEveryNs) + outageNs : 0;
    }

    private bool IsOut(long nowNs)
    {
        if (nowNs < _stepOutageEndNs && Profile.StepEveryNs > 0)
            return true;
        foreach ((long startNs, long endNs) in _outages)
        {
            if (nowNs >= startNs && nowNs < endNs)
                return true;
        }

        return false;
    }

    private bool DrawLoss()
    {
        LinkProfile profile = Profile;
        if (profile.BurstMean <= 0)
            return _random.NextBool(profile.LossShare);
        // Gilbert-Elliott: leaves a burst with 1 / mean, enters one so often that the share of time inside is the loss wanted.
        double leave = 1 / profile.BurstMean;
        double enter = leave * profile.LossShare / (1 - profile.LossShare);
        _isInBurst = _isInBurst ? !_random.NextBool(leave) : _random.NextBool(enter);
        return _isInBurst;
    }

    private bool TryPassBottleneck(long nowNs, int bytes, out long leaveNs)
    {
        leaveNs = nowNs;
        if (_trace is not null)
            return TryPassTrace(_trace, nowNs, bytes, out leaveNs);
        long bitsPerSecond = Profile.BitsPerSecond;
        if (bitsPerSecond <= 0)
            return true;
        long waitNs = Math.Max(0, _busyUntilNs - nowNs);
        if (((double)waitNs * bitsPerSecond / (8.0 * Second)) + bytes > Profile.QueueBytesMax)
            return false;
        _busyUntilNs = Math.Max(_busyUntilNs, nowNs) + (bytes * 8L * Second / bitsPerSecond);
        leaveNs = _busyUntilNs;
        return true;
    }

    // First in, first out: a datagram leaves with the opportunity that takes its last byte.
    private bool TryPassTrace(LinkTrace trace, long nowNs, int bytes, out long leaveNs)
    {
        leaveNs = nowNs;
        while (_waitingCount > 0 && _waiting[_waitingHead].LeaveNs <= nowNs)
        {
            _queuedBytes -= _waiting[_waitingHead].Bytes;
            _waitingHead = (_waitingHead + 1) & (_waiting.Length - 1);
            _waitingCount--;
        }

        if (_queuedBytes + bytes > Profile.QueueBytesMax)
            return false;
        long traceNs = nowNs + TraceOffsetNs;
        if (_opportunity < 0 || trace.AtNs(_opportunity) < traceNs)
        {
            _opportunity = trace.FirstAtOrAfter(traceNs);
            _opportunityLeftBytes = LinkTrace.OpportunityBytes;
        }

        int left = bytes;
        while (left > _opportunityLeftBytes)
        {
            left -= _opportunityLeftBytes;
            _opportunity++;
            _opportunityLeftBytes = LinkTrace.OpportunityBytes;
        }

        _opportunityLeftBytes -= left;
        leaveNs = trace.AtNs(_opportunity) - TraceOffsetNs;
        Enqueue(leaveNs, bytes);
        return true;
    }

    private void Enqueue(long leaveNs, int bytes)
    {
        if (_waitingCount == _waiting.Length)
        {
            var larger = new WaitingBytes[Math.Max(16, _waiting.Length * 2)];
            for (int i = 0; i < _waitingCount; i++)
                larger[i] = _waiting[(_waitingHead + i) & (_waiting.Length - 1)];
            _waiting = larger;
            _waitingHead = 0;
        }

        _waiting[(_waitingHead + _waitingCount) & (_waiting.Length - 1)] = new WaitingBytes(leaveNs, bytes);
        _waitingCount++;
        _queuedBytes += bytes;
    }

    private readonly record struct WaitingBytes(long LeaveNs, int Bytes);
}
