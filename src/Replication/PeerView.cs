using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>What the server knows that one peer knows: its cells, its slots, and which version of each entity its acks prove.</summary>
/// <remarks>
/// Slot states follow acks alone (docs/state-machines.md, Slot). Written by the tick thread while cells are followed and by the thread that
/// writes the peer's snapshots; never by both at once.
/// </remarks>
public sealed partial class PeerView
{
    // Sized for what a peer knows on a well-filled map, so that a steady tick allocates nothing; they grow in a crowd.
    private const int SlotsAtStart = 640;
    private const int MapAtStart = 2048;

    /// <summary>Where what has waited longest stops: below the peer's own entity.</summary>
    internal const int UrgencyMax = (1 << 14) - 2;

    private const int EntriesPerLine = 8;
    private const int PrefetchMax = 40;

    private readonly WorldHistory _history;
    private readonly ReplicationOptions _options;
    private readonly Viewpoints _viewpoints;
    private LineArray<Slot> _slots = new(SlotsAtStart);
    private ushort[] _map = new ushort[MapAtStart];   // slot + 1 by entity id, open addressing
    private int _mapMask = MapAtStart - 1;
    private int _mapCount;
    private FreeSlots _free;                                      // by list, oldest freed first
    private Leaving[] _leaving = new Leaving[128];                 // slots whose Leave or Destroy is not acked
    private int _leavingCount;
    private int _avatarSlot;                                      // where its own entity entered last
    private SlotLimits _slotLimit;                        // by list

    internal PeerView(int index, WorldHistory history, ReplicationOptions options, Viewpoints viewpoints, HoldersLog holdersLog, Tick tick)
    {
        Index = index;
        _history = history;
        _options = options;
        _viewpoints = viewpoints;
        LastSentTick = tick - options.KeepAliveTicks;
        HoldersLog = holdersLog;
        (_slotLimit[0], _slotLimit[1]) = (SlotCodec.FirstOf(0), SlotCodec.FirstOf(1));
        PromisedTicks = options.SnapshotIntervalTicks;
        LastCrowdTick = tick - options.TickRate;
        Bytes = options.BytesPerSecond / 4;
        BytesTick = tick;
        RateBytesPerSecond = options.BytesPerSecond;
    }

    /// <summary>The peer's index in its zone.</summary>
    public int Index { get; }

    /// <summary>The row of the entity through whose eyes the peer looks; -1 for none.</summary>
    public int AvatarRow { get; private set; } = -1;

    /// <summary>That entity.</summary>
    public EntityId AvatarId { get; private set; }

    /// <summary>Entities that the peer has entered or is entering.</summary>
    public int KnownCount { get; private set; }

    /// <summary>Of those, movers that count against the interest cap.</summary>
    public int MoverCount { get; private set; }

    /// <summary>True while more movers are in interest than the cap: the rest is told as a density.</summary>
    public bool IsCapped { get; internal set; }

    /// <summary>The next packet is due at once, with whatever there is to tell: the peer has just become reachable at another address.</summary>
    public void SendAtOnce() => DueAtOnce = true;

    /// <summary>True when <see cref="SendAtOnce"/> was asked and nothing was sent since.</summary>
    public bool IsDueAtOnce => DueAtOnce;

    /// <summary>Bytes per second this peer may be sent.</summary>
    public int RateBytesPerSecond { get; set; }

    /// <summary>True when its last snapshot left something out and most of its bytes are spent: the rate is what holds it back.</summary>
    public bool IsShortOfBytes => LeftOut && Bytes < RateBytesPerSecond / 8;

    /// <summary>Delta updates written to this peer since it came.</summary>
    public long UpdatesWritten { get; internal set; }

    /// <summary>Packets whose fate was never heard.</summary>
    public long UnknownPackets { get; private set; }

    /// <summary>Times the peer's self-check did not agree with ours.</summary>
    public long Resyncs { get; private set; }

    // Cells (Interest).
    internal Span<uint> Cells => Viewpoints.Of(_viewpoints.Cells, Index);

    internal Span<uint> Beyond => Viewpoints.Of(_viewpoints.Beyond, Index);

    internal Span<uint> Pending => Viewpoints.Of(_viewpoints.Pending, Index);

    /// <summary>How many those are.</summary>
    internal int PendingCount
    {
        get
        {
            int count = 0;
            foreach (uint word in HasPending ? Pending : [])
                count += BitOperations.PopCount(word);
            return count;
        }
    }

    internal ref bool HasPending => ref _viewpoints.HasPending[Index];

    internal ref bool HasArrivals => ref _viewpoints.HasArrivals[Index];

    internal ref Arrivals Arrivals => ref _viewpoints.Arrivals[Index];

    internal bool HasView;
    internal bool HasBeyond;
    internal Tick BeyondDue;
    internal int QuarterX;
    internal int QuarterY;
    internal int CellX;
    internal int CellY;
    internal int PullCells;
    internal bool PullOnce;
    internal bool LandmarksDue;                                   // the list of landmarks is to be looked through
    internal Relevance? Relevance;                                // none until the game names the first

    // Sending (SnapshotWriter).
    internal ref int Phase => ref _viewpoints.PhaseOf(Index);
    internal Tick LastSentTick;
    internal uint LastSentTurn;
    internal int PromisedTicks;       // the next packet comes at most so long after the last: what its header said
    internal Tick LastCrowdTick;
    internal bool IsInCrowd;          // its looks at the crowd are spread
    internal bool IsFilling;          // others of the nearest wait to enter
    internal ushort[]? ToldCounts;    // densities as they were last told, by cell of the torus; none until it stands in a crowd
    internal int ToldCells;           // of those, that are not 0
    internal int DensityCursor;
    internal int Bytes;               // token bucket
    internal Tick BytesTick;
    internal bool LeftOut;
    internal bool DueAtOnce;          // whatever its turn is

    internal Span<Slot> Slots => _slots.AsSpan(0, SlotLimit);

    internal Span<NewsWord> News => _viewpoints.NewsOf(Index)[..((SlotLimit + 63) >> 6)];

    /// <summary>Its slots of movers that a crowd's cap counts, a bit each: those entered or entering.</summary>
    internal Span<ulong> Members => _viewpoints.MembersOf(Index)[..((SlotLimit + 63) >> 6)];

    /// <summary>Where it is noted which entities the peer holds: of the thread that writes it.</summary>
    internal HoldersLog HoldersLog { get; set; }

    internal int SlotLimit => _slotLimit[1];

    /// <summary>Bytes this view takes.</summary>
    public long MemoryBytes => 512 + ((long)_slots.Length * Unsafe.SizeOf<Slot>()) + (Viewpoints.NewsWords * 24L) + (_map.Length * 2L) + (Interest.Side * 12L) + Unsafe.SizeOf<Arrivals>() + ((ToldCounts?.Length ?? 0) * 2L)
        + (_entries.Length * 8L) + (Shares * 6L) + Unsafe.SizeOf<PacketRecords>() + (_kept.Length * 14L) + (_leaving.Length * 8L)
        + (Relevance is null ? 0 : Relevance.MemoryBytes);

    /// <summary>The entity whose surroundings the peer is told of, and which it is told of first.</summary>
    public void SetAvatar(int row, EntityId id)
    {
        // No longer exempt from the rules.
        if (AvatarId != id)
            MarkNews(AvatarId.Value);
        (AvatarRow, AvatarId) = (row, id);
        _viewpoints.Set(Index, row, id.Value);
    }

    /// <summary>The ids the peer has entered (or is entering): what it holds, or will once its acks are in.</summary>
    public void CopyKnown(ICollection<EntityId> ids)
    {
        foreach (ref readonly Slot slot in Slots)
        {
            if (slot.State is SlotState.Entering or SlotState.Known)
                ids.Add(new EntityId(slot.Id));
        }
    }

    /// <summary>True when the peer has entered, or is entering, the entity.</summary>
    public bool Knows(EntityId id) => FindSlot(id.Value) >= 0;

    /// <summary>Asks for the memory that an ack leads to, beside that of <see cref="PrefetchNews"/>: some peers before <see cref="PrefetchAcked"/>, once the view's own is here.</summary>
    public void PrefetchAcks()
    {
        Protocol.Prefetch.Line(ref _packets[_packetTail % PacketsMax]);
        int oldest = (_entryHead - _entryCount) & _entryMask;
        Protocol.Prefetch.Element(_entries, oldest);
        Protocol.Prefetch.Element(_entries, (oldest + EntriesPerLine) & _entryMask);
        Protocol.Prefetch.Element(_entries, (oldest + (2 * EntriesPerLine)) & _entryMask);
    }

    /// <summary>Asks for the slots of the packet whose ack is next: a peer or two before <see cref="OnAck"/>.</summary>
    public void PrefetchAcked()
    {
        int count = Math.Min(_packets[_packetTail % PacketsMax].EntryCount, Math.Min(_entryCount, PrefetchMax));
        for (int i = _entryHead - _entryCount, end = i + count; i < end; i++)
            _slots.Prefetch(_entries[i & _entryMask].Slot);
    }

    /// <summary>Asks for the memory of what a snapshot is chosen from: some peers before <see cref="PrefetchSlots"/>, once the view's own is here.</summary>
    public void PrefetchNews()
    {
        _viewpoints.Prefetch(Index, (SlotLimit + 63) >> 6);
        Protocol.Prefetch.Line(ref _packets[_packetHead % PacketsMax]);
        Protocol.Prefetch.Length(_entries);
        Protocol.Prefetch.Length(_map);
        Protocol.Prefetch.Length(_kept);
        Protocol.Prefetch.Element(_entries, _entryHead & _entryMask);
        Protocol.Prefetch.Element(_entries, (_entryHead + EntriesPerLine) & _entryMask);
        Protocol.Prefetch.Element(_entries, (_entryHead + (2 * EntriesPerLine)) & _entryMask);
    }

    /// <summary>Asks for the slots with news: a peer or two before <see cref="SnapshotWriter.Prepare"/>.</summary>
    public void PrefetchSlots()
    {
        int left = PrefetchMax, first = 0;
        foreach (ref readonly NewsWord word in News)
        {
            for (ulong rest = word.Slots; rest != 0 && left > 0; rest &= rest - 1, left--)
                _slots.Prefetch(first + BitOperations.TrailingZeroCount(rest));
            first += 64;
        }

        if (!HasArrivals)
            return;
        foreach ((int row, uint id) in Arrivals.List)
        {
            _history.Prefetch(row);
            PrefetchFind(id);
            Protocol.Prefetch.Element(_kept, KeptPlace(id));
        }
    }

    /// <summary>Asks for what following a viewpoint looks at: some peers before it is followed.</summary>
    internal void PrefetchFollowing()
    {
        Protocol.Prefetch.Length(_map);
        _viewpoints.PrefetchFollowing(Index);
    }

    /// <summary>Asks for the lines of a view that are read for every packet: before any of the others.</summary>
    public static void Prefetch(PeerView? view)
    {
        Protocol.Prefetch.Object(view, HeadBytes);
        Protocol.Prefetch.Object(view, ObjectBytes, from: TailOffset);
    }

    // Between head and tail lie the records of packets, of which one is looked at.
    private const int HeadBytes = 230;
    private const int TailOffset = 1000;
    internal const int ObjectBytes = 1264;

    /// <summary>True when it has entered its own entity, or is entering it; false also when that is not seen at once.</summary>
    internal bool HoldsAvatar => _slots[_avatarSlot].Id == AvatarId.Value && _slots[_avatarSlot].State is SlotState.Entering or SlotState.Known;

    /// <summary>Takes bytes from the peer's budget: for what is sent beside snapshots. A snapshot takes its own.</summary>
    public void Spend(int bytes) => Bytes -= bytes;

    internal void MarkNews(uint id)
    {
        int slot = FindSlot(id);
        if (slot >= 0)
            MarkSlot(slot);
    }

    internal void MarkSlot(int slot)
    {
        _viewpoints.News[(Index * Viewpoints.NewsWords) + (slot >> 6)].Mark(slot);
    }

    /// <summary>Looks at every slot when the peer is written next: for rare changes that touch many.</summary>
    internal void ReconsiderAll()
    {
        for (int slot = 0; slot < SlotLimit; slot++)
            MarkSlot(slot);
    }

    /// <summary>Looks for entities to enter in every subscribed cell.</summary>
    internal void ReconsiderCells()
    {
        Cells.CopyTo(Pending);
        HasPending = HasView;
    }

    /// <summary>Looks through the landmarks when the peer is written next.</summary>
    internal void LookForLandmarks() => LandmarksDue = HasPending = true;

    internal void ClearNews(int slot)
    {
        ref NewsWord word = ref NewsOf(slot);
        word.Slots &= ~(1UL << slot);
        word.Fresh &= ~(1UL << slot);
    }

    /// <summary>There is something to look at that came up after the slot was last written: an ack does not settle it.</summary>
    internal bool IsFresh(int slot) => (NewsOf(slot).Fresh >> slot & 1) != 0;

    /// <summary>A slot was written: an ack of that settles it, unless it is fresh all the same.</summary>
    internal void SetFresh(int slot, bool isFresh)
    {
        ref NewsWord word = ref NewsOf(slot);
        word.Fresh = (word.Fresh & ~(1UL << slot)) | (isFresh ? 1UL << slot : 0);
    }

    private ref NewsWord NewsOf(int slot) => ref _viewpoints.News[(Index * Viewpoints.NewsWords) + (slot >> 6)];

    /// <summary>Out of interest: the slot says Leave until that is acked. Never cancelled; an entity that comes back takes a new slot.</summary>
    internal void LeaveInterest(uint id)
    {
        int slot = FindSlot(id);
        if (slot >= 0 && id != AvatarId.Value)
            BeginLeave(slot, SlotState.Leaving);
    }

    internal void BeginLeave(int index, SlotState state)
    {
        ref Slot slot = ref _slots[index];
        Unmap(slot.Id);
        HoldersLog.Note(slot.Row, Holders.Entry(Index, index), holds: false);
        KnownCount--;
        if (slot.CountsInCrowd)
            CountMember(index, -1);
        if (slot.SentVersion == 0)
        {
            FreeSlot(index);      // never written: the peer has nothing to forget
            return;
        }

        slot.State = state;
        slot.Copies = 0;
        slot.Flags |= SlotFlags.Due;
        MarkSlot(index);
        AddLeaving(index, slot.Id);
    }

    /// <summary>Takes a slot for an entity; -1 when all 1,024 are taken.</summary>
    internal int BeginEnter(int row, uint id, Kind kind)
    {
        if (_options.IsOff(Mechanisms.FinalLeave) && TryCancelLeave(id, out int cancelled))
            return cancelled;
        int index = TakeSlot(kind.HasMotion ? 0 : 1);
        if (index < 0)
            return -1;
        MarkCameBack(id);
        _slots[index] = new Slot { Id = id, Row = row, State = SlotState.Entering, Flags = kind.CountsInCrowd ? SlotFlags.Due | SlotFlags.CountsInCrowd : SlotFlags.Due };
        _slots[index].CountVersion(_history.VersionOf(row) - 1);
        Map(id, index);
        HoldersLog.Note(row, Holders.Entry(Index, index), holds: true);
        if (id == AvatarId.Value)
            _avatarSlot = index;
        KnownCount++;
        if (kind.CountsInCrowd)
            CountMember(index, 1);
        MarkSlot(index);
        return index;
    }

    private void CountMember(int slot, int count)
    {
        MoverCount += count;
        _viewpoints.Members[(Index * Viewpoints.NewsWords) + (slot >> 6)] ^= 1UL << slot;
    }

    // The trap that a final Leave avoids: the peer may have taken the Leave, and then nobody lives in this slot.
    private bool TryCancelLeave(uint id, out int index)
    {
        index = -1;
        foreach (Leaving leaving in _leaving.AsSpan(0, _leavingCount))
            index = leaving.Id == id && _slots[leaving.Slot].State == SlotState.Leaving ? leaving.Slot : index;
        if (index < 0)
            return false;
        RemoveLeaving(index);
        ref Slot slot = ref _slots[index];
        slot.State = slot.AckedVersion == 0 ? SlotState.Entering : SlotState.Known;
        slot.Flags |= SlotFlags.Due;
        Map(id, index);
        HoldersLog.Note(slot.Row, Holders.Entry(Index, index), holds: true);
        KnownCount++;
        if (slot.CountsInCrowd)
            CountMember(index, 1);
        MarkSlot(index);
        return true;
    }

    /// <summary>The peer leaves: it holds nothing any more.</summary>
    internal void DropHoldings()
    {
        for (int index = 0; index < SlotLimit; index++)
        {
            if (_slots[index].State is SlotState.Entering or SlotState.Known)
                HoldersLog.Note(_slots[index].Row, Holders.Entry(Index, index), holds: false);
        }
    }

    /// <summary>Asks for the memory of <see cref="FindSlot"/>.</summary>
    internal void PrefetchFind(uint id) => Protocol.Prefetch.Element(_map, Home(id, _mapMask));

    /// <summary>The second step: the slot that is looked at first, or what was kept of an entity that has none.</summary>
    internal void PrefetchFound(uint id)
    {
        int entry = _map[Home(id, _mapMask)];
        if (entry != 0)
            _slots.Prefetch(entry - 1);
        else
            Protocol.Prefetch.Element(_kept, KeptPlace(id));
    }

    internal int FindSlot(uint id)
    {
        int mask = _mapMask;
        for (int at = Home(id, mask); _map[at] != 0; at = (at + 1) & mask)
        {
            if (_slots[_map[at] - 1].Id == id)
                return _map[at] - 1;
        }

        return -1;
    }

    // What moves goes low, where slots are dense and cheap to name; when its list is full, wherever there is room.
    private int TakeSlot(int list)
    {
        if (TryTakeFree(list, out int freed))
            return freed;
        if (_slotLimit[list] == SlotCodec.LimitOf(list))
            return list == 0 ? TakeSlot(1) : TryTakeFree(0, out freed) ? freed : TakeFresh(0);
        return TakeFresh(list);
    }

    private int TakeFresh(int list)
    {
        if (_slotLimit[list] == SlotCodec.LimitOf(list))
            return -1;
        if (_slotLimit[list] == _slots.Length)
        {
            _slots = _slots.Resized(Math.Min(SlotCodec.SlotsMax, _slots.Length + 128));
        }

        return _slotLimit[list]++;
    }

    internal void FreeSlot(int index)
    {
        if (_slots[index].State is SlotState.Leaving or SlotState.Destroying)
            RemoveLeaving(index);
        Unshare(index);
        _slots[index] = default;
        ClearNews(index);
        AddFree(index);
    }

    // A chain through the slots themselves.
    private void AddFree(int index)
    {
        ref FreeList list = ref _free[index < SlotCodec.LowSlots ? 0 : 1];
        if (list.Count++ == 0)
            list.First = (ushort)index;
        else
            _slots[list.Last].NextFree = index;
        list.Last = (ushort)index;
    }

    private bool TryTakeFree(int list, out int index)
    {
        ref FreeList free = ref _free[list];
        index = free.First;
        if (free.Count == 0)
            return false;
        free.First = (ushort)_slots[index].NextFree;
        free.Count--;
        return true;
    }

    private void AddLeaving(int index, uint id)
    {
        if (_leavingCount == _leaving.Length)
            Array.Resize(ref _leaving, _leavingCount * 2);
        _leaving[_leavingCount++] = new Leaving(index, id);
    }

    private void RemoveLeaving(int index)
    {
        for (int i = 0; i < _leavingCount; i++)
        {
            if (_leaving[i].Slot != index)
                continue;
            _leaving[i] = _leaving[--_leavingCount];
            return;
        }
    }

    private void Map(uint id, int slot)
    {
        if ((_mapCount + 1) * 2 > _map.Length)
            GrowMap();
        int mask = _mapMask;
        int at = Home(id, mask);
        while (_map[at] != 0)
            at = (at + 1) & mask;
        _map[at] = (ushort)(slot + 1);
        _mapCount++;
    }

    private void Unmap(uint id)
    {
        int mask = _mapMask;
        int at = Home(id, mask);
        while (_map[at] != 0 && _slots[_map[at] - 1].Id != id)
            at = (at + 1) & mask;
        if (_map[at] == 0)
            return;
        _mapCount--;

        // Close the hole: later entries of the same run move up.
        int hole = at;
        for (int next = (at + 1) & mask; _map[next] != 0; next = (next + 1) & mask)
        {
            int home = Home(_slots[_map[next] - 1].Id, mask);
            if (((next - home) & mask) < ((next - hole) & mask))
                continue;
            _map[hole] = _map[next];
            hole = next;
        }

        _map[hole] = 0;
    }

    private void GrowMap()
    {
        ushort[] old = _map;
        _map = new ushort[old.Length * 2];
        _mapMask = _map.Length - 1;
        _mapCount = 0;
        foreach (ushort entry in old)
        {
            if (entry != 0)
                Map(_slots[entry - 1].Id, entry - 1);
        }
    }

    private static int Home(uint id, int mask) => (int)((id * 2_654_435_769u) >> 12) & mask;

    [InlineArray(SlotCodec.Lists)]
    private struct SlotLimits
    {
        private int _first;
    }

    private readonly record struct Leaving(int Slot, uint Id);

    private struct FreeList
    {
        public ushort First;
        public ushort Last;
        public ushort Count;
    }

    [InlineArray(SlotCodec.Lists)]
    private struct FreeSlots
    {
        private FreeList _first;
    }

    [StructLayout(LayoutKind.Explicit, Size = 32)]
    internal struct Slot
    {
        [FieldOffset(0)] public uint Id;
        [FieldOffset(4)] public int Row;
        [FieldOffset(8)] public uint AckedVersion;      // proven by an ack to be the newest the peer holds; 0: none
        [FieldOffset(12)] public uint AckedHash;
        [FieldOffset(16)] public uint SentVersion;      // newest written into any packet
        [FieldOffset(20)] public uint EnterSequence;    // first packet that carried this occupant: older acks are another's
        [FieldOffset(24)] public ushort Urgency;        // accumulated priority, saturates
        [FieldOffset(26)] public ushort SentTick;       // low bits of the tick of the last write
        [FieldOffset(28)] public SlotState State;
        [FieldOffset(29)] public SlotFlags Flags;
        [FieldOffset(30)] public byte Copies;           // writes of SentVersion
        [FieldOffset(31)] public byte AckedAudience;    // bit 0 owner, bit 1 party: what the peer was last told
        [FieldOffset(28)] private readonly uint _marks;          // the four before it, for those who ask about several at once

        /// <summary>Known, of an agreed baseline, and seen as everybody sees it.</summary>
        public readonly bool IsPlain => (_marks & (AnyState | UnknownMark | AnyAudience)) == KnownMark;

        /// <summary>Known, and of an agreed baseline: an ack of an update changes that baseline and nothing else.</summary>
        public readonly bool IsHeld => (_marks & (AnyState | UnknownMark | OnKeptMark)) == KnownMark && AckedVersion != 0;

        private const uint AnyState = 0xFF;
        private const uint KnownMark = (uint)SlotState.Known;
        private const uint UnknownMark = (uint)SlotFlags.Unknown << 8;
        private const uint OnKeptMark = (uint)SlotFlags.OnKept << 8;
        private const uint AnyAudience = 0xFF00_0000;

        /// <summary>Of a slot that is free: the one that was freed next.</summary>
        public int NextFree
        {
            readonly get => Row;
            set => Row = value;
        }

        public readonly bool CountsInCrowd => Has(SlotFlags.CountsInCrowd);

        public readonly bool Has(SlotFlags flag) => (Flags & flag) == flag;

        /// <summary>True when that version was not counted as wanted before; it is then. Blind for eight versions that come between two looks.</summary>
        public bool CountVersion(uint version)
        {
            const int Shift = 5;
            var counted = (SlotFlags)((version << Shift) & (uint)SlotFlags.Counted);
            bool isFresh = (Flags & SlotFlags.Counted) != counted;
            Flags = (Flags & ~SlotFlags.Counted) | counted;
            return isFresh;
        }
    }
}

internal enum SlotState : byte
{
    Free,

    /// <summary>Its Enter is written until one is acked.</summary>
    Entering,

    /// <summary>The peer holds it: updates are deltas.</summary>
    Known,

    /// <summary>Out of interest; Leave is written until one is acked.</summary>
    Leaving,

    /// <summary>Gone from the world; Destroy is written until one is acked.</summary>
    Destroying,
}

[Flags]
internal enum SlotFlags : byte
{
    None = 0,

    /// <summary>Write it at the next chance, whatever its copies say (new, or lost).</summary>
    Due = 1,

    /// <summary>A packet that carried it was never heard of: no agreed baseline, so it is written absolute until acked.</summary>
    Unknown = 2,

    /// <summary>Coded against what the peer kept of it.</summary>
    OnKept = 4,

    /// <summary>It leaves, and its entity has come back through another slot.</summary>
    CameBack = 8,

    /// <summary>One of those that a crowd's cap counts.</summary>
    CountsInCrowd = 16,

    // The low three bits of the newest version that was counted as wanted.
    Counted1 = 32,
    Counted2 = 64,
    Counted4 = 128,
    Counted = Counted1 | Counted2 | Counted4,
}
