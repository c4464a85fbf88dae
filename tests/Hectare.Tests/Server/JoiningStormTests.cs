using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>Many players come at once: after a restart, at the hour of an event.</summary>
/// <remarks>Goal: they come in at the rate that the zone allows, all of them, and those inside notice nothing. Method: 100 play, 1,200 knock within 5 virtual seconds at a zone
/// that lets four a tick in (10,000 at 40 with HECTARE_FULL=1); what each tick lets in is counted, and the gaps between snapshots of those inside are compared with those before.</remarks>
public sealed class JoiningStormTests(ITestOutputHelper output)
{
    private const int Inside = 100;
    private const int KnockTicks = 150;

    private static bool IsFull => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Fact]
    public void A_storm_comes_in_at_the_rate_allowed_and_nobody_inside_notices()
    {
        int storm = IsFull ? 10_000 : 1_200, joinsMax = IsFull ? 40 : 4;
        var options = new ZoneOptions
        {
            PlayersMax = storm + Inside,
            EntitiesMax = 4_096 + storm,
            Replication = new ReplicationOptions { FixedRate = true },
            Limits = new ZoneLimits { JoinsPerTickMax = joinsMax, PendingMax = 256 },
        };
        using var bench = new ZoneBench(options);
        for (int i = 0; i < Inside; i++)
            Knock(bench, i);
        bench.Run(150);
        TestClient[] inside = [.. bench.Clients];
        Assert.All(inside, client => Assert.NotEqual(EntityId.None, client.Avatar));
        (long before, _) = Gaps(bench, inside, 60, _ => { });

        int knocked = 0, most = 0, pendingMost = 0, ticks = 0, lastIn = 0;
        (long during, long snapshots) = Gaps(bench, inside, 600, tick =>
        {
            for (; knocked < storm && knocked < storm * (tick + 1) / KnockTicks; knocked++)
                Knock(bench, Inside + knocked);
            int peers = bench.Zone.PeerCount;
            most = Math.Max(most, peers - lastIn);
            pendingMost = Math.Max(pendingMost, bench.Zone.PendingCount);
            ticks = peers > lastIn ? tick : ticks;
            lastIn = peers;
        }, startPeers: () => lastIn = bench.Zone.PeerCount);

        output.WriteLine($"{storm} knock within 5 s, {joinsMax} a tick may come in: at most {most} did, {pendingMost} on their way in at once; the last after {ticks / 30.0:F1} s. "
            + $"Gaps of those inside: {before / 1e6:F0} ms before, {during / 1e6:F0} ms during; {bench.Dropped("handshakeOverJoins")} answers waited, {bench.Dropped("handshakeOverLimit")} over the tick's share");
        Assert.Equal(joinsMax, most);
        Assert.InRange(pendingMost, 1, 255);
        Assert.Equal(storm + Inside, bench.Zone.PeerCount);
        Assert.All(bench.Clients, client => Assert.NotEqual(EntityId.None, client.Avatar));
        // As fast as it may: with what clients wait between two answers on top.
        Assert.InRange(ticks, (storm / joinsMax) - 5, (storm / joinsMax) + 60);
        Assert.Equal(before, during);
        Assert.Equal(Inside * 600 / 3, snapshots);
        Assert.True(bench.Dropped("handshakeOverJoins") > storm / 10);
    }

    [Fact]
    public void A_zone_whose_ticks_take_long_lets_one_in_at_a_time_and_then_more_again()
    {
        var options = new ZoneOptions { PlayersMax = 256, EntitiesMax = 4_096, Limits = new ZoneLimits { JoinsPerTickMax = 16 } };
        using var bench = new ZoneBench(options);
        int busy = Most(workPercent: 80, firstClient: 0), calm = Most(workPercent: 30, firstClient: 100);
        Assert.Equal((1, 16), (busy, calm));

        int Most(int workPercent, int firstClient)
        {
            // Long enough for the pace to be what such ticks make it.
            for (int tick = 0; tick < 120; tick++)
                Tick();
            for (int i = 0; i < 100; i++)
                Knock(bench, firstClient + i);
            int most = 0;
            for (int before = bench.Zone.PeerCount, tick = 0; tick < 60; tick++, before = bench.Zone.PeerCount)
            {
                Tick();
                most = Math.Max(most, bench.Zone.PeerCount - before);
            }

            return most;

            void Tick()
            {
                bench.Zone.NoteWork(bench.Zone.TickLengthNs * workPercent / 100);
                bench.Run(1);
            }
        }
    }

    [Fact]
    public void The_pace_of_joins_halves_when_a_tick_is_busy_and_grows_by_one_after_six_that_are_calm()
    {
        var pace = new JoinPace(40);
        var paces = new List<int>();
        foreach (int percent in Enumerable.Repeat(80, 6).Concat(Enumerable.Repeat(64, 6)).Append(70).Concat(Enumerable.Repeat(64, 6)))
        {
            pace.Observe(percent, tickLengthNs: 100);
            paces.Add(pace.PerTick);
        }

        Assert.Equal([20, 10, 5, 2, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3], paces);
    }

    [Fact]
    public void Who_is_in_and_has_not_heard_of_it_is_told_again_while_others_wait()
    {
        var options = new ZoneOptions { PlayersMax = 1_024, EntitiesMax = 4_096, Limits = new ZoneLimits { JoinsPerTickMax = 1 } };
        using var bench = new ZoneBench(options, link: LinkProfile.Perfect with { Name = "a fifth lost", LossShare = 0.4 });
        for (int i = 0; i < 1_000; i++)
            Knock(bench, i);
        bench.Run(270);
        int deaf = bench.Zone.PeerCount - bench.Clients.Count(client => client.Connection.State == ConnectionState.Connected);
        Assert.InRange(bench.Zone.PeerCount, 200, 300);
        // Those whose answer is on its way, or lost again: 18 where they wait with the others.
        Assert.InRange(deaf, 0, 14);
    }

    // Each from a host of its own, as the zone sees it.
    private static void Knock(ZoneBench bench, int index) => bench.Join((ulong)index, at: PeerAddress.FromIPv4(0x7F00_0001u + ((uint)(index / 200) << 8) + (uint)(index % 200), 20_000));

    // The longest time between two snapshots of any of them, and how many came.
    private static (long GapNs, long Snapshots) Gaps(ZoneBench bench, TestClient[] clients, int ticks, Action<int> each, Action? startPeers = null)
    {
        startPeers?.Invoke();
        long gapNs = 0, start = clients.Sum(client => (long)client.Snapshots);
        long[] last = [.. clients.Select(client => client.LastSnapshotNs)];
        for (int tick = 0; tick < ticks; tick++)
        {
            bench.Run(1);
            for (int i = 0; i < clients.Length; i++)
            {
                gapNs = Math.Max(gapNs, clients[i].LastSnapshotNs - last[i]);
                last[i] = clients[i].LastSnapshotNs;
            }

            each(tick);
        }

        return (gapNs, clients.Sum(client => (long)client.Snapshots) - start);
    }
}
