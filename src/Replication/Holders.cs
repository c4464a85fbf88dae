using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Of each entity the peers that hold it, and in which slots: who hears of its news. Telling them is a bit each, and no look at any view.</summary>
/// <remarks>
/// Lists in one array, in blocks of fours with a head of two: how long it is, and whose. A block that was left is taken by another list. When the array is full its blocks are moved together, in place;
/// it grows, by allocating, only when it is full of lists.
/// Views change while peers are written, by several threads; what they did is noted in <see cref="HoldersLog"/> and done by the tick thread before the
/// next news (docs/decisions/0019). A list may thus name a slot that was freed since: its mark finds nothing to tell.
/// </remarks>
internal sealed class Holders
{
    /// <summary>A slot in an entry.</summary>
    internal const int SlotBits = 10;

    private const int Unit = 4;             // entries
    private const int SlackUnits = 4;       // what a list may be too long by: one that swings does not move with it
    private const int LargerUnits = 16;     // a block so much larger than needed is cut
    private const int HeadEntries = 2;
    private const int EntriesPerLine = 16;
    private const uint NoRow = uint.MaxValue;
    private const int UnitsAtStart = 4_096;
    private const int HeldByPeer = 640;     // and what blocks have to spare
    private const int None = -1;

    private readonly Place[] _places;
    private readonly int[] _free = new int[((ushort.MaxValue + HeadEntries) / Unit) + 2];      // first free block by its units; the next one is in its first entry
    private uint[] _entries;
    private int _end;

    /// <summary>For so many entities, with room for what so many peers hold on a well-filled map: a steady tick allocates nothing.</summary>
    internal Holders(int rows, int peersMax)
    {
        _places = new Place[rows];
        _entries = new uint[Math.Max(UnitsAtStart * Unit, peersMax * HeldByPeer)];
        Array.Fill(_free, None);
    }

    internal long MemoryBytes => (_places.LongLength * 8) + ((_entries.LongLength + _free.LongLength) * sizeof(uint));

    /// <summary>A peer and one of its slots, as an entry.</summary>
    internal static uint Entry(int peer, int slot) => ((uint)peer << SlotBits) | (uint)slot;

    /// <summary>Who holds the entity of a row.</summary>
    internal ReadOnlySpan<uint> Of(int row) => ListOf(in _places[row]);

    /// <summary>Asks for where a row's list is said to be: some rows before <see cref="PrefetchList"/>.</summary>
    internal void PrefetchPlace(int row) => Prefetch.Line(ref _places[row]);

    /// <summary>Asks for the first lines of a row's list, once its place is here.</summary>
    internal void PrefetchList(int row)
    {
        int start = _places[row].Start + HeadEntries;
        Prefetch.Element(_entries, start);
        Prefetch.Element(_entries, start + EntriesPerLine);
    }

    internal void Add(int row, uint entry)
    {
        ref Place place = ref _places[row];
        if (place.Count == Math.Max(0, (place.Units * Unit) - HeadEntries))
            Move(row, place.Units + 1);
        place.Count++;
        ListOf(in place)[^1] = entry;
    }

    internal void Remove(int row, uint entry)
    {
        ref Place place = ref _places[row];
        Span<uint> list = ListOf(in place);
        int at = list.IndexOf(entry);
        Contract.Assert(at >= 0);
        if (at < 0)
            return;
        list[at] = list[^1];
        place.Count--;
        int needed = (place.Count + HeadEntries + Unit - 1) / Unit;
        if (place.Count == 0)
            Release(ref place);
        else if (place.Units > needed + SlackUnits)
            Move(row, needed + 1);
    }

    private Span<uint> ListOf(in Place place) => place.Count == 0 ? [] : _entries.AsSpan(place.Start + HeadEntries, place.Count);

    private void Move(int row, int units)
    {
        int start = Rent(units);
        // Only now: moving blocks together has moved it too.
        ref Place place = ref _places[row];
        ListOf(in place).CopyTo(_entries.AsSpan(start + HeadEntries));
        ushort count = place.Count;
        Release(ref place);
        place = new Place { Start = start, Count = count, Units = (ushort)units };
        _entries[start + 1] = (uint)row;
    }

    private int Rent(int units)
    {
        for (int larger = units; larger < Math.Min(units + LargerUnits, _free.Length); larger++)
        {
            int start = _free[larger];
            if (start == None)
                continue;
            _free[larger] = (int)_entries[start + HeadEntries];
            if (larger > units)
                Free(start + (units * Unit), larger - units);
            _entries[start] = (uint)units;
            return start;
        }

        if (_end + (units * Unit) > _entries.Length)
            MoveTogether(units);
        int end = _end;
        _end += units * Unit;
        (_entries[end], _entries[end + 1]) = ((uint)units, NoRow);
        return end;
    }

    private void Release(ref Place place)
    {
        if (place.Units > 0)
            Free(place.Start, place.Units);
        place = default;
    }

    // The next free block of its length, behind the head.
    private void Free(int start, int units)
    {
        (_entries[start], _entries[start + 1], _entries[start + HeadEntries]) = ((uint)units, NoRow, (uint)_free[units]);
        _free[units] = start;
    }

    private void MoveTogether(int unitsMore)
    {
        int to = 0;
        for (int at = 0, entries; at < _end; at += entries)
        {
            entries = (int)_entries[at] * Unit;
            uint row = _entries[at + 1];
            if (row == NoRow)
                continue;
            _entries.AsSpan(at, entries).CopyTo(_entries.AsSpan(to));
            _places[row].Start = to;
            to += entries;
        }

        _end = to;
        Array.Fill(_free, None);
        if (to + (unitsMore * Unit) > _entries.Length * 7L / 8)
            Array.Resize(ref _entries, (int)Math.Min(Array.MaxLength, (_entries.Length * 5L / 4) + (unitsMore * Unit)));
    }

    private struct Place
    {
        public int Start;
        public ushort Count;
        public ushort Units;
    }
}

/// <summary>What one thread's peers took and left since the last tick.</summary>
internal sealed class HoldersLog
{
    private (int Row, uint Entry, bool Holds)[] _changes = new (int, uint, bool)[256];
    private int _count;

    internal void Note(int row, uint entry, bool holds)
    {
        // Grows while many join.
        if (_count == _changes.Length)
            Array.Resize(ref _changes, _count * 2);
        _changes[_count++] = (row, entry, holds);
    }

    /// <summary>Does what was noted, in order.</summary>
    internal void Settle(Holders holders)
    {
        const int PlaceAhead = 8, ListAhead = 4;
        for (int i = 0; i < _count; i++)
        {
            if (i + PlaceAhead < _count)
                holders.PrefetchPlace(_changes[i + PlaceAhead].Row);
            if (i + ListAhead < _count)
                holders.PrefetchList(_changes[i + ListAhead].Row);
            (int row, uint entry, bool holds) = _changes[i];
            if (holds)
                holders.Add(row, entry);
            else
                holders.Remove(row, entry);
        }

        _count = 0;
    }
}
