using System.Text;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class ZoneLaneTests
{
    [Fact]
    public void Sending_answers_why_not()
    {
        using var bench = new ZoneBench();
        bench.Join(1);
        bench.Run(30);
        var peer = new PeerId(0);
        byte[] message = new byte[30_000];
        Assert.Equal(SendResult.Closed, bench.Zone.Send(new PeerId(7), Lane.Chat, message));
        Assert.Equal(SendResult.Closed, bench.Zone.Send(new PeerId(-1), Lane.Chat, message));
        Assert.Equal(SendResult.TooLarge, bench.Zone.Send(peer, Lane.Chat, new byte[64 * 1024]));
        Assert.Equal(SendResult.TooLarge, bench.Zone.Send(peer, Lane.Bulk, new byte[ConnectionOptions.LongestMessageBytes + 1]));
        Assert.Equal(SendResult.Sent, bench.Zone.Send(peer, Lane.Chat, message));
        Assert.Equal(SendResult.Sent, bench.Zone.Send(peer, Lane.Chat, message));
        Assert.Equal(SendResult.QueueFull, bench.Zone.Send(peer, Lane.Chat, message));
        Assert.Equal((1, 2), (bench.Dropped("messageQueueFull"), bench.Dropped("messageTooLarge")));
        bench.Run(450);
        Assert.Equal(SendResult.Sent, bench.Zone.Send(peer, Lane.Chat, message));
        bench.Zone.Disconnect(peer, CloseCode.Kicked);
        Assert.Equal(SendResult.Closed, bench.Zone.Send(peer, Lane.Chat, message));
    }

    [Fact]
    public void A_large_text_to_all_is_packed_and_what_is_too_much_for_one_tick_arrives_as_it_is()
    {
        using var bench = new ZoneBench();
        for (ulong i = 0; i < 8; i++)
            bench.Join(i);
        bench.Run(30);
        string news = string.Join(' ', Enumerable.Range(0, 20_000));
        byte[] message = Encoding.UTF8.GetBytes(news);
        for (int i = 0; i < 8; i++)
            Assert.Equal(SendResult.Sent, bench.Zone.Send(new PeerId(i), Lane.Bulk, message));
        long before = bench.Zone.Metrics.BytesOut;
        bench.Run(30 * 30);
        Assert.All(bench.Clients, client => Assert.Equal(news, Assert.Single(client.Messages)));
        Assert.InRange(bench.Zone.Metrics.BytesOut - before, 1, 8 * message.Length);
        // Eight different ones in one tick: more than a tick packs.
        for (int i = 0; i < 8; i++)
            Assert.Equal(SendResult.Sent, bench.Zone.Send(new PeerId(i), Lane.Bulk, Encoding.UTF8.GetBytes(i + news)));
        bench.Run(30 * 45);
        for (int i = 0; i < 8; i++)
            Assert.Equal(i + news, bench.Clients[i].Messages[1]);
    }

    // Found by the fuzzer: lanes left an almost empty snapshot the bytes that it was thought to need, and no more.
    [Fact]
    public void Lanes_leave_the_least_snapshot_its_room()
    {
        var options = new ZoneOptions { PlayersMax = 64, EntitiesMax = 4096, Replication = new() { FixedRate = true } };
        using var bench = new ZoneBench(options, new Hectare.Farm.FarmOptions { Animals = 0, Crops = 0, Trees = 0, Crates = 0 });
        TestClient client = bench.Join(1);
        client.Held = TopDownInput.Neutral;
        bench.Run(60);
        int snapshots = client.Snapshots;
        // Short messages of every length fill whatever room there is to the last byte.
        for (int i = 0; i < 900; i++)
            Assert.Equal(SendResult.Sent, bench.Zone.Send(new PeerId(0), Lane.Chat, new byte[1 + (i % 50)]));
        bench.Run(300);
        Assert.InRange(client.Snapshots - snapshots, 95, 150);
        Assert.Equal(900, client.Messages.Count);
    }

    [Fact]
    public void A_client_that_sends_more_than_a_zone_takes_is_counted_and_holds_nothing()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 64, EntitiesMax = 4096, Limits = new ZoneLimits { MessageBytesMax = 1_024 } });
        TestClient client = bench.Join(1);
        bench.Run(30);
        client.Say(Lane.Chat, new string('a', 1_024));
        bench.Run(60);
        Assert.Single(bench.Game.Events, what => what.StartsWith("message", StringComparison.Ordinal));
        client.Say(Lane.Bulk, new string('b', 1_025));
        bench.Run(60);
        Assert.Single(bench.Game.Events, what => what.StartsWith("message", StringComparison.Ordinal));
        Assert.True(bench.Dropped("packetMalformed") > 0);
        Assert.Throws<OptionException>(() => new ZoneOptions { Limits = new ZoneLimits { MessageBytesMax = 10 } }.Validate());
    }
}
