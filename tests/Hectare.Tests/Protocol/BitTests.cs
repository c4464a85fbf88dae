using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class BitTests
{
    [Fact]
    public void Every_width_at_every_offset_comes_back()
    {
        byte[] buffer = new byte[64];
        for (int offset = 0; offset < 70; offset++)
        {
            for (int bits = 0; bits <= 64; bits++)
            {
                ulong value = 0x9E3779B97F4A7C15UL * (ulong)(offset + bits + 1);
                ulong expected = bits == 64 ? value : value & ((1UL << bits) - 1);
                var writer = new BitWriter(buffer);
                for (int i = 0; i < offset; i++)
                    writer.WriteBool((i & 1) == 0);
                writer.Write(value, bits);
                writer.Write(5, 3);
                var reader = new BitReader(writer.Finish());
                for (int i = 0; i < offset; i++)
                    Assert.Equal((i & 1) == 0, reader.ReadBool());
                Assert.Equal(expected, reader.Read(bits));
                Assert.Equal(5u, reader.Read(3));
                Assert.False(reader.Failed);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_is_known_to_fit_is_written_as_what_is_not(ulong seed)
    {
        var random = new SeededRandom(seed);
        byte[] checkedBytes = new byte[256], fittingBytes = new byte[256];
        for (int round = 0; round < 2_000; round++)
        {
            BitWriter writer = new(checkedBytes), fitting = new(fittingBytes);
            for (int bits = random.Next(1, 65); bits <= writer.FreeBits; bits = random.Next(1, 65))
            {
                ulong value = random.NextUInt64() >> (64 - bits);
                writer.Write(value, bits);
                fitting.WriteFitting(value, bits);
                Assert.Equal(writer.BitCount, fitting.BitCount);
            }

            Assert.True(writer.Finish().SequenceEqual(fitting.Finish()), $"seed {seed}, round {round}");
        }
    }

    [Fact]
    public void Golomb_codes_come_back_and_have_the_announced_length()
    {
        byte[] buffer = new byte[64];
        uint[] values = [0, 1, 2, 3, 7, 8, 15, 16, 100, 1023, 65_535, 1_000_000, int.MaxValue, uint.MaxValue];
        for (int k = 0; k <= 8; k++)
        {
            foreach (uint value in values)
            {
                var writer = new BitWriter(buffer);
                writer.WriteGolomb(value, k);
                writer.WriteSignedGolomb((int)value, k);
                writer.WriteSignedGolomb(-(int)(value >> 1), k);
                var reader = new BitReader(writer.Finish());
                Assert.Equal(value, reader.ReadGolomb(k));
                Assert.Equal(BitWriter.GolombBits(value, k), reader.BitPosition);
                Assert.Equal((int)value, reader.ReadSignedGolomb(k));
                Assert.Equal(-(int)(value >> 1), reader.ReadSignedGolomb(k));
                Assert.False(reader.Failed);
            }
        }
    }

    [Fact]
    public void A_reader_that_failed_stays_failed_and_gives_zero()
    {
        var reader = new BitReader([0xFF, 0xFF]);
        Assert.Equal(0u, reader.Read(17));
        Assert.True(reader.Failed);
        Assert.Equal(0u, reader.Read(1));
        Assert.True(reader.Failed);
    }

    [Fact]
    public void A_writer_never_passes_its_end()
    {
        byte[] buffer = [1, 2, 3, 0xAA];
        var writer = new BitWriter(buffer.AsSpan(0, 3));
        writer.Write(0, 20);
        writer.Write(0, 5);
        Assert.True(writer.Failed);
        writer.Write(0xF, 4);
        Assert.Equal(20, writer.BitCount);
        Assert.Equal(0xAA, buffer[3]);
    }
}
