using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// A small world with everything replication must cope with: walkers who turn, stop and bump into walls and crates; things that stand and change;
/// spawns, destroys, teleports, names, bags that only their owner sees, parties, and a boat whose position is a sampled field.
/// </summary>
internal sealed class MeadowGame : IGame<TopDownInput>
{
    public const int Extent = 512;
    public const int Animals = 20;
    public const int Stones = 150;
    public const int Crates = 30;
    public const int Boats = 4;

    private readonly bool _hasStock;
    private readonly int _spreadUnits;
    private readonly Dictionary<int, int> _rowOfPeer = [];
    private readonly List<(int Row, uint Id)> _animals = [];
    private readonly List<(int Row, uint Id)> _stones = [];
    private readonly List<(int Row, uint Id)> _boats = [];
    private readonly TopDownMovement _walk;
    private readonly TopDownMovement _roam;
    private SeededRandom _random;
    private TopDownInput[] _roaming = [];
    private IZone _zone = null!;

    public MeadowGame(ulong seed, MeadowSchema? schema = null, bool hasStock = true, int spreadUnits = 60)
    {
        _random = new SeededRandom(seed);
        _hasStock = hasStock;
        _spreadUnits = spreadUnits;
        Kinds = schema ?? MeadowSchema.Shared;
        _walk = new TopDownMovement(Kinds.Player);
        _roam = new TopDownMovement(Kinds.Animal);
    }

    public MeadowSchema Kinds { get; }

    /// <summary>When set, nothing moves or changes any more.</summary>
    public bool IsFrozen { get; set; }

    public List<string> Messages { get; } = [];

    public IReadOnlyDictionary<int, int> RowOfPeer => _rowOfPeer;

    public static TileMap Map { get; } = MakeMap();

    public void Start(IZone zone)
    {
        _zone = zone;
        WorldState world = zone.World;
        if (!_hasStock)
            return;
        for (int i = 0; i < Animals; i++)
            Remember(_animals, world, world.Spawn(Kinds.Animal, Anywhere(), Anywhere()));
        for (int i = 0; i < Stones; i++)
            Remember(_stones, world, world.Spawn(Kinds.Stone, Anywhere(), Anywhere()));
        for (int i = 0; i < Crates; i++)
            world.Spawn(Kinds.Crate, Anywhere(), Anywhere());
        for (int i = 0; i < Boats; i++)
            Remember(_boats, world, world.Spawn(Kinds.Boat, Anywhere(), Anywhere()));
        _roaming = new TopDownInput[_animals.Count];
    }

    public EntityId Joined(PeerId peer, in Arrival arrival)
    {
        WorldState world = _zone.World;
        if (world.TryFind(arrival.Avatar, out int waiting))
        {
            _rowOfPeer[peer.Index] = waiting;
            return arrival.Avatar;
        }

        int row = world.Spawn(Kinds.Player, Anywhere(), Anywhere());
        world.SetText(row, Kinds.Name, $"player {peer.Index}");
        world.Set(row, Kinds.Coins, (uint)peer.Index);
        world.SetOwner(row, peer.Index);
        _rowOfPeer[peer.Index] = row;
        return world.IdOf(row);
    }

    public void Left(PeerId peer, in Departure departure)
    {
        if (_rowOfPeer.Remove(peer.Index, out int row) && _zone.World.IsAlive(row) && !departure.MayReturn)
            _zone.World.Destroy(row);
    }

    public void Forgotten(EntityId avatar)
    {
        if (_zone.World.TryFind(avatar, out int row))
            _zone.World.Destroy(row);
    }

    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message) => Messages.Add($"{peer.Index} {lane} {System.Text.Encoding.UTF8.GetString(message)}");

    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        foreach (ref readonly PeerInput<TopDownInput> input in inputs)
        {
            TopDownInput wanted = IsFrozen ? TopDownInput.Neutral : input.Input;
            Simulation.Walk(world, in _walk, input.Row, in wanted);
        }

        if (IsFrozen || !_hasStock)
            return;
        StepAnimals(world);
        StepBoats(world, tick);
        ChangeThings(world);
    }

    private void StepAnimals(WorldState world)
    {
        for (int i = 0; i < _animals.Count; i++)
        {
            if (_random.Next(0, 60) == 0)
                _roaming[i] = new TopDownInput(_random.Next(0, 3) == 0 ? Intent.Rest : new Intent((byte)_random.Next(0, 256), _random.Next(6, 16)), 0);
            Simulation.Walk(world, in _roam, _animals[i].Row, in _roaming[i]);
            if (_random.Next(0, 900) == 0)
                world.Set(_animals[i].Row, Kinds.Mood, (uint)_random.Next(0, 8));
            if (_random.Next(0, 3_000) == 0)
            {
                world.Teleport(_animals[i].Row, Anywhere(), Anywhere());
                world.Set(_animals[i].Row, Kinds.Teleports, world.Get(_animals[i].Row, Kinds.Teleports) + 1);
            }
        }
    }

    // They accelerate all the time: nothing to extrapolate. By the table of directions, so that every machine sees the same boats.
    private void StepBoats(WorldState world, Tick tick)
    {
        for (int i = 0; i < _boats.Count; i++)
        {
            uint angle = (tick.Value * 3 / 4) + (uint)(i * 61);
            int x = 30 * Units.One / Directions.Scale * Directions.Cosine[(byte)angle];
            int y = 30 * Units.One / Directions.Scale * Directions.Sine[(byte)(angle * 4 / 3)];
            world.MoveTo(_boats[i].Row, (Extent / 2 * Units.One) + x, (Extent / 2 * Units.One) + y, Intent.Rest);
        }
    }

    private void ChangeThings(WorldState world)
    {
        if (_random.Next(0, 6) == 0)
            world.Set(_stones[_random.Next(0, _stones.Count)].Row, Kinds.Moss, (uint)_random.Next(0, 16));
        if (_random.Next(0, 20) == 0)
        {
            int at = _random.Next(0, _stones.Count);
            world.Destroy(_stones[at].Row);
            _stones.RemoveAt(at);
        }

        if (_stones.Count < Stones && _random.Next(0, 15) == 0)
            Remember(_stones, world, world.Spawn(Kinds.Stone, Anywhere(), Anywhere()));
        foreach ((int peer, int row) in _rowOfPeer)
        {
            if (_random.Next(0, 150) == 0 && Kinds.HasSwings)
                world.Set(row, Kinds.Swings, world.Get(row, Kinds.Swings) + 1);
            if (_random.Next(0, 600) == 0)
                world.Set(row, Kinds.Coins, (uint)_random.Next(0, 65_536));
            if (_random.Next(0, 300) == 0)
                world.Set(row, Kinds.Vigour, (uint)_random.Next(0, 128));
            if (_random.Next(0, 3_000) == 0)
                world.SetText(row, Kinds.Name, $"player {peer} {_random.Next(0, 100)}");
            if (_random.Next(0, 4_500) == 0)
            {
                world.Teleport(row, Anywhere(), Anywhere());
                world.Set(row, Kinds.PlayerTeleports, world.Get(row, Kinds.PlayerTeleports) + 1);
            }
        }
    }

    // Mostly in the middle, so that they see each other; some far, so that they come and go.
    private int Anywhere()
    {
        int spread = _random.Next(0, 4) == 0 ? 3 * _spreadUnits : _spreadUnits;
        return Math.Clamp(Units.FromFloat((Extent / 2) + ((_random.NextDouble() - 0.5) * 2 * spread)), Units.One, (Extent - 1) * Units.One);
    }

    private static void Remember(List<(int Row, uint Id)> list, WorldState world, int row) => list.Add((row, world.Id[row]));

    private static TileMap MakeMap()
    {
        var random = new SeededRandom(77);
        byte[] tiles = new byte[Extent * Extent];
        for (int i = 0; i < tiles.Length; i++)
            tiles[i] = random.Next(0, 40) == 0 ? TileMap.BlocksBit : (byte)0;
        return new TileMap(Extent, Extent, tiles);
    }
}

/// <summary>The meadow's kinds.</summary>
internal sealed class MeadowSchema
{
    public static readonly MeadowSchema Shared = new(Build());

    public MeadowSchema(Schema schema)
    {
        Schema = schema;
        Player = schema["player"];
        Animal = schema["animal"];
        Stone = schema["stone"];
        Crate = schema["crate"];
        Boat = schema["boat"];
    }

    public Schema Schema { get; }

    public Kind Player { get; }

    public Kind Animal { get; }

    public Kind Stone { get; }

    public Kind Crate { get; }

    public Kind Boat { get; }

    public bool HasSwings => Player.Find("swings") is not null;

    public Field Swings => Player["swings"];

    public Field Name => Player["name"];

    public Field Coins => Player["coins"];

    public Field Vigour => Player["vigour"];

    public Field PlayerTeleports => Player["teleports"];

    public Field Mood => Animal["mood"];

    public Field Teleports => Animal["teleports"];

    public Field Moss => Stone["moss"];

    /// <summary>Ready to be changed by a test of versions: another field, a missing one.</summary>
    public static Schema Build(Action<SchemaBuilder>? more = null, bool withSwings = true, bool requireMoss = false)
    {
        var builder = new SchemaBuilder(MeadowGame.Extent, 14);
        KindBuilder player = builder.Kind("player").Motion(683, 1_024).Body(BodyRole.Walks, 1_434).Group("look").Enum("animation", 4);
        if (withSwings)
            player.Counter("swings", 3);
        player.Group("jump").Counter("teleports", 2).Group("name").Text("name", 24).Group("bag", Audience.Owner).Int("coins", 16).Group("vigour", Audience.Party).Int("vigour", 7);
        builder.Kind("animal").Motion(205).Body(BodyRole.Walks, 1_229).Group("mood").Enum("mood", 3).Group("jump").Counter("teleports", 2);
        builder.Kind("stone").Group("moss").Int("moss", 4, requireMoss).Group("place").Position2();
        builder.Kind("crate").Body(BodyRole.Blocks, 1_800).Group("place").Position2();
        builder.Kind("boat").Group("course", sampled: true).Position2().Velocity2();
        more?.Invoke(builder);
        return builder.Build();
    }
}
