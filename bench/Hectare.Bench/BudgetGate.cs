using System.Globalization;
using System.Text.Json;

namespace Hectare.Bench;

/// <summary>What one benchmark gave; null where it gave nothing.</summary>
internal sealed record MicroResult(string Name, double? Nanoseconds, long? AllocatedBytes);

/// <summary>What one benchmark may cost.</summary>
internal sealed record MicroBudget(long AllocatedBytes);

/// <summary>Holds benchmarks against <c>bench/budgets.json</c>. Pure: results come in, sentences come out.</summary>
internal static class BudgetGate
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectRequiredConstructorParameters = true };

    /// <summary>Budgets by <c>Class.Method</c>.</summary>
    /// <exception cref="JsonException">It is no such file, or names nothing.</exception>
    public static IReadOnlyDictionary<string, MicroBudget> Read(string json)
    {
        Dictionary<string, MicroBudget>? budgets = JsonSerializer.Deserialize<Dictionary<string, MicroBudget>>(json, Options);
        return budgets is { Count: > 0 } ? budgets : throw new JsonException("no budgets in it");
    }

    /// <summary>Why the gate is closed; empty when it is open.</summary>
    public static IReadOnlyList<string> FailuresOf(IReadOnlyDictionary<string, MicroBudget> budgets, IReadOnlyCollection<MicroResult> results)
    {
        var failures = new List<string>();
        foreach ((string name, MicroBudget budget) in budgets)
        {
            // A benchmark that did not run is the trap here: the tool calls that success (docs/performance.md).
            MicroResult? result = results.FirstOrDefault(one => one.Name == name);
            if (result?.AllocatedBytes is not { } bytes)
                failures.Add($"{name}: no result");
            else if (bytes > budget.AllocatedBytes)
                failures.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: allocates {bytes:N0} bytes, may allocate {budget.AllocatedBytes:N0}"));
        }

        failures.AddRange(results.Where(result => !budgets.ContainsKey(result.Name)).Select(result => $"{result.Name}: has no budget"));
        return failures;
    }
}
