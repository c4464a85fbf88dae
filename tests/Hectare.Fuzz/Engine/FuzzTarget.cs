using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>One reader under fuzz: how a valid input is made, how a broken one is mended, and what must hold when it is read.</summary>
/// <remarks>An input is complete in itself: a run of it depends on nothing that was run before, so a file replays it.</remarks>
internal abstract class FuzzTarget(string name, string reads)
{
    /// <summary>As on the command line, and the name of its folder in the corpus.</summary>
    public string Name { get; } = name;

    /// <summary>What it reads, for people.</summary>
    public string Reads { get; } = reads;

    /// <summary>Readers of <c>src/</c> that it calls, as <c>Type.Method</c>: every reader must stand in one target's list.</summary>
    public required string[] Readers { get; init; }

    /// <summary>Longest input, bytes.</summary>
    public virtual int InputBytesMax => 1200;

    /// <summary>False for inputs that are a seed: bytes changed in them would say nothing.</summary>
    public virtual bool IsMutable => true;

    /// <summary>Bytes that an input may allocate. 0 for all that a stranger can send.</summary>
    public virtual long AllocatedBytesMax(ReadOnlySpan<byte> input) => 0;

    /// <summary>Time that an input may take, ms. What is slower three times in a row fails.</summary>
    public virtual int SlowMs => 50;

    /// <summary>Makes what generated inputs are taken from. Once, before the first input.</summary>
    public virtual void Begin()
    {
    }

    /// <summary>Writes a valid input.</summary>
    /// <returns>Its bytes.</returns>
    public abstract int Generate(ref SeededRandom random, Span<byte> destination);

    /// <summary>Breaks an input. A target that knows where its parts begin breaks one of them, so that the others are still read.</summary>
    /// <param name="random">The stream of this input.</param>
    /// <param name="work">The input, with room behind it.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>Its bytes then.</returns>
    public virtual int Break(ref SeededRandom random, Span<byte> work, int length) => Mutator.Mutate(ref random, work, length);

    /// <summary>Makes checksums and lengths of a mutated input fit again, so that the reader looks behind them.</summary>
    public virtual void Repair(ref SeededRandom random, Span<byte> input)
    {
    }

    /// <summary>Inputs worth keeping that <see cref="Generate"/> seldom makes: limits, empty ones. For the corpus.</summary>
    public virtual IEnumerable<byte[]> EdgeCases() => [];

    /// <summary>Reads an input and checks what must hold.</summary>
    /// <param name="input">May be changed (packets are opened in place).</param>
    /// <exception cref="PropertyException">Something that must hold does not.</exception>
    public abstract RunResult Run(Span<byte> input);

    /// <summary>What led to the failure of the last run, for its report; null when the input says it all.</summary>
    public virtual string? Story() => null;
}

/// <summary>What one run came to.</summary>
/// <param name="Inputs">Inputs it counts for: 1, or the datagrams of an episode.</param>
/// <param name="Accepted">Those of them that the reader took.</param>
internal readonly record struct RunResult(int Inputs, int Accepted)
{
    public static readonly RunResult Refused = new(1, 0);

    public static readonly RunResult Taken = new(1, 1);

    public static RunResult Of(bool accepted) => accepted ? Taken : Refused;
}

/// <summary>A property that must hold for every input does not.</summary>
internal sealed class PropertyException(string message) : Exception(message);

/// <summary>Checks of targets.</summary>
internal static class Property
{
    /// <summary>Ends the run of an input in which <paramref name="condition"/> is false.</summary>
    /// <exception cref="PropertyException">It is.</exception>
    public static void Holds([DoesNotReturnIf(false)] bool condition, string what)
    {
        if (!condition)
            throw new PropertyException(what);
    }

    /// <summary>As the other; the text is made only when it is needed.</summary>
    /// <exception cref="PropertyException">It is.</exception>
    public static void Holds([DoesNotReturnIf(false)] bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] ref PropertyText what)
    {
        if (!condition)
            throw new PropertyException(what.ToString());
    }
}

/// <summary>What <c>$"..."</c> becomes when it is given to <see cref="Property"/>: nothing, as long as the property holds.</summary>
[InterpolatedStringHandler]
internal ref struct PropertyText
{
    private DefaultInterpolatedStringHandler _text;
    private readonly bool _isNeeded;

    public PropertyText(int literalLength, int formattedCount, bool condition, out bool isNeeded)
    {
        _isNeeded = isNeeded = !condition;
        _text = isNeeded ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public override string ToString() => _isNeeded ? _text.ToStringAndClear() : "";
}
