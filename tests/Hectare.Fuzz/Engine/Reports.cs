using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hectare.Fuzz.Engine;

/// <summary>How long a target runs, and from what seed. It ends at whichever limit comes first.</summary>
/// <param name="Seed">With target and number it makes each input.</param>
/// <param name="Inputs">Most inputs.</param>
/// <param name="Seconds">Most time; null: none.</param>
/// <param name="Hang">An input that runs longer is taken to run for ever.</param>
internal sealed record FuzzLimits(ulong Seed, long Inputs, double? Seconds, TimeSpan Hang);

/// <summary>Where a run stands.</summary>
internal sealed record FuzzProgress(string Target, long Inputs, double InputsPerSecond, double Seconds, double Share);

/// <summary>What a target came to.</summary>
internal sealed record TargetReport
{
    public required string Target { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Inputs run; of episodes, datagrams.</summary>
    public long Inputs { get; init; }

    /// <summary>Those that the reader took.</summary>
    public long Accepted { get; init; }

    public double Seconds { get; init; }

    public double InputsPerSecond { get; init; }

    /// <summary>The slowest input, ms, of those that were not slow by chance.</summary>
    public double SlowestMs { get; init; }

    /// <summary>Most bytes that one input allocated.</summary>
    public long AllocatedBytesMax { get; init; }

    /// <summary>Managed heap after a full collection: early in the run, and late.</summary>
    public long[] HeapBytes { get; init; } = [];

    /// <summary>Working set, early and late.</summary>
    public long[] WorkingSetBytes { get; init; } = [];

    public FailureReport? Failure { get; init; }
}

/// <summary>A failure, with all that is needed to see it again.</summary>
internal sealed record FailureReport
{
    public required string Kind { get; init; }

    public required string Message { get; init; }

    /// <summary>Number of the input in its run; -1 for one of the corpus.</summary>
    public long InputIndex { get; init; }

    public string InputHex { get; init; } = "";

    /// <summary>The input; empty when there is none that can be replayed (growth).</summary>
    public string File { get; init; } = "";
}

/// <summary>A whole run, as <c>--json</c> writes it.</summary>
internal sealed record FleetReport(ulong Seed, double Seconds, int Jobs, int Failed, IReadOnlyList<TargetReport> Targets);

/// <summary>One line that a child says to its parent: one of both.</summary>
internal sealed record ChildLine(FuzzProgress? Progress, TargetReport? Report);

/// <summary>Reports as JSON, camel case.</summary>
internal static class FuzzJson
{
    public static readonly JsonSerializerOptions Compact = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true };
}
