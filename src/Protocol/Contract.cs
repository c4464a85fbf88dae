using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>Assertions on our own calls, never on wire bytes. On in tests, off (and compiled away by the JIT) elsewhere.</summary>
/// <remarks>The runtime switch <c>Hectare.Contracts</c> turns them on; the test projects set it. A static readonly false is a constant to
/// the second compilation tier, so that the figures come from the same binaries as the tests (docs/decisions/0002).</remarks>
public static class Contract
{
    /// <summary>True when the switch <c>Hectare.Contracts</c> is set.</summary>
    public static readonly bool Enabled = AppContext.TryGetSwitch("Hectare.Contracts", out bool on) && on;

    /// <summary>Throws <see cref="ContractException"/> when contracts are on and <paramref name="condition"/> is false.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Assert([DoesNotReturnIf(false)] bool condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        if (Enabled && !condition)
            Throw(what);
    }

    [DoesNotReturn]
    private static void Throw(string what) => throw new ContractException($"contract broken: {what}");
}

/// <summary>A promise between two parts of Hectare was broken: a defect of ours, never of a peer.</summary>
public sealed class ContractException(string message) : Exception(message);
