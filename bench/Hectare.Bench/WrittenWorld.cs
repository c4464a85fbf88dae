using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Bench;

/// <summary>The farm of the workload uniform with 2,000 walkers, of whom some are peers with a perfect link: every snapshot is acked three ticks later.</summary>
internal sealed class WrittenWorld
{
    private const int Walkers = 2_000;
    private const int AckTicks = 3;

    private readonly FarmRules _rules;
    private readonly FarmBot[] _bots = new FarmBot[Walkers];
    private readonly int[] _rows = new int[Walkers];
    private readonly FarmInput[] _inputs = new FarmInput[Walkers];
    private readonly SequenceNumber[] _sequences;
    private readonly Queue<(int Peer, SequenceNumber Sequence)>[] _acks = [.. Enumerable.Range(0, AckTicks).Select(_ => new Queue<(int, SequenceNumber)>())];
    private readonly byte[] _tail = new byte[1_140];
    private Tick _tick = new(1);

    public WrittenWorld(int peers)
    {
        var schema = new FarmSchema();
        World = new WorldState(schema.Schema, FarmMap.Generate(1));
        _rules = new FarmRules(new FarmOptions(), schema);
        _rules.Populate(World);
        Replicator = new Replicator(World, new ReplicationOptions { FixedRate = true }, Walkers);
        Writer = new SnapshotWriter(Replicator);
        _sequences = new SequenceNumber[peers];
        for (int i = 0; i < Walkers; i++)
        {
            _bots[i] = new FarmBot((ulong)i, FarmWorkload.Uniform);
            _rows[i] = _rules.Join(World, i, "walker"u8);
        }

        for (int i = 0; i < peers; i++)
            Replicator.AddPeer(i, _tick).SetAvatar(_rows[i], World.IdOf(_rows[i]));
    }

    public WorldState World { get; }

    public Replicator Replicator { get; }

    public SnapshotWriter Writer { get; }

    /// <summary>Simulates and publishes one tick: the part that all peers share.</summary>
    public void Step()
    {
        _tick = _tick.Next;
        for (int i = 0; i < Walkers; i++)
        {
            _bots[i].Observe(World.X[_rows[i]], World.Y[_rows[i]]);
            _inputs[i] = new FarmInput(_rows[i], _bots[i].Next());
        }

        _rules.Step(World, _inputs);
        Replicator.Publish(_tick);
        Replicator.UpdateInterest(_tick);
        World.EndTick();
    }

    /// <summary>Acks what is due and writes every peer whose turn it is. The number of snapshots written.</summary>
    public int WriteSnapshots()
    {
        Queue<(int Peer, SequenceNumber Sequence)> acks = _acks[_tick.Value % AckTicks];
        while (acks.TryDequeue(out (int Peer, SequenceNumber Sequence) ack))
            Replicator.Peer(ack.Peer)!.OnAck(ack.Sequence, uint.MaxValue, _tick);
        int written = 0;
        for (int i = 0; i < _sequences.Length; i++)
        {
            PeerView peer = Replicator.Peer(i)!;
            if (!Writer.Prepare(peer, _tick, AckTicks, loss: 0))
                continue;
            _sequences[i] = _sequences[i].Next;
            var request = new SnapshotRequest { Sequence = _sequences[i], Tick = _tick, DueTime = _tick.Value * 333L };
            Writer.Write(peer, in request, _tail);
            acks.Enqueue((i, _sequences[i]));
            written++;
        }

        return written;
    }
}
