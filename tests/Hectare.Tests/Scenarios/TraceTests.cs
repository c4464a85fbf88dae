using Hectare.Client;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Drives that were really driven: links that stop for seconds and then empty a full queue at once.
/// Goal: such a link costs only time. Method: one client plays a virtual minute over each recording, ten
/// minutes of it (100 with HECTARE_FULL=1); nothing that arrived may be refused, no
/// self-check may fire, and when all stands still the replica is the truth. (How old news may be is not asked: the recording's queue decides.)
/// </summary>
public sealed class TraceTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("lte-driving")]
    [InlineData("umts-driving")]
    public void A_client_plays_a_minute_over_a_recorded_drive(string profile)
    {
        LinkTracePair traces = Recordings.Of(profile);
        for (ulong seed = 1; seed <= WholeSystemTests.SmallSeeds; seed++)
            Play(seed, profile, traces);
    }

    // The seed chooses where in the recording the drive begins.
    private void Play(ulong seed, string profile, LinkTracePair traces)
    {
        var options = new SimulationOptions { Seed = seed, Clients = 1, Profile = LinkProfile.Get(profile), Traces = traces };
        using var system = new SimulatedSystem(options);
        (Invariants invariants, int compared) = WholeSystemTests.Run(system, seconds: 60, settleSeconds: 15, checksAge: false);

        SimulatedClient client = system.Clients[0];
        ClientStats stats = client.Game.Stats;
        output.WriteLine($"{profile}, seed {seed}: {stats.Snapshots} snapshots, longest without data {client.LongestWithoutDataNs / 1e6:F0} ms, {compared} entities compared");
        Assert.True(invariants.Broken.Count == 0, $"seed {seed}, {profile}: " + string.Join('\n', invariants.Broken));
        Assert.Equal(ClientState.Playing, client.Game.State);
        Assert.True(stats.Snapshots > 300, $"{stats.Snapshots} snapshots");
        Assert.True(compared > 0, "nothing was compared");
    }
}
