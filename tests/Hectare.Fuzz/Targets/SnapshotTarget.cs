using System.Buffers.Binary;
using Hectare.Client;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Fuzz.Targets;

/// <summary>
/// The snapshots that a client is sent from its first one on: read, applied, drawn. Valid ones are films of a real world, its real writer and a link
/// that loses nothing. A packet is applied whole or not at all; nothing that is drawn is no number; memory stays in its bounds.
/// </summary>
/// <remarks>Input: for each packet flags u8 (bits 0-1: packets lost before it; bit 2: five seconds pass; bit 3: a frame is drawn; bit 4: the replica is looked
/// at field by field; bit 5: the self-check is made right first), length u16, body.</remarks>
internal sealed class SnapshotTarget() : FuzzTarget("snapshot", "snapshots from the first on, applied to a replica that is drawn")
{
    private const int HeadBytes = 3;
    private const byte LostMask = 3, PauseFlag = 4, DrawFlag = 8, DeepFlag = 16, MendFlag = 32;
    private const int Films = 64;
    private const long MemoryBytesMax = 1 << 20;
    private const uint TickLengthNs = 33_333_333;

    private static readonly Tick FirstTick = new(uint.MaxValue - 600);   // across the wrap
    private static readonly ReplicationOptions Rules = new() { EnterRadiusUnits = 60, ExitRadiusUnits = 76, NearUnits = 30, FarUnits = 60, EntersMax = 12 };

    private readonly List<byte[]> _films = [];
    private readonly SnapshotScratch _scratch = new();
    private readonly SchemaMap _map = SameSchema();

    public override int InputBytesMax => 6 * 1024;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => MemoryBytesMax;

    public override void Begin()
    {
        var studio = new Studio();
        for (int i = 0; i < Films; i++)
            _films.Add(studio.Shoot(bytesMax: i % 4 == 0 ? InputBytesMax : InputBytesMax / 4, bytesPerSecond: 3_000 + (i * 300)));
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte[] film = _films[random.Next(0, _films.Count)];
        film.CopyTo(destination);
        return film.Length;
    }

    public override int Break(ref SeededRandom random, Span<byte> work, int length)
        => random.Next(0, 4) == 0 ? Mutator.Mutate(ref random, work, length) : new Frames(Start: 0, HeadBytes, LengthOffset: 1).Break(ref random, work, length);

    public override RunResult Run(Span<byte> input)
    {
        var zone = new ReplicaZone(FirstTick, 0, TickLengthNs, Rules.SnapshotIntervalTicks, Welcome.PackIntervals(2, 3, 6, 15), 16);
        var world = new ReplicaWorld(_map, in zone, eventsMax: 64);
        var sequence = new SequenceNumber(0);
        long nowNs = 0;
        int packets = 0, applied = 0;
        for (Span<byte> rest = input; rest.Length >= HeadBytes; packets++)
        {
            byte flags = rest[0];
            int bytes = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(rest[1..]), rest.Length - HeadBytes);
            sequence += 1 + (flags & LostMask);
            nowNs += (flags & PauseFlag) != 0 ? 5_000_000_000 : 3L * TickLengthNs;
            if ((flags & MendFlag) != 0)
                SnapshotMender.Mend(rest.Slice(HeadBytes, bytes), sequence, world, _scratch);
            applied += Take(world, rest.Slice(HeadBytes, bytes), sequence, deeply: (flags & DeepFlag) != 0) ? 1 : 0;
            if ((flags & DrawFlag) != 0)
                Draw(world, nowNs);
            Property.Holds(world.MemoryBytes <= MemoryBytesMax, $"the replica holds {world.MemoryBytes} bytes");
            rest = rest[(HeadBytes + bytes)..];
        }

        Draw(world, nowNs + 1_000_000_000);
        return RunResult.Of(applied == packets && applied > 0);
    }

    private bool Take(ReplicaWorld world, ReadOnlySpan<byte> body, SequenceNumber sequence, bool deeply)
    {
        (int, Tick, long, SequenceNumber, ulong) before = Digest(world, deeply);
        SnapshotResult result = SnapshotReader.Read(body, sequence, world, _scratch, out SnapshotHeader header);
        if (result != SnapshotResult.Applied)
        {
            Property.Holds(Digest(world, deeply) == before, $"a packet that was refused ({result}) changed the replica");
            return false;
        }

        Property.Holds(world.NewestTick == header.Tick && world.HasSnapshot, "an applied packet is not the newest");
        return true;
    }

    private static (int Count, Tick Tick, long DueTime, SequenceNumber Sequence, ulong Content) Digest(ReplicaWorld world, bool deeply)
    {
        ulong content = 0;
        if (deeply)
        {
            foreach (ReplicaWorld.ReplicaEntity entity in world)
            {
                foreach (Field field in entity.Kind.Fields)
                    content = (content * 31) + world.GetField(entity.Id, field);
                content = (content * 31) + (world.TryGetMotion(entity.Id, out PublishedMotion motion) ? (ulong)motion.GetHashCode() : entity.Id.Value);
            }
        }

        return (world.Count, world.NewestTick, world.NewestDueTime, world.NewestSequence, content);
    }

    private static void Draw(ReplicaWorld world, long nowNs)
    {
        world.AdvanceTo(FirstTick.Value + ((double)nowNs / TickLengthNs) - 6, nowNs);
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            SampledEntity drawn = entity.Sample();
            Property.Holds(double.IsFinite(drawn.X + drawn.Y + drawn.VelocityX + drawn.VelocityY), "something is drawn nowhere");
            Property.Holds(drawn.Fade is >= 0 and <= 1, "a fade that is none");
            foreach (Field field in entity.Kind.Fields)
            {
                Property.Holds(double.IsFinite(world.GetShownValue(entity.Id, field)), "a value is no number");
                if (field.Type == FieldType.Text)
                    Property.Holds(world.GetText(entity.Id, field).Length <= field.Max, "a text longer than its field");
            }
        }

        while (world.TryTakeEvent(out ReplicaEvent told))
            Property.Holds(told.Id != EntityId.None, "an event of nothing");
    }

    private static SchemaMap SameSchema()
        => SchemaMap.TryCreate(FuzzSchemas.Meadow, FuzzSchemas.Meadow, out SchemaMap map, out string difference) ? map : throw new FuzzException(difference);

    /// <summary>A running world with one peer after the other: each new one is a film.</summary>
    private sealed class Studio
    {
        private const int AckedAfter = 2;

        private readonly FuzzMeadow _meadow = new(1);
        private readonly WorldState _world = new(FuzzSchemas.Meadow, FuzzMeadow.Map, capacity: 1024);
        private readonly Replicator _replicator;
        private readonly SnapshotWriter _writer;
        private readonly byte[] _tail = new byte[1_150];
        private Tick _tick = FirstTick;

        public Studio()
        {
            _meadow.Populate(_world);
            _replicator = new Replicator(_world, Rules, peersMax: 1);
            _writer = new SnapshotWriter(_replicator);
        }

        public byte[] Shoot(int bytesMax, int bytesPerSecond)
        {
            int row = _meadow.Join(_world, 0);
            PeerView peer = _replicator.AddPeer(0, _tick);
            peer.RateBytesPerSecond = bytesPerSecond;
            peer.SetAvatar(row, _world.IdOf(row));
            var film = new MemoryStream();
            for (uint sequence = 1; sequence <= 12;)
            {
                RunTick();
                if (!_writer.Prepare(peer, _tick, 6, 0))
                    continue;
                int bytes = WriteSnapshot(peer, sequence);
                if (film.Length + HeadBytes + bytes > bytesMax)
                    break;
                film.Write([(byte)(DrawFlag | (sequence % 4 == 0 ? DeepFlag : 0) | (sequence % 3 != 0 ? MendFlag : 0)), (byte)bytes, (byte)(bytes >> 8)]);
                film.Write(_tail.AsSpan(0, bytes));
                if (sequence > AckedAfter)
                    peer.OnAck(new SequenceNumber(sequence - AckedAfter), uint.MaxValue, _tick);
                sequence++;
            }

            _replicator.RemovePeer(0);
            _world.Destroy(row);
            RunTick();
            return film.ToArray();
        }

        private int WriteSnapshot(PeerView peer, uint sequence)
        {
            var request = new SnapshotRequest
            {
                Sequence = new SequenceNumber(sequence),
                Tick = _tick,
                DueTime = (_tick - FirstTick) * (long)TickLengthNs / 100_000,
                HasInput = sequence > 3,
                InputTick = _tick - 2,
                InputMarginTicks = 1,
            };
            return _writer.Write(peer, in request, _tail);
        }

        private void RunTick()
        {
            _tick = _tick.Next;
            _meadow.Step(_world);
            _replicator.Publish(_tick);
            _replicator.UpdateInterest(_tick);
            _world.EndTick();
        }
    }
}
