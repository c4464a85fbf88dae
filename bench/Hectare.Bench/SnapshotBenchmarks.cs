using BenchmarkDotNet.Attributes;

namespace Hectare.Bench;

/// <summary>A tick's parts at 500 peers of the workload uniform. Bytes allocated are a budget (budgets.json), times are for people.</summary>
[MemoryDiagnoser]
public class SnapshotBenchmarks
{
    private WrittenWorld _world = null!;

    /// <summary>Ten virtual seconds, so that everyone has entered.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        _world = new WrittenWorld(500);
        for (int tick = 0; tick < 300; tick++)
        {
            _world.Step();
            _world.WriteSnapshots();
        }
    }

    /// <summary>Movement, versions, interest and every snapshot of one tick.</summary>
    [Benchmark]
    public int Tick()
    {
        _world.Step();
        return _world.WriteSnapshots();
    }
}
