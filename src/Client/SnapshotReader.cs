using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>Reads a snapshot: the whole packet into the scratch, then its self-check, and only then into the world. A packet is applied whole or not at all.</summary>
/// <remarks>Layout and rules: docs/wire-format.md, Snapshot. Which version a delta starts from is never written: it follows from B and from what this
/// client accepted up to it (<see cref="ReplicaSlots"/>).</remarks>
internal static class SnapshotReader
{
    private const int ShareSlots = 32;

    /// <summary>Reads and, when all is well, applies it.</summary>
    /// <param name="body">The packet's tail, whole.</param>
    /// <param name="sequence">The packet's; newer than that of every packet applied before.</param>
    /// <param name="world">Changed only when the result is Applied.</param>
    /// <param name="scratch">Any; overwritten.</param>
    /// <param name="header">What it says of time and inputs. Meaningful when the result is not Malformed.</param>
    public static SnapshotResult Read(ReadOnlySpan<byte> body, SequenceNumber sequence, ReplicaWorld world, SnapshotScratch scratch, out SnapshotHeader header)
    {
        scratch.Clear();
        var reader = new BitReader(body);
        if (!SnapshotHeader.TryRead(ref reader, sequence, world.NewestTick, world.NewestDueTime, out header))
            return SnapshotResult.Malformed;
        if (header.Tick < world.NewestTick)
            return SnapshotResult.Malformed;
        if (header.HasBaseline && world.Slots.IsPassed(header.Baseline))
            return SnapshotResult.NoBaseline;
        if (!TryReadDensity(ref reader, world, scratch))
            return SnapshotResult.Malformed;

        uint check = 0;
        SnapshotResult result = ReadOperations(ref reader, in header, world, scratch, ref check);
        if (result != SnapshotResult.Applied)
            return result;
        if (reader.RemainingBits >= 8 || reader.Read(reader.RemainingBits) != 0)
            return SnapshotResult.Malformed;
        if (header.HasShare && !TryAddShare(in header, sequence, world.Slots, ref check))
            return SnapshotResult.NoBaseline;
        if ((ushort)(check ^ (check >> 16)) != header.Check)
            return SnapshotResult.WrongCheck;

        world.Apply(in header, sequence, scratch);
        return SnapshotResult.Applied;
    }

    private static bool TryReadDensity(ref BitReader reader, ReplicaWorld world, SnapshotScratch scratch)
    {
        if (!reader.ReadBool())
            return !reader.Failed;
        int count = (int)reader.Read(6) + 1;
        int previous = -1;
        for (int i = 0; i < count; i++)
        {
            if (!DensityCodec.TryRead(ref reader, previous, world.CellCount, out int cell, out int movers))
                return false;
            scratch.Density[scratch.DensityCount++] = new DensityCell(cell, movers);
            previous = cell;
        }

        return true;
    }

    private static SnapshotResult ReadOperations(ref BitReader reader, ref readonly SnapshotHeader header, ReplicaWorld world, SnapshotScratch scratch, ref uint check)
    {
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            int count = SlotCodec.ReadCount(ref reader, out int order);
            int slot = SlotCodec.FirstOf(list) - 1;
            for (int i = 0; i < count; i++)
            {
                if (!SlotCodec.TryRead(ref reader, list, slot, order, out slot, out SlotOperation operation))
                    return SnapshotResult.Malformed;
                SnapshotResult result = ReadOperation(ref reader, slot, operation, in header, world, scratch, ref check);
                if (result != SnapshotResult.Applied)
                    return result;
            }
        }

        return reader.Failed ? SnapshotResult.Malformed : SnapshotResult.Applied;
    }

    private static SnapshotResult ReadOperation(
        ref BitReader reader, int slot, SlotOperation operation, ref readonly SnapshotHeader header, ReplicaWorld world, SnapshotScratch scratch, ref uint check)
    {
        ref StagedOperation staged = ref scratch.Add();
        staged.Slot = slot;
        staged.Operation = operation;
        staged.Occupant = world.Slots.Living(slot);
        return operation switch
        {
            SlotOperation.Update => ReadUpdate(ref reader, in header, world, scratch.Texts, ref staged, ref check),
            SlotOperation.Enter => ReadEnter(ref reader, in header, world, scratch.Texts, ref staged, ref check),
            SlotOperation.Absolute => ReadAbsolute(ref reader, in header, world.Slots, scratch.Texts, ref staged),
            _ => SnapshotResult.Applied, // Leave and Destroy of an empty slot: heard of before, nothing to do.
        };
    }

    private static SnapshotResult ReadUpdate(
        ref BitReader reader, ref readonly SnapshotHeader header, ReplicaWorld world, StagedTexts texts, ref StagedOperation staged, ref uint check)
    {
        ReplicaSlots slots = world.Slots;
        if (!header.HasBaseline || staged.Occupant == ReplicaSlots.None)
            return SnapshotResult.NoBaseline;
        ref ReplicaSlots.Occupant occupant = ref slots[staged.Occupant];
        int version = slots.VersionAsOf(staged.Occupant, header.Baseline);
        if (version < 0)
            return SnapshotResult.NoBaseline;
        staged.Id = occupant.Id;
        staged.Kind = occupant.Kind;
        staged.Audience = slots.Audience(staged.Occupant, version);
        return ReadDelta(ref reader, header.Tick, slots.Record(staged.Occupant, version), slots.T0(staged.Occupant, version), texts, ref staged, ref check);
    }

    private static SnapshotResult ReadEnter(
        ref BitReader reader, ref readonly SnapshotHeader header, ReplicaWorld world, StagedTexts texts, ref StagedOperation staged, ref uint check)
    {
        staged.Id = new EntityId((uint)reader.Read(32));
        bool onKept = reader.ReadBool();
        if (reader.Failed || staged.Id == EntityId.None || world.Slots.IsFull)
            return SnapshotResult.Malformed;
        if (!onKept)
        {
            int kindIndex = (int)reader.Read(world.Map.Server.KindBits);
            if (kindIndex >= world.Map.Server.Kinds.Length)
                return SnapshotResult.Malformed;
            staged.Kind = world.Map.Server.Kinds[kindIndex];
            return ReadWhole(ref reader, header.Tick, texts, ref staged);
        }

        KeptEntities kept = world.Kept;
        int index = kept.Find(staged.Id, header.Tick);
        if (index < 0)
            return SnapshotResult.NoBaseline;
        staged.Kind = kept.Kind(index);
        staged.Audience = kept.Audience(index);
        return ReadDelta(ref reader, header.Tick, kept.Record(index), kept.T0(index), texts, ref staged, ref check);
    }

    private static SnapshotResult ReadAbsolute(ref BitReader reader, ref readonly SnapshotHeader header, ReplicaSlots slots, StagedTexts texts, ref StagedOperation staged)
    {
        if (staged.Occupant == ReplicaSlots.None)
            return SnapshotResult.NoBaseline;
        ref ReplicaSlots.Occupant occupant = ref slots[staged.Occupant];
        staged.Id = occupant.Id;
        staged.Kind = occupant.Kind;
        return ReadWhole(ref reader, header.Tick, texts, ref staged);
    }

    private static SnapshotResult ReadWhole(ref BitReader reader, Tick packetTick, StagedTexts texts, ref StagedOperation staged)
    {
        Kind kind = staged.Kind!;
        Span<ulong> record = StagedOperation.RecordOf(ref staged);
        staged.IsAbsolute = true;
        staged.T0 = packetTick;
        staged.Audience = (int)reader.Read(2);
        if (kind.HasMotion)
        {
            if (!EntityCodec.TryReadMotion(ref reader, kind, packetTick, out record[0], out staged.T0))
                return SnapshotResult.Malformed;
            (staged.StepCount, staged.Gap) = (1, true);
            (staged.StepWords[0], staged.StepTicks[0]) = (record[0], staged.T0);
        }

        staged.Groups = VisibleGroups(kind, staged.Audience);
        return ReadGroups(ref reader, kind, staged.Groups, record[..kind.WordCount], texts);
    }

    private static SnapshotResult ReadDelta(
        ref BitReader reader, Tick packetTick, ReadOnlySpan<ulong> baseline, Tick baselineT0, StagedTexts texts, ref StagedOperation staged, ref uint check)
    {
        Kind kind = staged.Kind!;
        check += EntityCodec.CheckShare(staged.Id, EntityCodec.ContentHash(kind, baseline, baselineT0));
        Span<ulong> record = StagedOperation.RecordOf(ref staged);
        baseline.CopyTo(record);
        staged.T0 = baselineT0;
        if (kind.HasMotion && !TryReadSteps(ref reader, packetTick, ref staged))
            return SnapshotResult.Malformed;
        staged.Groups = EntityCodec.ReadGroupMask(ref reader, VisibleGroups(kind, staged.Audience));
        return ReadGroups(ref reader, kind, staged.Groups, record[..kind.WordCount], texts);
    }

    private static bool TryReadSteps(ref BitReader reader, Tick packetTick, ref StagedOperation staged)
    {
        Kind kind = staged.Kind!;
        staged.StepCount = EntityCodec.ReadStepCount(ref reader, out staged.Gap);
        for (int i = 0; i < staged.StepCount; i++)
        {
            bool read = i == 0 && staged.Gap
                ? EntityCodec.TryReadMotion(ref reader, kind, packetTick, out ulong word, out Tick t0)
                : EntityCodec.TryReadStep(ref reader, kind, packetTick, staged.Record[0], staged.T0, out word, out t0);
            // No honest step lies in the future: it would be drawn as the truth when its time comes.
            if (!read || t0 > packetTick)
                return false;
            (staged.Record[0], staged.T0) = (word, t0);
            (staged.StepWords[i], staged.StepTicks[i]) = (word, t0);
        }

        return !reader.Failed;
    }

    private static SnapshotResult ReadGroups(ref BitReader reader, Kind kind, int groups, Span<ulong> record, StagedTexts texts)
    {
        for (int group = 0; groups != 0; group++, groups >>= 1)
        {
            if ((groups & 1) != 0 && !EntityCodec.TryReadGroup(ref reader, kind.Groups[group], record, texts))
                return SnapshotResult.Malformed;
        }

        return reader.Failed ? SnapshotResult.Malformed : SnapshotResult.Applied;
    }

    // The slots in turn, a thirty-second of them a packet, as both ends must agree that they were as of B.
    private static bool TryAddShare(ref readonly SnapshotHeader header, SequenceNumber sequence, ReplicaSlots slots, ref uint check)
    {
        if (!header.HasBaseline)
            return true;
        for (int slot = (int)(sequence.Value % ShareSlots); slot < SlotCodec.SlotsMax; slot += ShareSlots)
        {
            int occupant = slots.AsOf(slot, header.Baseline);
            if (occupant == ReplicaSlots.None)
                continue;
            int version = slots.VersionAsOf(occupant, header.Baseline);
            if (version < 0)
                return false;
            uint hash = EntityCodec.ContentHash(slots[occupant].Kind!, slots.Record(occupant, version), slots.T0(occupant, version));
            check += EntityCodec.CheckShare(slots[occupant].Id, hash);
        }

        return true;
    }

    private static int VisibleGroups(Kind kind, int audience) => kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
}
