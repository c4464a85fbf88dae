using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>The last version of entities that left: one that returns may be coded against it.</summary>
/// <remarks>30 s of ticks and 1,024 entities, oldest out first; the server counts on less (20 s, 512), so a difference of one packet never matters.</remarks>
internal sealed class KeptEntities(WordPool pool, int ageTicksMax)
{
    /// <summary>Most entities kept.</summary>
    public const int CountMax = 1024;

    private const int None = -1;

    private readonly Dictionary<uint, int> _index = [];
    private Entry[] _entries = [];
    private int _used;
    private int _free = None;
    private int _oldest = None;
    private int _newest = None;

    /// <summary>Entities kept now, the too old ones included.</summary>
    public int Count => _index.Count;

    /// <summary>Bytes held beside the pool.</summary>
    public long MemoryBytes => (_entries.Length * (long)Unsafe.SizeOf<Entry>()) + (_index.EnsureCapacity(0) * 24L);

    /// <summary>What is kept of an entity; -1 when nothing is, or it is too old.</summary>
    public int Find(EntityId id, Tick now)
        => _index.TryGetValue(id.Value, out int index) && now - _entries[index].Tick <= ageTicksMax ? index : None;

    /// <summary>Kind of an entry.</summary>
    public Kind Kind(int index) => _entries[index].Kind!;

    /// <summary>T0 of an entry's motion.</summary>
    public Tick T0(int index) => _entries[index].T0;

    /// <summary>Audience bits of an entry.</summary>
    public int Audience(int index) => _entries[index].Audience;

    /// <summary>The record of an entry.</summary>
    public ReadOnlySpan<ulong> Record(int index) => pool.Words(_entries[index].Block, _entries[index].Kind!.WordCount);

    /// <summary>Keeps an entity's version as of its leave; replaces an older one.</summary>
    public void Keep(EntityId id, Kind kind, ReadOnlySpan<ulong> record, Tick t0, int audience, Tick now)
    {
        if (_index.TryGetValue(id.Value, out int old))
            Remove(old);
        while (_oldest != None && (_index.Count >= CountMax || now - _entries[_oldest].Tick > ageTicksMax))
            Remove(_oldest);
        int index = TakeEntry();
        int block = pool.Take(kind.WordCount);
        record.CopyTo(pool.Words(block, kind.WordCount));
        _entries[index] = new Entry { Id = id.Value, Kind = kind, Block = block, T0 = t0, Audience = (byte)audience, Tick = now, Older = _newest, Newer = None };
        if (_newest != None)
            _entries[_newest].Newer = index;
        else
            _oldest = index;
        _newest = index;
        _index.Add(id.Value, index);
    }

    private void Remove(int index)
    {
        ref Entry entry = ref _entries[index];
        if (entry.Older != None)
            _entries[entry.Older].Newer = entry.Newer;
        else
            _oldest = entry.Newer;
        if (entry.Newer != None)
            _entries[entry.Newer].Older = entry.Older;
        else
            _newest = entry.Older;
        pool.Free(entry.Block, entry.Kind!.WordCount);
        _index.Remove(entry.Id);
        entry = new Entry { Newer = _free };
        _free = index;
    }

    private int TakeEntry()
    {
        if (_free != None)
        {
            int index = _free;
            _free = _entries[index].Newer;
            return index;
        }

        if (_used == _entries.Length)
            Array.Resize(ref _entries, Math.Max(16, _entries.Length * 2));
        return _used++;
    }

    private struct Entry
    {
        public uint Id;
        public Kind? Kind;
        public int Block;
        public Tick T0;
        public Tick Tick;
        public byte Audience;
        public int Older;
        public int Newer;
    }
}
