using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>A whole system whose zone may send less than its clients want: later, but nothing wrong.</summary>
public sealed class ShortBudgetTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("bytes", "audit-5pct")]
    [InlineData("bytes", "hell")]
    [InlineData("packets", "audit-5pct")]
    public void A_zone_at_half_of_what_is_wanted_still_tells_the_truth(string what, string profile)
    {
        const int Clients = 20;
        for (ulong seed = 1; seed <= WholeSystemTests.SmallSeeds / 4; seed++)
        {
            // 20 walkers of the meadow want some 1,500 bytes and 15 packets a second each.
            ZoneOptions zone = what == "bytes" ? new ZoneOptions { BytesPerSecondMax = Clients * 900 } : new ZoneOptions { PacketsPerSecondMax = Clients * 7 };
            using var system = new SimulatedSystem(new SimulationOptions { Seed = seed, Clients = Clients, Profile = LinkProfile.Get(profile), Zone = zone });
            (Invariants invariants, int compared) = WholeSystemTests.Run(system, seconds: 30, checksAge: false);
            double seconds = system.NowNs / 1e9 * Clients;
            ZoneReport report = system.Zone.Report();
            output.WriteLine($"seed {seed}: share {report.BudgetShareMean:F2}, least {report.BudgetShareLeast:F2}; {(system.Zone.Metrics.BytesOut + (28 * system.Zone.Metrics.DatagramsOut)) / seconds:F0} bytes and {system.Zone.Metrics.DatagramsOut / seconds:F1} packets a second each; {compared} entities compared; {invariants.Broken.Count} broken: {string.Join("; ", invariants.Broken.Take(4))}");
            Assert.Empty(invariants.Broken);
            Assert.True(compared > 0);
        }
    }
}
