using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

public sealed class CrowdTests
{
    private const int Movers = 3_000;

    private readonly ReplicationRig _rig = new(TestSchemas.Meadow(2048, 16), new ReplicationOptions { BytesPerSecond = 64_000 }, peersMax: 16) { IsChecking = false };
    private readonly int[] _rows = new int[Movers];
    private SeededRandom _random = new(21);

    public CrowdTests()
    {
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
        int nearest = _rig.Replicator.Options.InterestCap * 9 / 10;
        Assert.Equal(all.AsSpan(0, nearest).ToArray(), told.AsSpan(0, nearest).ToArray());
    }

    private double Distance(RigPeer peer, uint id)
    {
        Assert.True(_rig.World.TryFind(new EntityId(id), out int row));
        double dx = _rig.World.X[row] - _rig.World.X[peer.View.AvatarRow], dy = _rig.World.Y[row] - _rig.World.Y[peer.View.AvatarRow];
        return Math.Sqrt((dx * dx) + (dy * dy));
    }

    private void AssertCounts(RigPeer peer)
    {
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
            Assert.InRange(told[cell] + counted, truth * 9 / 10, (truth * 11 / 10) + 1);
        }
    }
}
