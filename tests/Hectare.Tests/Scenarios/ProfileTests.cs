using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// The other named links, and one that spoils and copies what it carries.
/// Goal: the invariants are no property of two profiles. Method: ten clients walk 20 virtual seconds over each; then all stands still and every
/// replica is compared with the world.
/// </summary>
public sealed class ProfileTests
{
    [Theory]
    [InlineData("lan")]
    [InlineData("broadband")]
    [InlineData("wifi-busy")]
    [InlineData("audit-10pct")]
    [InlineData("starlink")]
    public void Ten_clients_hold_the_truth_over(string profile)
    {
        for (ulong seed = 1; seed <= WholeSystemTests.SmallSeeds; seed++)
        {
            (Invariants invariants, int compared) = WholeSystemTests.Run(seed, profile, clients: 10, seconds: 20);
            Assert.True(invariants.Broken.Count == 0, $"seed {seed}, {profile}: " + string.Join('\n', invariants.Broken));
            Assert.True(compared > 200 && invariants.StalenessChecks > 100, $"{compared} compared, {invariants.StalenessChecks} checks");
        }
    }

    [Fact]
    public void Corrupted_datagrams_are_never_accepted_and_copies_change_nothing()
    {
        for (ulong seed = 1; seed <= WholeSystemTests.SmallSeeds; seed++)
            PlayOverASpoiledLink(seed);
    }

    private static void PlayOverASpoiledLink(ulong seed)
    {
        var profile = new LinkProfile { DelayNs = 50_000_000, JitterNs = 20_000_000, LossShare = 0.02, CorruptShare = 0.05, DuplicateShare = 0.1 };
        using var system = new SimulatedSystem(new SimulationOptions { Seed = seed, Clients = 10, Profile = profile });
        (Invariants invariants, int compared) = WholeSystemTests.Run(system, seconds: 20);
        Assert.True(invariants.Broken.Count == 0, $"seed {seed}: " + string.Join('\n', invariants.Broken));
        Assert.True(compared > 200, $"{compared} compared");

        int corrupted = system.Clients.Sum(client => client.Corrupted.Count);
        Assert.True(corrupted > 50, $"{corrupted} corrupted datagrams reached clients");
        Assert.Equal(0, system.Clients.Sum(client => client.Corrupted.Accepted));
        Assert.True(system.Clients.Sum(client => client.Game.Drops(OpenResult.Duplicate)) > 100);

        // Each that reached the server was dropped for one reason or another: as broken, or because the broken part named another packet.
        IReadOnlyDictionary<string, long> drops = system.Zone.Drops();
        string[] reasons = ["malformed", "unknownConnection", "packetBadSeal", "packetMalformed", "handshakeMalformed", "handshakeBadCookie"];
        long broken = reasons.Sum(reason => drops.GetValueOrDefault(reason)), copies = drops["packetDuplicate"] + drops.GetValueOrDefault("packetTooOld");
        Assert.InRange(system.CorruptedToServer, broken, broken + copies);
        Assert.True(broken > 50, $"{broken} broken datagrams reached the server");
    }
}
