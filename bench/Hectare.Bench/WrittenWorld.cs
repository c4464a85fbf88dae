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

    public WrittenWorld(int peers, FarmWorkload workload = FarmWorkload.Uniform, int bytesPerSecond = 24_000)
    {
        var schema = new FarmSchema();
        World = new WorldState(schema.Schema, FarmMap.Generate(1));
        _rules = new FarmRules(new FarmOptions { Workload = workload }, schema);
        _rules.Populate(World);
        Replicator = new Replicator(World, new ReplicationOptions { FixedRate = true, BytesPerSecond = bytesPerSecond }, Walkers);
        Writer = new SnapshotWriter(Replicator) { CountsFresh = false };    // as in a zone without a limit, which is the default
        _sequences = new SequenceNumber[peers];
        for (int i = 0; i < Walkers; i++)
        {
            _bots[i] = new FarmBot((ulong)i, workload);
            _rows[i] = _rules.Join(World, i, "walker"u8);
        }

        for (int i = 0; i < peers; i++)
            Replicator.AddPeer(i, _tick).SetAvatar(_rows[i], World.IdOf(_rows[i]));
    }

    public WorldState World { get; }

    public Replicator Replicator { get; }

    public SnapshotWriter Writer { get; }

    /// <summary>The tick that is being made.</summary>
    public Tick Tick => _tick;

    /// <summary>Snapshots that left something out because of the bytes there were.</summary>
    public long LeftOut => Writer.Counters.LeftOut;

    /// <summary>Grows every peer's tables to their largest, as a walk through a crowd does once in a peer's life: no later tick grows them.</summary>
    public void FillTables()
    {
        var indices = new List<int>();
        for (int i = 0; i < _sequences.Length; i++)
        {
            PeerView peer = Replicator.Peer(i)!;
            uint id = uint.MaxValue;
            for (int index = peer.BeginEnter(0, id, World.KindOf(0)); index >= 0; index = peer.BeginEnter(0, id, World.KindOf(0)))
            {
                indices.Add(index);
                id--;
            }

            foreach (int index in indices)
                peer.BeginLeave(index, SlotState.Leaving);
            indices.Clear();
        }
    }

    /// <summary>Simulates and publishes one tick: the part that all peers share.</summary>
    public void Step()
    {
        Simulate();
        Publish();
        FollowInterest();
        EndTick();
    }

    /// <summary>Begins a tick in which nothing moves of itself.</summary>
    public void NextTick() => _tick = _tick.Next;

    /// <summary>Moves the world on by one tick.</summary>
    public void Simulate()
    {
        NextTick();
        for (int i = 0; i < Walkers; i++)
        {
            _bots[i].Observe(World.X[_rows[i]], World.Y[_rows[i]]);
            _inputs[i] = new FarmInput(_rows[i], _bots[i].Next());
        }

        _rules.Step(World, _inputs);
    }

    /// <summary>What clients cannot foresee becomes versions.</summary>
    public void Publish() => Replicator.Publish(_tick);

    /// <summary>Follows the peers across cells and hands them the tick's news.</summary>
    public void FollowInterest() => Replicator.UpdateInterest(_tick);

    /// <summary>The world is frozen from here until the next tick.</summary>
    public void EndTick() => World.EndTick();

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
