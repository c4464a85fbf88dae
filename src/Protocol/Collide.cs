using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>A circle that moves against tiles and against circles at rest. Integers only (1/4,096 unit): the same on every runtime.</summary>
/// <remarks>
/// Push-out: the circle is moved, then put out of what it has entered, deepest first, by the shortest way; so it slides along walls and around
/// corners and trunks. What cannot be resolved is undone, first one axis, then both: a circle that was free is free afterwards.
/// Flush contact is free: distance == radius does not overlap.
/// </remarks>
public static class Collide
{
    /// <summary>The smallest body, 1/4,096 unit; a smaller radius counts as this. It bounds the parts into which a step is cut.</summary>
    public const int RadiusMin = 64;

    /// <summary>Contacts resolved in one step before it is undone.</summary>
    private const int RoundsMax = 6;

    /// <summary>True when a circle overlaps a tile that blocks.</summary>
    public static bool Overlaps<TTiles>(in TTiles tiles, int x, int y, int radius)
        where TTiles : ITiles
        => DeepestTile(in tiles, x, y, Math.Max(radius, RadiusMin), out _, out _);

    /// <summary>True when a circle overlaps one of <paramref name="bodies"/>.</summary>
    public static bool Overlaps(ReadOnlySpan<Body> bodies, int x, int y, int radius) => DeepestBody(bodies, x, y, Math.Max(radius, RadiusMin)) >= 0;

    /// <summary>Moves a circle by a step of at most half a unit per axis and gives where it ends.</summary>
    /// <remarks>A circle that overlaps something to begin with is pushed out; where that fails it may walk on, so that nobody is walled in for ever.</remarks>
    public static (int X, int Y) Move<TTiles>(in TTiles tiles, ReadOnlySpan<Body> bodies, int x, int y, int stepX, int stepY, int radius)
        where TTiles : ITiles
    {
        radius = Math.Max(radius, RadiusMin);
        // A step longer than the radius is cut, or a small body could pass between two tiles that touch at a corner.
        int length = Math.Max(Math.Abs(stepX), Math.Abs(stepY));
        if (length <= radius)
            return MovePart(in tiles, bodies, x, y, stepX, stepY, radius);
        int parts = ((length - 1) / radius) + 1;
        int doneX = 0, doneY = 0;
        for (int part = 1; part <= parts; part++)
        {
            int nextX = stepX * part / parts, nextY = stepY * part / parts;
            (x, y) = MovePart(in tiles, bodies, x, y, nextX - doneX, nextY - doneY, radius);
            (doneX, doneY) = (nextX, nextY);
        }

        return (x, y);
    }

    private static (int X, int Y) MovePart<TTiles>(in TTiles tiles, ReadOnlySpan<Body> bodies, int x, int y, int stepX, int stepY, int radius)
        where TTiles : ITiles
    {
        int newX = x + stepX, newY = y + stepY;
        if (TryPushOut(in tiles, bodies, ref newX, ref newY, radius))
            return (newX, newY);
        // Wedged: between a tile and a trunk, or in a gap narrower than the body.
        if (stepX != 0 && IsFree(in tiles, bodies, x + stepX, y, radius))
            return (x + stepX, y);
        if (stepY != 0 && IsFree(in tiles, bodies, x, y + stepY, radius))
            return (x, y + stepY);
        return IsFree(in tiles, bodies, x, y, radius) ? (x, y) : (x + stepX, y + stepY);
    }

    private static bool IsFree<TTiles>(in TTiles tiles, ReadOnlySpan<Body> bodies, int x, int y, int radius)
        where TTiles : ITiles
        => !DeepestTile(in tiles, x, y, radius, out _, out _) && DeepestBody(bodies, x, y, radius) < 0;

    private static bool TryPushOut<TTiles>(in TTiles tiles, ReadOnlySpan<Body> bodies, ref int x, ref int y, int radius)
        where TTiles : ITiles
    {
        for (int round = 0; round < RoundsMax; round++)
        {
            if (DeepestTile(in tiles, x, y, radius, out int tileX, out int tileY))
            {
                LeaveTile(in tiles, tileX, tileY, ref x, ref y, radius);
                continue;
            }

            int body = DeepestBody(bodies, x, y, radius);
            if (body < 0)
                return true;
            LeavePoint(bodies[body].X, bodies[body].Y, bodies[body].Radius + radius, ref x, ref y);
        }

        return false;
    }

    // Deepest first: a wall is made of many tiles, and the face in front must be left before the corner of the tile beside it is asked;
    // the other way round a walker would stumble over every joint.
    private static bool DeepestTile<TTiles>(in TTiles tiles, int x, int y, int radius, out int tileX, out int tileY)
        where TTiles : ITiles
    {
        long nearest = (long)radius * radius;
        bool found = false;
        (tileX, tileY) = (0, 0);
        int right = (x + radius) >> Units.Shift, bottom = (y + radius) >> Units.Shift;
        for (int row = (y - radius) >> Units.Shift; row <= bottom; row++)
        {
            for (int column = (x - radius) >> Units.Shift; column <= right; column++)
            {
                if (!tiles.Blocks(column, row))
                    continue;
                long awayX = x - Nearest(x, column), awayY = y - Nearest(y, row);
                long distance = (awayX * awayX) + (awayY * awayY);
                if (distance >= nearest)
                    continue;
                (nearest, found, tileX, tileY) = (distance, true, column, row);
            }
        }

        return found;
    }

    private static int DeepestBody(ReadOnlySpan<Body> bodies, int x, int y, int radius)
    {
        int deepest = -1;
        long deepestBy = 0;
        for (int i = 0; i < bodies.Length; i++)
        {
            long awayX = x - (long)bodies[i].X, awayY = y - (long)bodies[i].Y, reach = (long)bodies[i].Radius + radius;
            long by = (reach * reach) - ((awayX * awayX) + (awayY * awayY));
            if (by > deepestBy)
                (deepest, deepestBy) = (i, by);
        }

        return deepest;
    }

    private static void LeaveTile<TTiles>(in TTiles tiles, int tileX, int tileY, ref int x, ref int y, int radius)
        where TTiles : ITiles
    {
        int nearX = Nearest(x, tileX), nearY = Nearest(y, tileY);
        if (x != nearX || y != nearY)
        {
            LeavePoint(nearX, nearY, radius, ref x, ref y);
            return;
        }

        // The centre itself is inside: out through the nearest side that is open.
        int left = tileX << Units.Shift, top = tileY << Units.Shift;
        int best = int.MaxValue;
        (int outX, int outY) = (x, y);
        Consider(tiles.Blocks(tileX - 1, tileY), x - left, left - radius, y, ref best, ref outX, ref outY);
        Consider(tiles.Blocks(tileX + 1, tileY), left + Units.One - x, left + Units.One + radius, y, ref best, ref outX, ref outY);
        Consider(tiles.Blocks(tileX, tileY - 1), y - top, x, top - radius, ref best, ref outX, ref outY);
        Consider(tiles.Blocks(tileX, tileY + 1), top + Units.One - y, x, top + Units.One + radius, ref best, ref outX, ref outY);
        (x, y) = (outX, outY);
    }

    private static void Consider(bool blocked, int depth, int toX, int toY, ref int best, ref int outX, ref int outY)
    {
        if (blocked || depth >= best)
            return;
        (best, outX, outY) = (depth, toX, toY);
    }

    // To the given distance from a point, straight away from it. Rounded away from the point, so that the result never overlaps.
    private static void LeavePoint(int pointX, int pointY, int distance, ref int x, ref int y)
    {
        long awayX = x - (long)pointX, awayY = y - (long)pointY;
        if (awayX == 0 && awayY == 0)
            awayX = 1;
        long length = SquareRoot((awayX * awayX) + (awayY * awayY));
        x = pointX + AwayFromZero(awayX * distance, length);
        y = pointY + AwayFromZero(awayY * distance, length);
    }

    private static int AwayFromZero(long value, long divisor)
        => (int)(value >= 0 ? (value + divisor - 1) / divisor : -((-value + divisor - 1) / divisor));

    // The coordinate of the tile's side or inside that is nearest to a coordinate.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Nearest(int position, int tile) => Math.Clamp(position, tile << Units.Shift, (tile + 1) << Units.Shift);

    // Rounded down. Newton from above: integers only, as a square root of doubles need not round alike everywhere.
    private static long SquareRoot(long value)
    {
        if (value < 2)
            return value;
        long root = 1L << ((65 - System.Numerics.BitOperations.LeadingZeroCount((ulong)value)) >> 1);
        while (true)
        {
            long better = (root + (value / root)) >> 1;
            if (better >= root)
                return root;
            root = better;
        }
    }
}
