using Hectare.Client;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// A large message to everyone while they walk. Goal: it costs the snapshots nothing, and arrives intact in time, whatever the link loses.
/// Method: the same 20 walkers over the same links from the same seed, with and without 200 kB of noise on the bulk lane of each; snapshots sent and
/// applied, and how old the newest applied one is, are compared while it travels.
/// </summary>
public sealed class BulkTests(ITestOutputHelper output)
{
    private const int Clients = 20;
    private const int MessageBytes = 200_000;
    private const double WarmUpSeconds = 10;
    private const long IntervalNs = 100_000_000;

    private static readonly LinkProfile TwentyPercent = LinkProfile.Get("audit-5pct") with { Name = "audit-20pct", LossShare = 0.2 };

    [Theory]
    [InlineData("broadband")]
    [InlineData("audit-5pct")]
    [InlineData("audit-20pct")]
    [InlineData("hell")]
    public void Two_hundred_kilobytes_to_every_walker_cost_the_snapshots_nothing(string profile)
    {
        LinkProfile link = profile == TwentyPercent.Name ? TwentyPercent : LinkProfile.Get(profile);
        for (ulong seed = 1; seed <= (Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 10UL : 1UL); seed++)
        {
            Figures with = Run(seed, link, isSent: true, seconds: 200);
            Figures without = Run(seed, link, isSent: false, with.Seconds);
            output.WriteLine($"seed {seed}, {profile}: snapshots {without.Written:F2} and {with.Written:F2} a second written, {without.Applied:F2} and {with.Applied:F2} applied; staleness p50 {without.P50Ms:F0} and {with.P50Ms:F0} ms, "
                + $"p99 {without.P99Ms:F0} and {with.P99Ms:F0} ms; delivered to the first after {with.FirstSeconds:F1} s, to the last after {with.Seconds:F1} s, at most {with.WorstShare:P0} of what is allowed; lowest rate {with.LowestRate} B/s");
            Assert.Equal(Clients, with.Delivered);
            Assert.InRange(with.WorstShare, 0, 1);
            Assert.InRange(with.Written / without.Written, 0.95, 1.05);
            Assert.InRange(with.Applied / without.Applied, 0.95, 1.05);
            Assert.InRange(with.P50Ms, 0, without.P50Ms + (IntervalNs / 1e6));
            Assert.InRange(with.P99Ms, 0, without.P99Ms + (IntervalNs / 1e6));
        }
    }

    private static Figures Run(ulong seed, LinkProfile link, bool isSent, double seconds)
    {
        using var system = new SimulatedSystem(new SimulationOptions { Seed = seed, Clients = Clients, Profile = link });
        system.RunSeconds(WarmUpSeconds);
        byte[] noise = Noise(seed);
        foreach (SimulatedClient client in system.Clients)
        {
            Assert.Equal(ClientState.Playing, client.Game.State);
            if (isSent)
                Assert.Equal(SendResult.Sent, system.Zone.Send(new PeerId(system.PeerIndexOf(client)), Lane.Bulk, noise));
        }

        system.Zone.BeginWindow();
        var figures = new Figures { LowestRate = int.MaxValue };
        var ages = new List<double>();
        double[] quarterBytes = new double[Clients];     // what a quarter of the rate in force would have carried so far
        long startNs = system.NowNs, applied = Applied(system);
        while (system.NowNs - startNs < seconds * 1e9 && (!isSent || figures.Delivered < Clients))
        {
            system.RunSeconds(1.0 / 30);
            foreach (SimulatedClient client in system.Clients)
            {
                ages.Add((system.Zone.Tick - client.Game.LastHeader.Tick) * (system.TickNs / 1e6));
                int rate = system.ViewOf(client)!.RateBytesPerSecond;
                quarterBytes[client.Index] += rate / 4.0 / 30;
                figures.LowestRate = Math.Min(figures.LowestRate, rate);
                if (TryTake(client, noise))
                    figures.NoteDelivery((system.NowNs - startNs) / 1e9, quarterBytes[client.Index] / (2 * MessageBytes));
            }
        }

        ages.Sort();
        figures.Seconds = (system.NowNs - startNs) / 1e9;
        ZoneReport report = system.Zone.Report();
        figures.Written = (report.SnapshotsPerSecond + report.KeepAlivesPerSecond) * report.Seconds / figures.Seconds / Clients;
        figures.Applied = (Applied(system) - applied) / figures.Seconds / Clients;
        figures.P50Ms = ages[ages.Count / 2];
        figures.P99Ms = ages[ages.Count * 99 / 100];
        return figures;
    }

    private static bool TryTake(SimulatedClient client, byte[] noise)
    {
        if (!client.Game.TryReceiveMessage(out Lane lane, out ReadOnlySpan<byte> message))
            return false;
        Assert.Equal(Lane.Bulk, lane);
        Assert.True(message.SequenceEqual(noise), $"client {client.Index} got {message.Length} bytes that are not what was sent");
        return true;
    }

    private static long Applied(SimulatedSystem system) => system.Clients.Sum(client => client.Game.Stats.Snapshots);

    private static byte[] Noise(ulong seed)
    {
        var random = new SeededRandom(seed);
        byte[] noise = new byte[MessageBytes];
        for (int i = 0; i < noise.Length; i++)
            noise[i] = (byte)random.NextUInt64();
        return noise;
    }

    private sealed class Figures
    {
        public double Written { get; set; }

        public double Applied { get; set; }

        public double P50Ms { get; set; }

        public double P99Ms { get; set; }

        public int Delivered { get; set; }

        public double FirstSeconds { get; set; }

        public double Seconds { get; set; }

        public int LowestRate { get; set; }

        /// <summary>Of the time that half of a quarter of the rate in force would need, as bytes.</summary>
        public double WorstShare { get; set; }

        public void NoteDelivery(double seconds, double share)
        {
            FirstSeconds = Delivered == 0 ? seconds : FirstSeconds;
            Delivered++;
            WorstShare = Math.Max(WorstShare, share);
        }
    }
}
