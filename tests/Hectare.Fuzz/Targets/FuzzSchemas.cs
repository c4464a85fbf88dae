using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>Schemas that targets read by.</summary>
internal static class FuzzSchemas
{
    /// <summary>Every field type, every audience, with and without motion.</summary>
    public static readonly Schema Meadow = BuildMeadow();

    private static readonly string[] Names = ["player", "tree", "cart", "name", "stage", "größe", "x", "a-name-as-long-as-names-may-be-which-is-sixty-four-bytes-of-utf8"];

    private static Schema BuildMeadow()
    {
        var builder = new SchemaBuilder(256, 14);
        builder.Kind("player").Motion(683, 1024).Body(BodyRole.Walks, 1434)
            .Group("look").Enum("animation", 4).Counter("swing", 3)
            .Group("jump").Counter("teleports", 3)
            .Group("name").Text("name", 24)
            .Group("bag", Audience.Owner).Int("coins", 20)
            .Group("team", Audience.Party).Flags("marks", 7);
        builder.Kind("animal").Motion(205).Body(BodyRole.Walks, 1229);
        builder.Kind("tree").Body(BodyRole.Blocks, 1600).Group("growth").Position2().Int("stage", 4);
        builder.Kind("cart").Group("place", sampled: true).Position2().Float("load", 0, 100, 10);
        builder.Kind("boat").Group("place", sampled: true).Position2().Velocity2().Angle("heading", 10);
        builder.Kind("sign").Group("text").Position2().Text("text", 255);
        return builder.Build();
    }

    /// <summary>Any schema that the builder takes.</summary>
    public static Schema Random(ref SeededRandom random)
    {
        while (true)
        {
            try
            {
                return Build(ref random);
            }
            catch (SchemaException)
            {
                // Too many bits for a record: another draw.
            }
        }
    }

    private static Schema Build(ref SeededRandom random)
    {
        var builder = new SchemaBuilder(64 << random.Next(0, 10), random.Next(8, 16));
        int kinds = random.Next(1, 5);
        for (int i = 0; i < kinds; i++)
            AddKind(ref random, builder.Kind(Name(ref random, i)));
        return builder.Build();
    }

    private static void AddKind(ref SeededRandom random, KindBuilder kind)
    {
        bool moves = random.Next(0, 2) == 0;
        if (moves)
            kind.Motion(random.Next(1, 2048), random.Next(1, 2048));
        kind.Body((BodyRole)random.Next(0, 3), random.Next(0, 64 * Units.One));
        int groups = random.Next(moves ? 0 : 1, 4);
        int number = 0;
        for (int i = 0; i < groups; i++)
        {
            kind.Group(Name(ref random, i), (Audience)random.Next(0, 3), random.Next(0, 2) == 0);
            for (int fields = random.Next(1, 4); fields > 0; fields--)
                AddField(ref random, kind, Name(ref random, number++), moves);
        }
    }

    private static void AddField(ref SeededRandom random, KindBuilder kind, string name, bool moves)
    {
        bool required = random.Next(0, 4) == 0;
        switch (random.Next(0, moves ? 7 : 8))
        {
            case 0:
                kind.Int(name, random.Next(1, 33), required);
                break;
            case 1:
                kind.Float(name, random.Next(-100, 0), random.Next(1, 100), random.Next(1, 25), required);
                break;
            case 2:
                kind.Angle(name, random.Next(1, 25), required);
                break;
            case 3:
                kind.Flags(name, random.Next(1, 33), required);
                break;
            case 4:
                kind.Text(name, random.Next(1, 256), required);
                break;
            case 5:
                kind.Counter(name, random.Next(1, 9), required);
                break;
            case 6:
                kind.Velocity2(name, required);
                break;
            default:
                kind.Position2(name, required);
                break;
        }
    }

    private static string Name(ref SeededRandom random, int number)
    {
        string name = Names[random.Next(0, Names.Length)];
        return name.Length > 60 ? name : $"{name}{number}";
    }
}

/// <summary>Texts by hash, kept for the length of one input.</summary>
internal sealed class FuzzTexts : ITexts
{
    private readonly byte[] _bytes = new byte[64 * 1024];
    private readonly List<(uint Hash, int At, int Length)> _texts = new(256);
    private int _used;

    public void Clear()
    {
        _texts.Clear();
        _used = 0;
    }

    public ReadOnlySpan<byte> Find(uint hash)
    {
        foreach ((uint known, int at, int length) in _texts)
        {
            if (known == hash)
                return _bytes.AsSpan(at, length);
        }

        return [];
    }

    public uint Add(ReadOnlySpan<byte> utf8)
    {
        uint hash = TextTable.HashOf(utf8);
        if (utf8.IsEmpty || !Find(hash).IsEmpty)
            return hash;
        utf8.CopyTo(_bytes.AsSpan(_used));
        _texts.Add((hash, _used, utf8.Length));
        _used += utf8.Length;
        return hash;
    }
}
