using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class LinkTraceTests
{
    private const long Ms = 1_000_000;
    private static readonly PeerAddress Client = PeerAddress.Loopback(1);
    private static readonly PeerAddress Server = PeerAddress.Loopback(2);

    [Fact]
    public void Lines_are_read_and_anything_else_is_named_with_its_line()
    {
        LinkTrace trace = LinkTrace.Parse("0\n5\n5\n\n20\r\n");
        Assert.Equal([0, 5, 5, 20], trace.OpportunitiesMs.ToArray());
        Assert.Equal(20, trace.PeriodMs);
        Assert.Contains("line 2: 'x'", Assert.Throws<FormatException>(() => LinkTrace.Parse("1\nx")).Message, StringComparison.Ordinal);
        Assert.Contains("line 3", Assert.Throws<FormatException>(() => LinkTrace.Parse("1\n5\n4")).Message, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => LinkTrace.Parse("-1"));
        Assert.Throws<FormatException>(() => LinkTrace.Parse(""));
        Assert.Throws<FormatException>(() => LinkTrace.Parse("0\n0"));
        Assert.Throws<FormatException>(() => new LinkTracePair(LinkTrace.Parse("5"), LinkTrace.Parse("6")));
    }

    [Fact]
    public void One_opportunity_carries_one_large_packet_or_several_small_ones()
    {
        // Opportunities every 100 ms: fifteen packets of 100 bytes (headers included) share one, or one of 1,500 takes it.
        Assert.Equal(1, DistinctArrivals(bytes: 72, count: 15));
        Assert.Equal(2, DistinctArrivals(bytes: 72, count: 16));
        Assert.Equal(3, DistinctArrivals(bytes: 1472, count: 3));
        Assert.Equal(2, DistinctArrivals(bytes: 972, count: 3));   // the second leaves with the bytes of two
    }

    [Fact]
    public void Outages_are_the_gaps_the_wrap_included()
    {
        var outages = new TraceOutages(LinkTrace.Parse("400\n500\n900\n1000"), 250);
        Assert.Equal([(0, 400), (500, 900)], outages.Intervals.ToArray());
        Assert.Equal((800, 400), (outages.TotalMs, outages.LongestMs));
        Assert.True(outages.Contains(200 * Ms, 0));
        Assert.False(outages.Contains(450 * Ms, 0));
        Assert.True(outages.Contains(450 * Ms, 200 * Ms));
        Assert.True(outages.Contains(5700 * Ms, 0));
        Assert.False(outages.Contains(5950 * Ms, 0));
        var wrapped = new TraceOutages(new LinkTracePair(LinkTrace.Parse("1000"), LinkTrace.Parse("100\n700\n2000")).Up, 250);
        Assert.Equal([(-300, 100), (100, 700)], wrapped.Intervals.ToArray());
        Assert.True(wrapped.Contains(800 * Ms, 0));
        Assert.True(wrapped.Contains(50 * Ms, 0));
        Assert.False(wrapped.Contains(700 * Ms, 0));
    }

    [Theory]
    [InlineData("lte-driving", 120, 7.9, 14.3, 4.1)]
    [InlineData("umts-driving", 928, 116, 88, 5.8)]
    public void The_recordings_have_the_outages_that_the_design_names(string profile, int seconds, double downSeconds, double upSeconds, double longestSeconds)
    {
        LinkTracePair traces = Recordings.Of(profile);
        var down = new TraceOutages(traces.Down);
        var up = new TraceOutages(traces.Up);
        Assert.InRange(traces.Down.PeriodMs / 1000.0, seconds - 1, seconds + 1);
        Assert.Equal(traces.Down.PeriodMs, traces.Up.PeriodMs);
        Assert.InRange(down.TotalMs / 1000.0, downSeconds * 0.98, downSeconds * 1.02);
        Assert.InRange(up.TotalMs / 1000.0, upSeconds * 0.98, upSeconds * 1.02);
        Assert.InRange(Math.Max(down.LongestMs, up.LongestMs) / 1000.0, longestSeconds - 0.1, longestSeconds + 0.1);
    }

    [Theory]
    [InlineData("lte-driving")]
    [InlineData("umts-driving")]
    public void A_saturated_link_delivers_at_the_rate_of_its_recording_in_order(string profile)
    {
        LinkTracePair traces = Recordings.Of(profile);
        var network = new LinkSimulator(4);
        network.SetPath(Client, Server, LinkProfile.Get(profile), traces);
        using IDatagramSocket server = network.Open(Server);
        using IDatagramSocket client = network.Open(Client);
        Assert.Equal(network.TraceOffsetNs(Client, Server), network.TraceOffsetNs(Server, Client));
        var batch = new DatagramBatch();
        long warmNs = 2000 * Ms;
        long deliveredBytes = 0;
        network.Observer = one =>
        {
            if (one.Fate == LinkFate.Delivered && one.AtNs >= warmNs)
                deliveredBytes += one.Bytes + 28;
        };
        long endNs = warmNs + (traces.Down.PeriodMs * Ms);
        while (network.NowNs < endNs)
        {
            for (int i = 0; i < 30; i++)
                LinkSimulatorTests.SendOne(server, batch, Client, 1172);
            network.AdvanceTo(network.NowNs + (5 * Ms));
            while (client.Receive(batch) > 0)
            {
            }
        }

        LinkStatistics statistics = network.Statistics(Server, Client);
        double offered = (double)traces.Down.OpportunitiesMs.Length * LinkTrace.OpportunityBytes;
        Assert.InRange(deliveredBytes / offered, 0.99, 1.01);
        Assert.Equal((0, 0), (statistics.Overtaken, statistics.Lost));
        Assert.True(statistics.DroppedByQueue > 1000);
    }

    [Theory]
    [InlineData("lte-driving")]
    [InlineData("umts-driving")]
    public void A_light_sender_waits_only_in_the_outages(string profile)
    {
        LinkTracePair traces = Recordings.Of(profile);
        var network = new LinkSimulator(9);
        network.SetPath(Client, Server, LinkProfile.Get(profile), traces);
        using IDatagramSocket server = network.Open(Server);
        using IDatagramSocket client = network.Open(Client);
        var outages = new TraceOutages(traces.Up);
        long offsetNs = network.TraceOffsetNs(Client, Server);
        var batch = new DatagramBatch();
        network.Observer = one =>
        {
            Assert.Equal(LinkFate.Delivered, one.Fate);
            if (one.AtNs - one.SentNs > 285 * Ms)
                Assert.True(outages.Contains(one.SentNs + (2 * Ms), offsetNs), $"{one}");
        };
        for (int i = 0; i < 4 * 928; i++)
        {
            LinkSimulatorTests.SendOne(client, batch, Server, 60);
            network.AdvanceTo(network.NowNs + (250 * Ms));
            server.Receive(batch);
        }
    }

    private static int DistinctArrivals(int bytes, int count)
    {
        var network = new LinkSimulator(1);
        network.SetLink(Server, Client, LinkProfile.Get("lte-driving"), LinkTrace.Parse("100\n200\n300\n400"));
        using IDatagramSocket server = network.Open(Server);
        using IDatagramSocket client = network.Open(Client);
        var times = new HashSet<long>();
        network.Observer = one => times.Add(one.AtNs);
        var batch = new DatagramBatch();
        for (int i = 0; i < count; i++)
            LinkSimulatorTests.SendOne(server, batch, Client, bytes);
        network.AdvanceTo(10_000 * Ms);
        return times.Count;
    }
}
