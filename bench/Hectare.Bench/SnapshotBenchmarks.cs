using BenchmarkDotNet.Attributes;
using Hectare.Farm;

namespace Hectare.Bench;

/// <summary>The phases of a tick at 500 peers of the workload uniform, one by one and together. An operation is one tick.</summary>
/// <remarks>One world for all of them: each iteration runs one whole tick, and only the phase that is asked for is looked at.</remarks>
[InvocationCount(1)]
[WarmupCount(60)]
[IterationCount(60)]
public class SnapshotBenchmarks
{
    private const int Peers = 500;
    private const int WarmUpTicks = 300;
    private static readonly Lazy<WrittenWorld> Uniform = new(() => Populated(Peers, FarmWorkload.Uniform, bytesPerSecond: 24_000));
    private static readonly Lazy<WrittenWorld> Crowded = new(() => Populated(Peers, FarmWorkload.Festival, bytesPerSecond: 6_000));

    private WrittenWorld _world = null!;

    /// <summary>Ten virtual seconds, so that everyone has entered.</summary>
    [GlobalSetup(Targets = [nameof(Publish), nameof(Interest), nameof(Write), nameof(Tick)])]
    public void SetUp() => _world = Uniform.Value;

    /// <summary>The same in a festival where nobody may be told all there is.</summary>
    [GlobalSetup(Target = nameof(Select))]
    public void SetUpCrowd() => _world = Crowded.Value;

    /// <summary>The phases before <see cref="Publish"/>.</summary>
    [IterationSetup(Target = nameof(Publish))]
    public void BeforePublish() => _world.Simulate();

    /// <summary>The phases before <see cref="Interest"/>.</summary>
    [IterationSetup(Target = nameof(Interest))]
    public void BeforeInterest()
    {
        _world.Simulate();
        _world.Publish();
    }

    /// <summary>The phases before <see cref="Write"/> and <see cref="Select"/>.</summary>
    [IterationSetup(Targets = [nameof(Write), nameof(Select)])]
    public void BeforeWrite() => _world.Step();

    /// <summary>The phases after <see cref="Publish"/>.</summary>
    [IterationCleanup(Target = nameof(Publish))]
    public void AfterPublish()
    {
        _world.FollowInterest();
        AfterInterest();
    }

    /// <summary>The phases after <see cref="Interest"/>.</summary>
    [IterationCleanup(Target = nameof(Interest))]
    public void AfterInterest()
    {
        _world.EndTick();
        _world.WriteSnapshots();
    }

    /// <summary>4,000 movers and 400 plants compared with what is published; what departed becomes a version, its step encoded.</summary>
    [Benchmark]
    public void Publish()
    {
        long begun = AllocationMeter.Begin();
        _world.Publish();
        AllocationMeter.End("SnapshotBenchmarks.Publish", begun);
    }

    /// <summary>500 viewpoints followed across cells; the news of the tick pushed to subscribers.</summary>
    [Benchmark]
    public void Interest()
    {
        long begun = AllocationMeter.Begin();
        _world.FollowInterest();
        AllocationMeter.End("SnapshotBenchmarks.Interest", begun);
    }

    /// <summary>Every snapshot that is due: collected, selected, written; acks taken.</summary>
    [Benchmark]
    public int Write() => WriteSnapshots("SnapshotBenchmarks.Write");

    /// <summary>The same in a crowd of 2,000 with a quarter of the bytes: who goes first decides.</summary>
    [Benchmark]
    public int Select() => WriteSnapshots("SnapshotBenchmarks.Select");

    /// <summary>Movement, versions, interest and every snapshot of one tick.</summary>
    [Benchmark]
    public int Tick()
    {
        long begun = AllocationMeter.Begin();
        _world.Step();
        int written = _world.WriteSnapshots();
        AllocationMeter.End("SnapshotBenchmarks.Tick", begun);
        return written;
    }

    private int WriteSnapshots(string benchmark)
    {
        long begun = AllocationMeter.Begin();
        int written = _world.WriteSnapshots();
        AllocationMeter.End(benchmark, begun);
        return written;
    }

    private static WrittenWorld Populated(int peers, FarmWorkload workload, int bytesPerSecond)
    {
        var world = new WrittenWorld(peers, workload, bytesPerSecond);
        world.FillTables();
        for (int tick = 0; tick < WarmUpTicks; tick++)
        {
            world.Step();
            world.WriteSnapshots();
        }

        if (workload == FarmWorkload.Festival && world.LeftOut == 0)
            throw new InvalidOperationException("the crowd's snapshots left nothing out: there is nothing to select");
        return world;
    }
}
