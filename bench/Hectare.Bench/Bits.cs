using System.Globalization;
using Hectare.Replication;

namespace Hectare.Bench;

/// <summary>What things cost on the wire in the workload uniform: 2,000 players, 20 virtual seconds after 10 of warm-up, slot and operation bits included.</summary>
internal static class Bits
{
    private const int WarmUpTicks = 300;
    private const int Ticks = 600;

    public static int Run(TextWriter output)
    {
        var world = new WrittenWorld(2_000);
        for (int tick = 0; tick < WarmUpTicks; tick++)
        {
            world.Step();
            world.WriteSnapshots();
        }

        WriterCounters before = Copy(world.Writer.Counters);
        long snapshots = 0;
        for (int tick = 0; tick < Ticks; tick++)
        {
            world.Step();
            snapshots += world.WriteSnapshots();
        }

        WriterCounters now = world.Writer.Counters;
        output.WriteLine("| what | mean bits | budget | counted |");
        output.WriteLine("|---|---|---|---|");
        bool fits = Line(output, "turn of a walker (update of steps alone, a step)", now.TurnBits - before.TurnBits, now.Turns - before.Turns, 32)
            & Line(output, "animation change (update of groups alone)", now.AnimationBits - before.AnimationBits, now.Animations - before.Animations, 16)
            & Line(output, "new entity (absolute enter, texts excluded)", now.EnterBits - before.EnterBits, now.AbsoluteEnters - before.AbsoluteEnters, 112);
        Line(output, "any update", now.UpdateBits - before.UpdateBits, now.Updates - before.Updates, 0);
        Line(output, "header of a snapshot", now.HeaderBits - before.HeaderBits, now.Snapshots - before.Snapshots, 0);
        Line(output, "operations of a snapshot", now.OperationBits - before.OperationBits, now.Snapshots - before.Snapshots, 0);
        double[] known = [.. Enumerable.Range(0, 2_000).Select(i => (double)world.Replicator.Peer(i)!.KnownCount).Order()];
        double[] bytes = [.. Enumerable.Range(0, 2_000).Select(i => (double)world.Replicator.Peer(i)!.MemoryBytes).Order()];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"known entities a peer: p1 {known[20]:F0}, p50 {known[1000]:F0}; copies {now.Copies - before.Copies:N0}, absolutes {now.Absolutes - before.Absolutes:N0}, returns {now.Returns - before.Returns:N0}, left out {now.LeftOut - before.LeftOut:N0}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"bytes of a peer's view: p50 {bytes[1000]:N0}, most {bytes[^1]:N0}; bytes of versions an entity: {world.Replicator.History.MemoryBytes / (double)world.World.Count:F0}"));
        return fits ? 0 : 1;
    }

    private static bool Line(TextWriter output, string what, long bits, long count, int budget)
    {
        double mean = bits / (double)Math.Max(1, count);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {mean:F1} | {(budget == 0 ? "-" : budget)} | {count:N0} |"));
        return budget == 0 || (mean <= budget && count > 0);
    }

    private static WriterCounters Copy(WriterCounters counters)
    {
        var copy = new WriterCounters();
        copy.Add(counters);
        return copy;
    }
}
