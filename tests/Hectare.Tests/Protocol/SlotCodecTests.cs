using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class SlotCodecTests
{
    [Fact]
    public void Any_list_of_slots_and_operations_comes_back()
    {
        var random = new SeededRandom(5);
        byte[] buffer = new byte[4096];
        for (int round = 0; round < 2_000; round++)
        {
            double share = random.NextDouble() * random.NextDouble();
            var writer = new BitWriter(buffer);
            List<(int Slot, SlotOperation Operation)> written = [];
            for (int list = 0; list < SlotCodec.Lists; list++)
            {
                ushort[] slots = [.. Enumerable.Range(SlotCodec.FirstOf(list), SlotCodec.LimitOf(list) - SlotCodec.FirstOf(list)).Where(_ => random.NextBool(share)).Select(slot => (ushort)slot)];
                int order = SlotCodec.BestOrder(slots, list), previous = SlotCodec.FirstOf(list) - 1;
                SlotCodec.WriteCount(ref writer, slots.Length, order);
                foreach (ushort slot in slots)
                {
                    var operation = (SlotOperation)random.Next(0, 5);
                    SlotCodec.Write(ref writer, slot, previous, order, operation);
                    written.Add((slot, operation));
                    previous = slot;
                }
            }

            var reader = new BitReader(writer.Finish());
            Assert.Equal(written, Read(ref reader));
            Assert.Equal(writer.BitCount, reader.BitPosition);
        }
    }

    [Theory]
    [InlineData(SlotOperation.Update, 1)]
    [InlineData(SlotOperation.Enter, 2)]
    [InlineData(SlotOperation.Leave, 3)]
    [InlineData(SlotOperation.Destroy, 4)]
    [InlineData(SlotOperation.Absolute, 4)]
    public void An_operation_takes_its_bits_behind_the_gap(SlotOperation operation, int bits)
    {
        byte[] buffer = new byte[8];
        var writer = new BitWriter(buffer);
        SlotCodec.Write(ref writer, 7, 6, 0, operation);
        Assert.Equal(1 + bits, writer.BitCount);
    }

    [Fact]
    public void The_best_order_is_the_best()
    {
        var random = new SeededRandom(6);
        byte[] buffer = new byte[4096];
        int more = 0, all = 0;
        for (int round = 0; round < 300; round++)
        {
            double share = random.NextDouble() * 0.3;
            ushort[] slots = [.. Enumerable.Range(128, 896).Where(_ => random.NextBool(share)).Select(slot => (ushort)slot)];
            if (slots.Length == 0)
                continue;
            int best = Enumerable.Range(0, 12).Min(order => Bits(slots, order, buffer)), chosen = Bits(slots, SlotCodec.BestOrder(slots, 1), buffer);
            (more, all) = (more + chosen - best, all + best);
        }

        Assert.InRange(more / (double)all, 0, 0.001);
    }

    [Fact]
    public void A_slot_beyond_its_list_is_refused()
    {
        byte[] buffer = new byte[16];
        foreach ((int list, int slot, bool isGood) in new[] { (0, 127, true), (0, 128, false), (1, 128, true), (1, 1023, true), (1, 1024, false) })
        {
            int before = SlotCodec.FirstOf(list) - 1;
            var writer = new BitWriter(buffer);
            SlotCodec.Write(ref writer, slot, before, 3, SlotOperation.Update);
            var reader = new BitReader(writer.Finish());
            Assert.Equal(isGood, SlotCodec.TryRead(ref reader, list, before, 3, out int read, out _));
            Assert.True(!isGood || read == slot);
        }
    }

    [Fact]
    public void A_count_beyond_all_slots_is_refused()
    {
        byte[] buffer = new byte[16];
        var writer = new BitWriter(buffer);
        SlotCodec.WriteCount(ref writer, 1025, 3);
        var reader = new BitReader(writer.Finish());
        Assert.Equal(0, SlotCodec.ReadCount(ref reader, out _));
        Assert.True(reader.Failed);
    }

    [Fact]
    public void Densities_come_back_and_a_cell_beyond_the_world_is_refused()
    {
        var random = new SeededRandom(7);
        byte[] buffer = new byte[1024];
        for (int round = 0; round < 500; round++)
        {
            (int Cell, int Count)[] cells = [.. Enumerable.Range(0, 1024).Where(_ => random.NextBool(0.05)).Select(cell => (cell, random.Next(0, 5000))).Take(DensityCodec.CellsMax)];
            var writer = new BitWriter(buffer);
            int previous = -1;
            foreach ((int cell, int count) in cells)
            {
                DensityCodec.Write(ref writer, cell, previous, count);
                previous = cell;
            }

            var reader = new BitReader(writer.Finish());
            previous = -1;
            foreach ((int cell, int count) in cells)
            {
                Assert.True(DensityCodec.TryRead(ref reader, previous, 1024, out int readCell, out int readCount));
                Assert.Equal((cell, count), (readCell, readCount));
                previous = cell;
            }
        }

        var past = new BitWriter(buffer);
        DensityCodec.Write(ref past, 1024, -1, 1);
        var pastReader = new BitReader(past.Finish());
        Assert.False(DensityCodec.TryRead(ref pastReader, -1, 1024, out _, out _));
    }

    [Fact]
    public void Random_bytes_never_throw_and_slots_ascend_within_their_lists()
    {
        var random = new Random(8);
        byte[] bytes = new byte[60];
        for (int i = 0; i < 50_000; i++)
        {
            random.NextBytes(bytes);
            var reader = new BitReader(bytes.AsSpan(0, random.Next(0, 61)));
            List<(int Slot, SlotOperation Operation)> read = Read(ref reader);
            for (int j = 1; j < read.Count; j++)
                Assert.True(read[j].Slot > read[j - 1].Slot);
            Assert.True(read.Count == 0 || read[^1].Slot < SlotCodec.SlotsMax);
        }
    }

    [Fact]
    public void Golden_bytes()
    {
        byte[] buffer = new byte[64];
        var writer = new BitWriter(buffer);
        SlotCodec.WriteCount(ref writer, 3, 2);
        SlotCodec.Write(ref writer, 0, -1, 2, SlotOperation.Update);
        SlotCodec.Write(ref writer, 9, 0, 2, SlotOperation.Enter);
        SlotCodec.Write(ref writer, 127, 9, 2, SlotOperation.Absolute);
        SlotCodec.WriteCount(ref writer, 2, 7);
        SlotCodec.Write(ref writer, 500, 127, 7, SlotOperation.Leave);
        SlotCodec.Write(ref writer, 1023, 500, 7, SlotOperation.Destroy);
        SlotCodec.WriteCount(ref writer, 0, 0);
        DensityCodec.Write(ref writer, 77, -1, 300);
        Assert.Equal("1688BDFC79D16F8A0E2F7A3C", Convert.ToHexString(writer.Finish()));
    }

    private static int Bits(ushort[] slots, int order, byte[] buffer)
    {
        var writer = new BitWriter(buffer);
        int previous = 127;
        foreach (ushort slot in slots)
        {
            SlotCodec.Write(ref writer, slot, previous, order, SlotOperation.Update);
            previous = slot;
        }

        return writer.BitCount;
    }

    private static List<(int Slot, SlotOperation Operation)> Read(ref BitReader reader)
    {
        List<(int Slot, SlotOperation Operation)> read = [];
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            int count = SlotCodec.ReadCount(ref reader, out int order), previous = SlotCodec.FirstOf(list) - 1;
            for (int i = 0; i < count && SlotCodec.TryRead(ref reader, list, previous, order, out int slot, out SlotOperation operation); i++)
            {
                read.Add((slot, operation));
                previous = slot;
            }
        }

        return read;
    }
}
