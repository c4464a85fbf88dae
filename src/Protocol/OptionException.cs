namespace Hectare.Protocol;

/// <summary>An option that cannot be: its name, the value given and what is allowed. Raised once, at start; never on the tick or packet path.</summary>
public sealed class OptionException(string name, string value, string range) : Exception($"{name} is {value}; allowed: {range}")
{
    /// <summary>The option as it is written in code, such as <c>TickRate</c>.</summary>
    public string Name { get; } = name;

    /// <summary>What was given.</summary>
    public string Value { get; } = value;

    /// <summary>What is allowed, in words or as "low to high unit".</summary>
    public string Range { get; } = range;

    /// <summary>Throws unless <paramref name="value"/> lies between <paramref name="low"/> and <paramref name="high"/>, both included.</summary>
    /// <exception cref="OptionException">It does not.</exception>
    public static void Check(string name, long value, long low, long high, string unit = "")
    {
        if (value < low || value > high)
            throw new OptionException(name, FormattableString.Invariant($"{value}"), FormattableString.Invariant($"{low} to {high} {unit}").TrimEnd());
    }
}
