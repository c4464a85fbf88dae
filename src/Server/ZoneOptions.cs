using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Server;

/// <summary>How a zone runs. Checked once, when the zone is made.</summary>
public sealed record ZoneOptions
{
    /// <summary>The zone's number in its world. Default 0, 0 to 65,535.</summary>
    public ZoneId Zone { get; init; }

    /// <summary>Where the zone's (0, 0) lies in the world, in tiles, eastwards. Default 0, any 32-bit number.</summary>
    public int OriginX { get; init; }

    /// <summary>As <see cref="OriginX"/>, southwards.</summary>
    public int OriginY { get; init; }

    /// <summary>Ticks a second. Default 30, 5 to 120. Simulation and publishing cost grow with it; snapshots are counted in ticks.</summary>
    public int TickRate { get; init; } = 30;

    /// <summary>Most clients connected at once; one more is refused. Default 2,000, 1 to 16,384. Each costs at most 48 kB once it has been there.</summary>
    public int PlayersMax { get; init; } = 2_000;

    /// <summary>Most entities at once. Default 65,536, 1,024 to 1,048,576. Each costs about 600 bytes from the start.</summary>
    public int EntitiesMax { get; init; } = 65_536;

    /// <summary>First id of the block that the zone gives to its entities. Default 1; not 0.</summary>
    public uint FirstEntityId { get; init; } = 1;

    /// <summary>Network threads, each with a socket of its own. Default 0: all is done on the tick thread. 0 to 16; more than the processors have
    /// left beside the tick thread make it late.</summary>
    public int Threads { get; init; }

    /// <summary>Most ticks run at one wake after a stall; what is owed beyond is given up. Default 10 (a third of a second), 1 to 120. Higher: longer
    /// stalls leave no trace in the world, at the price of that many ticks' work at once.</summary>
    public int CatchUpTicksMax { get; init; } = 10;

    /// <summary>Silence after which a client is gone, ms. Default 10,000, 1,000 to 60,000. Higher: dead clients hold their places longer.</summary>
    public int TimeOutMs { get; init; } = 10_000;

    /// <summary>How far from the tick that runs next an input's tick may lie, either way. Default 30 ticks, 4 to 31. Lower: clients with a long round
    /// trip are not heard.</summary>
    public int InputWindowTicks { get; init; } = 30;

    /// <summary>New input ticks that may come at once after a silence; one more is allowed per tick run. Default 32 ticks, 4 to 64. Lower: the burst
    /// after an outage is dropped.</summary>
    public int InputBurstTicks { get; init; } = 32;

    /// <summary>How long a client's last input is repeated when none comes, ms; then it stands still. Default 250, 0 to 2,000. Higher: a player whose
    /// link broke walks on longer.</summary>
    public int InputRepeatMs { get; init; } = 250;

    /// <summary>Lowest rate that a client's link may bring it to, UDP payload a second; the highest is <see cref="ReplicationOptions.BytesPerSecond"/>.
    /// Default 2,000 bytes/s, 500 to 1,000,000; above the highest, the highest counts and the rate is fixed. Higher: clients on poor links are told more,
    /// and may drown in it.</summary>
    public int RateBytesPerSecondMin { get; init; } = 2_000;

    /// <summary>Bytes a second that the zone may send, with 28 of IP and UDP a datagram. Default 0: no limit; 1,000 to 2,000,000,000. When clients are to be told more,
    /// each gets the same share of what it would have been told. Not held below a keep-alive a client and 0.5 s.</summary>
    public int BytesPerSecondMax { get; init; }

    /// <summary>Datagrams a second that the zone may send, shared in the same way. Default 0: no limit; 20 to 10,000,000.</summary>
    public int PacketsPerSecondMax { get; init; }
    /// <summary>Most datagrams that leave within any millisecond, of all threads together. Default 1,000, 200 to 1,000,000. Lower: gentler to buffers on the way, and a
    /// tick of many players takes longer to send.</summary>
    public int DatagramsPerMsMax { get; init; } = 1_000;

    /// <summary>Side of a grid, interest and density cell. Default 16 units, a power of two, 4 to 64. Smaller: interest is finer and costs more crossings.</summary>
    public int CellUnits { get; init; } = 16;

    /// <summary>Who is told what; its tick rate is taken from <see cref="TickRate"/>.</summary>
    public ReplicationOptions Replication { get; init; } = new();

    /// <summary>Who may come in. Default: anyone on this machine, nobody else.</summary>
    public ZoneAccess Access { get; init; } = new();

    /// <summary>What strangers and clients may cost.</summary>
    public ZoneLimits Limits { get; init; } = new();

    /// <summary>What is given up when ticks take too long, and when.</summary>
    public PressureOptions Pressure { get; init; } = new();

    /// <summary>Length of a tick, ns.</summary>
    public long TickLengthNs => 1_000_000_000 / TickRate;

    /// <summary>Number of the first tick. For tests of its wrap.</summary>
    internal uint FirstTick { get; init; }

    /// <summary>The audited fault 8, for its test: every input moves its avatar when it comes, whatever its tick.</summary>
    internal bool ApplyEveryInput { get; init; }

    /// <summary>Checks every option.</summary>
    /// <exception cref="OptionException">One is out of its range: the message names option, value and range.</exception>
    public void Validate()
    {
        OptionException.Check(nameof(TickRate), TickRate, 5, 120, "Hz");
        OptionException.Check(nameof(PlayersMax), PlayersMax, 1, 16_384, "players");
        OptionException.Check(nameof(EntitiesMax), EntitiesMax, 1_024, 1_048_576, "entities");
        OptionException.Check(nameof(FirstEntityId), FirstEntityId, 1, uint.MaxValue);
        OptionException.Check(nameof(Threads), Threads, 0, 16, "threads");
        OptionException.Check(nameof(CatchUpTicksMax), CatchUpTicksMax, 1, 120, "ticks");
        OptionException.Check(nameof(TimeOutMs), TimeOutMs, 1_000, 60_000, "ms");
        OptionException.Check(nameof(InputWindowTicks), InputWindowTicks, 4, 31, "ticks");
        OptionException.Check(nameof(InputBurstTicks), InputBurstTicks, 4, 64, "ticks");
        OptionException.Check(nameof(InputRepeatMs), InputRepeatMs, 0, 2_000, "ms");
        OptionException.Check(nameof(RateBytesPerSecondMin), RateBytesPerSecondMin, 500, 1_000_000, "bytes/s");
        if (BytesPerSecondMax != 0)
            OptionException.Check(nameof(BytesPerSecondMax), BytesPerSecondMax, 1_000, 2_000_000_000, "bytes/s");
        if (PacketsPerSecondMax != 0)
            OptionException.Check(nameof(PacketsPerSecondMax), PacketsPerSecondMax, 20, 10_000_000, "packets/s");
        OptionException.Check(nameof(DatagramsPerMsMax), DatagramsPerMsMax, 200, 1_000_000, "datagrams");
        OptionException.Check(nameof(CellUnits), CellUnits, 4, 64, "units");
        if (!System.Numerics.BitOperations.IsPow2(CellUnits))
            throw new OptionException(nameof(CellUnits), $"{CellUnits}", "a power of two, 4 to 64 units");
        Replication.Validate(CellUnits);
        Access.Validate();
        Limits.Validate();
        Pressure.Validate();
    }
}
