using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class SessionTableTests
{
    // Against a dictionary and a list that do the same the slow way.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_knows_what_a_dictionary_and_a_list_know(ulong seed)
    {
        const int Max = 64;
        var random = new SeededRandom(seed);
        var table = new SessionTable(Max, random.NextUInt64());
        var known = new Dictionary<SessionId, ulong>();
        var lost = new List<SessionId>();
        for (int step = 0; step < 20_000; step++)
        {
            var session = new SessionId(1, (ulong)random.Next(1, 200));
            int row = table.Find(session);
            Assert.Equal(known.ContainsKey(session), row != SessionTable.None);
            if (row == SessionTable.None)
            {
                if (known.Count == Max)
                    continue;
                table.Add(session, (ulong)step, [], peer: 5);
                known.Add(session, (ulong)step);
                continue;
            }

            Assert.Equal(known[session], table[row].ClientId);
            Assert.Equal(lost.Contains(session), table[row].IsLost);
            int choice = random.Next(0, 3);
            if (choice == 0)
            {
                table.Remove(row);
                known.Remove(session);
                lost.Remove(session);
            }
            else if (table[row].IsLost)
            {
                table.Connect(row, 6);
                lost.Remove(session);
            }
            else if (choice == 1)
            {
                table.Lose(row, new EntityId((uint)step), step);
                lost.Add(session);
            }

            Assert.Equal(lost.Count, table.LostCount);
            Assert.Equal(lost.Count == 0 ? default : lost[0], table.Oldest == SessionTable.None ? default : table[table.Oldest].Session);
        }

        // In order of loss, to the last.
        foreach (SessionId session in lost)
        {
            Assert.Equal(session, table[table.Oldest].Session);
            table.Remove(table.Oldest);
        }

        Assert.Equal(SessionTable.None, table.Oldest);
    }
}
