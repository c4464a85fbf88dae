using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>What clients do that no sound client does: counted, each by itself, and in the end they are told why they are sent away.</summary>
public sealed class OffenceTests
{
    private static readonly ZoneOptions Options = new() { PlayersMax = 4, EntitiesMax = 4096 };

    [Fact]
    public void Time_forgives_and_the_reason_is_that_of_most_points()
    {
        var tally = new OffenceTally();
        for (int i = 0; i < 100; i++)
            Assert.False(tally.Add(Offence.InputTooMany, pointsMax: 100, tickRate: 30));
        for (int tick = 0; tick < 30; tick++)
            tally.Forgive();
        for (int i = 0; i < 15; i++)
            Assert.False(tally.Add(Offence.PacketFlood, 100, 30), $"{i}");
        Assert.True(tally.Add(Offence.PacketFlood, 100, 30));
        Assert.Equal(CloseCode.SpeedOfInputs, tally.Reason());
        for (int i = 0; i < 10; i++)
            tally.Add(Offence.ForgedAck, 100, 30);
        Assert.Equal(CloseCode.ForgedAcks, tally.Reason());
        for (int i = 0; i < 10; i++)
            tally.Add(Offence.MalformedInput, 100, 30);
        Assert.Equal(CloseCode.TooManyOffences, tally.Reason());
        for (int tick = 0; tick < 30_000; tick++)
            tally.Forgive();
        Assert.False(tally.Add(Offence.BadControl, 100, 30));
        Assert.Equal(CloseCode.ProtocolError, tally.Reason());
    }

    [Fact]
    public void A_speed_hack_is_sent_away_for_the_speed_of_its_inputs()
    {
        using var bench = new ZoneBench(Options);
        TestClient hack = bench.Join(1);
        TestClient honest = bench.Join(2);
        bench.Run(20);
        hack.InputsPerTick = 2;
        hack.SendEvery = 1;
        bench.Run(30 * 30);
        Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.SpeedOfInputs), hack.Connection.CloseReason);
        Assert.Equal(1, bench.Zone.Kicks()["speedOfInputs"]);
        Assert.True(bench.Zone.Offences()["inputTooEarly"] + bench.Zone.Offences().GetValueOrDefault("inputTooMany") > 100);
        Assert.Equal(ConnectionState.Connected, honest.Connection.State);
    }

    [Theory]
    [InlineData(-100, "inputTooOld")]
    [InlineData(100, "inputTooEarly")]
    public void Inputs_of_ancient_and_future_ticks_are_offences_of_their_own(int ticks, string kind)
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { OffencesMax = 20 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        client.SendEvery = 0;
        byte[] tail = new byte[64];
        TopDownInput[] inputs = [TopDownInput.Neutral];
        for (int i = 0; i < 60 && client.Connection.State == ConnectionState.Connected; i++)
        {
            var writer = new BitWriter(tail);
            InputMessage.Write<TopDownInput>(ref writer, null, bench.Zone.Tick + ticks, inputs);
            client.SendTail(writer.Finish(), bench.NowNs);
            bench.Run(1);
        }

        bench.Run(3);
        Assert.True(bench.Zone.Offences()[kind] >= 20);
        Assert.Single(bench.Zone.Offences());
        Assert.Equal(CloseCode.SpeedOfInputs, client.Connection.CloseReason.Code);
    }

    [Fact]
    public void Acks_of_packets_never_sent_are_forged()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1);
        bench.Run(20);
        Peer<TopDownInput> peer = bench.Peer();
        for (int i = 0; i < 11; i++)
        {
            client.SendBody([1, 0xFF, 0x7F, 0, 0, 0, 0], bench.NowNs);
            bench.Run(1);
        }

        bench.Run(3);
        Assert.Equal(11, bench.Zone.Offences()["forgedAck"]);
        Assert.Equal(11, bench.Dropped("packetAckOfUnsent"));
        Assert.Equal(CloseCode.ForgedAcks, client.Connection.CloseReason.Code);
        Assert.Equal(0, peer.Connection.Counters.LostPackets);
    }

    [Fact]
    public void A_sealed_body_that_is_none_is_an_offence_and_rubbish_from_the_same_address_is_not()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1);
        bench.Run(20);
        client.SendBody([0xFF], bench.NowNs);
        for (int i = 0; i < 1_000; i++)
        {
            client.SendForged();
            if (i % 100 == 99)
                bench.Run(1);
        }

        Assert.Equal(1, bench.Zone.Offences().Single().Value);
        Assert.Equal(1, bench.Zone.Offences()["malformedPacket"]);
        Assert.True(bench.Dropped("packetBadSeal") >= 900);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
    }

    [Fact]
    public void Of_one_client_only_so_many_packets_are_opened_in_a_tick()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { PacketsPerTickMax = 16 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        for (int i = 0; i < 100; i++)
            client.SendForged();
        bench.Run(1);
        Assert.Equal(16, bench.Dropped("packetBadSeal"));
        Assert.InRange(bench.Dropped("peerOverTick"), 84, 85);
        bench.Run(60);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
    }

    [Fact]
    public void A_flood_of_sound_packets_is_dropped_beyond_its_rate_and_then_ended()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { PacketsPerSecond = 100 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        client.SendEvery = 0;
        int sent = 0;
        for (int i = 0; i < 100 && client.Connection.State == ConnectionState.Connected; i++)
        {
            for (int j = 0; j < 20; j++, sent++)
                client.SendBody([0], bench.NowNs);
            bench.Run(1);
        }

        bench.Run(3);
        Assert.Equal(CloseCode.Flood, client.Connection.CloseReason.Code);
        Assert.InRange(bench.Zone.Offences()["packetFlood"], 200, 300);
        Assert.InRange(sent, 400, 700);
    }

    [Fact]
    public void Messages_faster_than_the_game_takes_them_wait_and_are_not_lost()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { MessagesPerSecond = 20, OffencesMax = 100_000 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        for (int i = 0; i < 200; i++)
            client.Say(Lane.Chat, $"{i}");
        bench.Run(30);
        Assert.InRange(bench.Game.Events.Count, 60, 100);
        bench.Run(9 * 30);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"message 0 Chat {i}"), bench.Game.Events.Skip(1), StringComparer.Ordinal);
        Assert.InRange(bench.Zone.Offences()["messageFlood"], 100, 250);
    }

    [Fact]
    public void Who_floods_messages_for_long_is_sent_away()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1);
        bench.Run(20);
        for (int tick = 0; tick < 30 * 30 && client.Connection.State == ConnectionState.Connected; tick++)
        {
            for (int i = 0; i < 20; i++)
                client.Say(Lane.Action, "more");
            bench.Run(1);
        }

        Assert.Equal(CloseCode.Flood, client.Connection.CloseReason.Code);
        Assert.True(bench.Game.Events.Count < 300 + (100 * 31));
    }

    [Fact]
    public void A_control_message_out_of_turn_is_an_offence()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { OffencesMax = 50 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        for (int i = 0; i < 4; i++)
            client.Connection.TrySend(Lane.Control, [2]);
        bench.Run(10);
        Assert.Equal(CloseCode.ProtocolError, client.Connection.CloseReason.Code);
        Assert.InRange(bench.Zone.Offences()["badControl"], 3, 4);
    }

    [Fact]
    public void What_a_link_held_back_for_nine_seconds_is_too_old_and_no_reason_to_send_anyone_away()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1);
        bench.Run(30);
        client.SendEvery = 0;
        byte[] tail = new byte[300];
        for (int packet = 0; packet < 270; packet++)
        {
            var writer = new BitWriter(tail);
            InputMessage.Write<TopDownInput>(ref writer, null, bench.Zone.Tick - 40, new TopDownInput[32]);
            client.SendTail(writer.Finish(), bench.NowNs);
            if (packet % 50 == 49)
                bench.Run(1);
        }

        bench.Run(3);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
        Assert.InRange(bench.Zone.Offences()["inputTooOld"], 1, 6);
    }

    [Fact]
    public void Who_reads_nothing_of_what_waits_is_too_slow_and_who_reads_slowly_is_not()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { SlowReaderMs = 3_000 } });
        TestClient deaf = bench.Join(1);
        TestClient slow = bench.Join(2);
        bench.Run(20);
        deaf.IgnoresLanes = true;
        for (int second = 0; second < 8; second++)
        {
            for (int peer = 0; peer < 2; peer++)
                bench.Zone.Send(new PeerId(peer), Lane.Bulk, new byte[1_000]);
            for (int tick = 0; tick < 30; tick++)
            {
                // Four of five packets with messages are lost.
                slow.IgnoresLanes = tick % 5 != 0;
                bench.Run(1);
            }
        }

        Assert.Equal(CloseCode.TooSlow, deaf.Connection.CloseReason.Code);
        Assert.Equal(1, bench.Zone.Kicks()["tooSlow"]);
        Assert.Equal(ConnectionState.Connected, slow.Connection.State);
        Assert.True(slow.Messages.Count > 0);
    }
}
