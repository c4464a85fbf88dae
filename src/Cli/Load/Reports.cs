using System.Text.Json;
using System.Text.Json.Serialization;
using Hectare.Cli.Load.Hostile;
using Hectare.Farm;
using Hectare.Server;

namespace Hectare.Cli.Load;

/// <summary>One run of <c>load</c> or <c>demo</c>, as <c>--json</c> writes it. Names are read by other tools: they do not change.</summary>
internal sealed record LoadReport
{
    /// <summary>What the bots do.</summary>
    public required string Workload { get; init; }

    /// <summary>Bots asked for.</summary>
    public required int Players { get; init; }

    /// <summary>Bots connected at the end of the window.</summary>
    public required int Connected { get; init; }

    /// <summary>Length of the measuring window; ramp-up and warm-up came before it.</summary>
    public required double Seconds { get; init; }

    /// <summary>Ticks a second.</summary>
    public required int TickRate { get; init; }

    /// <summary>True when a snapshot went out every interval even with nothing to tell.</summary>
    public required bool FixedRate { get; init; }

    /// <summary>Network threads of the zone; 0: all on the tick thread.</summary>
    public required int Threads { get; init; }

    /// <summary>Packets a second that a bot sends while its inputs do not change.</summary>
    public required int InputHz { get; init; }

    /// <summary>Seed of world and bots.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Constants of the demo world: figures of two builds compare only when these are equal.</summary>
    public required FarmConstants World { get; init; }

    /// <summary>The zone's process.</summary>
    public required ServerReport? Server { get; init; }

    /// <summary>The bots' process.</summary>
    public required BotsReport? Bots { get; init; }

    /// <summary>The hostile bots' process; null: there was none.</summary>
    public HostileReport? Hostile { get; init; }

    /// <summary>The flood's process; null: there was none.</summary>
    public FloodReport? Flood { get; init; }

    /// <summary>Whether it could go on for ever; null: the window was shorter than a minute.</summary>
    public SoakVerdict? Soak { get; init; }

    /// <summary>What the kernel alone takes for the same datagrams, in this run; null: not measured.</summary>
    public KernelFloorReport? KernelFloor { get; init; }

    /// <summary>The machine during the window.</summary>
    public required MachineReport Machine { get; init; }

    /// <summary>Why the run failed; empty when it did not.</summary>
    public IReadOnlyList<string> Failures { get; init; } = [];
}

/// <summary>Where it ran, and beside what.</summary>
internal sealed record MachineReport
{
    /// <summary>Processors of the machine.</summary>
    public required int Processors { get; init; }

    /// <summary>Processors of the server; empty: any.</summary>
    public required int[] ServerCpus { get; init; }

    /// <summary>Processors of the bots and of this process; empty: any.</summary>
    public required int[] BotCpus { get; init; }

    /// <summary>Processors of the hostile bots and the flood; empty: those of the bots.</summary>
    public required int[] HostileCpus { get; init; }

    /// <summary>Idle share of each processor over the window.</summary>
    public required double[] IdleShare { get; init; }

    /// <summary>Datagrams that the kernel dropped in the window because a receive buffer was full.</summary>
    public SocketDropsReport? SocketDrops { get; init; }
}

/// <summary>Datagrams dropped at full receive buffers, by whose they were; null where the system does not tell.</summary>
/// <param name="Server">Of the zone's sockets: inputs.</param>
/// <param name="Bots">Of the bots' socket: snapshots.</param>
internal sealed record SocketDropsReport(long? Server, long? Bots);

/// <summary>What the zone measured in the window. Rates are of the whole zone; <c>...PerPlayer...</c> says otherwise.</summary>
internal sealed record ServerReport
{
    /// <summary>Length of the window.</summary>
    public required double Seconds { get; init; }

    /// <summary>(utime + stime) of the process over the window / window, all threads.</summary>
    public required double CpuCores { get; init; }

    /// <summary>Work of one tick, from its start until its last datagram is handed to the system.</summary>
    public required Quantiles TickMs { get; init; }

    /// <summary>Ticks whose work was not done by the next tick's due time.</summary>
    public required long TicksLate { get; init; }

    /// <summary>Ticks taken off the schedule: the zone was too far behind.</summary>
    public required long TicksGivenUp { get; init; }

    /// <summary>Mean microseconds a tick of each phase.</summary>
    public required IReadOnlyDictionary<string, double> PhasesUs { get; init; }

    /// <summary>Mean microseconds of a tick: what the phases add up to.</summary>
    public required double TickMeanUs { get; init; }

    /// <summary>Snapshots written a second, keep-alives not among them.</summary>
    public required double SnapshotsPerSecond { get; init; }

    /// <summary>Snapshots a second that carried nothing new.</summary>
    public required double KeepAlivesPerSecond { get; init; }

    /// <summary>UDP payload + 28 bytes of IP and UDP headers, down to one player.</summary>
    public required double BytesPerPlayerPerSecond { get; init; }

    /// <summary>Largest datagram sent, UDP payload.</summary>
    public required int DatagramBytesMax { get; init; }

    /// <summary>Entities known to a player.</summary>
    public required LowMiddle KnownPerPlayer { get; init; }

    /// <summary>Movers that a player may be told of.</summary>
    public required LowMiddle CapInForce { get; init; }

    /// <summary>What the zone gave up because its ticks took too long.</summary>
    public required PressureFigures Pressure { get; init; }

    /// <summary>Updates written a second: an entity that a peer knew was told anew, copies included.</summary>
    public required double UpdatesPerSecond { get; init; }

    /// <summary>Updates in a mean snapshot.</summary>
    public required double UpdatesPerSnapshot { get; init; }

    /// <summary>Operations in a mean snapshot that repeat what was not acked yet.</summary>
    public required double CopiesPerSnapshot { get; init; }

    /// <summary>Enters in a mean snapshot, copies included.</summary>
    public required double EntersPerSnapshot { get; init; }

    /// <summary>What a player's bytes are for.</summary>
    public required BytesSplit BytesSplit { get; init; }

    /// <summary>Bits of a mean update, slot and operation included.</summary>
    public required double BitsPerUpdate { get; init; }

    /// <summary>Bits of a mean update whose motion alone changed.</summary>
    public required double BitsPerTurn { get; init; }

    /// <summary>Bits of a mean update whose animation alone changed.</summary>
    public required double BitsPerAnimation { get; init; }

    /// <summary>Bits of a mean entity that is told for the first time, texts excluded.</summary>
    public required double BitsPerEnter { get; init; }

    /// <summary>Time of the write phase over updates written in it.</summary>
    public required double NsPerUpdate { get; init; }

    /// <summary>Mean memory of one connected peer.</summary>
    public required double BytesPerPeerMemory { get; init; }

    /// <summary>Mean memory of one entity.</summary>
    public required double BytesPerEntityMemory { get; init; }

    /// <summary>Managed bytes that the whole process allocated, over ticks.</summary>
    public required double AllocatedBytesPerTick { get; init; }

    /// <summary>Garbage collections of each generation.</summary>
    public required int[] GcCounts { get; init; }

    /// <summary>Working set at the window's end.</summary>
    public required double WorkingSetMB { get; init; }

    /// <summary>Working set of the process at each second of the window, as the one that started it saw it; empty when nobody looked.</summary>
    public IReadOnlyList<double> WorkingSetSamplesMB { get; init; } = [];

    /// <summary>Largest over smallest working set of the window's last 30 s, less 1. Null: the window was shorter than that.</summary>
    public double? WorkingSetGrowth { get; init; }

    /// <summary>What its sockets moved: snapshots out, inputs in.</summary>
    public TrafficReport? Traffic { get; init; }

    /// <summary>Exceptions thrown in the process in the window, caught ones too.</summary>
    public required long Exceptions { get; init; }

    /// <summary>Datagrams and messages dropped since the start, by reason.</summary>
    public required IReadOnlyDictionary<string, long> Drops { get; init; }

    /// <summary>Offences of clients since the start, by kind.</summary>
    public required IReadOnlyDictionary<string, long> Offences { get; init; }

    /// <summary>Clients sent away for what they did since the start, by the reason they were told.</summary>
    public required IReadOnlyDictionary<string, long> Kicks { get; init; }

    /// <summary>The zone's own report with what only its process knows.</summary>
    public static ServerReport From(ZoneReport zone, double cpuCores, TrafficFigures traffic, long exceptions) => new()
    {
        Seconds = zone.Seconds,
        CpuCores = cpuCores,
        TickMs = new Quantiles(zone.TickMs.P50, zone.TickMs.P99, zone.TickMs.Max),
        TicksLate = zone.TicksLate,
        TicksGivenUp = zone.TicksGivenUp,
        PhasesUs = zone.PhasesUs,
        TickMeanUs = zone.TickMeanUs,
        SnapshotsPerSecond = zone.SnapshotsPerSecond,
        KeepAlivesPerSecond = zone.KeepAlivesPerSecond,
        BytesPerPlayerPerSecond = zone.BytesPerPlayerPerSecond,
        DatagramBytesMax = zone.DatagramBytesMax,
        KnownPerPlayer = new LowMiddle(zone.KnownPerPlayer.P1, zone.KnownPerPlayer.P50),
        CapInForce = new LowMiddle(zone.CapInForce.P1, zone.CapInForce.P50),
        Pressure = zone.Pressure,
        UpdatesPerSecond = zone.UpdatesPerSecond,
        UpdatesPerSnapshot = zone.UpdatesPerSnapshot,
        CopiesPerSnapshot = zone.CopiesPerSnapshot,
        EntersPerSnapshot = zone.EntersPerSnapshot,
        BytesSplit = zone.BytesSplit,
        BitsPerUpdate = zone.BitsPerUpdate,
        BitsPerTurn = zone.BitsPerTurn,
        BitsPerAnimation = zone.BitsPerAnimation,
        BitsPerEnter = zone.BitsPerEnter,
        NsPerUpdate = zone.NsPerUpdate,
        BytesPerPeerMemory = zone.BytesPerPeerMemory,
        BytesPerEntityMemory = zone.BytesPerEntityMemory,
        AllocatedBytesPerTick = zone.AllocatedBytesPerTick,
        GcCounts = zone.GcCounts,
        WorkingSetMB = Environment.WorkingSet / 1e6,
        Traffic = traffic.PerSecond(zone.Seconds),
        Exceptions = exceptions,
        Drops = zone.Drops,
        Offences = zone.Offences,
        Kicks = zone.Kicks,
    };
}

/// <summary>What the bots measured in the window.</summary>
internal sealed record BotsReport
{
    /// <summary>Length of the window.</summary>
    public required double Seconds { get; init; }

    /// <summary>Bots connected at the end of the window.</summary>
    public required int Connected { get; init; }

    /// <summary>Bots whose connection is over: lost or refused.</summary>
    public required int Disconnected { get; init; }

    /// <summary>(utime + stime) of the process over the window / window, all threads.</summary>
    public required double CpuCores { get; init; }

    /// <summary>Bots that decode everything; the others open, read headers and ack.</summary>
    public required int FullyDecoded { get; init; }

    /// <summary>Joins since the start that timed out in their handshake, and were tried again.</summary>
    public int JoinRetries { get; init; }

    /// <summary>What their socket moved: inputs out, snapshots in.</summary>
    public TrafficReport? Traffic { get; init; }

    /// <summary>From the time at which the bots' loop was to begin until its work was done: how late what arrived was read, and what was due was sent.
    /// The loop runs every 4 ms.</summary>
    public LowHigh? LateMs { get; init; }

    /// <summary>Snapshots a second of the bot that one in a hundred does not exceed.</summary>
    public required double SnapshotHzP1 { get; init; }

    /// <summary>Snapshots a second of the median bot.</summary>
    public required double SnapshotHzP50 { get; init; }

    /// <summary>Snapshots refused whole: malformed, or the self-check did not fit.</summary>
    public required long DecodeErrors { get; init; }

    /// <summary>Why, when there are any.</summary>
    public DecodeErrorCounts? DecodeErrorsBy { get; init; }

    /// <summary>Decoding bots whose replica was not the zone's truth, 3 s after motion stopped. -1: not compared.</summary>
    public required int Divergent { get; init; }

    /// <summary>Entities compared, over all decoding bots.</summary>
    public required long ComparedEntities { get; init; }

    /// <summary>Entities compared by the bot that compared fewest.</summary>
    public required int ComparedEntitiesMin { get; init; }

    /// <summary>The first differences found.</summary>
    public required IReadOnlyList<Difference> Differences { get; init; }

    /// <summary>Share of movers drawn more than 0.1 units from where they were, at one random tick a second. Null: nothing to compare with.</summary>
    public required double? WrongShare { get; init; }

    /// <summary>Movers drawn and compared for <see cref="WrongShare"/>.</summary>
    public required long DrawnEntities { get; init; }

    /// <summary>Sampled ticks at which they were drawn.</summary>
    public required int DrawnTicks { get; init; }

    /// <summary>Age of the oldest news that a bot lacks of a mover within 50 units, 30 times a second. Null: nothing to compare with.</summary>
    public required LowHigh? StalenessMs { get; init; }

    /// <summary>Interpolation delay of the decoding bots.</summary>
    public required LowHigh DelayMs { get; init; }
}

/// <summary>One thing that a bot holds otherwise than the zone.</summary>
internal sealed record Difference(int Bot, uint Entity, string Field, string Zone, string Held);

/// <summary>Median, 99 % and largest.</summary>
internal sealed record Quantiles(double P50, double P99, double Max);

/// <summary>1 % and median.</summary>
internal sealed record LowMiddle(double P1, double P50);

/// <summary>Median and 99 %.</summary>
internal sealed record LowHigh(double P50, double P99);

/// <summary>What a serving process says of itself while it runs.</summary>
internal sealed record ServeStatus(int Port, uint Tick, int Players, double TickMsP50, double TickMsP99, double BytesPerPlayerPerSecond, double SnapshotsPerSecond, double CpuCores);

/// <summary>What a bots' process says of itself while it runs.</summary>
internal sealed record BotsStatus(int Connected, int Refused, string RefusedReason, double SnapshotHz, double? WrongShare, double? StalenessMsP50, double? StalenessMsP99, double CpuCores, int Port);

/// <summary>Reports as JSON, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(ServerReport))]
[JsonSerializable(typeof(BotsReport))]
[JsonSerializable(typeof(SoakSample))]
[JsonSerializable(typeof(ServeStatus))]
[JsonSerializable(typeof(BotsStatus))]
[JsonSerializable(typeof(HostileReport))]
[JsonSerializable(typeof(HostileStatus))]
[JsonSerializable(typeof(FloodReport))]
[JsonSerializable(typeof(FloodStatus))]
[JsonSerializable(typeof(RampReport))]
[JsonSerializable(typeof(FloorLoopReport))]
[JsonSerializable(typeof(FloorLoopStatus))]
[JsonSerializable(typeof(HostedFarm))]
[JsonSerializable(typeof(Commands.FieldFigures[]))]
[JsonSerializable(typeof(Commands.MintedToken))]
internal sealed partial class ReportJson : JsonSerializerContext
{
    /// <summary>The same on one line.</summary>
    public static readonly ReportJson Compact = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = false });

    /// <summary>Reads what another process of ours wrote.</summary>
    /// <exception cref="Commands.RunFailedException">It is no such report.</exception>
    public static T Read<T>(string json, string from)
    {
        try
        {
            if (JsonSerializer.Deserialize(json, typeof(T), Default) is T report)
                return report;
        }
        catch (JsonException)
        {
            // Told below, with what was said instead.
        }

        throw new Commands.RunFailedException($"{from} answered '{json.Trim()}' instead of its figures");
    }
}

/// <summary>Snapshots that a client refused, and packets that it could not open.</summary>
/// <param name="Malformed">Snapshots that are none.</param>
/// <param name="WithoutBaseline">Snapshots that build on what the client does not have.</param>
/// <param name="WrongChecks">Snapshots whose self-check did not fit.</param>
/// <param name="Unopened">Packets that did not open, or whose body was malformed.</param>
public readonly record struct DecodeErrorCounts(long Malformed, long WithoutBaseline, long WrongChecks, long Unopened)
{
    /// <summary>All of them.</summary>
    [JsonIgnore]
    public long All => Malformed + WithoutBaseline + WrongChecks + Unopened;

    /// <inheritdoc/>
    public override string ToString() => $"{Malformed} malformed, {WithoutBaseline} without a baseline, {WrongChecks} with a wrong check, {Unopened} not opened";

    /// <summary>Of two clients together.</summary>
    public static DecodeErrorCounts operator +(DecodeErrorCounts a, DecodeErrorCounts b)
        => new(a.Malformed + b.Malformed, a.WithoutBaseline + b.WithoutBaseline, a.WrongChecks + b.WrongChecks, a.Unopened + b.Unopened);
}
