using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class LineArrayTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(640)]
    [InlineData(20_000)]
    public unsafe void It_begins_on_a_line_and_is_all_zero(int length)
    {
        var array = new LineArray<ulong>(length);
        Assert.Equal(length, array.Length);
        Assert.Equal(0, (nint)Unsafe.AsPointer(ref array[0]) & 63);
        for (int i = 0; i < length; i++)
            Assert.Equal(0u, array[i]);
    }

    [Fact]
    public void What_was_written_stays_through_collections_and_a_change_of_length()
    {
        var array = new LineArray<uint>(100);
        for (int i = 0; i < 100; i++)
            array[i] = (uint)i + 1;
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        LineArray<uint> longer = array.Resized(200), shorter = array.Resized(10);
        Assert.Equal(Enumerable.Range(1, 100).Select(i => (uint)i).Concat(new uint[100]), longer.AsSpan(0, 200).ToArray());
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (uint)i), shorter.AsSpan(0, 10).ToArray());
        Assert.Equal([51u, 52u], array.AsSpan(50, 2).ToArray());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    [InlineData(int.MaxValue)]
    public void There_is_nothing_beyond_its_ends(int index)
    {
        var array = new LineArray<long>(8);
        Assert.Throws<ArgumentOutOfRangeException>(() => array[index]);
        Assert.Throws<ArgumentOutOfRangeException>(() => array.AsSpan(index, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => array.AsSpan(1, 8));
        array.Prefetch(index);
    }

    [Fact]
    public void A_length_that_no_memory_holds_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new LineArray<ulong>(-1));
        Assert.Throws<OverflowException>(() => new LineArray<ulong>(int.MaxValue));
    }
}
