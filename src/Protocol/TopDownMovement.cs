namespace Hectare.Protocol;

/// <summary>The built-in rule: the intent's direction and magnitude times the kind's speed; tiles and bodies at rest block, and one slides along them.</summary>
/// <remarks>Its numbers are the kind's, so they travel with the schema. An intent of a speed class that the kind does not have is rest.</remarks>
public readonly struct TopDownMovement : IMovement<TopDownInput, MoverState>
{
    /// <summary>Bodies looked at in one step.</summary>
    private const int BodiesMax = 16;

    private readonly int[] _speeds;
    private readonly int _radius;

    /// <summary>The rule with the numbers of <paramref name="kind"/>, which has motion.</summary>
    public TopDownMovement(Kind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        Contract.Assert(kind.HasMotion);
        _speeds = kind.SpeedArray;
        _radius = kind.Radius;
    }

    /// <inheritdoc/>
    public void Step<TTiles, TBodies>(in TopDownInput input, ref MoverState state, in TTiles tiles, ref TBodies bodies)
        where TTiles : ITiles
        where TBodies : struct, IBodies
    {
        Intent intent = input.Intent;
        if (intent.SpeedClass >= _speeds.Length)
            intent = Intent.Rest;
        state.Intent = intent;
        if (intent.IsRest)
            return;
        (int stepX, int stepY) = intent.Velocity(_speeds[intent.SpeedClass]);
        Span<Body> found = stackalloc Body[BodiesMax];
        int reach = _radius + Math.Max(Math.Abs(stepX), Math.Abs(stepY));
        int count = bodies.Near(state.X + stepX, state.Y + stepY, reach, found);
        (state.X, state.Y) = Collide.Move(in tiles, found[..count], state.X, state.Y, stepX, stepY, _radius);
    }
}
