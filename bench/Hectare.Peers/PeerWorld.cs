using System.Numerics;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Peers;

/// <summary>The demo's world as a game with floats would write it: the same map, numbers, speeds and habits as <see cref="FarmConstants"/>.</summary>
internal static class PeerWorld
{
    public const float ExtentUnits = FarmConstants.ExtentUnitsFixed;
    public const float PlayerUnitsPerSecond = FarmConstants.PlayerUnitsPerSecondFixed;
    public const float AnimalUnitsPerSecond = FarmSchema.AnimalHalfUnitsPerSecond / 2f;

    /// <summary>How far a player sees: the enter radius of Hectare's zone.</summary>
    public static readonly float SightUnits = new ReplicationOptions().EnterRadiusUnits;

    public static readonly float PlayerRadiusUnits = (float)Units.ToDouble(FarmConstants.PlayerRadiusFixed);
    public static readonly float AnimalRadiusUnits = (float)Units.ToDouble(FarmConstants.AnimalRadiusFixed);

    private const int TriesMax = 1_000;

    /// <summary>Animals there are.</summary>
    public static int AnimalCount { get; } = new FarmOptions().Animals;

    /// <summary>Somewhere on the map where nothing blocks.</summary>
    public static Vector2 Place(ref SeededRandom random, in TileView map, float radius)
    {
        for (int tries = 0; tries < TriesMax; tries++)
        {
            var place = new Vector2((float)(random.NextDouble() * map.Width), (float)(random.NextDouble() * map.Height));
            if (!Blocks(in map, place, radius))
                return place;
        }

        throw new InvalidOperationException($"no free place found in {TriesMax} tries");
    }

    /// <summary>One step of a walker; a tile in the way stops it on that axis. Steps are shorter than a tile.</summary>
    public static Vector2 Walk(in TileView map, Vector2 from, Vector2 step, float radius)
    {
        if (step == Vector2.Zero)
            return from;
        Vector2 along = from + new Vector2(step.X, 0);
        if (step.X != 0 && Blocks(in map, along, radius))
            along = from;
        Vector2 across = along + new Vector2(0, step.Y);
        return step.Y != 0 && Blocks(in map, across, radius) ? along : across;
    }

    /// <summary>What an animal wants after a tick: mostly what it wanted before.</summary>
    public static Vector2 Wander(ref SeededRandom random, Vector2 wish, int tickRate)
    {
        if (!random.NextBool(FarmConstants.AnimalTurnsPerSecondFixed / tickRate))
            return wish;
        bool rests = wish != Vector2.Zero && random.Next(0, FarmConstants.AnimalRestOneIn) == 0;
        return rests ? Vector2.Zero : Towards((byte)random.Next(0, Directions.Count));
    }

    /// <summary>What a player wants, length 0 or 1.</summary>
    public static Vector2 WishOf(Intent intent) => intent.IsRest ? Vector2.Zero : Towards(intent.Direction);

    private static Vector2 Towards(byte direction) => new Vector2(Directions.Cosine[direction], Directions.Sine[direction]) / Directions.Scale;

    private static bool Blocks(in TileView map, Vector2 centre, float radius)
    {
        int left = (int)MathF.Floor(centre.X - radius), right = (int)MathF.Floor(centre.X + radius);
        int top = (int)MathF.Floor(centre.Y - radius), bottom = (int)MathF.Floor(centre.Y + radius);
        for (int y = top; y <= bottom; y++)
        {
            for (int x = left; x <= right; x++)
            {
                if (map.Blocks(x, y))
                    return true;
            }
        }

        return false;
    }
}
