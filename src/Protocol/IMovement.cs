namespace Hectare.Protocol;

/// <summary>A round body at rest that stands in the way; 1/4,096 unit.</summary>
public readonly record struct Body(int X, int Y, int Radius);

/// <summary>The bodies that stand in a mover's way: the zone's grid on the server, what the replica knows on a client.</summary>
/// <remarks>Implemented by structs and taken as a type parameter, so that the call is compiled in.</remarks>
public interface IBodies
{
    /// <summary>Every body that touches the circle of <paramref name="reach"/> around a point goes to <paramref name="found"/>; others may too.</summary>
    /// <returns>How many were put there. What does not fit is left out: so many do not stand in one place.</returns>
    int Near(int x, int y, int reach, Span<Body> found);
}

/// <summary>A place without bodies.</summary>
public readonly struct NoBodies : IBodies
{
    /// <inheritdoc/>
    public int Near(int x, int y, int reach, Span<Body> found) => 0;
}

/// <summary>Where a mover is and how it last moved; what a step changes.</summary>
/// <param name="X">1/4,096 unit.</param>
/// <param name="Y">1/4,096 unit.</param>
/// <param name="Intent">What the newest step used; rest when it did not want to move.</param>
public record struct MoverState(int X, int Y, Intent Intent);

/// <summary>One step of an avatar: the same code on the server and in a client's prediction. Integers only, so that both agree to the bit.</summary>
/// <remarks>Implemented by structs that hold the kind's numbers. A step depends on nothing but its arguments.</remarks>
/// <typeparam name="TInput">The game's input.</typeparam>
/// <typeparam name="TState">What a step reads and changes: <see cref="MoverState"/>, or the game's own.</typeparam>
public interface IMovement<TInput, TState>
    where TInput : struct, IInput<TInput>
    where TState : struct
{
    /// <summary>Moves <paramref name="state"/> on by one tick.</summary>
    void Step<TTiles, TBodies>(in TInput input, ref TState state, in TTiles tiles, ref TBodies bodies)
        where TTiles : ITiles
        where TBodies : struct, IBodies;
}
