using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Fuzz.Targets;

/// <summary>A small world in which everything happens that replication can tell: walks, turns, teleports, changes, names, comings and goings.</summary>
internal sealed class FuzzMeadow(ulong seed)
{
    private static readonly string[] Words = ["", "a", "Größe", "to the mill", "0123456789012345678901234567890123456789"];

    private static readonly Schema Kinds = FuzzSchemas.Meadow;
    private static readonly Kind Player = Kinds["player"], Animal = Kinds["animal"], Tree = Kinds["tree"], Cart = Kinds["cart"], Boat = Kinds["boat"], Sign = Kinds["sign"];

    private readonly List<uint> _stock = [];
    private readonly TopDownMovement _roam = new(Animal);
    private SeededRandom _random = new(seed);

    /// <summary>The ground: all of it open.</summary>
    public static TileMap Map { get; } = TileMap.Open(Kinds.Grid.ExtentUnits, Kinds.Grid.ExtentUnits);

    /// <summary>What the world starts with.</summary>
    public void Populate(WorldState world)
    {
        ReadOnlySpan<(Kind Kind, int Count)> all = [(Animal, 30), (Tree, 40), (Cart, 6), (Boat, 6), (Sign, 8)];
        foreach ((Kind kind, int count) in all)
        {
            for (int i = 0; i < count; i++)
                Add(world, kind);
        }
    }

    /// <summary>A player's avatar.</summary>
    public int Join(WorldState world, int peer)
    {
        int row = world.Spawn(Player, Anywhere(), Anywhere());
        world.SetText(row, Player["name"], $"player {peer}");
        world.Set(row, Player["coins"], (uint)peer);
        world.SetOwner(row, peer);
        return row;
    }

    /// <summary>One tick of everything but the players.</summary>
    public void Step(WorldState world)
    {
        for (int i = 0; i < _stock.Count; i++)
        {
            if (!world.TryFind(new EntityId(_stock[i]), out int row))
                continue;
            Kind kind = world.KindOf(row);
            if (kind == Animal)
                Roam(world, row);
            else if (kind == Cart || kind == Boat)
                world.MoveTo(row, world.X[row] + _random.Next(-300, 500), world.Y[row] + 200, Intent.Rest);
            else if (_random.Next(0, 60) == 0)
                Change(world, row, kind);
            if (_random.Next(0, 2_000) == 0)
                Renew(world, i, row);
        }
    }

    private void Roam(WorldState world, int row)
    {
        var intent = new Intent(world.IntentCode[row]);
        if (_random.Next(0, 30) == 0)
            intent = _random.Next(0, 3) == 0 ? Intent.Rest : new Intent((byte)_random.Next(0, 256), _random.Next(6, 16));
        Simulation.Walk(world, in _roam, row, new TopDownInput(intent, 0));
        if (_random.Next(0, 600) == 0)
            world.Teleport(row, Anywhere(), Anywhere());
    }

    private void Change(WorldState world, int row, Kind kind)
    {
        if (kind == Tree)
            world.Set(row, Tree["stage"], (uint)_random.Next(0, 16));
        else
            world.SetText(row, Sign["text"], Words[_random.Next(0, Words.Length)]);
    }

    private void Renew(WorldState world, int place, int row)
    {
        Kind kind = world.KindOf(row);
        world.Destroy(row);
        if (world.TrySpawn(kind, Anywhere(), Anywhere(), out int fresh))
            _stock[place] = world.Id[fresh];
    }

    private void Add(WorldState world, Kind kind)
    {
        int row = world.Spawn(kind, Anywhere(), Anywhere());
        _stock.Add(world.Id[row]);
        if (kind == Sign)
            world.SetText(row, Sign["text"], Words[_stock.Count % Words.Length]);
    }

    private int Anywhere() => _random.Next(0, Kinds.Grid.ExtentUnits * Units.One);
}
