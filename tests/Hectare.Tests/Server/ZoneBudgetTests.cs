using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>
/// A zone that may send less than its clients want. Goal: each gets about the same share of its own, nobody nothing, and the zone keeps to what it may.
/// Method: 200 walkers of <c>uniform</c>, each in a neighbourhood of its own; what each is sent is compared with a run without the budget from the same seed.
/// </summary>
public sealed class ZoneBudgetTests(ITestOutputHelper output)
{
    private const int Players = 200;
    private const int WarmUpTicks = 300;
    private const int MeasuredTicks = 900;

    [Theory]
    [InlineData(0.5, "perfect")]
    [InlineData(0.5, "audit-5pct")]
    [InlineData(0.8, "perfect")]
    [InlineData(1.15, "perfect")]
    public void Every_peer_gets_about_the_same_share_of_the_bytes_it_wants(double budget, string link)
    {
        Run free = Measure(new ZoneOptions(), link);
        double zoneBytes = free.Bytes.Sum() / free.Seconds;
        Run held = Measure(new ZoneOptions { BytesPerSecondMax = (int)(budget * zoneBytes) }, link);
        Check("bytes", Math.Min(1, budget), free.Bytes, held.Bytes, held);
        Assert.InRange(held.Bytes.Sum() / held.Seconds, 0.9 * Math.Min(1, budget) * zoneBytes, 1.05 * budget * zoneBytes);
    }

    [Theory]
    [InlineData(0.5, "perfect")]
    [InlineData(0.5, "audit-5pct")]
    [InlineData(0.8, "perfect")]
    [InlineData(1.15, "perfect")]
    public void Every_peer_gets_about_the_same_share_of_the_packets_it_wants(double budget, string link)
    {
        Run free = Measure(new ZoneOptions(), link);
        double zonePackets = free.Packets.Sum() / free.Seconds;
        Run held = Measure(new ZoneOptions { PacketsPerSecondMax = (int)(budget * zonePackets) }, link);
        Check("packets", Math.Min(1, budget), free.Packets, held.Packets, held);
        Assert.InRange(held.Packets.Sum() / held.Seconds, 0.9 * Math.Min(1, budget) * zonePackets, 1.05 * budget * zonePackets);
    }

    [Theory]
    [InlineData(2_000, 0)]
    [InlineData(0, 40)]
    [InlineData(2_000, 40)]
    public void However_little_there_is_nobody_is_lost_or_told_nothing(int bytes, int packets)
    {
        // Two keep-alives a second to each of 200 are 400 packets: ten times what the zone may send.
        Run run = Measure(new ZoneOptions { BytesPerSecondMax = bytes, PacketsPerSecondMax = packets }, "perfect");
        output.WriteLine($"{run.Bytes.Min() / run.Seconds:F0} to {run.Bytes.Max() / run.Seconds:F0} bytes, {run.Packets.Min() / run.Seconds:F1} to {run.Packets.Max() / run.Seconds:F1} packets a second; share {run.Report.BudgetShareMean:F3}; longest silence {run.LongestSilenceMs:F0} ms");
        Assert.Equal(Players, run.Report.Players);
        Assert.InRange(run.LongestSilenceMs, 0, 700);
        Assert.InRange(run.Packets.Max() / run.Seconds, 1.9, 4);
        Assert.InRange(run.Bytes.Min() / run.Bytes.Max(), 0.5, 1);
    }

    [Fact]
    public void Large_messages_take_their_share_of_the_budget_and_no_more()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 20, EntitiesMax = 4096, BytesPerSecondMax = 60_000 });
        for (ulong i = 0; i < 20; i++)
            bench.Join(i);
        bench.Run(150);
        byte[] noise = new byte[60_000];
        var random = new SeededRandom(1);
        for (int i = 0; i < noise.Length; i++)
            noise[i] = (byte)('a' + random.Next(0, 26));
        for (int i = 0; i < 20; i++)
            Assert.Equal(SendResult.Sent, bench.Zone.Send(new PeerId(i), Lane.Bulk, noise));
        long startBytes = bench.Zone.Metrics.BytesOut + (28 * bench.Zone.Metrics.DatagramsOut);
        bench.Run(300);
        long bytes = bench.Zone.Metrics.BytesOut + (28 * bench.Zone.Metrics.DatagramsOut) - startBytes;
        output.WriteLine($"{bytes / 10} bytes a second, share {bench.Zone.Report().BudgetShareMean:F2}");
        Assert.InRange(bytes / 10.0, 50_000, 63_000);
        Assert.DoesNotContain(bench.Clients, client => client.Messages.Count > 0);
        bench.Run(900);
        Assert.All(bench.Clients, client => Assert.Single(client.Messages));
    }

    private void Check(string what, double budget, double[] free, double[] held, Run run)
    {
        double[] shares = [.. free.Zip(held, (wanted, got) => got / wanted).Order()];
        output.WriteLine($"{what}, budget {budget:P0} of {free.Sum() / run.Seconds:F0} a second ({free.Min() / run.Seconds:F0} to {free.Max() / run.Seconds:F0} a peer): shares {shares[0]:F2} to {shares[^1]:F2}, "
            + $"median {shares[Players / 2]:F2}; share in force {run.Report.BudgetShareMean:F2}, least {run.Report.BudgetShareLeast:F2}; longest silence {run.LongestSilenceMs:F0} ms");
        Assert.True(shares[0] >= budget - 0.1, $"the least share is {shares[0]:F2}");
        Assert.True(shares[^1] <= budget + 0.1, $"the greatest share is {shares[^1]:F2}");
        // A keep-alive is due after 500 ms; of a link that loses 5 % two in a row may be lost.
        Assert.InRange(run.LongestSilenceMs, 0, 1_300);
    }

    private static Run Measure(ZoneOptions options, string link)
    {
        var farm = new FarmOptions { Crops = 6_000, Trees = 2_000, Crates = 100, Animals = 4_000 };
        LinkProfile profile = link == "perfect" ? LinkProfile.Perfect : LinkProfile.Get(link);
        using var bench = new ZoneBench(options with { PlayersMax = Players, EntitiesMax = 16_384 }, farm, seed: 5, link: profile);
        for (ulong i = 0; i < Players; i++)
            bench.Join(i);
        bench.Run(WarmUpTicks);
        bench.Zone.BeginWindow();
        double[] bytes = new double[Players], packets = new double[Players];
        bench.Links.Observer = one =>
        {
            if (one.From != ZoneBench.Server || one.IsDuplicate)
                return;
            packets[one.To.Port - ZoneBench.FirstPort]++;
            bytes[one.To.Port - ZoneBench.FirstPort] += one.Bytes + 28;
        };
        long longestNs = 0;
        for (int i = 0; i < MeasuredTicks; i++)
        {
            bench.Run(1);
            longestNs = Math.Max(longestNs, bench.Clients.Max(client => bench.NowNs - client.Connection.LastHeardNs));
        }

        return new Run(bytes, packets, MeasuredTicks / 30.0, longestNs / 1e6, bench.Zone.Report());
    }

    private sealed record Run(double[] Bytes, double[] Packets, double Seconds, double LongestSilenceMs, ZoneReport Report);
}
