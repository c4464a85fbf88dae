using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>How fast one end may send: falls when the link's queue fills by our doing, or loses more the more we send; rises while the rate is what holds us back.</summary>
/// <remarks>
/// <para>Delay. A round trip holds the other end's wait for its next packet too, up to 97 ms, so a single one says nothing. What lies above the least
/// round trip of the last 10 to 20 s, and above that wait and the link's own jitter, is a queue; enough of it in a row is congestion. The rate then falls
/// below what the link delivered, deeper the longer the queue, and is left alone until that queue can have drained.</para>
/// <para>Loss. What is lost at any rate is the link's own (radio, a client that refuses what was overtaken) and is no reason to fall. Only a share well above what
/// this link is known to lose is: the rate falls once, and unless the loss falls with it, it was not ours: the rate is given back and the share remembered.</para>
/// <para>Silence. While nothing is acked for a second, the lowest rate is in force, so that a dead link is not filled up; what was known before comes back with the first ack.</para>
/// <para>What is sent below the lowest rate is never blamed. Pure; a mutable struct: keep it in a field that is not readonly. docs/decisions/0014.</para>
/// </remarks>
[StructLayout(LayoutKind.Auto)]
internal struct RateControl
{
    private const long Ms = 1_000_000;
    private const long Second = 1_000 * Ms;

    private const long QueueNsMin = 75 * Ms;           // above the least round trip, with three deviations: no queue but jitter and the other end's wait
    private const int Deviations = 3;
    private const int DeviationNsMax = 80_000_000;     // a growing queue looks like jitter: it must not hide itself,
    private const int DeviationGain = 32;              // nor pass for it within a few round trips
    private const int ExcessNsMax = 150_000_000;         // counted of one round trip: one late packet is no queue
    private const int ExcessSumNs = 400_000_000;
    private const long WindowNs = 500 * Ms;            // sent and acked bytes are those of this one so far and of the one before
    private const double CutLeast = 0.15;
    private const double CutMost = 0.75;
    private const long DrainNsMax = 8 * Second;
    private const long RaiseNsMax = 250 * Ms;          // counted at once: what was not heard for longer was not probed
    private const int RaiseSeconds = 24;               // from nothing to the highest rate,
    private const int RaiseSharesLeast = 4;            // but no more than a quarter of itself a second: on a narrow link that much is a queue soon enough

    private const long SilenceNsMin = Second;
    private const long LossWindowNs = Second;
    private const int FatesLeast = 24;                 // to judge a large loss by
    private const int FatesMost = 128;                 // to judge any loss by
    private const int LostRunMax = 3;                  // a longer run is an outage, which no rate avoids
    private const double LossMargin = 0.05;
    private const double LostMargin = 3;               // of few packets, three more are lost by chance easily
    private const double LossDeviations = 4;           // looked at with every ack: three would be passed by chance now and then
    private const double LossLeast = 0.04;             // what few losses so far say of a link is not much less
    private const double LossCutMost = 0.5;
    private const double OwnLossMax = 0.3;             // more than that is taken for a link's own only when a fall did not help

    private readonly int _least;
    private readonly int _most;
    private float _rate;

    // What was sent and acked since the window began, and in the one before.
    private long _windowStartNs;
    private int _windowSentBytes;
    private int _windowAckedBytes;
    private int _beforeMs;
    private int _beforeSentBytes;
    private int _beforeAckedBytes;

    // The queue.
    private int _deviationNs;                          // of round trips, over some three seconds
    private int _excessNs;
    private int _excessBeforeNs;
    private long _sampleNs;                            // when the newest round trip was measured
    private SequenceNumber _cutAt;                     // first packet sent at the rate in force: the ones before tell of an older one
    private int _cutQueueMs;
    private long _holdUntilNs;
    private bool _isLimited;

    // Losses.
    private long _lossStartNs;
    private int _lossSentBytes;
    private byte _fates;
    private byte _lost;
    private byte _lostRun;
    private bool _knowsLoss;
    private float _ownLoss;                            // what the link loses by itself
    private float _triedLoss;                          // that made the rate fall, while it is seen whether it helps
    private float _triedCut;
    private int _triedRate;                            // to be given back; 0: nothing is tried

    // Silence.
    private long _waitingSinceNs;                      // of the oldest packet that nothing newer was acked after; 0: none
    private bool _isSilent;

    /// <summary>At its highest.</summary>
    /// <param name="leastBytesPerSecond">Never below.</param>
    /// <param name="mostBytesPerSecond">Never above.</param>
    /// <param name="first">First packet.</param>
    /// <param name="nowNs">Now.</param>
    public RateControl(int leastBytesPerSecond, int mostBytesPerSecond, SequenceNumber first, long nowNs)
    {
        _most = mostBytesPerSecond;
        _least = Math.Min(leastBytesPerSecond, mostBytesPerSecond);
        _rate = mostBytesPerSecond;
        _cutAt = first;
        _windowStartNs = nowNs;
        _lossStartNs = nowNs;
        _sampleNs = nowNs;
        _deviationNs = DeviationNsMax / 2;
    }

    /// <summary>Bytes of UDP payload that may be sent a second, now.</summary>
    public readonly int BytesPerSecond => _isSilent ? _least : (int)_rate;

    /// <summary>Share of packets that the link is thought to lose whatever is sent.</summary>
    public readonly double OwnLoss => _ownLoss;

    /// <summary>A packet was sent.</summary>
    public void OnSent(int bytes, long nowNs)
    {
        _windowSentBytes += bytes;
        _lossSentBytes += bytes;
        if (_waitingSinceNs == 0)
            _waitingSinceNs = nowNs;
    }

    /// <summary>Something waits that only the rate kept from being sent.</summary>
    public void OnLimited() => _isLimited = true;

    /// <summary>Packets are newly known to be accepted.</summary>
    public void OnAcked(int bytes) => _windowAckedBytes += bytes;

    /// <summary>The fate of the next packet is known.</summary>
    public void OnFate(bool isLost)
    {
        _lostRun = isLost ? (byte)Math.Min(_lostRun + 1, LostRunMax + 1) : (byte)0;
        if (_lostRun > LostRunMax || _fates == byte.MaxValue)
            return;
        _fates++;
        _lost += isLost ? (byte)1 : (byte)0;
    }

    /// <summary>Lets time pass: notices silence.</summary>
    public void Poll(long smoothedRttNs, long nowNs)
        => _isSilent = _waitingSinceNs != 0 && nowNs - _waitingSinceNs > Math.Max(SilenceNsMin, 4 * smoothedRttNs);

    /// <summary>A newer packet than any before is acked.</summary>
    /// <param name="newest">It.</param>
    /// <param name="next">The packet to be sent next.</param>
    /// <param name="rttNs">Its round trip.</param>
    /// <param name="quality">Of the link, with that round trip in it.</param>
    /// <param name="nowNs">Now.</param>
    public void OnAdvance(SequenceNumber newest, SequenceNumber next, long rttNs, in LinkQuality quality, long nowNs)
    {
        _waitingSinceNs = newest == next - 1 ? 0 : nowNs;
        if (_isSilent)
        {
            _isSilent = false;
            _excessNs = 0;
            BeginLoss(nowNs);
            RollWindow(nowNs);
        }

        if (nowNs - _windowStartNs >= WindowNs)
            RollWindow(nowNs);
        if (newest < _cutAt)
        {
            BeginLoss(nowNs);
            return;
        }

        long queueNs = rttNs - quality.MinRttNs;
        long excessNs = queueNs - QueueNsMin - (Deviations * Math.Min(_deviationNs, DeviationNsMax));
        long deviationNs = Math.Min(Math.Abs(rttNs - quality.SmoothedRttNs), Second);
        _deviationNs += (int)(deviationNs - _deviationNs) / DeviationGain;
        long sinceNs = nowNs - _sampleNs;
        WatchQueue(next, queueNs, excessNs, quality.SmoothedRttNs, nowNs);
        if (_fates >= FatesLeast && nowNs - _lossStartNs >= LossWindowNs)
            WatchLoss(next, nowNs);
        Raise(excessNs > 0, sinceNs, nowNs);
    }

    private void WatchQueue(SequenceNumber next, long queueNs, long excessNs, long smoothedRttNs, long nowNs)
    {
        // What a late tick finds in its socket all at once was not late on the way: the newest of it counts.
        if (nowNs != _sampleNs)
            _excessBeforeNs = _excessNs;
        _sampleNs = nowNs;
        _excessNs = excessNs <= 0 ? 0 : Math.Min(_excessBeforeNs, ExcessSumNs) + (int)Math.Min(excessNs, ExcessNsMax);
        bool isDraining = nowNs < _holdUntilNs && queueNs < (_cutQueueMs * Ms * 3 / 2) + QueueNsMin;
        if (_excessNs < ExcessSumNs || isDraining)
            return;
        (double sent, double acked) = Flow(nowNs);
        double from = Math.Min(_rate, sent);
        if (from <= _least)
            return;
        double cut = Math.Clamp((double)(queueNs - _deviationNs) / Second, CutLeast, CutMost);
        double carried = acked / (1 - _ownLoss);
        // Of a rate that is not half used a first alarm takes half: it changes nothing of what is sent, and a queue that is real gives a second one.
        bool isFirst = from < _rate / 2;
        _holdUntilNs = nowNs + smoothedRttNs + (isFirst ? 0 : Math.Min((long)(queueNs / cut), DrainNsMax));
        Fall(isFirst ? _rate / 2 : Math.Clamp(carried * (1 - cut), from * (1 - CutMost) * (1 - CutMost), from * (1 - CutLeast)), next);
        _cutQueueMs = (int)(queueNs / Ms);
        _triedRate = 0;
        BeginLoss(nowNs);
    }

    private void WatchLoss(SequenceNumber next, long nowNs)
    {
        float loss = (float)_lost / _fates;
        if (_triedRate > 0)
        {
            if (_fates >= FatesMost / 2)
                JudgeTrial(loss, nowNs);
            return;
        }

        double known = Math.Max(_ownLoss, LossLeast);
        double limit = _ownLoss + LossMargin + (LossDeviations * Math.Sqrt(known * (1 - known) * ((1.0 / _fates) + (1.0 / FatesMost)))) + (LostMargin / _fates);
        double from = Math.Min(_rate, _lossSentBytes * (double)Second / (nowNs - _lossStartNs));
        if (_knowsLoss && loss > limit && from > _least)
        {
            double cut = Math.Clamp(1 - ((1 - loss + _ownLoss) * (1 - LossMargin)), CutLeast, LossCutMost);
            (_triedLoss, _triedCut, _triedRate) = (loss, (float)cut, (int)_rate);
            Fall(from * (1 - cut), next);
            BeginLoss(nowNs);
        }
        else if (_fates >= FatesMost)
        {
            if (!_knowsLoss)
                _ownLoss = (float)Math.Min(loss, OwnLossMax);
            else if (!_isLimited || loss < _ownLoss)
                _ownLoss += (loss - _ownLoss) / 4;
            _knowsLoss = true;
            BeginLoss(nowNs);
        }
    }

    // Had the loss been ours, more than before would get through of what is sent now. Half of that decides.
    private void JudgeTrial(float loss, long nowNs)
    {
        double through = 1 - _triedLoss;
        double ifOurs = Math.Min(through / (1 - _triedCut), 1 - _ownLoss);
        if (1 - loss < (through + ifOurs) / 2)
        {
            _ownLoss = (loss + _triedLoss) / 2;
            _rate = Math.Max(_rate, _triedRate);
        }

        _triedRate = 0;
        BeginLoss(nowNs);
    }

    private void Fall(double bytesPerSecond, SequenceNumber next)
    {
        _rate = (float)Math.Clamp(bytesPerSecond, _least, _rate);
        _cutAt = next;
        _excessNs = 0;
        _excessBeforeNs = 0;
    }

    private void Raise(bool isQueued, long sinceNs, long nowNs)
    {
        long ns = Math.Min(sinceNs, RaiseNsMax);
        if (_isLimited && !isQueued && nowNs >= _holdUntilNs && _triedRate == 0)
            _rate = Math.Min(_most, _rate + (Math.Min((float)_most / RaiseSeconds, _rate / RaiseSharesLeast) * ns / Second));
        _isLimited = false;
    }

    // Bytes a second that were sent and acked in the last half to whole second.
    private readonly (double Sent, double Acked) Flow(long nowNs)
    {
        double seconds = Math.Max(_beforeMs + ((nowNs - _windowStartNs) / Ms), 1) / 1e3;
        return ((_beforeSentBytes + _windowSentBytes) / seconds, (_beforeAckedBytes + _windowAckedBytes) / seconds);
    }

    private void RollWindow(long nowNs)
    {
        _beforeMs = (int)Math.Min((nowNs - _windowStartNs) / Ms, int.MaxValue);
        (_beforeSentBytes, _beforeAckedBytes) = (_windowSentBytes, _windowAckedBytes);
        (_windowSentBytes, _windowAckedBytes) = (0, 0);
        _windowStartNs = nowNs;
    }

    private void BeginLoss(long nowNs)
    {
        _lossStartNs = nowNs;
        _lossSentBytes = 0;
        _fates = 0;
        _lost = 0;
    }
}
