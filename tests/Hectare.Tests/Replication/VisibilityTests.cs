using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>The overrides of interest by distance, each at its line. The random worlds of <see cref="SnapshotWriterTests"/> mix them all.</summary>
public sealed class VisibilityTests
{
    private const int Hysteresis = 16;       // exit - enter radius of the defaults
    private const double Slack = 16 * 1.25 * 1.42;       // a cell and a quarter of one, diagonally

    private readonly ReplicationRig _rig = Estate();

    private static ReplicationRig Estate(ReplicationOptions? options = null) => new(TestSchemas.Estate(1024, 15), options);

    [Fact]
    public void What_is_always_visible_is_held_by_everyone_wherever_it_is_and_every_change_reaches_them()
    {
        RigPeer one = Peer(_rig, 100, 100);
        int dragon = Spawn(_rig, "dragon", 900, 900);
        _rig.Run(30);
        RigPeer other = Peer(_rig, 1000, 20);
        _rig.Run(30);
        AssertKnown(_rig, dragon, one, other);
        _rig.Run(60, () => _rig.Walk(dragon, new Intent(200, Intent.MagnitudeMax)));
        _rig.Run(1, () => _rig.World.Teleport(dragon, Units.FromFloat(500), Units.FromFloat(10)));
        _rig.Run(60);
        foreach (RigPeer peer in _rig.Peers)
            SnapshotWriterTests.CheckConverged(_rig, peer, $"peer {peer.View.Index}");
        _rig.Run(1, () => _rig.World.Destroy(dragon));
        _rig.Run(30);
        Assert.All(_rig.Peers, peer => Assert.Single(peer.Decoder.Shown()));
    }

    [Fact]
    public void A_landmark_stays_when_the_peer_drops_the_cell_it_is_in()
    {
        RigPeer peer = Peer(_rig, 100, 100);
        int dragon = Spawn(_rig, "dragon", 110, 100), tower = Spawn(_rig, "tower", 100, 110), crate = Spawn(_rig, "crate", 110, 110);
        _rig.Run(30);
        AssertKnown(_rig, crate, peer);
        int[] slots = [.. new[] { dragon, tower }.Select(row => peer.View.FindSlot(_rig.World.Id[row]))];
        _rig.Run(1, () => _rig.World.Teleport(peer.View.AvatarRow, Units.FromFloat(100), Units.FromFloat(100 + TestSchemas.TowerRadius + 20)));
        _rig.Run(90);
        AssertKnown(_rig, crate);
        AssertKnown(_rig, dragon, peer);
        AssertKnown(_rig, tower, peer);
        Assert.Equal(slots, new[] { dragon, tower }.Select(row => peer.View.FindSlot(_rig.World.Id[row])));
    }

    [Theory]
    [InlineData("chest", 256)]
    [InlineData("chest", 0)]
    [InlineData("pet", 256)]
    [InlineData("pet", 0)]
    public void What_only_its_owner_sees_goes_from_the_old_owner_to_the_new_one(string kind, int pushSubscribersMax)
    {
        ReplicationRig rig = Estate(new ReplicationOptions { PushSubscribersMax = pushSubscribersMax });
        RigPeer one = Peer(rig, 100, 100), other = Peer(rig, 120, 100);
        int row = Spawn(rig, kind, 110, 100);
        rig.Run(30);
        AssertKnown(rig, row);
        foreach (RigPeer owner in new[] { one, other, one })
        {
            rig.Run(1, () => rig.World.SetOwner(row, owner.View.Index));
            rig.Run(30);
            AssertKnown(rig, row, owner);
        }

        rig.Run(1, () => rig.World.SetOwner(row, WorldState.NoOwner));
        rig.Run(30);
        AssertKnown(rig, row);
    }

    [Fact]
    public void What_only_its_owner_sees_is_seen_by_distance()
    {
        RigPeer owner = Peer(_rig, 100, 100);
        int pet = Spawn(_rig, "pet", 110, 100);
        _rig.World.SetOwner(pet, owner.View.Index);
        _rig.Run(30);
        AssertKnown(_rig, pet, owner);
        _rig.Run(1, () => _rig.World.Teleport(pet, Units.FromFloat(400), Units.FromFloat(100)));
        _rig.Run(30);
        AssertKnown(_rig, pet);
        _rig.Run(1, () => _rig.World.Teleport(pet, Units.FromFloat(120), Units.FromFloat(100)));
        _rig.Run(30);
        AssertKnown(_rig, pet, owner);
    }

    [Theory]
    [InlineData("scout")]
    [InlineData("beacon")]
    public void What_a_party_sees_comes_and_goes_with_the_party(string kind)
    {
        RigPeer owner = Peer(_rig, 100, 100), friend = Peer(_rig, 120, 100), stranger = Peer(_rig, 100, 120);
        int row = Spawn(_rig, kind, 110, 110);
        _rig.World.SetOwner(row, owner.View.Index);
        _rig.Run(30);
        AssertKnown(_rig, row, owner);
        _rig.Replicator.SetParty(owner.View.Index, 7);
        _rig.Replicator.SetParty(friend.View.Index, 7);
        _rig.Replicator.SetParty(stranger.View.Index, 8);
        _rig.Run(30);
        AssertKnown(_rig, row, owner, friend);
        _rig.Replicator.SetParty(friend.View.Index, 8);
        _rig.Run(30);
        AssertKnown(_rig, row, owner);
        _rig.Run(1, () => _rig.World.SetOwner(row, stranger.View.Index));
        _rig.Run(30);
        AssertKnown(_rig, row, friend, stranger);
        // Whoever goes takes the party's view of what it owns along.
        _rig.Replicator.RemovePeer(stranger.View.Index);
        _rig.Peers.Remove(stranger);
        _rig.Run(30);
        AssertKnown(_rig, row);
    }

    [Fact]
    public void What_is_never_visible_has_no_version_and_is_in_no_count()
    {
        ReplicationRig rig = Estate(new ReplicationOptions { InterestCap = 16, PushSubscribersMax = 0 });
        RigPeer peer = Peer(rig, 100, 100);
        int ghost = Spawn(rig, "ghost", 101, 100);
        for (int i = 0; i < 60; i++)
            Spawn(rig, "ghost", 90 + (i % 20), 90 + (i / 20));
        rig.Run(90, () => rig.Walk(ghost, new Intent((byte)rig.Tick.Value, Intent.MagnitudeMax)));
        Assert.Equal(0u, rig.Replicator.History.VersionOf(ghost));
        Assert.Equal(1, peer.View.KnownCount);
        Assert.False(peer.View.IsCapped);
        Assert.Empty(peer.Decoder.Densities);
        rig.Run(1, () => rig.World.Destroy(ghost));
        rig.Run(10);
    }

    [Fact]
    public void A_peer_may_look_through_eyes_that_nobody_sees()
    {
        int camera = Spawn(_rig, "ghost", 500, 500), crate = Spawn(_rig, "crate", 510, 500);
        RigPeer peer = _rig.AddPeer(camera);
        _rig.Run(30);
        AssertKnown(_rig, crate, peer);
        Assert.Equal(1, peer.View.KnownCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_big_thing_enters_within_its_radius_and_leaves_beyond_it_and_the_hysteresis(bool viewerWalks)
    {
        int tower = Spawn(_rig, viewerWalks ? "tower" : "ship", 500, 500);
        int radius = TestSchemas.TowerRadius + (viewerWalks ? 0 : 20);
        RigPeer peer = Peer(_rig, 500 + radius + 60, 500);
        int walker = viewerWalks ? peer.View.AvatarRow : tower;
        byte towards = (byte)(viewerWalks ? 128 : 0), away = (byte)(towards ^ 128);
        _rig.Run(30);
        Assert.InRange(WalkUntil(peer, tower, walker, towards, isKnown: true), radius - 1, radius + Slack);
        Assert.InRange(WalkUntil(peer, tower, walker, away, isKnown: false), radius + Hysteresis, radius + Hysteresis + Slack);
    }

    [Theory]
    [InlineData("viewer")]
    [InlineData("ship")]
    public void Along_the_line_of_its_radius_a_big_thing_enters_and_leaves_hardly_ever(string walks)
    {
        RigPeer peer = Peer(_rig, 500, 500);
        int ship = Spawn(_rig, "ship", 500 + TestSchemas.TowerRadius + 20 + 16, 500);
        int walker = walks == "ship" ? ship : peer.View.AvatarRow;
        _rig.Run(30);
        int x = _rig.World.X[walker];
        long before = _rig.Writer.Counters.Enters;
        _rig.Run(1_800, () => _rig.World.MoveTo(walker, x + ((_rig.Tick.Value & 1) == 0 ? -400 : 400), _rig.World.Y[walker], Intent.Rest));
        Assert.InRange(_rig.Writer.Counters.Enters - before, 0, 10);
    }

    [Fact]
    public void A_big_thing_that_ends_in_the_tick_after_it_was_left_behind_is_ended_for_the_peer()
    {
        int tower = Spawn(_rig, "tower", 500, 500);
        RigPeer peer = Peer(_rig, 500, 600);
        _rig.Run(30);
        AssertKnown(_rig, tower, peer);
        _rig.Run(1, () => _rig.World.Teleport(peer.View.AvatarRow, Units.FromFloat(20), Units.FromFloat(20)), withPeers: false);
        _rig.Run(1, () => _rig.World.Destroy(tower), withPeers: false);
        _rig.Run(30);
        Assert.Single(peer.Decoder.Shown());
    }

    [Fact]
    public void A_change_of_a_big_thing_while_the_peer_was_away_between_two_packets_is_told()
    {
        int tower = Spawn(_rig, "tower", 500, 500);
        RigPeer peer = Peer(_rig, 500, 600);
        _rig.Run(30);
        _rig.Run(1, () => _rig.World.Teleport(peer.View.AvatarRow, Units.FromFloat(20), Units.FromFloat(20)), withPeers: false);
        _rig.Run(1, () => _rig.World.Set(tower, _rig.Schema["tower"]["content"], 77), withPeers: false);
        _rig.Run(1, () => _rig.World.Teleport(peer.View.AvatarRow, Units.FromFloat(500), Units.FromFloat(600)), withPeers: false);
        _rig.Run(30);
        SnapshotWriterTests.CheckConverged(_rig, peer, "away and back");
    }

    [Fact]
    public void Neither_what_is_far_nor_what_is_near_waits_until_all_of_the_other_has_entered()
    {
        for (int i = 0; i < 300; i++)
        {
            Spawn(_rig, "banner", 900, 900);
            Spawn(_rig, "crate", 100 + (i % 20), 100 + (i / 20));
        }

        RigPeer peer = Peer(_rig, 100, 100);
        _rig.Run(10);
        string[] known = [.. Known(peer).Select(id => _rig.World.TryFind(id, out int row) ? _rig.World.KindOf(row).Name : "")];
        Assert.Equal(known.Count(name => name == "banner"), known.Count(name => name == "crate"), tolerance: 4);
        _rig.Run(90);
        SnapshotWriterTests.CheckConverged(_rig, peer, "all");
    }

    [Fact]
    public void Those_that_find_the_list_full_are_told_by_distance_and_counted()
    {
        int[] banners = [.. Enumerable.Range(0, Landmarks.Max).Select(_ => Spawn(_rig, "tower", 900, 900))];
        int refused = Spawn(_rig, "banner", 500, 500);
        RigPeer near = Peer(_rig, 510, 500), away = Peer(_rig, 100, 100);
        _rig.Run(60);
        Assert.Equal(1, _rig.Replicator.Counters.LandmarksRefused);
        AssertKnown(_rig, refused, near);
        _rig.Run(1, () => _rig.World.Destroy(banners[400]));
        int taken = -1;
        _rig.Run(1, () => taken = Spawn(_rig, "banner", 500, 500));
        _rig.Run(60, () => _rig.World.MoveTo(refused, _rig.World.X[refused] + 2000, _rig.World.Y[refused], Intent.Rest));
        Assert.Equal(1, _rig.Replicator.Counters.LandmarksRefused);
        AssertKnown(_rig, taken, near, away);
        AssertKnown(_rig, refused, near);
    }

    [Theory]
    [InlineData("ghost", 100, "nobody is told of a ghost")]
    [InlineData("pet", 100, "only its owner is told of a pet")]
    [InlineData("beacon", 100, "only its owner's party is told of a beacon")]
    [InlineData("tower", 700, "it is out of the reach of its kind")]
    [InlineData("crate", 700, "its cell is out of the peer's interest")]
    [InlineData("dragon", 700, "silent, since the peer is known to hold the newest version")]
    public void The_operator_is_told_why_an_entity_is_or_is_not_in_a_peers_packets(string kind, double x, string verdict)
    {
        RigPeer peer = Peer(_rig, 100, 100);
        int row = Spawn(_rig, kind, x, 100);
        _rig.Run(30);
        string text = Explanation.Of(_rig.Replicator, peer.View, _rig.World.IdOf(row), _rig.Tick);
        Assert.Contains($"{verdict}", text[text.IndexOf("verdict", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Equal(kind is "tower" or "dragon" or "beacon", text.Contains("a landmark", StringComparison.Ordinal));
    }

    [Fact]
    public void A_far_radius_within_the_enter_radius_is_refused_at_start()
    {
        OptionException refused = Assert.Throws<OptionException>(() => Estate(new ReplicationOptions { EnterRadiusUnits = 130, ExitRadiusUnits = 150 }));
        Assert.Equal("Far of kind 'tower' is 120; allowed: more than EnterRadiusUnits (130)", refused.Message);
    }

    [Fact]
    public void A_big_thing_at_rest_costs_nothing_and_a_change_of_it_one_push_a_peer_it_reaches()
    {
        int tower = Spawn(_rig, "tower", 500, 500);
        Peer(_rig, 500, 600);
        Peer(_rig, 600, 500);
        Peer(_rig, 100, 100);
        _rig.Run(60);
        (long pushes, long cells) = (_rig.Replicator.Counters.Pushes, _rig.Replicator.Counters.CellsVisited);
        _rig.Run(300);
        Assert.Equal((pushes, cells), (_rig.Replicator.Counters.Pushes, _rig.Replicator.Counters.CellsVisited));
        Assert.All(_rig.Peers, peer => Assert.False(peer.View.LandmarksDue));
        _rig.Run(1, () => _rig.World.Set(tower, _rig.Schema["tower"]["content"], 5));
        Assert.Equal(2, _rig.Replicator.Counters.Pushes - pushes);
    }

    [Fact]
    public void A_game_without_overrides_pays_no_byte_for_them()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(512, 14)) { IsChecking = false };
        int row = rig.Spawn(rig.Walker, 256, 256);
        for (int i = 0; i < 499; i++)
            rig.Spawn(rig.Crate, 240 + (i % 25), 240 + (i / 25));
        PeerView view = rig.AddPeer(row).View;
        rig.Run(150);
        Assert.Equal(500, view.KnownCount);
        Assert.InRange(view.MemoryBytes, 0, 47_000);
        Assert.Equal(0, rig.Replicator.Landmarks.MemoryBytes);
        Assert.Null(view.Relevance);
    }

    // The distance at which it came to be known, or no longer.
    private double WalkUntil(RigPeer peer, int row, int walker, byte direction, bool isKnown)
    {
        for (int i = 0; i < 1_200 && peer.View.Knows(_rig.World.IdOf(row)) != isKnown; i++)
            _rig.Run(1, () => _rig.Walk(walker, new Intent(direction, Intent.MagnitudeMax)));
        return Units.ToDouble(Math.Abs(_rig.World.X[row] - _rig.World.X[peer.View.AvatarRow]));
    }

    private static RigPeer Peer(ReplicationRig rig, double x, double y) => rig.AddPeer(rig.Spawn(rig.Walker, x, y), (ulong)rig.Peers.Count);

    private static int Spawn(ReplicationRig rig, string kind, double x, double y) => rig.Spawn(rig.Schema[kind], x, y);

    private static List<EntityId> Known(RigPeer peer)
    {
        List<EntityId> known = [];
        peer.View.CopyKnown(known);
        return known;
    }

    // Those and nobody else: by the server's book and in the peer's own world.
    private static void AssertKnown(ReplicationRig rig, int row, params RigPeer[] by)
    {
        foreach (RigPeer peer in rig.Peers)
        {
            Assert.Equal(by.Contains(peer), peer.View.Knows(rig.World.IdOf(row)));
            Assert.Equal(by.Contains(peer), peer.Decoder.Shown().ContainsKey(rig.World.Id[row]));
        }
    }
}
