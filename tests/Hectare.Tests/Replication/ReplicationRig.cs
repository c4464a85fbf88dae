using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>A world, its replication and peers behind bad links, in virtual ticks. Truth is copied from the world, never from the history.</summary>
internal sealed class ReplicationRig
{
    private readonly Dictionary<uint, Truth>[] _truth = new Dictionary<uint, Truth>[512];
    private readonly Dictionary<uint, List<(Tick Tick, ulong[] Words, Tick T0)>> _published = [];

    public ReplicationRig(Schema schema, ReplicationOptions? options = null, int peersMax = 16, int capacity = 4096, Tick? start = null)
    {
        Schema = schema;
        Tick = start ?? new Tick(1000);
        World = new WorldState(schema, TileMap.Open(schema.Grid.ExtentUnits, schema.Grid.ExtentUnits), capacity: capacity);
        Replicator = new Replicator(World, options ?? new ReplicationOptions(), peersMax);
        Writer = new SnapshotWriter(Replicator);
        Walker = schema["walker"];
        Crate = schema["crate"];
        Bird = schema["bird"];
    }

    public Schema Schema { get; }

    public WorldState World { get; }

    public Replicator Replicator { get; }

    public SnapshotWriter Writer { get; }

    public Kind Walker { get; }

    public Kind Crate { get; }

    public Kind Bird { get; }

    /// <summary>The tick that was simulated last.</summary>
    public Tick Tick { get; private set; }

    public List<RigPeer> Peers { get; } = [];

    /// <summary>Compare what was decoded with the world; costs time.</summary>
    public bool IsChecking { get; init; } = true;

    public int Spawn(Kind kind, double x, double y) => World.Spawn(kind, Units.FromFloat(x), Units.FromFloat(y));

    public RigPeer AddPeer(int row, ulong seed = 1, RigLink? link = null, SequenceNumber? first = null, bool keepsMoved = true)
    {
        PeerView view = Replicator.AddPeer(Peers.Count, Tick);
        view.SetAvatar(row, World.IdOf(row));
        World.SetOwner(row, view.Index);
        var decoder = new SnapshotDecoder(Schema, World.Grid.CellCount, Tick, Tick.Value * 333L, keepsMoved);
        var peer = new RigPeer(this, view, decoder, link ?? new RigLink(), seed, first ?? new SequenceNumber(1));
        Peers.Add(peer);
        return peer;
    }

    public void Run(int ticks, Action? game = null, bool withPeers = true)
    {
        for (int i = 0; i < ticks; i++)
        {
            Tick = Tick.Next;
            game?.Invoke();
            Replicator.Publish(Tick);
            Remember();
            Replicator.UpdateInterest(Tick);
            World.EndTick();
            for (int p = 0; p < Peers.Count && withPeers; p++)
                Peers[p].Tick();
        }
    }

    /// <summary>Walks by an intent, as the simulation would on open ground.</summary>
    public void Walk(int row, Intent intent)
    {
        (int dx, int dy) = intent.Velocity(World.KindOf(row).Speeds[intent.SpeedClass]);
        World.MoveTo(row, World.X[row] + dx, World.Y[row] + dy, intent);
    }

    /// <summary>What was true of an entity at a tick of the last 512.</summary>
    public bool TryTruth(uint id, Tick tick, out Truth truth) => _truth[tick.Value & 511].TryGetValue(id, out truth);

    /// <summary>The version that was newest at a tick.</summary>
    public (ulong[] Words, Tick T0) PublishedAt(uint id, Tick tick)
    {
        List<(Tick Tick, ulong[] Words, Tick T0)> versions = _published[id];
        (Tick _, ulong[] words, Tick t0) = versions.FindLast(one => one.Tick <= tick);
        return (words, t0);
    }

    private void Remember()
    {
        if (!IsChecking)
            return;
        Dictionary<uint, Truth> now = _truth[Tick.Value & 511] ??= [];
        now.Clear();
        for (int row = 0; row < World.RowLimit; row++)
        {
            if (World.IsAlive(row))
                now.Add(World.Id[row], new Truth(World.X[row], World.Y[row], World.RecordOf(row).ToArray()));
        }

        foreach (int row in Replicator.History.Published)
        {
            uint version = Replicator.History.VersionOf(row);
            if (!_published.TryGetValue(World.Id[row], out List<(Tick Tick, ulong[] Words, Tick T0)>? list))
                _published[World.Id[row]] = list = [];
            list.Add((Tick, Replicator.History.Record(row, version).ToArray(), Replicator.History.T0(row, version)));
        }
    }

    internal readonly record struct Truth(int X, int Y, ulong[] Fields);
}

/// <summary>How bad a peer's link is. Times in ticks.</summary>
internal sealed class RigLink
{
    public double LossDown { get; set; }

    public double LossUp { get; set; }

    public int DelayMin { get; init; } = 1;

    public int DelayMax { get; init; } = 1;

    /// <summary>Ticks between two acks.</summary>
    public int AckEvery { get; init; } = 3;

    /// <summary>Share of packets that carry no snapshot.</summary>
    public double EmptyShare { get; init; }

    /// <summary>What the server believes of the round trip.</summary>
    public int RttTicks { get; init; } = 3;

    public double LossTold { get; init; }
}

/// <summary>One peer: what the server knows of it, its link, and what it decoded.</summary>
internal sealed class RigPeer(ReplicationRig rig, PeerView view, SnapshotDecoder decoder, RigLink link, ulong seed, SequenceNumber first)
{
    private readonly List<(Tick Due, SequenceNumber Sequence, Tick Written, byte[]? Tail)> _down = [];
    private readonly List<(Tick Due, SequenceNumber Newest, uint Bits)> _up = [];
    private readonly byte[] _buffer = new byte[1160];
    private SeededRandom _random = new(seed);
    private SequenceNumber _next = first;
    private Tick? _promise;

    public PeerView View => view;

    public SnapshotDecoder Decoder => decoder;

    public RigLink Link => link;

    /// <summary>Bytes there are for a tail.</summary>
    public int TailBytes { get; set; } = 1150;

    public int PacketsAccepted { get; private set; }

    public int Refused { get; private set; }

    public long BytesWritten { get; private set; }

    public Tick LastWritten { get; private set; }

    public int PromisesBroken { get; private set; }

    /// <summary>Bytes of each snapshot, when set.</summary>
    public Action<int, SnapshotHeader>? Written { get; set; }

    public void Tick()
    {
        Deliver();
        bool isDue = rig.Writer.Prepare(view, rig.Tick, link.RttTicks, link.LossTold);
        if (!isDue)
        {
            PromisesBroken += _promise is { } promise && rig.Tick - promise > 0 ? 1 : 0;
            return;
        }

        if (_random.NextBool(link.EmptyShare))
            Send(_next, null);
        var request = new SnapshotRequest { Sequence = _next, Tick = rig.Tick, DueTime = rig.Tick.Value * 333L, HasInput = true, InputTick = rig.Tick - 2, InputMarginTicks = 1 };
        int bytes = rig.Writer.Write(view, in request, _buffer.AsSpan(0, TailBytes));
        Assert.InRange(bytes, 1, TailBytes);
        view.Spend(48);         // what the server's packet adds
        BytesWritten += bytes;
        LastWritten = rig.Tick;
        var reader = new BitReader(_buffer.AsSpan(0, bytes));
        Assert.True(SnapshotHeader.TryRead(ref reader, _next, rig.Tick, request.DueTime, out SnapshotHeader header));
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(rig.Replicator.Options);
        _promise = rig.Tick + header.IntervalCode switch { 0 => fast, 1 => interval, 2 => slow, _ => keepAlive };
        Written?.Invoke(bytes, header);
        Send(_next, _buffer.AsSpan(0, bytes).ToArray());
    }

    private void Send(SequenceNumber sequence, byte[]? tail)
    {
        _next = sequence.Next;
        if (!_random.NextBool(link.LossDown))
            _down.Add((rig.Tick + Delay(), sequence, rig.Tick, tail));
    }

    private void Deliver()
    {
        for (int i = 0; i < _down.Count; i++)
        {
            (Tick due, SequenceNumber sequence, Tick written, byte[]? tail) = _down[i];
            if (due > rig.Tick)
                continue;
            _down.RemoveAt(i--);
            Receive(sequence, written, tail);
        }

        if (decoder.HasNewest && rig.Tick.Value % (uint)link.AckEvery == 0 && !_random.NextBool(link.LossUp))
            _up.Add((rig.Tick + Delay(), decoder.Newest, decoder.AckBits()));
        for (int i = 0; i < _up.Count; i++)
        {
            (Tick due, SequenceNumber newest, uint bits) = _up[i];
            if (due > rig.Tick)
                continue;
            _up.RemoveAt(i--);
            view.OnAck(newest, bits, rig.Tick);
        }
    }

    private void Receive(SequenceNumber sequence, Tick written, byte[]? tail)
    {
        SnapshotDecoder.Result result = tail is null ? decoder.AcceptEmpty(sequence) : decoder.Accept(sequence, tail);
        if (result == SnapshotDecoder.Result.Late)
            return;
        Assert.True(result == SnapshotDecoder.Result.Accepted, $"peer {view.Index}, {sequence}, tick {rig.Tick.Value}, seed {seed}: {result}");
        PacketsAccepted++;
        if (tail is null)
            return;
        Assert.Equal(written, decoder.LastHeader.Tick);
        if (rig.IsChecking)
            CheckDecoded(written);
    }

    private void CheckDecoded(Tick tick)
    {
        foreach ((SlotOperation operation, int slot, SnapshotDecoder.Occupant of) in decoder.LastOperations)
        {
            if (operation is SlotOperation.Leave or SlotOperation.Destroy)
                continue;
            (ulong[] words, Tick t0) = rig.PublishedAt(of.Id, tick);
            string where = $"peer {view.Index}, slot {slot}, entity {of.Id}, {operation}, tick {tick.Value}, seed {seed}";
            SnapshotDecoder.Version got = of.Newest;
            ulong[] visible = Visible(of.Kind, words, got.Audience);
            Assert.True(visible.AsSpan().SequenceEqual(Visible(of.Kind, got.Words, got.Audience)), where);
            if (of.Kind.HasMotion && !Motion.IsRest(words[0]))
                Assert.True(t0 == got.T0, where);
            Assert.True(rig.TryTruth(of.Id, tick, out ReplicationRig.Truth truth), where);
            CheckAgainstWorld(of.Kind, got, truth, tick, where);
        }
    }

    private void CheckAgainstWorld(Kind kind, SnapshotDecoder.Version got, ReplicationRig.Truth truth, Tick tick, string where)
    {
        int quantum = kind.Grid.Quantum;
        if (kind.HasMotion && !Motion.IsSampled(got.Words[0]))
        {
            (int x, int y) = Motion.Unpack(got.Words[0], got.T0, kind).At(tick);
            if (Motion.IsRest(got.Words[0]))
                (x, y) = (kind.Grid.Dequantize(Motion.QuantumX(got.Words[0])), kind.Grid.Dequantize(Motion.QuantumY(got.Words[0])));
            Assert.True(Math.Abs(x - truth.X) <= quantum && Math.Abs(y - truth.Y) <= quantum, $"{where}: drawn at {x},{y}, is at {truth.X},{truth.Y}");
        }

        int visible = kind.VisibleGroups((got.Audience & 1) != 0, (got.Audience & 2) != 0);
        foreach (Field field in kind.Fields)
        {
            if ((visible >> field.GroupIndex & 1) == 0 || field.Type == FieldType.Velocity2)
                continue;
            if (field.Type == FieldType.Position2)
            {
                ulong bits = (got.Words[field.Word] & field.Mask) >> field.Shift;
                int x = kind.Grid.Dequantize((int)(bits & ((1UL << kind.Grid.Bits) - 1))), y = kind.Grid.Dequantize((int)(bits >> kind.Grid.Bits));
                Assert.True(Math.Abs(x - truth.X) <= quantum / 2 && Math.Abs(y - truth.Y) <= quantum / 2, where);
                continue;
            }

            Assert.True(field.Get(truth.Fields) == field.Get(got.Words), $"{where}: {field.Name}");
            if (field.Type == FieldType.Text)
                Assert.True(rig.World.Texts.Find(field.Get(truth.Fields)).SequenceEqual(decoder.Texts.Find(field.Get(got.Words))), where);
        }
    }

    internal static ulong[] Visible(Kind kind, ReadOnlySpan<ulong> words, int audience)
    {
        int visible = kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
        ulong[] masked = new ulong[kind.WordCount];
        for (int word = 0; word < masked.Length; word++)
        {
            ulong mask = kind.HasMotion && word == 0 ? ulong.MaxValue : 0;
            for (int i = 0; i < kind.Groups.Length; i++)
                mask |= (visible >> i & 1) != 0 ? kind.Groups[i].MaskOf(word) : 0;
            masked[word] = words[word] & mask;
        }

        return masked;
    }

    private int Delay() => _random.Next(link.DelayMin, link.DelayMax + 1);
}
