using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// The main test: a whole zone and its clients over bad links in virtual time, from one seed.
/// Goal: whatever the link does, clients hold what they should, nothing in order is ever refused or waited for, and all is exact when it is still.
/// Method: 50 clients walk, turn, meet and part for 60 virtual seconds while things spawn, change, vanish and teleport; invariants are looked
/// at twice a second; then all stands still for 6 s and every replica is compared with the world. 10 seeds a profile; 100 with HECTARE_FULL=1.
/// </summary>
public sealed class WholeSystemTests(ITestOutputHelper output)
{
    /// <summary>Seeds of the smaller simulations.</summary>
    internal static ulong SmallSeeds => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 100UL : 10;

    private static int Seeds => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 100 : 10;

    [Theory]
    [InlineData("audit-5pct")]
    [InlineData("hell")]
    public void Fifty_clients_hold_the_truth_over(string profile)
    {
        var broken = new List<string>();
        long compared = 0, staleness = 0;
        Parallel.For(1, Seeds + 1, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = TestContext.Current.CancellationToken }, seed =>
        {
            (Invariants invariants, int entities) = Run((ulong)seed, profile, clients: 50, seconds: 60);
            lock (broken)
            {
                compared += entities;
                staleness += invariants.StalenessChecks;
                broken.AddRange(invariants.Broken.Select(what => $"seed {seed}, {profile}: {what}"));
            }
        });
        output.WriteLine($"{profile}: {Seeds} seeds, {compared} entities compared, {staleness} staleness checks, {broken.Count} invariants broken");
        Assert.True(broken.Count == 0, string.Join('\n', broken.Take(40)));
        Assert.True(compared > 0 && staleness > 0);
    }

    internal static (Invariants Invariants, int Compared) Run(ulong seed, string profile, int clients, double seconds)
    {
        using var system = new SimulatedSystem(new SimulationOptions { Seed = seed, Clients = clients, Profile = LinkProfile.Get(profile) });
        return Run(system, seconds);
    }

    internal static (Invariants Invariants, int Compared) Run(SimulatedSystem system, double seconds, double settleSeconds = 6, bool checksAge = true)
    {
        var invariants = new Invariants(system) { ChecksAge = checksAge };
        for (double at = 0; at < seconds; at += 0.5)
        {
            system.RunSeconds(0.5);
            invariants.Check();
        }

        system.Game.IsFrozen = true;
        system.RunSeconds(settleSeconds);
        int compared = invariants.CompareWithTruth();
        invariants.CheckEnd();
        return (invariants, compared);
    }
}
