using System.Globalization;

namespace Hectare.Cli.Load;

/// <summary>What a run's datagrams cost the kernel alone, and what the server used for each core of that: a ratio that survives noisy machines.</summary>
/// <remarks>A bare loop (<see cref="KernelFloorLoop"/>) runs before and after the measured load; the lower of the two counts, for whatever ran beside
/// them only added. Pure.</remarks>
internal static class KernelFloor
{
    /// <summary>Processor time of a datagram sent on a quiet machine of the kind the figures are from, ns (docs/performance.md).</summary>
    public const double TypicalSendNs = 3_400;

    /// <summary>The same of one received.</summary>
    public const double TypicalReceiveNs = 1_100;

    /// <summary>Above this many times the typical the machine was not quiet, and the run is void.</summary>
    public const double VoidAbove = 1.15;

    /// <summary>Puts a run's figures beside its floors.</summary>
    /// <param name="before">The floor before the load.</param>
    /// <param name="after">The floor after it.</param>
    /// <param name="server">What the zone moved in the window, and the cores it used.</param>
    /// <param name="bots">The same of the bots.</param>
    public static KernelFloorReport Compare(FloorSample before, FloorSample after, FloorUse server, FloorUse bots)
    {
        bool isBefore = Cores(before.Server, server.Traffic) <= Cores(after.Server, server.Traffic);
        FloorSample lower = isBefore ? before : after;
        double cores = Cores(lower.Server, server.Traffic);
        double botCores = Math.Min(Cores(before.Bots, bots.Traffic), Cores(after.Bots, bots.Traffic));
        string? reason = VoidReasonOf(lower.Server);
        return new KernelFloorReport
        {
            Before = before,
            After = after,
            Lower = isBefore ? "before" : "after",
            SendNs = lower.Server.SendNs,
            ReceiveNs = lower.Server.ReceiveNs,
            Cores = cores,
            CpuOverFloor = Ratio(server.CpuCores, cores),
            BotCores = botCores,
            BotCpuOverFloor = Ratio(bots.CpuCores, botCores),
            Void = reason is not null,
            VoidReason = reason,
        };
    }

    /// <summary>Cores that a floor's calls would take for these datagrams.</summary>
    public static double Cores(FloorLoopReport floor, TrafficReport traffic)
        => ((floor.SendNs * traffic.SentPerSecond) + (floor.ReceiveNs * traffic.ReceivedPerSecond)) / 1e9;

    /// <summary>Why a run with this floor says nothing; null when it does.</summary>
    public static string? VoidReasonOf(FloorLoopReport floor)
    {
        if (floor.SendNs <= 0 || floor.ReceiveNs <= 0)
            return "the bare loop moved no datagrams";
        string[] above = [.. Above("send", floor.SendNs, TypicalSendNs), .. Above("receive", floor.ReceiveNs, TypicalReceiveNs)];
        return above.Length == 0 ? null : $"the machine was not quiet: {string.Join(", ", above)}";
    }

    private static IEnumerable<string> Above(string what, double ns, double typicalNs)
    {
        if (ns > VoidAbove * typicalNs)
            yield return string.Create(CultureInfo.InvariantCulture, $"a {what} took {ns:0} ns, more than {VoidAbove} x the typical {typicalNs:0}");
    }

    private static double? Ratio(double used, double floor) => floor > 0 ? used / floor : null;
}

/// <summary>What one end of a run moved and used in the window.</summary>
internal readonly record struct FloorUse(TrafficReport Traffic, double CpuCores);

/// <summary>One floor: both ends of it.</summary>
/// <param name="Server">On the server's processors.</param>
/// <param name="Bots">On the bots'.</param>
internal sealed record FloorSample(FloorLoopReport Server, FloorLoopReport Bots);

/// <summary>What one end of a bare loop measured.</summary>
internal sealed record FloorLoopReport
{
    /// <summary>Length of its window.</summary>
    public required double Seconds { get; init; }

    /// <summary>Processor time of the thread in the calls that send, a datagram, ns. Loopback: the other end's share of receiving is in it.</summary>
    public required double SendNs { get; init; }

    /// <summary>Processor time of the thread in the calls that receive, a datagram, ns.</summary>
    public required double ReceiveNs { get; init; }

    /// <summary>What it moved.</summary>
    public required TrafficReport Traffic { get; init; }

    /// <summary>Cores that its whole process used: the loop itself and the runtime included.</summary>
    public required double CpuCores { get; init; }
}

/// <summary>What a bare loop's process says of itself.</summary>
internal sealed record FloorLoopStatus(int Port);

/// <summary>The kernel's share of a run.</summary>
internal sealed record KernelFloorReport
{
    /// <summary>The floor before the load: as many datagrams as the settings let expect, of usual sizes.</summary>
    public required FloorSample Before { get; init; }

    /// <summary>The floor after it: as many and as large as were measured.</summary>
    public required FloorSample After { get; init; }

    /// <summary>Which of the two counts: the one that makes this run's datagrams cheaper.</summary>
    public required string Lower { get; init; }

    /// <summary>Processor time of a datagram sent by the server's end, in the one that counts, ns.</summary>
    public required double SendNs { get; init; }

    /// <summary>The same of one received.</summary>
    public required double ReceiveNs { get; init; }

    /// <summary>Cores that this run's datagrams cost the server in the kernel at least.</summary>
    public required double Cores { get; init; }

    /// <summary>The server's cores over that: what a core of kernel work cost in all. Null: nothing was moved.</summary>
    public required double? CpuOverFloor { get; init; }

    /// <summary>Cores that this run's datagrams cost the bots in the kernel at least.</summary>
    public required double BotCores { get; init; }

    /// <summary>The bots' cores over that.</summary>
    public required double? BotCpuOverFloor { get; init; }

    /// <summary>True when the machine was not quiet: the run's figures are there and say nothing.</summary>
    public required bool Void { get; init; }

    /// <summary>Why; null when it is not void.</summary>
    public required string? VoidReason { get; init; }
}
