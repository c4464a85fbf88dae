using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

/// <summary>Lists of who holds what, against sets that are slow and surely right.</summary>
public sealed class HoldersTests
{
    [Theory]
    [InlineData(1, 40, 300)]
    [InlineData(2, 2_000, 30)]
    [InlineData(3, 3, 9_000)]
    public void Lists_hold_what_was_added_and_not_removed(int seed, int rows, int peers)
    {
        var holders = new Holders(rows, peersMax: 8);
        var log = new HoldersLog();
        HashSet<uint>[] expected = [.. Enumerable.Range(0, rows).Select(_ => new HashSet<uint>())];
        var random = new SeededRandom((ulong)seed);
        long most = 0;
        for (int round = 0; round < 60; round++)
        {
            // Fills, empties, and fills again.
            bool fills = round / 15 % 2 == 0;
            for (int i = 0; i < 4_000; i++)
            {
                int row = random.Next(0, rows);
                uint entry = Holders.Entry(random.Next(0, peers), random.Next(0, SlotCodec.SlotsMax) & 3);
                bool holds = fills ? random.Next(0, 8) != 0 : random.Next(0, 8) == 0;
                uint known = expected[row].FirstOrDefault();
                if (holds && expected[row].Add(entry))
                    log.Note(row, entry, holds: true);
                else if (!holds && expected[row].Remove(known))
                    log.Note(row, known, holds: false);
            }

            log.Settle(holders);
            most = Math.Max(most, expected.Sum(set => (long)set.Count));
            for (int row = 0; row < rows; row++)
                Assert.True(expected[row].SetEquals(holders.Of(row).ToArray()), $"seed {seed}, round {round}, row {row}");
        }

        // Blocks of eight, a quarter of room, and what was left by lists that grew.
        Assert.InRange(holders.MemoryBytes, 0, 200_000 + (rows * 8) + ((most + (rows * 40)) * sizeof(uint) * 2));
    }
}
