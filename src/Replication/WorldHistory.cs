using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>
/// The last 16 published versions of every entity, shared by all peers: the baselines. Once a tick the dirty rows are compared with what every
/// client already extrapolates; only what departs from it becomes a version, and only here is anything encoded.
/// </summary>
/// <remarks>
/// One writer, the tick thread, in the publish phase; frozen while peers are written (docs/architecture.md, Threads).
/// A motion version starts where the old one left off: at the tick before the departure, with the displacement that departed. So its residual is
/// nearly always zero, and the corner of a turn is drawn at the tick at which it was walked (docs/decisions/0003).
/// </remarks>
public sealed class WorldHistory
{
    /// <summary>Versions kept of each entity.</summary>
    public const int Depth = 16;

    /// <summary>A moving version is published again after so many ticks, so that ten bits of its T0 always suffice.</summary>
    public const int RepublishTicks = 500;

    private const int RestTicks = 10;
    private const int UpdatesMade = 3;           // of the newest version, from so many before
    private const int UpdateTicksMax = 256;      // between the steps of an update that is made in advance
    private const int SampleEveryTicks = 3;
    private const int QuietTicksToLeaveSampling = 6;

    private readonly WorldState _world;
    private readonly Kind[] _kinds;
    private readonly int[] _textGroups;        // by kind: groups with a text
    private readonly int[][] _wireBits;        // by kind and groups: of their fields, texts excluded
    private readonly bool[] _hasDerived;       // by kind: fields that follow from where it is
    private readonly bool[] _isFollowed;       // by kind: a row of it may have news without being dirty
    private readonly bool[] _isForAll;         // by kind: told to everyone near, whoever they are
    private readonly byte[] _groupsThatWait;   // by kind: those that a level of detail holds back, and all of what cannot walk
    private readonly ReplicationOptions _options;
    private readonly ReplicationCounters _counters;
    private readonly RingPool[] _pools;
    private readonly LineArray<Row> _rows;
    private readonly Course[] _courses;
    private int[] _published = new int[1024];
    private readonly ulong[] _isActive;        // a bit per row: it moves, or may not have come to rest in its published quantum
    private int[] _active = new int[1024];     // scratch: those rows
    private int _activeCount;

    internal WorldHistory(WorldState world, ReplicationOptions options, ReplicationCounters counters)
    {
        _world = world;
        _options = options;
        _counters = counters;
        _kinds = world.Schema.Kinds.ToArray();
        _isFollowed = [.. _kinds.Select(kind => kind.HasMotion || kind.Fields.ToArray().Any(field => field.Type == FieldType.Velocity2))];
        _hasDerived = [.. _kinds.Select(kind => kind.Fields.ToArray().Any(field => field.Type is FieldType.Position2 or FieldType.Velocity2))];
        _textGroups = [.. _kinds.Select(kind => Enumerable.Range(0, kind.Groups.Length).Sum(group => kind.Groups[group].HasText ? 1 << group : 0))];
        _wireBits = [.. _kinds.Select(WireBits)];
        _isForAll = [.. _kinds.Select(kind => kind.Visibility == Visibility.ByDistance && kind.FarRadiusUnits == 0)];
        _groupsThatWait = [.. _kinds.Select(kind => (byte)Enumerable.Range(0, kind.Groups.Length).Sum(group => kind.Groups[group].Sampled || !kind.HasMotion ? 1 << group : 0))];
        _rows = new LineArray<Row>(world.Capacity);
        _courses = new Course[world.Capacity];
        _isActive = new ulong[(world.Capacity + 63) >> 6];
        _pools = new RingPool[_kinds.Length];
        for (int i = 0; i < _kinds.Length; i++)
            _pools[i] = new RingPool(_kinds[i].WordCount, _kinds[i].HasMotion);
    }

    /// <summary>The newest version of a row; 0 before its first.</summary>
    public uint VersionOf(int row) => _rows[row].Version;

    /// <summary>A row as writers look at it.</summary>
    internal ref readonly Row RowOf(int row) => ref _rows[row];

    /// <summary>Asks for a row's memory.</summary>
    internal void Prefetch(int row) => _rows.Prefetch(row);

    /// <summary>Asks for the memory of its newest record.</summary>
    internal void PrefetchRecord(int row)
    {
        ref Row at = ref _rows[row];
        _pools[at.Kind].Prefetch(at.Block, at.Version);
    }

    /// <summary>The entity whose versions a row holds; 0 for none.</summary>
    public uint IdOf(int row) => _rows[row].Id;

    /// <summary>Rows that got a version this tick.</summary>
    public ReadOnlySpan<int> Published => _published.AsSpan(0, PublishedCount);

    internal int PublishedCount { get; private set; }

    /// <summary>Bytes that all versions take.</summary>
    public long MemoryBytes => _pools.Sum(pool => pool.MemoryBytes) + ((long)_rows.Length * (Unsafe.SizeOf<Row>() + Unsafe.SizeOf<Course>())) + (_active.LongLength * sizeof(int)) + (_isActive.LongLength * sizeof(ulong));

    /// <summary>True while a version can still be a baseline.</summary>
    public bool Holds(int row, uint version) => version != 0 && _rows[row].Version - version < Depth && version <= _rows[row].Version;

    /// <summary>The record of a version that is held.</summary>
    public ReadOnlySpan<ulong> Record(int row, uint version)
    {
        Contract.Assert(Holds(row, version));
        ref Row at = ref _rows[row];
        return _pools[at.Kind].Record(at.Block, version);
    }

    /// <summary>T0 of a version's motion.</summary>
    public Tick T0(int row, uint version) => _pools[_rows[row].Kind].T0(_rows[row].Block, version);

    /// <summary>Content hash of a version that is held.</summary>
    public uint HashOf(int row, uint version)
    {
        ref Row at = ref _rows[row];
        return version == at.Version ? at.Hash : EntityCodec.ContentHash(_kinds[at.Kind], Record(row, version), T0(row, version));
    }

    /// <summary>The motion that clients extrapolate now; of a kind with motion.</summary>
    public ref readonly PublishedMotion MotionOf(int row) => ref _pools[_rows[row].Kind].MotionOf(_rows[row].Block);

    /// <summary>Compares and publishes. After the simulation's step, before the world's tick ends.</summary>
    internal void Publish(Tick tick)
    {
        PublishedCount = 0;
        foreach (WorldEvent change in _world.Events)
        {
            if (change.Kind == WorldEventKind.Destroyed)
                Forget(change.Row, change.Id.Value);
            else if (change.Kind is WorldEventKind.MovedCell or WorldEventKind.OwnerChanged && _rows[change.Row].Id == change.Id.Value)
                Place(ref _rows[change.Row], change.Row);
        }

        foreach (int row in _world.DirtyRows)
        {
            if (!_world.IsAlive(row))
                continue;
            if (_rows[row].Id != _world.Id[row])
                Begin(row, tick);
            else if (_isFollowed[_rows[row].Kind])
                Activate(row);
            else
                PublishFields(row, tick);
        }

        ListActive();
        for (int i = 0; i < _activeCount; i++)
        {
            PrefetchActive(i);
            int row = _active[i];
            bool stays = _rows[row].Id != 0 && _rows[row].Id == _world.Id[row]
                && (_kinds[_rows[row].Kind].HasMotion ? PublishMotion(row, tick) : PublishFields(row, tick));
            if (!stays)
                _isActive[row >> 6] &= ~(1UL << row);
        }
    }

    // In the order of their rows, not of when they began to move: neighbours share lines of every column.
    private void ListActive()
    {
        _activeCount = 0;
        for (int word = 0; word < _isActive.Length; word++)
        {
            if (_active.Length - _activeCount < 64)
                Array.Resize(ref _active, _active.Length * 2);
            for (ulong rest = _isActive[word]; rest != 0; rest &= rest - 1)
                _active[_activeCount++] = (word << 6) + BitOperations.TrailingZeroCount(rest);
        }
    }

    private void PrefetchActive(int at)
    {
        const int RowAhead = 16, MotionAhead = 8;
        if (at + RowAhead < _activeCount)
        {
            Prefetch(_active[at + RowAhead]);
            Protocol.Prefetch.Line(ref _courses[_active[at + RowAhead]]);
        }

        if (at + MotionAhead >= _activeCount)
            return;
        ref Row next = ref _rows[_active[at + MotionAhead]];
        if (next.Id != 0 && _kinds[next.Kind].HasMotion)
            Protocol.Prefetch.Line(ref _pools[next.Kind].MotionOf(next.Block));
    }

    /// <summary>Frees what destroyed entities held. Called for destroyed rows before the row is reused.</summary>
    private void Forget(int row, uint id)
    {
        ref Row at = ref _rows[row];
        if (at.Id != id || id == 0)
            return;
        _pools[at.Kind].Release(at.Block);
        at = default;
    }

    private void Activate(int row) => _isActive[row >> 6] |= 1UL << row;

    private void Begin(int row, Tick tick)
    {
        byte kindIndex = _world.KindIndex[row];
        Kind kind = _kinds[kindIndex];
        // Without a version nobody can be told of it: that is all there is to being hidden.
        if (kind.Visibility == Visibility.Never)
            return;
        ref Row at = ref _rows[row];
        if (at.Id != 0)
            _pools[at.Kind].Release(at.Block);
        at = new Row { Id = _world.Id[row], Kind = kindIndex, Block = _pools[kindIndex].Rent() };
        _courses[row] = new Course { TeleportCount = _world.TeleportCount[row] };
        Place(ref at, row);
        Span<ulong> record = stackalloc ulong[Schema.WordsMax];
        record = record[..kind.WordCount];
        BuildRecord(row, kind, record);
        if (kind.HasMotion)
            record[0] = Motion.Pack(kind.Grid.Quantize(_world.X[row]), kind.Grid.Quantize(_world.Y[row]), Intent.Rest);

        if (_isFollowed[kindIndex])
            Activate(row);

        Append(row, kind, record, tick, motionChanged: kind.HasMotion, isBreak: true, kind.AllGroups);
    }

    private void Place(ref Row at, int row)
    {
        (int cellY, int cellX) = Math.DivRem(_world.Cell[row], _world.Grid.CellsPerSide);
        (at.CellX, at.CellY, at.OwnerPlace) = ((ushort)cellX, (ushort)cellY, (ushort)(_world.Owner[row] + 1));
    }

    // True while it moves: a velocity must be looked at once more when it has stopped, and then the row is not dirty.
    private bool PublishFields(int row, Tick tick)
    {
        _counters.RowsCompared++;
        ref Row at = ref _rows[row];
        Kind kind = _kinds[at.Kind];
        Span<ulong> record = stackalloc ulong[Schema.WordsMax];
        record = record[..kind.WordCount];
        BuildRecord(row, kind, record);
        int changed = ChangedGroups(kind, record, Record(row, at.Version));
        if (changed != 0)
            Append(row, kind, record, tick, motionChanged: false, isBreak: false, changed);
        return _world.X[row] != _world.PreviousX[row] || _world.Y[row] != _world.PreviousY[row];
    }

    // False when the row has come to rest in its published quantum: it needs no more looking at until it is dirty.
    private bool PublishMotion(int row, Tick tick)
    {
        _counters.RowsCompared++;
        ref Row at = ref _rows[row];
        Kind kind = _kinds[at.Kind];
        Span<ulong> record = stackalloc ulong[Schema.WordsMax];
        record = record[..kind.WordCount];
        int changedGroups = 0;
        bool mayDiffer = _hasDerived[at.Kind] || _world.HasChanged(row);
        if (mayDiffer)
        {
            BuildRecord(row, kind, record);
            changedGroups = ChangedGroups(kind, record, Record(row, at.Version));
        }

        ref Course course = ref _courses[row];
        bool teleported = course.TeleportCount != _world.TeleportCount[row];
        course.TeleportCount = _world.TeleportCount[row];
        // Else a thing that was pushed about would be said to rest until the next sample, three ticks later.
        if (teleported)
            (course.IsSampling, course.Departures) = (false, 0);
        bool moved = _world.X[row] != _world.PreviousX[row] || _world.Y[row] != _world.PreviousY[row];
        course.RestTicks = moved || teleported ? (byte)0 : (byte)Math.Min(course.RestTicks + 1, byte.MaxValue);
        MotionChange change = teleported ? MotionChange.Break : Compare(row, ref at, ref course, kind, tick);
        if (change == MotionChange.None)
        {
            if (changedGroups != 0)
            {
                record[0] = Record(row, at.Version)[0];
                Append(row, kind, record, at.NewestT0, motionChanged: false, isBreak: false, changedGroups);
            }

            return !IsSettled(row, in at, in course, kind);
        }

        if (!mayDiffer)
            Record(row, at.Version).CopyTo(record);
        (record[0], Tick t0) = MotionWord(row, ref at, kind, change, tick);
        Append(row, kind, record, t0, motionChanged: true, isBreak: change == MotionChange.Break, changedGroups);
        return true;
    }

    // The ring is looked at last: most that are looked at move, and it is a line of memory for each.
    private bool IsSettled(int row, in Row at, in Course course, Kind kind)
        => course.RestTicks >= RestTicks && !course.IsSampling && Motion.IsRest(Record(row, at.Version)[0])
            && (_options.IsOff(Mechanisms.RestPublished) || Record(row, at.Version)[0] == RestWord(row, kind));

    private ulong RestWord(int row, Kind kind) => Motion.Pack(kind.Grid.Quantize(_world.X[row]), kind.Grid.Quantize(_world.Y[row]), Intent.Rest);

    private MotionChange Compare(int row, ref Row at, ref Course course, Kind kind, Tick tick)
    {
        ref readonly PublishedMotion published = ref _pools[at.Kind].MotionOf(at.Block);
        (int expectedX, int expectedY) = published.At(tick);
        int tolerance = kind.Grid.Quantum;
        bool fits = Math.Abs(_world.X[row] - expectedX) <= tolerance && Math.Abs(_world.Y[row] - expectedY) <= tolerance;
        bool settle = course.RestTicks >= RestTicks && !_options.IsOff(Mechanisms.RestPublished) && Record(row, at.Version)[0] != RestWord(row, kind);
        if (course.IsSampling)
            return CompareSampling(ref course, fits, settle, tick - published.T0);

        course.Departures = (byte)(course.Departures << 1);
        if (settle)
            return MotionChange.Rest;
        if (fits)
        {
            bool old = !published.IsRest && tick - published.T0 >= RepublishTicks;
            _counters.Republished += old ? 1 : 0;
            return old ? MotionChange.Turn : MotionChange.None;
        }

        course.Departures |= 1;
        if (BitOperations.PopCount((uint)course.Departures) >= 4)
        {
            course.IsSampling = true;
            course.QuietTicks = 0;
            return MotionChange.Sample;
        }

        return MotionChange.Turn;
    }

    // Pushed about: a sample every third tick while it departs; back to exact motion after six quiet ticks.
    private static MotionChange CompareSampling(ref Course course, bool fits, bool settle, int ticksSince)
    {
        course.QuietTicks = fits ? (byte)Math.Min(course.QuietTicks + 1, byte.MaxValue) : (byte)0;
        if (course.QuietTicks >= QuietTicksToLeaveSampling || settle)
        {
            course.IsSampling = false;
            course.Departures = 0;
            return settle ? MotionChange.Rest : MotionChange.Turn;
        }

        return !fits && ticksSince >= SampleEveryTicks ? MotionChange.Sample : MotionChange.None;
    }

    private (ulong Word, Tick T0) MotionWord(int row, ref Row at, Kind kind, MotionChange change, Tick tick)
    {
        PositionGrid grid = kind.Grid;
        int x = _world.X[row], y = _world.Y[row], previousX = _world.PreviousX[row], previousY = _world.PreviousY[row];
        int velocityX = x - previousX, velocityY = y - previousY;
        bool outOfRange = Math.Abs(velocityX) > Motion.ComponentMax || Math.Abs(velocityY) > Motion.ComponentMax;
        switch (change)
        {
            case MotionChange.Rest:
                return (RestWord(row, kind), tick);
            case MotionChange.Break:
                return (RestWord(row, kind), tick);
            case MotionChange.Sample:
                _counters.Samples++;
                return (Motion.PackEscape(grid.Quantize(x), grid.Quantize(y), velocityX, velocityY, sampled: true), tick);
            default:
                if (outOfRange)
                    return (RestWord(row, kind), tick);
                // The intent says it in a few bits, when the displacement is really the intent's: not so while sliding along a wall.
                var intent = new Intent(_world.IntentCode[row]);
                bool sayable = intent.SpeedClass < kind.Speeds.Length && intent.Velocity(kind.Speeds[intent.SpeedClass]) == (velocityX, velocityY);
                int quantumX = grid.Quantize(previousX), quantumY = grid.Quantize(previousY);
                return sayable
                    ? (Motion.Pack(quantumX, quantumY, intent), tick - 1)
                    : (Motion.PackEscape(quantumX, quantumY, velocityX, velocityY, sampled: false), tick - 1);
        }
    }

    private void Append(int row, Kind kind, ReadOnlySpan<ulong> record, Tick t0, bool motionChanged, bool isBreak, int changedGroups)
    {
        ref Row at = ref _rows[row];
        RingPool pool = _pools[at.Kind];
        uint previous = at.Version, version = previous + 1;
        int bit = 1 << (int)(version & (Depth - 1));
        at.Version = version;
        at.MotionMask = (ushort)(motionChanged ? at.MotionMask | bit : at.MotionMask & ~bit);
        at.BreakMask = (ushort)(isBreak ? at.BreakMask | bit : at.BreakMask & ~bit);
        if (motionChanged)
        {
            at.NewestT0 = t0;
            pool.MotionOf(at.Block) = Motion.Unpack(record[0], t0, kind);
            if (!isBreak && !EncodeStep(pool, ref at, kind, previous, record[0], t0))
                at.BreakMask |= (ushort)bit;
        }

        if ((changedGroups & _textGroups[at.Kind]) != 0)
            at.TextBits = (ushort)LookUpTextBits(kind, _textGroups[at.Kind], record);
        at.Hash = EntityCodec.ContentHash(kind, record, t0);
        pool.Store(at.Block, version, record, t0, (byte)changedGroups);
        MakeUpdates(ref at, kind, record);
        if (PublishedCount == _published.Length)
            Array.Resize(ref _published, PublishedCount * 2);
        _published[PublishedCount++] = row;
        _counters.VersionsPublished++;
    }

    // Nearly every peer holds one of the three versions before: what it is sent is made here once, and copied.
    private void MakeUpdates(ref Row at, Kind kind, ReadOnlySpan<ulong> record)
    {
        for (int back = 1; back <= UpdatesMade; back++)
        {
            (at.Updates[back - 1], byte bits) = MakeUpdate(in at, kind, record, (uint)back, out at.UpdateGroups[back - 1]);
            bool waits = (at.UpdateGroups[back - 1] & ~_groupsThatWait[at.Kind]) == 0 && at.StepsOf(back) == 0;
            at.UpdateMarks[back - 1] = (byte)(bits > 0 && _isForAll[at.Kind] && !waits ? bits | Row.PromptMark : bits);
        }
    }

    // No bits when there are too many, or no steps lead here.
    private (ulong Update, byte Bits) MakeUpdate(in Row at, Kind kind, ReadOnlySpan<ulong> record, uint back, out byte groups)
    {
        RingPool pool = _pools[at.Kind];
        int visible = kind.VisibleGroups(owner: false, party: false), changed = 0, steps = 0;
        groups = 0;
        if (at.Version <= back || (back > 1 && _options.IsOff(Mechanisms.Steps)))
            return default;
        for (uint version = at.Version - back + 1; version != at.Version + 1; version++)
        {
            int bit = 1 << (int)(version & (Depth - 1));
            changed |= pool.Groups(at.Block, version);
            if ((at.MotionMask & bit) == 0)
                continue;
            steps++;
            if ((at.BreakMask & bit) != 0 || at.NewestT0 - pool.T0(at.Block, version) > UpdateTicksMax)
                return default;
        }

        groups = (byte)(changed & visible);
        Span<byte> buffer = stackalloc byte[sizeof(ulong) + 1];
        var writer = new BitWriter(buffer[..sizeof(ulong)]);
        if (kind.HasMotion)
        {
            EntityCodec.WriteStepCount(ref writer, steps, gap: false);
            WriteSteps(ref writer, in at, at.Version - back + 1);
        }

        EntityCodec.WriteGroupMask(ref writer, groups, visible);
        WriteGroups(ref writer, kind, record, groups);
        if (writer.Failed || writer.BitCount == 0)
            return default;
        byte bits = (byte)writer.BitCount;
        writer.Finish();
        return (BinaryPrimitives.ReadUInt64LittleEndian(buffer), bits);
    }

    private void WriteSteps(ref BitWriter writer, in Row at, uint oldest)
    {
        for (uint version = oldest; version != at.Version + 1; version++)
        {
            if ((at.MotionMask & (1 << (int)(version & (Depth - 1)))) == 0)
                continue;
            (ulong step, int bits) = _pools[at.Kind].Step(at.Block, version);
            writer.Write(step, bits);
        }
    }

    private bool EncodeStep(RingPool pool, ref Row at, Kind kind, uint previous, ulong word, Tick t0)
    {
        _counters.StepsEncoded++;
        Span<byte> buffer = stackalloc byte[24];
        var writer = new BitWriter(buffer);
        EntityCodec.WriteStep(ref writer, kind, pool.Record(at.Block, previous)[0], pool.T0(at.Block, previous), word, t0);
        if (writer.BitCount > EntityCodec.StepBitsMax)
            return false;
        int bits = writer.BitCount;
        var reader = new BitReader(writer.Finish());
        pool.StoreStep(at.Block, previous + 1, reader.Read(bits), (byte)bits);
        return true;
    }

    private void BuildRecord(int row, Kind kind, Span<ulong> record)
    {
        _world.Fields.AsSpan(row * _world.FieldWords, record.Length).CopyTo(record);
        if (kind.HasMotion)
            record[0] = 0;
        foreach (Field field in kind.Fields)
        {
            if (field.Type == FieldType.Position2)
            {
                ulong quanta = (uint)kind.Grid.Quantize(_world.X[row]) | ((ulong)(uint)kind.Grid.Quantize(_world.Y[row]) << kind.Grid.Bits);
                record[field.Word] = (record[field.Word] & ~field.Mask) | (quanta << field.Shift);
            }
            else if (field.Type == FieldType.Velocity2)
            {
                ulong code = Motion.EscapeCode(_world.X[row] - _world.PreviousX[row], _world.Y[row] - _world.PreviousY[row]);
                record[field.Word] = (record[field.Word] & ~field.Mask) | (code << field.Shift);
            }
        }
    }

    private static int ChangedGroups(Kind kind, ReadOnlySpan<ulong> record, ReadOnlySpan<ulong> newest)
    {
        int changed = 0;
        for (int i = 0; i < kind.Groups.Length; i++)
            changed |= kind.Groups[i].Differs(record, newest) ? 1 << i : 0;
        return changed;
    }

    // ---- what an update is made of ----

    /// <summary>The delta from a baseline that is held to the newest version, for a peer that sees these groups.</summary>
    internal Delta DeltaFrom(int row, uint baseline, byte audience, int visibleGroups, Tick tick)
    {
        Delta delta = default;
        DeltaFrom(row, baseline, audience, visibleGroups, tick, ref delta);
        return delta;
    }

    /// <summary>The same, found where it will be needed.</summary>
    internal void DeltaFrom(int row, uint baseline, byte audience, int visibleGroups, Tick tick, ref Delta delta)
    {
        ref Row at = ref _rows[row];
        Kind kind = _kinds[at.Kind];
        uint newest = at.Version;
        delta.Row = row;
        if (audience == 0 && TryGetUpdate(in at, baseline, tick, ref delta))
            return;
        int owed = (int)(newest - baseline);
        delta = new Delta { Row = row, Newest = newest, Hash = at.Hash };
        RingPool pool = _pools[at.Kind];
        pool.PrefetchSteps(at.Block, newest);
        for (uint version = baseline + 1; version != newest + 1; version++)
            delta.Groups |= pool.Groups(at.Block, version);
        delta.Groups &= visibleGroups;
        if (!kind.HasMotion)
            return;

        // Walk back from the newest: count steps until the baseline, a break, or four.
        Span<uint> steps = stackalloc uint[EntityCodec.StepsMax];
        int count = 0;
        bool cut = false;
        for (int back = 0; back < owed && !cut; back++)
        {
            uint version = newest - (uint)back;
            int bit = 1 << (int)(version & (Depth - 1));
            if ((at.MotionMask & bit) == 0)
                continue;
            if (count == EntityCodec.StepsMax || (_options.IsOff(Mechanisms.Steps) && count == 1))
            {
                cut = !_options.IsOff(Mechanisms.Gap);
                break;
            }

            steps[count++] = version;
            cut = (at.BreakMask & bit) != 0;
        }

        // A step from rest, and the first behind a gap, carry ten bits of T0: they must not be older than those can say.
        for (int i = count - 1; i >= 0; i--)
        {
            bool carriesTick = (cut && i == count - 1) || Motion.IsRest(pool.Record(at.Block, steps[i] - 1)[0]);
            bool isRestAbsolute = cut && i == count - 1 && Motion.IsRest(pool.Record(at.Block, steps[i])[0]);
            if (carriesTick && !isRestAbsolute && tick - pool.T0(at.Block, steps[i]) > EntityCodec.TickAgeMax)
            {
                (cut, count) = (true, 1);
                break;
            }
        }

        delta.Steps = count;
        delta.IsGap = cut && count > 0;
        delta.Oldest = count > 0 ? steps[count - 1] : 0;
    }

    // A step from rest carries ten bits of T0, which must not be too old.
    internal static bool TryGetUpdate(in Row at, uint baseline, Tick tick, ref Delta made)
    {
        uint back = at.Version - baseline;
        if (back is 0 or > UpdatesMade)
            return false;
        (made.Newest, made.Hash, made.Oldest, made.IsGap) = (at.Version, at.Hash, 0, false);
        made.Steps = at.StepsOf((int)back);
        (made.Made, made.Bits, made.Groups) = (at.Updates[(int)back - 1], at.UpdateMarks[(int)back - 1] & ~Row.PromptMark, at.UpdateGroups[(int)back - 1]);
        return made.Bits > 0 && !IsTooOld(in at, (int)back, tick);
    }

    /// <summary>An update that was made in advance, and is told as soon as it is known to everyone who holds the row from that baseline: its versions; 0 when there is none.</summary>
    internal static int PromptUpdate(in Row at, uint baseline, Tick tick)
    {
        uint back = at.Version - baseline;
        return back - 1 < UpdatesMade && (at.UpdateMarks[(int)back - 1] & Row.PromptMark) != 0 && !IsTooOld(in at, (int)back, tick) ? (int)back : 0;
    }

    private static bool IsTooOld(in Row at, int back, Tick tick) => tick - at.NewestT0 > EntityCodec.TickAgeMax - UpdateTicksMax && at.StepsOf(back) > 0;

    /// <summary>The groups that changed in any version that is held.</summary>
    internal int RecentGroups(int row)
    {
        ref Row at = ref _rows[row];
        int groups = 0;
        for (uint back = 0; back < Math.Min(Depth, at.Version); back++)
            groups |= _pools[at.Kind].Groups(at.Block, at.Version - back);
        return groups;
    }

    /// <summary>Bits that <see cref="WriteDelta"/> will take.</summary>
    internal int DeltaBits(in Delta delta, int visibleGroups)
    {
        if (delta.Bits > 0)
            return delta.Bits;
        ref Row at = ref _rows[delta.Row];
        Kind kind = _kinds[at.Kind];
        int bits = GroupBits(in at, delta.Groups) + EntityCodec.GroupMaskBits(delta.Groups, visibleGroups);
        if (!kind.HasMotion)
            return bits;
        bits += EntityCodec.StepCountBits(delta.Steps, delta.IsGap);
        RingPool pool = _pools[at.Kind];
        for (uint version = delta.Oldest; delta.Steps > 0 && version != delta.Newest + 1; version++)
        {
            if ((at.MotionMask & (1 << (int)(version & (Depth - 1)))) == 0)
                continue;
            bits += delta.IsGap && version == delta.Oldest ? EntityCodec.MotionBits(kind, pool.Record(at.Block, version)[0]) : pool.Step(at.Block, version).Bits;
        }

        return bits;
    }

    internal void WriteDelta(ref BitWriter writer, in Delta delta, int visibleGroups)
    {
        ref Row at = ref _rows[delta.Row];
        if (delta.Bits > 0)
        {
            writer.Write(delta.Made, delta.Bits);
            return;
        }

        Kind kind = _kinds[at.Kind];
        RingPool pool = _pools[at.Kind];
        if (kind.HasMotion)
        {
            EntityCodec.WriteStepCount(ref writer, delta.Steps, delta.IsGap);
            for (uint version = delta.Oldest; delta.Steps > 0 && version != delta.Newest + 1; version++)
            {
                if ((at.MotionMask & (1 << (int)(version & (Depth - 1)))) == 0)
                    continue;
                if (delta.IsGap && version == delta.Oldest)
                {
                    EntityCodec.WriteMotion(ref writer, kind, pool.Record(at.Block, version)[0], pool.T0(at.Block, version));
                }
                else
                {
                    (ulong step, int bits) = pool.Step(at.Block, version);
                    writer.Write(step, bits);
                }
            }
        }

        EntityCodec.WriteGroupMask(ref writer, delta.Groups, visibleGroups);
        WriteGroups(ref writer, kind, pool.Record(at.Block, delta.Newest), delta.Groups);
    }

    /// <summary>Bits that <see cref="WriteAbsolute"/> takes, its texts included.</summary>
    internal int AbsoluteBits(int row, int visibleGroups)
    {
        ref Row at = ref _rows[row];
        Kind kind = _kinds[at.Kind];
        return 2 + (kind.HasMotion ? EntityCodec.MotionBits(kind, _pools[at.Kind].Record(at.Block, at.Version)[0]) : 0) + GroupBits(in at, visibleGroups);
    }

    /// <summary>Bits of texts among these groups of the newest version: what figures leave out.</summary>
    internal int TextBits(int row, int groups) => TextBits(in _rows[row], groups);

    /// <summary>The same of a row at hand.</summary>
    internal int TextBits(in Row at, int groups)
    {
        int texts = groups & _textGroups[at.Kind];
        if (texts == 0)
            return 0;
        // Names stay as they are, and who enters has one: looked up once, when it was published.
        return texts == _textGroups[at.Kind] ? at.TextBits : LookUpTextBits(_kinds[at.Kind], texts, _pools[at.Kind].Record(at.Block, at.Version));
    }

    private int LookUpTextBits(Kind kind, int groups, ReadOnlySpan<ulong> record)
    {
        int bits = 0;
        for (int rest = groups; rest != 0; rest &= rest - 1)
        {
            foreach (Field field in kind.Groups[BitOperations.TrailingZeroCount(rest)].Fields)
                bits += field.Type == FieldType.Text ? _world.Texts.Find(field.Get(record)).Length * 8 : 0;
        }

        return bits;
    }

    internal void WriteAbsolute(ref BitWriter writer, int row, bool owner, bool party)
    {
        ref Row at = ref _rows[row];
        Kind kind = _kinds[at.Kind];
        ReadOnlySpan<ulong> record = _pools[at.Kind].Record(at.Block, at.Version);
        writer.Write((owner ? 1u : 0) | (party ? 2u : 0), 2);
        if (kind.HasMotion)
            EntityCodec.WriteMotion(ref writer, kind, record[0], at.NewestT0);
        WriteGroups(ref writer, kind, record, kind.VisibleGroups(owner, party));
    }

    private void WriteGroups(ref BitWriter writer, Kind kind, ReadOnlySpan<ulong> record, int groups)
    {
        for (int rest = groups; rest != 0; rest &= rest - 1)
            EntityCodec.WriteGroup(ref writer, kind.Groups[BitOperations.TrailingZeroCount(rest)], record, _world.Texts);
    }

    private int GroupBits(in Row at, int groups) => _wireBits[at.Kind][groups] + TextBits(in at, groups);

    private static int[] WireBits(Kind kind)
    {
        int[] bits = new int[1 << kind.Groups.Length];
        for (int groups = 1; groups < bits.Length; groups++)
            bits[groups] = bits[groups & (groups - 1)] + kind.Groups[BitOperations.TrailingZeroCount(groups)].WireBits;
        return bits;
    }

    private enum MotionChange
    {
        None,
        Turn,
        Sample,
        Rest,
        Break,
    }

    /// <summary>What is known of a row's newest version, and what a peer's writer asks of the row besides: a line of memory for both.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    internal struct Row
    {
        public UpdatesOf<ulong> Updates;     // bits of an update from one, two, three versions before, for those who are no owner and of no party
        public uint Id;
        public uint Version;
        public int Block;
        public Tick NewestT0;
        public uint Hash;              // of the newest version's content
        public ushort CellX;           // now
        public ushort CellY;
        public ushort MotionMask;      // bit (version & 15): that version changed the motion
        public ushort BreakMask;       // bit (version & 15): its motion cannot be stepped to
        public ushort TextBits;        // of the newest version
        public ushort OwnerPlace;      // now: the owner's index, and one more
        public UpdatesOf<byte> UpdateMarks;  // the low seven bits: how many bits those are; 0: it is not made in advance
        public UpdatesOf<byte> UpdateGroups;
        public byte Kind;

        /// <summary>Of an update that was made in advance: it is for everyone near, and waits for nothing.</summary>
        public const byte PromptMark = 0x80;

        public readonly int Owner => OwnerPlace - 1;

        /// <summary>Motions among so many newest versions.</summary>
        public readonly int StepsOf(int back)
        {
            uint twice = MotionMask | ((uint)MotionMask << Depth);
            return BitOperations.PopCount((twice >> (int)((Version - (uint)back + 1) & (Depth - 1))) & ((1u << back) - 1));
        }
    }

    [InlineArray(UpdatesMade)]
    internal struct UpdatesOf<T>
    {
        private T _first;
    }

    /// <summary>How a row moves, as publishing sees it.</summary>
    private struct Course
    {
        public ushort TeleportCount;
        public byte RestTicks;
        public byte Departures;        // one bit a tick: left its published motion
        public byte QuietTicks;
        public bool IsSampling;
    }
}

/// <summary>What brings a peer from a baseline to the newest version.</summary>
internal struct Delta
{
    public int Row;
    public uint Newest;
    public uint Oldest;
    public int Steps;
    public bool IsGap;
    public int Groups;
    public int Bits;      // of the update that was made in advance; 0: it is put together
    public ulong Made;    // those bits
    public uint Hash;     // of what it leads to
}
