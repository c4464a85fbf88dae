using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;

namespace Hectare.Tests.Server;

/// <summary>Everyone within 100 units, walking: a zone and its clients as they are.</summary>
/// <remarks>Goal: what a crowd is told of is what the cap in force says, at every level of pressure, and no tick is heavier than another. Method: 600 players of the farm's festival (2,500 with HECTARE_FULL=1);
/// the zone's own report, and what its writer counted in each tick.</remarks>
public sealed class FestivalTests(ITestOutputHelper output)
{
    private static int Players => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 2_500 : 600;

    [Fact]
    public void The_cap_in_force_is_what_each_player_is_told_of()
    {
        using ZoneBench bench = Gathered();
        foreach (PressureLevel level in (PressureLevel[])[PressureLevel.Full, PressureLevel.Crowd, PressureLevel.SmallCrowd, PressureLevel.Slowest, PressureLevel.Full])
        {
            bench.Zone.SetPressure(level);
            bench.Run(150);
            for (int look = 0; look < 10; look++)
            {
                bench.Run(9);
                ZoneReport report = bench.Zone.Report();
                int capped = Enumerable.Range(0, Players).Count(i => bench.Zone.ViewOf(new PeerId(i))!.IsCapped), most = Enumerable.Range(0, Players).Select(i => bench.Zone.ViewOf(new PeerId(i))!).Where(view => view.IsCapped).Max(view => view.MoverCount);
                if (look == 9)
                    output.WriteLine($"{level}: cap {report.Pressure.InterestCap}, in force p1 {report.CapInForce.P1}, p50 {report.CapInForce.P50}, most {most}; {capped} of {Players} are capped");
                Assert.InRange(report.CapInForce.P1, PressureLevels.CapLeast, report.Pressure.InterestCap);
                // Who has a little less around it than the cap stays capped for a while, and is told of all.
                Assert.InRange(report.CapInForce.P1, report.Pressure.InterestCap * 0.9, report.Pressure.InterestCap);
                Assert.InRange(most, report.Pressure.InterestCap, report.Pressure.InterestCap * 5 / 4);
                Assert.True(capped > Players / 2);
            }
        }
    }

    [Fact]
    public void Looks_at_the_crowd_are_spread_over_the_ticks()
    {
        using ZoneBench bench = Gathered();
        SnapshotWriter writer = bench.Zone.PeerOf(new PeerId(0))!.Group.Writer;
        long[] looks = new long[15];
        for (int i = 0; i < 150; i++)
        {
            long before = writer.Counters.CrowdLooks;
            bench.Run(1);
            looks[i % looks.Length] += writer.Counters.CrowdLooks - before;
        }

        output.WriteLine($"looks by tick of half a second: {string.Join(' ', looks)}");
        Assert.InRange(looks.Sum(), Players * 9.5, Players * 11);
        Assert.InRange(looks.Max(), 0, looks.Average() * 1.5);
    }

    private static ZoneBench Gathered()
    {
        var options = new ZoneOptions { PlayersMax = Players, EntitiesMax = 8_192, Limits = new ZoneLimits { JoinsPerTickMax = 256 }, Replication = new ReplicationOptions { BytesPerSecond = 64_000 } };
        var bench = new ZoneBench(options, TestGame.Small with { Workload = FarmWorkload.Festival, Animals = 0 });
        for (int i = 0; i < Players; i++)
            bench.Join((ulong)i, workload: FarmWorkload.Festival);
        bench.Run(150);
        Assert.Equal(Players, bench.Zone.PeerCount);
        return bench;
    }
}
