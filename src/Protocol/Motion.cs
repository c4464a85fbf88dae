using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>Published motion: where an entity was at a tick and how it goes on from there. Everyone extrapolates it alike.</summary>
/// <param name="X">Position at <paramref name="T0"/>, 1/4,096 unit: the centre of a quantum.</param>
/// <param name="Y">As X.</param>
/// <param name="VelocityX">Displacement of one tick, 1/4,096 unit.</param>
/// <param name="VelocityY">As VelocityX.</param>
/// <param name="T0">The tick at which it was at (X, Y).</param>
/// <param name="Sampled">Pushed about: the client interpolates between these instead of extrapolating exactly.</param>
public readonly record struct PublishedMotion(int X, int Y, int VelocityX, int VelocityY, Tick T0, bool Sampled)
{
    /// <summary>True when it stands still for good: its T0 then says nothing and does not travel.</summary>
    public bool IsRest => VelocityX == 0 && VelocityY == 0 && !Sampled;

    /// <summary>The position at a whole tick, 1/4,096 unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (int X, int Y) At(Tick tick)
    {
        int ticks = tick - T0;
        return (X + (VelocityX * ticks), Y + (VelocityY * ticks));
    }
}

/// <summary>The motion word: word 0 of the record of a kind with motion, and what the bits in it mean.</summary>
/// <remarks>
/// bits 0-17 quantum x, 18-35 quantum y, 36-59 velocity, 60 escape, 61 sampled.
/// Velocity is an <see cref="Intent"/> times the kind's speed class (14 bits), or, with escape set, 2 x 12 bits signed in 1/4,096 unit a tick
/// (slides, pushes). A velocity that an intent can say is never escaped; rest is zero.
/// </remarks>
public static class Motion
{
    /// <summary>Bits of an escaped velocity.</summary>
    public const int VelocityBits = 24;

    /// <summary>Largest velocity component, 1/4,096 unit a tick.</summary>
    public const int ComponentMax = 2047;

    private const int YShift = 18;
    private const int VelocityShift = 36;
    private const ulong QuantumMask = (1UL << YShift) - 1;
    private const ulong VelocityMask = (1UL << VelocityBits) - 1;
    private const ulong EscapeBit = 1UL << 60;
    private const ulong SampledBit = 1UL << 61;

    /// <summary>A motion word whose velocity is an intent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Pack(int quantumX, int quantumY, Intent intent) => (uint)quantumX | ((ulong)(uint)quantumY << YShift) | ((ulong)intent.Code << VelocityShift);

    /// <summary>A motion word whose velocity is 2 x 12 bits; components are clamped to +-<see cref="ComponentMax"/>.</summary>
    public static ulong PackEscape(int quantumX, int quantumY, int velocityX, int velocityY, bool sampled)
    {
        // Rest has one word only: an escaped zero would hash differently.
        ulong code = EscapeCode(velocityX, velocityY);
        ulong place = (uint)quantumX | ((ulong)(uint)quantumY << YShift);
        return code == 0 && !sampled ? place : place | (code << VelocityShift) | EscapeBit | (sampled ? SampledBit : 0);
    }

    /// <summary>24 bits of an escaped velocity, x in the low 12.</summary>
    public static ulong EscapeCode(int velocityX, int velocityY)
        => ((ulong)Math.Clamp(velocityX, -ComponentMax, ComponentMax) & 0xFFF) | (((ulong)Math.Clamp(velocityY, -ComponentMax, ComponentMax) & 0xFFF) << 12);

    /// <summary>The components of 24 bits.</summary>
    public static (int X, int Y) FromEscapeCode(uint code) => ((int)(code << 20) >> 20, (int)(code << 8) >> 20);

    /// <summary>Quantum x of a motion word.</summary>
    public static int QuantumX(ulong word) => (int)(word & QuantumMask);

    /// <summary>Quantum y of a motion word.</summary>
    public static int QuantumY(ulong word) => (int)((word >> YShift) & QuantumMask);

    /// <summary>True when the velocity is 2 x 12 bits.</summary>
    public static bool IsEscape(ulong word) => (word & EscapeBit) != 0;

    /// <summary>True when the motion is a sample.</summary>
    public static bool IsSampled(ulong word) => (word & SampledBit) != 0;

    /// <summary>The 24 velocity bits.</summary>
    public static uint VelocityCode(ulong word) => (uint)((word >> VelocityShift) & VelocityMask);

    /// <summary>True when the word says rest: its T0 does not travel.</summary>
    public static bool IsRest(ulong word) => (word & ((VelocityMask << VelocityShift) | SampledBit)) == 0;

    /// <summary>The word as motion.</summary>
    public static PublishedMotion Unpack(ulong word, Tick t0, Kind kind)
    {
        (int velocityX, int velocityY) = Velocity(word, kind);
        return new PublishedMotion(kind.Grid.Dequantize(QuantumX(word)), kind.Grid.Dequantize(QuantumY(word)), velocityX, velocityY, t0, IsSampled(word));
    }

    /// <summary>The velocity a word says, 1/4,096 unit a tick.</summary>
    public static (int X, int Y) Velocity(ulong word, Kind kind)
    {
        uint code = VelocityCode(word);
        if (IsEscape(word))
            return FromEscapeCode(code);
        var intent = new Intent((int)code);
        return intent.IsRest || intent.SpeedClass >= kind.SpeedArray.Length ? (0, 0) : intent.Velocity(kind.SpeedArray[intent.SpeedClass]);
    }
}
