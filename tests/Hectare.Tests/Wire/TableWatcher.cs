using Hectare.Cli.Dissection;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Wire;

/// <summary>One peer of a rig over a link that loses a fifth, whose every accepted packet is read twice: by the decoder and by the table.</summary>
internal sealed class TableWatcher
{
    private readonly ReplicationRig _rig;
    private readonly PeerView _view;
    private readonly SnapshotDecoder _decoder;
    private readonly byte[] _buffer = new byte[1150];
    private readonly Queue<(Tick Due, SequenceNumber Newest, uint Bits)> _acks = [];
    private SequenceNumber _next = new(1);
    private SeededRandom _random;

    public TableWatcher(ReplicationRig rig, int avatar, ulong seed)
    {
        _rig = rig;
        _random = new SeededRandom(seed);
        _view = rig.Replicator.AddPeer(0, rig.Tick);
        _view.SetAvatar(avatar, rig.World.IdOf(avatar));
        rig.World.SetOwner(avatar, 0);
        _decoder = new SnapshotDecoder(rig.Schema, rig.World.Grid.CellCount, rig.Tick, rig.Tick.Value * 333L, keepsMoved: true);
    }

    /// <summary>What was met: a test that met nothing holds nothing.</summary>
    public Met Seen { get; } = new();

    public void Tick()
    {
        while (_acks.TryPeek(out (Tick Due, SequenceNumber Newest, uint Bits) ack) && ack.Due <= _rig.Tick)
        {
            _acks.Dequeue();
            _view.OnAck(ack.Newest, ack.Bits, _rig.Tick);
        }

        if (!_rig.Writer.Prepare(_view, _rig.Tick, 6, 0.2))
            return;
        var request = new SnapshotRequest { Sequence = _next, Tick = _rig.Tick, DueTime = _rig.Tick.Value * 333L, HasInput = _random.NextBool(0.8), InputTick = _rig.Tick - _random.Next(-3, 9), InputMarginTicks = (sbyte)_random.Next(-127, 128) };
        byte[] tail = _buffer[.._rig.Writer.Write(_view, in request, _buffer)];
        _view.Spend(48);
        if (!_random.NextBool(0.2))
            Receive(tail, request);
        _next = _next.Next;
    }

    private void Receive(byte[] tail, in SnapshotRequest request)
    {
        var table = new SnapshotTable(_rig.Schema, _decoder, _next, _rig.Tick);
        var reader = new TableReader(tail, table.Apply);
        reader.Read(WireMessages.Snapshot);
        Assert.InRange(reader.Remaining, 0, 7);
        Assert.Equal(SnapshotDecoder.Result.Accepted, _decoder.Accept(_next, tail));
        Compare(_decoder.LastHeader, table.Header!, request);
        Assert.Equal(table.Cells, _decoder.Densities.Where(cell => cell.Value.Tick == _rig.Tick).OrderBy(cell => cell.Key).Select(cell => (cell.Key, cell.Value.Count)));
        Compare(table);
        Seen.Cells += table.Cells.Count;
        Seen.Returns += table.Returns;
        Seen.Gaps += table.Gaps;
        // A second in three no ack comes back: more steps than a delta may have, rings that run over.
        if (_rig.Tick.Value % 3 == 0 && _rig.Tick.Value / 30 % 3 != 2)
            _acks.Enqueue((_rig.Tick + 5, _decoder.Newest, _decoder.AckBits()));
    }

    private void Compare(in SnapshotHeader header, TableScope read, in SnapshotRequest request)
    {
        Assert.Equal(((long)(ushort)header.Tick.Value, header.DueTime & 0xFF_FFFF, (long)header.IntervalCode, header.Complete), (read["tick"], read["due time"], read["interval code"], read["complete"] == 1));
        Assert.Equal((header.HasInput, header.HasOwn, header.HasBaseline, header.HasShare, (long)header.Check),
            (read["has input"] == 1, read["has own"] == 1, read["has baseline"] == 1, read["has share"] == 1, read["check"]));
        if (request.HasInput)
            Assert.Equal((header.Tick - request.InputTick, request.InputMarginTicks), (read["input age"], read["input margin"]));
        if (header.HasOwn)
            Assert.Equal((header.OwnX, header.OwnY), (read["own x"], read["own y"]));
        if (header.HasBaseline)
            Assert.Equal(_next - header.Baseline - 1, read["baseline age"]);
    }

    // What the decoder left out (a Leave of nothing) has no version.
    private void Compare(SnapshotTable table)
    {
        foreach ((SlotOperation operation, int slot, SnapshotDecoder.Occupant of) in _decoder.LastOperations)
        {
            (SlotOperation Operation, int Slot, uint Entity, ulong[]? Words, Tick T0) read = table.Operations.Single(one => one.Slot == slot);
            Assert.Equal(operation, read.Operation);
            if (operation == SlotOperation.Enter)
                Assert.Equal(of.Id, read.Entity);
            if (read.Words is null)
                continue;
            Assert.Equal(of.Newest.Words, read.Words);
            if (of.Kind.HasMotion && !Motion.IsRest(read.Words[0]))
                Assert.Equal(of.Newest.T0, read.T0);
        }

        foreach (SlotOperation operation in table.Operations.Select(one => one.Operation))
            Seen.Count(operation);
    }

    internal sealed class Met
    {
        public int Updates { get; private set; }

        public int Enters { get; private set; }

        public int Returns { get; set; }

        public int Leaves { get; private set; }

        public int Destroys { get; private set; }

        public int Absolutes { get; private set; }

        public int Gaps { get; set; }

        public int Cells { get; set; }

        public void Count(SlotOperation operation)
        {
            Updates += operation == SlotOperation.Update ? 1 : 0;
            Enters += operation == SlotOperation.Enter ? 1 : 0;
            Leaves += operation == SlotOperation.Leave ? 1 : 0;
            Destroys += operation == SlotOperation.Destroy ? 1 : 0;
            Absolutes += operation == SlotOperation.Absolute ? 1 : 0;
        }

        public override string ToString() => $"updates {Updates} enters {Enters} returns {Returns} leaves {Leaves} destroys {Destroys} absolutes {Absolutes} gaps {Gaps} cells {Cells}";
    }
}
