using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>The slots as both ends count them: who lives where, and which versions of it came in which packet.</summary>
/// <remarks>
/// The server names a baseline only by B, "the newest version accepted up to B"; this is the memory that answers it. An occupant that left
/// stays until B has passed its leave: until then packets are still checked against the slots as they were.
/// A version: the record's words, then T0 (32 bits), the low 30 bits of the sequence it first came in, 2 bits of audience.
/// </remarks>
internal sealed class ReplicaSlots(WordPool pool)
{
    /// <summary>No occupant.</summary>
    public const int None = -1;

    /// <summary>Versions kept of an occupant: at least 16, as the server's own ring holds no more.</summary>
    public const int VersionsMax = 32;

    /// <summary>Occupants that have left and still count: an honest server fills a slot again only when its leave is acked, so far fewer.</summary>
    public const int EndedMax = 4 * SlotCodec.SlotsMax;

    private const int FirstCapacity = 2;

    private readonly int[] _newest = NoSlots();
    private Occupant[] _occupants = [];
    private int _used;
    private int _free = None;
    private int[] _ended = new int[16];
    private int _endedStart;
    private int _endedCount;

    /// <summary>Newest baseline any accepted packet named: what lies before it is never asked for again.</summary>
    private SequenceNumber _passed;
    private bool _hasPassed;

    /// <summary>An occupant's numbers.</summary>
    public ref Occupant this[int occupant] => ref _occupants[occupant];

    /// <summary>True when no more may enter: a server that never moves its baseline would make us remember without bound.</summary>
    public bool IsFull => _endedCount >= EndedMax;

    /// <summary>Bytes held beside the pool.</summary>
    public long MemoryBytes => (_newest.Length * 4L) + (_occupants.Length * (long)Unsafe.SizeOf<Occupant>()) + (_ended.Length * 4L);

    /// <summary>Who lives in a slot now; None when empty.</summary>
    public int Living(int slot)
    {
        int occupant = _newest[slot];
        return occupant != None && !_occupants[occupant].Ended ? occupant : None;
    }

    /// <summary>Who lived in a slot as of B; None when it was empty.</summary>
    public int AsOf(int slot, SequenceNumber baseline)
    {
        int occupant = _newest[slot];
        while (occupant != None && _occupants[occupant].EnterSequence > baseline)
            occupant = _occupants[occupant].Older;
        return occupant != None && !(_occupants[occupant].Ended && _occupants[occupant].EndSequence <= baseline) ? occupant : None;
    }

    /// <summary>The newest version of an occupant that came in a packet up to and including B; -1 when there is none.</summary>
    public int VersionAsOf(int occupant, SequenceNumber baseline)
    {
        ref Occupant one = ref _occupants[occupant];
        int version = one.Count - 1;
        while (version >= 0 && Since(StampOf(in one, version), baseline) > 0)
            version--;
        return version;
    }

    /// <summary>The record of a version.</summary>
    public ReadOnlySpan<ulong> Record(int occupant, int version)
    {
        ref Occupant one = ref _occupants[occupant];
        int words = one.Kind!.WordCount;
        return pool.Words(one.Block, one.Capacity * (words + 1)).Slice(version * (words + 1), words);
    }

    /// <summary>T0 of a version's motion.</summary>
    public Tick T0(int occupant, int version) => new((uint)StampOf(in _occupants[occupant], version));

    /// <summary>Audience bits of a version.</summary>
    public int Audience(int occupant, int version) => (int)(StampOf(in _occupants[occupant], version) >> 62);

    /// <summary>A new occupant; one that still lived there has left with this packet.</summary>
    public int Enter(int slot, EntityId id, Kind kind, SequenceNumber sequence)
    {
        End(slot, sequence);
        int index = TakeOccupant();
        _occupants[index] = new Occupant
        {
            Id = id,
            Kind = kind,
            EnterSequence = sequence,
            Older = _newest[slot],
            Slot = (ushort)slot,
            Block = pool.Take(FirstCapacity * (kind.WordCount + 1)),
            Capacity = (byte)(WordPool.RoundUp(FirstCapacity * (kind.WordCount + 1)) / (kind.WordCount + 1)),
            Entity = None,
        };
        _newest[slot] = index;
        return index;
    }

    /// <summary>The occupant of a slot left; nothing when it is empty.</summary>
    public void End(int slot, SequenceNumber sequence)
    {
        int index = Living(slot);
        if (index == None)
            return;
        _occupants[index].Ended = true;
        _occupants[index].EndSequence = sequence;
        if (_endedCount == _ended.Length)
            GrowEnded();
        _ended[(_endedStart + _endedCount++) & (_ended.Length - 1)] = index;
    }

    /// <summary>A version of an occupant came in. Identical to the newest it is not a new one. Versions before that of packet
    /// <paramref name="drawnFrom"/> are not drawn any more.</summary>
    /// <returns>True when it is new.</returns>
    public bool AddVersion(int occupant, ReadOnlySpan<ulong> record, Tick t0, int audience, SequenceNumber sequence, SequenceNumber drawnFrom)
    {
        ref Occupant one = ref _occupants[occupant];
        int last = one.Count - 1;
        if (last >= 0 && IsSame(occupant, last, record, t0, audience))
            return false;
        if (one.Count == one.Capacity)
            MakeRoom(ref one, drawnFrom);
        int stride = one.Kind!.WordCount + 1;
        Span<ulong> version = pool.Words(one.Block, one.Capacity * stride).Slice(one.Count * stride, stride);
        record.CopyTo(version);
        version[^1] = t0.Value | ((ulong)(sequence.Value & 0x3FFF_FFFF) << 32) | ((ulong)audience << 62);
        one.Count++;
        return true;
    }

    /// <summary>A packet was accepted that counts on what came up to B: occupants that had left by then are forgotten.</summary>
    public void PassBaseline(SequenceNumber baseline)
    {
        if (_hasPassed && baseline <= _passed)
            return;
        (_hasPassed, _passed) = (true, baseline);
        while (_endedCount > 0 && _occupants[_ended[_endedStart]].EndSequence <= baseline)
        {
            Forget(_ended[_endedStart]);
            _endedStart = (_endedStart + 1) & (_ended.Length - 1);
            _endedCount--;
        }
    }

    /// <summary>True for a baseline older than one that was already counted on: no honest server goes back.</summary>
    public bool IsPassed(SequenceNumber baseline) => _hasPassed && baseline < _passed;

    private static int[] NoSlots()
    {
        int[] slots = new int[SlotCodec.SlotsMax];
        Array.Fill(slots, None);
        return slots;
    }

    // The distance of a stamp's 30 bits to a sequence: right within 2^29 packets, half a year at 30 a second.
    private static int Since(ulong stamp, SequenceNumber sequence) => (int)(((uint)(stamp >> 32) - sequence.Value) << 2) >> 2;

    private ulong StampOf(ref readonly Occupant one, int version)
    {
        int stride = one.Kind!.WordCount + 1;
        return pool.Words(one.Block, one.Capacity * stride)[(version * stride) + stride - 1];
    }

    private bool IsSame(int occupant, int version, ReadOnlySpan<ulong> record, Tick t0, int audience)
        => Audience(occupant, version) == audience
        && record.SequenceEqual(Record(occupant, version))
        && (!_occupants[occupant].Kind!.HasMotion || Motion.IsRest(record[0]) || T0(occupant, version) == t0);

    // Drops what neither a baseline nor the picture can ask for; else grows; at the limit the oldest goes.
    private void MakeRoom(ref Occupant one, SequenceNumber drawnFrom)
    {
        int stride = one.Kind!.WordCount + 1;
        Span<ulong> versions = pool.Words(one.Block, one.Capacity * stride);
        int drop = 0;
        while (drop + 1 < one.Count && _hasPassed && Since(versions[((drop + 2) * stride) - 1], _passed) <= 0 && Since(versions[((drop + 2) * stride) - 1], drawnFrom) <= 0)
            drop++;
        if (drop == 0 && one.Capacity < VersionsMax)
        {
            int words = WordPool.RoundUp(one.Capacity * stride) * 2;
            int block = pool.Take(words);
            versions.CopyTo(pool.Words(block, words));
            pool.Free(one.Block, one.Capacity * stride);
            one.Block = block;
            one.Capacity = (byte)(words / stride);
            return;
        }

        drop = Math.Max(1, drop);
        versions[(drop * stride)..(one.Count * stride)].CopyTo(versions);
        one.Count -= (byte)drop;
    }

    // The forgotten one is the oldest of its slot's chain: its enter came before all others'.
    private void Forget(int occupant)
    {
        ref Occupant one = ref _occupants[occupant];
        int newer = _newest[one.Slot];
        if (newer == occupant)
        {
            _newest[one.Slot] = one.Older;
        }
        else
        {
            while (_occupants[newer].Older != occupant)
                newer = _occupants[newer].Older;
            _occupants[newer].Older = one.Older;
        }

        pool.Free(one.Block, one.Capacity * (one.Kind!.WordCount + 1));
        one = new Occupant { Older = _free };
        _free = occupant;
    }

    private int TakeOccupant()
    {
        if (_free != None)
        {
            int index = _free;
            _free = _occupants[index].Older;
            return index;
        }

        if (_used == _occupants.Length)
            Array.Resize(ref _occupants, Math.Max(64, _occupants.Length + (_occupants.Length / 2)));
        return _used++;
    }

    private void GrowEnded()
    {
        int[] grown = new int[_ended.Length * 2];
        for (int i = 0; i < _endedCount; i++)
            grown[i] = _ended[(_endedStart + i) & (_ended.Length - 1)];
        (_ended, _endedStart) = (grown, 0);
    }

    /// <summary>One stay of one entity in one slot.</summary>
    public struct Occupant
    {
        /// <summary>Who.</summary>
        public EntityId Id;

        /// <summary>Its kind; null in a free entry.</summary>
        public Kind? Kind;

        /// <summary>The packet whose Enter came first.</summary>
        public SequenceNumber EnterSequence;

        /// <summary>The packet whose Leave or Destroy came first. Meaningful when <see cref="Ended"/>.</summary>
        public SequenceNumber EndSequence;

        /// <summary>The one before it in the slot, or the next free entry.</summary>
        public int Older;

        /// <summary>Its versions.</summary>
        public int Block;

        /// <summary>The drawn entity; None once it lives in another slot or has left.</summary>
        public int Entity;

        /// <summary>Its slot.</summary>
        public ushort Slot;

        /// <summary>Versions that fit.</summary>
        public byte Capacity;

        /// <summary>Versions held.</summary>
        public byte Count;

        /// <summary>It has left or was destroyed.</summary>
        public bool Ended;
    }
}
