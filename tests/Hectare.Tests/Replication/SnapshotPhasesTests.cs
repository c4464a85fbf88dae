using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>How peers share the ticks of an interval.</summary>
/// <remarks>Goal: no tick is heavy, whoever comes and goes. Method: 10,000 peers without a world to speak of, joins and leaves of several patterns; then every tick's
/// peers are counted, at each interval that there is.</remarks>
public sealed class SnapshotPhasesTests(ITestOutputHelper output)
{
    private const int PeersMax = 10_000;
    private const int Ticks = 12;

    private readonly Replicator _replicator = new(new WorldState(TestSchemas.Meadow(), TileMap.Open(512, 512), capacity: 1_024), new ReplicationOptions { FixedRate = true }, PeersMax);
    private readonly List<int> _present = [];
    private readonly bool[] _isHere = new bool[PeersMax];
    private SeededRandom _random = new(5);
    private Tick _tick = new(1_000);

    [Fact]
    public void Ten_thousand_who_came_share_the_ticks()
    {
        Join(PeersMax);
        AssertEven(1.001);
    }

    [Fact]
    public void Who_leaves_at_random_leaves_the_others_even()
    {
        Join(PeersMax);
        foreach (int peer in _present.Where(_ => _random.NextBool(0.7)).ToArray())
            Leave(peer);
        AssertEven(1.025);
    }

    [Fact]
    public void All_who_share_a_tick_may_leave()
    {
        Join(PeersMax);
        int[] together = [.. _present.Where(peer => _replicator.Peer(peer)!.Phase % 3 == 1)];
        Assert.InRange(together.Length, 3_330, 3_340);
        foreach (int peer in together)
            Leave(peer);
        AssertEven(1.025);
    }

    [Fact]
    public void A_storm_of_joins_and_leaves_changes_nothing()
    {
        for (int i = 0; i < 40_000; i++)
        {
            if (_present.Count == 0 || (_present.Count < PeersMax && _random.NextBool(0.55)))
                Join(1);
            else
                Leave(_random.NextBool(0.5) ? _present[0] : _present[^1]);
        }

        Assert.True(_present.Count > 2_000);
        AssertEven(1.025);
    }

    [Fact]
    public void Who_changes_its_turn_is_told_no_later_than_was_promised()
    {
        Join(120);
        var writer = new SnapshotWriter(_replicator);
        Dictionary<int, Tick> promised = [];
        for (int i = 0; i < 300; i++)
        {
            _tick = _tick.Next;
            if (i % 2 == 0 && _present.Count > 10)
                Leave(_present.FirstOrDefault(peer => _replicator.Peer(peer)!.Phase % 3 == 0, _present[0]));
            WriteDue(writer, promised);
        }
    }

    // Where snapshots become half as many, the packet before promised the next one sooner.
    [Fact]
    public void Promises_are_kept_when_intervals_change()
    {
        Join(600);
        var writer = new SnapshotWriter(_replicator);
        Dictionary<int, Tick> promised = [];
        for (int i = 0; i < 200; i++)
        {
            _tick = _tick.Next;
            if (i is 50 or 150)
                _replicator.SetDetail(Detail.Of(_replicator.Options).AtHalfRate());
            if (i == 100)
                _replicator.SetDetail(Detail.Of(_replicator.Options));
            WriteDue(writer, promised);
        }
    }

    // With a tick left out in every two, an even interval would pass over one half of the peers for ever.
    [Theory]
    [InlineData(0)]
    [InlineData(0.02)]
    public void Nobody_is_passed_over_while_every_second_tick_is_caught_up(double loss)
    {
        Join(600);
        var writer = new SnapshotWriter(_replicator);
        Dictionary<int, int> written = [];
        _replicator.SetDetail(Detail.Of(_replicator.Options).AtHalfRate());
        for (int i = 0; i < 240; i++)
        {
            _tick = _tick.Next;
            if (i % 2 == 0)
            {
                _replicator.SkipTurn();
                continue;
            }

            foreach (int peer in _present)
            {
                if (TryWrite(writer, peer, loss, out _))
                    written[peer] = written.GetValueOrDefault(peer) + 1;
            }
        }

        int wanted = loss > 0.01 ? 120 / 3 : 120 / 6;
        Assert.Equal(_present.Count, written.Count);
        Assert.All(written.Values, count => Assert.InRange(count, wanted, wanted + 2));
    }

    private void WriteDue(SnapshotWriter writer, Dictionary<int, Tick> promised)
    {
        foreach (int peer in _present)
        {
            if (TryWrite(writer, peer, 0, out int intervalTicks))
                promised[peer] = _tick + intervalTicks;
            else if (promised.TryGetValue(peer, out Tick latest))
                Assert.True(_tick < latest, $"peer {peer} was to be told by {latest}, it is {_tick}");
        }
    }

    private bool TryWrite(SnapshotWriter writer, int peer, double loss, out int intervalTicks)
    {
        PeerView view = _replicator.Peer(peer)!;
        intervalTicks = 0;
        if (!writer.Prepare(view, _tick, 3, loss))
            return false;
        Span<byte> tail = stackalloc byte[64];
        var request = new SnapshotRequest { Sequence = new SequenceNumber(_tick.Value), Tick = _tick, DueTime = _tick.Value * 333L };
        var reader = new BitReader(tail[..writer.Write(view, in request, tail)]);
        Assert.True(SnapshotHeader.TryRead(ref reader, request.Sequence, _tick, request.DueTime, out SnapshotHeader header));
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(_replicator.Options);
        intervalTicks = header.IntervalCode switch { 0 => fast, 1 => interval, 2 => slow, _ => keepAlive };
        return true;
    }

    private void Join(int count)
    {
        for (int i = 0; i < count; i++)
        {
            int index = _random.Next(0, PeersMax);
            while (_isHere[index])
                index = (index + 1) % PeersMax;
            _isHere[index] = true;
            _present.Add(index);
            _replicator.AddPeer(index, _tick);
        }
    }

    private void Leave(int peer)
    {
        _present.Remove(peer);
        _isHere[peer] = false;
        _replicator.RemovePeer(peer);
    }

    private void AssertEven(double heaviestOfMean)
    {
        AssertEven("the interval", Detail.Of(_replicator.Options), loss: 0, heaviestOfMean);
        AssertEven("every second tick", Detail.Of(_replicator.Options), loss: 0.02, heaviestOfMean);
        AssertEven("twice the interval", Detail.Of(_replicator.Options).AtHalfRate(), loss: 0, heaviestOfMean);
    }

    private void AssertEven(string what, Detail detail, double loss, double heaviestOfMean)
    {
        var writer = new SnapshotWriter(_replicator);
        _replicator.SetDetail(detail);
        // What was due at once, and what was promised before, has gone.
        for (int i = 0; i < Ticks; i++)
            CountDue(writer, loss);
        int[] due = [.. Enumerable.Range(0, Ticks).Select(_ => CountDue(writer, loss))];
        double mean = due.Average();
        output.WriteLine($"{_present.Count} peers, {what}: {string.Join(' ', due)}; heaviest {due.Max() / mean:F3} of the mean");
        Assert.Equal(_present.Count * (double)Ticks / (loss > 0.01 ? detail.LossyIntervalTicks : detail.IntervalTicks), due.Sum(), 0.5);
        Assert.InRange(due.Max() / mean, 1, heaviestOfMean);
        Assert.InRange(due.Min() / mean, 2 - heaviestOfMean, 1);
    }

    private int CountDue(SnapshotWriter writer, double loss)
    {
        _tick = _tick.Next;
        return _present.Count(peer => TryWrite(writer, peer, loss, out _));
    }
}
