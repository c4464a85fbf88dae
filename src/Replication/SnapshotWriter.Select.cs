using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <content>What of the candidates is told now: all of them, or by priority as many as there is room for.</content>
public sealed partial class SnapshotWriter
{
    // A third is lifecycle's; what it does not need flows to the updates, and what they leave flows back.
    private int Select(PeerView peer, int bitsMax)
    {
        if (_options.IsOff(Mechanisms.ByteBudget))
            bitsMax = int.MaxValue;
        // As mostly: there is room for all.
        if (_preparedBits <= bitsMax)
        {
            SetChosen(_candidateCount, all: true);
            _leftOut = false;
            return _candidateCount;
        }

        Weigh(peer);
        Array.Clear(_chosen);
        int chosen = 0;
        int lifecycle = Math.Min(bitsMax, bitsMax / 3), used = 0;
        SelectPass(peer, isLifecycle: true, lifecycle, ref used, ref chosen);
        SelectPass(peer, isLifecycle: false, bitsMax, ref used, ref chosen);
        SelectPass(peer, isLifecycle: true, bitsMax, ref used, ref chosen);
        if (chosen < _candidateCount)
        {
            // Estimated with room to spare: what is really left takes a tenth more of what had no place, over a long round trip just the news that matters.
            ListChosen();
            used = ChosenBits() + SpareBits;
            SelectPass(peer, isLifecycle: false, bitsMax, ref used, ref chosen);
            SelectPass(peer, isLifecycle: true, bitsMax, ref used, ref chosen);
        }

        ListChosen();
        _leftOut = chosen < _candidateCount;
        Counters.LeftOut += _candidateCount - chosen;
        return chosen;
    }

    // Only where there is no room for all. Who is left out grows in urgency, and whom nothing is left to say loses it.
    private void Weigh(PeerView peer)
    {
        Array.Fill(_bucketFirst, -1);
        Span<PeerView.Slot> slots = peer.Slots;
        for (int at = 0; at < _candidateCount; at++)
        {
            ref Candidate candidate = ref _candidates[at];
            ref PeerView.Slot slot = ref slots[candidate.Slot];
            int steps = candidate.Versions > 0 ? _history.RowOf(candidate.Row).StepsOf(candidate.Versions) : _deltas[at].Steps;
            int weight = Weight(peer, in candidate, in slot, steps);
            slot.Urgency = (ushort)Math.Min(slot.Urgency + weight, Math.Max(weight, PeerView.UrgencyMax));
            int bucket = BucketCount - 1 - Math.Min(BucketCount - 1, BitOperations.Log2(slot.Urgency + 1u));
            _candidateOf[candidate.Slot] = (ushort)at;
            _bucketNext[at] = _bucketFirst[bucket];
            _bucketFirst[bucket] = at;
        }
    }

    private int Weight(PeerView peer, in Candidate candidate, in PeerView.Slot slot, int steps)
    {
        if (candidate.Operation is SlotOperation.Leave or SlotOperation.Destroy)
            return 4;
        if (slot.Id == peer.AvatarId.Value)
            return OwnWeight;
        int weight = ClassOf(slot.Row) switch { DistanceClass.Near => 4, DistanceClass.Middle => 2, _ => 1 };
        return weight * (steps > 0 ? 2 : 1) * (slot.AckedVersion == 0 ? 2 : 1);
    }

    private void ListChosen()
    {
        int count = 0;
        for (int word = 0; word < _chosen.Length; word++)
        {
            for (ulong rest = _chosen[word]; rest != 0; rest &= rest - 1)
            {
                int slot = (word << 6) + BitOperations.TrailingZeroCount(rest);
                (_chosenAt[count], _chosenSlots[count]) = (_candidateOf[slot], (ushort)slot);
                count++;
            }
        }

        SetChosen(count, all: false);
    }

    private void SetChosen(int count, bool all)
    {
        (_chosenCount, _takesAll) = (count, all);
        ReadOnlySpan<ushort> slots = ChosenSlots;
        for (_chosenLow = 0; _chosenLow < slots.Length && slots[_chosenLow] < SlotCodec.LowSlots;)
            _chosenLow++;
    }

    private ReadOnlySpan<ushort> ChosenAt => (_takesAll ? _inOrder : _chosenAt).AsSpan(0, _chosenCount);

    private ReadOnlySpan<ushort> ChosenSlots => (_takesAll ? _candidateSlots : _chosenSlots).AsSpan(0, _chosenCount);

    private (int First, int Count) ChosenOf(int list) => list == 0 ? (0, _chosenLow) : (_chosenLow, _chosenCount - _chosenLow);

    private int ChosenBits()
    {
        int bits = 0;
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            (int first, int count) = ChosenOf(list);
            SlotCodec.BestOrder(ChosenSlots.Slice(first, count), list, out int gapBits);
            bits += gapBits;
        }

        foreach (ushort at in ChosenAt)
            bits += _candidates[at].Bits - NameBitsEstimate + SlotCodec.OperationBits(_candidates[at].Operation);
        return bits;
    }

    private void SelectPass(PeerView peer, bool isLifecycle, int bitsMax, ref int used, ref int chosen)
    {
        int misses = 0;
        for (int bucket = 0; bucket < BucketCount && misses < LookAhead; bucket++)
        {
            for (int at = _bucketFirst[bucket]; at >= 0 && misses < LookAhead; at = _bucketNext[at])
            {
                ref Candidate candidate = ref _candidates[at];
                if (IsChosen(candidate.Slot) || IsLifecycle(candidate.Operation) != isLifecycle)
                    continue;
                int bits = BundleBits(peer, in candidate, out uint bundle);
                if (used + bits > bitsMax)
                {
                    misses++;
                    continue;
                }

                used += bits;
                chosen += bundle == 0 ? Choose(candidate.Slot) : ChooseBundle(peer, bundle);
            }
        }
    }

    // A cart and its ox appear in one packet or not at all: entering entities of one bundle are chosen together.
    private int BundleBits(PeerView peer, in Candidate candidate, out uint bundle)
    {
        bundle = candidate.Operation == SlotOperation.Enter ? _world.Bundle[peer.Slots[candidate.Slot].Row] : 0;
        if (bundle == 0)
            return candidate.Bits;
        int bits = 0;
        for (int i = 0; i < _candidateCount; i++)
            bits += IsOfBundle(peer, in _candidates[i], bundle) ? _candidates[i].Bits : 0;
        return bits;
    }

    private int ChooseBundle(PeerView peer, uint bundle)
    {
        int chosen = 0;
        for (int i = 0; i < _candidateCount; i++)
            chosen += IsOfBundle(peer, in _candidates[i], bundle) ? Choose(_candidates[i].Slot) : 0;
        return chosen;
    }

    private bool IsOfBundle(PeerView peer, in Candidate candidate, uint bundle)
        => candidate.Operation == SlotOperation.Enter && !IsChosen(candidate.Slot) && _world.Bundle[peer.Slots[candidate.Slot].Row] == bundle;

    private int Choose(int slot)
    {
        _chosen[slot >> 6] |= 1UL << slot;
        return 1;
    }

    private bool IsChosen(int slot) => (_chosen[slot >> 6] >> slot & 1) != 0;

    private static bool IsLifecycle(SlotOperation operation) => operation is SlotOperation.Enter or SlotOperation.Leave or SlotOperation.Destroy;
}
