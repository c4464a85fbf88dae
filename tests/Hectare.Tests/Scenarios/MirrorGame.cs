using Hectare.Client;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// A world in which every entity says everything several times, in other fields, groups and words: whoever reads half of one version and half of another
/// sees it disagree with itself. Mirrors count, and all else of them follows from the count; runners go along a diagonal for ever, so that their two
/// coordinates always differ by the same.
/// </summary>
internal sealed class MirrorGame : IGame<TopDownInput>
{
    public const int Mirrors = 96;
    public const int Runners = 32;
    public const int Extent = 512;

    private const int Quantum = Units.One / 32;
    private const int ApartZero = 1 << 15;
    private const int RunnerSpeed = 300;
    private const int Middle = Extent / 2 * Units.One;
    private const int SpreadUnits = 60;

    private readonly int[] _mirrors = new int[Mirrors];
    private readonly int[] _runners = new int[Runners];
    private readonly int[] _runnerStep = new int[Runners];
    private readonly Dictionary<int, int> _rowOfPeer = [];
    private readonly TopDownMovement _walk = new(MirrorSchema.Player);
    private SeededRandom _random;
    private IZone _zone = null!;

    public MirrorGame(ulong seed) => _random = new SeededRandom(seed);

    public static TileMap Map { get; } = TileMap.Open(Extent, Extent);

    /// <summary>When set, nothing changes any more.</summary>
    public bool IsFrozen { get; set; }

    public void Start(IZone zone)
    {
        _zone = zone;
        for (int i = 0; i < Mirrors; i++)
        {
            _mirrors[i] = zone.World.Spawn(MirrorSchema.Mirror, Middle, Middle);
            SetCount(zone.World, _mirrors[i], (uint)_random.Next(0, 1 << 16));
        }

        for (int i = 0; i < Runners; i++)
        {
            _runners[i] = zone.World.Spawn(MirrorSchema.Runner, Anywhere(), Anywhere());
            _runnerStep[i] = RunnerSpeed;
            zone.World.Set(_runners[i], MirrorSchema.Apart, Apart(zone.World, _runners[i]));
            SetTurns(zone.World, _runners[i], 0);
        }
    }

    public EntityId Joined(PeerId peer, in Arrival arrival)
    {
        int row = _zone.World.Spawn(MirrorSchema.Player, Anywhere(), Anywhere());
        _zone.World.SetText(row, MirrorSchema.Name, $"player {peer.Index}");
        _zone.World.Set(row, MirrorSchema.Number, (uint)peer.Index);
        _rowOfPeer[peer.Index] = row;
        return _zone.World.IdOf(row);
    }

    public void Left(PeerId peer, in Departure departure)
    {
        if (_rowOfPeer.Remove(peer.Index, out int row))
            _zone.World.Destroy(row);
    }

    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
    }

    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        foreach (ref readonly PeerInput<TopDownInput> input in inputs)
            Simulation.Walk(world, in _walk, input.Row, IsFrozen ? TopDownInput.Neutral : input.Input);
        if (IsFrozen)
            return;
        CountOn(world);
        for (int i = 0; i < Runners; i++)
            Run(world, i);
    }

    /// <summary>One change of most mirrors: each whole, all of its fields together.</summary>
    public void CountOn(WorldState world)
    {
        foreach (int row in _mirrors)
        {
            if (_random.Next(0, 4) != 0)
                SetCount(world, row, world.Get(row, MirrorSchema.Count) + 1);
        }
    }

    /// <summary>What is wrong with an entity as a client holds it; null when it agrees with itself.</summary>
    public static string? FaultOf(ReplicaWorld world, EntityId id, Kind kind)
    {
        if (kind.Name == MirrorSchema.Mirror.Name)
        {
            uint count = world.GetField(id, MirrorSchema.Count), complement = world.GetField(id, MirrorSchema.Complement), mixed = world.GetField(id, MirrorSchema.Mixed);
            uint again = world.GetField(id, MirrorSchema.Again);
            (int x, int y) = PlaceOf(count);
            uint place = world.GetField(id, MirrorSchema.Place);
            uint expected = (uint)kind.Grid.Quantize(x) | ((uint)kind.Grid.Quantize(y) << kind.Grid.Bits);
            return complement == (~count & 0xFFFF) && mixed == Mix(count) && again == (count ^ 0x5A5A) && place == expected
                ? null
                : $"mirror {id.Value}: count {count:x}, complement {complement:x}, mixed {mixed:x} (of that count {Mix(count):x}), again {again:x}, place {place:x} (of that count {expected:x})";
        }

        if (kind.Name == MirrorSchema.Runner.Name)
        {
            uint turns = world.GetField(id, MirrorSchema.Turns), echo = world.GetField(id, MirrorSchema.Echo), apart = world.GetField(id, MirrorSchema.Apart);
            bool moves = world.TryGetMotion(id, out PublishedMotion motion);
            return moves && echo == (~turns & 0xFF) && motion.VelocityX == motion.VelocityY && motion.X - motion.Y == ((int)apart - ApartZero) * Quantum
                ? null
                : $"runner {id.Value}: {motion}, {(int)apart - ApartZero} quanta apart, turns {turns:x}, echo {echo:x}";
        }

        return System.Text.Encoding.UTF8.GetString(world.GetText(id, MirrorSchema.Name)) == $"player {world.GetField(id, MirrorSchema.Number)}" ? null : $"player {id.Value}: another's name";
    }

    private void Run(WorldState world, int runner)
    {
        int row = _runners[runner], step = _runnerStep[runner];
        int nextX = world.X[row] + step, nextY = world.Y[row] + step;
        bool atEdge = Math.Min(nextX, nextY) < Units.One || Math.Max(nextX, nextY) > (Extent - 1) * Units.One;
        if (atEdge || _random.Next(0, 20) == 0)
        {
            _runnerStep[runner] = -step;
            SetTurns(world, row, world.Get(row, MirrorSchema.Turns) + 1);
            return;
        }

        world.MoveTo(row, nextX, nextY, Intent.Rest);
    }

    private static void SetCount(WorldState world, int row, uint count)
    {
        count &= 0xFFFF;
        world.Set(row, MirrorSchema.Count, count);
        world.Set(row, MirrorSchema.Complement, ~count & 0xFFFF);
        world.Set(row, MirrorSchema.Mixed, Mix(count));
        world.Set(row, MirrorSchema.Again, count ^ 0x5A5A);
        (int x, int y) = PlaceOf(count);
        world.MoveTo(row, x, y, Intent.Rest);
    }

    private static void SetTurns(WorldState world, int row, uint turns)
    {
        world.Set(row, MirrorSchema.Turns, turns & 0xFF);
        world.Set(row, MirrorSchema.Echo, ~turns & 0xFF);
    }

    // Wanders over 64 units, so that cells are crossed all the time.
    private static (int X, int Y) PlaceOf(uint count)
        => (Middle + (((int)(count % 64) - 32) * Units.One), Middle + (((int)(count / 64 % 64) - 32) * Units.One));

    private static uint Mix(uint count) => (count * 2_654_435_769u) ^ (count << 7);

    // In quanta, as a client can see it: both coordinates are whole units, so that both are quantised alike for ever.
    private static uint Apart(WorldState world, int row) => (uint)(((world.X[row] - world.Y[row]) / Quantum) + ApartZero);

    private int Anywhere() => Middle + (_random.Next(-SpreadUnits, SpreadUnits) * Units.One);
}

/// <summary>The kinds of <see cref="MirrorGame"/>.</summary>
internal static class MirrorSchema
{
    public static Schema Schema { get; } = Build();

    public static Kind Mirror => Schema["mirror"];

    public static Kind Runner => Schema["runner"];

    public static Kind Player => Schema["player"];

    public static Field Count { get; } = Mirror["count"];

    public static Field Complement { get; } = Mirror["complement"];

    public static Field Mixed { get; } = Mirror["mixed"];

    public static Field Again { get; } = Mirror["again"];

    public static Field Place { get; } = Mirror["place"];

    public static Field Turns { get; } = Runner["turns"];

    public static Field Echo { get; } = Runner["echo"];

    public static Field Apart { get; } = Runner["apart"];

    public static Field Name { get; } = Player["name"];

    public static Field Number { get; } = Player["number"];

    // What belongs together lies in other groups, and by the padding in other words of the record.
    private static Schema Build()
    {
        var builder = new SchemaBuilder(MirrorGame.Extent, 14);
        builder.Kind("mirror").Group("count").Int("count", 16).Group("padding").Int("paddingA", 32).Group("complement").Int("complement", 16)
            .Group("mixed").Int("mixed", 32).Group("place").Position2("place").Group("again").Int("again", 16);
        builder.Kind("runner").Motion(300).Group("turns").Counter("turns", 8).Int("apart", 16).Group("padding").Int("paddingB", 32).Int("paddingC", 32).Group("echo").Int("echo", 8);
        builder.Kind("player").Motion(683).Body(BodyRole.Walks, 1_434).Group("number").Int("number", 16).Group("name").Text("name", 24);
        return builder.Build();
    }
}
