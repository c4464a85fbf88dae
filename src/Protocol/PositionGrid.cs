using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>The grid that positions are published on: a power of two of units across, a power of two of quanta per axis.</summary>
/// <remarks>Default 2,048 units at 16 bits: a quantum of 1/32 unit, an error of at most 1/64 unit, half a pixel for sprites of 16 pixels a unit:
/// never visible. A quantum is drawn at its centre.</remarks>
public sealed class PositionGrid
{
    internal PositionGrid(int extentUnits, int bits)
    {
        if (extentUnits is < 64 or > 32_768 || !BitOperations.IsPow2(extentUnits))
            throw new SchemaException($"extent {extentUnits}: must be a power of two from 64 to 32768 units");
        if (bits is < 8 or > 18)
            throw new SchemaException($"position bits {bits}: must be from 8 to 18");
        int quantumShift = BitOperations.Log2((uint)extentUnits) + Units.Shift - bits;
        if (quantumShift < 1)
            throw new SchemaException($"position bits {bits} over {extentUnits} units: finer than the world's own 1/4096 unit; use fewer bits");
        ExtentUnits = extentUnits;
        Bits = bits;
        QuantumShift = quantumShift;
        QuantaMax = (1 << bits) - 1;
    }

    /// <summary>World size per axis, units; positions run from 0 to this.</summary>
    public int ExtentUnits { get; }

    /// <summary>Bits per axis on the wire.</summary>
    public int Bits { get; }

    /// <summary>log2 of a quantum in 1/4,096 unit.</summary>
    public int QuantumShift { get; }

    /// <summary>Largest quantum index.</summary>
    public int QuantaMax { get; }

    /// <summary>A quantum in 1/4,096 unit.</summary>
    public int Quantum => 1 << QuantumShift;

    /// <summary>The largest error of a published position, units per axis.</summary>
    public double ErrorMaxUnits => Quantum / 2.0 / Units.One;

    /// <summary>The quantum that holds a position; outside the world it is clamped, never wrapped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Quantize(int position) => Math.Clamp(position >> QuantumShift, 0, QuantaMax);

    /// <summary>The centre of a quantum, 1/4,096 unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Dequantize(int quantum) => (quantum << QuantumShift) + (Quantum >> 1);
}
