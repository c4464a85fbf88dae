namespace Hectare.Protocol;

/// <summary>What a client wants of its avatar for one tick. Quantised before it is simulated, so that server and prediction run the same values.</summary>
/// <remarks>Equality decides what "the same as before" is: one bit on the wire.</remarks>
/// <typeparam name="TSelf">The game's input; a plain struct.</typeparam>
public interface IInput<TSelf> : IEquatable<TSelf>
    where TSelf : struct, IInput<TSelf>
{
    /// <summary>Wanting nothing: what runs for a client that has fallen silent, and what a message's first input is coded against.</summary>
    static abstract TSelf Neutral { get; }

    /// <summary>Writes it against the input of the tick before; a first bit of 1 and nothing more when they are equal.</summary>
    static abstract void Write(ref BitWriter writer, in TSelf value, in TSelf previous);

    /// <summary>Reads what <see cref="Write"/> wrote against the same <paramref name="previous"/>.</summary>
    /// <returns>False when bits run out or a value is out of range; the reader is then spent.</returns>
    static abstract bool TryRead(ref BitReader reader, in TSelf previous, out TSelf value);
}
