using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>What this client knows of the zone, and how it is drawn: entities by id, their fields, densities of crowds, events.</summary>
/// <remarks>
/// Two times: what the server last said (<see cref="GetField"/>, <see cref="TryGetMotion"/>, events), and the presentation time, which runs a
/// delay behind so that it lies between versions (<see cref="Sample"/>, <see cref="GetShownField"/>). One thread at a time. No allocation per
/// packet or frame once as many entities have been seen as are seen.
/// </remarks>
public sealed partial class ReplicaWorld
{
    /// <summary>Time to fade in or out.</summary>
    public const long FadeNs = 200_000_000;

    /// <summary>Without news, motion goes on this long beyond the newest packet's announced interval, then eases to rest in the same time.</summary>
    public const long ExtrapolationNs = 250_000_000;

    /// <summary>A crowd's density that was not told again for this long is forgotten.</summary>
    public const long DensityNs = 3_000_000_000;

    private const int EventsMax = 4096;
    private const int TextsMax = 8192;

    private readonly KindView[] _views;
    private readonly double _ticksPerSecond;
    private readonly int _slotIntervalTicks;
    private readonly int _sampleDelayTicksMax;
    private readonly WordPool _pool = new();
    private readonly Timelines _timelines;
    private readonly Dictionary<uint, int> _index = [];
    private readonly EventQueue _events;
    private TextTable _texts = new(TextsMax);
    private EntityState[] _entities = [];
    private int _entityLimit;
    private int _freeEntity = None;

    /// <summary>An empty replica.</summary>
    /// <param name="map">The game's schema and the server's.</param>
    /// <param name="zone">Tick length, intervals, cells: from the server's welcome.</param>
    /// <param name="eventsMax">Events kept for a game that does not take them; 0 for none.</param>
    public ReplicaWorld(SchemaMap map, in ReplicaZone zone, int eventsMax = EventsMax)
    {
        Map = map;
        Zone = zone;
        NewestTick = zone.FirstTick;
        NewestDueTime = zone.DueTime;
        _ticksPerSecond = 1e9 / zone.TickLengthNs;
        _slotIntervalTicks = Math.Max(1, zone.SnapshotIntervalTicks);
        _sampleDelayTicksMax = TicksOf(SampleSpacingNsMax);
        _views = new KindView[map.Server.Kinds.Length];
        for (int i = 0; i < _views.Length; i++)
            _views[i] = new KindView(map.Server.Kinds[i], map);
        int cells = map.Server.Grid.ExtentUnits / Math.Max(1, zone.CellUnits);
        CellCount = cells * cells;
        Slots = new ReplicaSlots(_pool);
        Kept = new KeptEntities(_pool, TicksOf(30_000_000_000));
        _timelines = new Timelines(_pool);
        _events = new EventQueue(eventsMax);
    }

    /// <summary>The game's schema and the server's.</summary>
    public SchemaMap Map { get; }

    /// <summary>What the server said of itself.</summary>
    public ReplicaZone Zone { get; }

    /// <summary>Entities in interest now; those fading out not counted, those of kinds the game does not know counted.</summary>
    public int Count { get; private set; }

    /// <summary>True once a snapshot was applied.</summary>
    public bool HasSnapshot { get; private set; }

    /// <summary>The tick of the newest snapshot; the welcome's before the first.</summary>
    public Tick NewestTick { get; private set; }

    /// <summary>When that tick was due, 0.1 ms of the zone's clock.</summary>
    public long NewestDueTime { get; private set; }

    /// <summary>The fractional tick that is drawn: <see cref="AdvanceTo"/>'s. NaN before the first.</summary>
    public double PresentationTick { get; private set; } = double.NaN;

    /// <summary>The tick that motion is evaluated at: the presentation's, held back once news has stopped.</summary>
    public double DrawnTick { get; private set; } = double.NaN;

    /// <summary>Events lost because nobody took them.</summary>
    public long EventsLost => _events.Lost;

    /// <summary>Bytes held, about: versions, knots, samples, columns and indices.</summary>
    public long MemoryBytes => _pool.Bytes + Slots.MemoryBytes + Kept.MemoryBytes + (_entities.Length * (long)Unsafe.SizeOf<EntityState>()) + (_index.EnsureCapacity(0) * 24L);

    internal long PoolBytes => _pool.Bytes;

    /// <summary>Cells of the zone's grid.</summary>
    internal int CellCount { get; }

    internal ReplicaSlots Slots { get; }

    internal KeptEntities Kept { get; }

    internal SequenceNumber NewestSequence { get; private set; }

    /// <summary>The oldest event not taken yet.</summary>
    public bool TryTakeEvent(out ReplicaEvent one) => _events.TryTake(out one);

    /// <summary>True when the entity is in interest, or fading out.</summary>
    public bool Contains(EntityId id) => Find(id) != None;

    /// <summary>An entity as it is drawn at the presentation time.</summary>
    /// <returns>False when it is unknown, of a kind the game does not know, or nothing is presented yet.</returns>
    public bool Sample(EntityId id, out SampledEntity sampled)
    {
        int index = Find(id);
        sampled = default;
        if (index == None || double.IsNaN(PresentationTick))
            return false;
        sampled = SampleEntity(index);
        return true;
    }

    /// <summary>An entity where its versions put it at a tick of the recent past; without the offsets and fades of drawing.</summary>
    /// <returns>False when it is unknown or of a kind the game does not know.</returns>
    public bool SampleAt(EntityId id, double tick, out SampledEntity sampled)
    {
        int index = Find(id);
        sampled = default;
        if (index == None)
            return false;
        ref EntityState entity = ref _entities[index];
        DrawnMotion place = PlaceAt(in entity, tick, tick - SampleDelay(in entity));
        sampled = new SampledEntity(id, View(in entity).Own!, place.X, place.Y, place.VelocityX * _ticksPerSecond, place.VelocityY * _ticksPerSecond, 1, entity.Leaving);
        return true;
    }

    /// <summary>The newest published motion of an entity, exactly as the server published it.</summary>
    /// <returns>False when it is unknown or publishes none.</returns>
    public bool TryGetMotion(EntityId id, out PublishedMotion motion)
    {
        int index = Find(id);
        motion = default;
        return index != None && TryReadMotion(in _entities[index], out motion);
    }

    /// <summary>The newest place of an entity without published motion, units.</summary>
    /// <returns>False when it is unknown or has no position field.</returns>
    public bool TryGetPosition(EntityId id, out double x, out double y)
    {
        int index = Find(id);
        (x, y) = (0, 0);
        if (index == None || View(in _entities[index]).Position is null)
            return false;
        DrawnMotion place = View(in _entities[index]).PlaceOf(NewestRecord(in _entities[index]));
        (x, y) = (place.X, place.Y);
        return true;
    }

    /// <summary>The game's kind of an entity.</summary>
    /// <returns>False when it is unknown or of a kind the game does not know.</returns>
    public bool TryGetKind(EntityId id, out Kind? kind)
    {
        int index = Find(id);
        kind = index == None ? null : View(in _entities[index]).Own;
        return kind is not null;
    }

    /// <summary>True when the entity is this client's own.</summary>
    public bool IsOwned(EntityId id)
    {
        int index = Find(id);
        return index != None && (_entities[index].Audience & OwnerBit) != 0;
    }

    /// <summary>A field's raw bits as the server last said them.</summary>
    /// <param name="id">The entity.</param>
    /// <param name="field">A field of the game's own kind.</param>
    /// <returns>0, the default, when entity or field are unknown here or on the server.</returns>
    public uint GetField(EntityId id, Field field) => FieldBits(Find(id), field, shown: false);

    /// <summary>A field's raw bits as of the presentation time: what goes with the picture.</summary>
    /// <returns>As <see cref="GetField"/>.</returns>
    public uint GetShownField(EntityId id, Field field) => FieldBits(Find(id), field, shown: true);

    /// <summary>A number or angle (radians) as the server last said it.</summary>
    /// <returns>As <see cref="GetField"/>: the value of bits 0 when unknown.</returns>
    public double GetValue(EntityId id, Field field)
    {
        int index = Find(id);
        return index != None && Map.Find(field) is Field theirs ? theirs.Dequantize(theirs.Get(NewestRecord(in _entities[index]))) : field.Dequantize(0);
    }

    /// <summary>A number or angle of a sampled group, interpolated at the presentation time; of another group, the shown value.</summary>
    /// <returns>As <see cref="GetValue"/>.</returns>
    public double GetShownValue(EntityId id, Field field)
    {
        int index = Find(id);
        if (index == None || Map.Find(field) is not Field theirs)
            return field.Dequantize(0);
        ref EntityState entity = ref _entities[index];
        bool isSampled = (View(in entity).SampledGroups & (1 << theirs.GroupIndex)) != 0;
        return isSampled && entity.Samples.Count > 0 && theirs.Type is FieldType.Float or FieldType.Angle
            ? SampledValue(in entity, theirs)
            : theirs.Dequantize(theirs.Get(ShownRecord(in entity)));
    }

    /// <summary>The UTF-8 of a text field as the server last said it.</summary>
    /// <returns>Empty when unknown. Valid until the next packet.</returns>
    public ReadOnlySpan<byte> GetText(EntityId id, Field field)
    {
        int index = Find(id);
        return index != None && Map.Find(field) is Field theirs ? _texts.Find(theirs.Get(NewestRecord(in _entities[index]))) : [];
    }

    /// <summary>All entities of kinds the game knows, those fading out included. Do not apply packets inside the loop.</summary>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>The path that is known of an entity, for tests.</summary>
    internal ReadOnlySpan<MotionKnot> KnotsOf(EntityId id) => _timelines.Knots(in _entities[Find(id)].Knots);

    private int Find(EntityId id) => _index.TryGetValue(id.Value, out int index) && View(in _entities[index]).Own is not null ? index : None;

    private KindView View(ref readonly EntityState entity) => _views[entity.Kind];

    private bool TryReadMotion(ref readonly EntityState entity, out PublishedMotion motion)
    {
        motion = default;
        if (entity.Knots.Count == 0)
            return false;
        ReadOnlySpan<MotionKnot> knots = _timelines.Knots(in entity.Knots);
        motion = Motion.Unpack(knots[^1].Word, knots[^1].T0, View(in entity).Server);
        return true;
    }

    private int TicksOf(long ns) => (int)Math.Max(1, ns / Zone.TickLengthNs);

    private uint FieldBits(int index, Field field, bool shown)
    {
        if (index == None || Map.Find(field) is not Field theirs)
            return 0;
        uint bits = theirs.Get(shown ? ShownRecord(in _entities[index]) : NewestRecord(in _entities[index]));
        // Another range or precision on the server: what counts is the value.
        bool sameCodec = field.Type is not (FieldType.Float or FieldType.Angle) || (field.Bits == theirs.Bits && field.Min == theirs.Min && field.Max == theirs.Max);
        return sameCodec ? bits : field.Quantize(theirs.Dequantize(bits), out _);
    }

    private ReadOnlySpan<ulong> NewestRecord(ref readonly EntityState entity)
        => entity.Occupant != None
            ? Slots.Record(entity.Occupant, Slots[entity.Occupant].Count - 1)
            : _pool.Words(entity.FinalBlock, View(in entity).Server.WordCount);

    private ReadOnlySpan<ulong> ShownRecord(ref readonly EntityState entity)
    {
        if (entity.Occupant == None || double.IsNaN(PresentationTick))
            return NewestRecord(in entity);
        return Slots.Record(entity.Occupant, Math.Max(0, Slots.VersionAsOf(entity.Occupant, _shownSequence)));
    }

    /// <summary>One entity of the loop.</summary>
    public readonly struct ReplicaEntity
    {
        private readonly ReplicaWorld _world;
        private readonly int _entity;

        internal ReplicaEntity(ReplicaWorld world, int entity) => (_world, _entity) = (world, entity);

        /// <summary>Its id.</summary>
        public EntityId Id => new(_world._entities[_entity].Id);

        /// <summary>The game's kind of it.</summary>
        public Kind Kind => _world.View(in _world._entities[_entity]).Own!;

        /// <summary>It has left or was destroyed and is fading out.</summary>
        public bool Leaving => _world._entities[_entity].Leaving;

        /// <summary>Its newest published motion, as <see cref="ReplicaWorld.TryGetMotion"/>.</summary>
        public bool TryGetMotion(out PublishedMotion motion) => _world.TryReadMotion(in _world._entities[_entity], out motion);

        /// <summary>As it is drawn now. Before the first <see cref="AdvanceTo"/>: not visible.</summary>
        public SampledEntity Sample() => double.IsNaN(_world.PresentationTick)
            ? new SampledEntity(Id, Kind, 0, 0, 0, 0, 0, Leaving)
            : _world.SampleEntity(_entity);
    }

    /// <summary>Goes over the entities without allocating.</summary>
    public struct Enumerator
    {
        private readonly ReplicaWorld _world;
        private int _at;

        internal Enumerator(ReplicaWorld world) => (_world, _at) = (world, -1);

        /// <summary>The entity at hand.</summary>
        public readonly ReplicaEntity Current => new(_world, _at);

        /// <summary>To the next.</summary>
        public bool MoveNext()
        {
            while (++_at < _world._entityLimit)
            {
                ref EntityState entity = ref _world._entities[_at];
                if (entity.Id != 0 && _world.View(in entity).Own is not null)
                    return true;
            }

            return false;
        }
    }
}

/// <summary>What a replica must know of its zone: from the server's welcome.</summary>
/// <param name="FirstTick">The zone's tick when the client was welcomed.</param>
/// <param name="DueTime">When that was due, 0.1 ms of the zone's clock.</param>
/// <param name="TickLengthNs">Length of a tick.</param>
/// <param name="SnapshotIntervalTicks">Ticks between two snapshots in the ordinary case.</param>
/// <param name="Intervals">Four intervals in ticks, a byte each, by <see cref="SnapshotHeader.IntervalCode"/>; the last is the keep-alive's.</param>
/// <param name="CellUnits">Side of a density cell, units.</param>
public readonly record struct ReplicaZone(Tick FirstTick, long DueTime, uint TickLengthNs, int SnapshotIntervalTicks, uint Intervals, int CellUnits)
{
    /// <summary>The interval in ticks that a code means.</summary>
    public int IntervalTicks(int code) => (byte)(Intervals >> (8 * code));
}
