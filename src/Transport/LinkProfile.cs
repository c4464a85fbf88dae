using System.Diagnostics.CodeAnalysis;

namespace Hectare.Transport;

/// <summary>How one direction of a link treats datagrams. Immutable; the named ones are those of the design.</summary>
/// <remarks>Delay is drawn per datagram and kept, so that datagrams overtake each other; behind a trace they stay in order.</remarks>
public sealed record LinkProfile
{
    private const long Ms = 1_000_000;

    private static readonly LinkProfile[] Named =
    [
        new() { Name = "lan", DelayNs = Ms / 5, JitterNs = Ms / 10 },
        new() { Name = "broadband", DelayNs = 20 * Ms, JitterNs = 5 * Ms, LossShare = 0.001 },
        new() { Name = "wifi-busy", DelayNs = 8 * Ms, TailMeanNs = 6 * Ms, DelayNsMax = 60 * Ms, LossShare = 0.01, BurstMean = 3 },
        new() { Name = "audit-5pct", DelayNs = 100 * Ms, JitterNs = 20 * Ms, LossShare = 0.05 },
        new() { Name = "audit-10pct", DelayNs = 100 * Ms, JitterNs = 20 * Ms, LossShare = 0.10 },
        new() { Name = "hell", DelayNs = 100 * Ms, JitterNs = 80 * Ms, LossShare = 0.20 },
        new() { Name = "lte-driving", DelayNs = 30 * Ms, TraceName = "ATT-LTE-driving-2016", QueueBytesMax = 1_000_000 },
        new() { Name = "umts-driving", DelayNs = 30 * Ms, TraceName = "TMobile-UMTS-driving", QueueBytesMax = 1_000_000 },
        new()
        {
            Name = "starlink", DelayNs = 30 * Ms, JitterNs = 8 * Ms, LossShare = 0.005,
            StepEveryNs = 15_000 * Ms, StepNsMax = 30 * Ms, StepOutageShare = 1.0 / 8, StepOutageNsMin = 200 * Ms, StepOutageNsMax = 500 * Ms,
        },
    ];

    /// <summary>A link that does nothing at all: for tests that script their own trouble.</summary>
    public static readonly LinkProfile Perfect = new() { Name = "perfect" };

    /// <summary>The names that <see cref="TryGet"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.ConvertAll(Named, profile => profile.Name);

    /// <summary>What it is called.</summary>
    public string Name { get; init; } = "custom";

    /// <summary>Delay that every datagram has, ns.</summary>
    public long DelayNs { get; init; }

    /// <summary>Added to it: uniform from minus to plus this, ns; at most the delay.</summary>
    public long JitterNs { get; init; }

    /// <summary>Added to it: exponential with this mean, ns. 0: nothing.</summary>
    public long TailMeanNs { get; init; }

    /// <summary>Longest delay in all, ns: what the tail is cut at. 0: no limit.</summary>
    public long DelayNsMax { get; init; }

    /// <summary>Share of the datagrams that are lost, 0 to 1.</summary>
    public double LossShare { get; init; }

    /// <summary>Mean length of a run of losses (Gilbert-Elliott, everything lost inside). 0: each datagram by itself.</summary>
    public double BurstMean { get; init; }

    /// <summary>Share of the datagrams that arrive twice.</summary>
    public double DuplicateShare { get; init; }

    /// <summary>Share of the datagrams that are held back for <see cref="ReorderNs"/>.</summary>
    public double ReorderShare { get; init; }

    /// <summary>Time that a datagram chosen for reordering is held back, ns.</summary>
    public long ReorderNs { get; init; }

    /// <summary>Share of the datagrams that arrive with one to three bits changed.</summary>
    public double CorruptShare { get; init; }

    /// <summary>Rate of the bottleneck, bits a second, headers of 28 bytes counted. 0: none. Not together with a trace.</summary>
    public long BitsPerSecond { get; init; }

    /// <summary>Bytes that may wait before the bottleneck or trace; what comes on top is dropped.</summary>
    public int QueueBytesMax { get; init; } = 1_000_000;

    /// <summary>Recording that gives the rate (files NAME.down and NAME.up); null: none.</summary>
    public string? TraceName { get; init; }

    /// <summary>The added constant is drawn anew this often, ns. 0: never.</summary>
    public long StepEveryNs { get; init; }

    /// <summary>The added constant is uniform from 0 to this, ns; both directions of a link share it.</summary>
    public long StepNsMax { get; init; }

    /// <summary>Share of the steps that start with an outage; both directions share it.</summary>
    public double StepOutageShare { get; init; }

    /// <summary>Shortest such outage, ns.</summary>
    public long StepOutageNsMin { get; init; }

    /// <summary>Longest such outage, ns.</summary>
    public long StepOutageNsMax { get; init; }

    /// <summary>Finds a named profile.</summary>
    /// <returns>False when there is none of that name: see <see cref="Names"/>.</returns>
    public static bool TryGet(string name, [NotNullWhen(true)] out LinkProfile? profile)
    {
        profile = Array.Find(Named, candidate => string.Equals(candidate.Name, name, StringComparison.Ordinal));
        return profile is not null;
    }

    /// <summary>The named profile.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static LinkProfile Get(string name) =>
        TryGet(name, out LinkProfile? profile) ? profile : throw new ArgumentException($"no link profile is named '{name}'; there are {string.Join(", ", Names)}", nameof(name));
}
