using System.Globalization;
using System.Text.Json.Serialization;

namespace Hectare.Peers;

/// <summary>One contestant with so many players for one window.</summary>
internal sealed record Measurement
{
    /// <summary>Ticks that may be late, of all.</summary>
    public const double LateShareMax = 0.01;

    /// <summary>Snapshots a second that 99 of 100 players must get, of 10.</summary>
    public const double SnapshotHzMin = 9.5;

    /// <summary>Inputs that must arrive: what a server does not read costs it nothing.</summary>
    public const double InputShareMin = 0.95;

    private const double FullCores = 0.95;

    /// <summary>See <see cref="Peers.Contestant.Name"/>.</summary>
    public required string Contestant { get; init; }

    /// <summary>Players asked for.</summary>
    public required int Players { get; init; }

    /// <summary>Players connected at the end.</summary>
    public required int Connected { get; init; }

    /// <summary>Length of the window.</summary>
    public required double Seconds { get; init; }

    /// <summary>CPU time of the server's process, user and system, over the window.</summary>
    public required double ServerCores { get; init; }

    /// <summary>Work of a tick, median.</summary>
    public required double TickMsP50 { get; init; }

    /// <summary>Work of a tick, 99 %.</summary>
    public required double TickMsP99 { get; init; }

    /// <summary>Ticks whose work was not done when the next was due, of all.</summary>
    public required double LateShare { get; init; }

    /// <summary>Snapshots a second of the player that one in a hundred does not exceed.</summary>
    public required double SnapshotHzP1 { get; init; }

    /// <summary>UDP payload and 28 bytes of headers a datagram, down to one player.</summary>
    public required double BytesPerPlayerPerSecond { get; init; }

    /// <summary>Input packets that the server took, of those that the players were to send. Null: Hectare's report has no such figure.</summary>
    public double? InputShare { get; init; }

    /// <summary>CPU time of the bots' process over the window.</summary>
    public required double BotCores { get; init; }

    /// <summary>Share of the server's processor that others used. Null: unknown, the server was not kept on one.</summary>
    public double? NeighbourShare { get; init; }

    /// <summary>What failed besides; empty: nothing.</summary>
    public string Failure { get; init; } = "";

    /// <summary>CPU of a thousand players.</summary>
    public double CoresPerThousand => ServerCores / Players * 1_000;

    /// <summary>Why these players were not carried; empty: they were.</summary>
    /// <remarks>What did not hold may be the fault of those who measure: full bots are named, for then it says nothing of the server.</remarks>
    public string Verdict => string.Join("; ", [.. Faults(), .. BotCores >= FullCores && Faults().Any() ? (string[])["the bots' core is full"] : []]);

    /// <summary>All connected, tick held, snapshots came.</summary>
    [JsonIgnore]
    public bool IsCarried => Verdict.Length == 0;

    /// <summary>A run without figures.</summary>
    public static Measurement Failed(string contestant, int players, string failure) => new()
    {
        Contestant = contestant,
        Players = players,
        Connected = 0,
        Seconds = 0,
        ServerCores = 0,
        TickMsP50 = 0,
        TickMsP99 = 0,
        LateShare = 0,
        SnapshotHzP1 = 0,
        BytesPerPlayerPerSecond = 0,
        BotCores = 0,
        Failure = failure,
    };

    private IEnumerable<string> Faults()
    {
        if (Failure.Length > 0)
            yield return Failure;
        if (Seconds == 0)
            yield break;
        if (Connected < Players)
            yield return Text($"{Connected} of {Players} connected");
        if (LateShare >= LateShareMax)
            yield return Text($"{LateShare * 100:0.0} % of ticks late");
        if (SnapshotHzP1 < SnapshotHzMin)
            yield return Text($"snapshots {SnapshotHzP1:0.0} Hz");
        if (InputShare < InputShareMin)
            yield return Text($"{InputShare * 100:0} % of the inputs");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
