using Hectare.Client;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>A schema from the wire, and all that a client builds from it before its first snapshot.</summary>
internal sealed class SchemaTarget() : FuzzTarget("schema", "a server's schema, mapped to the client's own; a replica made by it")
{
    private const int PoolSize = 64;

    private readonly List<Schema> _pool = [];

    public override int InputBytesMax => 2048;

    // A client asks for it once a connection, and 16 kB are all it takes; builders, names and the replica come to 30 times its bytes.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 256 * 1024;

    public override void Begin()
    {
        var random = new SeededRandom(1);
        for (int i = 0; i < PoolSize; i++)
            _pool.Add(FuzzSchemas.Random(ref random));
        _pool.Add(FuzzSchemas.Meadow);
        _pool.RemoveAll(schema => schema.Bytes.Length > InputBytesMax);
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        ReadOnlySpan<byte> bytes = _pool[random.Next(0, _pool.Count)].Bytes;
        bytes.CopyTo(destination);
        return bytes.Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (!Schema.TryRead(input, out Schema? schema))
        {
            Property.Holds(schema is null, "a refused schema was given out");
            return RunResult.Refused;
        }

        Property.Holds(schema is not null && schema.Bytes.SequenceEqual(input), "a schema that was read is written otherwise");
        Map(FuzzSchemas.Meadow, schema);
        Map(schema, FuzzSchemas.Meadow);
        Property.Holds(Map(schema, schema), "a schema does not fit itself");
        return RunResult.Taken;
    }

    private static bool Map(Schema own, Schema server)
    {
        if (!SchemaMap.TryCreate(own, server, out SchemaMap map, out string difference))
        {
            Property.Holds(difference.Length > 0, "a refusal without a word");
            return false;
        }

        var zone = new ReplicaZone(new Tick(1), 0, 33_333_333, 3, Welcome.PackIntervals(2, 3, 6, 15), 16);
        var world = new ReplicaWorld(map, in zone, eventsMax: 0);
        Property.Holds(world.Count == 0, "an empty replica has entities");
        return true;
    }
}
