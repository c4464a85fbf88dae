using System.Numerics;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Replication;

/// <summary>What the server tells a snapshot about the moment it is written in.</summary>
public readonly struct SnapshotRequest
{
    /// <summary>The packet's sequence.</summary>
    public SequenceNumber Sequence { get; init; }

    /// <summary>The tick it tells of.</summary>
    public Tick Tick { get; init; }

    /// <summary>When that tick was due, 0.1 ms since the zone's start.</summary>
    public long DueTime { get; init; }

    /// <summary>True once an input of the peer was processed.</summary>
    public bool HasInput { get; init; }

    /// <summary>The newest input tick processed.</summary>
    public Tick InputTick { get; init; }

    /// <summary>Ticks before its need that the newest input arrived.</summary>
    public sbyte InputMarginTicks { get; init; }

    /// <summary>The next one may come as late as a keep-alive, whatever there is to tell: the zone is short of bytes or packets.</summary>
    public bool MayBeLate { get; init; }
}

/// <summary>
/// Writes one peer's snapshot: what is due (news, copies, lifecycle), in the order of priority, within the bytes there are. The hot loop of the
/// server: it looks only at slots that have something to say, and copies bits that were made once for all peers.
/// </summary>
/// <remarks>
/// One instance per writing thread; it holds the scratch. <see cref="Prepare"/> collects, <see cref="Write"/> selects and writes; both on the
/// same peer, one after the other, while world and history are frozen.
/// </remarks>
public sealed class SnapshotWriter
{
    private const int BucketCount = 16;
    private const int OwnWeight = ushort.MaxValue;   // a bucket of its own: nobody's patience passes it
    private const int LookAhead = 16;          // smaller items tried after one did not fit
    private const int NameBitsEstimate = 13;   // of a slot's gap and operation codes, for the budget
    private const int PrefetchRowsMax = 48;
    private const int SpareBits = 32;          // beside exact sizes, for counts and for gaps that change when more is chosen
    private const int UpdateBitsMean = 32;     // docs/budgets.md, Bits
    private const int HeaderBitsMax = 256;
    private const int TailBytesMin = 64;
    private const int TailBytesReserved = 48;  // of 1,200: packet header, acks, tag

    private readonly Replicator _replicator;
    private readonly WorldState _world;
    private readonly WorldHistory _history;
    private readonly ReplicationOptions _options;
    private readonly Kind[] _kinds;
    private readonly Crowd _crowd;
    private readonly HoldersLog _holdersLog;
    private Detail _detail;
    private readonly Candidate[] _candidates = new Candidate[SlotCodec.SlotsMax];
    private readonly int[] _bucketNext = new int[SlotCodec.SlotsMax];
    private readonly int[] _bucketFirst = new int[BucketCount];
    private readonly ushort[] _candidateOf = new ushort[SlotCodec.SlotsMax];
    private readonly ushort[] _gathered = new ushort[SlotCodec.SlotsMax];
    private readonly ushort[] _chosenAt = new ushort[SlotCodec.SlotsMax];        // candidates that are written, by slot,
    private readonly ushort[] _chosenSlots = new ushort[SlotCodec.SlotsMax];     // and their slots
    private int _chosenCount;
    private int _chosenLow;         // of these, in the first list
    private readonly ulong[] _chosen = new ulong[SlotCodec.SlotsMax / 64];
    private readonly uint[] _openBundles = new uint[64];     // bundles of which an entity has entered in this snapshot
    private readonly int[] _pendingCells = new int[PendingCells.ListMax];
    private int _openBundleCount;
    private int _candidateCount;
    private int _preparedBits;
    private int _freshBits;
    private int _copies;            // of near news while its ack is awaited
    private bool _leftOut;

    /// <summary>A writer for the peers of one replicator.</summary>
    public SnapshotWriter(Replicator replicator)
    {
        _replicator = replicator;
        _world = replicator.World;
        _history = replicator.History;
        _options = replicator.Options;
        _detail = replicator.Detail;
        _kinds = _world.Schema.Kinds.ToArray();
        _crowd = new Crowd(replicator, Counters);
        _holdersLog = replicator.NewHoldersLog();
    }

    /// <summary>What this writer did.</summary>
    public WriterCounters Counters { get; } = new();

    /// <summary>Bytes that the snapshot prepared last will take at most, if it gets them: what of a datagram is left beside it.</summary>
    public int PreparedBytes => Math.Max(TailBytesMin, (HeaderBitsMax + _crowd.Plan(int.MaxValue) + _preparedBits + 7) / 8);

    /// <summary>Bytes of the news in the snapshot prepared last that was in none prepared before, with all copies that it will have while its ack is awaited.</summary>
    /// <remarks>What a peer wants, whether it is sent it or not: what waits is counted once, and copies are not counted again.</remarks>
    public int FreshBytes => (_freshBits + 7) / 8;

    /// <summary>Ticks between two snapshots of the peer prepared last, as its loss and bytes are now.</summary>
    public int IntervalTicks { get; private set; } = 1;

    /// <summary>True when the snapshot prepared last must go: it was asked for at once, or the one before said that it would not come later.</summary>
    public bool IsPromised { get; private set; }

    /// <summary>True when the peer is to be sent a snapshot at this tick: it is its turn, and there is news, an unacked copy, or the next turn would be later than the last packet promised.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="tick">The tick that was just simulated.</param>
    /// <param name="rttTicks">Its round trip, rounded up to ticks.</param>
    /// <param name="loss">Its share of lost packets, 0 to 1: above 1 % it is served every second tick while its budget allows.</param>
    public bool Prepare(PeerView peer, Tick tick, int rttTicks, double loss)
    {
        peer.HoldersLog = _holdersLog;
        Refill(peer, tick);
        _detail = _replicator.Detail;
        int interval = IsFast(loss) && peer.Bytes > peer.RateBytesPerSecond / 8 ? _detail.LossyIntervalTicks : _detail.IntervalTicks;
        IntervalTicks = interval;
        bool isTurn = peer.DueAtOnce || IsTurn(peer, tick.Value - _replicator.TurnsSkipped, interval);
        if (!isTurn || (peer.Bytes <= 0 && !_options.IsOff(Mechanisms.ByteBudget)))
            return false;
        Pull(peer, tick);
        bool densityDue = _crowd.Update(peer, tick);
        EnterPending(peer, tick);
        Collect(peer, tick, rttTicks);
        IsPromised = peer.DueAtOnce || tick - peer.LastSentTick + interval > peer.PromisedTicks;
        return IsPromised || _candidateCount > 0 || densityDue || _options.FixedRate;
    }

    /// <summary>True when a peer that loses that share of its packets is served more often than the others, while its budget allows.</summary>
    public bool IsFast(double loss) => loss > 0.01 && _replicator.Detail.LossyIntervalTicks != _replicator.Detail.IntervalTicks;

    // Where intervals have become longer, the packet before may have promised the shorter one.
    private bool IsTurn(PeerView peer, uint turn, int interval)
        => (turn + (uint)peer.Phase) % (uint)interval == 0 || (interval > _options.SnapshotIntervalTicks && turn - peer.LastSentTurn >= peer.PromisedTicks);

    /// <summary>Writes what <see cref="Prepare"/> collected into <paramref name="tail"/> (at least 64 bytes). Returns the bytes of the tail.</summary>
    public int Write(PeerView peer, in SnapshotRequest request, Span<byte> tail)
    {
        Contract.Assert(tail.Length >= TailBytesMin);
        int bitsMax = tail.Length * 8;
        if (!_options.IsOff(Mechanisms.ByteBudget))
            bitsMax = Math.Min(bitsMax, Math.Max(peer.Bytes - TailBytesReserved, TailBytesMin) * 8);
        int densityBits = _crowd.Plan(bitsMax / 4);
        int chosen = Select(peer, bitsMax - HeaderBitsMax - densityBits);

        var writer = new BitWriter(tail);
        SnapshotHeader header = Header(peer, in request);
        header.Check = Check(peer, in request, out header.HasShare);
        header.Write(ref writer, request.Sequence);
        Counters.HeaderBits += writer.BitCount;
        int before = writer.BitCount;
        _crowd.Write(ref writer, peer);
        Counters.DensityBits += writer.BitCount - before;
        peer.BeginPacketRecord(request.Sequence);
        WriteOperations(ref writer, peer, in request);
        peer.EndPacketRecord();
        if (_options.IsOff(Mechanisms.AckedBaselines))
            peer.OnAck(request.Sequence, uint.MaxValue, request.Tick);
        Contract.Assert(!writer.Failed);
        peer.LastSentTick = request.Tick;
        peer.LastSentTurn = request.Tick.Value - _replicator.TurnsSkipped;
        peer.PromisedTicks = header.IntervalCode switch
        {
            Replicator.KeepAliveCode => _options.KeepAliveTicks,
            Replicator.SlowCode => 2 * _options.SnapshotIntervalTicks,
            _ => _options.SnapshotIntervalTicks,
        };
        peer.LeftOut = _leftOut;
        peer.DueAtOnce = false;
        Counters.Snapshots++;
        Counters.KeepAlives += chosen == 0 ? 1 : 0;
        int bytes = writer.Finish().Length;
        peer.Spend(bytes);
        return bytes;
    }

    // ---- collecting ----

    private void Refill(PeerView peer, Tick tick)
    {
        int ticks = Math.Min(tick - peer.BytesTick, _options.TickRate);
        peer.BytesTick = tick;
        int cap = Math.Max(peer.RateBytesPerSecond / 4, 1_500);
        peer.Bytes = Math.Min(cap, peer.Bytes + (peer.RateBytesPerSecond * ticks / _options.TickRate));
    }

    // A crowd's cell was left, or is one no more: the peer looks through its own slots, for nobody did it for it.
    private void Pull(PeerView peer, Tick tick)
    {
        if (!peer.PullOnce)
            return;
        _crowd.LookAround(peer, tick);
        peer.PullOnce = false;
        Span<PeerView.Slot> slots = peer.Slots;
        Counters.SlotsPulled += slots.Length;
        for (int i = 0; i < slots.Length; i++)
        {
            ref PeerView.Slot slot = ref slots[i];
            if (slot.State is not (SlotState.Entering or SlotState.Known))
                continue;
            if (_world.Id[slot.Row] != slot.Id || _history.VersionOf(slot.Row) != slot.AckedVersion
                || !_replicator.IsInInterest(peer, slot.Row, isHeld: true) || _replicator.AudienceOf(peer, slot.Row) != slot.AckedAudience)
            {
                peer.MarkSlot(i);
            }
        }
    }

    // Entities of newly subscribed cells, and those that came into subscribed ones: nearest cells first, a bounded number a snapshot.
    private void EnterPending(PeerView peer, Tick tick)
    {
        if (!peer.HasPending)
            return;
        int enters = _options.EntersMax, returns = _options.ReturnsMax;
        _openBundleCount = 0;
        bool left = !EnterAvatar(peer, tick);
        if (peer.LandmarksDue)
            EnterLandmarks(peer, tick, ref enters, ref returns);
        var pending = new PendingCells(_replicator.Interest, peer, _pendingCells);
        PrefetchPending(peer, pending);
        foreach (int cell in pending)
        {
            if (EnterCell(peer, cell, tick, ref enters, ref returns))
                _replicator.Interest.ClearPending(peer, cell);
            else
                left = true;
            if (enters <= 0)
                break;
        }

        if (_openBundleCount > 0 && (left || enters <= 0))
            CloseBundles(peer, tick);
        peer.HasPending = left || enters <= 0 || peer.LandmarksDue;
    }

    // Whether the peer holds them already is a look into its memory for each: all at once.
    private void PrefetchPending(PeerView peer, in PendingCells pending)
    {
        int left = PrefetchRowsMax;
        foreach (int cell in pending)
        {
            foreach (int row in _world.Grid.RowsOf(cell))
            {
                peer.PrefetchFind(_world.Id[row]);
                _history.Prefetch(row);
                left--;
            }

            if (left <= 0)
                return;
        }
    }

    // Before all others, however many share its cell. False while there is no slot for it.
    private bool EnterAvatar(PeerView peer, Tick tick)
    {
        int row = peer.AvatarRow;
        uint id = peer.AvatarId.Value;
        if (row < 0 || id == 0 || peer.HoldsAvatar || _world.Id[row] != id || _history.IdOf(row) != id || peer.FindSlot(id) >= 0)
            return true;
        int enters = 1, returns = 1;
        return Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns);
    }

    // No cell leads to them. First of all, but with half of what may enter, so that neither they nor what is near waits for the other.
    private void EnterLandmarks(PeerView peer, Tick tick, ref int enters, ref int returns)
    {
        int entersLeft = enters / 2, returnsLeft = returns / 2;
        bool left = false;
        foreach (int row in _replicator.Landmarks.Rows)
        {
            uint id = _world.Id[row];
            int slot = peer.FindSlot(id);
            // It may have gone out of reach, or changed while the peer was too far away to be told.
            if (slot >= 0)
                peer.MarkSlot(slot);
            else if (_replicator.IsInInterest(peer, row, isHeld: false) && _history.IdOf(row) == id)
                left |= !EnterLandmark(peer, row, id, tick, entersLeft, returnsLeft, ref enters, ref returns);
        }

        peer.LandmarksDue = left;
    }

    private bool EnterLandmark(PeerView peer, int row, uint id, Tick tick, int entersLeft, int returnsLeft, ref int enters, ref int returns)
    {
        bool isInTurn = (enters > entersLeft && returns > returnsLeft) || IsOpenBundle(_world.Bundle[row]);
        if (!isInTurn || !Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns))
            return false;
        OpenBundle(_world.Bundle[row]);
        return true;
    }

    // True when every entity of the cell that may enter has.
    private bool EnterCell(PeerView peer, int cell, Tick tick, ref int enters, ref int returns)
    {
        Counters.RowsEntered += _world.Grid.Count[cell];
        foreach (int row in _world.Grid.RowsOf(cell))
        {
            uint id = _world.Id[row];
            if (id == 0 || _history.IdOf(row) != id || peer.FindSlot(id) >= 0 || !_replicator.EntersByCell(peer, row))
                continue;
            Kind kind = _kinds[_world.KindIndex[row]];
            // Capped, the crowd is chosen by rank: whoever entered here out of turn would leave again at once.
            if (kind.CountsInCrowd && (peer.IsCapped || peer.MoverCount >= _detail.InterestCap) && !_replicator.IsRelevant(peer, row, tick))
            {
                peer.IsCapped = true;
                continue;
            }

            if (enters <= 0 || returns <= 0 || !Enter(peer, row, id, kind, tick, ref enters, ref returns))
                return false;
            OpenBundle(_world.Bundle[row]);
            _history.PrefetchRecord(row);
        }

        return true;
    }

    // The budget of this snapshot is spent in the middle of a bundle: the rest of it comes along, or it would appear in pieces.
    private void CloseBundles(PeerView peer, Tick tick)
    {
        foreach (int cell in new SubscribedCells(_replicator.Interest, peer))
        {
            foreach (int row in _world.Grid.RowsOf(cell))
            {
                uint id = _world.Id[row];
                if (!IsOpenBundle(_world.Bundle[row]) || _history.IdOf(row) != id || peer.FindSlot(id) >= 0 || !_replicator.EntersByCell(peer, row))
                    continue;
                int enters = 1, returns = 1;
                Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns);
            }
        }
    }

    private void OpenBundle(uint bundle)
    {
        if (bundle != 0 && _openBundleCount < _openBundles.Length && !IsOpenBundle(bundle))
            _openBundles[_openBundleCount++] = bundle;
    }

    private bool IsOpenBundle(uint bundle) => bundle != 0 && _openBundles.AsSpan(0, _openBundleCount).Contains(bundle);

    internal static bool Enter(PeerView peer, int row, uint id, Kind kind, Tick tick, ref int enters, ref int returns)
    {
        int index = peer.BeginEnter(row, id, kind);
        if (index < 0)
            return false;
        if (peer.TryTakeKept(id, row, tick, out uint version, out uint hash, out byte audience))
        {
            ref PeerView.Slot slot = ref peer.Slots[index];
            (slot.AckedVersion, slot.AckedAudience, slot.AckedHash) = (version, audience, hash);
            slot.Flags |= SlotFlags.OnKept;
            returns--;
        }
        else
        {
            enters--;
        }

        return true;
    }

    private void Collect(PeerView peer, Tick tick, int rttTicks)
    {
        _candidateCount = 0;
        _preparedBits = 0;
        _freshBits = 0;
        _leftOut = false;
        _copies = rttTicks / _options.SnapshotIntervalTicks;
        Array.Fill(_bucketFirst, -1);
        (int viewX, int viewY) = peer.AvatarRow >= 0 ? (_world.X[peer.AvatarRow], _world.Y[peer.AvatarRow]) : (0, 0);
        int leaves = _options.LeavesMax;
        foreach (ushort index in Gather(peer))
            Consider(peer, index, viewX, viewY, tick, rttTicks, ref leaves);
    }

    // The slots with news, and what they name: asked for all at once, then looked at one by one.
    private ReadOnlySpan<ushort> Gather(PeerView peer)
    {
        int count = 0;
        Span<NewsWord> news = peer.News;
        Span<PeerView.Slot> slots = peer.Slots;
        for (int word = 0; word < news.Length; word++)
        {
            for (ulong rest = news[word].Slots; rest != 0; rest &= rest - 1)
            {
                int index = (word << 6) + BitOperations.TrailingZeroCount(rest);
                _gathered[count++] = (ushort)index;
                Prefetch.Line(ref slots[index]);
            }
        }

        ReadOnlySpan<ushort> gathered = _gathered.AsSpan(0, count);
        foreach (ushort index in gathered)
        {
            int row = slots[index].Row;
            _history.Prefetch(row);
            Prefetch.Line(ref _world.X[row]);
            Prefetch.Line(ref _world.Y[row]);
        }

        return gathered;
    }

    private void Consider(PeerView peer, int index, int viewX, int viewY, Tick tick, int rttTicks, ref int leaves)
    {
        ref PeerView.Slot slot = ref peer.Slots[index];
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
                if (slot.Copies == 0)
                    CountFresh(ref slot, slot.SentVersion + 1, DistanceClass.Near, 0, 1);
                _candidates[_candidateCount].Delta = default;
                AddCandidate(index, slot.State == SlotState.Leaving ? SlotOperation.Leave : SlotOperation.Destroy, 0, bits: 0, ref slot, 4);
                return;
            default:
                ConsiderEntity(peer, index, ref slot, viewX, viewY, tick, rttTicks);
                return;
        }
    }

    private void ConsiderEntity(PeerView peer, int index, ref PeerView.Slot slot, int viewX, int viewY, Tick tick, int rttTicks)
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
        DistanceClass distance = isOwn ? DistanceClass.Near : ClassOf(viewX, viewY, _world.X[slot.Row], _world.Y[slot.Row]);
        SlotOperation operation = slot.State == SlotState.Entering ? SlotOperation.Enter : SlotOperation.Update;
        // Where it would be taken for the snapshot: what is found of it is found in its place.
        ref Delta delta = ref _candidates[_candidateCount].Delta;
        int visible = kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
        bool onKept = operation == SlotOperation.Enter && slot.Has(SlotFlags.OnKept) && slot.SentVersion == 0 && audience == slot.AckedAudience;
        bool isDelta = (operation == SlotOperation.Update && !unknown && !audienceChanged && peer.HasBaseline) || onKept;
        isDelta = isDelta && _history.Holds(slot.Row, slot.AckedVersion);
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
        if (isNew)
            CountFresh(ref slot, newest, repeats ? distance : DistanceClass.Far, bits, delta.Steps);
        AddCandidate(index, operation, audience, bits, ref slot, isOwn ? OwnWeight : Weight(distance, in slot, delta.Steps));
    }

    // Near news will ride in every packet of a round trip, middle twice, far once (IsCopyDue). What waits longer than it has news grows; what it would have
    // been sent is one piece of news after the other.
    private void CountFresh(ref PeerView.Slot slot, uint version, DistanceClass distance, int bits, int steps)
    {
        if (!slot.CountVersion(version))
            return;
        if (slot.Urgency > 0)
            bits = Math.Min(bits / Math.Max(1, steps), UpdateBitsMean);
        _freshBits += (bits + NameBitsEstimate) * (1 + (distance switch { DistanceClass.Near => _copies, DistanceClass.Middle => Math.Min(_copies, 1), _ => 0 }));
    }

    private static int Weight(DistanceClass distance, in PeerView.Slot slot, int steps)
    {
        int weight = distance switch { DistanceClass.Near => 4, DistanceClass.Middle => 2, _ => 1 };
        return weight * (steps > 0 ? 2 : 1) * (slot.AckedVersion == 0 ? 2 : 1);
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

    private DistanceClass ClassOf(int viewX, int viewY, int x, int y)
    {
        long dx = x - viewX, dy = y - viewY;
        long squared = ((dx * dx) + (dy * dy)) >> (2 * Units.Shift);
        return squared <= (long)_detail.NearUnits * _detail.NearUnits ? DistanceClass.Near
            : squared <= (long)_detail.FarUnits * _detail.FarUnits ? DistanceClass.Middle : DistanceClass.Far;
    }

    private void AddCandidate(int index, SlotOperation operation, byte audience, int bits, ref PeerView.Slot slot, int weight)
    {
        slot.Urgency = (ushort)Math.Min(slot.Urgency + weight, Math.Max(weight, PeerView.UrgencyMax));
        int bucket = BucketCount - 1 - Math.Min(BucketCount - 1, BitOperations.Log2(slot.Urgency + 1u));
        int at = _candidateCount++;
        ref Candidate candidate = ref _candidates[at];
        (candidate.Slot, candidate.Operation, candidate.Audience, candidate.Bits) = ((ushort)index, operation, audience, bits + NameBitsEstimate);
        _preparedBits += candidate.Bits;
        _candidateOf[index] = (ushort)at;
        _bucketNext[at] = _bucketFirst[bucket];
        _bucketFirst[bucket] = at;
    }

    // ---- selecting ----

    // A third is lifecycle's; what it does not need flows to the updates, and what they leave flows back.
    private int Select(PeerView peer, int bitsMax)
    {
        if (_options.IsOff(Mechanisms.ByteBudget))
            bitsMax = int.MaxValue;
        // As mostly: there is room for all.
        if (_preparedBits <= bitsMax)
        {
            for (int i = 0; i < _candidateCount; i++)
                (_chosenAt[i], _chosenSlots[i]) = ((ushort)i, _candidates[i].Slot);
            SetChosen(_candidateCount);
            _leftOut = false;
            return _candidateCount;
        }

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

        SetChosen(count);
    }

    private void SetChosen(int count)
    {
        _chosenCount = count;
        for (_chosenLow = 0; _chosenLow < count && _chosenSlots[_chosenLow] < SlotCodec.LowSlots;)
            _chosenLow++;
    }

    private (int First, int Count) ChosenOf(int list) => list == 0 ? (0, _chosenLow) : (_chosenLow, _chosenCount - _chosenLow);

    private int ChosenBits()
    {
        int bits = 0;
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            (int first, int count) = ChosenOf(list);
            SlotCodec.BestOrder(_chosenSlots.AsSpan(first, count), list, out int gapBits);
            bits += gapBits;
        }

        foreach (ushort at in _chosenAt.AsSpan(0, _chosenCount))
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

    // ---- writing ----

    private SnapshotHeader Header(PeerView peer, in SnapshotRequest request)
    {
        bool hasOwn = peer.AvatarRow >= 0 && _world.Id[peer.AvatarRow] == peer.AvatarId.Value;
        bool silent = !_options.FixedRate && _candidateCount == 0;
        return new SnapshotHeader
        {
            Tick = request.Tick,
            DueTime = request.DueTime,
            IntervalCode = (byte)(silent || request.MayBeLate ? Replicator.KeepAliveCode : IntervalTicks > _options.SnapshotIntervalTicks ? Replicator.SlowCode : Replicator.IntervalCode),
            Complete = !_leftOut,
            HasInput = request.HasInput,
            InputTick = request.InputTick,
            InputMarginTicks = request.InputMarginTicks,
            HasOwn = hasOwn,
            OwnX = hasOwn ? _world.X[peer.AvatarRow] : 0,
            OwnY = hasOwn ? _world.Y[peer.AvatarRow] : 0,
            HasBaseline = peer.HasBaseline,
            Baseline = peer.Baseline,
        };
    }

    private ushort Check(PeerView peer, in SnapshotRequest request, out bool hasShare)
    {
        uint sum = 0;
        hasShare = peer.HasBaseline && peer.TryGetShare(request.Sequence, out sum);
        if (!hasShare)
            sum = 0;
        Span<PeerView.Slot> slots = peer.Slots;
        foreach (ushort at in _chosenAt.AsSpan(0, _chosenCount))
        {
            ref Candidate candidate = ref _candidates[at];
            ref PeerView.Slot slot = ref slots[candidate.Slot];
            if (candidate.Operation == SlotOperation.Update || IsOnKept(in candidate))
                sum += EntityCodec.CheckShare(new EntityId(slot.Id), slot.AckedHash);
        }

        return (ushort)(sum ^ (sum >> 16));
    }

    private static bool IsOnKept(in Candidate candidate) => candidate.Operation == SlotOperation.Enter && candidate.Delta.Newest != 0;

    private void WriteOperations(ref BitWriter writer, PeerView peer, in SnapshotRequest request)
    {
        for (int list = 0; list < SlotCodec.Lists; list++)
        {
            (int first, int count) = ChosenOf(list);
            ReadOnlySpan<ushort> slots = _chosenSlots.AsSpan(first, count);
            int order = SlotCodec.BestOrder(slots, list), previous = SlotCodec.FirstOf(list) - 1;
            SlotCodec.WriteCount(ref writer, count, order);
            for (int i = 0; i < count; i++)
            {
                int before = writer.BitCount;
                WriteOperation(ref writer, peer, ref _candidates[_chosenAt[first + i]], previous, order, in request);
                Counters.OperationBits += writer.BitCount - before;
                previous = slots[i];
            }
        }
    }

    private void WriteOperation(ref BitWriter writer, PeerView peer, ref Candidate candidate, int previous, int order, in SnapshotRequest request)
    {
        int index = candidate.Slot;
        ref PeerView.Slot slot = ref peer.Slots[index];
        int before = writer.BitCount;
        SlotCodec.Write(ref writer, index, previous, order, candidate.Operation);
        bool owner = (candidate.Audience & 1) != 0, party = (candidate.Audience & 2) != 0;
        uint version = slot.State is SlotState.Entering or SlotState.Known ? _history.VersionOf(slot.Row) : slot.SentVersion;
        switch (candidate.Operation)
        {
            case SlotOperation.Update:
                _history.WriteDelta(ref writer, in candidate.Delta, _kinds[_history.RowOf(slot.Row).Kind].VisibleGroups(owner, party));
                break;
            case SlotOperation.Enter:
                WriteEnter(ref writer, ref slot, in candidate, owner, party);
                break;
            case SlotOperation.Absolute:
                _history.WriteAbsolute(ref writer, slot.Row, owner, party);
                break;
            default:
                break;
        }

        Count(in candidate, in slot, writer.BitCount - before, version, peer);
        if (slot.EnterSequence == 0 && slot.State == SlotState.Entering && slot.SentVersion == 0)
            slot.EnterSequence = request.Sequence.Value;
        slot.Copies = version == slot.SentVersion || slot.SentVersion == 0 ? (byte)Math.Min(slot.Copies + 1, byte.MaxValue) : (byte)1;
        peer.SetSent(index, version);
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

    private void Count(in Candidate candidate, in PeerView.Slot slot, int bits, uint version, PeerView peer)
    {
        bool isCopy = slot.SentVersion != 0 && version == slot.SentVersion && (slot.Copies > 0 || !IsLifecycle(candidate.Operation));
        Counters.Copies += isCopy ? 1 : 0;
        switch (candidate.Operation)
        {
            case SlotOperation.Update:
                peer.UpdatesWritten++;
                Counters.Updates++;
                Counters.UpdateBits += bits;
                CountUpdate(in candidate, slot.Row, bits);
                break;
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

    private void CountUpdate(in Candidate candidate, int row, int bits)
    {
        if (candidate.Delta.Groups == 0)
        {
            Counters.Turns += candidate.Delta.Steps;
            Counters.TurnBits += bits;
        }
        else if (candidate.Delta.Steps == 0)
        {
            Counters.Animations++;
            Counters.AnimationBits += bits - _history.TextBits(row, candidate.Delta.Groups);
        }
    }

    private struct Candidate
    {
        public ushort Slot;
        public SlotOperation Operation;
        public byte Audience;
        public int Bits;
        public Delta Delta;
    }
}

internal enum DistanceClass : byte
{
    Near,
    Middle,
    Far,
}
