using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>
/// A real world and replication on one side, real replicas on the other, and between them links whose every loss a test spells out.
/// Nothing asserts by itself: a run without its mechanism must be able to go wrong, and say by how much.
/// </summary>
internal sealed class TrapRig(ReplicationOptions? options = null, int peersMax = 8, Schema? schema = null)
{
    public ReplicationRig Rig { get; } = new(schema ?? TestSchemas.Meadow(), options, peersMax);

    public List<TrapPeer> Peers { get; } = [];

    public Tick Tick => Rig.Tick;

    public int Spawn(Kind kind, double x, double y) => Rig.Spawn(kind, x, y);

    public TrapPeer AddPeer(int row)
    {
        PeerView view = Rig.Replicator.AddPeer(Peers.Count, Rig.Tick);
        view.SetAvatar(row, Rig.World.IdOf(row));
        Rig.World.SetOwner(row, view.Index);
        var peer = new TrapPeer(this, view);
        Peers.Add(peer);
        return peer;
    }

    public void Run(int ticks, Action? game = null)
    {
        for (int i = 0; i < ticks; i++)
        {
            Rig.Run(1, game, withPeers: false);
            foreach (TrapPeer peer in Peers)
                peer.Step();
        }
    }

    /// <summary>Content of the version that is newest now; what a peer holds is compared with it.</summary>
    public uint NewestHash(int row) => Rig.Replicator.History.HashOf(row, Rig.Replicator.History.VersionOf(row));
}

/// <summary>A client's replica and the two directions of its link.</summary>
internal sealed class TrapPeer
{
    private readonly TrapRig _rig;
    private readonly SnapshotScratch _scratch = new();
    private readonly List<(Tick Due, SequenceNumber Sequence, byte[] Tail)> _down = [];
    private readonly List<(Tick Due, AckField Acks, SequenceNumber? Resync)> _up = [];
    private readonly byte[] _buffer = new byte[1150];
    private readonly Dictionary<int, int> _staleTicks = [];
    private AckTracker _received;
    private SequenceNumber _next = new(1);
    private SequenceNumber? _resync;
    private Tick _resyncTick;

    public TrapPeer(TrapRig rig, PeerView view)
    {
        _rig = rig;
        View = view;
        World = ReplicaOf(rig.Rig.Schema, rig);
        _resyncTick = rig.Tick - 30;
    }

    public PeerView View { get; }

    public ReplicaWorld World { get; set; }

    public int DelayDown { get; set; } = 1;

    public int DelayUp { get; set; } = 1;

    public int AckEvery { get; set; } = 3;

    /// <summary>What the server believes of the round trip.</summary>
    public int RttTicks { get; set; } = 3;

    /// <summary>What the server believes of the loss.</summary>
    public double LossTold { get; set; }

    /// <summary>True for a packet that the link loses.</summary>
    public Predicate<SequenceNumber> LosesDown { get; set; } = _ => false;

    /// <summary>True while what the client sends is lost.</summary>
    public bool LosesUp { get; set; }

    /// <summary>True while the client neither reads nor sends: what arrives waits in its socket.</summary>
    public bool IsAsleep { get; set; }

    /// <summary>Extra ticks that a packet takes.</summary>
    public Func<SequenceNumber, int> HeldBack { get; set; } = _ => 0;

    /// <summary>What the client's ack says, made from what it should say.</summary>
    public Func<AckField, AckField> Acks { get; set; } = acks => acks;

    public Action<SnapshotHeader, int>? Written { get; set; }

    public SequenceNumber LastWritten => _next - 1;

    public int Packets { get; private set; }

    public int Accepted { get; private set; }

    public int Late { get; private set; }

    public int Refused { get; private set; }

    public int Resyncs { get; private set; }

    public long Bytes { get; private set; }

    public static ReplicaWorld ReplicaOf(Schema schema, TrapRig rig)
    {
        Assert.True(SchemaMap.TryCreate(schema, schema, out SchemaMap map, out string difference), difference);
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(rig.Rig.Replicator.Options);
        var zone = new ReplicaZone(rig.Tick, rig.Tick.Value * 333L, 33_333_333, interval, Welcome.PackIntervals(fast, interval, slow, keepAlive), 16);
        return new ReplicaWorld(map, in zone);
    }

    /// <summary>Ticks in a row that the peer has not held the newest version of a row, at most, since <see cref="Watch"/>.</summary>
    public int LongestStale { get; private set; }

    /// <summary>Rows whose staleness is counted.</summary>
    public void Watch(params int[] rows)
    {
        LongestStale = 0;
        _staleTicks.Clear();
        foreach (int row in rows)
            _staleTicks[row] = 0;
    }

    public bool Holds(int row) => HeldHash(row) is { } hash && hash == _rig.NewestHash(row);

    /// <summary>True when the client holds the entity, in whatever version.</summary>
    public bool Knows(int row) => HeldHash(row) is not null;

    /// <summary>Units between where the replica puts an entity at a tick and where it was.</summary>
    public double Error(int row, Tick tick)
    {
        var id = _rig.Rig.World.IdOf(row);
        if (!World.SampleAt(id, tick.Value, out SampledEntity drawn) || !_rig.Rig.TryTruth(id.Value, tick, out ReplicationRig.Truth truth))
            return double.NaN;
        return Math.Sqrt(Math.Pow(drawn.X - Units.ToDouble(truth.X), 2) + Math.Pow(drawn.Y - Units.ToDouble(truth.Y), 2));
    }

    public void Step()
    {
        Deliver();
        foreach (int row in _staleTicks.Keys)
        {
            _staleTicks[row] = Holds(row) ? 0 : _staleTicks[row] + 1;
            LongestStale = Math.Max(LongestStale, _staleTicks[row]);
        }

        if (!_rig.Rig.Writer.Prepare(View, _rig.Tick, RttTicks, LossTold))
            return;
        var request = new SnapshotRequest { Sequence = _next, Tick = _rig.Tick, DueTime = _rig.Tick.Value * 333L };
        int bytes = _rig.Rig.Writer.Write(View, in request, _buffer);
        Packets++;
        Bytes += bytes;
        if (Written is not null)
        {
            var reader = new BitReader(_buffer.AsSpan(0, bytes));
            Assert.True(SnapshotHeader.TryRead(ref reader, _next, _rig.Tick, request.DueTime, out SnapshotHeader header));
            Written(header, bytes);
        }

        if (!LosesDown(_next))
            _down.Add((_rig.Tick + DelayDown + HeldBack(_next), _next, _buffer.AsSpan(0, bytes).ToArray()));
        _next = _next.Next;
    }

    private void Deliver()
    {
        if (IsAsleep)
            return;
        foreach ((Tick _, SequenceNumber sequence, byte[] tail) in _down.Where(one => one.Due <= _rig.Tick).OrderBy(one => one.Due.Value).ToArray())
            Receive(sequence, tail);
        _down.RemoveAll(one => one.Due <= _rig.Tick);
        if (_received.HasAny && _rig.Tick.Value % (uint)AckEvery == 0 && !LosesUp)
        {
            _up.Add((_rig.Tick + DelayUp, Acks(_received.Field), _resync));
            _resync = null;
        }

        foreach ((Tick _, AckField acks, SequenceNumber? resync) in _up.Where(one => one.Due <= _rig.Tick))
        {
            View.OnAck(acks.Newest, acks.Bits, _rig.Tick);
            if (resync is { } refused)
                View.OnResync(refused);
        }

        _up.RemoveAll(one => one.Due <= _rig.Tick);
    }

    private void Receive(SequenceNumber sequence, byte[] tail)
    {
        if (_received.HasAny && sequence <= _received.Field.Newest)
        {
            Late++;
            return;
        }

        if (SnapshotReader.Read(tail, sequence, World, _scratch, out _) == SnapshotResult.Applied)
        {
            Accepted++;
            _received.Accept(sequence);
            return;
        }

        Refused++;
        if (_rig.Tick - _resyncTick < 30)
            return;
        (_resync, _resyncTick) = (sequence, _rig.Tick);
        Resyncs++;
    }

    private uint? HeldHash(int row)
    {
        uint id = _rig.Rig.World.Id[row];
        for (int slot = 0; slot < SlotCodec.SlotsMax; slot++)
        {
            int occupant = World.Slots.Living(slot);
            if (occupant == ReplicaSlots.None || World.Slots[occupant].Id.Value != id || World.Slots[occupant].Entity == ReplicaSlots.None)
                continue;
            int newest = World.Slots[occupant].Count - 1;
            return EntityCodec.ContentHash(World.Slots[occupant].Kind!, World.Slots.Record(occupant, newest), World.Slots.T0(occupant, newest));
        }

        return null;
    }
}
