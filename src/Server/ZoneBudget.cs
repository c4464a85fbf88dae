using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>What the whole zone may send: when its clients want more than that, each gets the same share of what it would have been sent.</summary>
/// <remarks>
/// <para>The tick thread sets two shares, of bytes and of packets, at the start of each write phase, from what was wanted and what was sent in the ticks before.
/// The groups only read them, and count what their peers want: sums of whole numbers, so their order changes nothing.</para>
/// <para>Wanted counts each piece of news once, when it is first due (<see cref="Hectare.Replication.SnapshotWriter.FreshBytes"/>). What comes out of balance (welcomes,
/// keep-alives, clients that were promised a packet) is paid back within a second. docs/decisions/0014.</para>
/// </remarks>
internal sealed class ZoneBudget
{
    /// <summary>A share of one: nothing is held back.</summary>
    public const int Whole = 1 << 16;

    private Line _bytes;
    private Line _packets;
    private Tick _tick;
    private bool _hasBegun;
    private long _shareSum;
    private long _shareTicks;

    public ZoneBudget(ZoneOptions options)
    {
        _bytes = new Line(options.BytesPerSecondMax, options.TickRate);
        _packets = new Line(options.PacketsPerSecondMax, options.TickRate);
    }

    /// <summary>True when there is one at all.</summary>
    public bool IsLimited => _bytes.IsLimited || _packets.IsLimited;

    /// <summary>True while there is less than is wanted.</summary>
    public bool IsShort => BytesAreShort || PacketsAreShort;

    /// <summary>True while there are fewer bytes than are wanted.</summary>
    public bool BytesAreShort => _bytes.Share < Whole;

    /// <summary>True while there are fewer packets than are wanted.</summary>
    public bool PacketsAreShort => _packets.Share < Whole;

    /// <summary>What a peer earns of the bytes it wants, in 1/65,536.</summary>
    public int ByteCredit => _bytes.Credit;

    /// <summary>What a peer earns of the packets it wants, in 1/65,536.</summary>
    public int PacketCredit => _packets.Credit;

    /// <summary>What of the bytes that would be sent may be, in 1/65,536.</summary>
    public int ByteShare => _bytes.Share;

    /// <summary>The smaller of both, 0 to 1.</summary>
    public double Share => (double)Math.Min(_bytes.Share, _packets.Share) / Whole;

    /// <summary>Its mean and least since <see cref="BeginWindow"/>.</summary>
    public (double Mean, double Least) Window { get; private set; } = (1, 1);

    /// <summary>Measuring begins here.</summary>
    public void BeginWindow() => (_shareSum, _shareTicks, Window) = (0, 0, (1, 1));

    /// <summary>Sets the shares of the write phase that begins. Totals since the start; bytes with 28 of IP and UDP a datagram.</summary>
    public void Begin(Tick tick, long wantedBytes, long wantedPackets, long sentBytes, long sentPackets)
    {
        int ticks = _hasBegun ? tick - _tick : 1;
        _hasBegun = true;
        _tick = tick;
        _bytes.Begin(wantedBytes, sentBytes, ticks);
        _packets.Begin(wantedPackets, sentPackets, ticks);
        _shareSum += Math.Min(_bytes.Share, _packets.Share);
        _shareTicks++;
        Window = ((double)_shareSum / _shareTicks / Whole, Math.Min(Window.Least, Share));
    }

    // Bytes, or packets. Balance and budget in 1/tickRate, so that nothing is lost by rounding.
    private struct Line(int perSecond, int tickRate)
    {
        private const int ShareLeast = Whole / 64;
        private const int Fraction = 16;        // of what is wanted or sent a tick
        private const int Smoothing = 8;        // ticks
        private const int Learning = 64;        // ticks

        private readonly long _perSecond = perSecond;
        private readonly int _tickRate = tickRate;
        private long _wanted;
        private long _sent;
        private long _wantedTotal;
        private long _sentTotal;
        private long _balance = (long)perSecond * tickRate / 4;
        private int _ratio = Whole;             // sent to wanted while there is enough: wanted is an estimate

        public readonly bool IsLimited => _perSecond != 0;

        /// <summary>Of what would be sent, what may be.</summary>
        public int Share { get; private set; } = Whole;

        /// <summary>Of what is counted as wanted, what a peer earns.</summary>
        public readonly int Credit => (int)((long)Share * _ratio / Whole);

        public void Begin(long wantedTotal, long sentTotal, int ticks)
        {
            if (_perSecond == 0)
                return;
            long wanted = wantedTotal - _wantedTotal, sent = sentTotal - _sentTotal;
            (_wantedTotal, _sentTotal) = (wantedTotal, sentTotal);
            _wanted += ((wanted * Fraction / ticks) - _wanted) / Smoothing;
            _sent += ((sent * Fraction / ticks) - _sent) / Smoothing;
            if (Share == Whole && _wanted > 0)
                _ratio += (int)(Math.Clamp(_sent * Whole / _wanted, Whole / 2, Whole * 2) - _ratio) / Learning;
            // A quarter of a second may be saved up for a burst; what was sent too much, a second of it at most, is paid back with half of what there is.
            _balance = Math.Clamp(_balance + (_perSecond * ticks) - (sent * _tickRate), -_perSecond * _tickRate, _perSecond * _tickRate / 4);
            long allowed = _perSecond + (_balance / _tickRate / 2);
            long wantedPerSecond = Math.Max(1, _wanted * _tickRate / Fraction * _ratio / Whole);
            Share = (int)Math.Clamp(allowed * Whole / wantedPerSecond, ShareLeast, Whole);
        }
    }
}

/// <summary>What one peer may still be sent of the zone's budget: it earns a share of all it would have been sent, and pays for what it is sent.</summary>
/// <remarks>A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct ShareAccount
{
    private const int SavedBytesMax = Hectare.Transport.PacketHeader.DatagramBytesMax;
    private const int OwedBytesMax = 400;    // more would be paid by silence, long after
    private const int SavedPacketsMax = 2 * ZoneBudget.Whole;
    private const int OwedPacketsMax = ZoneBudget.Whole;
    private const int WorthBytes = 192;      // a packet with less in it is half overhead
    private const int LeastBytes = 160;      // of one that cannot wait: so that nobody is ever told nothing

    private int _bytes;
    private int _packets;                    // 1/65,536

    private Tick _wantedUntil;               // packets up to then are counted
    private int _wantedTicks;                // of those, what is less than one

    /// <summary>Packets that a peer is to be sent from now on, and that were not counted before: whether they then go or not.</summary>
    /// <param name="tick">Now.</param>
    /// <param name="hasNews">There is something that no packet before had: it is repeated until it is acked, and then one says that there is no more.</param>
    /// <param name="intervalTicks">Ticks between two packets.</param>
    /// <param name="rttTicks">Round trip.</param>
    public int Wants(Tick tick, bool hasNews, int intervalTicks, int rttTicks)
    {
        if (_wantedUntil < tick)
            _wantedUntil = tick;
        else if (!hasNews)
            return 0;
        Tick until = tick + (hasNews ? rttTicks + (2 * intervalTicks) : intervalTicks);
        _wantedTicks += until - _wantedUntil;
        _wantedUntil = until;
        int packets = _wantedTicks / intervalTicks;
        _wantedTicks -= packets * intervalTicks;
        return packets;
    }

    /// <summary>A packet is due. Says how long it may be, headers included; 0: it waits.</summary>
    /// <param name="budget">The zone's.</param>
    /// <param name="wantedBytes">What became due with it that was not before.</param>
    /// <param name="wantedPackets">See <see cref="Wants"/>.</param>
    /// <param name="plannedBytes">All that it would hold.</param>
    /// <param name="mustGo">It was promised.</param>
    public int Claim(ZoneBudget budget, int wantedBytes, int wantedPackets, int plannedBytes, bool mustGo)
    {
        _bytes = (int)Math.Min(_bytes + ((long)wantedBytes * budget.ByteCredit / ZoneBudget.Whole), SavedBytesMax);
        _packets = Math.Min(_packets + (wantedPackets * budget.PacketCredit), SavedPacketsMax);
        bool mayGo = (!budget.PacketsAreShort || _packets >= ZoneBudget.Whole) && (!budget.BytesAreShort || _bytes >= Math.Min(plannedBytes, WorthBytes));
        if (!mayGo && !mustGo)
            return 0;
        return budget.BytesAreShort ? Math.Max(_bytes, LeastBytes) : int.MaxValue;
    }

    /// <summary>It went, and was that long. What could not wait is owed.</summary>
    public void Pay(int bytes)
    {
        _bytes = Math.Max(_bytes - bytes, -OwedBytesMax);
        _packets = Math.Max(_packets - ZoneBudget.Whole, -OwedPacketsMax);
    }

    /// <summary>There is enough for all: nothing is earned, nothing owed.</summary>
    public void Clear()
    {
        _bytes = 0;
        _packets = 0;
    }
}
