using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: one field changes, and the whole entity is sent again. Answer: fields that change together form a group, and only changed groups travel.
/// Method: one field of one entity of each of the farm's kinds changes, and the bits of its update are read from the writer, slot and operation
/// included. The stand-in writes the entity whole, its texts left out, with the same slot and operation.
/// </summary>
public sealed class Fault13Tests(ITestOutputHelper output)
{
    private static readonly FarmSchema Farm = new();

    [Fact]
    public void Fault13_a_change_costs_its_group_and_not_the_entity()
    {
        foreach (Field field in (Field[])[Farm.Animation, Farm.Mood, Farm.CropStage, Farm.CrateOpen, Farm.TreeStage])
        {
            Kind kind = Farm.Schema.Kinds.ToArray().Single(one => one.Fields.Contains(field));
            (long changed, long whole) = Bits(kind, field);
            output.WriteLine($"{kind.Name}.{field.Name}: changed group {changed} bits, whole entity {whole} bits");
            Assert.InRange(changed, 1, 16);
            Assert.True(whole > 2 * changed);
        }
    }

    private static (long Changed, long Whole) Bits(Kind kind, Field field)
    {
        var zone = new InMemoryZone(Farm.Schema, new ReplicationOptions());
        zone.AddPeer(zone.Spawn(Farm.Player, 1_000, 1_000));
        int row = zone.Spawn(kind, 1_005, 1_000);
        zone.Run(60);
        WriterCounters counters = zone.Writer.Counters;
        (long bits, long updates, long operations) = (counters.UpdateBits, counters.Updates, counters.OperationBits);
        zone.World.Set(row, field, 1);
        while (counters.Updates == updates)
            zone.Run(1);
        Assert.Equal(updates + 1, counters.Updates);
        long changed = counters.UpdateBits - bits;
        Assert.Equal(changed, counters.OperationBits - operations);
        return (changed, changed - GroupBits(kind, field) + WholeBits(zone, kind, row));
    }

    // What the changed group itself took, as a delta body: step count, mask and values.
    private static int GroupBits(Kind kind, Field field)
    {
        int visible = kind.VisibleGroups(false, false), group = 1 << field.GroupIndex;
        int steps = kind.HasMotion ? EntityCodec.StepCountBits(0, gap: false) : 0;
        return steps + EntityCodec.GroupMaskBits(group, visible) + kind.Groups[field.GroupIndex].WireBits;
    }

    private static int WholeBits(InMemoryZone zone, Kind kind, int row)
    {
        WorldHistory history = zone.Replicator.History;
        uint version = history.VersionOf(row);
        var writer = new BitWriter(new byte[256]);
        if (kind.HasMotion)
            EntityCodec.WriteMotion(ref writer, kind, history.Record(row, version)[0], history.T0(row, version));
        foreach (Group group in kind.Groups)
        {
            if (group.Audience == Audience.All && !group.HasText)
                EntityCodec.WriteGroup(ref writer, group, history.Record(row, version), zone.World.Texts);
        }

        return writer.BitCount;
    }
}
