using Hectare.Protocol;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: entities are named by their ids, as variable-length gaps (the code) or as raw 16 bits (the audit's own proposal). Answer: a peer's
/// entities have slots of that peer, small numbers close together, coded by their gaps.
/// Method: 8 peers among 125 walkers and 2,000 crates of which 1 % change a second, entities coming and going, once spread as
/// in the demo world and once in a crowd. Of every snapshot the names are counted in bits, operation codes apart: counts and orders of the slot lists included.
/// </summary>
public sealed class Fault11Tests(ITestOutputHelper output)
{
    private const int RawBits = 16;

    [Fact]
    public void Fault11_a_slot_names_an_entity_in_fewer_bits_than_its_id()
    {
        (double slots, double variable, long names) = BitsPerName(halfSide: 255);
        output.WriteLine($"spread as in the demo world: bits an entity named, mean of {names}: slots {slots:F2}, raw ids {RawBits}, variable-length gaps of ids {variable:F2}");
        (double crowdSlots, double crowdVariable, long crowdNames) = BitsPerName(halfSide: 40);
        output.WriteLine($"in a crowd: bits an entity named, mean of {crowdNames}: slots {crowdSlots:F2}, raw ids {RawBits}, variable-length gaps of ids {crowdVariable:F2}");
        Assert.True(names > 2_000 && crowdNames > 20_000);
        Assert.True(slots < 10 && slots < variable);
        Assert.True(crowdSlots < 6.5 && crowdSlots < crowdVariable);
    }

    private static (double Slots, double Variable, long Names) BitsPerName(double halfSide)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), capacity: 8_192) { IsChecking = false };
        var random = new SeededRandom(5);
        int[] crates = [.. Enumerable.Range(0, 2_000).Select(_ => rig.Spawn(rig.Crate, 512 * random.NextDouble(), 512 * random.NextDouble()))];
        var walkers = new Wanderers(rig.World, rig.Walker, 125, middle: 256, halfSide);
        for (int i = 0; i < 8; i++)
            rig.AddPeer(walkers.Rows[i]);
        (long slots, long variable, long names) = (0, 0, 0);
        for (int tick = 0; tick < 600; tick++)
        {
            rig.Run(1, Game);
            foreach (RigPeer peer in rig.Peers)
            {
                // Of a snapshot that came in this tick: it was written the tick before.
                if (tick < 90 || peer.Decoder.LastHeader.Tick != rig.Tick - 1)
                    continue;
                slots += SlotBits(peer.Decoder.LastOperations);
                variable += VariableBits(peer.Decoder.LastOperations);
                names += peer.Decoder.LastOperations.Count;
            }
        }

        return (slots / (double)names, variable / (double)names, names);

        void Game()
        {
            walkers.Step();
            if (random.Next(0, 3) != 0)
                rig.World.Set(crates[random.Next(0, crates.Length)], rig.Crate["content"], (uint)random.Next(0, 4_096));
        }
    }

    private static long SlotBits(List<(SlotOperation Operation, int Slot, SnapshotDecoder.Occupant Of)> operations)
    {
        long bits = 0;
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            ushort[] slots = [.. operations.Select(operation => operation.Slot).Where(slot => slot >= SlotCodec.FirstOf(list) && slot < SlotCodec.LimitOf(list)).Select(slot => (ushort)slot)];
            int order = SlotCodec.BestOrder(slots, list), previous = SlotCodec.FirstOf(list) - 1;
            var writer = new BitWriter(new byte[4_096]);
            SlotCodec.WriteCount(ref writer, slots.Length, order);
            foreach (ushort slot in slots)
            {
                SlotCodec.Write(ref writer, slot, previous, order, SlotOperation.Update);
                previous = slot;
            }

            bits += writer.BitCount - slots.Length;
        }

        return bits;
    }

    // As the audited code: ids ascending, each gap in bytes of seven bits.
    private static long VariableBits(List<(SlotOperation Operation, int Slot, SnapshotDecoder.Occupant Of)> operations)
    {
        long bits = 0;
        uint previous = 0;
        foreach (uint id in operations.Select(operation => operation.Of.Id).Order())
        {
            bits += 8;
            for (uint rest = (id - previous) >> 7; rest > 0; rest >>= 7)
                bits += 8;
            previous = id;
        }

        return bits;
    }
}
