using Hectare.Protocol;
using Hectare.Server;
using Hectare.Tests.Transport;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Server;

/// <summary>Players who are lost and come back, and those who are not let back.</summary>
public sealed class SessionTests
{
    private static readonly ZoneOptions Options = new()
    {
        PlayersMax = 4,
        EntitiesMax = 4096,
        TimeOutMs = 2_000,
        Access = new ZoneAccess { Keys = TestTokens.Keys.ToText(), ResumeSeconds = 20 },
    };

    [Fact]
    public void A_lost_player_finds_session_and_avatar_where_they_were()
    {
        using var bench = new ZoneBench(Options);
        TestClient lost = bench.Join(1, token: Token(1, "green"u8.ToArray()));
        bench.Run(60);
        EntityId avatar = lost.Avatar;
        ConnectToken resume = lost.ResumeToken!;
        bench.Clients.Clear();
        bench.Run(90);
        Assert.Equal((0, 1), (bench.Zone.PeerCount, bench.Zone.LostCount));
        Assert.True(bench.Zone.World.TryFind(avatar, out int row));
        Assert.Equal(WorldState.NoOwner, bench.Zone.World.Owner[row]);
        (int x, int y) = (bench.Zone.World.X[row], bench.Zone.World.Y[row]);
        bench.Run(90);
        Assert.Equal((x, y), (bench.Zone.World.X[row], bench.Zone.World.Y[row]));

        TestClient back = bench.Join(9, token: resume);
        bench.Run(20);
        Assert.Equal(avatar, back.Avatar);
        Assert.Equal(0, bench.Zone.World.Owner[row]);
        Assert.Equal(0, bench.Zone.LostCount);
        Arrival arrival = bench.Game.Arrivals[1];
        Assert.Equal((42UL, new SessionId(9, 1), avatar), (arrival.ClientId, arrival.Session, arrival.Avatar));
        Assert.Equal("green"u8.ToArray(), arrival.UserData.ToArray());
        Assert.Equal(["joined 0", "left 0 TimedOut None may return", "joined 0"], bench.Game.Events);

        // What was used to come back is spent; another was given.
        TestClient thief = bench.Join(10, token: resume);
        bench.Run(10);
        Assert.Equal(RefuseReason.BadToken, thief.Connection.CloseReason.Refusal);
        bench.Run(300);
        Assert.NotNull(back.ResumeToken);
    }

    [Fact]
    public void Any_token_of_the_same_session_brings_back_and_one_of_another_player_does_not()
    {
        using var bench = new ZoneBench(Options);
        TestClient lost = bench.Join(1, token: Token(1));
        bench.Run(30);
        EntityId avatar = lost.Avatar;
        bench.Clients.Clear();
        bench.Run(90);
        TestClient other = bench.Join(2, token: new TokenAuthority(TestTokens.Keys).Mint(TestTokens.Request with { ClientId = 43, Session = new SessionId(9, 1), ExpiresUnixSeconds = 600 }, TestTokens.Random(5)));
        bench.Run(20);
        Assert.Equal(RefuseReason.BadToken, other.Connection.CloseReason.Refusal);
        TestClient back = bench.Join(3, token: Token(1, seed: 77));
        bench.Run(20);
        Assert.Equal(avatar, back.Avatar);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    public void A_player_who_connects_anew_takes_the_place_of_itself_in_a_full_zone_too(int playersMax)
    {
        using var bench = new ZoneBench(Options with { PlayersMax = playersMax });
        TestClient old = bench.Join(1, token: Token(1));
        bench.Run(30);
        EntityId avatar = old.Avatar;
        TestClient anew = bench.Join(2, token: old.ResumeToken);
        bench.Run(20);
        Assert.Equal(avatar, anew.Avatar);
        Assert.Equal((1, 0), (bench.Zone.PeerCount, bench.Zone.LostCount));
        Assert.Equal("left 0 Local Replaced may return", bench.Game.Events[1]);
        if (playersMax > 1)
            Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.Replaced), old.Connection.CloseReason);
        bench.Run(60);
        Assert.Equal(ConnectionState.Connected, anew.Connection.State);
        Assert.Equal(1, bench.Game.InputsOfLastStep);
    }

    [Theory]
    [InlineData(CloseCode.Left)]
    [InlineData(CloseCode.Kicked)]
    public void Who_leaves_or_is_sent_away_does_not_come_back_with_a_resume_token(CloseCode how)
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1, token: Token(1));
        bench.Run(30);
        EntityId avatar = client.Avatar;
        if (how == CloseCode.Left)
            client.Connection.Close(how, bench.NowNs);
        else
            bench.Zone.Disconnect(new PeerId(0), how);
        bench.Run(20);
        Assert.Equal((0, 0), (bench.Zone.PeerCount, bench.Zone.LostCount));
        Assert.False(bench.Zone.World.TryFind(avatar, out _));
        TestClient back = bench.Join(2, token: client.ResumeToken);
        bench.Run(20);
        Assert.Equal("the session is over: log in again", back.Connection.CloseReason.Text);

        // A login service may think otherwise.
        TestClient anew = bench.Join(3, token: Token(1, seed: 9));
        bench.Run(20);
        Assert.NotEqual(EntityId.None, anew.Avatar);
        Assert.Equal(EntityId.None, bench.Game.Arrivals[^1].Avatar);
    }

    [Fact]
    public void Who_was_sent_away_does_not_come_back_by_a_connection_kept_ready()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1, token: Token(1));
        bench.Run(30);
        TestClient ready = bench.Join(2, token: client.ResumeToken, saysReady: false);
        bench.Run(20);
        Assert.True(ready.IsWelcomed);
        bench.Zone.Disconnect(new PeerId(0), CloseCode.Kicked);
        bench.Run(20);
        Span<byte> message = stackalloc byte[Ready.Bytes];
        Ready.Write(message);
        ready.Connection.TrySend(Lane.Control, message);
        bench.Run(20);
        Assert.Equal(new CloseReason(CloseCause.ClosedByPeer, CloseCode.Kicked), ready.Connection.CloseReason);
        Assert.Single(bench.Game.Events, what => what.StartsWith("joined", StringComparison.Ordinal));
    }

    [Fact]
    public void However_often_a_player_connects_anew_there_is_one_token_to_come_back_with_in_fifteen_seconds()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1, token: Token(1));
        bench.Run(60);
        ConnectToken first = client.ResumeToken!;
        TestClient again = bench.Join(2, token: first);
        bench.Run(12 * 30);
        Assert.NotEqual(EntityId.None, again.Avatar);
        Assert.Null(again.ResumeToken);
        bench.Run(4 * 30);
        Assert.NotNull(again.ResumeToken);
    }

    [Fact]
    public void When_the_time_is_over_the_avatar_is_forgotten()
    {
        using var bench = new ZoneBench(Options);
        TestClient lost = bench.Join(1, token: Token(1));
        bench.Run(30);
        EntityId avatar = lost.Avatar;
        bench.Clients.Clear();
        bench.Run(62);
        long lostAt = bench.NowNs;
        while (bench.Zone.LostCount > 0)
            bench.Run(1);
        Assert.InRange(bench.NowNs - lostAt, 19_000_000_000, 20_200_000_000);
        Assert.Equal($"forgotten {avatar.Value}", bench.Game.Events[^1]);
        Assert.False(bench.Zone.World.TryFind(avatar, out _));
        TestClient late = bench.Join(2, token: lost.ResumeToken);
        bench.Run(20);
        Assert.Equal(RefuseReason.BadToken, late.Connection.CloseReason.Refusal);
    }

    [Fact]
    public void Only_so_many_lost_players_are_waited_for_and_the_first_is_forgotten_first()
    {
        using var bench = new ZoneBench(Options with { Limits = new ZoneLimits { LostPlayersMax = 2 } });
        var avatars = new List<uint>();
        for (ulong i = 1; i <= 4; i++)
        {
            TestClient client = bench.Join(i, token: Token(i));
            bench.Run(20);
            avatars.Add(client.Avatar.Value);
            bench.Clients.Clear();
            bench.Run(70);
        }

        Assert.Equal(2, bench.Zone.LostCount);
        Assert.Equal([$"forgotten {avatars[0]}", $"forgotten {avatars[1]}"], bench.Game.Events.Where(one => one.StartsWith("forgotten", StringComparison.Ordinal)), StringComparer.Ordinal);
    }

    [Fact]
    public void Where_nobody_may_return_a_lost_player_is_one_that_left()
    {
        using var bench = new ZoneBench(Options with { Access = Options.Access with { ResumeSeconds = 0 } });
        TestClient client = bench.Join(1, token: Token(1));
        bench.Run(30);
        Assert.Null(client.ResumeToken);
        bench.Clients.Clear();
        bench.Run(90);
        Assert.Equal(["joined 0", "left 0 TimedOut None"], bench.Game.Events);
        Assert.Equal(0, bench.Zone.LostCount);
    }

    [Fact]
    public void An_avatar_that_died_while_its_player_was_lost_is_not_given_back()
    {
        using var bench = new ZoneBench(Options);
        TestClient lost = bench.Join(1, token: Token(1));
        bench.Run(30);
        bench.Clients.Clear();
        bench.Run(90);
        bench.Game.Kill(new PeerId(0));
        bench.Run(2);
        TestClient back = bench.Join(2, token: lost.ResumeToken);
        bench.Run(20);
        Assert.Equal(EntityId.None, bench.Game.Arrivals[1].Avatar);
        Assert.NotEqual(lost.Avatar, back.Avatar);
        Assert.NotEqual(EntityId.None, back.Avatar);
    }

    [Fact]
    public void A_newer_token_to_come_back_with_is_sent_every_five_minutes_and_costs_no_byte_of_memory()
    {
        using var bench = new ZoneBench(Options);
        TestClient client = bench.Join(1, token: Token(1));
        bench.Run(30);
        ConnectToken first = client.ResumeToken!;
        Assert.True(first.ExpiresUnixSeconds >= 20 + 300);
        bench.Run(305 * bench.Options.TickRate);
        Assert.NotSame(first, client.ResumeToken);
        Assert.True(client.ResumeToken!.ExpiresUnixSeconds >= first.ExpiresUnixSeconds + 299);

        var authority = new TokenAuthority(TestTokens.Keys);
        byte[] token = new byte[ConnectToken.BytesMax], random = TestTokens.Random(1), user = new byte[512];
        PeerAddress[] endpoints = [PeerAddress.Loopback(1)];
        Assert.Equal(0, Allocation.SteadyBytes(() => authority.MintResume(1, new SessionId(1, 2), endpoints, 9, user, random, token)));
    }

    [Fact]
    public void A_farmer_who_is_lost_stays_standing()
    {
        var game = new Hectare.Farm.FarmGame(TestGame.Small);
        var links = new LinkSimulator(1) { DefaultProfile = LinkProfile.Perfect };
        using var zone = new Zone<TopDownInput>(Options, game.Schema.Schema, game, ZoneBench.OpenMap, ZoneRandom.Seeded(1), [links.Open(ZoneBench.Server)]);
        var client = new TestClient(links.Open(PeerAddress.Loopback(9_000)), ZoneBench.Server, 3, schemaHash: game.Schema.Schema.Hash, token: Token(1));
        long nowNs = 0;
        Run(60, client);
        EntityId avatar = client.Avatar;
        Run(300, null);
        Assert.True(zone.World.TryFind(avatar, out int row));
        Assert.Equal(0, zone.World.IntentCode[row]);
        var back = new TestClient(links.Open(PeerAddress.Loopback(9_001)), ZoneBench.Server, 4, schemaHash: game.Schema.Schema.Hash, token: client.ResumeToken, nowNs: nowNs);
        Run(30, back);
        Assert.Equal(avatar, back.Avatar);
        Run(60 * 30, null);
        Assert.False(zone.World.TryFind(avatar, out _));

        void Run(int ticks, TestClient? update)
        {
            for (int i = 0; i < ticks; i++)
            {
                nowNs += Options.TickLengthNs;
                links.AdvanceTo(nowNs);
                update?.Update(zone.Tick, nowNs);
                links.AdvanceTo(nowNs);
                zone.RunTick(nowNs, nowNs);
            }
        }
    }

    private static ConnectToken Token(ulong session, byte[]? userData = null, ulong? seed = null) => new TokenAuthority(TestTokens.Keys).Mint(
        TestTokens.Request with { Session = new SessionId(9, session), UserData = userData, ExpiresUnixSeconds = 600 }, TestTokens.Random(seed ?? session));
}
