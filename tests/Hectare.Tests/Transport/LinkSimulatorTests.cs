using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class LinkSimulatorTests
{
    private const long Ms = 1_000_000;
    private static readonly PeerAddress A = PeerAddress.Loopback(1);
    private static readonly PeerAddress B = PeerAddress.Loopback(2);

    [Fact]
    public void The_same_seed_gives_the_same_arrivals_and_another_gives_others()
    {
        List<LinkEvent> Run(ulong seed) => SendSteadily(seed, LinkProfile.Get("hell") with { DuplicateShare = 0.1, CorruptShare = 0.1 }, 500, 10 * Ms, 100).Events;
        Assert.Equal(Run(5), Run(5));
        Assert.NotEqual(Run(5), Run(6));
    }

    [Fact]
    public void One_link_does_not_depend_on_another()
    {
        PeerAddress c = PeerAddress.Loopback(3);
        List<LinkEvent> Run(bool withOther)
        {
            var network = new LinkSimulator(7) { DefaultProfile = LinkProfile.Get("audit-10pct") };
            using IDatagramSocket a = network.Open(A);
            using IDatagramSocket b = network.Open(B);
            using IDatagramSocket other = network.Open(c);
            var events = new List<LinkEvent>();
            network.Observer = one =>
            {
                if (one.From == A)
                    events.Add(one);
            };
            var batch = new DatagramBatch();
            for (int i = 0; i < 200; i++)
            {
                if (withOther)
                    SendOne(other, batch, B, 50);
                SendOne(a, batch, B, 100);
                network.AdvanceTo(network.NowNs + (10 * Ms));
            }

            return events;
        }

        Assert.Equal(Run(false), Run(true));
    }

    [Theory]
    [InlineData("lan", 0, 0.2, 0.1, 0.3)]
    [InlineData("broadband", 0.001, 20, 15, 25)]
    [InlineData("wifi-busy", 0.01, 14, 8, 60)]
    [InlineData("audit-5pct", 0.05, 100, 80, 120)]
    [InlineData("audit-10pct", 0.10, 100, 80, 120)]
    [InlineData("hell", 0.20, 100, 20, 180)]
    public void A_profile_loses_and_delays_as_its_table_says(string name, double loss, double meanMs, double minMs, double maxMs)
    {
        const int Count = 100_000;
        (List<LinkEvent> events, LinkStatistics statistics) = SendSteadily(11, LinkProfile.Get(name), Count, 33 * Ms, 100);
        Assert.InRange((double)statistics.Lost / Count, (loss * 0.85) - 0.0001, (loss * 1.15) + 0.0001);
        Assert.InRange(statistics.MeanDelayNs / Ms, meanMs * 0.97, meanMs * 1.03);
        foreach (LinkEvent one in events.Where(one => one.Fate == LinkFate.Delivered))
            Assert.InRange((double)(one.AtNs - one.SentNs) / Ms, minMs, maxMs);
        Assert.Equal(Count, statistics.Sent);
        Assert.Equal(Count, statistics.Delivered + statistics.Lost);
    }

    [Fact]
    public void Hell_overtakes_and_the_audited_link_does_at_33_ms()
    {
        Assert.True(SendSteadily(1, LinkProfile.Get("hell"), 10_000, 33 * Ms, 100).Statistics.Overtaken > 1000);
        Assert.True(SendSteadily(1, LinkProfile.Get("audit-5pct"), 10_000, 33 * Ms, 100).Statistics.Overtaken > 50);
        Assert.Equal(0, SendSteadily(1, LinkProfile.Get("lan"), 10_000, 33 * Ms, 100).Statistics.Overtaken);
    }

    [Fact]
    public void Bursts_have_their_mean_length()
    {
        List<LinkEvent> events = SendSteadily(12, LinkProfile.Get("wifi-busy"), 200_000, 100 * Ms, 50).Events;
        bool[] lost = new bool[200_000];
        foreach (LinkEvent one in events)
            lost[one.Number] = one.Fate == LinkFate.Lost;
        int runs = 0;
        for (int i = 1; i < lost.Length; i++)
            runs += lost[i] && !lost[i - 1] ? 1 : 0;
        Assert.InRange((double)lost.Count(isLost => isLost) / runs, 2.7, 3.3);
    }

    [Fact]
    public void Starlink_steps_every_15_s_and_is_sometimes_out_in_both_directions()
    {
        var network = new LinkSimulator(3);
        network.SetPath(A, B, LinkProfile.Get("starlink"));
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var outages = new Dictionary<(PeerAddress, long), int>();
        var delaysMs = new Dictionary<long, List<double>>();
        network.Observer = one =>
        {
            long step = one.SentNs / (15_000 * Ms);
            if (one.Fate == LinkFate.Outage)
                outages[(one.From, step)] = outages.GetValueOrDefault((one.From, step)) + 1;
            if (one is { Fate: LinkFate.Delivered } && one.From == A)
                (delaysMs.TryGetValue(step, out List<double>? list) ? list : delaysMs[step] = []).Add((one.AtNs - one.SentNs) / (double)Ms);
        };
        var batch = new DatagramBatch();
        const int Steps = 400;
        for (int i = 0; i < Steps * 1500; i++)
        {
            SendOne(a, batch, B, 50);
            SendOne(b, batch, A, 50);
            network.AdvanceTo(network.NowNs + (10 * Ms));
            a.Receive(batch);
            b.Receive(batch);
        }

        Assert.InRange(outages.Count(one => one.Key.Item1 == A), Steps / 8 * 0.6, Steps / 8 * 1.4);
        Assert.All(outages, one => Assert.InRange(one.Value, 19, 51));
        Assert.Equal(outages.Where(one => one.Key.Item1 == A).Select(one => one.Key.Item2), outages.Where(one => one.Key.Item1 == B).Select(one => one.Key.Item2));
        double[] means = [.. delaysMs.Values.Select(list => list.Average())];
        Assert.All(means, mean => Assert.InRange(mean, 29, 61));
        Assert.InRange(means.Average(), 43, 47);
        Assert.True(means.Max() > 55 && means.Min() < 35);
    }

    [Fact]
    public void A_scripted_outage_loses_what_is_sent_in_it_and_the_gap_is_told()
    {
        var network = new LinkSimulator(1);
        network.SetLink(A, B, LinkProfile.Perfect with { DelayNs = 10 * Ms });
        network.AddOutage(A, B, 1000 * Ms, 1500 * Ms);
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var batch = new DatagramBatch();
        for (int i = 0; i < 30; i++)
        {
            SendOne(a, batch, B, 10);
            network.AdvanceTo(network.NowNs + (100 * Ms));
        }

        LinkStatistics statistics = network.Statistics(A, B);
        Assert.Equal((25, 5), (statistics.Delivered, statistics.DroppedInOutage));
        Assert.Equal(600 * Ms, statistics.LongestInOrderGapNs);
        network.ResetInOrderGap(A, B);
        Assert.Equal(0, network.Statistics(A, B).LongestInOrderGapNs);
    }

    [Fact]
    public void The_gap_counts_only_what_was_not_overtaken()
    {
        var network = new LinkSimulator(2);
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var events = new List<LinkEvent>();
        network.Observer = events.Add;
        var batch = new DatagramBatch();
        foreach (long delayMs in (long[])[50, 200, 60, 70])
        {
            network.SetLink(A, B, LinkProfile.Perfect with { DelayNs = delayMs * Ms });
            SendOne(a, batch, B, 10);
            network.AdvanceTo(network.NowNs + (10 * Ms));
        }

        network.AdvanceTo(1000 * Ms);
        Assert.Equal([0L, 2L, 3L, 1L], events.Select(one => one.Number));
        Assert.Equal([true, true, true, false], events.Select(one => one.InOrder));
        Assert.Equal(30 * Ms, network.Statistics(A, B).LongestInOrderGapNs);
        Assert.Equal(1, network.Statistics(A, B).Overtaken);
    }

    [Fact]
    public void A_rate_is_kept_and_its_queue_bounded()
    {
        var network = new LinkSimulator(1);
        network.SetLink(A, B, LinkProfile.Perfect with { BitsPerSecond = 1_000_000, QueueBytesMax = 20_000 });
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var batch = new DatagramBatch();
        for (int i = 0; i < 1000; i++)
        {
            SendOne(a, batch, B, 972);   // 1,000 with headers: twice the rate
            network.AdvanceTo(network.NowNs + (4 * Ms));
        }

        LinkStatistics statistics = network.Statistics(A, B);
        Assert.InRange(statistics.Delivered, 499, 501);
        Assert.InRange(statistics.DroppedByQueue, 470, 490);
        Assert.InRange(statistics.MeanDelayNs / Ms, 140, 160.1);
    }

    [Fact]
    public void Copies_changed_bits_and_held_datagrams_are_as_many_as_asked()
    {
        LinkProfile profile = LinkProfile.Perfect with { DelayNs = Ms, DuplicateShare = 0.1, CorruptShare = 0.05, ReorderShare = 0.2, ReorderNs = 50 * Ms };
        (List<LinkEvent> events, LinkStatistics statistics) = SendSteadily(5, profile, 20_000, 10 * Ms, 64);
        Assert.InRange(statistics.Duplicated, 1850, 2150);
        Assert.InRange(statistics.Corrupted, 1000, 1200);
        Assert.Equal(20_000 + statistics.Duplicated, statistics.Delivered);
        Assert.InRange(statistics.Overtaken, 3600, 4400);
        Assert.Equal(statistics.Corrupted, events.Count(one => one.IsCorrupted));
        Assert.Equal(statistics.Duplicated, events.Count(one => one.IsDuplicate));
    }

    [Fact]
    public void Bytes_arrive_as_sent_but_for_one_to_three_bits_of_the_corrupted()
    {
        var network = new LinkSimulator(6);
        network.SetLink(A, B, LinkProfile.Perfect with { CorruptShare = 0.5 });
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var batch = new DatagramBatch();
        int changed = 0;
        for (int i = 0; i < 1000; i++)
        {
            batch.Clear();
            batch.Buffer(0)[..33].Fill((byte)i);
            batch.Add(B, 33);
            a.Send(batch);
            network.AdvanceTo(network.NowNs);
            Assert.Equal(1, b.Receive(batch));
            Assert.Equal((A, B, 33), (batch.Address[0], batch.Local[0], batch.LengthBytes(0)));
            int bits = 0;
            foreach (byte one in batch.Datagram(0))
                bits += System.Numerics.BitOperations.PopCount((uint)(one ^ (byte)i));
            Assert.InRange(bits, 0, 3);
            changed += bits > 0 ? 1 : 0;
        }

        Assert.InRange(changed, 400, 600);
    }

    [Fact]
    public void An_address_change_loses_what_is_under_way_to_the_old_one_and_keeps_the_link()
    {
        PeerAddress moved = PeerAddress.Loopback(9);
        var network = new LinkSimulator(1) { DefaultProfile = LinkProfile.Perfect with { DelayNs = 30 * Ms } };
        using IDatagramSocket phone = network.Open(A);
        using IDatagramSocket server = network.Open(B);
        var batch = new DatagramBatch();
        SendOne(phone, batch, B, 1);
        SendOne(server, batch, A, 1);
        network.AdvanceTo(10 * Ms);
        network.Rebind(A, moved);
        Assert.Equal(moved, phone.LocalAddress);
        SendOne(phone, batch, B, 2);
        SendOne(server, batch, A, 2);
        SendOne(server, batch, moved, 3);
        network.AdvanceTo(100 * Ms);
        Assert.Equal(2, server.Receive(batch));
        Assert.Equal((A, moved), (batch.Address[0], batch.Address[1]));
        Assert.Equal(1, phone.Receive(batch));
        Assert.Equal(3, batch.LengthBytes(0));
        Assert.Equal((2, 2), (network.Statistics(moved, B).Sent, network.Statistics(B, moved).Sent));
        Assert.Throws<AddressInUseException>(() => network.Open(moved));
        network.Open(A).Dispose();
    }

    [Fact]
    public void Steady_traffic_allocates_nothing()
    {
        var network = new LinkSimulator(1) { DefaultProfile = LinkProfile.Get("hell") with { DuplicateShare = 0.1 } };
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var batch = new DatagramBatch();
        void Steps(int count)
        {
            for (int i = 0; i < count; i++)
            {
                SendOne(a, batch, B, 500);
                SendOne(b, batch, A, 500);
                network.AdvanceTo(network.NowNs + (5 * Ms));
                a.Receive(batch);
                b.Receive(batch);
            }
        }

        Assert.Equal(0, Allocation.SteadyBytes(() => Steps(2000)));
    }

    [Fact]
    public void Names_are_those_of_the_design()
    {
        Assert.Equal(["lan", "broadband", "wifi-busy", "audit-5pct", "audit-10pct", "hell", "lte-driving", "umts-driving", "starlink"], LinkProfile.Names);
        Assert.False(LinkProfile.TryGet("wifi", out _));
        Assert.Throws<ArgumentException>(() => LinkProfile.Get("wifi"));
        Assert.Throws<ArgumentException>(() => new LinkSimulator(1).SetLink(A, B, LinkProfile.Get("lte-driving")));
        Assert.Throws<ArgumentException>(() => new LinkSimulator(1) { DefaultProfile = LinkProfile.Get("umts-driving") });
    }

    internal static void SendOne(IDatagramSocket socket, DatagramBatch batch, PeerAddress to, int bytes)
    {
        batch.Clear();
        batch.Buffer(0)[..bytes].Fill(7);
        batch.Add(to, bytes);
        socket.Send(batch);
    }

    private static (List<LinkEvent> Events, LinkStatistics Statistics) SendSteadily(ulong seed, LinkProfile profile, int count, long everyNs, int bytes)
    {
        var network = new LinkSimulator(seed);
        network.SetLink(A, B, profile);
        using IDatagramSocket a = network.Open(A);
        using IDatagramSocket b = network.Open(B);
        var events = new List<LinkEvent>();
        network.Observer = events.Add;
        var batch = new DatagramBatch();
        for (int i = 0; i < count; i++)
        {
            SendOne(a, batch, B, bytes);
            network.AdvanceTo(network.NowNs + everyNs);
            b.Receive(batch);
        }

        network.AdvanceTo(network.NowNs + (1000 * Ms));
        return (events, network.Statistics(A, B));
    }
}
