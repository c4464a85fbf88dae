namespace Hectare.Protocol;

/// <summary>How a client of one schema reads a server of another: each of its own kinds and fields by name, or nothing.</summary>
/// <remarks>Costs no bit: the wire is the server's schema; this maps names once, at connect.</remarks>
public sealed class SchemaMap
{
    private readonly Dictionary<Field, Field> _fields = [];
    private readonly Dictionary<Kind, Kind> _kinds = [];

    private SchemaMap(Schema own, Schema server)
    {
        Own = own;
        Server = server;
    }

    /// <summary>What the client's game was built with.</summary>
    public Schema Own { get; }

    /// <summary>What the wire is written in.</summary>
    public Schema Server { get; }

    /// <summary>The server's field for one of ours; null when the server lacks it: its value is then the default (zero, empty).</summary>
    public Field? Find(Field own) => _fields.GetValueOrDefault(own);

    /// <summary>Our kind for one of the server's; null when our game does not know it.</summary>
    public Kind? FindOwn(Kind server) => _kinds.GetValueOrDefault(server);

    /// <summary>Maps, or names the first difference that makes play impossible: a required field that is missing or has another codec.</summary>
    public static bool TryCreate(Schema own, Schema server, out SchemaMap map, out string difference)
    {
        map = new SchemaMap(own, server);
        difference = "";
        if (own.Grid.ExtentUnits != server.Grid.ExtentUnits)
        {
            difference = $"world extent: the server has {server.Grid.ExtentUnits} units, this client {own.Grid.ExtentUnits}";
            return false;
        }

        foreach (Kind kind in own.Kinds)
        {
            Kind? theirs = server.Find(kind.Name);
            if (theirs is not null)
                map._kinds[theirs] = kind;
            foreach (Field field in kind.Fields)
            {
                Field? match = theirs?.Find(field.Name);
                if (match is not null && match.Type == field.Type)
                {
                    map._fields[field] = match;
                }
                else if (field.Required)
                {
                    difference = match is null
                        ? $"kind '{kind.Name}', field '{field.Name}': required by this client, missing on the server"
                        : $"kind '{kind.Name}', field '{field.Name}': {field.Type} here, {match.Type} on the server";
                    return false;
                }
            }
        }

        return true;
    }
}
