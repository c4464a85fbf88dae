using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: the span between two samples is computed from constants (0.1 s), right for the rates it was written with and for no other. Answer: the
/// span is that of the two samples' own ticks.
/// Method: a bird flies a circle at 4 units a second and is sent every third tick, at 30, 20 and 10 ticks a second; drawn is compared with the
/// circle. The stand-in draws the same samples with the same curve over 0.1 s.
/// </summary>
public sealed class Fault09Tests(ITestOutputHelper output)
{
    private const double ConstantSpanSeconds = 0.1;
    private const int IntervalTicks = 3;
    private const double Radius = 10;
    private const double UnitsPerSecond = 4;

    [Fact]
    public void Fault09_the_span_between_two_samples_is_their_own_at_any_tick_rate()
    {
        foreach (int tickRate in (int[])[30, 20, 10])
        {
            (double own, double constant) = Wrong(tickRate);
            output.WriteLine($"{tickRate} ticks a second, a sample every {1000.0 * IntervalTicks / tickRate:F0} ms: own times at most {own:F3} units off; a span of {ConstantSpanSeconds * 1000:F0} ms at most {constant:F3} units off");
            Assert.True(own < 0.05);
            if (tickRate == 30)
                Assert.True(constant < 0.05, "the stand-in is right at the rate it was written for");
            else
                Assert.True(constant > 0.15);
        }
    }

    private static (double Own, double Constant) Wrong(int tickRate)
    {
        Schema schema = TestSchemas.Meadow();
        var zone = new InMemoryZone(schema, new ReplicationOptions { TickRate = tickRate, SnapshotIntervalTicks = IntervalTicks });
        PeerView peer = zone.AddPeer(zone.Spawn(schema["walker"], 256, 256));
        int bird = zone.Spawn(schema["bird"], 256 + Radius, 256);
        EntityId id = zone.World.IdOf(bird);
        ReplicaWorld replica = MakeReplica(zone);
        var scratch = new SnapshotScratch();
        List<(Tick Tick, DrawnMotion Place)> samples = [];
        zone.Written = (told, sequence, tail) =>
        {
            Assert.Same(peer, told);
            Assert.Equal(SnapshotResult.Applied, SnapshotReader.Read(tail.Span, sequence, replica, scratch, out _));
            if (replica.TryGetPosition(id, out double x, out double y))
                samples.Add((zone.Tick, new DrawnMotion(x, y, 0, 0)));
        };
        (double own, double constant) = (0, 0);
        for (int i = 0; i < 8 * tickRate; i++)
        {
            zone.Run(1, Fly);
            double tick = zone.Tick.Value - (2 * IntervalTicks) + 0.5;
            if (i < 2 * tickRate)
                continue;
            (double x, double y) = Circle(tick, tickRate);
            Assert.True(replica.SampleAt(id, tick, out SampledEntity drawn));
            own = Math.Max(own, Distance(drawn.X - x, drawn.Y - y));
            DrawnMotion naive = OverConstantSpan(samples, tick, tickRate);
            constant = Math.Max(constant, Distance(naive.X - x, naive.Y - y));
        }

        Assert.True(peer.Knows(id));
        return (own, constant);

        void Fly()
        {
            (double x, double y) = Circle(zone.Tick.Value, tickRate);
            zone.World.MoveTo(bird, Units.FromFloat(x), Units.FromFloat(y), Intent.Rest);
        }
    }

    private static (double X, double Y) Circle(double tick, int tickRate)
    {
        double angle = tick / tickRate * UnitsPerSecond / Radius;
        return (256 + (Radius * Math.Cos(angle)), 256 + (Radius * Math.Sin(angle)));
    }

    // The audited interpolator: which two samples, by their times; how far between them and how fast, by the constant.
    private static DrawnMotion OverConstantSpan(List<(Tick Tick, DrawnMotion Place)> samples, double tick, int tickRate)
    {
        int at = samples.FindLastIndex(sample => Interpolation.TicksSince(tick, sample.Tick) >= 0);
        double spanTicks = ConstantSpanSeconds * tickRate;
        double gone = Math.Min(Interpolation.TicksSince(tick, samples[at].Tick), spanTicks);
        DrawnMotion from = WithVelocity(samples[at], tickRate), to = WithVelocity(samples[at + 1], tickRate);
        return Interpolation.Hermite(in from, in to, gone, spanTicks);
    }

    private static DrawnMotion WithVelocity((Tick Tick, DrawnMotion Place) sample, int tickRate)
    {
        (double x, double y) = Circle(sample.Tick.Value, tickRate);
        (double beforeX, double beforeY) = Circle(sample.Tick.Value - 1.0, tickRate);
        return sample.Place with { VelocityX = x - beforeX, VelocityY = y - beforeY };
    }

    private static ReplicaWorld MakeReplica(InMemoryZone zone)
    {
        Schema schema = zone.World.Schema;
        Assert.True(SchemaMap.TryCreate(schema, schema, out SchemaMap map, out _));
        int tickRate = zone.Replicator.Options.TickRate;
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(zone.Replicator.Options);
        return new ReplicaWorld(map, new ReplicaZone(zone.Tick, zone.Tick.Value * 10_000L / tickRate, (uint)(1_000_000_000 / tickRate), interval, Welcome.PackIntervals(fast, interval, slow, keepAlive), 16));
    }

    private static double Distance(double x, double y) => Math.Sqrt((x * x) + (y * y));
}
