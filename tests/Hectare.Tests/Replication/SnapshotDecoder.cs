using Hectare.Protocol;

namespace Hectare.Tests.Replication;

/// <summary>Reads snapshots as docs/wire-format.md says, with dictionaries and lists: slow, plain, and written apart from the client.</summary>
internal sealed class SnapshotDecoder(Schema schema, int cellCount, Tick near, long nearDueTime, bool keepsMoved)
{
    private readonly Dictionary<int, List<Occupant>> _slots = [];
    private readonly Dictionary<uint, Kept> _kept = [];
    private readonly HashSet<uint> _accepted = [];
    private readonly TextTable _texts = new();
    private Tick _near = near;
    private long _nearDueTime = nearDueTime;

    public enum Result
    {
        Accepted,
        Late,
        Malformed,
        NoBaseline,
        CheckDiffers,
    }

    public SequenceNumber Newest { get; private set; }

    public bool HasNewest { get; private set; }

    public SnapshotHeader LastHeader { get; private set; }

    public TextTable Texts => _texts;

    public Dictionary<int, (int Count, Tick Tick)> Densities { get; } = [];

    /// <summary>What the last accepted snapshot said: operation, entity, and the version it led to.</summary>
    public List<(SlotOperation Operation, int Slot, Occupant Of)> LastOperations { get; } = [];

    /// <summary>Entities shown now, by id.</summary>
    public Dictionary<uint, Occupant> Shown()
    {
        Dictionary<uint, Occupant> shown = [];
        foreach (List<Occupant> occupants in _slots.Values)
        {
            if (occupants.Count > 0 && occupants[^1] is { LeftAt: null, Moved: false } living)
                shown.Add(living.Id, living);
        }

        return shown;
    }

    public uint AckBits()
    {
        uint bits = 0;
        for (int i = 0; i < 32; i++)
            bits |= _accepted.Contains(Newest.Value - 1 - (uint)i) ? 1u << i : 0;
        return bits;
    }

    /// <summary>A packet that carries no snapshot.</summary>
    public Result AcceptEmpty(SequenceNumber sequence)
    {
        if (HasNewest && sequence <= Newest)
            return Result.Late;
        Take(sequence);
        return Result.Accepted;
    }

    public Result Accept(SequenceNumber sequence, ReadOnlySpan<byte> tail)
    {
        if (HasNewest && sequence <= Newest)
            return Result.Late;
        var reader = new BitReader(tail);
        if (!SnapshotHeader.TryRead(ref reader, sequence, _near, _nearDueTime, out SnapshotHeader header))
            return Result.Malformed;
        List<(int Cell, int Count)> densities = [];
        if (!ReadDensities(ref reader, densities))
            return Result.Malformed;
        List<Staged> staged = [];
        uint sum = 0;
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            int count = SlotCodec.ReadCount(ref reader, out int order);
            int previous = list == 0 ? -1 : 127;
            for (int i = 0; i < count; i++)
            {
                if (!SlotCodec.TryRead(ref reader, list, previous, order, out int slot, out SlotOperation operation))
                    return Result.Malformed;
                previous = slot;
                Result read = ReadBody(ref reader, in header, slot, operation, staged, ref sum);
                if (read != Result.Accepted)
                    return read;
            }
        }

        if (reader.Failed || reader.RemainingBits >= 8 || (reader.RemainingBits > 0 && reader.Read(reader.RemainingBits) != 0))
            return Result.Malformed;
        if (header.HasShare)
            sum += Share(sequence, header.Baseline);
        if ((ushort)(sum ^ (sum >> 16)) != header.Check)
            return Result.CheckDiffers;
        Take(sequence);
        (_near, _nearDueTime, LastHeader) = (header.Tick, header.DueTime, header);
        foreach ((int cell, int count) in densities)
            Densities[cell] = (count, header.Tick);
        LastOperations.Clear();
        foreach (Staged one in staged)
            Apply(one, sequence, header.Tick);
        if (header.HasBaseline)
        {
            foreach (List<Occupant> occupants in _slots.Values)
                occupants.RemoveAll(one => one.LeftAt is { } left && left <= header.Baseline);
        }

        return Result.Accepted;
    }

    private bool ReadDensities(ref BitReader reader, List<(int Cell, int Count)> densities)
    {
        if (!reader.ReadBool())
            return true;
        int cells = (int)reader.Read(6) + 1, previous = -1;
        for (int i = 0; i < cells; i++)
        {
            if (!DensityCodec.TryRead(ref reader, previous, cellCount, out int cell, out int count))
                return false;
            densities.Add((cell, count));
            previous = cell;
        }

        return true;
    }

    private Result ReadBody(ref BitReader reader, in SnapshotHeader header, int slot, SlotOperation operation, List<Staged> staged, ref uint sum)
    {
        Occupant? living = Living(slot);
        uint id = living?.Id ?? 0;
        Kind? kind = living?.Kind;
        Version? baseline = null;
        switch (operation)
        {
            case SlotOperation.Leave or SlotOperation.Destroy:
                staged.Add(new Staged(operation, slot, id, kind, null));
                return Result.Accepted;
            case SlotOperation.Update:
                if (!header.HasBaseline || AsOf(slot, header.Baseline) is not { } held || held.Of != living)
                    return Result.NoBaseline;
                baseline = held.Version;
                break;
            case SlotOperation.Enter:
                id = (uint)reader.Read(32);
                if (reader.ReadBool())
                {
                    if (!_kept.TryGetValue(id, out Kept? kept) || header.Tick - kept.Tick > 30 * 30)
                        return Result.NoBaseline;
                    (kind, baseline) = (kept.Kind, kept.Version);
                    break;
                }

                int index = (int)reader.Read(schema.KindBits);
                if (index >= schema.Kinds.Length)
                    return Result.Malformed;
                kind = schema.Kinds[index];
                break;
            default:
                if (living is null)
                    return Result.NoBaseline;
                break;
        }

        if (baseline is not null)
            sum += EntityCodec.CheckShare(new EntityId(id), EntityCodec.ContentHash(kind!, baseline.Words, baseline.T0));
        Version? version = baseline is null ? ReadAbsolute(ref reader, kind!, header.Tick) : ReadDelta(ref reader, kind!, header.Tick, baseline);
        if (version is null || reader.Failed)
            return Result.Malformed;
        staged.Add(new Staged(operation, slot, id, kind, version));
        return Result.Accepted;
    }

    private Version? ReadAbsolute(ref BitReader reader, Kind kind, Tick tick)
    {
        int audience = (int)reader.Read(2);
        ulong[] words = new ulong[kind.WordCount];
        Tick t0 = tick;
        if (kind.HasMotion && !EntityCodec.TryReadMotion(ref reader, kind, tick, out words[0], out t0))
            return null;
        return ReadGroups(ref reader, kind, kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0), words) ? new Version(words, t0, audience) : null;
    }

    private Version? ReadDelta(ref BitReader reader, Kind kind, Tick tick, Version baseline)
    {
        ulong[] words = [.. baseline.Words];
        Tick t0 = baseline.T0;
        if (kind.HasMotion)
        {
            int steps = EntityCodec.ReadStepCount(ref reader, out bool gap);
            for (int i = 0; i < steps; i++)
            {
                ulong word;
                bool read = gap && i == 0
                    ? EntityCodec.TryReadMotion(ref reader, kind, tick, out word, out t0)
                    : EntityCodec.TryReadStep(ref reader, kind, tick, words[0], t0, out word, out t0);
                if (!read)
                    return null;
                words[0] = word;
            }
        }

        int visible = kind.VisibleGroups((baseline.Audience & 1) != 0, (baseline.Audience & 2) != 0);
        return ReadGroups(ref reader, kind, EntityCodec.ReadGroupMask(ref reader, visible), words) ? new Version(words, t0, baseline.Audience) : null;
    }

    private bool ReadGroups(ref BitReader reader, Kind kind, int groups, ulong[] words)
    {
        for (int i = 0; i < kind.Groups.Length; i++)
        {
            if ((groups >> i & 1) != 0 && !EntityCodec.TryReadGroup(ref reader, kind.Groups[i], words, _texts))
                return false;
        }

        return true;
    }

    private uint Share(SequenceNumber sequence, SequenceNumber baseline)
    {
        uint sum = 0;
        for (int slot = (int)(sequence.Value & 31); slot < SlotCodec.SlotsMax; slot += 32)
        {
            if (AsOf(slot, baseline) is { } held)
                sum += EntityCodec.CheckShare(new EntityId(held.Of.Id), EntityCodec.ContentHash(held.Of.Kind, held.Version.Words, held.Version.T0));
        }

        return sum;
    }

    private void Apply(Staged one, SequenceNumber sequence, Tick tick)
    {
        Occupant? living = Living(one.Slot);
        switch (one.Operation)
        {
            case SlotOperation.Leave or SlotOperation.Destroy:
                if (living is null)
                    return;
                living.LeftAt = sequence;
                if (one.Operation == SlotOperation.Leave && (keepsMoved || !living.Moved))
                    Keep(living, tick);
                break;
            case SlotOperation.Enter when living is null || living.Id != one.Id:
                Assert.True(living is null, $"slot {one.Slot} is entered by {one.Id} while {living?.Id} lives in it");
                foreach (List<Occupant> others in _slots.Values)
                {
                    if (others.Count > 0 && others[^1].LeftAt is null && others[^1].Id == one.Id)
                        others[^1].Moved = true;
                }

                living = new Occupant(one.Id, one.Kind!, sequence);
                living.Versions.Add(one.Version! with { First = sequence });
                if (!_slots.TryGetValue(one.Slot, out List<Occupant>? list))
                    _slots[one.Slot] = list = [];
                list.Add(living);
                break;
            default:
                Add(living!, one.Version! with { First = sequence });
                break;
        }

        LastOperations.Add((one.Operation, one.Slot, living!));
    }

    private void Keep(Occupant living, Tick tick)
    {
        _kept[living.Id] = new Kept(living.Kind, living.Versions[^1], tick);
        if (_kept.Count > 1024)
            _kept.Remove(_kept.MinBy(pair => (int)(pair.Value.Tick.Value - tick.Value)).Key);
    }

    private static void Add(Occupant living, Version version)
    {
        Version newest = living.Versions[^1];
        bool isMoving = living.Kind.HasMotion && !Motion.IsRest(version.Words[0]);
        if (newest.Words.AsSpan().SequenceEqual(version.Words) && newest.Audience == version.Audience && (!isMoving || newest.T0 == version.T0))
            return;
        living.Versions.Add(version);
        if (living.Versions.Count > 16)
            living.Versions.RemoveAt(0);
    }

    /// <summary>What is in a slot now.</summary>
    public Occupant? Living(int slot) => _slots.TryGetValue(slot, out List<Occupant>? list) && list.Count > 0 && list[^1].LeftAt is null ? list[^1] : null;

    /// <summary>What was kept of an entity that left.</summary>
    public (Kind Kind, Version Version)? KeptOf(uint id) => _kept.TryGetValue(id, out Kept? kept) ? (kept.Kind, kept.Version) : null;

    /// <summary>What a slot held when a packet had been accepted.</summary>
    public (Occupant Of, Version Version)? AsOf(int slot, SequenceNumber baseline)
    {
        if (!_slots.TryGetValue(slot, out List<Occupant>? list))
            return null;
        foreach (Occupant one in list)
        {
            if (one.EnteredAt > baseline || (one.LeftAt is { } left && left <= baseline))
                continue;
            Version? version = one.Versions.FindLast(held => held.First <= baseline);
            if (version is not null)
                return (one, version);
        }

        return null;
    }

    private void Take(SequenceNumber sequence)
    {
        (Newest, HasNewest) = (sequence, true);
        _accepted.Add(sequence.Value);
        _accepted.Remove(sequence.Value - 64);
    }

    internal sealed record Version(ulong[] Words, Tick T0, int Audience)
    {
        public SequenceNumber First { get; init; }
    }

    internal sealed class Occupant(uint id, Kind kind, SequenceNumber enteredAt)
    {
        public uint Id => id;

        public Kind Kind => kind;

        public SequenceNumber EnteredAt => enteredAt;

        public SequenceNumber? LeftAt { get; set; }

        public bool Moved { get; set; }

        public List<Version> Versions { get; } = [];

        public Version Newest => Versions[^1];
    }

    private sealed record Kept(Kind Kind, Version Version, Tick Tick);

    private sealed record Staged(SlotOperation Operation, int Slot, uint Id, Kind? Kind, Version? Version);
}
