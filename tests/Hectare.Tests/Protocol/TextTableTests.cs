using System.Globalization;
using System.Text;
using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

/// <summary>Names by their hash.</summary>
public sealed class TextTableTests
{
    [Fact]
    public void Each_of_many_texts_is_found_and_no_other()
    {
        var table = new TextTable();
        uint[] hashes = [.. Enumerable.Range(0, 3_000).Select(i => table.Add(TextOf(i)))];
        Assert.Equal(3_000, table.Count);
        for (int i = 0; i < hashes.Length; i++)
            Assert.Equal(TextOf(i), table.Find(hashes[i]).ToArray());
        Assert.True(table.Find(TextTable.HashOf(TextOf(3_000))).IsEmpty);
        Assert.True(table.Find(0).IsEmpty);
    }

    [Fact]
    public void Places_that_wrap_round_the_end_are_found()
    {
        // Eight texts of one home in a table of sixteen: its last place.
        byte[][] texts = [.. Enumerable.Range(0, 100_000).Select(TextOf).Where(text => (TextTable.HashOf(text) & 15) == 15).Take(8)];
        var table = new TextTable();
        foreach (byte[] text in texts)
            table.Add(text);
        Assert.All(texts, text => Assert.Equal(text, table.Find(TextTable.HashOf(text)).ToArray()));
    }

    [Fact]
    public void A_text_that_is_known_is_kept_once_and_one_beyond_the_bound_is_refused()
    {
        var table = new TextTable(capacity: 2);
        uint first = table.Add(TextOf(1));
        Assert.Equal(first, table.Add(TextOf(1)));
        table.Add(TextOf(2));
        Assert.Equal((2, 0L), (table.Count, table.Refused));
        Assert.Equal(0u, table.Add(TextOf(3)));
        Assert.Equal((2, 1L), (table.Count, table.Refused));
    }

    [Fact]
    public void Nothing_is_found_after_all_is_forgotten_and_it_fills_again()
    {
        var table = new TextTable();
        uint hash = table.Add(TextOf(1));
        Assert.True(table.Find(TextTable.HashOf(TextOf(2))).IsEmpty);
        table.Clear();
        Assert.True(table.Find(hash).IsEmpty);
        Assert.Equal(0, table.Count);
        Assert.Equal(TextOf(2), table.Find(table.Add(TextOf(2))).ToArray());
    }

    private static byte[] TextOf(int i) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"name {i}"));
}
