using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;
using Hectare.Protocol;

namespace Hectare.World;

/// <summary>What is true in a zone: its entities as columns of plain data, one row an entity, and what changed in this tick.</summary>
/// <remarks>
/// One writer, the tick thread; everyone else reads between the game's step and <see cref="EndTick"/>. Columns are public to be read in loops;
/// they are written by the methods only, which keep grid, events and dirty rows in step. Integers only: the same calls give the same world.
/// Positions are 1/4,096 unit from the zone's corner; what lies outside is clamped and counted.
/// </remarks>
public sealed class WorldState
{
    /// <summary>Rows unless said otherwise.</summary>
    public const int CapacityDefault = 65_536;

    /// <summary>Most rows.</summary>
    public const int CapacityMax = 1 << 20;

    /// <summary>Words of <see cref="Fields"/> a row: those of the schema's largest record.</summary>
    public readonly int FieldWords;

    /// <summary>No peer owns it.</summary>
    public const int NoOwner = -1;

    private const int EventsAtStart = 8_192;

    // What a row did in this tick; cleared by EndTick.
    private const byte DirtyFlag = 1;
    private const byte ChangedFlag = 2;
    private const byte TeleportedFlag = 4;
    private const byte OwnerFlag = 8;
    private const byte MovedFlag = 16;
    private const byte SpawnedFlag = 32;
    private const byte CellFlag = 64;
    private const byte DestroyedFlag = 128;

    /// <summary>The entity of each row; 0: the row is free.</summary>
    public readonly uint[] Id;

    /// <summary>Index into the schema's kinds.</summary>
    public readonly byte[] KindIndex;

    /// <summary>True position now.</summary>
    public readonly int[] X;

    /// <summary>As <see cref="X"/>.</summary>
    public readonly int[] Y;

    /// <summary>Position at the end of the previous tick; the present one after a spawn or a teleport.</summary>
    public readonly int[] PreviousX;

    /// <summary>As <see cref="PreviousX"/>.</summary>
    public readonly int[] PreviousY;

    /// <summary><see cref="Intent.Code"/> of this tick's movement, 0 for none: a hint, the displacement differs where it slid.</summary>
    public readonly ushort[] IntentCode;

    /// <summary>The peer that owns it, or <see cref="NoOwner"/>.</summary>
    public readonly int[] Owner;

    /// <summary>The row's cell in <see cref="Grid"/>.</summary>
    public readonly int[] Cell;

    /// <summary>0, or a number that entities share which appear together.</summary>
    public readonly uint[] Bundle;

    /// <summary>Counts teleports, modulo 2^16.</summary>
    public readonly ushort[] TeleportCount;

    /// <summary>The records, <see cref="FieldWords"/> words a row, as <see cref="Kind"/> lays them out.</summary>
    /// <remarks>Word 0 of kinds with motion is unused here; <see cref="FieldType.Position2"/> and <see cref="FieldType.Velocity2"/> are filled from
    /// the position columns when the world is published.</remarks>
    public readonly ulong[] Fields;

    private readonly byte[] _flags;
    private readonly int[] _cellEvent;      // valid while CellFlag is set: the row's MovedCell event
    private readonly int[] _bodyCell;       // the row's cell in _bodies, or none
    private readonly int[] _freeRows;
    private readonly int[] _dirtyRows;
    private readonly int[] _movedRows;
    private readonly int[] _destroyedRows;
    private readonly Dictionary<uint, int> _rowOfId;
    private readonly SpatialGrid _bodies;
    private readonly int[] _kindRadius;
    private readonly int _blockRadiusMax;
    private readonly int _positionMax;
    private WorldEvent[] _events;
    private int _freeCount;
    private int _dirtyCount;
    private int _movedCount;
    private int _destroyedCount;
    private int _eventCount;
    private uint _nextId;

    /// <summary>An empty world.</summary>
    /// <param name="schema">The game's kinds; its grid gives the world's size.</param>
    /// <param name="tiles">The ground. Anything but a <see cref="TileMap"/> is copied.</param>
    /// <param name="firstId">First of the block of ids leased to this zone; ids count up from here and are not reused.</param>
    /// <param name="capacity">Rows, 1 to <see cref="CapacityMax"/>; about 160 bytes each.</param>
    /// <param name="cellUnits">Cell size of <see cref="Grid"/>, a power of two.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number out of range.</exception>
    public WorldState(Schema schema, ITiles tiles, uint firstId = 1, int capacity = CapacityDefault, int cellUnits = 16)
    {
        ArgumentNullException.ThrowIfNull(schema);
        ArgumentNullException.ThrowIfNull(tiles);
        if (capacity is < 1 or > CapacityMax)
            throw new ArgumentOutOfRangeException(nameof(capacity), capacity, $"must be from 1 to {CapacityMax}");
        ArgumentOutOfRangeException.ThrowIfZero(firstId);
        Schema = schema;
        Map = TileMap.From(tiles);
        Ground = Map.View;
        Grid = new SpatialGrid(schema.Grid.ExtentUnits, capacity, cellUnits);
        _nextId = firstId;
        _positionMax = (schema.Grid.ExtentUnits * Units.One) - 1;

        Id = new uint[capacity];
        KindIndex = new byte[capacity];
        X = new int[capacity];
        Y = new int[capacity];
        PreviousX = new int[capacity];
        PreviousY = new int[capacity];
        IntentCode = new ushort[capacity];
        Owner = new int[capacity];
        Cell = new int[capacity];
        Bundle = new uint[capacity];
        TeleportCount = new ushort[capacity];
        foreach (Kind kind in schema.Kinds)
            FieldWords = Math.Max(FieldWords, kind.WordCount);
        Fields = new ulong[capacity * FieldWords];
        _flags = new byte[capacity];
        _cellEvent = new int[capacity];
        _bodyCell = new int[capacity];
        _freeRows = new int[capacity];
        _dirtyRows = new int[capacity];
        _movedRows = new int[capacity];
        _destroyedRows = new int[capacity];
        _events = new WorldEvent[EventsAtStart];
        _rowOfId = new Dictionary<uint, int>(capacity);

        _kindRadius = new int[schema.Kinds.Length];
        foreach (Kind kind in schema.Kinds)
        {
            _kindRadius[kind.Index] = kind.Radius;
            if (kind.Body == BodyRole.Blocks)
                _blockRadiusMax = Math.Max(_blockRadiusMax, kind.Radius);
        }

        _bodies = new SpatialGrid(schema.Grid.ExtentUnits, capacity, BodyCellUnits(schema.Grid.ExtentUnits, _blockRadiusMax));
    }

    /// <summary>The game's kinds.</summary>
    public Schema Schema { get; }

    /// <summary>The bytes of text fields.</summary>
    public TextTable Texts { get; } = new();

    /// <summary>The ground.</summary>
    public ITiles Tiles => Map;

    /// <summary>The ground as a map, with its hash.</summary>
    public TileMap Map { get; }

    /// <summary>The ground for hot loops.</summary>
    public TileView Ground { get; }

    /// <summary>Every entity by cell; always in step with the positions.</summary>
    public SpatialGrid Grid { get; }

    /// <summary>Bytes of all columns, lists and grids.</summary>
    public long MemoryBytes => ((long)Capacity * ((14 * sizeof(int)) + (2 * sizeof(ushort)) + 2 + (FieldWords * sizeof(ulong)))) + (_events.LongLength * Unsafe.SizeOf<WorldEvent>())
        + (_rowOfId.EnsureCapacity(0) * 20L) + Grid.MemoryBytes + _bodies.MemoryBytes;

    /// <summary>Rows at most.</summary>
    public int Capacity => Id.Length;

    /// <summary>One more than the highest row ever used: loops run to here.</summary>
    public int RowLimit { get; private set; }

    /// <summary>Entities alive.</summary>
    public int Count { get; private set; }

    /// <summary>Positions that lay outside the world and were clamped.</summary>
    public long PositionsClamped { get; private set; }

    /// <summary>Field values that were out of range and clamped, and texts that were cut.</summary>
    public long ValuesClamped { get; private set; }

    /// <summary>Pairs of bodies whose distance was looked at (audited fault 2: this must not grow with the square of the bodies).</summary>
    public long PairsTested { get; private set; }

    /// <summary>Rows that changed in this tick, each once, in order of their first change. Rows destroyed since are among them.</summary>
    public ReadOnlySpan<int> DirtyRows => _dirtyRows.AsSpan(0, _dirtyCount);

    /// <summary>What happened in this tick, in order.</summary>
    public ReadOnlySpan<WorldEvent> Events => _events.AsSpan(0, _eventCount);

    /// <summary>True when a field of the row was set to another value in this tick, or the row is new.</summary>
    public bool HasChanged(int row) => (_flags[row] & (ChangedFlag | SpawnedFlag)) != 0;

    /// <summary>True when the row is in <see cref="DirtyRows"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsDirty(int row) => (_flags[row] & DirtyFlag) != 0;

    /// <summary>True when the row holds an entity that was not destroyed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsAlive(int row) => Id[row] != 0 && (_flags[row] & DestroyedFlag) == 0;

    /// <summary>The entity of a row.</summary>
    public EntityId IdOf(int row) => new(Id[row]);

    /// <summary>The kind of a row.</summary>
    public Kind KindOf(int row) => Schema.Kinds[KindIndex[row]];

    /// <summary>The record of a row; to be read. See <see cref="Fields"/>.</summary>
    public ReadOnlySpan<ulong> RecordOf(int row) => Fields.AsSpan(row * FieldWords, FieldWords);

    /// <summary>The row of an entity that is alive.</summary>
    public bool TryFind(EntityId id, out int row) => _rowOfId.TryGetValue(id.Value, out row);

    /// <summary>A new entity at rest, all fields zero, owned by nobody.</summary>
    /// <exception cref="WorldFullException">No row is free.</exception>
    public int Spawn(Kind kind, int x, int y)
        => TrySpawn(kind, x, y, out int row) ? row : throw new WorldFullException($"the world holds {Count} of {Capacity} entities: no room for another");

    /// <summary>A new entity, or false when no row or no id is left. Rows destroyed in this tick are free in the next.</summary>
    public bool TrySpawn(Kind kind, int x, int y, out int row)
    {
        Contract.Assert(Schema.Kinds[kind.Index] == kind);
        row = -1;
        if (_nextId == 0 || (_freeCount == 0 && RowLimit == Capacity))
            return false;
        row = _freeCount > 0 ? _freeRows[--_freeCount] : RowLimit++;
        Id[row] = _nextId++;
        KindIndex[row] = (byte)kind.Index;
        X[row] = PreviousX[row] = ClampPosition(x);
        Y[row] = PreviousY[row] = ClampPosition(y);
        IntentCode[row] = 0;
        Owner[row] = NoOwner;
        Bundle[row] = 0;
        TeleportCount[row] = 0;
        Fields.AsSpan(row * FieldWords, FieldWords).Clear();
        _flags[row] = 0;
        _rowOfId.Add(Id[row], row);
        Count++;
        EnterGrids(row, kind);
        MarkOnce(row, SpawnedFlag);
        AddEvent(WorldEventKind.Spawned, row, SpatialGrid.NoCell, Cell[row]);
        return true;
    }

    /// <summary>Ends an entity. Its columns can be read until <see cref="EndTick"/>; the grid and <see cref="TryFind"/> no longer know it.</summary>
    public void Destroy(int row)
    {
        Contract.Assert(IsAlive(row));
        Grid.Remove(row, Cell[row], KindOf(row).CountsInCrowd);
        if (_bodyCell[row] != SpatialGrid.NoCell)
            _bodies.Remove(row, _bodyCell[row], isMover: false);
        _rowOfId.Remove(Id[row]);
        _flags[row] |= DestroyedFlag;
        _destroyedRows[_destroyedCount++] = row;
        Count--;
        AddEvent(WorldEventKind.Destroyed, row, Cell[row], SpatialGrid.NoCell);
    }

    /// <summary>This tick's movement: where it is now, and the intent that brought it there (rest when pushed).</summary>
    public void MoveTo(int row, int x, int y, Intent intent)
    {
        Contract.Assert(IsAlive(row));
        x = ClampPosition(x);
        y = ClampPosition(y);
        bool stays = X[row] == x && Y[row] == y;
        if (stays && intent.Code == IntentCode[row])
            return;
        MarkMoved(row);
        IntentCode[row] = intent.Code;
        if (!stays)
            Place(row, x, y);
    }

    /// <summary>Puts it somewhere without a way between: nobody extrapolates or draws a line across.</summary>
    public void Teleport(int row, int x, int y)
    {
        Contract.Assert(IsAlive(row));
        MarkMoved(row);
        IntentCode[row] = 0;
        TeleportCount[row]++;
        if (MarkOnce(row, TeleportedFlag))
            AddEvent(WorldEventKind.Teleported, row, Cell[row], Cell[row]);
        Place(row, ClampPosition(x), ClampPosition(y));
        PreviousX[row] = X[row];
        PreviousY[row] = Y[row];
    }

    /// <summary>Sets a field to raw bits. Nothing happens when it has them already.</summary>
    public void Set(int row, Field field, uint bits)
    {
        if (Contract.Enabled)
            Contract.Assert(IsAlive(row) && KindOf(row).Fields.Contains(field) && field.Type is not (FieldType.Position2 or FieldType.Velocity2));
        ref ulong word = ref Fields[(row * FieldWords) + field.Word];
        ulong changed = (word & ~field.Mask) | (((ulong)bits << field.Shift) & field.Mask);
        if (changed == word)
            return;
        word = changed;
        if (MarkOnce(row, ChangedFlag) && (_flags[row] & SpawnedFlag) == 0)
            AddEvent(WorldEventKind.Changed, row, Cell[row], Cell[row]);
    }

    /// <summary>Sets a field to a value in its range; out of range it is clamped and counted.</summary>
    public void SetFloat(int row, Field field, double value)
    {
        uint bits = field.Quantize(value, out bool clamped);
        ValuesClamped += clamped ? 1 : 0;
        Set(row, field, bits);
    }

    /// <summary>Sets a text; too long, it is cut before the character that does not fit, and counted.</summary>
    public void SetText(int row, Field field, ReadOnlySpan<byte> utf8)
    {
        Contract.Assert(field.Type == FieldType.Text);
        int length = utf8.Length;
        if (length > (int)field.Max)
        {
            ValuesClamped++;
            length = (int)field.Max;
            while (length > 0 && (utf8[length] & 0xC0) == 0x80)
                length--;
        }

        Set(row, field, Texts.Add(utf8[..length]));
    }

    /// <summary>As <see cref="SetText(int, Field, ReadOnlySpan{byte})"/>.</summary>
    public void SetText(int row, Field field, string text) => SetText(row, field, Encoding.UTF8.GetBytes(text));

    /// <summary>A field's raw bits; a text's hash.</summary>
    public uint Get(int row, Field field) => field.Get(RecordOf(row));

    /// <summary>Gives it to a peer, or to nobody (<see cref="NoOwner"/>).</summary>
    public void SetOwner(int row, int peerIndex)
    {
        Contract.Assert(IsAlive(row) && peerIndex >= NoOwner);
        if (Owner[row] == peerIndex)
            return;
        Owner[row] = peerIndex;
        if (MarkOnce(row, OwnerFlag))
            AddEvent(WorldEventKind.OwnerChanged, row, Cell[row], Cell[row]);
    }

    /// <summary>Makes it appear together with all that have the same number; 0 alone.</summary>
    public void SetBundle(int row, uint bundle)
    {
        Contract.Assert(IsAlive(row));
        Bundle[row] = bundle;
    }

    /// <summary>Asks for the memory of what a row may walk into: some rows before it is moved.</summary>
    internal void PrefetchWalk(int row)
    {
        int x = X[row], y = Y[row];
        // Its reach is about a unit: most look into two rows of cells.
        int column = _bodies.Clamp(x), above = _bodies.Clamp(y - Units.One), below = _bodies.Clamp(y + Units.One);
        Prefetch.Element(_bodies.First, (above * _bodies.CellsPerSide) + column);
        Prefetch.Element(_bodies.First, (below * _bodies.CellsPerSide) + column);
        Ground.Prefetch(x >> Units.Shift, y >> Units.Shift);
    }

    /// <summary>Bodies at rest that stand in the way of <paramref name="row"/> around a point; see <see cref="IBodies.Near"/>.</summary>
    public int BodiesNear(int row, int x, int y, int reach, Span<Body> found)
    {
        int count = 0;
        int far = reach + _blockRadiusMax;
        int lastX = _bodies.Clamp(x + far), lastY = _bodies.Clamp(y + far);
        for (int cellY = _bodies.Clamp(y - far); cellY <= lastY; cellY++)
        {
            for (int cellX = _bodies.Clamp(x - far); cellX <= lastX; cellX++)
            {
                for (int other = _bodies.First[(cellY * _bodies.CellsPerSide) + cellX]; other >= 0; other = _bodies.Next[other])
                {
                    PairsTested++;
                    if (count < found.Length && other != row && StandsWithin(other, x, y, reach))
                        found[count++] = new Body(X[other], Y[other], _kindRadius[KindIndex[other]]);
                }
            }
        }

        return count;
    }

    /// <summary>Ends the tick: positions become previous ones, events and dirty rows are forgotten, rows of the destroyed are free.</summary>
    public void EndTick()
    {
        for (int i = 0; i < _movedCount; i++)
        {
            int row = _movedRows[i];
            PreviousX[row] = X[row];
            PreviousY[row] = Y[row];
            IntentCode[row] = 0;
            _flags[row] = (byte)(_flags[row] & ~MovedFlag);
        }

        for (int i = 0; i < _dirtyCount; i++)
            _flags[_dirtyRows[i]] &= DestroyedFlag;
        for (int i = 0; i < _destroyedCount; i++)
        {
            int row = _destroyedRows[i];
            Id[row] = 0;
            Owner[row] = NoOwner;
            Cell[row] = SpatialGrid.NoCell;
            _flags[row] = 0;
            _freeRows[_freeCount++] = row;
        }

        // The start of a world is a burst; its room is given back.
        if (_events.Length > EventsAtStart && _eventCount < EventsAtStart / 4)
            _events = new WorldEvent[EventsAtStart];
        (_movedCount, _dirtyCount, _destroyedCount, _eventCount) = (0, 0, 0, 0);
    }

    /// <summary>A hash over all entities, their places, owners and fields: two runs of one seed and one input log must agree.</summary>
    public ulong StateHash()
    {
        ulong hash = (ulong)Count;
        for (int row = 0; row < RowLimit; row++)
        {
            if (!IsAlive(row))
                continue;
            hash = Mix(hash, Id[row] | ((ulong)KindIndex[row] << 32) | ((ulong)TeleportCount[row] << 40));
            hash = Mix(hash, (uint)X[row] | ((ulong)(uint)Y[row] << 32));
            hash = Mix(hash, (uint)Owner[row] | ((ulong)Bundle[row] << 32));
            foreach (ulong word in RecordOf(row))
                hash = Mix(hash, word);
        }

        return hash;
    }

    // Cells wide enough that a walker looks into four at most; not more than a million of them.
    private static int BodyCellUnits(int extentUnits, int blockRadiusMax)
    {
        int reachUnits = ((2 * blockRadiusMax) >> Units.Shift) + 2;
        int cellUnits = Math.Max((int)BitOperations.RoundUpToPowerOf2((uint)reachUnits), extentUnits / 1024);
        return Math.Clamp(cellUnits, Math.Min(4, extentUnits), extentUnits);
    }

    private static ulong Mix(ulong hash, ulong value)
    {
        hash = (hash ^ value) * 0xFF51_AFD7_ED55_8CCDUL;
        return hash ^ (hash >> 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int ClampPosition(int position)
    {
        if ((uint)position <= (uint)_positionMax)
            return position;
        PositionsClamped++;
        return position < 0 ? 0 : _positionMax;
    }

    private void Place(int row, int x, int y)
    {
        X[row] = x;
        Y[row] = y;
        MarkOnce(row, 0);
        int from = Cell[row], to = Grid.CellOf(x, y);
        if (from != to)
            MoveCell(row, from, to);
        if (_bodyCell[row] != SpatialGrid.NoCell)
            MoveBodyCell(row, _bodies.CellOf(x, y));
    }

    private void MoveCell(int row, int from, int to)
    {
        bool isMover = KindOf(row).CountsInCrowd;
        Grid.Remove(row, from, isMover);
        Grid.Insert(row, to, isMover);
        Cell[row] = to;
        if ((_flags[row] & CellFlag) != 0)
        {
            ref WorldEvent known = ref _events[_cellEvent[row]];
            known = known with { ToCell = to };
            return;
        }

        _flags[row] |= CellFlag;
        _cellEvent[row] = _eventCount;
        AddEvent(WorldEventKind.MovedCell, row, from, to);
    }

    private void MoveBodyCell(int row, int to)
    {
        if (_bodyCell[row] == to)
            return;
        _bodies.Remove(row, _bodyCell[row], isMover: false);
        _bodies.Insert(row, to, isMover: false);
        _bodyCell[row] = to;
    }

    private void EnterGrids(int row, Kind kind)
    {
        Cell[row] = Grid.CellOf(X[row], Y[row]);
        Grid.Insert(row, Cell[row], kind.CountsInCrowd);
        _bodyCell[row] = SpatialGrid.NoCell;
        if (kind.Body != BodyRole.Blocks)
            return;
        _bodyCell[row] = _bodies.CellOf(X[row], Y[row]);
        _bodies.Insert(row, _bodyCell[row], isMover: false);
    }

    private bool StandsWithin(int row, int x, int y, int reach)
    {
        if (X[row] != PreviousX[row] || Y[row] != PreviousY[row])
            return false;
        long awayX = x - (long)X[row], awayY = y - (long)Y[row], touch = (long)reach + _kindRadius[KindIndex[row]];
        return (awayX * awayX) + (awayY * awayY) < touch * touch;
    }

    private void MarkMoved(int row)
    {
        if ((_flags[row] & MovedFlag) != 0)
            return;
        _flags[row] |= MovedFlag;
        _movedRows[_movedCount++] = row;
    }

    // True the first time in this tick that the row is marked so.
    private bool MarkOnce(int row, byte flag)
    {
        byte before = _flags[row];
        if ((before & DirtyFlag) == 0)
            _dirtyRows[_dirtyCount++] = row;
        _flags[row] = (byte)(before | flag | DirtyFlag);
        return (before & flag) == 0;
    }

    private void AddEvent(WorldEventKind kind, int row, int fromCell, int toCell)
    {
        // Grows when a world is filled; a steady tick has room.
        if (_eventCount == _events.Length)
            Array.Resize(ref _events, _events.Length * 2);
        _events[_eventCount++] = new WorldEvent(kind, row, new EntityId(Id[row]), fromCell, toCell, KindIndex[row]);
    }
}

/// <summary>No row is free in a <see cref="WorldState"/>.</summary>
public sealed class WorldFullException(string message) : Exception(message);
