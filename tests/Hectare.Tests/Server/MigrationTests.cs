using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>Addresses that change hands. What a change costs a client, and who may not cause one, is in Scenarios/MigrationTests.</summary>
public sealed class MigrationTests
{
    private static readonly LinkProfile Far = LinkProfile.Perfect with { DelayNs = 50_000_000 };

    [Fact]
    public void Who_takes_over_the_address_of_a_client_that_is_gone_holds_it()
    {
        using ZoneBench bench = Playing(0, out TestClient client);
        TestClient other = bench.Join(9, port: 10_001);
        bench.Run(30);
        bench.Links.Rebind(PeerAddress.Loopback(10_001), PeerAddress.Loopback(44_444));   // the other goes, without a word
        other.SendEvery = 0;
        bench.Links.Rebind(Home, PeerAddress.Loopback(10_001));
        bench.Run(60);
        Assert.True(Paths(bench).Proved >= 1);
        AssertPlaysOn(bench, client);
        bench.Run(400);   // the other times out: the address stays with whom it is now
        Assert.Equal(1, bench.Zone.PeerCount);
        AssertPlaysOn(bench, client);
    }

    [Fact]
    public void Addresses_of_those_who_left_are_free_again()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096 });
        for (int round = 0; round < 6; round++)
        {
            // As many as there is room for; the places are taken again in another order, from addresses some of which were here before.
            IDatagramSocket[] sockets = [.. Enumerable.Range(0, 4).Select(i => bench.Links.Open(PeerAddress.Loopback(20_000 + (((round * 3) + i) % 7))))];
            bench.Clients.AddRange(sockets.Select((socket, i) => new TestClient(socket, ZoneBench.Server, (ulong)((round * 4) + i + 1))));
            bench.Run(20);
            Assert.All(bench.Clients, client => Assert.True(client.Snapshots > 0));
            bench.Clients.ForEach(client => client.Connection.Close(CloseCode.Left, bench.NowNs));
            bench.Run(20);
            Assert.Equal(0, bench.Zone.PeerCount);
            bench.Clients.Clear();
            Array.ForEach(sockets, socket => socket.Dispose());
        }
    }

    private static readonly PeerAddress Home = PeerAddress.Loopback(20_000);

    private static PathFigures Paths(ZoneBench bench) => bench.Zone.Report().Paths;

    private static ZoneBench Playing(int phase, out TestClient client)
    {
        var options = new ZoneOptions { PlayersMax = 64, EntitiesMax = 4096, Replication = new ReplicationOptions { FixedRate = true } };
        var bench = new ZoneBench(options, link: Far, seed: (ulong)phase + 1);
        // A peer's turn goes by its index: so the client's packets meet every turn of its snapshots.
        for (int i = 0; i < phase % 3; i++)
            bench.Join(100 + (ulong)i);
        client = bench.Join((ulong)phase + 1, port: Home.Port);
        bench.Run(120 + phase);
        Assert.True(client.Snapshots > 20);
        return bench;
    }

    private static void AssertPlaysOn(ZoneBench bench, TestClient client)
    {
        int snapshots = client.Snapshots;
        bench.Run(90);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
        Assert.InRange(client.Snapshots - snapshots, 28, 46);   // the packets that went to the old address are lost: the peer may be served faster for a while
    }
}
