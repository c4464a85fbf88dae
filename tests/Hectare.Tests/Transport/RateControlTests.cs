using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>
/// What the rate does on links that are narrow, lossy, dead for a while, or shared. Goal: no queue that players feel, most of what a link can carry, and
/// nothing given up for losses that are not ours. Method: real connections over simulated links in virtual time, a bulk lane that is always full.
/// </summary>
public sealed class RateControlTests(ITestOutputHelper output)
{
    private const long Ms = 1_000_000;
    private const int Most = 24_000;

    private static ulong Seeds => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 50UL : 5;

    [Theory]
    [InlineData(4_000, 20, 3, 0)]
    [InlineData(8_000, 20, 3, 0)]
    [InlineData(8_000, 100, 20, 0.05)]
    [InlineData(16_000, 50, 10, 0)]
    [InlineData(16_000, 50, 10, 0.2)]
    public void A_full_bulk_lane_fills_a_bottleneck_and_not_its_queue(int bottleneck, int delayMs, int jitterMs, double loss)
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Narrow(bottleneck, delayMs, jitterMs, loss), Wide(delayMs, jitterMs, loss));
            link.Mark();
            link.Run(20);
            double startMs = link.QueueMsP99;
            link.Mark();
            link.Run(60);
            double share = link.First.Throughput(link.NowNs) / (bottleneck * (1 - loss));
            output.WriteLine($"seed {seed}: {bottleneck} B/s, loss {loss:P0}: {share:P0} of it used, queue p50 {link.QueueMsP50:F0} ms, p99 {link.QueueMsP99:F0} ms, at the start {startMs:F0} ms, rate {link.First.MeanRate:F0} B/s");
            Assert.True(share >= 0.6, $"seed {seed}: {share:P0} of the bottleneck");
            // A packet of 1,000 bytes alone takes 250 ms of 4,000 bytes a second.
            double packetMs = 1_000.0 * 1_000 / bottleneck;
            Assert.InRange(link.QueueMsP50, 0, 300 + packetMs);
            Assert.InRange(link.QueueMsP99, 0, 850 + (2 * packetMs));
            // It starts at the highest rate: what that sends until the first acks have told.
            Assert.InRange(startMs, 0, 1.4 * 1_000 * Most / bottleneck);
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.05)]
    [InlineData(0.2)]
    public void Constant_random_loss_does_not_lower_the_rate(double loss)
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Wide(100, 20, loss));
            link.Mark();
            link.Run(120);
            output.WriteLine($"seed {seed}: loss {loss:P0}, refused as late too: {link.First.Server.LossShare:P0}; rate {link.First.LowestRate} to {Most}, mean {link.First.MeanRate:F0}");
            Assert.True(link.First.LowestRate >= Most * 0.6, $"seed {seed}: down to {link.First.LowestRate} B/s");
            Assert.True(link.First.MeanRate >= Most * 0.98, $"seed {seed}: mean {link.First.MeanRate:F0} B/s");
        }
    }

    [Fact]
    public void A_random_loss_that_begins_in_the_middle_is_tried_once_and_then_known()
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Wide(50, 5, 0));
            link.Run(30);
            link.SetDown(Wide(50, 5, 0.2));
            link.Mark();
            link.Run(20);
            int tried = link.First.LowestRate;
            link.Mark();
            link.Run(60);
            output.WriteLine($"seed {seed}: down to {tried} once, then {link.First.LowestRate}, mean {link.First.MeanRate:F0}");
            Assert.True(link.First.MeanRate >= Most * 0.98, $"seed {seed}: mean {link.First.MeanRate:F0} B/s");
        }
    }

    [Theory]
    [InlineData("lan")]
    [InlineData("broadband")]
    [InlineData("wifi-busy")]
    [InlineData("audit-5pct")]
    [InlineData("audit-10pct")]
    [InlineData("hell")]
    [InlineData("starlink")]
    public void A_wide_link_keeps_the_highest_rate_whatever_else_it_does(string profile)
    {
        foreach (double demand in (double[])[1_000, 6_000, RatedLink.Everything])
        {
            int lowest = Most;
            double mean = 0;
            for (ulong seed = 0; seed < Seeds; seed++)
            {
                var link = new RatedLink(seed, LinkProfile.Get(profile));
                link.First.DemandPerSecond = demand;
                link.Mark();
                link.Run(120);
                lowest = Math.Min(lowest, link.First.LowestRate);
                mean += link.First.MeanRate / Seeds;
            }

            output.WriteLine($"{profile}, demand {demand}: rate {lowest} to {Most}, mean {mean:F0}");
            Assert.True(mean >= Most * 0.97, $"{profile}, demand {demand}: mean {mean:F0} B/s");
        }
    }

    [Fact]
    public void A_loss_that_grows_with_our_rate_lowers_it_without_any_queue()
    {
        // A policer: what is above its rate is dropped at once.
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Narrow(10_000, 20, 3, 0) with { QueueBytesMax = 2_500 }, Wide(20, 3, 0));
            link.First.DemandPerSecond = 3_000;
            link.Run(20);
            link.First.DemandPerSecond = RatedLink.Everything;
            link.Run(10);
            link.Mark();
            link.Run(60);
            output.WriteLine($"seed {seed}: {link.First.Throughput(link.NowNs):F0} of 10,000 B/s, rate {link.First.MeanRate:F0} B/s");
            Assert.InRange(link.First.MeanRate, 6_000, 13_000);
            Assert.InRange(link.First.Throughput(link.NowNs), 6_000, 10_000);
        }
    }

    [Fact]
    public void Two_flows_over_one_bottleneck_share_it()
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Narrow(16_000, 30, 5, 0), Wide(30, 5, 0), flows: 2);
            link.Run(30);
            link.Mark();
            link.Run(120);
            double first = link.Flows[0].Throughput(link.NowNs), second = link.Flows[1].Throughput(link.NowNs);
            output.WriteLine($"seed {seed}: {first:F0} and {second:F0} of 16,000 B/s, queue p50 {link.QueueMsP50:F0} ms, p99 {link.QueueMsP99:F0} ms");
            Assert.InRange(first / (first + second), 0.25, 0.75);
            Assert.True(first + second >= 16_000 * 0.6, $"seed {seed}: {first + second:F0} B/s of both");
            Assert.InRange(link.QueueMsP99, 0, 900);
        }
    }

    [Fact]
    public void A_bottleneck_that_opens_is_noticed()
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Narrow(6_000, 30, 5, 0), Wide(30, 5, 0));
            link.Run(40);
            Assert.InRange(link.First.Rate, 2_000, 9_000);
            link.SetDown(Wide(30, 5, 0));
            double seconds = 0;
            for (; link.First.Rate < Most && seconds < 60; seconds += 0.5)
                link.Run(0.5);
            output.WriteLine($"seed {seed}: the highest rate again after {seconds:F1} s");
            Assert.InRange(seconds, 0, 30);
        }
    }

    [Fact]
    public void An_outage_stops_all_but_the_least_and_is_forgotten_with_the_first_ack()
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            foreach (double outage in (double[])[0.3, 2, 5])
            {
                var link = new RatedLink(seed, Wide(50, 10, 0.01));
                link.Run(20);
                link.Outage(outage);
                link.Run(outage - 0.01);
                int during = link.First.Rate;
                link.Run(1);
                output.WriteLine($"seed {seed}, {outage} s: rate {during} at its end, {link.First.Rate} a second later");
                if (outage > 1.5)
                    Assert.Equal(ConnectionOptions.Default.RateBytesPerSecondMin, during);
                Assert.True(link.First.Rate >= Most * 0.8, $"seed {seed}: {link.First.Rate} B/s a second after {outage} s of outage");
            }
        }
    }

    [Fact]
    public void A_flow_that_does_not_use_its_rate_does_not_raise_it()
    {
        var link = new RatedLink(1, Narrow(6_000, 30, 5, 0), Wide(30, 5, 0));
        link.Run(40);
        link.SetDown(Wide(30, 5, 0));
        link.First.DemandPerSecond = 1_500;
        link.Run(2);
        int before = link.First.Rate;
        link.Run(30);
        Assert.Equal(before, link.First.Rate);
        link.First.DemandPerSecond = RatedLink.Everything;
        link.Run(3);
        Assert.True(link.First.Rate > before, $"{before} to {link.First.Rate} B/s");
    }

    [Fact]
    public void Equal_bounds_fix_the_rate()
    {
        var link = new RatedLink(1, Narrow(4_000, 30, 5, 0), Wide(30, 5, 0), options: new ConnectionOptions { RateBytesPerSecondMin = 9_000, RateBytesPerSecondMax = 9_000 });
        link.Mark();
        link.Run(30);
        Assert.Equal(9_000, link.First.LowestRate);
        Assert.Equal(9_000, link.First.MeanRate);
    }

    [Fact]
    public void A_late_tick_of_ours_is_no_queue()
    {
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            var link = new RatedLink(seed, Wide(30, 5, 0));
            link.Run(20);
            link.Mark();
            for (int i = 0; i < 10; i++)
            {
                link.StallServer(0.6);
                link.Run(5);
            }

            Assert.True(link.First.LowestRate == Most, $"seed {seed}: down to {link.First.LowestRate} B/s");
        }
    }

    private static LinkProfile Wide(int delayMs, int jitterMs, double loss) => new() { Name = "wide", DelayNs = delayMs * Ms, JitterNs = jitterMs * Ms, LossShare = loss };

    private static LinkProfile Narrow(int bytesPerSecond, int delayMs, int jitterMs, double loss) => Wide(delayMs, jitterMs, loss) with { BitsPerSecond = bytesPerSecond * 8L };
}
