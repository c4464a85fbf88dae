using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

public sealed class PartiesTests
{
    private const int Peers = 40;

    // Against a plain list, by chance.
    [Fact]
    public void Members_are_those_who_were_put_into_the_same_party()
    {
        var parties = new Parties(Peers);
        ushort[] truth = new ushort[Peers];
        var random = new SeededRandom(9);
        for (int i = 0; i < 4_000; i++)
        {
            int peer = random.Next(0, Peers);
            truth[peer] = (ushort)random.Next(0, 5);
            parties.Set(peer, truth[peer]);
            int other = random.Next(0, Peers);
            var members = new List<int>();
            foreach (int member in parties.MembersWith(other))
                members.Add(member);
            Assert.Equal(truth[other], parties[other]);
            Assert.Equal(other, members[0]);
            IEnumerable<int> expected = truth[other] == 0 ? [other] : Enumerable.Range(0, Peers).Where(one => truth[one] == truth[other]);
            Assert.Equal(expected.Order(), members.Order());
        }
    }
}
