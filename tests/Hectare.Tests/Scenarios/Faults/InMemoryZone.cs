using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>World, replication and writer without transport, on a link that loses nothing: each snapshot is acked three ticks after it was written.</summary>
internal sealed class InMemoryZone
{
    private const int AckTicks = 3;

    private readonly Queue<(int Peer, SequenceNumber Sequence, Tick Due)> _acks = new();
    private readonly List<SequenceNumber> _sequences = [];
    private readonly byte[] _tail;

    /// <summary>An empty world.</summary>
    /// <param name="schema">The kinds.</param>
    /// <param name="options">The rules.</param>
    /// <param name="roomBytes">Bytes that a tail may have.</param>
    public InMemoryZone(Schema schema, ReplicationOptions options, int roomBytes = 1_150)
    {
        _tail = new byte[roomBytes];
        World = new WorldState(schema, TileMap.Open(schema.Grid.ExtentUnits, schema.Grid.ExtentUnits), capacity: 8_192);
        Replicator = new Replicator(World, options, peersMax: 256);
        Writer = new SnapshotWriter(Replicator);
    }

    public WorldState World { get; }

    public Replicator Replicator { get; }

    public SnapshotWriter Writer { get; }

    public Tick Tick { get; private set; } = new(1_000);

    /// <summary>Called for each snapshot: peer, sequence, tail.</summary>
    public Action<PeerView, SequenceNumber, ReadOnlyMemory<byte>>? Written { get; set; }

    public int Spawn(Kind kind, double x, double y) => World.Spawn(kind, Units.FromFloat(x), Units.FromFloat(y));

    public PeerView AddPeer(int row)
    {
        PeerView view = Replicator.AddPeer(_sequences.Count, Tick);
        view.SetAvatar(row, World.IdOf(row));
        World.SetOwner(row, view.Index);
        _sequences.Add(new SequenceNumber(1));
        return view;
    }

    public void Run(int ticks, Action? game = null)
    {
        for (int i = 0; i < ticks; i++)
        {
            Tick = Tick.Next;
            game?.Invoke();
            Replicator.Publish(Tick);
            Replicator.UpdateInterest(Tick);
            World.EndTick();
            while (_acks.TryPeek(out (int Peer, SequenceNumber Sequence, Tick Due) ack) && ack.Due <= Tick)
                Replicator.Peer(_acks.Dequeue().Peer)!.OnAck(ack.Sequence, uint.MaxValue, Tick);
            for (int peer = 0; peer < _sequences.Count; peer++)
                Write(Replicator.Peer(peer)!);
        }
    }

    private void Write(PeerView peer)
    {
        if (!Writer.Prepare(peer, Tick, AckTicks, loss: 0))
            return;
        SequenceNumber sequence = _sequences[peer.Index];
        _sequences[peer.Index] = sequence.Next;
        var request = new SnapshotRequest { Sequence = sequence, Tick = Tick, DueTime = Tick.Value * 10_000L / Replicator.Options.TickRate };
        int bytes = Writer.Write(peer, in request, _tail);
        _acks.Enqueue((peer.Index, sequence, Tick + AckTicks));
        Written?.Invoke(peer, sequence, _tail.AsMemory(0, bytes));
    }
}
