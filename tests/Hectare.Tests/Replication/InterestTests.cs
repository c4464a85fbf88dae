using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

public sealed class InterestTests
{
    private static readonly ReplicationOptions Defaults = new();

    [Fact]
    public void Every_cell_that_the_enter_radius_touches_is_subscribed_wherever_the_viewpoint_goes()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow()) { IsChecking = false };
        int row = rig.Spawn(rig.Walker, 256, 256);
        PeerView peer = rig.AddPeer(row).View;
        var random = new SeededRandom(3);
        for (int i = 0; i < 3_000; i++)
        {
            int step = random.Next(0, 20) == 0 ? 512 * Units.One : 4 * Units.One;
            rig.World.Teleport(row, rig.World.X[row] + random.Next(-step, step), rig.World.Y[row] + random.Next(-step, step));
            Follow(rig);
            AssertCovers(rig, peer, row);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(511.99, 0)]
    [InlineData(0, 511.99)]
    [InlineData(511.99, 511.99)]
    public void A_corner_of_the_world_is_covered_and_after_the_dwell_nothing_beyond_the_exit_radius_is(double x, double y)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow()) { IsChecking = false };
        int row = rig.Spawn(rig.Walker, 256, 256);
        PeerView peer = rig.AddPeer(row).View;
        Follow(rig);
        rig.World.Teleport(row, Units.FromFloat(x), Units.FromFloat(y));
        Follow(rig);
        AssertCovers(rig, peer, row);
        for (int i = 0; i < 2 * Defaults.DwellTicks + 1; i++)
            Follow(rig);
        AssertCovers(rig, peer, row);
        AssertNothingBeyond(rig, peer, row);
        long visited = rig.Replicator.Counters.CellsVisited;
        for (int i = 0; i < 300; i++)
            Follow(rig);
        Assert.Equal(visited, rig.Replicator.Counters.CellsVisited);
    }

    [Fact]
    public void A_walk_leaves_nothing_beyond_the_exit_radius_after_the_dwell()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow()) { IsChecking = false };
        int row = rig.Spawn(rig.Walker, 20, 30);
        PeerView peer = rig.AddPeer(row).View;
        for (int leg = 0; leg < 6; leg++)
        {
            var intent = new Intent((byte)(leg * 45), Intent.MagnitudeMax);
            for (int i = 0; i < 900; i++)
            {
                rig.Walk(row, intent);
                Follow(rig);
            }

            for (int i = 0; i < 2 * Defaults.DwellTicks + 1; i++)
                Follow(rig);
            AssertCovers(rig, peer, row);
            AssertNothingBeyond(rig, peer, row);
        }
    }

    [Theory]
    [InlineData(256)]
    [InlineData(260)]
    public void A_walker_along_a_cell_line_or_a_quarter_line_visits_no_cell_again_and_again(double line)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow()) { IsChecking = false };
        int row = rig.Spawn(rig.Walker, line, 256);
        rig.AddPeer(row);
        Follow(rig);
        long visited = rig.Replicator.Counters.CellsVisited;
        for (int i = 0; i < 1_800; i++)
        {
            rig.World.MoveTo(row, Units.FromFloat(line) + ((i & 1) == 0 ? -40 : 40), Units.FromFloat(256), Intent.Rest);
            Follow(rig);
        }

        Assert.InRange(rig.Replicator.Counters.CellsVisited - visited, 0, 60);
    }

    [Fact]
    public void A_stander_on_a_cell_line_enters_and_leaves_hardly_ever()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow());
        int row = rig.Spawn(rig.Walker, 256, 256);
        RigPeer peer = rig.AddPeer(row);
        int other = rig.Spawn(rig.Walker, 256 + 104, 256);
        rig.Run(60);
        long before = rig.Writer.Counters.Leaves;
        int i = 0;
        rig.Run(1_800, () =>
        {
            i++;
            rig.World.MoveTo(row, Units.FromFloat(256) + ((i & 1) == 0 ? -40 : 40), Units.FromFloat(256), Intent.Rest);
            rig.World.MoveTo(other, Units.FromFloat(352) + ((i & 1) == 0 ? -40 : 40), Units.FromFloat(256), Intent.Rest);
        });
        Assert.InRange(rig.Writer.Counters.Leaves - before, 0, 10);
        Assert.Equal(0, peer.Refused);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(20)]
    [InlineData(0)]
    public void Subscriber_lists_are_the_peers_bitmaps_through_thousands_of_random_steps(int pushSubscribersMax)
    {
        const int Peers = 60;
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { PushSubscribersMax = pushSubscribersMax, DwellTicks = 5 }, Peers) { IsChecking = false };
        var random = new SeededRandom(7);
        int[] rows = [.. Enumerable.Range(0, Peers).Select(_ => rig.Spawn(rig.Walker, 256 + random.Next(-60, 60), 256 + random.Next(-60, 60)))];
        PeerView?[] views = new PeerView?[Peers];
        for (int step = 0; step < 1_500; step++)
        {
            int one = random.Next(0, Peers);
            if (views[one] is null)
            {
                views[one] = rig.Replicator.AddPeer(one, new Tick((uint)step));
                views[one]!.SetAvatar(rows[one], rig.World.IdOf(rows[one]));
            }
            else if (random.NextBool(0.15))
            {
                rig.Replicator.RemovePeer(one);
                views[one] = null;
            }

            foreach (int row in rows)
            {
                int by = (random.NextBool(0.002) ? 300 : 2) * Units.One;
                rig.World.Teleport(row, rig.World.X[row] + random.Next(-by, by), rig.World.Y[row] + random.Next(-by, by));
            }

            Follow(rig);
            if (step % 10 == 0)
                AssertConsistent(rig, views, pushSubscribersMax);
        }
    }

    [Fact]
    public void A_crowded_cell_is_pulled_and_pushed_again_only_well_below_the_bound()
    {
        const int Peers = 300;
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { PushSubscribersMax = 200, DwellTicks = 0 }, Peers) { IsChecking = false };
        int[] rows = [.. Enumerable.Range(0, Peers).Select(i => rig.Spawn(rig.Walker, 20 + (i % 5), 20))];
        for (int i = 0; i < Peers; i++)
            rig.Replicator.AddPeer(i, rig.Tick).SetAvatar(rows[i], rig.World.IdOf(rows[i]));
        Follow(rig);
        int cell = rig.World.Cell[rows[0]];
        Assert.Equal(0, rig.Replicator.Interest.SubscribersOf(cell).Length);
        int left = 0;
        while (rig.Replicator.Interest.SubscribersOf(cell).Length == 0)
        {
            rig.World.Teleport(rows[left++], Units.FromFloat(450), Units.FromFloat(450));
            Follow(rig);
        }

        Assert.Equal(149, Peers - left);
        Assert.Equal(149, rig.Replicator.Interest.SubscribersOf(cell).Length);
        while (rig.Replicator.Interest.SubscribersOf(cell).Length > 0)
        {
            rig.World.Teleport(rows[--left], Units.FromFloat(20), Units.FromFloat(20));
            Follow(rig);
        }

        Assert.Equal(201, Peers - left);
    }

    [Fact]
    public void An_entity_that_crosses_from_a_cell_dropped_in_the_same_tick_leaves()
    {
        // The viewer goes east and drops the cell to its west in the very tick in which an animal leaves that cell farther west.
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { DwellTicks = 0 });
        int row = rig.Spawn(rig.Walker, 256, 256);
        int other = rig.Spawn(rig.Walker, 256 - 100, 256);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(30);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
        rig.Run(1, () =>
        {
            rig.World.Teleport(row, Units.FromFloat(256 + 60), Units.FromFloat(256));
            rig.World.Teleport(other, Units.FromFloat(256 - 150), Units.FromFloat(256));
        });
        rig.Run(60);
        Assert.False(peer.View.Knows(rig.World.IdOf(other)));
        SnapshotWriterTests.CheckConverged(rig, peer, "crossing");
    }

    [Fact]
    public void An_entity_that_crosses_from_a_cell_added_in_the_same_tick_enters()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow());
        int row = rig.Spawn(rig.Walker, 256, 256);
        int other = rig.Spawn(rig.Walker, 256 + 130, 256);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(30);
        Assert.False(peer.View.Knows(rig.World.IdOf(other)));
        rig.Run(1, () =>
        {
            rig.World.Teleport(row, Units.FromFloat(256 + 50), Units.FromFloat(256));
            rig.World.Teleport(other, Units.FromFloat(256 + 60), Units.FromFloat(256));
        });
        rig.Run(30);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
    }

    [Fact]
    public void An_entity_that_crosses_a_cell_line_in_the_tick_of_its_spawn_enters()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow());
        int row = rig.Spawn(rig.Walker, 256, 256);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(30);
        int other = -1;
        rig.Run(1, () =>
        {
            other = rig.Spawn(rig.Walker, 250, 256);
            rig.World.Teleport(other, Units.FromFloat(280), Units.FromFloat(256));
        });
        rig.Run(30);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
    }

    [Fact]
    public void An_entity_that_crosses_a_cell_line_while_it_waits_to_enter_enters()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { EntersMax = 1 });
        int row = rig.Spawn(rig.Walker, 256, 256);
        for (int i = 0; i < 8; i++)
            rig.Spawn(rig.Crate, 250 + i, 250);
        int other = rig.Spawn(rig.Walker, 300, 256);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(4);
        rig.Run(1, () => rig.World.Teleport(other, Units.FromFloat(256), Units.FromFloat(262)));
        rig.Run(90);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
    }

    // Some are named one by one; for those beyond, their cell is looked through. Either way nobody is forgotten, however little room a snapshot has.
    [Theory]
    [InlineData(1, 32)]
    [InlineData(7, 32)]
    [InlineData(8, 32)]
    [InlineData(40, 32)]
    [InlineData(40, 1)]
    public void All_that_come_into_a_peers_cells_at_once_enter(int count, int entersMax)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { EntersMax = entersMax });
        RigPeer peer = rig.AddPeer(rig.Spawn(rig.Walker, 256, 256));
        int[] others = [.. Enumerable.Range(0, count).Select(i => rig.Spawn(rig.Walker, 20 + i, 20))];
        rig.Run(10);
        Assert.Equal(1, peer.View.KnownCount);
        rig.Run(1, () =>
        {
            foreach (int other in others)
                rig.World.Teleport(other, rig.World.X[other] + Units.FromFloat(220), Units.FromFloat(260));
        });
        rig.Run(10 + (6 * count / entersMax));
        Assert.All(others, other => Assert.True(peer.View.Knows(rig.World.IdOf(other))));
        Assert.Equal(count + 1, peer.View.KnownCount);
    }

    // Between the tick in which it came and the packet that would tell of it.
    [Theory]
    [InlineData("it goes on within reach")]
    [InlineData("it leaves again")]
    [InlineData("it is destroyed")]
    [InlineData("it is destroyed and another takes its row far away")]
    [InlineData("the peer goes away")]
    public void Who_came_and_is_not_there_any_more_is_told_of_as_it_is_now(string what)
    {
        var rig = new ReplicationRig(TestSchemas.Meadow());
        int row = rig.Spawn(rig.Walker, 256, 256), other = rig.Spawn(rig.Walker, 20, 20);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(12);
        rig.Run(1, () => rig.World.Teleport(other, Units.FromFloat(250), Units.FromFloat(250)), withPeers: false);
        EntityId id = rig.World.IdOf(other);
        rig.Run(
            1,
            () =>
            {
                switch (what)
                {
                    case "it goes on within reach":
                        rig.World.Teleport(other, Units.FromFloat(280), Units.FromFloat(280));
                        break;
                    case "it leaves again":
                        rig.World.Teleport(other, Units.FromFloat(20), Units.FromFloat(20));
                        break;
                    case "the peer goes away":
                        rig.World.Teleport(row, Units.FromFloat(500), Units.FromFloat(20));
                        break;
                    default:
                        rig.World.Destroy(other);
                        break;
                }
            },
            withPeers: false);
        if (what.Contains("another", StringComparison.Ordinal))
            rig.Run(1, () => Assert.Equal(other, rig.Spawn(rig.Walker, 20, 20)), withPeers: false);
        rig.Run(30);
        Assert.Equal(what == "it goes on within reach", peer.View.Knows(id));
        Assert.Equal(what == "it goes on within reach" ? 2 : 1, peer.View.KnownCount);
    }

    [Fact]
    public void An_entity_destroyed_in_a_cell_dropped_in_the_same_tick_is_destroyed_for_the_peer()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { DwellTicks = 0 });
        int row = rig.Spawn(rig.Walker, 256, 256);
        int other = rig.Spawn(rig.Walker, 256 - 100, 256);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(30);
        rig.Run(1, () =>
        {
            rig.World.Teleport(row, Units.FromFloat(256 + 60), Units.FromFloat(256));
            rig.World.Destroy(other);
        });
        rig.Run(60);
        Assert.Equal(1, peer.View.KnownCount);
        Assert.Single(peer.Decoder.Shown());
    }

    [Fact]
    public void An_entity_that_walks_out_of_a_pulled_cell_leaves_although_it_never_stops_turning()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { PushSubscribersMax = 0, EnterRadiusUnits = 16, ExitRadiusUnits = 16, DwellTicks = 0 });
        int row = rig.Spawn(rig.Walker, 256, 256);
        int other = rig.Spawn(rig.Walker, 262, 256);
        RigPeer peer = rig.AddPeer(row, link: new RigLink { DelayMin = 5, DelayMax = 5, RttTicks = 10 });
        rig.Run(60);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
        int i = 0;
        rig.Run(900, () => rig.Walk(other, new Intent((byte)((i++ / 6 & 1) == 0 ? 20 : 236), Intent.MagnitudeMax)));
        Assert.False(peer.View.Knows(rig.World.IdOf(other)));
    }

    [Fact]
    public void What_left_a_pulled_cell_is_not_forgotten_when_the_peer_drops_that_cell()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { PushSubscribersMax = 1, DwellTicks = 0 }, 2);
        int first = rig.Spawn(rig.Walker, 256, 256), second = rig.Spawn(rig.Walker, 256, 258);
        int other = rig.Spawn(rig.Walker, 256 + 92, 256);
        RigPeer peer = rig.AddPeer(first), another = rig.AddPeer(second);
        rig.Run(60);
        Assert.True(peer.View.Knows(rig.World.IdOf(other)));
        rig.Run(1, () => rig.World.Teleport(other, Units.FromFloat(256 + 140), Units.FromFloat(256)));
        rig.Run(1, () => rig.World.Teleport(second, Units.FromFloat(30), Units.FromFloat(30)));
        rig.Run(90);
        SnapshotWriterTests.CheckConverged(rig, peer, "pull");
        SnapshotWriterTests.CheckConverged(rig, another, "pull, the one that went");
    }

    [Fact]
    public void A_change_of_owner_in_a_crowd_reaches_the_peers_that_pull()
    {
        var rig = new ReplicationRig(TestSchemas.Meadow(), Defaults with { PushSubscribersMax = 0 });
        int row = rig.Spawn(rig.Walker, 256, 256);
        int other = rig.Spawn(rig.Walker, 262, 256);
        rig.World.Set(other, rig.Walker["coins"], 77);
        RigPeer peer = rig.AddPeer(row);
        rig.Run(60);
        rig.Run(1, () => rig.World.SetOwner(other, peer.View.Index));
        rig.Run(30);
        Assert.Equal(77u, rig.Walker["coins"].Get(peer.Decoder.Shown()[rig.World.Id[other]].Newest.Words));
    }

    private static void Follow(ReplicationRig rig) => rig.Run(1, null, withPeers: false);

    private static void AssertCovers(ReplicationRig rig, PeerView peer, int row)
    {
        int side = rig.World.Grid.CellsPerSide;
        for (int cell = 0; cell < rig.World.Grid.CellCount; cell++)
        {
            if (Distance(rig.World, row, cell % side, cell / side) <= Defaults.EnterRadiusUnits)
                Assert.True(rig.Replicator.Interest.Subscribes(peer, cell), $"cell {cell % side},{cell / side} of {Units.ToDouble(rig.World.X[row])},{Units.ToDouble(rig.World.Y[row])}");
        }
    }

    private static void AssertNothingBeyond(ReplicationRig rig, PeerView peer, int row)
    {
        int side = rig.World.Grid.CellsPerSide;
        double quarterDiagonal = 4 * Math.Sqrt(2);
        for (int cell = 0; cell < rig.World.Grid.CellCount; cell++)
        {
            if (rig.Replicator.Interest.Subscribes(peer, cell))
                Assert.True(Distance(rig.World, row, cell % side, cell / side) <= Defaults.ExitRadiusUnits + quarterDiagonal);
        }
    }

    // From the viewpoint to the nearest point of a cell, units.
    private static double Distance(WorldState world, int row, int cellX, int cellY)
    {
        double x = Units.ToDouble(world.X[row]), y = Units.ToDouble(world.Y[row]);
        double dx = Math.Max(0, Math.Max((cellX * 16) - x, x - ((cellX + 1) * 16))), dy = Math.Max(0, Math.Max((cellY * 16) - y, y - ((cellY + 1) * 16)));
        return Math.Sqrt((dx * dx) + (dy * dy));
    }

    private static void AssertConsistent(ReplicationRig rig, PeerView?[] views, int pushSubscribersMax)
    {
        int[] pulled = new int[views.Length];
        for (int cell = 0; cell < rig.World.Grid.CellCount; cell++)
        {
            int[] expected = [.. views.Where(view => view is not null && rig.Replicator.Interest.Subscribes(view, cell)).Select(view => view!.Index)];
            ReadOnlySpan<ushort> listed = rig.Replicator.Interest.SubscribersOf(cell);
            if (listed.Length == 0 && expected.Length > 0)
            {
                Assert.True(expected.Length >= pushSubscribersMax * 3 / 4, $"cell {cell}: {expected.Length} peers subscribe, none is listed");
                foreach (int peer in expected)
                    pulled[peer]++;
                continue;
            }

            Assert.True(listed.Length <= pushSubscribersMax);
            int[] actual = [.. listed.ToArray().Select(one => (int)one).Order()];
            Assert.Equal(expected, actual);
        }

        foreach (PeerView? view in views)
            Assert.True(view is null || view.PullCells == pulled[view.Index]);
    }
}
