using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class InputMessageTests
{
    [Fact]
    public void What_was_written_comes_back()
    {
        var random = new SeededRandom(11);
        byte[] buffer = new byte[512];
        var read = new TopDownInput[InputMessage.InputsMax];
        for (int round = 0; round < 5_000; round++)
        {
            TopDownInput[] inputs = Inputs(ref random, random.Next(0, InputMessage.InputsMax + 1));
            SequenceNumber? resync = random.NextBool(0.5) ? new SequenceNumber((uint)random.NextUInt64()) : null;
            var newest = new Tick((uint)random.NextUInt64());
            var writer = new BitWriter(buffer);
            InputMessage.Write<TopDownInput>(ref writer, resync, newest, inputs);
            writer.Write(0b101, 3);
            var reader = new BitReader(writer.Finish());
            Assert.True(InputMessage.TryRead(ref reader, read, out InputMessage message));
            Assert.Equal(5u, reader.Read(3));
            Assert.Equal(writer.BitCount, reader.BitPosition);
            Assert.Equal(resync.HasValue, message.AsksResync);
            Assert.Equal(resync?.Wire ?? 0, message.ResyncSequence);
            Assert.Equal(inputs.Length, message.Count);
            Assert.Equal(inputs.Length == 0 ? 0 : (ushort)newest.Value, message.NewestTick);
            Assert.Equal(inputs, read[..inputs.Length]);
        }
    }

    [Fact]
    public void A_message_has_these_bytes()
    {
        byte[] buffer = new byte[64];
        var writer = new BitWriter(buffer);
        var east = new TopDownInput(new Intent(0, 15), 0);
        TopDownInput[] inputs = [east, east, new(new Intent(64, 15), 0), new(new Intent(64, 15), 1), new(Intent.Rest, 1), new(new Intent(77, 3), 1)];
        InputMessage.Write<TopDownInput>(ref writer, new SequenceNumber(0x0102_0304), new Tick(0x1234_5678), inputs);
        Assert.Equal("0906E25915410903008C370D00", Convert.ToHexString(writer.Finish()));
    }

    [Fact]
    public void An_input_like_the_one_before_costs_one_bit_and_an_empty_message_two()
    {
        byte[] buffer = new byte[64];
        var writer = new BitWriter(buffer);
        InputMessage.Write<TopDownInput>(ref writer, null, default, []);
        Assert.Equal(2, writer.BitCount);
        var walks = new TopDownInput(new Intent(33, 15), 3);
        writer = new BitWriter(buffer);
        TopDownInput.Write(ref writer, in walks, in walks);
        Assert.Equal(1, writer.BitCount);
        writer = new BitWriter(buffer);
        TopDownInput.Write(ref writer, in walks, TopDownInput.Neutral);
        Assert.True(writer.BitCount <= TopDownInput.BitsMax);
    }

    [Fact]
    public void Cut_at_every_bit_it_is_refused()
    {
        var random = new SeededRandom(12);
        byte[] buffer = new byte[512];
        var read = new TopDownInput[InputMessage.InputsMax];
        for (int round = 0; round < 50; round++)
        {
            var writer = new BitWriter(buffer);
            InputMessage.Write<TopDownInput>(ref writer, new SequenceNumber(1), new Tick(9), Inputs(ref random, 1 + (round % InputMessage.InputsMax)));
            byte[] whole = writer.Finish().ToArray();
            for (int bytes = 0; bytes < whole.Length; bytes++)
            {
                var reader = new BitReader(whole.AsSpan(0, bytes));
                Assert.False(InputMessage.TryRead(ref reader, read, out InputMessage message));
                Assert.Equal(default, message);
            }
        }
    }

    [Fact]
    public void Random_bytes_are_read_or_refused_and_never_throw()
    {
        var random = new SeededRandom(13);
        byte[] bytes = new byte[160];
        var read = new TopDownInput[InputMessage.InputsMax];
        int accepted = 0;
        for (int round = 0; round < 50_000; round++)
        {
            int length = random.Next(0, bytes.Length + 1);
            for (int i = 0; i < length; i++)
                bytes[i] = (byte)random.Next(0, 256);
            var reader = new BitReader(bytes.AsSpan(0, length));
            if (!InputMessage.TryRead(ref reader, read, out InputMessage message))
                continue;
            accepted++;
            Assert.InRange(message.Count, 0, InputMessage.InputsMax);
            foreach (TopDownInput input in read.AsSpan(0, message.Count))
                Assert.Equal(input.Intent, new Intent(input.Intent.Code));
        }

        Assert.True(accepted > 100);
    }

    private static TopDownInput[] Inputs(ref SeededRandom random, int count)
    {
        var inputs = new TopDownInput[count];
        TopDownInput current = TopDownInput.Neutral;
        for (int i = 0; i < count; i++)
        {
            if (random.NextBool(0.3))
                current = current with { Intent = new Intent(random.NextBool(0.5) ? 0xF00 | (random.Next(0, 8) << 5) : random.Next(0, 1 << 14)) };
            if (random.NextBool(0.2))
                current = current with { Buttons = (ushort)random.Next(0, 65_536) };
            inputs[i] = current;
        }

        return inputs;
    }
}
