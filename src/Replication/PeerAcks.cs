using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>What each of the last packets carried, and what its ack, its loss or its silence means for every slot in it.</summary>
/// <remarks>
/// The peer never accepts a packet older than the newest it accepted, so an ack is final for everything before it: a packet without its bit
/// inside the window is lost, and one that fell out of the window unheard is unknown, for good.
/// </remarks>
public sealed partial class PeerView
{
    private const int PacketsMax = 64;
    private const int EntriesAtStart = 512;
    private const int EntriesMax = 2048;
    private const int KeptMax = 512;
    private const int AckWindow = 32;

    private PacketRecords _packets;               // ring
    private Entry[] _entries = new Entry[EntriesAtStart];    // ring
    private int _entryMask = EntriesAtStart - 1;
    private int _entryHead;                       // next entry, counts up
    private int _entryCount;
    private int _packetHead;                      // next packet, counts up
    private int _packetTail;                      // oldest unresolved
    private readonly Kept[] _kept = new Kept[KeptMax];       // each has one place, by its id: who needs it later takes it
    private uint _keptCount;

    /// <summary>B: the newest packet the peer acked.</summary>
    internal SequenceNumber Baseline { get; private set; }

    internal bool HasBaseline { get; private set; }

    /// <summary>An ack from the peer: its newest accepted packet and a bit for each of the 32 before it.</summary>
    public void OnAck(SequenceNumber newest, uint bits, Tick tick)
    {
        if (HasBaseline && newest <= Baseline)
            return;
        for (; _packetTail != _packetHead; _packetTail++)
        {
            ref PacketRecord packet = ref _packets[_packetTail % PacketsMax];
            int age = newest - packet.Sequence;
            if (age < 0)
                break;
            if (age == 0 || (age <= AckWindow && (bits >> (age - 1) & 1) != 0))
                Accept(in packet, tick);
            else
                GiveUp(in packet, isUnknown: age > AckWindow && !_options.IsOff(Mechanisms.Unknown));
            _entryCount -= packet.EntryCount;
        }

        Baseline = newest;
        HasBaseline = true;
    }

    /// <summary>The peer refused a packet whose self-check did not agree: what it referred to, and its share, has no agreed baseline.</summary>
    public void OnResync(SequenceNumber refused)
    {
        Resyncs++;
        for (int i = _packetTail; i != _packetHead; i++)
        {
            ref PacketRecord packet = ref _packets[i % PacketsMax];
            if (packet.Sequence == refused)
            {
                for (int e = 0; e < packet.EntryCount; e++)
                    MarkUnknown(_entries[(packet.EntryStart + e) & _entryMask].Slot, packet.Sequence);
            }
        }

        for (int slot = (int)(refused.Value & 31); slot < SlotLimit; slot += 32)
            MarkUnknown(slot, refused);
    }

    internal void BeginPacketRecord(SequenceNumber sequence, int entries)
    {
        if (_packetHead - _packetTail == PacketsMax)
            ForgetOldest();
        while (_entryCount + entries > _entries.Length && _entries.Length < EntriesMax)
            GrowEntries();
        // Keep-alives among the oldest have no entries: forgetting one of them makes no room.
        while (_entryCount + entries > _entries.Length && _packetTail != _packetHead)
            ForgetOldest();
        _packets[_packetHead % PacketsMax] = new PacketRecord { Sequence = sequence, EntryStart = _entryHead, EntryCount = (ushort)entries };
        _entryCount += entries;
    }

    /// <summary>One of as many entries as were asked for.</summary>
    internal void AddEntry(int slot, SlotOperation operation, byte audience, uint version, uint hash)
        => _entries[_entryHead++ & _entryMask] = new Entry((uint)slot | ((uint)operation << 10) | ((uint)audience << 13) | (version << 16), hash);

    internal void EndPacketRecord()
    {
        ref readonly PacketRecord packet = ref _packets[_packetHead % PacketsMax];
        Contract.Assert(_entryHead - packet.EntryStart == packet.EntryCount);
        _packetHead++;
    }

    // Its fate can no longer be told: the unknown, before its time.
    private void ForgetOldest()
    {
        ref PacketRecord packet = ref _packets[_packetTail % PacketsMax];
        GiveUp(in packet, isUnknown: !_options.IsOff(Mechanisms.Unknown));
        _entryCount -= packet.EntryCount;
        _packetTail++;
    }

    private void GrowEntries()
    {
        var grown = new Entry[_entries.Length * 2];
        for (int i = _entryHead - _entryCount; i != _entryHead; i++)
            grown[i & (grown.Length - 1)] = _entries[i & _entryMask];
        _entries = grown;
        _entryMask = grown.Length - 1;
    }

    private void Accept(in PacketRecord packet, Tick tick)
    {
        Span<NewsWord> news = News;
        for (int e = 0; e < packet.EntryCount; e++)
        {
            ref readonly Entry entry = ref _entries[(packet.EntryStart + e) & _entryMask];
            int index = entry.Slot;
            ref Slot slot = ref _slots[index];
            if (!TryRenew(ref slot, ref news[index >> 6], in entry, packet.Sequence) && !IsOfAnother(in slot, packet.Sequence))
                Acked(index, ref slot, in entry, tick);
        }
    }

    private void GiveUp(in PacketRecord packet, bool isUnknown)
    {
        UnknownPackets += isUnknown ? 1 : 0;
        for (int e = 0; e < packet.EntryCount; e++)
        {
            Entry entry = _entries[(packet.EntryStart + e) & _entryMask];
            ref Slot slot = ref _slots[entry.Slot];
            if (IsOfAnother(in slot, packet.Sequence))
                continue;
            if (isUnknown)
                MarkUnknown(entry.Slot, packet.Sequence);
            else if (!_options.IsOff(Mechanisms.Resend))
                Lost(entry.Slot, ref slot, entry.Operation, entry.Word >> 16);
        }
    }

    // Nearly all acks: an update of what is held, and will be, in a newer version. Whatever is not so simple is dealt with in Acked; what is done here is what would be
    // done there.
    private bool TryRenew(ref Slot slot, ref NewsWord news, in Entry entry, SequenceNumber sequence)
    {
        uint version = Widen(entry.Word >> 16, slot.SentVersion);
        if (entry.Operation != SlotOperation.Update || !slot.IsHeld || new SequenceNumber(slot.EnterSequence) > sequence
            || slot.SentVersion - slot.AckedVersion > VersionsSinceMax || slot.SentVersion - version > VersionsSinceMax)
        {
            return false;
        }

        _shareSums[entry.Slot % Shares] += EntityCodec.CheckShare(new EntityId(slot.Id), entry.Hash) - EntityCodec.CheckShare(new EntityId(slot.Id), slot.AckedHash);
        (slot.AckedVersion, slot.AckedHash) = (version, entry.Hash);
        ulong bit = 1UL << entry.Slot;
        if (version == slot.SentVersion && (news.Fresh & bit) == 0)
            news.Slots &= ~bit;
        else
            news.Mark(entry.Slot);
        return true;
    }

    private void Acked(int index, ref Slot slot, in Entry entry, Tick tick)
    {
        SlotOperation operation = entry.Operation;
        if (operation is SlotOperation.Leave or SlotOperation.Destroy)
        {
            if (slot.State == SlotState.Leaving && operation == SlotOperation.Leave)
                Keep(in slot, tick);
            if (slot.State is SlotState.Leaving or SlotState.Destroying)
                FreeSlot(index);
            return;
        }

        uint version = Widen(entry.Word >> 16, slot.SentVersion);
        Unshare(index);
        if (slot.State == SlotState.Entering)
            slot.State = SlotState.Known;
        slot.Flags &= ~(SlotFlags.Unknown | SlotFlags.OnKept);
        if (operation is SlotOperation.Enter or SlotOperation.Absolute)
            slot.AckedAudience = (byte)((entry.Word >> 13) & 3);
        (slot.AckedVersion, slot.AckedHash) = (version, entry.Hash);
        Share(index);
        // What told an audience is looked at once more: it may have changed and changed back. And what leaves by now goes on saying so.
        if (operation == SlotOperation.Update && slot.State == SlotState.Known && !IsFresh(index) && slot.AckedVersion == slot.SentVersion)
            ClearNews(index);
        else
            MarkSlot(index);
    }

    private void Lost(int index, ref Slot slot, SlotOperation operation, uint versionLow)
    {
        bool isCurrent = operation switch
        {
            SlotOperation.Leave => slot.State == SlotState.Leaving,
            SlotOperation.Destroy => slot.State == SlotState.Destroying,
            SlotOperation.Enter => slot.State == SlotState.Entering,
            _ => slot.State == SlotState.Known && (ushort)slot.SentVersion == versionLow && (slot.AckedVersion != slot.SentVersion || slot.Has(SlotFlags.Unknown)),
        };
        if (!isCurrent)
            return;
        slot.Flags |= SlotFlags.Due;
        slot.Urgency = (ushort)Math.Min(slot.Urgency + 1, UrgencyMax);
        MarkSlot(index);
    }

    private void MarkUnknown(int index, SequenceNumber sequence)
    {
        ref Slot slot = ref _slots[index];
        if (index >= SlotLimit || IsOfAnother(in slot, sequence))
            return;
        Unshare(index);
        slot.Flags |= SlotFlags.Unknown | SlotFlags.Due;
        Share(index);
        MarkSlot(index);
    }

    // The slot's occupant was not in that packet: it came later, or was never written at all.
    private static bool IsOfAnother(in Slot slot, SequenceNumber sequence)
        => slot.State == SlotState.Free || slot.SentVersion == 0 || new SequenceNumber(slot.EnterSequence) > sequence;

    private static uint Widen(uint low, uint sent) => sent - ((sent - low) & 0xFFFF);

    // ---- what the peer kept of entities that left ----

    // Only what the peer surely keeps: proven, and not held in two slots at once, of which either Leave may have come last.
    private void Keep(in Slot slot, Tick tick)
    {
        // Whoever this takes the place of is forgotten.
        ref Kept kept = ref _kept[KeptPlace(slot.Id)];
        kept = default;
        if (slot.Has(SlotFlags.Unknown) || slot.Has(SlotFlags.OnKept) || slot.Has(SlotFlags.CameBack) || slot.AckedVersion == 0)
            return;
        kept = new Kept { Id = slot.Id, Version = (slot.AckedVersion << 2) | slot.AckedAudience, Tick = tick, Number = (ushort)_keptCount++ };
    }

    private void Unkeep(uint id)
    {
        ref Kept kept = ref _kept[KeptPlace(id)];
        if (kept.Id == id)
            kept = default;
    }

    private static int KeptPlace(uint id) => (int)((id * 2_654_435_769u) >> 16) & (KeptMax - 1);

    // An entity back before its Leave is acked: what that Leave leaves behind at the peer is anyone's guess.
    private void MarkCameBack(uint id)
    {
        foreach (Leaving leaving in _leaving.AsSpan(0, _leavingCount))
        {
            if (leaving.Id != id)
                continue;
            _slots[leaving.Slot].Flags |= SlotFlags.CameBack;
            Unkeep(id);
        }
    }

    /// <summary>The version the peer still keeps of an entity, if its Leave was acked at most 20 s ago and the version is still held.</summary>
    internal bool TryTakeKept(uint id, int row, Tick tick, out uint version, out uint hash, out byte audience)
    {
        ref Kept place = ref _kept[KeptPlace(id)];
        Kept kept = place;
        (version, hash, audience) = (0, 0, 0);
        if (kept.Id != id)
            return false;
        place = default;
        bool isOld = tick - kept.Tick > 20 * _options.TickRate || (ushort)((ushort)_keptCount - kept.Number) > KeptMax;
        (version, audience) = (kept.Version >> 2, (byte)(kept.Version & 3));
        if (isOld || !_history.Holds(row, version))
            return false;
        hash = _history.HashOf(row, version);
        return true;
    }

    /// <summary>What a packet carried of one slot. Word: slot 10 bits, operation 3, audience 2, the version's low 16 at bit 16. Hash: of that version's content.</summary>
    private readonly record struct Entry(uint Word, uint Hash)
    {
        public int Slot => (int)(Word & 1023);

        public SlotOperation Operation => (SlotOperation)((Word >> 10) & 7);
    }

    private struct PacketRecord
    {
        public SequenceNumber Sequence;
        public int EntryStart;
        public ushort EntryCount;
    }

    [InlineArray(PacketsMax)]
    private struct PacketRecords
    {
        private PacketRecord _first;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 2)]
    private struct Kept
    {
        public uint Id;
        public uint Version;      // 30 bits, and the audience in the low two
        public Tick Tick;         // when its Leave was acked
        public ushort Number;     // how many were kept before
    }
}
