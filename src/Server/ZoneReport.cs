namespace Hectare.Server;

/// <summary>What a zone did in a window of time, in plain numbers: the <c>server</c> part of a load test's JSON.</summary>
/// <remarks>Per player means per connected player, averaged over the window's ticks. Serialised with camel case names.</remarks>
public sealed class ZoneReport
{
    /// <summary>Length of the window, s.</summary>
    public double Seconds { get; init; }

    /// <summary>Ticks a second that the zone is set to.</summary>
    public int TickRate { get; init; }

    /// <summary>Ticks run in the window.</summary>
    public long Ticks { get; init; }

    /// <summary>Players connected at its end.</summary>
    public int Players { get; init; }

    /// <summary>Duration of a tick, ms.</summary>
    public TickTimes TickMs { get; init; } = new();

    /// <summary>Mean duration of a tick, us: what <see cref="PhasesUs"/> add up to, within 5 %.</summary>
    public double TickMeanUs { get; init; }

    /// <summary>Ticks whose work was not done by the next tick's due time.</summary>
    public long TicksLate { get; init; }

    /// <summary>Ticks taken off the schedule.</summary>
    public long TicksGivenUp { get; init; }

    /// <summary>Mean duration of each phase per tick, us.</summary>
    public IReadOnlyDictionary<string, double> PhasesUs { get; init; } = new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>Snapshots a second, of the zone, keep-alives not among them.</summary>
    public double SnapshotsPerSecond { get; init; }

    /// <summary>Keep-alives a second, of the zone.</summary>
    public double KeepAlivesPerSecond { get; init; }

    /// <summary>Bytes a second to one player, UDP payload + 28 for each datagram.</summary>
    public double BytesPerPlayerPerSecond { get; init; }

    /// <summary>What the zone may send a second, with 28 bytes of IP and UDP a datagram; 0: no limit.</summary>
    public int BudgetBytesPerSecond { get; init; }

    /// <summary>Datagrams that the zone may send a second; 0: no limit.</summary>
    public int BudgetPacketsPerSecond { get; init; }

    /// <summary>Share of what clients wanted that the budgets let them have, the smaller of bytes and packets: mean of the window. 1: all.</summary>
    public double BudgetShareMean { get; init; } = 1;

    /// <summary>The least of the window.</summary>
    public double BudgetShareLeast { get; init; } = 1;

    /// <summary>Bytes a second that a player's link lets through, as far as is known: the rate in force.</summary>
    public Spread RateInForce { get; init; } = new();

    /// <summary>Largest UDP payload sent since the zone's start.</summary>
    public int DatagramBytesMax { get; init; }

    /// <summary>Entities that a player has entered.</summary>
    public Spread KnownPerPlayer { get; init; } = new();

    /// <summary>Movers that a player may be told of one by one: the cap in force, or in a crowd those that it really is told of, where these are fewer.</summary>
    public Spread CapInForce { get; init; } = new();

    /// <summary>What the zone gave up because its ticks took too long.</summary>
    public PressureFigures Pressure { get; init; } = new();

    /// <summary>Delta updates written a second, of the zone, copies included.</summary>
    public double UpdatesPerSecond { get; init; }

    /// <summary>The same per snapshot.</summary>
    public double UpdatesPerSnapshot { get; init; }

    /// <summary>Operations per snapshot that repeat what was not acked yet.</summary>
    public double CopiesPerSnapshot { get; init; }

    /// <summary>Enters per snapshot, copies included.</summary>
    public double EntersPerSnapshot { get; init; }

    /// <summary>What <see cref="BytesPerPlayerPerSecond"/> is made of.</summary>
    public BytesSplit BytesSplit { get; init; } = new();

    /// <summary>Mean bits of a delta update, slot included.</summary>
    public double BitsPerUpdate { get; init; }

    /// <summary>Time of the write phase per delta update, ns: everything else that the phase does is in it.</summary>
    public double NsPerUpdate { get; init; }

    /// <summary>Mean bits of a turn, slot included, copies counted.</summary>
    public double BitsPerTurn { get; init; }

    /// <summary>Mean bits of a change of other fields, slot included, copies counted, texts not.</summary>
    public double BitsPerAnimation { get; init; }

    /// <summary>Mean bits of a new entity, slot included, copies counted, texts not.</summary>
    public double BitsPerEnter { get; init; }

    /// <summary>Memory of one connected player, bytes: connection, view, inputs, messages under way.</summary>
    public double BytesPerPeerMemory { get; init; }

    /// <summary>Memory of one entity, bytes: columns, versions, cached bits; of the world's arrays divided by the entities in it.</summary>
    public double BytesPerEntityMemory { get; init; }

    /// <summary>Managed bytes allocated per tick by the whole process.</summary>
    public double AllocatedBytesPerTick { get; init; }

    /// <summary>Garbage collections in the window, by generation.</summary>
    public int[] GcCounts { get; init; } = [];

    /// <summary>Datagrams and messages dropped since the zone's start, by reason; only those that happened.</summary>
    public IReadOnlyDictionary<string, long> Drops { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Offences of clients since the zone's start, by kind (<see cref="Offence"/>); only those that happened.</summary>
    public IReadOnlyDictionary<string, long> Offences { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Clients sent away since the zone's start for what they did, by close code; only those that happened.</summary>
    public IReadOnlyDictionary<string, long> Kicks { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Datagrams since the zone's start that came on the socket of another thread than their client's.</summary>
    public long HandedOver { get; init; }

    /// <summary>Clients that changed their address, since the zone's start.</summary>
    public PathFigures Paths { get; init; } = new();

    /// <summary>Clients let in that have not joined yet.</summary>
    public int Pending { get; init; }

    /// <summary>Lost players whose session and avatar wait for them.</summary>
    public int Lost { get; init; }
}

/// <summary>What an overloaded zone gave up (<see cref="PressureLevel"/>).</summary>
public sealed class PressureFigures
{
    /// <summary>The level at the window's end: 0 nothing, 7 the most.</summary>
    public int Level { get; init; }

    /// <summary>Its name.</summary>
    public string LevelName { get; init; } = "";

    /// <summary>The highest of the window.</summary>
    public int LevelMost { get; init; }

    /// <summary>Times that it changed in the window.</summary>
    public long Changes { get; init; }

    /// <summary>Time of the window at each level, s.</summary>
    public IReadOnlyList<double> SecondsAtLevel { get; init; } = [];

    /// <summary>Share of its time that the tick thread spent on ticks when that was last looked at.</summary>
    public double Load { get; init; }

    /// <summary>Most movers that a player is told of one by one, at the window's end.</summary>
    public int InterestCap { get; init; }

    /// <summary>Ticks between two snapshots of a player, at the window's end.</summary>
    public int IntervalTicks { get; init; }

    /// <summary>Length of a tick, ms, at the window's end.</summary>
    public double TickLengthMs { get; init; }
}

/// <summary>Bytes that one player is sent a second, by what they are for.</summary>
public sealed class BytesSplit
{
    /// <summary>IP and UDP headers.</summary>
    public double UdpIp { get; init; }

    /// <summary>Packet headers, acks, reliable messages, counts of operations, and bits that fill up a byte.</summary>
    public double PacketHeader { get; init; }

    /// <summary>Tags that prove and seal.</summary>
    public double Tag { get; init; }

    /// <summary>Snapshot headers without the player's own state.</summary>
    public double SnapshotHeader { get; init; }

    /// <summary>The player's own state.</summary>
    public double OwnState { get; init; }

    /// <summary>Updates, slots and copies included.</summary>
    public double Updates { get; init; }

    /// <summary>Enters, leaves, destroys and absolutes.</summary>
    public double Lifecycle { get; init; }

    /// <summary>Densities of a crowd's cells.</summary>
    public double Densities { get; init; }
}

/// <summary>Changes of clients' addresses.</summary>
public sealed class PathFigures
{
    /// <summary>Addresses that a client seemed to have moved to.</summary>
    public long Seen { get; init; }

    /// <summary>Of these, proved.</summary>
    public long Proved { get; init; }

    /// <summary>Of these, given up because nobody answered there.</summary>
    public long GivenUp { get; init; }
}

/// <summary>Percentiles of a duration, ms, at most 3 % too high.</summary>
public sealed class TickTimes
{
    /// <summary>Median.</summary>
    public double P50 { get; init; }

    /// <summary>99th percentile.</summary>
    public double P99 { get; init; }

    /// <summary>Longest.</summary>
    public double Max { get; init; }

    /// <summary>Of durations in ns.</summary>
    internal static TickTimes Of(Histogram ns) => new() { P50 = ns.Percentile(0.5) / 1e6, P99 = ns.Percentile(0.99) / 1e6, Max = ns.Max / 1e6 };
}

/// <summary>How the ticks of a short time went: what a long run is judged by, where a whole window's percentiles would hide a slow change.</summary>
public sealed class ZoneInterval
{
    /// <summary>Ticks run since the zone's start.</summary>
    public long Ticks { get; init; }

    /// <summary>Of these, ticks whose work was not done by the next tick's due time.</summary>
    public long TicksLate { get; init; }

    /// <summary>Ticks taken off the schedule since the zone's start.</summary>
    public long TicksGivenUp { get; init; }

    /// <summary>Duration of a tick in the interval, ms.</summary>
    public TickTimes TickMs { get; init; } = new();

    /// <summary>Time from when a tick was due until it began, in the interval, ms.</summary>
    public TickTimes StartLateMs { get; init; } = new();
}

/// <summary>A number that each player has: the low end and the middle.</summary>
public sealed class Spread
{
    /// <summary>One player in a hundred has less.</summary>
    public double P1 { get; init; }

    /// <summary>Median.</summary>
    public double P50 { get; init; }

    /// <summary>Of unsorted values; sorts them.</summary>
    internal static Spread Of(Span<double> values)
    {
        if (values.IsEmpty)
            return new Spread();
        values.Sort();
        return new Spread { P1 = values[(int)(0.01 * (values.Length - 1))], P50 = values[(values.Length - 1) / 2] };
    }
}
