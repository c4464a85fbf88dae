using Hectare.Protocol;

namespace Hectare.Client;

// How a believed packet becomes versions, paths and events. Nothing here can fail: everything was checked while it was staged.
public sealed partial class ReplicaWorld
{
    private const int None = -1;
    private const int OwnerBit = 1;

    /// <summary>Entities that may fade out at a time; beyond that the oldest of them is gone at once.</summary>
    private const int FadingMax = 1024;

    /// <summary>Beyond that many crowded cells the forgotten ones are swept.</summary>
    private const int DensityCellsMax = 1024;

    private readonly Dictionary<int, (int Count, Tick Tick)> _density = [];

    /// <summary>Movers of a crowded cell beyond those told of one by one; 0 when it is not crowded, or was not told of for 3 s.</summary>
    public int Density(int cell)
        => _density.TryGetValue(cell, out (int Count, Tick Tick) told) && NewestTick - told.Tick <= TicksOf(DensityNs) ? told.Count : 0;

    /// <summary>The crowded cells, as many as fit; gives how many.</summary>
    public int CopyDensities(Span<DensityCell> cells)
    {
        int count = 0;
        foreach (KeyValuePair<int, (int Count, Tick Tick)> told in _density)
        {
            if (count < cells.Length && NewestTick - told.Value.Tick <= TicksOf(DensityNs))
                cells[count++] = new DensityCell(told.Key, told.Value.Count);
        }

        return count;
    }

    internal void Apply(ref readonly SnapshotHeader header, SequenceNumber sequence, SnapshotScratch scratch)
    {
        // Where a gap's line starts: what the last packet told of was true at its tick.
        Tick previousTick = HasSnapshot ? NewestTick : header.Tick;
        (HasSnapshot, NewestTick, NewestDueTime, NewestSequence) = (true, header.Tick, header.DueTime, sequence);
        _packets[_packetCount++ & (PacketsRemembered - 1)] = (sequence, header.Tick);
        if (double.IsNaN(PresentationTick))
            _shownSequence = sequence;
        MoveLimit(in header);
        ApplyTexts(scratch.Texts);
        ApplyDensity(scratch.Density.AsSpan(0, scratch.DensityCount));
        Span<StagedOperation> operations = scratch.Operations.AsSpan(0, scratch.OperationCount);
        foreach (ref StagedOperation staged in operations)
        {
            if (staged.Operation == SlotOperation.Enter)
                ApplyEnter(ref staged, previousTick);
            else if (staged.Kind is not null)
                ApplyVersion(staged.Occupant, ref staged, previousTick);
        }

        // After the enters: an entity that comes back through a new slot in the packet of its leave has moved, not left.
        foreach (ref StagedOperation staged in operations)
        {
            if (staged.Operation is SlotOperation.Leave or SlotOperation.Destroy)
                ApplyLeave(staged.Slot, destroyed: staged.Operation == SlotOperation.Destroy);
        }

        if (header.HasBaseline)
            Slots.PassBaseline(header.Baseline);
    }

    private void ApplyEnter(ref StagedOperation staged, Tick previousTick)
    {
        int living = Slots.Living(staged.Slot);
        if (living != None && Slots[living].Id == staged.Id && Slots[living].Kind == staged.Kind)
        {
            ApplyVersion(living, ref staged, previousTick);
            return;
        }

        // An honest server empties a slot before it fills it again; whoever still lived there is gone.
        if (living != None)
            ApplyLeave(staged.Slot, destroyed: false);
        int occupant = Slots.Enter(staged.Slot, staged.Id, staged.Kind!, NewestSequence);
        int index = _index.GetValueOrDefault(staged.Id.Value, None);
        if (index != None && View(in _entities[index]).Server != staged.Kind)
        {
            Replace(index);
            index = None;
        }

        bool isNew = index == None || _entities[index].Leaving;
        DrawnMotion? before = index != None && !double.IsNaN(DrawnTick) ? PlaceNow(in _entities[index]) : null;
        if (index == None)
            index = AddEntity(staged.Id, staged.Kind!.Index, in staged);
        else
            Return(index);
        ref EntityState entity = ref _entities[index];
        entity.Occupant = occupant;
        Slots[occupant].Entity = index;
        Slots.AddVersion(occupant, Record(ref staged), staged.T0, staged.Audience, NewestSequence, _shownSequence);
        AddToTimelines(ref entity, ref staged, previousTick, teleported: false);
        CoverChange(ref entity, before, teleported: false);
        if (isNew)
        {
            Count++;
            entity.Audience = (byte)staged.Audience;
            Tell(ReplicaEventKind.Entered, in entity, groups: 0);
        }
        else
        {
            SetAudience(ref entity, staged.Audience);
        }
    }

    private void ApplyVersion(int occupant, ref StagedOperation staged, Tick previousTick)
    {
        int newest = Slots[occupant].Count - 1;
        ReadOnlySpan<ulong> known = Slots.Record(occupant, newest);
        ReadOnlySpan<ulong> record = Record(ref staged);
        int changed = 0;
        for (int rest = staged.Groups, group = 0; rest != 0; rest >>= 1, group++)
            changed |= (rest & 1) != 0 && staged.Kind!.Groups[group].Differs(known, record) ? 1 << group : 0;
        int index = Slots[occupant].Entity;
        if (index == None)
        {
            // It lives in another slot already; this one only keeps count until its leave.
            Slots.AddVersion(occupant, record, staged.T0, staged.Audience, NewestSequence, _shownSequence);
            return;
        }

        ref EntityState entity = ref _entities[index];
        Field? teleports = View(in entity).Teleports;
        bool teleported = teleports is not null && teleports.Get(known) != teleports.Get(record);
        DrawnMotion? before = double.IsNaN(DrawnTick) ? null : PlaceNow(in entity);
        Slots.AddVersion(occupant, record, staged.T0, staged.Audience, NewestSequence, _shownSequence);
        AddToTimelines(ref entity, ref staged, previousTick, teleported);
        CoverChange(ref entity, before, teleported);
        if (staged.IsAbsolute)
            SetAudience(ref entity, staged.Audience);
        if (changed != 0)
            Tell(ReplicaEventKind.Changed, in entity, View(in entity).OwnGroups(changed));
    }

    private void ApplyLeave(int slot, bool destroyed)
    {
        int occupant = Slots.Living(slot);
        if (occupant == None)
            return;
        ref ReplicaSlots.Occupant one = ref Slots[occupant];
        int newest = one.Count - 1;
        if (!destroyed)
            Kept.Keep(one.Id, one.Kind!, Slots.Record(occupant, newest), Slots.T0(occupant, newest), Slots.Audience(occupant, newest), NewestTick);
        int index = one.Entity;
        if (index != None)
        {
            Detach(index);
            ref EntityState entity = ref _entities[index];
            (entity.Leaving, entity.LeaveTick) = (true, NewestTick);
            if (_fading.Count >= FadingMax)
            {
                RemoveEntity(_fading[0]);
                _fading.RemoveAt(0);
            }

            _fading.Add(index);
            Tell(destroyed ? ReplicaEventKind.Destroyed : ReplicaEventKind.Left, in entity, groups: 0);
        }

        Slots.End(slot, NewestSequence);
    }

    // A living entity loses its slot: its last record stays with it while it fades.
    private void Detach(int index)
    {
        ref EntityState entity = ref _entities[index];
        if (entity.Occupant == None)
            return;
        int words = View(in entity).Server.WordCount;
        entity.FinalBlock = _pool.Take(words);
        NewestRecord(in entity).CopyTo(_pool.Words(entity.FinalBlock, words));
        Slots[entity.Occupant].Entity = None;
        entity.Occupant = None;
        Count--;
    }

    // An id under another kind: no honest server does it; the old one is gone at once.
    private void Replace(int index)
    {
        if (_entities[index].Leaving)
            _fading.Remove(index);
        else
            Tell(ReplicaEventKind.Destroyed, in _entities[index], groups: 0);
        Detach(index);
        RemoveEntity(index);
    }

    // An entity that is known comes through another slot: it has moved, or it comes back while it fades.
    private void Return(int index)
    {
        ref EntityState entity = ref _entities[index];
        if (!entity.Leaving)
        {
            Slots[entity.Occupant].Entity = None;
            return;
        }

        _fading.Remove(index);
        if (!double.IsNaN(PresentationTick))
            entity.VisibleFrom = new Tick((uint)(long)Math.Floor(PresentationTick - (FadeOut(in entity) * FadeIn(in entity) * FadeNs / Zone.TickLengthNs)));
        _pool.Free(entity.FinalBlock, View(in entity).Server.WordCount);
        // What it did meanwhile is not known: no line leads from there to here, the error's slide or fade does.
        ClearTimelines(ref entity);
        (entity.Leaving, entity.FinalBlock) = (false, WordPool.None);
    }

    // Every motion version on the wire takes its place on the path; a packet's sampled groups are a sample at its tick.
    private void AddToTimelines(ref EntityState entity, ref StagedOperation staged, Tick previousTick, bool teleported)
    {
        bool gap = staged.Gap;
        for (int i = 0; i < staged.StepCount; i++)
        {
            // A rest behind a gap has no T0 of its own; the step that follows it leads away from the same place.
            bool superseded = gap && i + 1 < staged.StepCount && Motion.IsRest(staged.StepWords[i]);
            if (superseded)
                continue;
            var knot = new MotionKnot(staged.StepWords[i], staged.StepTicks[i], afterGap: gap && !teleported, previousTick, jump: gap && teleported);
            _timelines.Insert(ref entity.Knots, in knot, DrawnTick);
            gap = false;
        }

        if (entity.Knots.Count == 0 && staged.Kind!.HasMotion)
            _timelines.Insert(ref entity.Knots, new MotionKnot(staged.Record[0], staged.T0), DrawnTick);
        if ((staged.Groups & View(in entity).SampledGroups) != 0)
            AddSample(ref entity, Record(ref staged), previousTick, teleported);
    }

    private void AddSample(ref EntityState entity, ReadOnlySpan<ulong> record, Tick previousTick, bool teleported)
    {
        Tick tick = NewestTick, lineFrom = tick;
        int count = entity.Samples.Count;
        int spacing = _slotIntervalTicks;
        if (count > 0)
        {
            // The class shows in the spacing: the smaller of the last two, since a thing at rest sends nothing.
            Tick last = _timelines.SampleTick(in entity.Samples, count - 1, record.Length);
            if (count > 1)
                spacing = Math.Clamp(Math.Min(tick - last, last - _timelines.SampleTick(in entity.Samples, count - 2, record.Length)), spacing, Math.Max(spacing, _sampleDelayTicksMax));
            // After a rest the line starts late: as of the last packet, or of its class's last turn, nothing had changed.
            Tick unchanged = tick - Math.Max(spacing, tick - previousTick);
            lineFrom = teleported ? tick : unchanged > last ? unchanged : last;
        }

        double delay = SampleDelay(in entity);
        (entity.SampleDelayStart, entity.SampleDelayTarget, entity.SampleDelayNs) = ((float)delay, spacing - _slotIntervalTicks, _frameNs);
        _timelines.AddSample(ref entity.Samples, record, tick, lineFrom, DrawnTick - delay);
    }

    // What was drawn stays where it was, for now: the difference decays. A teleport that is due is shown as one.
    private void CoverChange(ref EntityState entity, DrawnMotion? before, bool teleported)
    {
        if (before is not DrawnMotion drawn || FadeIn(in entity) <= 0)
        {
            entity.Error.Clear();
            return;
        }

        DrawnMotion now = PlaceNow(in entity);
        if (now.X == drawn.X && now.Y == drawn.Y)
            return;
        if (teleported)
            entity.Error.Clear();
        else
            entity.Error.Add(drawn.X - now.X, drawn.Y - now.Y, _frameNs);
    }

    // The limit of extrapolation moves on; had it been reached, everything that moves comes back by its offset.
    private void MoveLimit(ref readonly SnapshotHeader header)
    {
        double before = DrawnTick;
        _limitTick = header.Tick + Zone.IntervalTicks(header.IntervalCode) + TicksOf(ExtrapolationNs);
        DrawnTick = EasedTick();
        if (double.IsNaN(before) || before == DrawnTick)
            return;
        for (int index = 0; index < _entityLimit; index++)
        {
            ref EntityState entity = ref _entities[index];
            if (entity.Id == 0)
                continue;
            double delay = SampleDelay(in entity);
            DrawnMotion drawn = PlaceAt(in entity, before, before - delay);
            DrawnMotion now = PlaceAt(in entity, DrawnTick, DrawnTick - delay);
            if (drawn.X != now.X || drawn.Y != now.Y)
                entity.Error.Add(drawn.X - now.X, drawn.Y - now.Y, _frameNs);
        }
    }

    private void SetAudience(ref EntityState entity, int audience)
    {
        bool ownerChanged = ((entity.Audience ^ audience) & OwnerBit) != 0;
        entity.Audience = (byte)audience;
        if (ownerChanged)
            Tell(ReplicaEventKind.OwnerChanged, in entity, groups: 0);
    }

    private void Tell(ReplicaEventKind kind, ref readonly EntityState entity, int groups)
    {
        bool hidden = View(in entity).Own is null || (kind == ReplicaEventKind.Changed && groups == 0);
        if (!hidden)
            _events.Add(new ReplicaEvent(kind, new EntityId(entity.Id), groups, (entity.Audience & OwnerBit) != 0, NewestTick));
    }

    private int AddEntity(EntityId id, int kindIndex, ref readonly StagedOperation staged)
    {
        int index = _freeEntity;
        if (index != None)
        {
            _freeEntity = _entities[index].Occupant;
        }
        else
        {
            if (_entityLimit == _entities.Length)
                Array.Resize(ref _entities, Math.Max(64, _entities.Length + (_entities.Length / 2)));
            index = _entityLimit++;
        }

        _entities[index] = new EntityState { Id = id.Value, Kind = (byte)kindIndex, Occupant = None, FinalBlock = WordPool.None, VisibleFrom = FirstSeen(in staged) };
        _index.Add(id.Value, index);
        return index;
    }

    // A mover is known from its T0 on (one at rest from its packet on); what stands may be seen at once.
    private Tick FirstSeen(ref readonly StagedOperation staged)
    {
        Tick known = staged.Kind!.HasMotion ? staged.T0 : NewestTick - (_slotIntervalTicks * SlotCodec.SlotsMax);
        if (double.IsNaN(PresentationTick))
            return known;
        var shown = new Tick((uint)(long)Math.Floor(PresentationTick));
        return known > shown ? known : shown;
    }

    private void RemoveEntity(int index)
    {
        ref EntityState entity = ref _entities[index];
        ClearTimelines(ref entity);
        if (entity.FinalBlock != WordPool.None)
            _pool.Free(entity.FinalBlock, View(in entity).Server.WordCount);
        _index.Remove(entity.Id);
        entity = new EntityState { Occupant = _freeEntity };
        _freeEntity = index;
    }

    private void ClearTimelines(ref EntityState entity)
    {
        _timelines.ClearKnots(ref entity.Knots);
        _timelines.Clear(ref entity.Samples, View(in entity).Server.WordCount + 1);
    }

    private void ApplyDensity(ReadOnlySpan<DensityCell> cells)
    {
        if (_density.Count > DensityCellsMax)
            DropOldDensities();
        foreach (DensityCell cell in cells)
        {
            if (cell.Count == 0)
                _density.Remove(cell.Cell);
            else
                _density[cell.Cell] = (cell.Count, NewestTick);
        }
    }

    // (Removing inside the loop is allowed, and does not allocate.)
    private void DropOldDensities()
    {
        foreach (KeyValuePair<int, (int Count, Tick Tick)> told in _density)
        {
            if (NewestTick - told.Value.Tick > TicksOf(DensityNs))
                _density.Remove(told.Key);
        }
    }

    // Bounded: when the table is full it is made anew from what living entities still say.
    private void ApplyTexts(StagedTexts staged)
    {
        if (_texts.Count + SlotCodec.SlotsMax > TextsMax)
        {
            TextTable old = _texts;
            _texts = new TextTable(TextsMax);
            for (int index = 0; index < _entityLimit; index++)
            {
                if (_entities[index].Id != 0)
                    CopyTexts(index, old);
            }
        }

        staged.Commit(_texts);
    }

    private void CopyTexts(int index, TextTable from)
    {
        ReadOnlySpan<ulong> record = NewestRecord(in _entities[index]);
        foreach (Field field in View(in _entities[index]).Server.Fields)
        {
            if (field.Type == FieldType.Text)
                _texts.Add(from.Find(field.Get(record)));
        }
    }

    private static ReadOnlySpan<ulong> Record(ref StagedOperation staged) => ((ReadOnlySpan<ulong>)staged.Record)[..staged.Kind!.WordCount];

    /// <summary>One entity as it is drawn. Its versions are with its slot (<see cref="ReplicaSlots"/>).</summary>
    private struct EntityState
    {
        /// <summary>0 in a free entry.</summary>
        public uint Id;

        /// <summary>Index of the server's kind.</summary>
        public byte Kind;

        /// <summary>What we are to it.</summary>
        public byte Audience;

        /// <summary>It fades out.</summary>
        public bool Leaving;

        /// <summary>Its versions; None while it fades; the next free entry in a free one.</summary>
        public int Occupant;

        /// <summary>Its last record while it fades.</summary>
        public int FinalBlock;

        /// <summary>Its published motion.</summary>
        public Timeline Knots;

        /// <summary>Its sampled groups.</summary>
        public Timeline Samples;

        /// <summary>Presentation tick at which it begins to fade in.</summary>
        public Tick VisibleFrom;

        /// <summary>Presentation tick at which it begins to fade out.</summary>
        public Tick LeaveTick;

        /// <summary>Sample delay at <see cref="SampleDelayNs"/>, ticks beyond the presentation's.</summary>
        public float SampleDelayStart;

        /// <summary>Where the sample delay goes.</summary>
        public float SampleDelayTarget;

        /// <summary>When it set out.</summary>
        public long SampleDelayNs;

        /// <summary>The difference between what was drawn and what is known.</summary>
        public VisualError Error;
    }
}
