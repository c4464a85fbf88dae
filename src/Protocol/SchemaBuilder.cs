using System.Text;

namespace Hectare.Protocol;

/// <summary>Declares a game's kinds. The order of declaration is the order on the wire.</summary>
/// <example><code>
/// var builder = new SchemaBuilder();
/// builder.Kind("player").Motion(speeds).Body(BodyRole.Walks, radius)
///     .Group("look").Enum("animation", 4).Counter("swing", 3)
///     .Group("name").Text("name", 24)
///     .Group("bag", Audience.Owner).Int("coins", 20);
/// Schema schema = builder.Build();
/// </code></example>
public sealed class SchemaBuilder
{
    private readonly List<KindBuilder> _kinds = [];

    /// <summary>A world of <paramref name="extentUnits"/> a side (a power of two, 64 to 32,768) with <paramref name="positionBits"/> per axis (8 to 18).</summary>
    /// <exception cref="SchemaException">Out of range.</exception>
    public SchemaBuilder(int extentUnits = 2048, int positionBits = 16) => Grid = new PositionGrid(extentUnits, positionBits);

    internal PositionGrid Grid { get; }

    /// <summary>Starts a kind.</summary>
    public KindBuilder Kind(string name)
    {
        CheckName(name);
        if (_kinds.Exists(kind => kind.Name == name))
            throw new SchemaException($"kind '{name}' is declared twice");
        if (_kinds.Count == Schema.KindsMax)
            throw new SchemaException($"kind '{name}': a schema has at most {Schema.KindsMax} kinds");
        var kind = new KindBuilder(name);
        _kinds.Add(kind);
        return kind;
    }

    /// <summary>The finished schema.</summary>
    /// <exception cref="SchemaException">No kind, or a kind that does not fit a record.</exception>
    public Schema Build()
    {
        if (_kinds.Count == 0)
            throw new SchemaException("a schema needs at least one kind");
        return new Schema(Grid, [.. _kinds.Select((kind, index) => kind.Build(index, Grid))]);
    }

    internal static void CheckName(string name)
    {
        if (string.IsNullOrEmpty(name) || Encoding.UTF8.GetByteCount(name) > 64)
            throw new SchemaException($"name '{name}': must be 1 to 64 bytes of UTF-8");
    }
}

/// <summary>Declares one kind; see <see cref="SchemaBuilder"/>.</summary>
public sealed class KindBuilder
{
    private readonly List<(string Name, Audience Audience, bool Sampled, List<Field> Fields)> _groups = [];
    private readonly HashSet<string> _fieldNames = new(StringComparer.Ordinal);
    private bool _hasMotion;
    private int[] _speeds = [];
    private int _radius;
    private BodyRole _body;
    private Visibility _visibility;
    private int _farRadiusUnits;

    internal KindBuilder(string name) => Name = name;

    internal string Name { get; }

    /// <summary>Publishes motion; 1 to 4 speed classes in 1/4,096 unit a tick (1 to 2,047: 15 units a second at 30 ticks).</summary>
    public KindBuilder Motion(params ReadOnlySpan<int> speeds)
    {
        if (speeds.Length is < 1 or > 4)
            throw new SchemaException($"kind '{Name}': motion has 1 to 4 speed classes, not {speeds.Length}");
        foreach (int speed in speeds)
        {
            if (speed is < 1 or > Protocol.Motion.ComponentMax)
                throw new SchemaException($"kind '{Name}': speed {speed} must be 1 to {Protocol.Motion.ComponentMax} (1/4096 unit a tick)");
        }

        _hasMotion = true;
        _speeds = speeds.ToArray();
        return this;
    }

    /// <summary>Gives it a round body; <paramref name="radius"/> in 1/4,096 unit, at most 64 units.</summary>
    public KindBuilder Body(BodyRole role, int radius)
    {
        if (role > BodyRole.Blocks || radius is < 0 or > 64 * Units.One)
            throw new SchemaException($"kind '{Name}': a body is None, Walks or Blocks with a radius of 0 to 64 units");
        (_body, _radius) = (role, radius);
        return this;
    }

    /// <summary>Says who is told of its entities. Only the server knows: the schema's bytes and hash stay the same.</summary>
    public KindBuilder Visible(Visibility visibility)
    {
        if (visibility > Visibility.Never)
            throw new SchemaException($"kind '{Name}': unknown visibility {(int)visibility}");
        _visibility = visibility;
        return this;
    }

    /// <summary>For big things: its entities enter within <paramref name="radiusUnits"/> (1 to 32,768, more than the zone's enter radius) and leave
    /// beyond it by as much as the zone's exit radius exceeds the enter radius. Only the server knows.</summary>
    /// <remarks>A zone holds at most 1,024 entities that are far or always visible. Each is looked at whenever a peer has gone a quarter of a cell, and
    /// takes a slot of every peer that it reaches.</remarks>
    public KindBuilder Far(int radiusUnits)
    {
        if (radiusUnits is < 1 or > 32_768)
            throw new SchemaException($"kind '{Name}': a far radius is 1 to 32768 units, not {radiusUnits}");
        _farRadiusUnits = radiusUnits;
        return this;
    }

    /// <summary>Starts a change group: the fields that follow belong to it.</summary>
    /// <param name="name">For people.</param>
    /// <param name="audience">Who is told.</param>
    /// <param name="sampled">Distance lowers its rate and clients interpolate it.</param>
    public KindBuilder Group(string name, Audience audience = Audience.All, bool sampled = false)
    {
        SchemaBuilder.CheckName(name);
        if (audience > Audience.Party)
            throw new SchemaException($"kind '{Name}', group '{name}': unknown audience {(int)audience}");
        if (_groups.Count == Schema.GroupsMax)
            throw new SchemaException($"kind '{Name}': at most {Schema.GroupsMax} change groups");
        _groups.Add((name, audience, sampled, []));
        return this;
    }

    /// <summary>A whole number of <paramref name="bits"/> bits (1 to 32).</summary>
    public KindBuilder Int(string name, int bits, bool required = false) => Add(name, FieldType.Int, bits, 0, 0, required);

    /// <summary>A number between <paramref name="min"/> and <paramref name="max"/> in <paramref name="bits"/> bits (1 to 24).</summary>
    public KindBuilder Float(string name, float min, float max, int bits, bool required = false) => Add(name, FieldType.Float, bits, min, max, required);

    /// <summary>An angle in <paramref name="bits"/> bits (1 to 24).</summary>
    public KindBuilder Angle(string name, int bits = 8, bool required = false) => Add(name, FieldType.Angle, bits, 0, 0, required);

    /// <summary>Independent bits (1 to 32).</summary>
    public KindBuilder Flags(string name, int bits, bool required = false) => Add(name, FieldType.Flags, bits, 0, 0, required);

    /// <summary>One of 2^bits cases.</summary>
    public KindBuilder Enum(string name, int bits, bool required = false) => Add(name, FieldType.Enum, bits, 0, 0, required);

    /// <summary>A count of events, modulo 2^bits.</summary>
    public KindBuilder Counter(string name, int bits = 3, bool required = false) => Add(name, FieldType.Counter, bits, 0, 0, required);

    /// <summary>The position as a sampled or static field.</summary>
    public KindBuilder Position2(string name = "position", bool required = false) => Add(name, FieldType.Position2, 0, 0, 0, required);

    /// <summary>The velocity beside a sampled position.</summary>
    public KindBuilder Velocity2(string name = "velocity", bool required = false) => Add(name, FieldType.Velocity2, Protocol.Motion.VelocityBits, 0, 0, required);

    /// <summary>Text of at most <paramref name="bytesMax"/> bytes of UTF-8 (1 to 255).</summary>
    public KindBuilder Text(string name, int bytesMax, bool required = false) => Add(name, FieldType.Text, 32, 0, bytesMax, required);

    internal KindBuilder Add(string name, FieldType type, int bits, float min, float max, bool required)
    {
        SchemaBuilder.CheckName(name);
        if (_groups.Count == 0)
            throw new SchemaException($"kind '{Name}': start a group before field '{name}'");
        if (!_fieldNames.Add(name))
            throw new SchemaException($"kind '{Name}': field '{name}' is declared twice");
        bool fits = type switch
        {
            FieldType.Position2 => !_hasMotion,
            FieldType.Velocity2 => bits == Protocol.Motion.VelocityBits,
            FieldType.Float => bits is >= 1 and <= 24 && float.IsFinite(min) && float.IsFinite(max) && min < max,
            FieldType.Angle => bits is >= 1 and <= 24,
            FieldType.Text => bits == 32 && max is >= 1 and <= 255 && max == MathF.Floor(max),
            FieldType.Int or FieldType.Flags or FieldType.Enum or FieldType.Counter => bits is >= 1 and <= 32,
            _ => false,
        };
        if (!fits)
            throw new SchemaException($"kind '{Name}', field '{name}': {type} of {bits} bits from {min} to {max} is not possible (see SchemaBuilder for the ranges; Position2 and motion exclude each other)");
        _groups[^1].Fields.Add(new Field(name, type, bits, min, max, required));
        return this;
    }

    internal Kind Build(int index, PositionGrid grid)
    {
        if (!_hasMotion && _groups.Count == 0)
            throw new SchemaException($"kind '{Name}' has neither motion nor fields");
        if (_farRadiusUnits > 0 && _visibility is (Visibility.Always or Visibility.Never))
            throw new SchemaException($"kind '{Name}': a far radius says nothing for what is visible {_visibility}");
        Group[] groups = [.. _groups.Select(group => group.Fields.Count > 0
            ? new Group(group.Name, group.Audience, group.Sampled, [.. group.Fields.Select(field => Sized(field, grid))])
            : throw new SchemaException($"kind '{Name}': group '{group.Name}' has no field"))];
        return new Kind(Name, index, grid, _hasMotion, _speeds, _radius, _body, groups) { Visibility = _visibility, FarRadiusUnits = _farRadiusUnits };
    }

    // A position's bits are the grid's; they are known only now.
    private static Field Sized(Field field, PositionGrid grid)
        => new(field.Name, field.Type, field.Type == FieldType.Position2 ? grid.Bits * 2 : field.Bits, field.Min, field.Max, field.Required);
}
