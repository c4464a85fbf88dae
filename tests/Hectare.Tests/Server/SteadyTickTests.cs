using System.Diagnostics;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class SteadyTickTests(ITestOutputHelper output)
{
    private const int Players = 500;

    [Theory]
    [InlineData(0)]
    [InlineData(150_000)]
    public void A_steady_tick_with_500_walkers_allocates_nothing(int zoneBytesPerSecond)
    {
        using ZoneBench bench = Populated(zoneBytesPerSecond);
        bench.Run(300);
        long allocated = 0, ticksThatAllocated = 0;
        for (int i = 0; i < 300; i++)
        {
            bench.UpdateClients();
            long before = GC.GetAllocatedBytesForCurrentThread();
            bench.Zone.RunTick(bench.NowNs, bench.NowNs);
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            allocated += bytes;
            ticksThatAllocated += bytes > 0 ? 1 : 0;
        }

        Assert.Equal(Players, bench.Game.InputsOfLastStep);
        Assert.Equal(zoneBytesPerSecond > 0, bench.Zone.Report().BudgetShareMean < 1);
        Assert.True(allocated == 0, $"{allocated} bytes in {ticksThatAllocated} of 300 ticks");
    }

    [Fact]
    public void The_phases_add_up_to_the_tick_and_the_report_tells_what_was_sent()
    {
        using ZoneBench bench = Populated();
        bench.Run(100);
        bench.Zone.BeginWindow();
        long datagrams = bench.Zone.Metrics.DatagramsOut;
        bench.Run(90);
        ZoneReport report = bench.Zone.Report();
        Assert.Equal(90, report.Ticks);
        Assert.Equal(Players, report.Players);
        Assert.Equal(Enum.GetNames<Phase>().Select(name => name.ToLowerInvariant()), report.PhasesUs.Keys, StringComparer.Ordinal);
        Assert.InRange(report.PhasesUs.Values.Sum() / report.TickMeanUs, 0.95, 1.05);
        Assert.InRange(report.DatagramBytesMax, 40, PacketHeader.DatagramBytesMax);
        Assert.True(report.KnownPerPlayer.P50 > 10);
        Assert.True(report.UpdatesPerSnapshot > 0);
        Assert.InRange(report.BitsPerTurn, 8, 64);
        Assert.InRange(report.BytesPerPeerMemory, 1_000, 48_000);
        double snapshots = (report.SnapshotsPerSecond + report.KeepAlivesPerSecond) * report.Seconds;
        Assert.InRange(snapshots, Players * 90 / 15, bench.Zone.Metrics.DatagramsOut - datagrams + 0.5);
        Assert.DoesNotContain(report.Drops.Keys, reason => reason.StartsWith("packet", StringComparison.Ordinal));
    }

    // What a tick is measured with: a time stamp a phase and one a batch of datagrams. Both sides in one run, the best of five, so that neighbours cancel out.
    [Fact]
    public void The_hooks_cost_less_than_a_hundredth_of_a_tick()
    {
        using ZoneBench bench = Populated();
        bench.Run(60);
        double hooksNs = double.MaxValue, tickNs = double.MaxValue;
        using var metrics = new ZoneMetrics(new ZoneId(9));
        for (int round = 0; round < 5; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int tick = 0; tick < 1_000; tick++)
                MeasureNothing(metrics, batches: Players / 64);
            hooksNs = Math.Min(hooksNs, Stopwatch.GetElapsedTime(start).TotalNanoseconds / 1_000);
            bench.Zone.BeginWindow();
            bench.Run(30);
            tickNs = Math.Min(tickNs, bench.Zone.Report().TickMeanUs * 1_000);
        }

        output.WriteLine($"hooks {hooksNs:F0} ns of a tick of {tickNs / 1000:F0} us: {100 * hooksNs / tickNs:F3} %");
        Assert.InRange(hooksNs / tickNs, 0, 0.01);
    }

    private static void MeasureNothing(ZoneMetrics metrics, int batches)
    {
        metrics.BeginTick();
        foreach (Phase phase in Enum.GetValues<Phase>())
            metrics.End(phase);
        for (int i = 0; i < 2 * batches; i++)
            Stopwatch.GetTimestamp();
        metrics.Move(Phase.Write, Phase.Send, 1);
        metrics.EndTick(0, 0, 33_333_333);
    }

    private static ZoneBench Populated(int zoneBytesPerSecond = 0)
    {
        var options = new ZoneOptions { PlayersMax = Players, EntitiesMax = 16_384, BytesPerSecondMax = zoneBytesPerSecond };
        var farm = new FarmOptions { Crops = 6_000, Trees = 2_000, Crates = 100, Animals = 500 };
        var bench = new ZoneBench(options, farm);
        for (ulong i = 0; i < Players; i++)
            bench.Join(i);
        bench.Run(60);
        return bench;
    }
}
