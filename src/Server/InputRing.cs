using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>What became of one input.</summary>
public enum InputVerdict
{
    /// <summary>New and in time: it will be the input of its tick.</summary>
    Accepted,

    /// <summary>New, but its tick has run without it, with another input; it is only the intent that a starved tick repeats.</summary>
    Late,

    /// <summary>New, and its tick has run with just this, repeated from the one before: nothing is lost.</summary>
    AsRun,

    /// <summary>Known already: every packet repeats what is not yet acked.</summary>
    Known,

    /// <summary>Its tick is further back than the window.</summary>
    TooOld,

    /// <summary>Its tick is further ahead than the window.</summary>
    TooEarly,

    /// <summary>New ticks came faster than the simulation runs.</summary>
    TooMany,
}

/// <summary>The inputs of one peer, by tick: exactly one is taken per simulation tick, however many arrive.</summary>
/// <remarks>
/// A ring of 64 ticks around the tick that runs next, one bit each for "is here". The bucket holds tokens of new ticks, one more per tick run:
/// it limits ticks, not arrivals, so that the burst after an outage passes and a client that runs fast does not.
/// </remarks>
internal sealed class InputRing<TInput>
    where TInput : struct, IInput<TInput>
{
    /// <summary>Widest window: 31 ticks either way and the tick itself are 63 different places of 64.</summary>
    public const int WindowTicksMax = 31;

    private const int Slots = 64;

    private readonly int _windowTicks;
    private readonly int _burstTicks;
    private readonly int _repeatTicks;
    private readonly TInput[]? _every;      // Fault08: each input is applied when it comes
    private ulong _here;                    // bit of tick & 63
    private int _tokens;
    private int _everyCount;
    private TInput _last;                   // the newest input whose tick has run
    private Tick _newest;

    public InputRing(int windowTicks, int burstTicks, int repeatTicks, bool applyEveryInput = false)
    {
        Contract.Assert(windowTicks is >= 1 and <= WindowTicksMax);
        _windowTicks = windowTicks;
        _burstTicks = burstTicks;
        _repeatTicks = repeatTicks;
        _every = applyEveryInput ? new TInput[Slots] : null;
    }

    /// <summary>Most inputs that <see cref="TakeAll"/> gives.</summary>
    public const int EveryMax = Slots;

    /// <summary>Bytes of a ring without its inputs, for <see cref="Protocol.Prefetch.Object"/>.</summary>
    public const int ObjectBytes = 64;

    /// <summary>Asks for the memory of the tick that runs next.</summary>
    public void Prefetch() => Protocol.Prefetch.Line(ref _inputs[(int)(Next.Value % Slots)]);

    public long MemoryBytes => (Slots + (_every?.LongLength ?? 0)) * Unsafe.SizeOf<TInput>() + 96;

    /// <summary>The tick that runs next.</summary>
    public Tick Next { get; private set; }

    /// <summary>True once an input's tick has run.</summary>
    public bool HasInput { get; private set; }

    /// <summary>Newest tick, not after the one that ran last, whose input is here.</summary>
    public Tick InputTick { get; private set; }

    /// <summary>True once any input came.</summary>
    public bool HasNewest { get; private set; }

    /// <summary>How many ticks before its need the newest input arrived; 0 just in time, negative late. Within -127 to 127.</summary>
    public sbyte MarginTicks { get; private set; }

    /// <summary>Empty, for a peer whose first tick will be <paramref name="next"/>.</summary>
    public void Reset(Tick next)
    {
        Next = next;
        ((Span<TInput>)_inputs).Fill(TInput.Neutral);
        _here = 0;
        _tokens = _burstTicks;
        _everyCount = 0;
        _last = TInput.Neutral;
        HasInput = false;
        HasNewest = false;
        MarginTicks = 0;
    }

    /// <summary>Takes the input of one tick in, or says why not.</summary>
    public InputVerdict Add(Tick tick, in TInput input)
    {
        if (_every is not null)
            return AddEvery(tick, input);
        int ahead = tick - Next;
        if (ahead > _windowTicks)
            return InputVerdict.TooEarly;
        if (ahead < -_windowTicks)
            return InputVerdict.TooOld;
        ulong bit = 1UL << (int)(tick.Value % Slots);
        if ((_here & bit) != 0)
            return InputVerdict.Known;
        if (_tokens == 0)
            return InputVerdict.TooMany;
        _tokens--;
        _here |= bit;
        // A packet every 100 ms carries ticks that have run by repetition: where that was what the player held, nothing came too late.
        bool isAsRun = ahead < 0 && input.Equals(_inputs[(int)(tick.Value % Slots)]);
        _inputs[(int)(tick.Value % Slots)] = input;
        Measure(tick);
        if (ahead >= 0)
            return InputVerdict.Accepted;
        if (!HasInput || tick > InputTick)
            Ran(tick, input);
        return isAsRun ? InputVerdict.AsRun : InputVerdict.Late;
    }

    /// <summary>The one input of tick <see cref="Next"/>, which passes with this: its own; else the last one, for a while; else neutral.</summary>
    /// <returns>True when it is the tick's own.</returns>
    public bool Take(out TInput input)
    {
        Tick tick = Next;
        ulong bit = 1UL << (int)(tick.Value % Slots);
        bool own = (_here & bit) != 0;
        if (own)
            Ran(tick, _inputs[(int)(tick.Value % Slots)]);
        input = HasInput && tick - InputTick <= _repeatTicks ? _last : TInput.Neutral;
        _inputs[(int)(tick.Value % Slots)] = input;
        Next = tick.Next;
        // The place of the tick that the window now reaches was used 64 ticks ago.
        _here &= ~(1UL << (int)((tick.Value + (Slots / 2)) % Slots));
        _tokens = Math.Min(_tokens + 1, _burstTicks);
        return own;
    }

    /// <summary>Fault08 only: every input since the last call, in order of arrival. A sender of 60 a second is moved 60 times a second.</summary>
    public int TakeAll(Span<TInput> inputs)
    {
        int count = _everyCount;
        _every.AsSpan(0, count).CopyTo(inputs);
        _everyCount = 0;
        Next = Next.Next;
        return count;
    }

    private InputVerdict AddEvery(Tick tick, in TInput input)
    {
        if ((HasNewest && tick <= _newest) || _everyCount == Slots)
            return InputVerdict.Known;
        _every![_everyCount++] = input;
        Measure(tick);
        Ran(tick, input);
        return InputVerdict.Accepted;
    }

    private void Measure(Tick tick)
    {
        if (HasNewest && tick <= _newest)
            return;
        _newest = tick;
        HasNewest = true;
        MarginTicks = (sbyte)Math.Clamp(tick - Next, -127, 127);
    }

    private void Ran(Tick tick, in TInput input)
    {
        _last = input;
        InputTick = tick;
        HasInput = true;
    }

    // Last, because fields lie in this order: what every tick wants is together before it. What came for a tick to run; what ran, of one that has.
    private Ring _inputs;

    [InlineArray(Slots)]
    private struct Ring
    {
        private TInput _first;
    }
}
