namespace Hectare.Protocol;

/// <summary>One kind of entity: how it moves, what it carries. A quantised entity of it is a record of <see cref="WordCount"/> 64-bit words.</summary>
/// <remarks>Word 0 of a kind with motion is its motion word (<see cref="Motion"/>); fields fill the words after it, never across two.</remarks>
public sealed class Kind
{
    private readonly Field[] _fields;

    internal Kind(string name, int index, PositionGrid grid, bool hasMotion, int[] speeds, int radius, BodyRole body, Group[] groups)
    {
        Name = name;
        Index = index;
        Grid = grid;
        HasMotion = hasMotion;
        SpeedArray = speeds;
        Radius = radius;
        Body = body;
        GroupArray = groups;
        _fields = [.. groups.SelectMany(group => group.FieldArray)];
        WordCount = Layout();
        GroupsForAll = GroupMask(Audience.All);
        AllGroups = (1 << groups.Length) - 1;
    }

    /// <summary>Unique in the schema.</summary>
    public string Name { get; }

    /// <summary>Its number on the wire.</summary>
    public int Index { get; }

    /// <summary>The schema's position grid.</summary>
    public PositionGrid Grid { get; }

    /// <summary>True when its motion is published (replication by steps).</summary>
    public bool HasMotion { get; }

    /// <summary>Speeds by class, 1/4,096 unit a tick, of a full intent.</summary>
    public ReadOnlySpan<int> Speeds => SpeedArray;

    /// <summary>Body radius, 1/4,096 unit.</summary>
    public int Radius { get; }

    /// <summary>What its body does to others.</summary>
    public BodyRole Body { get; }

    /// <summary>Who is told of its entities. The server's own business: no part of the schema's bytes, so a schema from the wire says <see cref="Visibility.ByDistance"/>.</summary>
    public Visibility Visibility { get; internal init; }

    /// <summary>Radius within which its entities enter, units; 0: the zone's. The server's own business, as <see cref="Visibility"/>.</summary>
    public int FarRadiusUnits { get; internal init; }

    /// <summary>True when its entities count against the interest cap and in densities: they move, and whoever is near is told of them.</summary>
    /// <remarks>What only some may know of must not be seen in a count, and what is told in any case needs none.</remarks>
    public bool CountsInCrowd => HasMotion && Visibility == Visibility.ByDistance && FarRadiusUnits == 0;

    /// <summary>Change groups besides motion, in wire order.</summary>
    public ReadOnlySpan<Group> Groups => GroupArray;

    /// <summary>All fields, in wire order.</summary>
    public ReadOnlySpan<Field> Fields => _fields;

    /// <summary>Words of a record, 1 to 4.</summary>
    public int WordCount { get; }

    /// <summary>Groups with audience All, as bits.</summary>
    public int GroupsForAll { get; }

    /// <summary>Every group, as bits.</summary>
    public int AllGroups { get; }

    internal int[] SpeedArray { get; }

    internal Group[] GroupArray { get; }

    /// <summary>The field of that name.</summary>
    /// <exception cref="SchemaException">There is none.</exception>
    public Field this[string field] => Find(field) ?? throw new SchemaException($"kind '{Name}' has no field '{field}'; it has {string.Join(", ", _fields.Select(one => one.Name))}");

    /// <summary>The field of that name, or null.</summary>
    public Field? Find(string field) => Array.Find(_fields, one => one.Name == field);

    /// <summary>The groups that a peer sees, as bits: All always, Owner and Party by what it is to the entity.</summary>
    public int VisibleGroups(bool owner, bool party)
        => GroupsForAll | (owner ? GroupMask(Audience.Owner) | GroupMask(Audience.Party) : 0) | (party ? GroupMask(Audience.Party) : 0);

    private int GroupMask(Audience audience)
    {
        int mask = 0;
        for (int i = 0; i < GroupArray.Length; i++)
            mask |= GroupArray[i].Audience == audience ? 1 << i : 0;
        return mask;
    }

    private int Layout()
    {
        int word = HasMotion ? 1 : 0, shift = 0;
        for (int groupIndex = 0; groupIndex < GroupArray.Length; groupIndex++)
        {
            foreach (Field field in GroupArray[groupIndex].FieldArray)
            {
                if (shift + field.Bits > 64)
                    (word, shift) = (word + 1, 0);
                if (word >= Schema.WordsMax)
                    throw new SchemaException($"kind '{Name}': field '{field.Name}' does not fit into {Schema.WordsMax} words of 64 bits; use fewer bits");
                field.Word = word;
                field.Shift = shift;
                field.GroupIndex = groupIndex;
                GroupArray[groupIndex].WordMasks[word] |= field.Mask;
                shift += field.Bits;
            }
        }

        foreach (Group group in GroupArray)
            group.Settle();
        return Math.Max(1, shift > 0 ? word + 1 : word);
    }

    internal void Write(ref BitWriter writer)
    {
        Schema.WriteName(ref writer, Name);
        writer.WriteBool(HasMotion);
        writer.Write((ulong)SpeedArray.Length, 3);
        foreach (int speed in SpeedArray)
            writer.Write((ulong)speed, 16);
        writer.Write((ulong)Body, 2);
        writer.Write((ulong)Radius, 24);
        writer.Write((ulong)GroupArray.Length, 4);
        foreach (Group group in GroupArray)
        {
            Schema.WriteName(ref writer, group.Name);
            writer.Write((ulong)group.Audience, 2);
            writer.WriteBool(group.Sampled);
            writer.Write((ulong)group.FieldArray.Length, 6);
            foreach (Field field in group.FieldArray)
            {
                Schema.WriteName(ref writer, field.Name);
                writer.Write((ulong)field.Type, 4);
                writer.Write((ulong)field.Bits, 6);
                Schema.WriteFloat(ref writer, field.Min);
                Schema.WriteFloat(ref writer, field.Max);
                writer.WriteBool(field.Required);
            }
        }
    }

    internal static void ReadInto(ref BitReader reader, SchemaBuilder builder)
    {
        KindBuilder kind = builder.Kind(Schema.ReadName(ref reader));
        bool motion = reader.ReadBool();
        int[] speeds = new int[(int)reader.Read(3)];
        for (int i = 0; i < speeds.Length; i++)
            speeds[i] = (int)reader.Read(16);
        if (motion)
            kind.Motion(speeds);
        kind.Body((BodyRole)reader.Read(2), (int)reader.Read(24));
        int groups = (int)reader.Read(4);
        for (int i = 0; i < groups && !reader.Failed; i++)
        {
            kind.Group(Schema.ReadName(ref reader), (Audience)reader.Read(2), reader.ReadBool());
            int fields = (int)reader.Read(6);
            for (int j = 0; j < fields && !reader.Failed; j++)
            {
                string name = Schema.ReadName(ref reader);
                kind.Add(name, (FieldType)reader.Read(4), (int)reader.Read(6), Schema.ReadFloat(ref reader), Schema.ReadFloat(ref reader), reader.ReadBool());
            }
        }
    }
}

/// <summary>Who is told of the entities of a kind. Entities of one bundle should be of one visibility: else they cannot appear together.</summary>
public enum Visibility : byte
{
    /// <summary>Everyone in whose interest they are.</summary>
    ByDistance,

    /// <summary>Everyone, wherever they are: for the few things that all must know, such as a boss or the weather.</summary>
    Always,

    /// <summary>The peer that owns them, when they are in its interest. Without an owner nobody.</summary>
    OwnerOnly,

    /// <summary>Peers of the owner's party and the owner, when they are in their interest.</summary>
    Party,

    /// <summary>Nobody: they live in the world only and take no room in the history.</summary>
    Never,
}

/// <summary>What the body of a kind does to other bodies.</summary>
public enum BodyRole : byte
{
    /// <summary>Touches nothing.</summary>
    None,

    /// <summary>Is blocked by <see cref="Blocks"/> and by tiles; does not block (players, animals).</summary>
    Walks,

    /// <summary>Stands in the way of what walks (crates, trees).</summary>
    Blocks,
}
