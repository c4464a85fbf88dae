using Hectare.Peers;

namespace Hectare.Tests.Peers;

/// <summary>Made-up figures: only what a test looks at matters.</summary>
internal static class Comparisons
{
    public static Measurement Window(string contestant, int players, double cores, double lateShare = 0) => new()
    {
        Contestant = contestant,
        Players = players,
        Connected = players,
        Seconds = 10,
        ServerCores = cores,
        TickMsP50 = 1,
        TickMsP99 = 2,
        LateShare = lateShare,
        SnapshotHzP1 = 9.9,
        BytesPerPlayerPerSecond = 1_234,
        BotCores = 0.5,
        NeighbourShare = 0.01,
    };

    public static Comparison Of(IEnumerable<Measurement> measurements, IEnumerable<Carried> carried, IReadOnlyDictionary<string, string>? skipped = null) => new()
    {
        Seconds = 10,
        Seed = 1,
        BareInputsPerSecond = 20,
        Processors = 2,
        Machine = new Machine([0], [1]),
        Carried = [.. carried],
        Skipped = skipped ?? new Dictionary<string, string>(StringComparer.Ordinal),
        Measurements = [.. measurements],
    };

    public static Comparison Typical() => Of(
        [
            Window("audited", 100, 0.02), Window("hectare", 100, 0.01), Window("audited", 1_600, 0.8), Window("hectare", 1_600, 0.2),
            Window("audited", 3_200, 0.9, lateShare: 0.5), Window("audited", 3_200, 0.95, lateShare: 0.3), Window("hectare", 10_000, 0.9), Window("enet-bare", 1_600, 0.25),
        ],
        [new Carried("audited", 1_600, "30.0 % of ticks late", HasGivenWay: true), new Carried("enet-bare", 1_600, "ENet has no more peers", HasGivenWay: false), new Carried("hectare", 10_000, "not asked for more", HasGivenWay: false)],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["enet"] = "no library" });
}
