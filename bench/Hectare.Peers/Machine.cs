using Hectare.Cli;
using Hectare.Cli.Load;

namespace Hectare.Peers;

/// <summary>Which processors servers and bots get, and who else is there.</summary>
/// <param name="ServerCpus">Those of every server; empty: any.</param>
/// <param name="BotCpus">Those of every bot; empty: any.</param>
internal sealed record Machine(int[] ServerCpus, int[] BotCpus)
{
    /// <summary>The first two that this process may use: one for the server, one for the bots.</summary>
    public static Machine Choose() => Libc.GetThreadProcessors() is [int first, int second, ..] ? new Machine([first], [second]) : new Machine([], []);

    /// <summary>Share of the server's processor that others used. Null when it was not kept on one, or the kernel does not tell.</summary>
    public double? NeighbourShare(double[] idleShare, double serverCores)
        => ServerCpus is [int cpu] && cpu < idleShare.Length ? Math.Max(0, 1 - idleShare[cpu] - serverCores) : null;

    /// <summary>Idle share of each processor since <paramref name="before"/>.</summary>
    public static double[] IdleSince((long Idle, long Total)[] before) => MachineLoad.IdleShares(before, MachineLoad.Read());
}
