using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>Walkers within a square: each turns about once a second, into one of 256 directions or to a stop. The same for a seed, whoever looks on.</summary>
internal sealed class Wanderers
{
    private readonly WorldState _world;
    private readonly Intent[] _intents;
    private readonly int _low;
    private readonly int _high;
    private SeededRandom _random = new(11);

    public Wanderers(WorldState world, Kind kind, int count, double middle, double halfSide)
    {
        _world = world;
        _low = Units.FromFloat(middle - halfSide);
        _high = Units.FromFloat(middle + halfSide);
        _intents = new Intent[count];
        Rows = new int[count];
        for (int i = 0; i < count; i++)
            Rows[i] = world.Spawn(kind, _random.Next(_low, _high), _random.Next(_low, _high));
    }

    public int[] Rows { get; }

    public void Step()
    {
        for (int i = 0; i < Rows.Length; i++)
        {
            int row = Rows[i];
            if (_random.Next(0, 30) == 0)
                _intents[i] = _random.Next(0, 8) == 0 ? Intent.Rest : new Intent((byte)_random.Next(0, Directions.Count), Intent.MagnitudeMax);
            (int dx, int dy) = _intents[i].Velocity(_world.KindOf(row).Speeds[0]);
            (int x, int y) = (_world.X[row] + dx, _world.Y[row] + dy);
            if (x < _low || x > _high || y < _low || y > _high)
            {
                _intents[i] = Intent.Rest;
                (x, y) = (_world.X[row], _world.Y[row]);
            }

            _world.MoveTo(row, x, y, _intents[i]);
        }
    }
}
