using Hectare.Client;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Clients and zones of different versions, whole: the wire is in the zone's schema, and each client reads of it what its game knows.
/// Goal: an update of either end locks nobody out, and what cannot work is refused with the reason. Method: six clients of another version walk
/// 20 virtual seconds over a link that loses 5 %; the invariants hold, and in the end every field that both sides know is equal.
/// </summary>
public sealed class EvolutionTests
{
    [Fact]
    public void A_client_with_a_field_fewer_plays_on_a_newer_server()
    {
        Schema older = MeadowSchema.Build(withSwings: false);
        using SimulatedSystem system = Play(MeadowSchema.Shared, older);

        Assert.Null(older["player"].Find("swings"));
        Assert.Contains(system.Clients, client => NewestSwings(system, client) > 0);   // the field it does not know did change on the wire
    }

    [Fact]
    public void A_client_with_an_optional_field_and_a_kind_more_plays_on_an_older_server()
    {
        Schema newer = MeadowSchema.Build(more: schema => schema.Kind("bird").Motion(500).Group("song").Int("song", 4));
        using SimulatedSystem system = Play(new MeadowSchema(MeadowSchema.Build(withSwings: false)), newer);

        foreach (SimulatedClient client in system.Clients)
        {
            ReplicaWorld world = client.Game.World!;
            Assert.Null(world.Map.Find(newer["player"]["swings"]));
            Assert.Equal(0u, world.GetField(client.Game.Avatar, newer["player"]["swings"]));
        }
    }

    [Fact]
    public void A_field_that_a_client_requires_and_the_server_has_is_no_difference()
    {
        using SimulatedSystem system = Play(MeadowSchema.Shared, MeadowSchema.Build(requireMoss: true));
    }

    [Fact]
    public void A_client_that_requires_what_the_server_lacks_is_refused_with_the_first_difference()
    {
        Schema newer = MeadowSchema.Build(more: schema => schema.Kind("well").Group("water").Int("water", 4, required: true).Int("depth", 4, required: true));
        using var system = new SimulatedSystem(new SimulationOptions { Clients = 2, ClientSchema = newer, Profile = LinkProfile.Get("audit-5pct") });
        system.RunSeconds(5);

        foreach (SimulatedClient client in system.Clients)
        {
            CloseReason reason = client.Game.CloseReason;
            Assert.Equal(ClientState.Closed, client.Game.State);
            Assert.Equal((CloseCause.Refused, CloseCode.SchemaMismatch, RefuseReason.SchemaMismatch), (reason.Cause, reason.Code, reason.Refusal));
            Assert.Equal("kind 'well', field 'water': required by this client, missing on the server", reason.Text);
        }

        Assert.Equal(0, system.Zone.PeerCount);
        Assert.Empty(system.Game.RowOfPeer);
    }

    private static SimulatedSystem Play(MeadowSchema server, Schema client)
    {
        var system = new SimulatedSystem(new SimulationOptions
        {
            Clients = 6,
            Profile = LinkProfile.Get("audit-5pct"),
            Game = seed => new MeadowGame(seed, server),
            ClientSchema = client,
        });
        (Invariants invariants, int compared) = WholeSystemTests.Run(system, seconds: 20);
        Assert.NotEqual(server.Schema.Hash, client.Hash);
        Assert.True(invariants.Broken.Count == 0, string.Join('\n', invariants.Broken));
        Assert.True(compared > 100, $"{compared} compared");
        Assert.All(system.Clients, one => Assert.Equal(server.Schema.Hash, one.Game.World!.Map.Server.Hash));
        return system;
    }

    private static uint NewestSwings(SimulatedSystem system, SimulatedClient client)
    {
        Assert.True(system.Zone.World.TryFind(client.Game.Avatar, out int row));
        return system.Zone.World.Get(row, system.Game.Kinds.Swings);
    }
}
