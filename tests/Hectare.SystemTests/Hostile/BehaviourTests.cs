using Hectare.Cli.Load.Hostile;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Shouldly;

namespace Hectare.SystemTests.Hostile;

/// <summary>Each behaviour alone against a zone in memory: it does what it says, the zone counts it by its reason, and honest players beside it do not notice.</summary>
public sealed class BehaviourTests
{
    public static TheoryData<string> Names => [.. Behaviours.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_behaviour_acts_is_counted_by_its_reasons_and_harms_no_honest_player(string name)
    {
        using var zone = new HostileZone(4, name);
        zone.RunSeconds(2);
        long[] snapshots = [.. zone.Players.Select(player => player.Stats.Snapshots)];

        zone.RunSeconds(Behaviours.Get(name).AfterSeconds + 2);

        zone.Sum(count => count.Offences).ShouldBeGreaterThan(20);
        zone.Sum(count => count.Breaches).ShouldBe(0);
        foreach (string counter in Behaviours.Get(name).CountedAs)
            zone.CountOf(counter).ShouldBeGreaterThan(0, $"{counter}; there are {string.Join(", ", zone.Zone.Drops())}");
        int player = 0;
        foreach (GameClient<TopDownInput> honest in zone.Players)
        {
            honest.State.ShouldBe(ClientState.Playing);
            (honest.Stats.Malformed + honest.Stats.WithoutBaseline + honest.Stats.WrongChecks).ShouldBe(0);
            (honest.Stats.Snapshots - snapshots[player++]).ShouldBeGreaterThan(20);
        }
    }

    [Theory]
    [InlineData("replay")]
    [InlineData("bitflip")]
    [InlineData("truncate")]
    [InlineData("garbage")]
    public void What_a_stranger_could_have_sent_in_its_name_disconnects_nobody(string name)
    {
        using var zone = new HostileZone(2, name);

        zone.RunSeconds(12);

        zone.Sum(count => count.Kicked).ShouldBe(0);
        zone.Crowd.Bots.ShouldAllBe(bot => bot.IsPlaying);
    }

    [Fact]
    public void One_that_is_sent_away_comes_back_and_not_at_once()
    {
        using var zone = new HostileZone(1, "inputs600");

        zone.RunSeconds(20);

        HostileCounters counters = zone.Crowd.Bots[0].Counters;
        counters.Kicked.ShouldBeInRange(3, 20, "it waits one to two seconds");
        counters.Joins.ShouldBeInRange(counters.Kicked, counters.Kicked + 1);
    }

    [Theory]
    [InlineData("speed")]
    [InlineData("inputs60")]
    [InlineData("inputs600")]
    [InlineData("ticks")]
    public void No_input_moves_an_avatar_more_than_a_step_a_tick(string name)
    {
        using var zone = new HostileZone(2, name);
        int step = FarmSchema.StepOf(FarmConstants.PlayerUnitsPerSecondFixed * 2, 30);
        var before = new Dictionary<uint, (int X, int Y)>();
        double largest = 0;
        zone.BeforeTick = () =>
        {
            foreach (HostileBot bot in zone.Crowd.Bots)
            {
                if (bot.Client is not { IsPlaying: true } client || !zone.Zone.World.TryFind(client.Avatar, out _))
                    continue;
                (int X, int Y) now = PlaceOf(zone, client.Avatar);
                if (before.TryGetValue(client.Avatar.Value, out (int X, int Y) last))
                    largest = Math.Max(largest, Math.Sqrt(Math.Pow(now.X - last.X, 2) + Math.Pow(now.Y - last.Y, 2)));
                before[client.Avatar.Value] = now;
            }
        };

        zone.RunSeconds(12);

        largest.ShouldBeInRange(step * 0.9, step * 1.05, "a slide round a body may be 3 % longer than a step");
    }

    [Fact]
    public void A_storm_of_handshakes_while_the_zone_catches_up_stays_within_its_share()
    {
        using var zone = new HostileZone(8, "halfopen");
        zone.RunSeconds(1);
        zone.IsBehind = true;
        zone.RunSeconds(0.4);
        zone.IsBehind = false;
        long before = zone.Crowd.Bots.Sum(bot => bot.Counters.ReceivedDatagrams);

        zone.RunSeconds(0.1);

        zone.CountOf("handshakeOverLimit").ShouldBeGreaterThan(0);
        (zone.Crowd.Bots.Sum(bot => bot.Counters.ReceivedDatagrams) - before).ShouldBeGreaterThan(0);
        zone.Players.ShouldAllBe(player => player.State == ClientState.Playing);
    }

    [Fact]
    public void In_quiet_nobody_offends_and_those_connected_stand_still()
    {
        using var zone = new HostileZone(Behaviours.All.Length, [.. Behaviours.Names]);
        zone.RunSeconds(6);
        zone.Crowd.IsQuiet = true;
        zone.RunSeconds(3);
        long offences = zone.Sum(count => count.Offences);
        (int X, int Y)[] places = Places(zone);

        zone.RunSeconds(3);

        zone.Sum(count => count.Offences).ShouldBe(offences);
        places.Length.ShouldBeGreaterThan(5);
        Places(zone).ShouldBe(places);
    }

    [Fact]
    public void Ids_are_spoofed_from_addresses_of_nobody_and_those_get_no_more_than_came_from_them()
    {
        using var zone = new HostileZone(4, "spoof", "halfopen");

        zone.RunSeconds(10);

        AddressLedger others = zone.Crowd.Network.Others;
        others.UsedAddresses.ShouldBeGreaterThan(100);
        others.AnsweredAddresses.ShouldBeGreaterThan(10, "challenges go to whoever asks");
        others.AmplifiedAddresses.ShouldBe(0, others.DescribeWorst());
    }

    [Fact]
    public void The_page_lists_every_behaviour_and_how_it_is_counted()
    {
        string[] rows = [.. File.ReadLines(Path.Combine(CliProcess.RepositoryRoot, "docs", "hostile.md")).Where(line => line.Count(one => one == '|') == 5 && line.StartsWith("| `", StringComparison.Ordinal))];

        rows.Select(row => Words(row.Split('|')[1]).Single()).ShouldBe(Behaviours.Names);
        rows.Select(row => string.Join(' ', Words(row.Split('|')[4]))).ShouldBe(Behaviours.All.Select(behaviour => string.Join(' ', behaviour.CountedAs)));

        static string[] Words(string cell) => cell.Trim().Split([',', ' ', '`'], StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public void A_flipped_datagram_is_never_the_same()
    {
        var random = new SeededRandom(3);
        byte[] datagram = new byte[30], flipped = new byte[30];
        for (int i = 0; i < 10_000; i++)
        {
            datagram.CopyTo(flipped, 0);
            BitFlips.Flip(ref random, flipped);
            flipped.Sum(one => System.Numerics.BitOperations.PopCount(one)).ShouldBeInRange(1, 3);
        }
    }

    // Of those whose avatar is in the world: who was sent away just now does not know it yet.
    private static (int X, int Y)[] Places(HostileZone zone)
        => [.. zone.Crowd.Bots.Where(bot => bot.IsPlaying && zone.Zone.World.TryFind(bot.Client!.Avatar, out _)).Select(bot => PlaceOf(zone, bot.Client!.Avatar))];

    private static (int X, int Y) PlaceOf(HostileZone zone, EntityId avatar)
    {
        zone.Zone.World.TryFind(avatar, out int row);
        return (zone.Zone.World.X[row], zone.Zone.World.Y[row]);
    }
}
