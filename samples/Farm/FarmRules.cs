using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Farm;

/// <summary>One player's input of a tick.</summary>
public readonly record struct FarmInput(int Row, TopDownInput Input);

/// <summary>The farm itself: who lives there and what a tick does. Knows a world and inputs; no server, no peer's address.</summary>
/// <remarks>Columns by player and by animal, sized once; a steady tick allocates nothing. The same seed, joins and inputs give the same world.</remarks>
public sealed class FarmRules
{
    /// <summary>The button that swings the tool; each press is one swing.</summary>
    public const ushort SwingButton = 1;

    private const int SwingTicksPerSecondDivisor = 3;

    private readonly FarmOptions _options;
    private readonly FarmSchema _schema;
    private readonly FarmPlaces _places;
    private readonly TopDownMovement _playerMovement;
    private readonly TopDownMovement _animalMovement;
    private readonly ulong _animalTurnBelow;
    private readonly bool _animalsWalk;
    private readonly Dictionary<int, int> _cropOfTile = [];

    private int[] _players = [];
    private TopDownInput[] _inputs = [];
    private ushort[] _heldButtons = [];
    private byte[] _swingTicks = [];
    private int[] _playerOfRow = [];
    private int _playerCount;

    private int[] _animals = [];
    private TopDownInput[] _animalInputs = [];
    private int[] _plants = [];
    private int _nextPlant;
    private long _steps;
    private SeededRandom _random;

    /// <summary>A farm; <see cref="Populate"/> fills a world with it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public FarmRules(FarmOptions options, FarmSchema schema)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(schema);
        _options = options.Validated();
        _schema = schema;
        _places = new FarmPlaces(options);
        _playerMovement = new TopDownMovement(schema.Player);
        _animalMovement = new TopDownMovement(schema.Animal);
        _animalsWalk = options.Workload != FarmWorkload.Idle;
        // A chance a tick as an integer threshold: no float decides what the world does.
        _animalTurnBelow = (ulong)(FarmConstants.AnimalTurnsPerSecondFixed * 1000) * (ulong.MaxValue / 1000 / (ulong)options.TickRate);
        _random = new SeededRandom(SeededRandom.MixSeed(options.Seed, 0x7275_6C65));
    }

    /// <summary>Players there are.</summary>
    public int PlayerCount => _playerCount;

    /// <summary>Centres of the towns, units, largest first.</summary>
    public ReadOnlySpan<(int X, int Y)> Towns => _places.Towns;

    /// <summary>Fills an empty world with crops, trees, crates and animals.</summary>
    /// <exception cref="WorldFullException">The world has not as many rows or free tiles.</exception>
    public void Populate(WorldState world)
    {
        Contract.Assert(world.Schema == _schema.Schema && _players.Length == 0);
        _players = new int[world.Capacity];
        _inputs = new TopDownInput[world.Capacity];
        _heldButtons = new ushort[world.Capacity];
        _swingTicks = new byte[world.Capacity];
        _playerOfRow = new int[world.Capacity];
        Array.Fill(_playerOfRow, -1);
        _plants = new int[_options.Crops + _options.Trees];
        for (int i = 0; i < _plants.Length; i++)
            _plants[i] = i < _options.Crops ? SpawnCrop(world) : SpawnPlaced(world, _schema.Tree, _schema.TreeStage, 8);
        for (int i = 0; i < _options.Crates; i++)
            SpawnPlaced(world, _schema.Crate, _schema.CrateOpen, 2);
        Shuffle(_plants);
        _animals = new int[_options.Animals];
        _animalInputs = new TopDownInput[_options.Animals];
        for (int i = 0; i < _animals.Length; i++)
        {
            (int x, int y) = _places.Anywhere(world, _schema.Animal.Radius);
            _animals[i] = world.Spawn(_schema.Animal, x, y);
            if (_animalsWalk)
                TurnAnimal(world, i);
        }
    }

    /// <summary>A new player where the workload puts one; gives the row.</summary>
    /// <exception cref="WorldFullException">No row is free.</exception>
    public int Join(WorldState world, int peerIndex, ReadOnlySpan<byte> nameUtf8)
    {
        (int x, int y) = _places.ForPlayer(world, _schema.Player.Radius);
        int row = world.Spawn(_schema.Player, x, y);
        world.SetOwner(row, peerIndex);
        world.SetText(row, _schema.Name, nameUtf8);
        int player = _playerCount++;
        _players[player] = row;
        _playerOfRow[row] = player;
        (_heldButtons[player], _swingTicks[player]) = (0, 0);
        return row;
    }

    /// <summary>Takes a player out of the world.</summary>
    public void Leave(WorldState world, int row)
    {
        int player = _playerOfRow[row], last = --_playerCount;
        Contract.Assert(player >= 0);
        _players[player] = _players[last];
        _heldButtons[player] = _heldButtons[last];
        _swingTicks[player] = _swingTicks[last];
        _playerOfRow[_players[player]] = player;
        _playerOfRow[row] = -1;
        world.Destroy(row);
    }

    /// <summary>One tick: players by their inputs (who sent none stands), animals by chance, plants by the clock.</summary>
    public void Step(WorldState world, ReadOnlySpan<FarmInput> inputs)
    {
        Span<TopDownInput> current = _inputs.AsSpan(0, _playerCount);
        current.Clear();
        foreach (ref readonly FarmInput input in inputs)
        {
            Contract.Assert(_playerOfRow[input.Row] >= 0);
            current[_playerOfRow[input.Row]] = input.Input;
        }

        Simulation.Step(world, in _playerMovement, _players.AsSpan(0, _playerCount), current);
        for (int player = 0; player < _playerCount; player++)
            Animate(world, player);
        StepAnimals(world);
        GrowPlants(world);
        _steps++;
    }

    /// <summary>Puts a player somewhere else at once.</summary>
    public void Warp(WorldState world, int row, int x, int y)
    {
        world.Teleport(row, x, y);
        world.Set(row, _schema.Teleports, world.TeleportCount[row]);
    }

    /// <summary>A player uses a tile: a dry crop within reach is watered, and earns a coin.</summary>
    public UseResult Use(WorldState world, int row, int tileX, int tileY)
    {
        if ((uint)tileX >= FarmMap.SideTiles || (uint)tileY >= FarmMap.SideTiles)
            return UseResult.OutOfReach;
        long awayX = (tileX * Units.One) + (Units.One / 2) - world.X[row], awayY = (tileY * Units.One) + (Units.One / 2) - world.Y[row];
        const long Reach = FarmConstants.ReachUnitsFixed * Units.One;
        if ((awayX * awayX) + (awayY * awayY) > Reach * Reach)
            return UseResult.OutOfReach;
        if (!_cropOfTile.TryGetValue(TileIndex(tileX, tileY), out int crop))
            return UseResult.NothingThere;
        if (world.Get(crop, _schema.CropWatered) != 0)
            return UseResult.AlreadyWatered;
        world.Set(crop, _schema.CropWatered, 1);
        world.Set(row, _schema.Coins, Math.Min(world.Get(row, _schema.Coins) + 1, ushort.MaxValue));
        return UseResult.Watered;
    }

    private static int TileIndex(int tileX, int tileY) => (tileY * FarmMap.SideTiles) + tileX;

    private int SpawnCrop(WorldState world)
    {
        int row = SpawnPlaced(world, _schema.Crop, _schema.CropStage, 8);
        _cropOfTile.Add(TileIndex(world.X[row] >> Units.Shift, world.Y[row] >> Units.Shift), row);
        return row;
    }

    private int SpawnPlaced(WorldState world, Kind kind, Field state, int states)
    {
        (int x, int y) = _places.TakeTile(world);
        int row = world.Spawn(kind, x, y);
        world.Set(row, state, (uint)_random.Next(0, states));
        return row;
    }

    private void Shuffle(int[] rows)
    {
        for (int i = rows.Length - 1; i > 0; i--)
        {
            int other = _random.Next(0, i + 1);
            (rows[i], rows[other]) = (rows[other], rows[i]);
        }
    }

    private void Animate(WorldState world, int player)
    {
        int row = _players[player];
        ushort buttons = _inputs[player].Buttons;
        bool pressed = (buttons & ~_heldButtons[player] & SwingButton) != 0;
        _heldButtons[player] = buttons;
        if (pressed)
        {
            _swingTicks[player] = (byte)(_options.TickRate / SwingTicksPerSecondDivisor);
            world.Set(row, _schema.Swings, (world.Get(row, _schema.Swings) + 1) & 7);
        }

        PlayerAnimation seen = world.IntentCode[row] == 0 ? PlayerAnimation.Idle : PlayerAnimation.Walk;
        if (_swingTicks[player] > 0)
        {
            _swingTicks[player]--;
            seen = PlayerAnimation.Swing;
        }

        world.Set(row, _schema.Animation, (uint)seen);
    }

    private void StepAnimals(WorldState world)
    {
        if (!_animalsWalk)
            return;
        for (int i = 0; i < _animals.Length; i++)
        {
            if (_random.NextUInt64() < _animalTurnBelow)
                TurnAnimal(world, i);
        }

        Simulation.Step(world, in _animalMovement, _animals, _animalInputs);
    }

    private void TurnAnimal(WorldState world, int animal)
    {
        bool rests = !_animalInputs[animal].Intent.IsRest && _random.Next(0, FarmConstants.AnimalRestOneIn) == 0;
        Intent intent = rests ? Intent.Rest : new Intent((byte)_random.Next(0, Directions.Count), Intent.MagnitudeMax);
        _animalInputs[animal] = new TopDownInput(intent, 0);
        world.Set(_animals[animal], _schema.Mood, (uint)(rests ? AnimalMood.Grazing : AnimalMood.Roaming));
    }

    // The due share of every tick, in an order shuffled once: even in time and over the map.
    private void GrowPlants(WorldState world)
    {
        long perHundredSeconds = (long)_plants.Length * FarmConstants.PlantChangesPercent;
        long due = ((_steps + 1) * perHundredSeconds / (100L * _options.TickRate)) - (_steps * perHundredSeconds / (100L * _options.TickRate));
        for (long i = 0; i < due; i++)
        {
            int row = _plants[_nextPlant];
            _nextPlant = _nextPlant + 1 == _plants.Length ? 0 : _nextPlant + 1;
            bool isCrop = world.KindIndex[row] == _schema.Crop.Index;
            Field stage = isCrop ? _schema.CropStage : _schema.TreeStage;
            world.Set(row, stage, (world.Get(row, stage) + 1) & 7);
            if (isCrop)
                world.Set(row, _schema.CropWatered, 0);
        }
    }
}
