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
    public void A_zone_under_pressure_lets_fewer_in()
    {
        var options = new ZoneOptions { PlayersMax = 256, EntitiesMax = 4_096, Limits = new ZoneLimits { JoinsPerTickMax = 16 } };
        int[] most = new int[PressureLevels.Count];
        for (PressureLevel level = PressureLevel.Full; level <= PressureLevel.Slowest; level++)
        {
            using var bench = new ZoneBench(options);
            bench.Zone.SetPressure(level);
            for (int i = 0; i < 100; i++)
                Knock(bench, i);
            for (int before = 0, tick = 0; tick < 60; tick++, before = bench.Zone.PeerCount)
            {
                bench.Run(1);
                most[(int)level] = Math.Max(most[(int)level], bench.Zone.PeerCount - before);
            }
        }

        Assert.Equal([16, 8, 4, 2, 2, 2, 2, 2], most);
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
