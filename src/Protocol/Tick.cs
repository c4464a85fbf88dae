using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>One numbered simulation step. 32 bits that wrap; ordering is by distance, so it is right across the wrap.</summary>
/// <remarks>At 30 per second it wraps after 4.5 years; two ticks compared must lie within half of that.</remarks>
public readonly record struct Tick(uint Value)
{
    /// <summary>Signed distance from <paramref name="earlier"/> to <paramref name="later"/> in ticks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int operator -(Tick later, Tick earlier) => (int)(later.Value - earlier.Value);

    /// <summary>The tick <paramref name="ticks"/> later (earlier when negative).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Tick operator +(Tick tick, int ticks) => new(tick.Value + (uint)ticks);

    /// <summary>The tick <paramref name="ticks"/> earlier.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Tick operator -(Tick tick, int ticks) => new(tick.Value - (uint)ticks);

    /// <summary>Wrap-safe: true when <paramref name="a"/> is later than <paramref name="b"/>.</summary>
    public static bool operator >(Tick a, Tick b) => a - b > 0;

    /// <summary>Wrap-safe: true when <paramref name="a"/> is earlier than <paramref name="b"/>.</summary>
    public static bool operator <(Tick a, Tick b) => a - b < 0;

    /// <summary>Wrap-safe: not earlier.</summary>
    public static bool operator >=(Tick a, Tick b) => a - b >= 0;

    /// <summary>Wrap-safe: not later.</summary>
    public static bool operator <=(Tick a, Tick b) => a - b <= 0;

    /// <summary>The next tick.</summary>
    public Tick Next => new(Value + 1);

    /// <summary>The newest tick not after <paramref name="reference"/> whose low <paramref name="bits"/> bits are <paramref name="low"/>.</summary>
    public static Tick WidenPast(uint low, int bits, Tick reference)
    {
        uint mask = (1u << bits) - 1;
        return new Tick(reference.Value - ((reference.Value - low) & mask));
    }

    /// <summary>The tick nearest to <paramref name="reference"/> whose low 16 bits are <paramref name="low"/>.</summary>
    public static Tick WidenNear(ushort low, Tick reference) => new(reference.Value + (uint)(short)(low - (ushort)reference.Value));

    /// <inheritdoc/>
    public override string ToString() => $"tick {Value}";
}
