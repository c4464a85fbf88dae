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
public sealed partial class SnapshotWriter
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
    private readonly Delta[] _deltas = new Delta[SlotCodec.SlotsMax];            // of those, except where an update was made in advance
    private readonly ushort[] _candidateSlots = new ushort[SlotCodec.SlotsMax];
    private readonly ushort[] _inOrder = [.. Enumerable.Range(0, SlotCodec.SlotsMax).Select(i => (ushort)i)];
    private readonly int[] _bucketNext = new int[SlotCodec.SlotsMax];
    private readonly int[] _bucketFirst = new int[BucketCount];
    private readonly ushort[] _candidateOf = new ushort[SlotCodec.SlotsMax];
    private readonly int[] _gathered = new int[SlotCodec.SlotsMax];      // scratch
    private readonly ushort[] _chosenAt = new ushort[SlotCodec.SlotsMax];        // candidates that are written, by slot,
    private readonly ushort[] _chosenSlots = new ushort[SlotCodec.SlotsMax];     // and their slots
    private bool _takesAll;         // of the candidates: those two are not filled
    private int _chosenCount;
    private int _chosenLow;         // of these, in the first list
    private readonly ulong[] _chosen = new ulong[SlotCodec.SlotsMax / 64];
    private readonly uint[] _openBundles = new uint[64];     // bundles of which an entity has entered in this snapshot
    private readonly int[] _pendingCells = new int[PendingCells.ListMax];
    private int _openBundleCount;
    private int _candidateCount;
    private int _standingCount;     // of these, what changed that cannot walk,
    private int _patientCount;      // and of these, what is not near: no packet goes for it alone
    private int _preparedBits;
    private int _freshBits;
    private readonly int[] _timesTold = new int[3];      // by distance: packets that news rides in while its ack is awaited
    private readonly int _cellUnits;
    private long _nearSquared;
    private long _farSquared;
    private int _viewX;
    private int _viewY;
    private uint _candidateShares;  // of all candidates, in the self-check
    private bool _leftOut;

    /// <summary>A writer for the peers of one replicator.</summary>
    public SnapshotWriter(Replicator replicator)
    {
        _replicator = replicator;
        _world = replicator.World;
        _history = replicator.History;
        _options = replicator.Options;
        _detail = replicator.Detail;
        _cellUnits = _world.Grid.CellUnits;
        _kinds = _world.Schema.Kinds.ToArray();
        _crowd = new Crowd(replicator, Counters);
        _holdersLog = replicator.NewHoldersLog();
    }

    /// <summary>True where <see cref="FreshBytes"/> is asked for: a zone whose bytes and packets are not limited shares out none.</summary>
    public bool CountsFresh { get; init; } = true;

    /// <summary>What this writer did.</summary>
    public WriterCounters Counters { get; } = new();

    /// <summary>Bytes that the snapshot prepared last will take at most, if it gets them: what of a datagram is left beside it.</summary>
    public int PreparedBytes => Math.Max(TailBytesMin, (HeaderBitsMax + _crowd.Plan(int.MaxValue) + _preparedBits + 7) / 8);

    /// <summary>Bytes of the news in the snapshot prepared last that was in none prepared before, with all copies that it will have while its ack is awaited.</summary>
    /// <remarks>What a peer wants, whether it is sent it or not: what waits is counted once, and copies are not counted again. 0 without <see cref="CountsFresh"/>.</remarks>
    public int FreshBytes => (_freshBits + 7) / 8;

    /// <summary>Ticks between two snapshots of the peer prepared last, as its loss and bytes are now.</summary>
    public int IntervalTicks { get; private set; } = 1;

    /// <summary>True when the snapshot prepared last must go: it was asked for at once, or the one before said that it would not come later.</summary>
    public bool IsPromised { get; private set; }

    /// <summary>True when the peer is to be sent a snapshot at this tick: it is its turn, and there is news, an unacked copy, or the next turn would be later than the last packet promised.
    /// What changed that cannot walk and is not near rides in the next packet that goes, and none goes for it alone (decision 0021).</summary>
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
        return IsPromised || _candidateCount > _patientCount || densityDue || _options.FixedRate;
    }

    /// <summary>The snapshot prepared last is not sent now: what it had to say has waited once more, and comes before what is newer.</summary>
    public void Postpone(PeerView peer) => Weigh(peer);

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
        Counters.OwnBits += header.HasOwn ? 2 * SnapshotHeader.OwnBits : 0;
        int before = writer.BitCount;
        _crowd.Write(ref writer, peer);
        Counters.DensityBits += writer.BitCount - before;
        peer.BeginPacketRecord(request.Sequence, _chosenCount);
        long updatesBefore = Counters.Updates;
        WriteOperations(ref writer, peer, in request);
        peer.UpdatesWritten += Counters.Updates - updatesBefore;
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

    private void Refill(PeerView peer, Tick tick)
    {
        int ticks = Math.Min(tick - peer.BytesTick, _options.TickRate);
        peer.BytesTick = tick;
        int cap = Math.Max(peer.RateBytesPerSecond / 4, 1_500);
        peer.Bytes = Math.Min(cap, peer.Bytes + (peer.RateBytesPerSecond * ticks / _options.TickRate));
    }

    private SnapshotHeader Header(PeerView peer, in SnapshotRequest request)
    {
        bool hasOwn = peer.AvatarRow >= 0 && _world.Id[peer.AvatarRow] == peer.AvatarId.Value;
        bool silent = !_options.FixedRate && _candidateCount == _standingCount;
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
        return Fold(sum + (_chosenCount == _candidateCount ? _candidateShares : SharesOfChosen(peer)));
    }

    private uint SharesOfChosen(PeerView peer)
    {
        uint sum = 0;
        Span<PeerView.Slot> slots = peer.Slots;
        foreach (ushort at in ChosenAt)
        {
            ref Candidate candidate = ref _candidates[at];
            sum += ShareOf(in candidate, in slots[candidate.Slot]);
        }

        return sum;
    }

    // Of what a packet's updates start from: its receiver has to hold the same.
    private static uint ShareOf(in Candidate candidate, in PeerView.Slot slot)
        => candidate.Operation == SlotOperation.Update || candidate.IsOnKept ? EntityCodec.CheckShare(new EntityId(slot.Id), slot.AckedHash) : 0;

    private static ushort Fold(uint sum) => (ushort)(sum ^ (sum >> 16));

    // What of it is needed to choose; what is written of it stands in the row, or among the deltas.
    private struct Candidate
    {
        public int Row;
        public int Bits;             // estimated, its name included
        public ushort Slot;
        public SlotOperation Operation;
        public byte Audience;
        public byte Versions;        // since the baseline, of an update that was made in advance; else 0
        public bool IsOnKept;        // it enters, as a delta from what the peer kept of it
    }
}

internal enum DistanceClass : byte
{
    Near,
    Middle,
    Far,
}
