using Hectare.Server;

namespace Hectare.Tests.Server;

public sealed class ZoneIntervalTests
{
    [Fact]
    public void An_interval_tells_of_its_own_ticks_and_the_totals_go_on()
    {
        using var bench = new ZoneBench();
        RunLate(bench, ticks: 20, lateNs: 1_000_000);
        ZoneInterval first = bench.Zone.TakeInterval();
        Assert.Equal(20, first.Ticks);
        Assert.InRange(first.StartLateMs.P50, 1, 1.04);
        Assert.InRange(first.StartLateMs.Max, 1, 1);
        Assert.True(first.TickMs.Max > 0 && first.TickMs.P50 <= first.TickMs.P99);

        RunLate(bench, ticks: 10, lateNs: 4_000_000);
        ZoneInterval second = bench.Zone.TakeInterval();
        Assert.Equal(30, second.Ticks);
        Assert.InRange(second.StartLateMs.P50, 4, 4.13);
        Assert.Equal(30, bench.Zone.Report().Ticks);

        ZoneInterval third = bench.Zone.TakeInterval();
        Assert.Equal((30L, 0.0, 0.0), (third.Ticks, third.TickMs.Max, third.StartLateMs.Max));
    }

    [Fact]
    public void A_window_that_begins_begins_the_interval_too()
    {
        using var bench = new ZoneBench();
        RunLate(bench, ticks: 5, lateNs: 9_000_000);
        bench.Zone.BeginWindow();
        RunLate(bench, ticks: 5, lateNs: 1_000_000);
        Assert.InRange(bench.Zone.TakeInterval().StartLateMs.Max, 1, 1);
    }

    private static void RunLate(ZoneBench bench, int ticks, long lateNs)
    {
        for (int i = 0; i < ticks; i++)
        {
            bench.UpdateClients();
            bench.Zone.RunTick(bench.NowNs, bench.NowNs + lateNs);
        }
    }
}
