using System.Text.Json;
using Hectare.Bench;

namespace Hectare.Tests.Bench;

public sealed class BudgetGateTests
{
    private static readonly IReadOnlyDictionary<string, MicroBudget> Budgets = BudgetGate.Read("""{ "A.One": { "allocatedBytes": 0 }, "B.Two": { "allocatedBytes": 64 } }""");

    [Fact]
    public void What_stays_within_its_budget_passes()
        => Assert.Empty(BudgetGate.FailuresOf(Budgets, [new MicroResult("A.One", 12.5, 0), new MicroResult("B.Two", 3, 64)]));

    [Fact]
    public void One_byte_more_fails_by_name_and_number()
        => Assert.Equal(["A.One: allocates 1 bytes, may allocate 0", "B.Two: allocates 1,065 bytes, may allocate 64"], BudgetGate.FailuresOf(Budgets, [new MicroResult("A.One", 12.5, 1), new MicroResult("B.Two", 3, 1_065)]));

    [Fact]
    public void A_benchmark_without_a_result_fails()
    {
        Assert.Equal(["A.One: no result", "B.Two: no result"], BudgetGate.FailuresOf(Budgets, []));
        Assert.Equal(["B.Two: no result"], BudgetGate.FailuresOf(Budgets, [new MicroResult("A.One", 12.5, 0), new MicroResult("B.Two", 3, null)]));
    }

    [Fact]
    public void A_benchmark_without_a_budget_fails()
        => Assert.Equal(["C.Three: has no budget"], BudgetGate.FailuresOf(Budgets, [new MicroResult("A.One", 12.5, 0), new MicroResult("B.Two", 3, 0), new MicroResult("C.Three", 1, 0)]));

    [Theory]
    [InlineData("{}")]
    [InlineData("""{ "A.One": { } }""")]
    [InlineData("""{ "A.One": 0 }""")]
    [InlineData("")]
    public void A_file_without_budgets_is_refused(string json) => Assert.ThrowsAny<JsonException>(() => BudgetGate.Read(json));

    // The list of what the gate must hold; that each of them is run is the gate's own business.
    [Fact]
    public void The_file_names_every_part_of_a_tick()
    {
        IReadOnlyDictionary<string, MicroBudget> budgets = BudgetGate.Read(File.ReadAllText(Path.Combine(Repository.RepositoryRoot.Path, "bench", "budgets.json")));
        string[] parts =
        [
            "BitBenchmarks.Write", "BitBenchmarks.Read", "EntityBenchmarks.Quantise", "EntityBenchmarks.Append", "EntityBenchmarks.Cross", "PacketBenchmarks.Seal",
            "PacketBenchmarks.Open", "SnapshotBenchmarks.Publish", "SnapshotBenchmarks.Interest", "SnapshotBenchmarks.Write", "SnapshotBenchmarks.Select", "SnapshotBenchmarks.Tick",
        ];
        foreach (string part in parts)
            Assert.Equal(0, Assert.Contains(part, budgets).AllocatedBytes);
    }
}
