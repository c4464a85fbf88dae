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
    private const int EntriesMax = 2048;
    private const int KeptMax = 512;
    private const int AckWindow = 32;

    private readonly PacketRecord[] _packets = new PacketRecord[PacketsMax];
    private uint[] _entries = new uint[1024];     // ring: slot 10 bits, operation 3, audience 2, version's low 16 at bit 16
    private int _entryHead;                       // next entry, counts up
    private int _entryCount;
    private int _packetHead;                      // next packet, counts up
    private int _packetTail;                      // oldest unresolved
    private readonly uint[] _keptIds = new uint[KeptMax];
    private readonly Kept[] _kept = new Kept[KeptMax];
    private int _keptHead;

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
            Resolve(in packet, age == 0 || (age <= AckWindow && (bits >> (age - 1) & 1) != 0), isUnknown: age > AckWindow && !_options.IsOff(Mechanisms.Unknown), tick);
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
                    MarkUnknown((int)(_entries[(packet.EntryStart + e) & (_entries.Length - 1)] & 1023), packet.Sequence);
            }
        }

        for (int slot = (int)(refused.Value & 31); slot < SlotLimit; slot += 32)
            MarkUnknown(slot, refused);
    }

    internal void BeginPacketRecord(SequenceNumber sequence)
    {
        if (_packetHead - _packetTail == PacketsMax)
            ForgetOldest();
        _packets[_packetHead % PacketsMax] = new PacketRecord { Sequence = sequence, EntryStart = _entryHead };
    }

    internal void AddEntry(int slot, SlotOperation operation, byte audience, uint version)
    {
        if (_entryCount == _entries.Length && _entries.Length < EntriesMax)
            GrowEntries();
        // Keep-alives among the oldest have no entries: forgetting one of them makes no room.
        while (_entryCount == _entries.Length && _packetTail != _packetHead)
            ForgetOldest();

        _entries[_entryHead & (_entries.Length - 1)] = (uint)slot | ((uint)operation << 10) | ((uint)audience << 13) | (version << 16);
        _entryHead++;
        _entryCount++;
        _packets[_packetHead % PacketsMax].EntryCount++;
    }

    internal void EndPacketRecord() => _packetHead++;

    // Its fate can no longer be told: the unknown, before its time.
    private void ForgetOldest()
    {
        ref PacketRecord packet = ref _packets[_packetTail % PacketsMax];
        Resolve(in packet, accepted: false, isUnknown: !_options.IsOff(Mechanisms.Unknown), default);
        _entryCount -= packet.EntryCount;
        _packetTail++;
    }

    private void GrowEntries()
    {
        uint[] grown = new uint[_entries.Length * 2];
        for (int i = _entryHead - _entryCount; i != _entryHead; i++)
            grown[i & (grown.Length - 1)] = _entries[i & (_entries.Length - 1)];
        _entries = grown;
    }

    private void Resolve(in PacketRecord packet, bool accepted, bool isUnknown, Tick tick)
    {
        UnknownPackets += isUnknown ? 1 : 0;
        for (int e = 0; e < packet.EntryCount; e++)
        {
            uint entry = _entries[(packet.EntryStart + e) & (_entries.Length - 1)];
            int index = (int)(entry & 1023);
            ref Slot slot = ref _slots[index];
            if (IsOfAnother(in slot, packet.Sequence))
                continue;
            var operation = (SlotOperation)((entry >> 10) & 7);
            if (accepted)
                Acked(index, ref slot, operation, entry, tick);
            else if (isUnknown)
                MarkUnknown(index, packet.Sequence);
            else if (!_options.IsOff(Mechanisms.Resend))
                Lost(index, ref slot, operation, entry >> 16);
        }
    }

    private void Acked(int index, ref Slot slot, SlotOperation operation, uint entry, Tick tick)
    {
        if (operation is SlotOperation.Leave or SlotOperation.Destroy)
        {
            if (slot.State == SlotState.Leaving && operation == SlotOperation.Leave)
                Keep(in slot, tick);
            if (slot.State is SlotState.Leaving or SlotState.Destroying)
                FreeSlot(index);
            return;
        }

        if (slot.State == SlotState.Entering)
            slot.State = SlotState.Known;
        slot.Flags &= ~(SlotFlags.Unknown | SlotFlags.OnKept);
        if (operation is SlotOperation.Enter or SlotOperation.Absolute)
            slot.AckedAudience = (byte)((entry >> 13) & 3);
        slot.AckedVersion = Widen(entry >> 16, slot.SentVersion);
        if (_history.IdOf(slot.Row) == slot.Id && _history.Holds(slot.Row, slot.AckedVersion))
            slot.AckedHash = _history.HashOf(slot.Row, slot.AckedVersion);
        else
            slot.Flags |= SlotFlags.Unknown;      // its content is no longer known here: it cannot be checked, nor coded against
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
        slot.Flags |= SlotFlags.Unknown | SlotFlags.Due;
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
        Unkeep(slot.Id);
        if (slot.Has(SlotFlags.Unknown) || slot.Has(SlotFlags.OnKept) || slot.Has(SlotFlags.CameBack) || slot.AckedVersion == 0)
            return;
        int at = _keptHead++ & (KeptMax - 1);
        _keptIds[at] = slot.Id;
        _kept[at] = new Kept { Version = (slot.AckedVersion << 2) | slot.AckedAudience, Tick = tick };
    }

    private void Unkeep(uint id)
    {
        int at = Array.IndexOf(_keptIds, id);
        if (at >= 0)
            _keptIds[at] = 0;
    }

    // An entity back before its Leave is acked: what that Leave leaves behind at the peer is anyone's guess.
    private void MarkCameBack(uint id)
    {
        foreach (ushort leaving in _leaving)
        {
            ref Slot slot = ref _slots[leaving];
            if (slot.Id != id)
                continue;
            slot.Flags |= SlotFlags.CameBack;
            Unkeep(id);
        }
    }

    /// <summary>The version the peer still keeps of an entity, if its Leave was acked at most 20 s ago and the version is still held.</summary>
    internal bool TryTakeKept(uint id, int row, Tick tick, out uint version, out byte audience)
    {
        int at = Array.IndexOf(_keptIds, id);
        version = at < 0 ? 0 : _kept[at].Version >> 2;
        audience = at < 0 ? (byte)0 : (byte)(_kept[at].Version & 3);
        if (at < 0)
            return false;
        _keptIds[at] = 0;
        return tick - _kept[at].Tick <= 20 * _options.TickRate && _history.Holds(row, version);
    }

    private struct PacketRecord
    {
        public SequenceNumber Sequence;
        public int EntryStart;
        public ushort EntryCount;
    }

    private struct Kept
    {
        public uint Version;      // 30 bits, and the audience in the low two
        public Tick Tick;
    }
}
