using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>The self-check's shares: of each thirty-second of the slots, the sum over what acks prove that the peer holds.</summary>
/// <remarks>
/// Kept as slots change, never gathered: a packet tells one share, and to look at its slots when it is written would touch two dozen lines of memory
/// that nothing else in the packet needs. Whoever changes what a slot's part follows from takes it out before (<see cref="Unshare"/>) and puts it
/// back after (<see cref="Share"/>).
/// </remarks>
public sealed partial class PeerView
{
    private const int Shares = 32;

    /// <summary>Versions sent since B: beyond, the peer's own ring may have lost the version as of B, for what an audience was told between two is one more to it.</summary>
    internal const uint VersionsSinceMax = WorldHistory.Depth - 4;

    // In the view itself: an array is another place in memory, and its length one more line of it.
    private ShareSums _shareSums;
    private ShareGaps _shareGaps;      // slots without an agreed baseline: while there is one, the share cannot be told

    /// <summary>The sum of a share; false while one of its slots has no agreed baseline.</summary>
    internal bool TryGetShare(SequenceNumber sequence, out uint sum)
    {
        int share = (int)(sequence.Value % Shares);
        Contract.Assert(!Contract.Enabled || IsShareRight(share));
        sum = _shareSums[share];
        return _shareGaps[share] == 0;
    }

    /// <summary>Takes a slot out of its share, before it changes.</summary>
    internal void Unshare(int index) => AddShare(index, in _slots[index], -1);

    /// <summary>Puts a slot into its share, after it has changed.</summary>
    internal void Share(int index) => AddShare(index, in _slots[index], 1);

    /// <summary>A version was written into a packet.</summary>
    internal void SetSent(int index, ref Slot slot, uint version)
    {
        bool isOutside = version - slot.AckedVersion > VersionsSinceMax || slot.SentVersion - slot.AckedVersion > VersionsSinceMax;
        if (isOutside)
            Unshare(index);
        slot.SentVersion = version;
        if (isOutside)
            Share(index);
    }

    private void AddShare(int index, in Slot slot, int sign)
    {
        bool isHeld = slot.AckedVersion != 0 && !slot.Has(SlotFlags.OnKept);
        if (slot.Has(SlotFlags.Unknown) || (isHeld && slot.SentVersion - slot.AckedVersion > VersionsSinceMax))
            _shareGaps[index % Shares] = (ushort)(_shareGaps[index % Shares] + sign);
        else if (isHeld)
            _shareSums[index % Shares] += (uint)sign * EntityCodec.CheckShare(new EntityId(slot.Id), slot.AckedHash);
    }

    private bool IsShareRight(int share)
    {
        (uint sum, ushort gaps) = (_shareSums[share], _shareGaps[share]);
        (_shareSums[share], _shareGaps[share]) = (0, 0);
        for (int index = share; index < SlotLimit; index += Shares)
            Share(index);
        bool isRight = (sum, gaps) == (_shareSums[share], _shareGaps[share]);
        (_shareSums[share], _shareGaps[share]) = (sum, gaps);
        return isRight;
    }

    [InlineArray(Shares)]
    private struct ShareSums
    {
        private uint _first;
    }

    [InlineArray(Shares)]
    private struct ShareGaps
    {
        private ushort _first;
    }
}
