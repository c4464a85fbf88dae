using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>Which tick the player's inputs are for: ahead of the server by the way there and a little slack, steered by how early they arrive.</summary>
/// <remarks>
/// Each margin that the server tells belongs to inputs sent with a lead of then; margin - lead of then is what a lead of zero would have had, so
/// corrections already on their way are not made twice. The worst of the last margins decides: up at once, down slowly.
/// </remarks>
internal struct InputClock
{
    private const int LeadsMax = 64;
    private const int MarginsMax = 16;
    private const double SlackTicks = 2;
    private const double MarginWanted = 1;
    private const double LeadMax = 60;
    private const double FallTicksPerTick = 0.02;

    private readonly float[] _leads;
    private readonly float[] _margins;
    private int _marginCount;
    private double _lead;
    private Tick _newestTold;

    public InputClock()
    {
        _leads = new float[LeadsMax];
        _margins = new float[MarginsMax];
    }

    /// <summary>True once the first input tick was set.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>The newest input tick.</summary>
    public Tick Tick { get; private set; }

    /// <summary>Ticks ahead of the estimate of the server's tick.</summary>
    public readonly double LeadTicks => _lead;

    /// <summary>Asks for its memory.</summary>
    public readonly void Prefetch()
    {
        Protocol.Prefetch.Length(_leads);
        Protocol.Prefetch.Element(_leads, (int)(Tick.Value % LeadsMax));
        Protocol.Prefetch.Length(_margins);
    }

    /// <summary>The first tick: by the round trip alone.</summary>
    public void Start(double serverTick, long leastRoundTripNs, long tickLengthNs)
    {
        IsRunning = true;
        _lead = Math.Min(LeadMax, SlackTicks + (leastRoundTripNs / 2.0 / tickLengthNs));
        Tick = WholeTick(serverTick + _lead);
        _newestTold = Tick;
        Remember();
    }

    /// <summary>How many ticks are due now beyond the newest; not below 0: a tick's input is never taken back.</summary>
    public readonly int TicksDue(double serverTick) => Math.Max(0, WholeTick(serverTick + _lead) - Tick);

    /// <summary>Time until the tick <paramref name="ticks"/> after the newest is due, ns; as the lead is now.</summary>
    public readonly long DueInNs(double serverTick, int ticks, long tickLengthNs)
    {
        double due = serverTick + _lead, whole = Math.Floor(due);
        return (long)Math.Ceiling(((Tick + ticks) - WholeTick(due) - (due - whole)) * tickLengthNs);
    }

    /// <summary>To the next tick.</summary>
    public void Advance()
    {
        Tick = Tick.Next;
        Remember();
        _lead = Math.Max(0, Lowered());
    }

    /// <summary>After a pause longer than any server waits: to the tick that is due.</summary>
    public void Skip(int ticks) => Tick += ticks;

    /// <summary>The server told how early the input of a tick came.</summary>
    public void OnMargin(Tick inputTick, int marginTicks)
    {
        int age = Tick - inputTick;
        if (age is < 0 or >= LeadsMax || inputTick <= _newestTold)
            return;
        _newestTold = inputTick;
        _margins[_marginCount++ % MarginsMax] = marginTicks - _leads[inputTick.Value % LeadsMax];
        _lead = Math.Clamp(Math.Max(_lead, Wanted()), 0, LeadMax);
    }

    private readonly double Wanted()
    {
        double worst = double.MaxValue;
        for (int i = Math.Max(0, _marginCount - MarginsMax); i < _marginCount; i++)
            worst = Math.Min(worst, _margins[i % MarginsMax]);
        return MarginWanted - worst;
    }

    private readonly double Lowered() => _marginCount < MarginsMax ? _lead : Math.Max(Math.Min(_lead, Wanted()), _lead - FallTicksPerTick);

    private readonly void Remember() => _leads[Tick.Value % LeadsMax] = (float)_lead;

    private static Tick WholeTick(double tick) => new((uint)(long)Math.Floor(tick));
}
