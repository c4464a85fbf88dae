using System.Numerics;

namespace Hectare.Protocol;

/// <summary>A random stream of our own (xoshiro256**, seeded by splitmix64): the same seed gives the same draws on every runtime.</summary>
/// <remarks>For simulations, links and generated worlds; never for secrets. A mutable struct: keep it in a field that is not readonly, pass it by ref.</remarks>
public struct SeededRandom
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;

    /// <summary>Starts the stream of <paramref name="seed"/>; near seeds give unrelated streams.</summary>
    public SeededRandom(ulong seed)
    {
        _a = SplitMix(ref seed);
        _b = SplitMix(ref seed);
        _c = SplitMix(ref seed);
        _d = SplitMix(ref seed);
    }

    /// <summary>Mixes two values into a seed, so that a part of a simulation can have a stream that does not depend on who drew before it.</summary>
    public static ulong MixSeed(ulong seed, ulong salt)
    {
        ulong state = seed ^ BitOperations.RotateLeft(salt * 0xD6E8FEB86659FD93, 32);
        return SplitMix(ref state);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64()
    {
        ulong result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        ulong shifted = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= shifted;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [<paramref name="min"/>, <paramref name="max"/>); min when the range is empty.</summary>
    public int Next(int min, int max)
    {
        Contract.Assert(min <= max);
        ulong range = (ulong)((long)max - min);
        // The bias of multiply-and-shift is below 2^-32: of no account in a simulation, and one draw always costs one step.
        return (int)(min + (long)(((NextUInt64() >> 32) * range) >> 32));
    }

    /// <summary>Uniform in [<paramref name="min"/>, <paramref name="max"/>); min when the range is empty.</summary>
    public long Next(long min, long max)
    {
        Contract.Assert(min <= max);
        return min + (long)Math.BigMul(NextUInt64(), (ulong)(max - min), out _);
    }

    /// <summary>True with probability <paramref name="share"/>. Draws nothing when the share is zero or less.</summary>
    public bool NextBool(double share) => share > 0 && NextDouble() < share;

    /// <summary>Exponential with the given mean: the time to the next event of a Poisson process.</summary>
    /// <remarks>Goes through <see cref="Math.Log(double)"/>, whose last bit may differ between runtimes; integers and <see cref="NextDouble"/> never do.</remarks>
    public double NextExponential(double mean) => -Math.Log(1.0 - NextDouble()) * mean;

    private static ulong SplitMix(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
