using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>Everything that can happen to entities, at random: walks, turns, pushes, teleports, spawns, destroys, fields, owners, parties.</summary>
internal sealed class RandomMeadow
{
    private readonly ReplicationRig _rig;
    private readonly List<int> _rows = [];
    private readonly Dictionary<int, Intent> _intents = [];
    private readonly Dictionary<int, int> _pushedTicks = [];
    private readonly HashSet<int> _avatars = [];
    private readonly int _extent;
    private readonly bool _isEstate;
    private SeededRandom _random;

    public RandomMeadow(ReplicationRig rig, ulong seed, int entities)
    {
        _rig = rig;
        _random = new SeededRandom(seed);
        _isEstate = rig.Schema.Find("tower") is not null;
        _extent = rig.Schema.Grid.ExtentUnits * Units.One;
        for (int i = 0; i < entities; i++)
            Spawn();
    }

    public int Avatar()
    {
        int row = _rig.World.Spawn(_rig.Walker, Place(), Place());
        _rows.Add(row);
        _avatars.Add(row);
        return row;
    }

    public void Step()
    {
        foreach (int row in _rows)
        {
            if (_rig.World.KindOf(row).HasMotion)
                Move(row);
            else if (_rig.World.KindOf(row) == _rig.Bird)
                _rig.World.MoveTo(row, _rig.World.X[row] + _random.Next(-900, 901), _rig.World.Y[row] + _random.Next(-900, 901), Intent.Rest);
        }

        if (_random.NextBool(0.2))
            ChangeField(_rows[_random.Next(0, _rows.Count)]);
        if (_random.NextBool(0.04))
            Teleport(_rows[_random.Next(0, _rows.Count)]);
        if (_random.NextBool(0.08))
            Spawn();
        if (_random.NextBool(0.08))
            Destroy();
        if (_random.NextBool(_isEstate ? 0.3 : 0.05) && _rig.Peers.Count > 0)
            _rig.World.SetOwner(_rows[_random.Next(0, _rows.Count)], _random.Next(-1, _rig.Peers.Count));
        if (_random.NextBool(_isEstate ? 0.02 : 0.005) && _rig.Peers.Count > 0)
            _rig.Replicator.SetParty(_random.Next(0, _rig.Peers.Count), (ushort)_random.Next(0, 2));
    }

    private void Move(int row)
    {
        if (_pushedTicks.TryGetValue(row, out int ticks) && ticks > 0)
        {
            _pushedTicks[row] = ticks - 1;
            _rig.World.MoveTo(row, _rig.World.X[row] + _random.Next(-400, 401), _rig.World.Y[row] + _random.Next(-400, 401), Intent.Rest);
            return;
        }

        if (_random.NextBool(0.002))
            _pushedTicks[row] = 20;
        if (_random.NextBool(0.04))
            _intents[row] = NextIntent();
        if (_intents.TryGetValue(row, out Intent intent) && !intent.IsRest)
            _rig.Walk(row, intent);
        else if (_random.NextBool(0.005))
            _rig.World.MoveTo(row, _rig.World.X[row] + _random.Next(-100, 101), _rig.World.Y[row], Intent.Rest);
    }

    private Intent NextIntent() => _random.Next(0, 4) switch
    {
        0 => Intent.Rest,
        1 => new Intent((byte)_random.Next(0, 256), _random.Next(1, 16), _random.Next(0, 2)),
        _ => new Intent((byte)(_random.Next(0, 8) * 32), Intent.MagnitudeMax),
    };

    private void ChangeField(int row)
    {
        WorldState world = _rig.World;
        ReadOnlySpan<Field> fields = world.KindOf(row).Fields;
        Field field = fields[_random.Next(0, fields.Length)];
        if (field.Type is FieldType.Position2 or FieldType.Velocity2)
            return;
        if (field.Type == FieldType.Text)
            world.SetText(row, field, new string((char)('a' + _random.Next(0, 26)), _random.Next(0, 12)));
        else
            world.Set(row, field, (uint)_random.NextUInt64() & ((1u << field.Bits) - 1));
    }

    // Half of what teleports has just come into being, or goes only a little way.
    private void Teleport(int row)
    {
        if (_random.NextBool(0.5))
            _rig.World.Teleport(row, Place(), Place());
        else
            _rig.World.Teleport(row, _rig.World.X[row] + _random.Next(-80_000, 80_001), _rig.World.Y[row] + _random.Next(-80_000, 80_001));
    }

    private void Spawn()
    {
        Kind kind = _random.Next(0, 4) switch { 0 => _rig.Crate, 1 => _rig.Bird, _ => _rig.Walker };
        if (_isEstate && _random.NextBool(0.7))
            kind = _rig.Schema.Kinds[_random.Next(3, _rig.Schema.Kinds.Length)];
        if (!_rig.World.TrySpawn(kind, Place(), Place(), out int row))
            return;
        _rows.Add(row);
        _intents.Remove(row);
        _pushedTicks.Remove(row);
        if (_random.NextBool(0.3))
            Teleport(row);
        if (_isEstate && _rig.Peers.Count > 0)
            _rig.World.SetOwner(row, _random.Next(-1, _rig.Peers.Count));
        if (_random.NextBool(0.2))
            _rig.World.SetBundle(row, (uint)_random.Next(1, 6));
    }

    private void Destroy()
    {
        int index = _random.Next(0, _rows.Count);
        if (_avatars.Contains(_rows[index]))
            return;
        _rig.World.Destroy(_rows[index]);
        _rows.RemoveAt(index);
    }

    private int Place() => _random.Next(0, _extent);
}
