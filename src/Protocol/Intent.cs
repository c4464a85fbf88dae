using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>What a mover wants: one of 256 directions, a magnitude 0 to 15 and a speed class 0 to 3, in 14 bits. Quantised before it is simulated.</summary>
/// <remarks>bits 0-7 direction, 8-11 magnitude, 12-13 speed class. Magnitude 0 is rest and always written as <see cref="Rest"/>.</remarks>
public readonly record struct Intent
{
    /// <summary>Bits of <see cref="Code"/>.</summary>
    public const int Bits = 14;

    /// <summary>Full speed.</summary>
    public const int MagnitudeMax = 15;

    /// <summary>Standing still.</summary>
    public static readonly Intent Rest;

    /// <summary>The intent's 14 bits.</summary>
    public ushort Code { get; }

    /// <summary>Any 14 bits; magnitude 0 becomes <see cref="Rest"/>.</summary>
    public Intent(int code) => Code = (ushort)((code & 0xF00) == 0 ? 0 : code & 0x3FFF);

    /// <summary>From its parts.</summary>
    public Intent(byte direction, int magnitude, int speedClass = 0)
        : this(direction | ((magnitude & 15) << 8) | ((speedClass & 3) << 12))
    {
    }

    /// <summary>0 to 255, see <see cref="Directions"/>.</summary>
    public byte Direction => (byte)Code;

    /// <summary>0 (rest) to 15 (full speed).</summary>
    public int Magnitude => (Code >> 8) & 15;

    /// <summary>Index into the kind's speeds.</summary>
    public int SpeedClass => Code >> 12;

    /// <summary>True when nothing is wanted.</summary>
    public bool IsRest => Code == 0;

    /// <summary>The displacement of one tick, in 1/4,096 unit, at <paramref name="speed"/> 1/4,096 unit a tick; rounded toward minus infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (int X, int Y) Velocity(int speed)
    {
        if (IsRest)
            return (0, 0);
        long scaled = (long)speed * Magnitude;
        return ((int)Units.FloorDivide(Directions.Cosine[Direction] * scaled, Directions.Scale * MagnitudeMax),
            (int)Units.FloorDivide(Directions.Sine[Direction] * scaled, Directions.Scale * MagnitudeMax));
    }
}
