using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>The fixed-point world: every position and velocity that two machines must agree on is an integer.</summary>
/// <remarks>One unit is 4,096 steps. Integers only, rounding toward minus infinity: three runtimes and a stranger's client must agree to the bit.</remarks>
public static class Units
{
    /// <summary>Fixed-point steps in one unit.</summary>
    public const int One = 4096;

    /// <summary>log2 of <see cref="One"/>.</summary>
    public const int Shift = 12;

    /// <summary>A float in units as fixed point, rounded to nearest. For set-up and drawing; the simulation never converts.</summary>
    public static int FromFloat(double units) => (int)Math.Floor((units * One) + 0.5);

    /// <summary>Fixed point as units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ToDouble(int fixedPoint) => fixedPoint / (double)One;

    /// <summary>Quotient rounded toward minus infinity; the divisor is positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long FloorDivide(long value, long divisor)
    {
        long quotient = value / divisor;
        return (value % divisor) < 0 ? quotient - 1 : quotient;
    }
}
