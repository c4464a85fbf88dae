using Hectare.Client;
using Hectare.Protocol;

namespace Hectare.Tests.Client;

/// <summary>One version of one entity, told explicitly: what a test says is what the wire says.</summary>
internal sealed record Version(ulong[] Record, Tick T0)
{
    public ulong Word => Record[0];

    /// <summary>The same version with another value of a field.</summary>
    public Version With(Field field, uint bits)
    {
        ulong[] record = [.. Record];
        field.Set(record, bits);
        return this with { Record = record };
    }

    /// <summary>The same version with another motion.</summary>
    public Version Moved(ulong word, uint t0)
    {
        ulong[] record = [.. Record];
        record[0] = word;
        return new Version(record, new Tick(t0));
    }
}

/// <summary>A server without a world: writes the snapshots that a test spells out, on the codecs both ends share.</summary>
internal sealed class FakeServer
{
    public const uint TickLengthNs = 33_333_333;

    public static readonly Schema Farm = Build();

    private readonly byte[] _buffer = new byte[8192];

    public FakeServer(Schema? schema = null, Schema? own = null)
    {
        Schema = schema ?? Farm;
        Assert.True(SchemaMap.TryCreate(own ?? Schema, Schema, out SchemaMap map, out string difference), difference);
        World = new ReplicaWorld(map, in Zone);
    }

    public static readonly ReplicaZone Zone = new(new Tick(1000), 333_333, TickLengthNs, 3, Welcome.PackIntervals(2, 3, 6, 15), 16);

    public Schema Schema { get; }

    public ReplicaWorld World { get; }

    public SnapshotScratch Scratch { get; } = new();

    public TextTable Texts { get; } = new();

    public static Schema Build(Action<KindBuilder>? morePlayer = null)
    {
        var builder = new SchemaBuilder();
        KindBuilder player = builder.Kind("player").Motion(683, 1024).Body(BodyRole.Walks, 1434)
            .Group("look").Enum("animation", 4).Counter("swing", 3)
            .Group("jump").Counter("teleports", 3)
            .Group("name").Text("name", 24)
            .Group("bag", Audience.Owner).Int("coins", 20);
        morePlayer?.Invoke(player);
        builder.Kind("tree").Group("growth").Position2().Int("stage", 4);
        builder.Kind("cart").Group("place", sampled: true).Position2().Float("load", 0, 100, 10);
        builder.Kind("boat").Group("place", sampled: true).Position2().Velocity2().Angle("heading", 10);
        return builder.Build();
    }

    public static ulong Walk(double x, double y, byte direction, int magnitude = 15)
        => Motion.Pack(Farm.Grid.Quantize(Units.FromFloat(x)), Farm.Grid.Quantize(Units.FromFloat(y)), new Intent(direction, magnitude));

    public static ulong Rest(double x, double y) => Walk(x, y, 0, 0);

    public static ulong Sampled(double x, double y, int velocityX, int velocityY)
        => Motion.PackEscape(Farm.Grid.Quantize(Units.FromFloat(x)), Farm.Grid.Quantize(Units.FromFloat(y)), velocityX, velocityY, sampled: true);

    public Version Player(ulong word, uint t0)
    {
        ulong[] record = new ulong[Schema["player"].WordCount];
        record[0] = word;
        return new Version(record, new Tick(t0));
    }

    public Version Placed(string kind, double x, double y)
    {
        ulong[] record = new ulong[Schema[kind].WordCount];
        Field position = Schema[kind]["position"];
        ulong quanta = (uint)Schema.Grid.Quantize(Units.FromFloat(x)) | ((ulong)(uint)Schema.Grid.Quantize(Units.FromFloat(y)) << Schema.Grid.Bits);
        record[position.Word] |= quanta << position.Shift;
        return new Version(record, default);
    }

    /// <summary>Writes a snapshot and lets the client read it.</summary>
    public SnapshotResult Send(uint sequence, uint tick, Action<Packet> say, uint? baseline = null)
        => Read(Write(sequence, tick, say, baseline), sequence);

    public SnapshotResult Read(ReadOnlySpan<byte> body, uint sequence)
        => SnapshotReader.Read(body, new SequenceNumber(sequence), World, Scratch, out _);

    public byte[] Write(uint sequence, uint tick, Action<Packet> say, uint? baseline = null)
    {
        var packet = new Packet(this);
        say(packet);
        var writer = new BitWriter(_buffer);
        new SnapshotHeader
        {
            Tick = new Tick(tick),
            DueTime = tick * 1_000_000L / 3000,
            IntervalCode = packet.IntervalCode,
            Complete = true,
            HasBaseline = baseline.HasValue,
            Baseline = new SequenceNumber(baseline.GetValueOrDefault()),
            HasShare = packet.HasShare,
            Check = packet.Check,
        }.Write(ref writer, new SequenceNumber(sequence));
        packet.WriteBody(ref writer);
        Assert.False(writer.Failed);
        return writer.Finish().ToArray();
    }
}

/// <summary>The content of one snapshot.</summary>
internal sealed class Packet(FakeServer server)
{
    private delegate void BodyWriter(ref BitWriter writer);

    private readonly SortedDictionary<int, (SlotOperation Operation, BodyWriter Write)> _operations = [];
    private readonly List<DensityCell> _density = [];
    private uint _sum;
    private ushort _wrong;

    public byte IntervalCode { get; set; } = 1;

    public bool HasShare { get; private set; }

    public ushort Check => (ushort)(_sum ^ (_sum >> 16) ^ _wrong);

    public void Enter(int slot, uint id, string kind, Version version, int audience = 0)
    {
        void Body(ref BitWriter writer)
        {
            writer.Write(id, 32);
            writer.WriteBool(false);
            writer.Write((ulong)server.Schema[kind].Index, server.Schema.KindBits);
            WriteWhole(ref writer, server.Schema[kind], version, audience);
        }

        _operations[slot] = (SlotOperation.Enter, Body);
    }

    public void EnterKept(int slot, uint id, string kind, Version kept, params Version[] versions)
    {
        void Body(ref BitWriter writer)
        {
            writer.Write(id, 32);
            writer.WriteBool(true);
            WriteDelta(ref writer, server.Schema[kind], kept, versions, gap: false, audience: 0);
        }

        Share(id, kind, kept, isShare: false);
        _operations[slot] = (SlotOperation.Enter, Body);
    }

    /// <summary>All motion versions since the baseline, or, with a gap, the newest of them; the last one's groups.</summary>
    public void Update(int slot, uint id, string kind, Version baseline, Version[] versions, bool gap = false, int audience = 0)
    {
        Share(id, kind, baseline, isShare: false);
        _operations[slot] = (SlotOperation.Update, (ref BitWriter writer) => WriteDelta(ref writer, server.Schema[kind], baseline, versions, gap, audience));
    }

    public void Absolute(int slot, string kind, Version version, int audience = 0)
        => _operations[slot] = (SlotOperation.Absolute, (ref BitWriter writer) => WriteWhole(ref writer, server.Schema[kind], version, audience));

    public void Leave(int slot) => _operations[slot] = (SlotOperation.Leave, (ref BitWriter _) => { });

    public void Destroy(int slot) => _operations[slot] = (SlotOperation.Destroy, (ref BitWriter _) => { });

    public void Density(int cell, int count) => _density.Add(new DensityCell(cell, count));

    /// <summary>The share says that this version was known as of B (the test puts it into the right packet).</summary>
    public void Share(uint id, string kind, Version version) => Share(id, kind, version, isShare: true);

    public void EmptyShare() => HasShare = true;

    public void WrongCheck() => _wrong = 1;

    public void WriteBody(ref BitWriter writer)
    {
        writer.WriteBool(_density.Count > 0);
        if (_density.Count > 0)
        {
            writer.Write((ulong)_density.Count - 1, 6);
            int previousCell = -1;
            foreach (DensityCell cell in _density)
            {
                DensityCodec.Write(ref writer, cell.Cell, previousCell, cell.Count);
                previousCell = cell.Cell;
            }
        }

        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            ushort[] slots = [.. _operations.Keys.Where(slot => slot >= SlotCodec.FirstOf(list) && slot < SlotCodec.LimitOf(list)).Select(slot => (ushort)slot)];
            int order = SlotCodec.BestOrder(slots, list);
            SlotCodec.WriteCount(ref writer, slots.Length, order);
            int previous = SlotCodec.FirstOf(list) - 1;
            foreach (ushort slot in slots)
            {
                SlotCodec.Write(ref writer, slot, previous, order, _operations[slot].Operation);
                _operations[slot].Write(ref writer);
                previous = slot;
            }
        }
    }

    private void Share(uint id, string kind, Version version, bool isShare)
    {
        HasShare |= isShare;
        _sum += EntityCodec.CheckShare(new EntityId(id), EntityCodec.ContentHash(server.Schema[kind], version.Record, version.T0));
    }

    private void WriteWhole(ref BitWriter writer, Kind kind, Version version, int audience)
    {
        writer.Write((ulong)audience, 2);
        if (kind.HasMotion)
            EntityCodec.WriteMotion(ref writer, kind, version.Word, version.T0);
        WriteGroups(ref writer, kind, kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0), version.Record);
    }

    private void WriteDelta(ref BitWriter writer, Kind kind, Version baseline, Version[] versions, bool gap, int audience)
    {
        Version newest = versions.Length > 0 ? versions[^1] : baseline;
        Version previous = baseline;
        Version[] steps = [.. versions.Where(version => kind.HasMotion && !IsSameMotion(ref previous, version))];
        if (kind.HasMotion)
        {
            EntityCodec.WriteStepCount(ref writer, steps.Length, gap);
            previous = baseline;
            for (int i = 0; i < steps.Length; i++)
            {
                if (gap && i == 0)
                    EntityCodec.WriteMotion(ref writer, kind, steps[i].Word, steps[i].T0);
                else
                    EntityCodec.WriteStep(ref writer, kind, previous.Word, previous.T0, steps[i].Word, steps[i].T0);
                previous = steps[i];
            }
        }

        int visible = kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
        int changed = 0;
        for (int group = 0; group < kind.Groups.Length; group++)
            changed |= kind.Groups[group].Differs(baseline.Record, newest.Record) ? 1 << group : 0;
        changed &= visible;
        EntityCodec.WriteGroupMask(ref writer, changed, visible);
        WriteGroups(ref writer, kind, changed, newest.Record);
    }

    private static bool IsSameMotion(ref Version previous, Version version)
    {
        bool same = previous.Word == version.Word && previous.T0 == version.T0;
        previous = version;
        return same;
    }

    private void WriteGroups(ref BitWriter writer, Kind kind, int groups, ulong[] record)
    {
        for (int group = 0; group < kind.Groups.Length; group++)
        {
            if ((groups & (1 << group)) != 0)
                EntityCodec.WriteGroup(ref writer, kind.Groups[group], record, server.Texts);
        }
    }
}
