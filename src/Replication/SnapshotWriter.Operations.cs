using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <content>The operations as they are written, and what is remembered of each until its packet is acked.</content>
public sealed partial class SnapshotWriter
{
    private void WriteOperations(ref BitWriter writer, PeerView peer, in SnapshotRequest request)
    {
        ReadOnlySpan<ushort> slots = ChosenSlots;
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            (int first, int count) = ChosenOf(list);
            int order = SlotCodec.BestOrder(slots.Slice(first, count), list);
            SlotCodec.WriteCount(ref writer, count, order);
            int before = writer.BitCount;
            WriteList(ref writer, peer, ChosenAt.Slice(first, count), SlotCodec.FirstOf(list) - 1, order, in request);
            Counters.OperationBits += writer.BitCount - before;
        }
    }

    private void WriteList(ref BitWriter writer, PeerView peer, ReadOnlySpan<ushort> chosen, int previous, int order, in SnapshotRequest request)
    {
        Span<PeerView.Slot> slots = peer.Slots;
        Span<NewsWord> news = peer.News;
        int updates = 0, updateBits = 0, turns = 0, turnBits = 0;
        foreach (ushort at in chosen)
        {
            ref readonly Candidate candidate = ref _candidates[at];
            int index = candidate.Slot;
            ulong name = SlotCodec.Name(index, previous, order, candidate.Operation, out int nameBits);
            previous = index;
            int bits = nameBits + candidate.Bits - NameBitsEstimate;
            if (candidate.Versions == 0 || bits > 64)
            {
                WriteOther(ref writer, peer, at, name, nameBits, in request);
                continue;
            }

            // Made in advance, and never sent to this peer before.
            ref readonly WorldHistory.Row row = ref _history.RowOf(candidate.Row);
            writer.WriteFitting(name | (row.Updates[candidate.Versions - 1] << nameBits), bits);
            ref PeerView.Slot slot = ref slots[index];
            (slot.Urgency, slot.SentTick, slot.Copies) = (0, (ushort)request.Tick.Value, 1);
            slot.Flags &= ~SlotFlags.Due;
            news[index >> 6].Fresh &= ~(1UL << index);
            peer.SetSent(index, ref slot, row.Version);
            peer.AddEntry(index, SlotOperation.Update, 0, row.Version, row.Hash);
            updates++;
            updateBits += bits;
            if (row.UpdateGroups[candidate.Versions - 1] == 0)
                (turns, turnBits) = (turns + row.StepsOf(candidate.Versions), turnBits + bits);
            else
                CountAnimation(in row, candidate.Versions, bits);
        }

        WriterCounters counters = Counters;
        (counters.Updates, counters.UpdateBits) = (counters.Updates + updates, counters.UpdateBits + updateBits);
        (counters.Turns, counters.TurnBits) = (counters.Turns + turns, counters.TurnBits + turnBits);
    }

    // What was not made in advance, or does not go with its name into one word.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteOther(ref BitWriter writer, PeerView peer, int at, ulong name, int nameBits, in SnapshotRequest request)
    {
        ref readonly Candidate candidate = ref _candidates[at];
        ref Delta delta = ref _deltas[at];
        if (candidate.Versions > 0)
            delta = _history.DeltaFrom(candidate.Row, _history.VersionOf(candidate.Row) - candidate.Versions, 0, 0, request.Tick);
        if (candidate.Operation == SlotOperation.Update)
            WriteUpdate(ref writer, peer, in candidate, in delta, name, nameBits, request.Tick);
        else
            WriteOperation(ref writer, peer, in candidate, in delta, name, nameBits, in request);
    }

    // An update of what the peer holds, and sees as it saw it when that was acked.
    private void WriteUpdate(ref BitWriter writer, PeerView peer, in Candidate candidate, in Delta delta, ulong name, int nameBits, Tick tick)
    {
        ref PeerView.Slot slot = ref peer.Slots[candidate.Slot];
        int before = writer.BitCount;
        writer.Write(name, nameBits);
        _history.WriteDelta(ref writer, in delta, _kinds[_history.RowOf(slot.Row).Kind].VisibleGroups((candidate.Audience & 1) != 0, (candidate.Audience & 2) != 0));
        Count(in delta, writer.BitCount - before);
        bool isCopy = delta.Newest == slot.SentVersion;
        Counters.Copies += isCopy ? 1 : 0;
        slot.Copies = isCopy ? (byte)Math.Min(slot.Copies + 1, byte.MaxValue) : (byte)1;
        slot.SentTick = (ushort)tick.Value;
        slot.Flags &= ~SlotFlags.Due;
        slot.Urgency = 0;
        peer.SetSent(candidate.Slot, ref slot, delta.Newest);
        peer.SetFresh(candidate.Slot, isFresh: false);
        peer.AddEntry(candidate.Slot, SlotOperation.Update, candidate.Audience, delta.Newest, delta.Hash);
    }

    private void Count(in Delta delta, int bits)
    {
        WriterCounters counters = Counters;
        counters.Updates++;
        counters.UpdateBits += bits;
        if (delta.Groups == 0)
        {
            counters.Turns += delta.Steps;
            counters.TurnBits += bits;
        }
        else if (delta.Steps == 0)
        {
            counters.Animations++;
            counters.AnimationBits += bits - _history.TextBits(delta.Row, delta.Groups);
        }
    }

    private void CountAnimation(in WorldHistory.Row row, int versions, int bits)
    {
        if (row.StepsOf(versions) > 0)
            return;
        Counters.Animations++;
        Counters.AnimationBits += bits - _history.TextBits(in row, row.UpdateGroups[versions - 1]);
    }

    private void WriteOperation(ref BitWriter writer, PeerView peer, in Candidate candidate, in Delta delta, ulong name, int nameBits, in SnapshotRequest request)
    {
        int index = candidate.Slot;
        ref PeerView.Slot slot = ref peer.Slots[index];
        int before = writer.BitCount;
        writer.Write(name, nameBits);
        bool owner = (candidate.Audience & 1) != 0, party = (candidate.Audience & 2) != 0;
        uint version = slot.State is SlotState.Entering or SlotState.Known ? _history.VersionOf(slot.Row) : slot.SentVersion;
        switch (candidate.Operation)
        {
            case SlotOperation.Enter:
                WriteEnter(ref writer, ref slot, in candidate, in delta, owner, party);
                break;
            case SlotOperation.Absolute:
                _history.WriteAbsolute(ref writer, slot.Row, owner, party);
                break;
            default:
                break;
        }

        Count(in candidate, in slot, writer.BitCount - before, version);
        if (slot.EnterSequence == 0 && slot.State == SlotState.Entering && slot.SentVersion == 0)
            slot.EnterSequence = request.Sequence.Value;
        slot.Copies = version == slot.SentVersion || slot.SentVersion == 0 ? (byte)Math.Min(slot.Copies + 1, byte.MaxValue) : (byte)1;
        peer.SetSent(index, ref slot, version);
        slot.SentTick = (ushort)request.Tick.Value;
        slot.Flags &= ~SlotFlags.Due;
        // Told to another audience than before, an ack of an earlier packet does not settle it.
        peer.SetFresh(index, candidate.Audience != slot.AckedAudience);
        slot.Urgency = 0;
        bool hasContent = slot.State is SlotState.Entering or SlotState.Known;
        peer.AddEntry(index, candidate.Operation, candidate.Audience, version, hasContent ? _history.HashOf(slot.Row, version) : 0);
    }

    private void WriteEnter(ref BitWriter writer, ref PeerView.Slot slot, in Candidate candidate, in Delta delta, bool owner, bool party)
    {
        Kind kind = _kinds[_world.KindIndex[slot.Row]];
        writer.Write(slot.Id, 32);
        writer.WriteBool(candidate.IsOnKept);
        if (candidate.IsOnKept)
        {
            _history.WriteDelta(ref writer, in delta, kind.VisibleGroups(owner, party));
        }
        else
        {
            writer.Write((ulong)kind.Index, _world.Schema.KindBits);
            _history.WriteAbsolute(ref writer, slot.Row, owner, party);
        }
    }

    private void Count(in Candidate candidate, in PeerView.Slot slot, int bits, uint version)
    {
        bool isCopy = slot.SentVersion != 0 && version == slot.SentVersion && (slot.Copies > 0 || !IsLifecycle(candidate.Operation));
        Counters.Copies += isCopy ? 1 : 0;
        switch (candidate.Operation)
        {
            case SlotOperation.Enter:
                Counters.Enters++;
                if (candidate.IsOnKept)
                {
                    Counters.Returns++;
                }
                else
                {
                    Counters.AbsoluteEnters++;
                    Counters.EnterBits += bits - _history.TextBits(slot.Row, _kinds[_world.KindIndex[slot.Row]].VisibleGroups((candidate.Audience & 1) != 0, (candidate.Audience & 2) != 0));
                }

                break;
            case SlotOperation.Leave:
                Counters.Leaves++;
                break;
            case SlotOperation.Destroy:
                Counters.Destroys++;
                break;
            default:
                Counters.Absolutes++;
                break;
        }
    }
}
