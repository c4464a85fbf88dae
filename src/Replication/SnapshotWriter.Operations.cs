using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <content>The operations as they are written, and what is remembered of each until its packet is acked.</content>
public sealed partial class SnapshotWriter
{
    private static bool IsOnKept(in Candidate candidate) => candidate.Operation == SlotOperation.Enter && candidate.Delta.Newest != 0;

    private void WriteOperations(ref BitWriter writer, PeerView peer, in SnapshotRequest request)
    {
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            (int first, int count) = ChosenOf(list);
            int order = SlotCodec.BestOrder(_chosenSlots.AsSpan(first, count), list);
            SlotCodec.WriteCount(ref writer, count, order);
            int before = writer.BitCount;
            WriteList(ref writer, peer, first, count, SlotCodec.FirstOf(list) - 1, order, in request);
            Counters.OperationBits += writer.BitCount - before;
        }
    }

    private void WriteList(ref BitWriter writer, PeerView peer, int first, int count, int previous, int order, in SnapshotRequest request)
    {
        Span<PeerView.Slot> slots = peer.Slots;
        Span<NewsWord> news = peer.News;
        ReadOnlySpan<ushort> chosen = _chosenAt.AsSpan(first, count);
        for (int i = 0; i < chosen.Length; i++)
        {
            ref Candidate candidate = ref _candidates[chosen[i]];
            int index = candidate.Slot;
            ulong name = SlotCodec.Name(index, previous, order, candidate.Operation, out int nameBits);
            previous = index;
            int bits = nameBits + candidate.Delta.Bits;
            if (candidate.Operation != SlotOperation.Update)
            {
                WriteOperation(ref writer, peer, in candidate, name, nameBits, in request);
            }
            else if (candidate.Delta.Bits == 0 || bits > 64)
            {
                WriteUpdate(ref writer, peer, in candidate, name, nameBits, request.Tick);
            }
            else
            {
                writer.WriteFitting(name | (candidate.Delta.Made << nameBits), bits);
                Written(peer, ref slots[index], ref news[index >> 6], in candidate, bits, request.Tick);
            }
        }
    }

    // What was not made in advance, or does not go with its name into one word.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteUpdate(ref BitWriter writer, PeerView peer, in Candidate candidate, ulong name, int nameBits, Tick tick)
    {
        ref PeerView.Slot slot = ref peer.Slots[candidate.Slot];
        int before = writer.BitCount;
        writer.Write(name, nameBits);
        _history.WriteDelta(ref writer, in candidate.Delta, _kinds[_history.RowOf(slot.Row).Kind].VisibleGroups((candidate.Audience & 1) != 0, (candidate.Audience & 2) != 0));
        Written(peer, ref slot, ref peer.News[candidate.Slot >> 6], in candidate, writer.BitCount - before, tick);
    }

    // An update of what the peer holds, and sees as it saw it when that was acked.
    private void Written(PeerView peer, ref PeerView.Slot slot, ref NewsWord news, in Candidate candidate, int bits, Tick tick)
    {
        ref readonly Delta delta = ref candidate.Delta;
        Count(in delta, bits);
        bool isCopy = delta.Newest == slot.SentVersion;
        Counters.Copies += isCopy ? 1 : 0;
        slot.Copies = isCopy ? (byte)Math.Min(slot.Copies + 1, byte.MaxValue) : (byte)1;
        slot.SentTick = (ushort)tick.Value;
        slot.Flags &= ~SlotFlags.Due;
        slot.Urgency = 0;
        peer.SetSent(candidate.Slot, ref slot, delta.Newest);
        news.Fresh &= ~(1UL << candidate.Slot);
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteOperation(ref BitWriter writer, PeerView peer, in Candidate candidate, ulong name, int nameBits, in SnapshotRequest request)
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
                WriteEnter(ref writer, ref slot, in candidate, owner, party);
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

    private void WriteEnter(ref BitWriter writer, ref PeerView.Slot slot, in Candidate candidate, bool owner, bool party)
    {
        Kind kind = _kinds[_world.KindIndex[slot.Row]];
        writer.Write(slot.Id, 32);
        bool onKept = IsOnKept(in candidate);
        writer.WriteBool(onKept);
        if (onKept)
        {
            _history.WriteDelta(ref writer, in candidate.Delta, kind.VisibleGroups(owner, party));
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
                if (IsOnKept(in candidate))
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
