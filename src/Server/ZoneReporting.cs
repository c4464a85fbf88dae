using System.Diagnostics;
using Hectare.Replication;
using Hectare.Transport;

namespace Hectare.Server;

/// <content>What the zone did in a window of time. Allocates; between two ticks only (<see cref="ZoneLoop{TInput}.InvokeAsync"/>).</content>
public sealed partial class Zone<TInput>
{
    private const int UdpHeaderBytes = 28;   // IPv4 and UDP

    private Window _window = new(0, 0, 0, 0, 0, 0, 0, 0, [], new WriterCounters(), [], 0);
    private long _windowPlayerTicks;

    /// <summary>Begins a measuring window: the next <see cref="Report"/> tells of the time since this call.</summary>
    public void BeginWindow()
    {
        Metrics.Clear();
        _budget.BeginWindow();
        _windowPlayerTicks = 0;
        _window = Now();
    }

    /// <summary>What happened since <see cref="BeginWindow"/>. The window goes on.</summary>
    public ZoneReport Report()
    {
        Window now = Now();
        double seconds = Math.Max((now.Stamp - _window.Stamp) / (double)Stopwatch.Frequency, 1e-9);
        long ticks = now.Ticks - _window.Ticks;
        double meanPlayers = ticks == 0 ? 0 : (double)_windowPlayerTicks / ticks;
        WriterCounters written = now.Written;
        WriterCounters before = _window.Written;
        long updates = written.Updates - before.Updates;
        long snapshots = written.Snapshots - before.Snapshots - (written.KeepAlives - before.KeepAlives);
        double bytes = now.Bytes - _window.Bytes + (UdpHeaderBytes * (double)(now.Datagrams - _window.Datagrams));
        (Spread known, Spread caps, Spread rates, double peerMemory) = OfPlayers();
        return new ZoneReport
        {
            Seconds = seconds,
            TickRate = Options.TickRate,
            Ticks = ticks,
            Players = _peers.Count,
            TickMs = TickTimes.Of(Metrics.TickNs),
            TickMeanUs = Metrics.TickNs.Mean / 1e3,
            TicksLate = now.TicksLate - _window.TicksLate,
            TicksGivenUp = now.TicksGivenUp - _window.TicksGivenUp,
            PhasesUs = Enum.GetValues<Phase>().ToDictionary(phase => phase.ToString().ToLowerInvariant(), phase => Metrics.PhaseNs(phase).Mean / 1e3, StringComparer.Ordinal),
            SnapshotsPerSecond = snapshots / seconds,
            KeepAlivesPerSecond = (written.KeepAlives - before.KeepAlives) / seconds,
            BytesPerPlayerPerSecond = meanPlayers == 0 ? 0 : bytes / seconds / meanPlayers,
            BudgetBytesPerSecond = Options.BytesPerSecondMax,
            BudgetPacketsPerSecond = Options.PacketsPerSecondMax,
            BudgetShareMean = _budget.Window.Mean,
            BudgetShareLeast = _budget.Window.Least,
            RateInForce = rates,
            DatagramBytesMax = _groups.Max(group => group.DatagramBytesMax),
            KnownPerPlayer = known,
            CapInForce = caps,
            Pressure = Pressure(_window.TicksAtLevel, _window.PressureChanges),
            UpdatesPerSecond = updates / seconds,
            UpdatesPerSnapshot = Ratio(updates, snapshots),
            CopiesPerSnapshot = Ratio(written.Copies - before.Copies, snapshots),
            EntersPerSnapshot = Ratio(written.Enters - before.Enters, snapshots),
            BytesSplit = Split(before, written, now.Datagrams - _window.Datagrams, bytes, seconds * meanPlayers),
            BitsPerUpdate = Ratio(written.UpdateBits - before.UpdateBits, updates),
            NsPerUpdate = Ratio((long)Metrics.PhaseNs(Phase.Write).Sum, updates),
            BitsPerTurn = Ratio(written.TurnBits - before.TurnBits, written.Turns - before.Turns),
            BitsPerAnimation = Ratio(written.AnimationBits - before.AnimationBits, written.Animations - before.Animations),
            BitsPerEnter = Ratio(written.EnterBits - before.EnterBits, written.AbsoluteEnters - before.AbsoluteEnters),
            BytesPerPeerMemory = peerMemory,
            BytesPerEntityMemory = Ratio(World.MemoryBytes + _replicator.History.MemoryBytes, World.Count),
            AllocatedBytesPerTick = Ratio(now.Allocated - _window.Allocated, ticks),
            GcCounts = [.. now.Collections.Zip(_window.Collections, (after, earlier) => after - earlier)],
            Drops = Drops(),
            Offences = _drops.Offences(),
            Kicks = _drops.Kicks(),
            HandedOver = Metrics.DatagramsHandedOver,
            Paths = new PathFigures { Seen = Metrics.PathsSeen, Proved = Metrics.PathsProved, GivenUp = Metrics.PathsGivenUp },
            Pending = PendingCount,
            Lost = LostCount,
        };
    }

    /// <summary>How the ticks went since the last call, or since <see cref="BeginWindow"/>. The window goes on.</summary>
    public ZoneInterval TakeInterval() => Metrics.TakeInterval();

    /// <summary>Offences of clients since the start, by kind; only what happened.</summary>
    public IReadOnlyDictionary<string, long> Offences() => _drops.Offences();

    /// <summary>Clients sent away for what they did, by the reason they were told; only what happened.</summary>
    public IReadOnlyDictionary<string, long> Kicks() => _drops.Kicks();

    /// <summary>Everything dropped since the start, by reason; only what happened.</summary>
    public IReadOnlyDictionary<string, long> Drops()
    {
        var packets = new ZoneDrops();
        _drops.CopyTo(packets);
        for (int i = 0; i < _peers.Limit; i++)
        {
            if (_peers[i] is { } peer)
                packets.Add(peer.Connection.Counters);
        }

        var named = new Dictionary<string, long>(StringComparer.Ordinal);
        _drops.AddTo(named, packets);
        ZoneDrops.Put(named, "handshakeMalformed", _door.Counters.Malformed);
        ZoneDrops.Put(named, "handshakeWrongVersion", _door.Counters.WrongVersion);
        ZoneDrops.Put(named, "handshakeBadCookie", _door.Counters.BadCookie);
        ZoneDrops.Put(named, "handshakeExpiredCookie", _door.Counters.ExpiredCookie);
        ZoneDrops.Put(named, "handshakeBadMac", _door.Counters.BadMac);
        ZoneDrops.Put(named, "handshakeNoCipher", _door.Counters.NoCipher);
        for (TokenResult result = TokenResult.Malformed; result <= TokenResult.WrongEndpoint; result++)
            ZoneDrops.Put(named, $"token{result}", _door.Counters.BadToken(result));
        ZoneDrops.Put(named, "tokenReused", _door.TokenReused);
        ZoneDrops.Put(named, "tokenNotGranted", _door.Counters.NotGranted);
        ZoneDrops.Put(named, "handshakeSuperseded", _door.Superseded);
        ZoneDrops.Put(named, "handshakeOverLimit", _door.OverLimit);
        ZoneDrops.Put(named, "handshakeOverAddressLimit", _door.OverAddressLimit);
        ZoneDrops.Put(named, "handshakeOverJoins", _door.OverJoins);
        ZoneDrops.Put(named, "handshakeRefused", _door.Refused);
        ZoneDrops.Put(named, "inboundQueueFull", _groups.Sum(group => group.InboundDropped));
        return named;
    }

    private (Spread Known, Spread Caps, Spread Rates, double PeerMemory) OfPlayers()
    {
        double[] known = new double[_peers.Count];
        double[] caps = new double[_peers.Count];
        double[] rates = new double[_peers.Count];
        long memory = 0;
        int count = 0, cap = _replicator.Detail.InterestCap;
        for (int i = 0; i < _peers.Limit; i++)
        {
            if (_peers[i] is not { View: { } view } peer)
                continue;
            known[count] = view.KnownCount;
            rates[count] = view.RateBytesPerSecond;
            caps[count++] = view.IsCapped ? Math.Min(cap, view.MoverCount) : cap;
            memory += peer.MemoryBytes;
        }

        return (Spread.Of(known.AsSpan(0, count)), Spread.Of(caps.AsSpan(0, count)), Spread.Of(rates.AsSpan(0, count)), Ratio(memory + _replicator.SubscriptionBytes, count));
    }

    private Window Now()
    {
        var written = new WriterCounters();
        foreach (NetworkGroup<TInput> group in _groups)
            written.Add(group.Writer.Counters);
        return new Window(Stopwatch.GetTimestamp(), Metrics.Ticks, Metrics.TicksLate, Metrics.TicksGivenUp, Metrics.DatagramsOut, Metrics.BytesOut,
            GC.GetTotalAllocatedBytes(), _peers.Count, [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(GC.CollectionCount)], written, [.. _ticksAtLevel], Metrics.PressureChanges);
    }

    private static BytesSplit Split(WriterCounters before, WriterCounters written, long datagrams, double bytes, double playerSeconds)
    {
        if (playerSeconds == 0)
            return new BytesSplit();
        double OfBits(long bits) => bits / 8.0 / playerSeconds;
        long header = written.HeaderBits - before.HeaderBits, own = written.OwnBits - before.OwnBits;
        long updates = written.UpdateBits - before.UpdateBits, operations = written.OperationBits - before.OperationBits;
        long densities = written.DensityBits - before.DensityBits;
        double udpIp = UdpHeaderBytes * datagrams / playerSeconds, tag = (double)PacketHeader.TagBytes * datagrams / playerSeconds;
        return new BytesSplit
        {
            UdpIp = udpIp,
            Tag = tag,
            SnapshotHeader = OfBits(header - own),
            OwnState = OfBits(own),
            Updates = OfBits(updates),
            Lifecycle = OfBits(operations - updates),
            Densities = OfBits(densities),
            PacketHeader = (bytes / playerSeconds) - udpIp - tag - OfBits(header + operations + densities),
        };
    }

    private static double Ratio(long sum, long count) => count == 0 ? 0 : (double)sum / count;

    private sealed record Window(long Stamp, long Ticks, long TicksLate, long TicksGivenUp, long Datagrams, long Bytes, long Allocated, int Peers, int[] Collections, WriterCounters Written, long[] TicksAtLevel, long PressureChanges);
}
