using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Farm;

/// <summary>Where things begin: free tiles for what grows, free places for who walks, by workload.</summary>
/// <remarks>Integers and draws of one seeded stream only, so a world is the same on every machine.</remarks>
internal sealed class FarmPlaces
{
    private const int TriesMax = 1_000;
    private const int TownApartUnits = 200;
    private const int TownEdgeUnits = 100;

    // Zipf with exponent 1 in integers: a multiple of every number from 1 to 20, so that each town's share is exact.
    private const int ZipfWhole = 232_792_560;

    private readonly FarmWorkload _workload;
    private readonly bool[] _taken = new bool[FarmMap.SideTiles * FarmMap.SideTiles];
    private readonly (int X, int Y)[] _towns = new (int X, int Y)[FarmConstants.TownCountFixed];
    private readonly Body[] _bodies = new Body[1];
    private SeededRandom _random;

    public FarmPlaces(FarmOptions options)
    {
        _workload = options.Workload;
        _random = new SeededRandom(SeededRandom.MixSeed(options.Seed, 0x706C_6163));
        // Towns hang on the seed alone, not on what else is placed.
        var random = new SeededRandom(SeededRandom.MixSeed(options.Seed, 0x746F_776E));
        for (int i = 0; i < _towns.Length; i++)
            _towns[i] = PlaceTown(ref random, _towns.AsSpan(0, i));
    }

    /// <summary>Centres of the towns, units, largest first.</summary>
    public ReadOnlySpan<(int X, int Y)> Towns => _towns;

    /// <summary>The centre of a free tile that nothing else was placed on.</summary>
    public (int X, int Y) TakeTile(WorldState world)
    {
        for (int tries = 0; tries < TriesMax; tries++)
        {
            int tileX = _random.Next(0, FarmMap.SideTiles), tileY = _random.Next(0, FarmMap.SideTiles);
            ref bool taken = ref _taken[(tileY * FarmMap.SideTiles) + tileX];
            if (taken || world.Ground.Blocks(tileX, tileY))
                continue;
            taken = true;
            return ((tileX * Units.One) + (Units.One / 2), (tileY * Units.One) + (Units.One / 2));
        }

        throw new WorldFullException($"no free tile found in {TriesMax} tries: fewer crops, trees or crates, or a map with more room");
    }

    /// <summary>A place for a body anywhere on the map.</summary>
    public (int X, int Y) Anywhere(WorldState world, int radius)
        => InSquare(world, radius, 0, 0, FarmConstants.ExtentUnitsFixed * Units.One, circle: false);

    /// <summary>A place for a player's body, as the workload has it.</summary>
    public (int X, int Y) ForPlayer(WorldState world, int radius)
    {
        const int Middle = FarmConstants.ExtentUnitsFixed / 2;
        switch (_workload)
        {
            case FarmWorkload.Festival:
                return Around(world, radius, Middle, Middle, FarmConstants.FestivalRadiusUnitsFixed);
            case FarmWorkload.Towns when _random.Next(0, 100) < FarmConstants.TownPercent:
                (int townX, int townY) = _towns[NextTown()];
                return Around(world, radius, townX, townY, FarmConstants.TownRadiusUnitsFixed);
            default:
                return Anywhere(world, radius);
        }
    }

    private static (int X, int Y) PlaceTown(ref SeededRandom random, ReadOnlySpan<(int X, int Y)> others)
    {
        while (true)
        {
            int x = random.Next(TownEdgeUnits, FarmConstants.ExtentUnitsFixed - TownEdgeUnits);
            int y = random.Next(TownEdgeUnits, FarmConstants.ExtentUnitsFixed - TownEdgeUnits);
            bool apart = true;
            foreach ((int otherX, int otherY) in others)
                apart &= ((x - otherX) * (x - otherX)) + ((y - otherY) * (y - otherY)) >= TownApartUnits * TownApartUnits;
            if (apart)
                return (x, y);
        }
    }

    private int NextTown()
    {
        long sum = 0;
        for (int rank = 1; rank <= _towns.Length; rank++)
            sum += ZipfWhole / rank;
        long drawn = _random.Next(0L, sum);
        int town = 0;
        while (drawn >= ZipfWhole / (town + 1))
            drawn -= ZipfWhole / ++town;
        return town;
    }

    private (int X, int Y) Around(WorldState world, int radius, int centreX, int centreY, int aroundUnits)
        => InSquare(world, radius, (centreX - aroundUnits) * Units.One, (centreY - aroundUnits) * Units.One, 2 * aroundUnits * Units.One, circle: true);

    private (int X, int Y) InSquare(WorldState world, int radius, int left, int top, int side, bool circle)
    {
        (int X, int Y) place = default;
        for (int tries = 0; tries < TriesMax; tries++)
        {
            place = (left + _random.Next(0, side), top + _random.Next(0, side));
            long awayX = place.X - left - (side / 2), awayY = place.Y - top - (side / 2);
            if (circle && (awayX * awayX) + (awayY * awayY) > (long)(side / 2) * (side / 2))
                continue;
            if (!Collide.Overlaps(world.Ground, place.X, place.Y, radius) && world.BodiesNear(-1, place.X, place.Y, radius, _bodies) == 0)
                break;
        }

        // By design: after a thousand tries the last one stands; whoever begins inside something walks out of it.
        return place;
    }
}
