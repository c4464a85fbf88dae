using Hectare.Protocol;
using Hectare.Server;
using Hectare.Tests.Transport;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class AddressLimiterTests
{
    private const long Second = 1_000_000_000;

    [Fact]
    public void A_source_has_its_burst_and_then_its_rate()
    {
        AddressLimiter limiter = Limiter(perSecond: 100, burst: 30);
        Assert.Equal(30, Taken(limiter, Source(1), 500, nowNs: 5 * Second));
        Assert.True(limiter.IsOver(Source(1), 0, 5 * Second));
        Assert.Equal(0, Taken(limiter, Source(1), 500, nowNs: 5 * Second));
        Assert.Equal(10, Taken(limiter, Source(1), 500, nowNs: (5 * Second) + (Second / 10)));
        Assert.Equal(30, Taken(limiter, Source(1), 500, nowNs: 50 * Second));
    }

    [Fact]
    public void A_port_is_no_source_of_its_own_and_neither_is_a_host_of_an_IPv6_network()
    {
        AddressLimiter limiter = Limiter(perSecond: 1, burst: 4);
        int taken = 0;
        for (int i = 0; i < 100; i++)
            taken += limiter.TryTake(Source(1).WithPort(i), 0, 0) ? 1 : 0;
        Assert.Equal(4, taken);
        taken = 0;
        for (int i = 0; i < 100; i++)
            taken += limiter.TryTake(new PeerAddress(0x2001_0DB8_0000_0001, (ulong)i, 4_000), 0, 0) ? 1 : 0;
        Assert.Equal(4, taken);
        Assert.Equal(4, Taken(limiter, new PeerAddress(0x2001_0DB8_0000_0002, 1, 4_000), 100, 0));
        Assert.Equal(4, Taken(limiter, Source(2), 100, 0));
    }

    [Fact]
    public void A_source_has_a_bucket_for_each_subject()
    {
        AddressLimiter limiter = Limiter(perSecond: 1, burst: 4);
        for (ulong subject = 1; subject < 20; subject++)
        {
            for (int i = 0; i < 10; i++)
                Assert.Equal(i < 4, limiter.TryTake(Source(1), subject, 0));
        }
    }

    // With one row a flooding source would silence one victim in 8,192; to be silenced by a thousand of them takes both places.
    [Fact]
    public void Sources_that_have_used_up_theirs_take_nothing_from_others()
    {
        int silenced = 0;
        for (ulong seed = 1; seed <= 5; seed++)
        {
            AddressLimiter limiter = Limiter(perSecond: 1, burst: 8, seed);
            var random = new SeededRandom(seed);
            for (int flooder = 0; flooder < 400; flooder++)
                Taken(limiter, Source((uint)random.NextUInt64()), 20, nowNs: 0);
            for (int victim = 0; victim < 2_000; victim++)
                silenced += limiter.IsOver(Source((uint)random.NextUInt64()), 0, 0) ? 1 : 0;
        }

        // 10,000 x (400 / 8,192)^2 = 24 are to be expected.
        Assert.InRange(silenced, 1, 60);
    }

    [Fact]
    public void Forged_sources_at_200_000_a_second_take_nothing_from_a_carriers_NAT()
    {
        AddressLimiter limiter = Limiter(perSecond: 256, burst: 1_024);
        var random = new SeededRandom(3);
        int refused = 0, asked = 0;
        for (int ms = 0; ms < 5_000; ms++)
        {
            for (int i = 0; i < 200; i++)
                limiter.TryTake(Source((uint)random.NextUInt64()), 0, ms * 1_000_000L);
            // 200 players a second behind one address.
            if (ms % 5 != 0)
                continue;
            asked++;
            refused += limiter.TryTake(Source(7), 0, ms * 1_000_000L) ? 0 : 1;
        }

        Assert.Equal((1_000, 0), (asked, refused));
    }

    [Fact]
    public void Looking_and_taking_allocates_nothing()
    {
        AddressLimiter limiter = Limiter(perSecond: 256, burst: 1_024);
        Assert.Equal(0, Allocation.SteadyBytes(() =>
        {
            for (uint i = 0; i < 1_000; i++)
                limiter.TryTake(Source(i), i, i);
        }));
    }

    private static AddressLimiter Limiter(int perSecond, int burst, ulong seed = 1) => new(perSecond, burst, ZoneRandom.Seeded(seed));

    private static PeerAddress Source(uint number) => PeerAddress.FromIPv4(0x0B00_0000 + number, 5_000);

    private static int Taken(AddressLimiter limiter, PeerAddress from, int packets, long nowNs)
    {
        int taken = 0;
        for (int i = 0; i < packets; i++)
            taken += limiter.TryTake(from, 0, nowNs) ? 1 : 0;
        return taken;
    }
}
