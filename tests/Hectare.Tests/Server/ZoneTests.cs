using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Server;

public sealed class ZoneTests
{
    [Fact]
    public void A_client_shakes_hands_is_welcomed_joins_and_gets_snapshots()
    {
        using var bench = new ZoneBench();
        TestClient client = bench.Join(1);
        bench.Run(150);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
        Assert.True(client.IsWelcomed);
        Assert.Equal(0, client.WelcomeSchemaBytes);
        Assert.NotEqual(EntityId.None, client.Avatar);
        Assert.True(client.Snapshots >= 10, $"{client.Snapshots} snapshots");
        Assert.Equal(["joined 0"], bench.Game.Events);
        Assert.Equal(0, bench.Zone.World.Owner[bench.Game.RowOf(new PeerId(0))]);
        Assert.Equal(1, bench.Game.InputsOfLastStep);
        Assert.True(bench.Zone.ViewOf(new PeerId(0))!.KnownCount > 0);
        Assert.All(bench.Zone.Drops().Keys, reason => Assert.Equal("inputLate", reason));
    }

    [Fact]
    public void A_client_with_another_schema_is_sent_the_zones()
    {
        using var bench = new ZoneBench();
        TestClient client = bench.Join(1, schemaHash: 99);
        bench.Run(30);
        Assert.Equal(TestGame.SharedSchema.Schema.Bytes.Length, client.WelcomeSchemaBytes);
    }

    [Fact]
    public void A_full_zone_refuses_and_takes_the_next_when_a_place_is_free()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 2, EntitiesMax = 4096 });
        TestClient first = bench.Join(1);
        bench.Join(2);
        bench.Run(20);
        TestClient third = bench.Join(3);
        bench.Run(20);
        Assert.Equal(CloseCause.Refused, third.Connection.CloseReason.Cause);
        Assert.Equal(RefuseReason.Full, third.Connection.CloseReason.Refusal);
        Assert.Equal("the zone is full", third.Connection.CloseReason.Text);
        Assert.Equal(1, bench.Dropped("handshakeRefused"));

        first.Connection.Close(CloseCode.Left, bench.NowNs);
        bench.Run(20);
        Assert.Contains("left 0 ClosedByPeer Left", bench.Game.Events, StringComparer.Ordinal);
        TestClient fourth = bench.Join(4);
        bench.Run(20);
        Assert.NotEqual(EntityId.None, fourth.Avatar);
    }

    [Fact]
    public void Another_version_and_another_map_are_refused_with_their_reason()
    {
        using var bench = new ZoneBench();
        TestClient version = bench.Join(1, new ConnectionOptions { ProtocolVersion = 999 });
        TestClient map = bench.Join(2, mapHash: new Hash256(1, 2, 3, 4));
        TestClient same = bench.Join(3, mapHash: bench.Zone.MapHash);
        bench.Run(20);
        Assert.Equal(RefuseReason.WrongVersion, version.Connection.CloseReason.Refusal);
        Assert.Equal(RefuseReason.WrongMap, map.Connection.CloseReason.Refusal);
        Assert.NotEqual(EntityId.None, same.Avatar);
        Assert.Equal(1, bench.Zone.PeerCount);
    }

    [Fact]
    public void A_silent_client_times_out_and_its_place_is_free()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, TimeOutMs = 2_000 });
        bench.Join(1);
        bench.Run(20);
        bench.Clients.Clear();
        bench.Run(75);
        Assert.Contains("left 0 TimedOut None may return", bench.Game.Events, StringComparer.Ordinal);
        Assert.Equal(0, bench.Zone.PeerCount);
    }

    [Fact]
    public void Closing_tells_every_client_and_lets_nobody_in()
    {
        using var bench = new ZoneBench();
        TestClient[] clients = [bench.Join(1), bench.Join(2), bench.Join(3)];
        bench.Run(20);
        bench.Zone.Close(CloseCode.ShuttingDown, bench.NowNs);
        TestClient late = bench.Join(4);
        bench.Run(12);
        Assert.All(clients, client => Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.ShuttingDown), client.Connection.CloseReason));
        Assert.Equal(RefuseReason.ShuttingDown, late.Connection.CloseReason.Refusal);
        Assert.Equal(0, bench.Zone.PeerCount);
    }

    [Fact]
    public void Messages_go_to_the_game_and_back_in_order()
    {
        using var bench = new ZoneBench(link: LinkProfile.Get("audit-5pct"));
        TestClient client = bench.Join(1);
        bench.Run(60);
        for (int i = 0; i < 20; i++)
            client.Say(Lane.Chat, $"hello {i}");
        bench.Run(150);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"hello {i}"), client.Messages, StringComparer.Ordinal);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"message 0 Chat hello {i}"), bench.Game.Events.Skip(1), StringComparer.Ordinal);
    }

    [Fact]
    public void Whoever_sends_malformed_inputs_is_disconnected_at_the_threshold()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Limits = new() { OffencesMax = 50 } });
        TestClient client = bench.Join(1);
        bench.Run(20);
        client.SendTail([0b10], bench.NowNs);
        client.SendTail([0b10], bench.NowNs);
        bench.Run(4);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
        client.SendTail([0b10], bench.NowNs);
        bench.Run(4);
        Assert.Equal(3, bench.Dropped("malformedInput"));
        Assert.Equal(3, bench.Zone.Offences()["malformedInput"]);
        Assert.Equal(1, bench.Zone.Kicks()["protocolError"]);
        Assert.Contains("left 0 ProtocolError ProtocolError", bench.Game.Events, StringComparer.Ordinal);
        Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.ProtocolError), client.Connection.CloseReason);
    }

    [Fact]
    public void Sixty_inputs_a_second_move_nobody_faster()
    {
        double honest = Walked(inputsPerTick: 1, applyEvery: false);
        Assert.Equal(50, honest, 0.5);
        Assert.True(Walked(inputsPerTick: 2, applyEvery: false) <= honest);
        Assert.Equal(2 * honest, Walked(inputsPerTick: 2, applyEvery: true), 1.0);
    }

    [Fact]
    public void Foreign_bytes_are_dropped_and_counted_and_nothing_else_happens()
    {
        using var bench = new ZoneBench();
        TestClient client = bench.Join(1);
        bench.Run(20);
        IDatagramSocket stranger = bench.Links.Open(PeerAddress.Loopback(7_777));
        var batch = new DatagramBatch(8);
        var random = new SeededRandom(9);
        for (int i = 0; i < 3_000; i++)
        {
            batch.Clear();
            int bytes = random.Next(0, 1_300);
            Span<byte> datagram = batch.Buffer(0);
            for (int at = 0; at < bytes; at++)
                datagram[at] = (byte)random.NextUInt64();
            datagram[0] = (byte)random.Next(0, 9);
            batch.Add(ZoneBench.Server, bytes);
            if (i % 10 == 0)
            {
                // A packet that names the real connection, from elsewhere.
                new PacketHeader(PacketType.Payload, client.Connection.ConnectionId, (ushort)i).WriteFromClient(batch.Buffer(1));
                batch.Add(ZoneBench.Server, 60);
            }

            stranger.Send(batch);
            if (i % 20 == 0)
                bench.Run(1);
        }

        bench.Run(2);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
        Assert.Equal(1, bench.Zone.PeerCount);
        // One of them names a number that was accepted already.
        Assert.Equal(300, bench.Dropped("otherAddress") + bench.Dropped("packetDuplicate"));
        Assert.True(bench.Dropped("malformed") > 500);
        Assert.True(bench.Dropped("unknownConnection") > 100);
        Assert.True(bench.Dropped("handshakeMalformed") > 100);
        Assert.Equal(0, stranger.Receive(batch));
    }

    [Fact]
    public void A_flood_of_requests_costs_one_tick_no_more_than_its_share()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Limits = new() { HandshakesPerTickMax = 8 } });
        bench.Run(2);
        for (ulong i = 0; i < 40; i++)
            bench.Join(100 + i);
        bench.UpdateClients();
        bench.Zone.RunTick(bench.NowNs, bench.NowNs);
        Assert.Equal(32, bench.Dropped("handshakeOverLimit"));
    }

    [Fact]
    public void A_tick_that_is_caught_up_is_simulated_and_told_by_the_next()
    {
        using var bench = new ZoneBench();
        TestClient client = bench.Join(1);
        bench.Run(40);
        int before = client.Snapshots;
        Tick tick = bench.Zone.Tick;
        long dueNs = bench.NowNs;
        for (int i = 1; i <= 6; i++)
            bench.Zone.RunTick(dueNs + (i * bench.Options.TickLengthNs), dueNs + 200_000_000, behind: i < 6);
        Assert.Equal(tick + 6, bench.Zone.Tick);
        Assert.Equal(0, bench.Zone.Metrics.TicksGivenUp);
        Assert.Equal((dueNs + (6 * bench.Options.TickLengthNs) - bench.Zone.StartNs) / 100_000, bench.Zone.DueTime);
        bench.UpdateClients();
        Assert.True(client.Snapshots <= before + 1);
    }

    [Fact]
    public void Ticks_given_up_are_counted_and_said_and_their_numbers_are_not_skipped()
    {
        var log = new TestLog();
        using var bench = new ZoneBench(hooks: new ZoneHooks { Log = log });
        TestClient client = bench.Join(1);
        bench.Run(40);
        Tick tick = bench.Zone.Tick;
        for (int i = 0; i < 100; i++)
            bench.UpdateClients();
        bench.Zone.RunTick(bench.NowNs, bench.NowNs);
        Assert.Equal(tick.Next, bench.Zone.Tick);
        Assert.Equal(99, bench.Zone.Metrics.TicksGivenUp);
        Assert.Contains("given up 99", log.Lines, StringComparer.Ordinal);
        bench.Run(40);
        Assert.Equal(ConnectionState.Connected, client.Connection.State);
    }

    [Fact]
    public void The_log_is_told_of_those_who_come_and_go()
    {
        var log = new TestLog();
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 1, EntitiesMax = 4096 }, hooks: new ZoneHooks { Log = log });
        TestClient client = bench.Join(1);
        bench.Run(10);
        bench.Join(2);
        bench.Run(10);
        client.Connection.Close(CloseCode.Left, bench.NowNs);
        bench.Run(10);
        Assert.Equal(["joined 0", "refused Full", "left 0 ClosedByPeer"], log.Lines);
    }

    [Fact]
    public void An_avatar_that_dies_leaves_its_player_watching_and_another_can_be_given()
    {
        using var bench = new ZoneBench();
        TestClient client = bench.Join(1);
        TestClient other = bench.Join(2);
        bench.Run(20);
        EntityId own = client.Avatar;
        int otherRow = bench.Game.RowOf(new PeerId(1));
        Assert.True(bench.Zone.SetAvatar(new PeerId(0), other.Avatar));
        Assert.Equal(WorldState.NoOwner, bench.Zone.World.Owner[bench.Game.RowOf(new PeerId(0))]);
        Assert.Equal(0, bench.Zone.World.Owner[otherRow]);
        bench.Run(10);
        Assert.Equal(other.Avatar, client.Avatar);
        Assert.False(bench.Zone.SetAvatar(new PeerId(0), new EntityId(999_999)));
        Assert.False(bench.Zone.SetAvatar(new PeerId(5), own));

        bench.Game.Kill(new PeerId(1));
        bench.Run(10);
        Assert.Equal(EntityId.None, client.Avatar);
        Assert.Equal(EntityId.None, other.Avatar);
        Assert.Equal(0, bench.Game.InputsOfLastStep);
        Assert.True(bench.Zone.SetAvatar(new PeerId(0), own));
        bench.Run(10);
        Assert.Equal(own, client.Avatar);
        Assert.Equal(1, bench.Game.InputsOfLastStep);
    }

    [Fact]
    public async Task The_loop_ticks_in_real_time_answers_questions_and_says_goodbye()
    {
        using var bench = new ZoneBench();
        bench.Join(1);
        bench.Run(20);
        var loop = new ZoneLoop<TopDownInput>(bench.Zone);
        using var stop = new CancellationTokenSource();
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                loop.Run(stop.Token);
            }
            catch (Exception thrown)
            {
                failure = thrown;
            }
        });
        Tick before = bench.Zone.Tick;
        thread.Start();
        ZoneReport? report = null;
        await Task.Delay(300, TestContext.Current.CancellationToken);
        await loop.InvokeAsync(() => report = bench.Zone.Report()).WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        Assert.True(thread.Join(10_000));
        Assert.Null(failure);
        Assert.InRange(report!.Ticks, 20 + 5, 20 + 40);
        Assert.True(bench.Zone.Tick - before >= 14, "300 ms of ticks, and 300 ms of goodbyes");
        Assert.Equal(0, bench.Zone.PeerCount);
    }

    [Fact]
    public void A_game_that_throws_stops_the_loop_and_the_log_is_told()
    {
        var log = new TestLog();
        using var bench = new ZoneBench(hooks: new ZoneHooks { Log = log });
        bench.Game.ThrowAtStep = new InvalidOperationException("broken");
        Assert.Throws<InvalidOperationException>(() => new ZoneLoop<TopDownInput>(bench.Zone).Run(CancellationToken.None));
        Assert.Equal(["failed broken"], log.Lines);
    }

    [Fact]
    public async Task Whoever_asks_a_loop_that_has_ended_or_failed_is_told_so_and_does_not_wait_for_ever()
    {
        using var bench = new ZoneBench();
        var ended = new ZoneLoop<TopDownInput>(bench.Zone);
        Task early = ended.InvokeAsync(() => { });
        ended.Run(new CancellationToken(canceled: true));
        await early.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<OperationCanceledException>(() => ended.InvokeAsync(() => { }).WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));

        using var broken = new ZoneBench();
        broken.Game.ThrowAtStep = new InvalidOperationException("broken");
        var failed = new ZoneLoop<TopDownInput>(broken.Zone);
        Task asked = failed.InvokeAsync(() => { });
        Assert.Throws<InvalidOperationException>(() => failed.Run(CancellationToken.None));
        InvalidOperationException told = await Assert.ThrowsAsync<InvalidOperationException>(() => asked.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
        Assert.Equal("broken", told.Message);
    }

    [Fact]
    public void Datagrams_beyond_a_ticks_share_wait_for_the_next_tick_and_are_not_lost()
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Limits = new() { ReceiveDatagramsMax = 100 } });
        using IDatagramSocket stranger = bench.Links.Open(PeerAddress.Loopback(20_000));
        var batch = new DatagramBatch(1);
        for (int i = 0; i < 250; i++)
        {
            batch.Clear();
            batch.Buffer(0)[0] = 255;
            batch.Add(ZoneBench.Server, 20);
            stranger.Send(batch);
        }

        bench.Run(1);
        Assert.Equal(100, bench.Dropped("malformed"));
        bench.Run(2);
        Assert.Equal(250, bench.Dropped("malformed"));
    }

    private static double Walked(int inputsPerTick, bool applyEvery)
    {
        using var bench = new ZoneBench(new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Limits = new() { OffencesMax = 100_000 }, ApplyEveryInput = applyEvery }, TestGame.Small with { Crates = 0, Trees = 0 });
        TestClient client = bench.Join(5);
        client.Held = TopDownInput.Neutral;
        bench.Run(30);
        client.InputsPerTick = inputsPerTick;
        client.SendEvery = 1;
        int row = bench.Game.RowOf(new PeerId(0));
        bench.Zone.World.Teleport(row, 1000 * Units.One, 1000 * Units.One);
        client.Held = new TopDownInput(new Intent(0, Intent.MagnitudeMax), 0);
        bench.Run(10);
        int from = bench.Zone.World.X[row];
        bench.Run(300);
        return Units.ToDouble(bench.Zone.World.X[row] - from);
    }

    private sealed class TestLog : IZoneLog
    {
        public List<string> Lines { get; } = [];

        public void PeerJoined(Tick tick, PeerId peer, PeerAddress address, EntityId avatar) => Lines.Add($"joined {peer.Index}");

        public void PeerLeft(Tick tick, PeerId peer, PeerAddress address, CloseReason reason) => Lines.Add($"left {peer.Index} {reason.Cause}");

        public void PeerRefused(Tick tick, PeerAddress address, RefuseReason reason) => Lines.Add($"refused {reason}");

        public void TicksGivenUp(Tick tick, int ticks) => Lines.Add($"given up {ticks}");

        public void ZoneFailed(Tick tick, Exception failure) => Lines.Add($"failed {failure.Message}");
    }
}
