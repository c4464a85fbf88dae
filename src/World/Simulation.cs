using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.World;

/// <summary>The step of what moves: rule, collision, grid and events, one mover after the other.</summary>
/// <remarks>
/// A tick of a world is:
/// 1. the game's step: it spawns, destroys, sets fields, and lets its movers go through <see cref="Step"/> or <see cref="Walk"/>;
/// 2. whoever is told of the world reads columns, dirty rows and events;
/// 3. <see cref="WorldState.EndTick"/>.
/// Movers do not block each other, so their order changes nothing; bodies that stand in the way are found by their own grid, never by pairs.
/// </remarks>
public static class Simulation
{
    private const int Ahead = 8;     // rows

    /// <summary>Moves each of <paramref name="rows"/> on by one tick; <paramref name="inputs"/> has one for each.</summary>
    public static void Step<TInput, TMovement>(WorldState world, in TMovement movement, ReadOnlySpan<int> rows, ReadOnlySpan<TInput> inputs)
        where TInput : struct, IInput<TInput>
        where TMovement : struct, IMovement<TInput, MoverState>
    {
        Contract.Assert(rows.Length == inputs.Length);
        for (int i = 0; i < rows.Length; i++)
        {
            if (i + Ahead < rows.Length)
                world.PrefetchWalk(rows[i + Ahead]);
            Walk(world, in movement, rows[i], in inputs[i]);
        }
    }

    /// <summary>Moves one row on by one tick: blocked by tiles and by bodies at rest, along which it slides.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Walk<TInput, TMovement>(WorldState world, in TMovement movement, int row, in TInput input)
        where TInput : struct, IInput<TInput>
        where TMovement : struct, IMovement<TInput, MoverState>
    {
        var state = new MoverState(world.X[row], world.Y[row], Intent.Rest);
        var bodies = new WorldBodies(world, row);
        movement.Step(in input, ref state, world.Ground, ref bodies);
        world.MoveTo(row, state.X, state.Y, state.Intent);
    }
}

/// <summary>The bodies at rest in a world, as one of its rows meets them.</summary>
public readonly struct WorldBodies(WorldState world, int row) : IBodies
{
    /// <inheritdoc/>
    public int Near(int x, int y, int reach, Span<Body> found) => world.BodiesNear(row, x, y, reach, found);
}
