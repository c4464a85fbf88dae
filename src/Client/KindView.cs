using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>One of the server's kinds as this client sees it: what draws it, and how its groups are called at home.</summary>
internal sealed class KindView
{
    private readonly byte[] _ownGroups;

    public KindView(Kind server, SchemaMap map)
    {
        Server = server;
        Own = map.FindOwn(server);
        foreach (Field field in server.Fields)
        {
            bool sampled = server.Groups[field.GroupIndex].Sampled;
            SampledGroups |= sampled ? 1 << field.GroupIndex : 0;
            if (field.Type == FieldType.Position2 && Position is null)
                (Position, PositionSampled) = (field, sampled);
            if (field.Type == FieldType.Velocity2 && sampled)
                Velocity ??= field;
            if (field.Type == FieldType.Counter && field.Name is "teleport" or "teleports")
                Teleports = field;
        }

        _ownGroups = new byte[server.Groups.Length];
        foreach (Field field in Own is null ? [] : Own.Fields)
        {
            if (map.Find(field) is Field theirs)
                _ownGroups[theirs.GroupIndex] |= (byte)(1 << field.GroupIndex);
        }
    }

    /// <summary>The kind the wire is written in.</summary>
    public Kind Server { get; }

    /// <summary>The game's kind of the same name; null when the game does not know it: held for its baselines, never shown.</summary>
    public Kind? Own { get; }

    /// <summary>What places an entity without published motion; null when nothing does.</summary>
    public Field? Position { get; }

    /// <summary>The velocity beside a sampled position, for curves; null: straight lines.</summary>
    public Field? Velocity { get; }

    /// <summary>Its position comes as samples.</summary>
    public bool PositionSampled { get; }

    /// <summary>The counter whose change says that the entity was teleported; null when the kind has none.</summary>
    public Field? Teleports { get; }

    /// <summary>Groups that are interpolated, as bits.</summary>
    public int SampledGroups { get; }

    /// <summary>Bits of the server's groups as bits of ours.</summary>
    public int OwnGroups(int serverGroups)
    {
        int own = 0;
        for (int group = 0; group < _ownGroups.Length; group++)
            own |= (serverGroups & (1 << group)) != 0 ? _ownGroups[group] : 0;
        return own;
    }

    /// <summary>The place a record's position field says, and the velocity when there is one.</summary>
    public DrawnMotion PlaceOf(ReadOnlySpan<ulong> record)
    {
        Field position = Position!;
        ulong bits = (record[position.Word] & position.Mask) >> position.Shift;
        PositionGrid grid = Server.Grid;
        int x = grid.Dequantize((int)(bits & (uint)grid.QuantaMax));
        int y = grid.Dequantize((int)((bits >> grid.Bits) & (uint)grid.QuantaMax));
        (int velocityX, int velocityY) = Velocity is null ? (0, 0) : Motion.FromEscapeCode(Velocity.Get(record));
        return new DrawnMotion(Units.ToDouble(x), Units.ToDouble(y), velocityX / (double)Units.One, velocityY / (double)Units.One);
    }
}
