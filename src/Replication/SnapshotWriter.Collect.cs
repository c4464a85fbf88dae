using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Replication;

/// <content>What there is to tell: the slots with news become candidates.</content>
public sealed partial class SnapshotWriter
{
    private void Collect(PeerView peer, Tick tick, int rttTicks)
    {
        _candidateCount = _standingCount = _patientCount = 0;
        _preparedBits = 0;
        _freshBits = 0;
        _candidateShares = 0;
        _leftOut = false;
        int copies = rttTicks / _options.SnapshotIntervalTicks;
        (_timesTold[0], _timesTold[1], _timesTold[2]) = (1 + copies, 1 + Math.Min(copies, 1), 1);
        (_viewX, _viewY) = peer.AvatarRow >= 0 ? (_world.X[peer.AvatarRow], _world.Y[peer.AvatarRow]) : (0, 0);
        bool mayTakeMade = peer.HasBaseline && peer.HasView && !_replicator.HasParty(peer);
        (_nearSquared, _farSquared) = ((long)_detail.NearUnits * _detail.NearUnits, (long)_detail.FarUnits * _detail.FarUnits);
        int leaves = _options.LeavesMax;
        Span<PeerView.Slot> slots = peer.Slots;
        ReadOnlySpan<uint> cells = peer.Cells;
        foreach (int index in Gather(peer))
        {
            ref PeerView.Slot slot = ref slots[index];
            if (!mayTakeMade || !TryTakeMade(peer, cells, index, ref slot, tick))
                Consider(peer, index, ref slot, tick, rttTicks, ref leaves);
        }
    }

    // The slots with news, which were asked for before (PeerView.PrefetchSlots), and what they name: asked for all at once, then looked at one by one.
    private ReadOnlySpan<int> Gather(PeerView peer)
    {
        int count = 0;
        Span<NewsWord> news = peer.News;
        Span<PeerView.Slot> slots = peer.Slots;
        for (int word = 0; word < news.Length; word++)
        {
            for (ulong rest = news[word].Slots; rest != 0; rest &= rest - 1)
                _gathered[count++] = (word << 6) + BitOperations.TrailingZeroCount(rest);
        }

        ReadOnlySpan<int> gathered = _gathered.AsSpan(0, count);
        foreach (int index in gathered)
            _history.Prefetch(slots[index].Row);
        return gathered;
    }

    // Nearly all news: somebody else moved whom the peer holds, and what it is to be sent from the version that it holds was made when that was published.
    // Whatever is not so simple is looked at in Consider; what is done here is what would be done there.
    private bool TryTakeMade(PeerView peer, ReadOnlySpan<uint> cells, int index, ref PeerView.Slot slot, Tick tick)
    {
        ref readonly WorldHistory.Row row = ref _history.RowOf(slot.Row);
        if (!slot.IsPlain || row.Id != slot.Id || row.Version == slot.SentVersion || row.Owner == peer.Index || !Interest.Subscribes(peer, cells, row.CellX, row.CellY))
            return false;
        int versions = WorldHistory.PromptUpdate(in row, slot.AckedVersion, tick);
        if (versions == 0)
            return false;
        int bits = row.UpdateMarks[versions - 1] & ~WorldHistory.Row.PromptMark;
        if (CountsFresh)
            CountFresh(ref slot, row.Version, ClassOfCell(peer, in row), bits, row.StepsOf(versions));
        bits += NameBitsEstimate;
        _candidates[_candidateCount] = new Candidate { Row = slot.Row, Bits = bits, Slot = (ushort)index, Operation = SlotOperation.Update, Versions = (byte)versions };
        _candidateSlots[_candidateCount++] = (ushort)index;
        _preparedBits += bits;
        _candidateShares += EntityCodec.CheckShare(new EntityId(slot.Id), slot.AckedHash);
        return true;
    }

    private void Consider(PeerView peer, int index, ref PeerView.Slot slot, Tick tick, int rttTicks, ref int leaves)
    {
        if (slot.State is SlotState.Entering or SlotState.Known)
        {
            ref readonly WorldHistory.Row row = ref _history.RowOf(slot.Row);
            if (row.Id != slot.Id)
                peer.BeginLeave(index, SlotState.Destroying);
            else if (slot.Id != peer.AvatarId.Value && !_replicator.IsInInterest(peer, slot.Row, in row))
                peer.BeginLeave(index, SlotState.Leaving);
        }

        switch (slot.State)
        {
            case SlotState.Free:
                peer.ClearNews(index);
                return;
            case SlotState.Leaving or SlotState.Destroying:
                // Only what is said for the first time counts: else those repeated for want of acks would keep the others from being said at all.
                if (!IsCopyDue(in slot, DistanceClass.Near, isRepeated: true, tick, rttTicks) || (slot.Copies == 0 && leaves-- <= 0))
                    return;
                if (slot.Copies == 0 && CountsFresh)
                    CountFresh(ref slot, slot.SentVersion + 1, DistanceClass.Near, 0, 1);
                _deltas[_candidateCount] = default;
                AddCandidate(index, in slot, slot.State == SlotState.Leaving ? SlotOperation.Leave : SlotOperation.Destroy, 0, bits: 0);
                return;
            default:
                ConsiderEntity(peer, index, ref slot, tick, rttTicks);
                return;
        }
    }

    private void ConsiderEntity(PeerView peer, int index, ref PeerView.Slot slot, Tick tick, int rttTicks)
    {
        ref readonly WorldHistory.Row row = ref _history.RowOf(slot.Row);
        uint newest = row.Version;
        byte audience = _replicator.AudienceTo(peer, row.Owner);
        bool audienceChanged = slot.State == SlotState.Known && audience != slot.AckedAudience;
        if (newest != slot.SentVersion && slot.SentVersion != 0)
            slot.Copies = 0;
        bool unknown = slot.Has(SlotFlags.Unknown);
        if (slot.State == SlotState.Known && newest == slot.AckedVersion && !unknown && !audienceChanged)
        {
            peer.ClearNews(index);
            return;
        }

        Kind kind = _kinds[row.Kind];
        bool isOwn = slot.Id == peer.AvatarId.Value;
        SlotOperation operation = slot.State == SlotState.Entering ? SlotOperation.Enter : SlotOperation.Update;
        // Where it would be taken for the snapshot: what is found of it is found in its place.
        ref Delta delta = ref _deltas[_candidateCount];
        int visible = kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
        bool onKept = operation == SlotOperation.Enter && slot.Has(SlotFlags.OnKept) && slot.SentVersion == 0 && audience == slot.AckedAudience;
        bool isDelta = (operation == SlotOperation.Update && !unknown && !audienceChanged && peer.HasBaseline) || onKept;
        isDelta = isDelta && _history.Holds(slot.Row, slot.AckedVersion) && newest - slot.AckedVersion <= PeerView.VersionsSinceMax;
        if (isDelta)
            _history.DeltaFrom(slot.Row, slot.AckedVersion, audience, visible, tick, ref delta);
        else
            delta = default;
        if (!isDelta && operation == SlotOperation.Update)
            operation = SlotOperation.Absolute;

        // Only groups that this peer may not see have changed: it holds all there is for it, but not by that number.
        if (operation == SlotOperation.Update && delta.Steps == 0 && delta.Groups == 0)
        {
            peer.Unshare(index);
            slot.AckedVersion = slot.SentVersion = newest;
            slot.AckedHash = _history.HashOf(slot.Row, newest);
            peer.Share(index);
            peer.ClearNews(index);
            return;
        }

        bool isNew = newest != slot.SentVersion || audienceChanged;
        // Where it stands is another two places in memory: only where its distance decides something.
        DistanceClass distance = isOwn ? DistanceClass.Near : isNew && (delta.Steps > 0 || operation == SlotOperation.Enter) ? ClassOfCell(peer, in row) : ClassOf(slot.Row);
        bool repeats = kind.HasMotion || operation != SlotOperation.Update;
        if (!isNew && !IsCopyDue(in slot, distance, repeats, tick, rttTicks))
            return;
        if (isNew && operation == SlotOperation.Update && delta.Steps == 0 && IsHeldBack(in slot, kind, delta.Groups, distance, tick))
            return;
        // Held back for longer than the ring lasts, its baseline is gone: that is no reason to hurry.
        bool isOutlived = operation == SlotOperation.Absolute && !unknown && !audienceChanged && !kind.HasMotion;
        if (isNew && isOutlived && IsHeldBack(in slot, kind, _history.RecentGroups(slot.Row) & visible, distance, tick))
            return;
        int bits = operation == SlotOperation.Update || (onKept && isDelta) ? _history.DeltaBits(in delta, visible) : _history.AbsoluteBits(slot.Row, visible);
        bits += operation == SlotOperation.Enter ? 33 + _world.Schema.KindBits : 0;
        if (isNew && CountsFresh)
            CountFresh(ref slot, newest, repeats ? distance : DistanceClass.Far, bits, delta.Steps);
        if (!repeats || (operation == SlotOperation.Absolute && !kind.HasMotion))
        {
            _standingCount++;
            _patientCount += isNew && distance != DistanceClass.Near ? 1 : 0;
        }

        AddCandidate(index, in slot, operation, audience, bits);
    }

    // Near news will ride in every packet of a round trip, middle twice, far once (IsCopyDue). What waits longer than it has news grows; what it would have
    // been sent is one piece of news after the other.
    private void CountFresh(ref PeerView.Slot slot, uint version, DistanceClass distance, int bits, int steps)
    {
        if (!slot.CountVersion(version))
            return;
        if (slot.Urgency > 0)
            bits = Math.Min(bits / Math.Max(1, steps), UpdateBitsMean);
        _freshBits += (bits + NameBitsEstimate) * _timesTold[(int)distance];
    }

    // Near news rides in every packet until acked; middle twice and far once, then when lost or unheard for a round trip and two intervals.
    private bool IsCopyDue(in PeerView.Slot slot, DistanceClass distance, bool isRepeated, Tick tick, int rttTicks)
    {
        if (slot.Has(SlotFlags.Due))
            return true;
        if (_options.IsOff(Mechanisms.Resend))
            return false;
        int copies = !isRepeated ? 1 : distance switch { DistanceClass.Near => int.MaxValue, DistanceClass.Middle => 2, _ => 1 };
        return slot.Copies < copies || (ushort)((ushort)tick.Value - slot.SentTick) >= rttTicks + (2 * _options.SnapshotIntervalTicks);
    }

    // Level of detail of sampled fields: middle at most once a second, far once in two.
    private bool IsHeldBack(in PeerView.Slot slot, Kind kind, int groups, DistanceClass distance, Tick tick)
    {
        if (distance == DistanceClass.Near || slot.Has(SlotFlags.Due))
            return false;
        for (int rest = groups; rest != 0; rest &= rest - 1)
        {
            if (!kind.Groups[BitOperations.TrailingZeroCount(rest)].Sampled)
                return false;
        }

        int ticks = distance == DistanceClass.Middle ? _options.TickRate : 2 * _options.TickRate;
        return (ushort)((ushort)tick.Value - slot.SentTick) < ticks;
    }

    private DistanceClass ClassOf(int row)
    {
        long dx = _world.X[row] - _viewX, dy = _world.Y[row] - _viewY;
        return ClassOfSquared(((dx * dx) + (dy * dy)) >> (2 * Units.Shift));
    }

    // Good enough to reckon with, and without a look at where it stands.
    private DistanceClass ClassOfCell(PeerView peer, in WorldHistory.Row row)
    {
        int dx = (row.CellX - peer.CellX) * _cellUnits, dy = (row.CellY - peer.CellY) * _cellUnits;
        return ClassOfSquared((dx * dx) + (dy * dy));
    }

    private DistanceClass ClassOfSquared(long units)
        => (DistanceClass)((units > _nearSquared ? 1 : 0) + (units > _farSquared ? 1 : 0));

    private void AddCandidate(int index, in PeerView.Slot slot, SlotOperation operation, byte audience, int bits)
    {
        _candidateSlots[_candidateCount] = (ushort)index;
        ref Candidate candidate = ref _candidates[_candidateCount];
        candidate = new Candidate
        {
            Row = slot.Row,
            Bits = bits + NameBitsEstimate,
            Slot = (ushort)index,
            Operation = operation,
            Audience = audience,
            IsOnKept = operation == SlotOperation.Enter && _deltas[_candidateCount].Newest != 0,
        };
        _candidateCount++;
        _preparedBits += candidate.Bits;
        _candidateShares += ShareOf(in candidate, in slot);
    }
}
