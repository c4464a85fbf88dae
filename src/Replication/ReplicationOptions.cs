using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Who is told what, how often and for how many bytes. Immutable; checked once by <see cref="Validate"/>.</summary>
public sealed record ReplicationOptions
{
    /// <summary>Inside this radius every entity enters, units. Default 100, 16 to 14 cells. Cost grows with its square.</summary>
    public int EnterRadiusUnits { get; init; } = 100;

    /// <summary>Beyond this radius cells are dropped, units. Default 116, above the enter radius. The difference is the hysteresis.</summary>
    public int ExitRadiusUnits { get; init; } = 116;

    /// <summary>A cell beyond the exit radius stays for at least this many ticks. Default 30, 0 to 600.</summary>
    public int DwellTicks { get; init; } = 30;

    /// <summary>Up to here an entity is near, units: every snapshot, copies until acked. Default 50.</summary>
    public int NearUnits { get; init; } = 50;

    /// <summary>Beyond this an entity is far, units: one copy, sampled fields at 0.5 Hz. Default 100.</summary>
    public int FarUnits { get; init; } = 100;

    /// <summary>Most movers a peer is told of one by one; the rest of a crowd is told as a density. Default 256, 16 to 900.</summary>
    public int InterestCap { get; init; } = 256;

    /// <summary>Ticks between two snapshots of a peer. Default 3 (10 Hz at 30 ticks), 1 to 30. Halving it doubles the datagrams.</summary>
    public int SnapshotIntervalTicks { get; init; } = 3;

    /// <summary>A peer with nothing to be told gets a packet at least every so many ticks. Default 15, 2 to 150.</summary>
    public int KeepAliveTicks { get; init; } = 15;

    /// <summary>Sends a snapshot every interval even when there is nothing to tell: for load tests. Default off.</summary>
    public bool FixedRate { get; init; }

    /// <summary>Bytes per second a peer is sent, UDP payload. Default 24,000, 2,000 to 64,000.</summary>
    public int BytesPerSecond { get; init; } = 24_000;

    /// <summary>Most entities of a peer's never-seen that enter in one snapshot. Default 50.</summary>
    public int EntersMax { get; init; } = 50;

    /// <summary>Most that return (the peer kept them) in one snapshot. Default 200.</summary>
    public int ReturnsMax { get; init; } = 200;

    /// <summary>Most that leave in one snapshot. Default 75.</summary>
    public int LeavesMax { get; init; } = 75;

    /// <summary>Up to so many subscribers each is told of what comes into a cell; above, it is found by rank. Default 256.</summary>
    public int PushSubscribersMax { get; init; } = 256;

    /// <summary>Ticks per second of the zone these rules run in. Default 30.</summary>
    public int TickRate { get; init; } = 30;

    // Switched off only by the tests that show what each mechanism is for.
    internal Mechanisms Off { get; init; }

    internal bool IsOff(Mechanisms mechanism) => (Off & mechanism) == mechanism;

    /// <summary>Checks every option.</summary>
    /// <exception cref="OptionException">Names the option, the value and the range.</exception>
    public void Validate(int cellUnits)
    {
        Check(nameof(EnterRadiusUnits), EnterRadiusUnits, cellUnits, 12 * cellUnits);
        Check(nameof(ExitRadiusUnits), ExitRadiusUnits, EnterRadiusUnits, 13 * cellUnits);
        Check(nameof(DwellTicks), DwellTicks, 0, 600);
        Check(nameof(NearUnits), NearUnits, 1, 4096);
        Check(nameof(FarUnits), FarUnits, NearUnits, 8192);
        Check(nameof(InterestCap), InterestCap, 16, 900);
        Check(nameof(SnapshotIntervalTicks), SnapshotIntervalTicks, 1, 30);
        Check(nameof(KeepAliveTicks), KeepAliveTicks, Math.Max(2, SnapshotIntervalTicks), 150);
        Check(nameof(BytesPerSecond), BytesPerSecond, 2_000, 64_000);
        Check(nameof(EntersMax), EntersMax, 1, 1024);
        Check(nameof(ReturnsMax), ReturnsMax, 1, 1024);
        Check(nameof(LeavesMax), LeavesMax, 1, 1024);
        Check(nameof(PushSubscribersMax), PushSubscribersMax, 0, 65_535);
        Check(nameof(TickRate), TickRate, 1, 240);
    }

    private static void Check(string name, int value, int min, int max)
    {
        if (value < min || value > max)
            throw new OptionException(name, value.ToString(System.Globalization.CultureInfo.InvariantCulture), $"{min} to {max}");
    }
}

/// <summary>Mechanisms that a test may switch off to show the fault that each answers.</summary>
[Flags]
internal enum Mechanisms
{
    None = 0,

    /// <summary>Baselines follow what was sent, not what was acked (audited fault 4).</summary>
    AckedBaselines = 1,

    /// <summary>A snapshot may grow past one datagram's bytes (audited fault 5).</summary>
    ByteBudget = 2,

    /// <summary>Enter and exit radius are one and nothing dwells (audited fault 6).</summary>
    Hysteresis = 4,

    /// <summary>Unheard packets count as lost (docs/state-machines.md).</summary>
    Unknown = 8,

    /// <summary>What was written is not given back when its packet is lost.</summary>
    Resend = 16,

    /// <summary>A Leave is cancelled when its entity comes back.</summary>
    FinalLeave = 32,

    /// <summary>A thing at rest is not published in its own quantum.</summary>
    RestPublished = 64,

    /// <summary>Only the newest version travels, not every corner.</summary>
    Steps = 128,

    /// <summary>Of more than four steps owed those left out are not said: the newest four follow the baseline as if nothing lay between.</summary>
    Gap = 256,
}
