using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class SnapshotHeaderTests
{
    private static readonly SnapshotHeader Full = new()
    {
        Tick = new Tick(123_456),
        DueTime = 41_152_000,
        IntervalCode = 2,
        Complete = true,
        HasInput = true,
        InputTick = new Tick(123_450),
        InputMarginTicks = -3,
        HasOwn = true,
        OwnX = 5_000_001,
        OwnY = (1 << 27) - 1,
        HasBaseline = true,
        Baseline = new SequenceNumber(uint.MaxValue - 3),
        HasShare = true,
        Check = 0xBEEF,
    };

    private static readonly SequenceNumber Sequence = new(9);

    [Fact]
    public void A_full_header_and_an_empty_one_come_back()
    {
        foreach (SnapshotHeader header in new[] { Full, new SnapshotHeader { Tick = new Tick(5), DueTime = 77 } })
        {
            byte[] bytes = Write(header);
            var reader = new BitReader(bytes);
            Assert.True(SnapshotHeader.TryRead(ref reader, Sequence, header.Tick - 100, header.DueTime + 30_000, out SnapshotHeader read));
            Assert.Equal(header, read);
            Assert.InRange(reader.RemainingBits, 0, 7);
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(65_535u)]
    [InlineData(uint.MaxValue)]
    [InlineData(uint.MaxValue - 40_000)]
    public void Ticks_are_widened_to_the_nearest_within_half_an_hour(uint tick)
    {
        foreach (int away in new[] { -32_767, -1_000, 0, 1, 32_767 })
        {
            SnapshotHeader header = Full with { Tick = new Tick(tick), InputTick = new Tick(tick) + 3 };
            var reader = new BitReader(Write(header));
            Assert.True(SnapshotHeader.TryRead(ref reader, Sequence, header.Tick + away, header.DueTime, out SnapshotHeader read));
            Assert.Equal((header.Tick, header.InputTick), (read.Tick, read.InputTick));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData((1L << 24) - 1)]
    [InlineData(1L << 40)]
    public void Due_times_are_widened_to_the_nearest_within_14_minutes(long dueTime)
    {
        foreach (int away in new[] { -8_388_607, -1, 0, 1, 8_388_607 })
        {
            SnapshotHeader header = Full with { DueTime = dueTime };
            var reader = new BitReader(Write(header));
            Assert.True(SnapshotHeader.TryRead(ref reader, Sequence, header.Tick, dueTime + away, out SnapshotHeader read));
            Assert.Equal(dueTime, read.DueTime);
        }
    }

    [Fact]
    public void A_header_cut_short_is_refused_at_every_length()
    {
        byte[] bytes = Write(Full);
        for (int length = 0; length < bytes.Length; length++)
        {
            var reader = new BitReader(bytes.AsSpan(0, length));
            Assert.False(SnapshotHeader.TryRead(ref reader, Sequence, Full.Tick, Full.DueTime, out _));
        }
    }

    [Fact]
    public void A_baseline_4096_packets_back_is_the_oldest()
    {
        foreach ((int age, bool isGood) in new[] { (1, true), (4096, true), (4097, false) })
        {
            SnapshotHeader header = Full with { Baseline = Sequence - age };
            var reader = new BitReader(Write(header));
            Assert.Equal(isGood, SnapshotHeader.TryRead(ref reader, Sequence, Full.Tick, Full.DueTime, out SnapshotHeader read));
            Assert.True(!isGood || read.Baseline == header.Baseline);
        }
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(6);
        byte[] bytes = new byte[30];
        for (int i = 0; i < 50_000; i++)
        {
            random.NextBytes(bytes);
            var reader = new BitReader(bytes.AsSpan(0, random.Next(0, 31)));
            if (!SnapshotHeader.TryRead(ref reader, Sequence, Full.Tick, Full.DueTime, out SnapshotHeader header))
                continue;
            Assert.InRange(header.OwnX, 0, (1 << 27) - 1);
            Assert.True(!header.HasBaseline || Sequence - header.Baseline is >= 1 and <= 4096);
        }
    }

    [Fact]
    public void Golden_bytes() => Assert.Equal("40E200EE733EE81FB4C484FFFFFF8FBEFB02", Convert.ToHexString(Write(Full)));

    private static byte[] Write(SnapshotHeader header)
    {
        byte[] buffer = new byte[64];
        var writer = new BitWriter(buffer);
        header.Write(ref writer, Sequence);
        Assert.False(writer.Failed);
        return writer.Finish().ToArray();
    }
}
