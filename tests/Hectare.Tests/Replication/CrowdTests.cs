using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

public sealed class CrowdTests
{
    private const int Movers = 3_000;

    private readonly ReplicationRig _rig = new(TestSchemas.Meadow(2048, 16), new ReplicationOptions { BytesPerSecond = 64_000 }, peersMax: 16) { IsChecking = false };
    private readonly int[] _rows = new int[Movers];
    private readonly ITestOutputHelper _output;
    private SeededRandom _random = new(21);

    public CrowdTests(ITestOutputHelper output)
    {
        _output = output;
        for (int i = 0; i < Movers; i++)
        {
            double angle = _random.NextDouble() * 2 * Math.PI, away = 100 * Math.Sqrt(_random.NextDouble());
            _rows[i] = _rig.Spawn(_rig.Walker, 1024 + (away * Math.Cos(angle)), 1024 + (away * Math.Sin(angle)));
        }

        for (int i = 0; i < 8; i++)
            _rig.AddPeer(_rows[i * 300], (ulong)i);
    }

    [Fact]
    public void Of_a_crowd_the_nearest_are_told_and_the_rest_is_counted()
    {
        _rig.Run(300);
        foreach (RigPeer peer in _rig.Peers)
        {
            AssertCap(peer);
            AssertNearest(peer);
            AssertCounts(peer);
        }
    }

    // Who comes into a crowd: 1 s and the way there later it knows how many stand where.
    [Fact]
    public void Within_a_second_each_cell_is_known_to_a_tenth()
    {
        _rig.Run(33);
        foreach (RigPeer peer in _rig.Peers)
            AssertCounts(peer);
    }

    // 3,000 teleport in around eight who stood alone.
    [Fact]
    public void A_crowd_that_comes_at_once_is_known_to_a_tenth_within_a_second()
    {
        (int X, int Y)[] places = [.. _rows.Select(row => (_rig.World.X[row], _rig.World.Y[row]))];
        _rig.Run(1, () => Teleport(i => i % 300 == 0 ? places[i] : (Units.FromFloat(100), Units.FromFloat(100))));
        _rig.Run(300);
        _rig.Run(1, () => Teleport(i => places[i]));
        _rig.Run(33);
        foreach (RigPeer peer in _rig.Peers)
            AssertCounts(peer);
    }

    // What goes is told too: nobody sees a crowd where none is.
    [Fact]
    public void A_cell_that_empties_is_known_to_be_empty_within_a_second()
    {
        _rig.Run(150);
        _rig.Run(1, () => Teleport(i => _rig.World.X[_rows[i]] > Units.FromFloat(1024) ? (Units.FromFloat(900), Units.FromFloat(1024)) : (_rig.World.X[_rows[i]], _rig.World.Y[_rows[i]])));
        _rig.Run(36);
        foreach (RigPeer peer in _rig.Peers.Where(peer => _rig.World.X[peer.View.AvatarRow] > Units.FromFloat(930)))
            AssertCounts(peer);
    }

    // Everyone walks. What is known of a cell was true within the last second, to a tenth; nobody can know better of cells that people walk through.
    [Fact]
    public void Of_a_crowd_that_walks_each_cell_is_known_as_it_was_within_a_second()
    {
        _rig.Run(150);
        int tick = 0, cells = 0, off = 0;
        double errors = 0;
        var last = new Queue<int[]>();
        for (int part = 0; part < 300; part++)
        {
            _rig.Run(1, () =>
            {
                tick++;
                for (int i = 0; i < Movers; i++)
                    _rig.Walk(_rows[i], new Intent((byte)(((i * 7) + (tick / 60 * 128)) % 256), Intent.MagnitudeMax));
            });
            last.Enqueue([.. _rig.World.Grid.MoverCount]);
            if (last.Count > 33)
                last.Dequeue();
            foreach (RigPeer peer in _rig.Peers.Where(_ => part % 15 == 14 && part > 33))
            {
                foreach ((int cell, int truth, int known) in Counts(peer).Where(count => count.Truth >= 10))
                {
                    cells++;
                    errors += Math.Abs(known - truth) / (double)truth;
                    off += known < last.Min(counts => counts[cell]) * 9 / 10 || known > (last.Max(counts => counts[cell]) * 11 / 10) + 1 ? 1 : 0;
                }
            }
        }

        _output.WriteLine($"{cells} cells of 10 and more: {off} not as they were within a second; mean distance from now {errors / cells:P1}");
        Assert.InRange(off / (double)cells, 0, 0.01);
        Assert.InRange(errors / cells, 0, 0.1);
    }

    [Fact]
    public void The_cap_in_force_is_kept_and_what_it_gave_up_comes_back()
    {
        _rig.Run(300);
        ReplicationOptions rules = _rig.Replicator.Options;
        foreach (int cap in (int[])[176, 96, 176, 256])
        {
            _rig.Replicator.SetDetail(Detail.Of(rules) with { InterestCap = cap });
            _rig.Run(120);
            foreach (RigPeer peer in _rig.Peers)
            {
                Assert.InRange(peer.View.MoverCount, cap, cap * 5 / 4);
                AssertCounts(peer);
            }
        }
    }

    // Few enough for the cap of the options, too many for the one in force: looking round for the nearest would cost more than the others do.
    [Fact]
    public void A_lower_cap_is_for_those_who_stand_in_a_crowd()
    {
        _rig.Run(1, () => Teleport(i => i < 200 || i % 300 == 0 ? (Units.FromFloat(1024 + (i % 20)), Units.FromFloat(1024 + (i / 20 % 20))) : (Units.FromFloat(100), Units.FromFloat(100))));
        _rig.Run(200);
        Assert.All(_rig.Peers, peer => Assert.False(peer.View.IsCapped));
        _rig.Replicator.SetDetail(Detail.Of(_rig.Replicator.Options) with { InterestCap = 96 });
        _rig.Run(60);
        Assert.All(_rig.Peers, peer => Assert.False(peer.View.IsCapped));
        Assert.All(_rig.Peers, peer => Assert.InRange(peer.View.MoverCount, 200, 256));
        _rig.Run(1, () => Teleport(i => i < 400 || i % 300 == 0 ? (Units.FromFloat(1024 + (i % 20)), Units.FromFloat(1024 + (i / 20 % 20))) : (Units.FromFloat(100), Units.FromFloat(100))));
        _rig.Run(90);
        Assert.All(_rig.Peers, peer => Assert.True(peer.View.IsCapped));
        Assert.All(_rig.Peers, peer => Assert.InRange(peer.View.MoverCount, 86, 120));
        _rig.Replicator.SetDetail(Detail.Of(_rig.Replicator.Options));
        _rig.Run(90);
        Assert.All(_rig.Peers, peer => Assert.True(peer.View.IsCapped));
        Assert.All(_rig.Peers, peer => Assert.InRange(peer.View.MoverCount, 256, 320));
        _rig.Replicator.SetDetail(Detail.Of(_rig.Replicator.Options) with { InterestCap = 96 });
        _rig.Run(90);
        Assert.All(_rig.Peers, peer => Assert.InRange(peer.View.MoverCount, 86, 120));
        _rig.Run(1, () => Teleport(i => i < 200 || i % 300 == 0 ? (Units.FromFloat(1024 + (i % 20)), Units.FromFloat(1024 + (i / 20 % 20))) : (Units.FromFloat(100), Units.FromFloat(100))));
        _rig.Run(90);
        Assert.All(_rig.Peers, peer => Assert.False(peer.View.IsCapped));
        foreach (RigPeer peer in _rig.Peers)
            SnapshotWriterTests.CheckConverged(_rig, peer, $"peer {peer.View.Index}");
    }

    [Fact]
    public void Nobody_enters_or_leaves_while_all_stand_still()
    {
        _rig.Run(300);
        (long enters, long leaves) = (_rig.Writer.Counters.Enters, _rig.Writer.Counters.Leaves);
        _rig.Run(300);
        Assert.Equal((enters, leaves), (_rig.Writer.Counters.Enters, _rig.Writer.Counters.Leaves));
    }

    [Fact]
    public void The_cap_holds_while_all_walk()
    {
        _rig.Run(300);
        int tick = 0;
        for (int part = 0; part < 10; part++)
        {
            _rig.Run(30, () =>
            {
                tick++;
                for (int i = 0; i < Movers; i++)
                    _rig.Walk(_rows[i], new Intent((byte)(((i * 7) + (tick / 60 * 128)) % 256), Intent.MagnitudeMax));
            });
            foreach (RigPeer peer in _rig.Peers)
                AssertCap(peer);
        }
    }

    [Fact]
    public void A_crowd_that_goes_home_leaves_everyone_told()
    {
        _rig.Run(150);
        _rig.Run(1, () =>
        {
            for (int i = 0; i < Movers; i++)
            {
                if (i % 300 != 0 && i % 15 != 1)
                    _rig.World.Teleport(_rows[i], Units.FromFloat(100), Units.FromFloat(100));
            }
        });
        _rig.Run(300);
        foreach (RigPeer peer in _rig.Peers)
        {
            Assert.False(peer.View.IsCapped);
            SnapshotWriterTests.CheckConverged(_rig, peer, $"peer {peer.View.Index}");
        }
    }

    [Fact]
    public void A_party_stays_visible_across_the_crowd()
    {
        RigPeer one = _rig.Peers[0], other = _rig.Peers[1];
        _rig.World.Teleport(one.View.AvatarRow, Units.FromFloat(1024 - 70), Units.FromFloat(1024));
        _rig.World.Teleport(other.View.AvatarRow, Units.FromFloat(1024 + 20), Units.FromFloat(1024));
        _rig.Run(240);
        Assert.False(one.View.Knows(other.View.AvatarId));
        _rig.Replicator.SetParty(0, 5);
        _rig.Replicator.SetParty(1, 5);
        _rig.Run(60);
        Assert.True(one.View.Knows(other.View.AvatarId));
        Assert.True(other.View.Knows(one.View.AvatarId));
    }

    [Fact]
    public void Who_acts_on_a_peer_stays_in_the_crowd_for_as_long_as_the_game_says()
    {
        RigPeer peer = _rig.Peers[0];
        EntityId archer = _rig.World.IdOf(Farthest(peer, 0));
        _rig.Run(240);
        Assert.False(peer.View.Knows(archer));
        _rig.Replicator.SetRelevant(0, archer, _rig.Tick + 90);
        _rig.Run(20);
        for (int i = 0; i < 70; i++)
        {
            Assert.True(peer.View.Knows(archer));
            _rig.Run(1);
        }

        _rig.Run(20);
        Assert.False(peer.View.Knows(archer));
        AssertCap(peer);
    }

    [Fact]
    public void A_ninth_who_acts_on_a_peer_takes_the_place_of_the_one_that_ends_first()
    {
        RigPeer peer = _rig.Peers[0];
        _rig.Run(240);
        EntityId[] archers = [.. Enumerable.Range(0, Relevance.Max + 1).Select(rank => _rig.World.IdOf(Farthest(peer, rank)))];
        for (int i = 0; i < archers.Length; i++)
            _rig.Replicator.SetRelevant(0, archers[i], _rig.Tick + 300 + (i == 3 ? -100 : i));
        _rig.Run(60);
        Assert.Equal([3], Enumerable.Range(0, archers.Length).Where(i => !peer.View.Knows(archers[i])));
        // Said again, with a tick that has passed: it is over.
        _rig.Replicator.SetRelevant(0, archers[0], _rig.Tick);
        _rig.Run(60);
        Assert.Equal([0, 3], Enumerable.Range(0, archers.Length).Where(i => !peer.View.Knows(archers[i])));
        _rig.Replicator.SetRelevant(15, archers[0], _rig.Tick + 30);      // no such peer
    }

    // Of those that surely are within the enter radius, all from one side.
    private int Farthest(RigPeer peer, int rank)
        => _rows.Where(row => Distance(peer, _rig.World.Id[row]) < 99 * Units.One).OrderByDescending(row => Distance(peer, _rig.World.Id[row])).ElementAt(rank);

    private void AssertCap(RigPeer peer)
    {
        int cap = _rig.Replicator.Options.InterestCap;
        Assert.InRange(peer.View.MoverCount, cap * 9 / 10, cap * 5 / 4);
    }

    private void AssertNearest(RigPeer peer)
    {
        double[] told = [.. peer.Decoder.Shown().Keys.Select(id => Distance(peer, id)).Order()];
        double[] all = [.. _rows.Select(row => Distance(peer, _rig.World.Id[row])).Order()];
        int cap = _rig.Replicator.Options.InterestCap;
        Assert.Equal(all.AsSpan(0, cap / 4).ToArray(), told.AsSpan(0, cap / 4).ToArray());
        Assert.InRange(told[^1], 0, all[cap * 2]);
    }

    private double Distance(RigPeer peer, uint id)
    {
        Assert.True(_rig.World.TryFind(new EntityId(id), out int row));
        double dx = _rig.World.X[row] - _rig.World.X[peer.View.AvatarRow], dy = _rig.World.Y[row] - _rig.World.Y[peer.View.AvatarRow];
        return Math.Sqrt((dx * dx) + (dy * dy));
    }

    private void Teleport(Func<int, (int X, int Y)> to)
    {
        for (int i = 0; i < Movers; i++)
        {
            (int x, int y) = to(i);
            _rig.World.Teleport(_rows[i], x, y);
        }
    }

    private void AssertCounts(RigPeer peer)
    {
        foreach ((_, int truth, int known) in Counts(peer))
            Assert.InRange(known, truth * 9 / 10, (truth * 11 / 10) + 1);
    }

    private List<(int Cell, int Truth, int Known)> Counts(RigPeer peer)
    {
        var counts = new List<(int, int, int)>();
        int[] told = new int[_rig.World.Grid.CellCount];
        foreach (uint id in peer.Decoder.Shown().Keys)
        {
            Assert.True(_rig.World.TryFind(new EntityId(id), out int row));
            told[_rig.World.Cell[row]]++;
        }

        for (int cell = 0; cell < told.Length; cell++)
        {
            if (!_rig.Replicator.Interest.Subscribes(peer.View, cell))
                continue;
            int truth = _rig.World.Grid.MoverCount[cell];
            int counted = peer.Decoder.Densities.TryGetValue(cell, out (int Count, Tick Tick) density) && _rig.Tick - density.Tick <= 90 ? density.Count : 0;
            counts.Add((cell, truth, told[cell] + counted));
        }

        return counts;
    }
}
