using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Cli.Load;

/// <summary>One entity as the zone has it: the record that a client at rest must hold, made from the world's own columns.</summary>
internal readonly record struct EntityTruth(int KindIndex, ulong[] Record, int X, int Y, int Owner, bool IsMover);

/// <summary>What one player must hold: what its view says it entered.</summary>
/// <param name="Index">The peer's index in the zone.</param>
/// <param name="IsCapped">More movers are near than it may be told of.</param>
/// <param name="Entered">Ids it entered, or is entering.</param>
internal sealed record PeerTruth(int Index, bool IsCapped, HashSet<uint> Entered);

/// <summary>The whole truth of a zone that stands still, as a file between the zone's process and the bots'.</summary>
/// <remarks>By design from <see cref="WorldState"/>, never from the published history: what was wrongly published must not confirm itself.</remarks>
internal sealed class FinalTruth
{
    private const uint Magic = 0x3154_5448; // "HTT1"

    private FinalTruth()
    {
    }

    /// <summary>Tick at which it was true.</summary>
    public Tick Tick { get; private set; }

    /// <summary>Interest: inside this radius everything enters, units.</summary>
    public int EnterRadiusUnits { get; private set; }

    /// <summary>Every entity, by id.</summary>
    public Dictionary<uint, EntityTruth> Entities { get; } = [];

    /// <summary>Every player, by its avatar's id.</summary>
    public Dictionary<uint, PeerTruth> Peers { get; } = [];

    /// <summary>Writes the truth of a zone whose world is at rest. Tick thread.</summary>
    public static void Write(string path, WorldState world, Tick tick, int enterRadiusUnits, IReadOnlyCollection<PeerView> peers)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(Magic);
        writer.Write(tick.Value);
        writer.Write(enterRadiusUnits);
        writer.Write(world.Count);
        Span<ulong> record = stackalloc ulong[Schema.WordsMax];
        for (int row = 0; row < world.RowLimit; row++)
        {
            if (world.IsAlive(row))
                WriteEntity(writer, world, row, record);
        }

        writer.Write(0u);
        writer.Write(peers.Count);
        var known = new List<EntityId>();
        foreach (PeerView peer in peers)
        {
            known.Clear();
            peer.CopyKnown(known);
            writer.Write(peer.AvatarId.Value);
            writer.Write(peer.Index);
            writer.Write(peer.IsCapped);
            writer.Write(known.Count);
            foreach (EntityId id in known)
                writer.Write(id.Value);
        }
    }

    /// <summary>Reads it.</summary>
    public static FinalTruth Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        if (reader.ReadUInt32() != Magic)
            throw new Commands.RunFailedException($"{path} holds no truth of a zone");
        var truth = new FinalTruth { Tick = new Tick(reader.ReadUInt32()), EnterRadiusUnits = reader.ReadInt32() };
        truth.Entities.EnsureCapacity(reader.ReadInt32());
        for (uint id = reader.ReadUInt32(); id != 0; id = reader.ReadUInt32())
            truth.Entities.Add(id, ReadEntity(reader));
        int peers = reader.ReadInt32();
        for (int i = 0; i < peers; i++)
        {
            uint avatar = reader.ReadUInt32();
            int index = reader.ReadInt32();
            bool capped = reader.ReadBoolean();
            var entered = new HashSet<uint>();
            for (int rest = reader.ReadInt32(); rest > 0; rest--)
                entered.Add(reader.ReadUInt32());
            truth.Peers[avatar] = new PeerTruth(index, capped, entered);
        }

        return truth;
    }

    /// <summary>The record of an entity at rest, from the world's columns, in the published quantum.</summary>
    public static void BuildRecord(WorldState world, int row, Span<ulong> record)
    {
        Kind kind = world.KindOf(row);
        record.Clear();
        world.RecordOf(row)[..kind.WordCount].CopyTo(record);
        int quantumX = kind.Grid.Quantize(world.X[row]), quantumY = kind.Grid.Quantize(world.Y[row]);
        if (kind.HasMotion)
            record[0] = Motion.Pack(quantumX, quantumY, Intent.Rest);
        foreach (Field field in kind.Fields)
        {
            ulong? bits = field.Type switch
            {
                FieldType.Position2 => (uint)quantumX | ((ulong)(uint)quantumY << kind.Grid.Bits),
                FieldType.Velocity2 => Motion.EscapeCode(0, 0),
                _ => null,
            };
            if (bits is { } value)
                record[field.Word] = (record[field.Word] & ~field.Mask) | ((value << field.Shift) & field.Mask);
        }
    }

    private static void WriteEntity(BinaryWriter writer, WorldState world, int row, Span<ulong> record)
    {
        BuildRecord(world, row, record);
        writer.Write(world.Id[row]);
        writer.Write(world.KindIndex[row]);
        foreach (ulong word in record[..Schema.WordsMax])
            writer.Write(word);
        writer.Write(world.X[row]);
        writer.Write(world.Y[row]);
        writer.Write(world.Owner[row]);
        writer.Write(world.KindOf(row).HasMotion);
    }

    private static EntityTruth ReadEntity(BinaryReader reader)
    {
        int kind = reader.ReadByte();
        ulong[] record = new ulong[Schema.WordsMax];
        for (int word = 0; word < record.Length; word++)
            record[word] = reader.ReadUInt64();
        return new EntityTruth(kind, record, reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadBoolean());
    }
}
