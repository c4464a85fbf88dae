using System.Globalization;

namespace Hectare.Cli.Load;

/// <summary>Whether a zone carried the players of a run, and what gave out when it did not: by rule, from the run's own figures. Pure.</summary>
internal static class RampVerdict
{
    /// <summary>Snapshots a second that all but one in a hundred players get at least, of 10.</summary>
    public const double SnapshotHzLeast = 9.5;

    /// <summary>Ticks that may be late or given up, of all.</summary>
    public const double LateShareMost = 0.01;

    /// <summary>A thread that uses as much of a core has nothing left.</summary>
    public const double CoreFull = 0.95;

    /// <summary>A share of a pinned core that went elsewhere and is felt.</summary>
    public const double CoreElsewhere = 0.1;

    /// <summary>A bots' loop that is so late at p99 tells of itself, not of the zone.</summary>
    public const double BotsLateMs = 50;

    /// <summary>Judges one run.</summary>
    public static RampStep Judge(LoadReport report)
    {
        if (report is not { Server: { } server, Bots: { } bots })
            return Failed(report.Players, "the run ended before it was measured");
        double lateShare = (server.TicksLate + server.TicksGivenUp) / Math.Max(1, server.Seconds * report.TickRate);
        string[] criteria = [.. CriteriaOf(report, bots, lateShare)];
        return new RampStep
        {
            Players = report.Players,
            Connected = report.Connected,
            Carried = criteria.Length == 0,
            SnapshotHzP1 = bots.SnapshotHzP1,
            TicksLateShare = lateShare,
            TickMsP99 = server.TickMs.P99,
            ServerCores = server.CpuCores,
            BotCores = bots.CpuCores,
            BotsLateMsP99 = bots.LateMs?.P99,
            SocketDrops = report.Machine.SocketDrops,
            IdleShare = report.Machine.IdleShare,
            Criteria = criteria,
            GaveOut = criteria.Length == 0 ? [] : [.. CausesOf(report, server, bots)],
        };
    }

    /// <summary>A run that could not even be measured.</summary>
    public static RampStep Failed(int players, string why) => new() { Players = players, Carried = false, Criteria = [why], GaveOut = ["run"] };

    private static IEnumerable<string> CriteriaOf(LoadReport report, BotsReport bots, double lateShare)
    {
        if (report.Connected < report.Players)
            yield return Text($"{report.Connected} of {report.Players} connected");
        if (bots.SnapshotHzP1 < SnapshotHzLeast)
            yield return Text($"snapshotHzP1 {bots.SnapshotHzP1:0.00} < {SnapshotHzLeast}");
        if (lateShare > LateShareMost)
            yield return Text($"ticks late {lateShare * 100:0.0} % > {LateShareMost * 100:0} %");
    }

    // All that hold: the machine's own limits first, since what they explain is no fault of the zone.
    private static IEnumerable<string> CausesOf(LoadReport report, ServerReport server, BotsReport bots)
    {
        int causes = 0;
        foreach ((string cause, bool holds) in new[]
        {
            ("serverCore", server.CpuCores >= CoreFull * CoresOf(report.Machine.ServerCpus, report.Threads)),
            ("botsCore", bots.CpuCores >= CoreFull),
            ("botsLate", bots.LateMs is { } late && late.P99 >= BotsLateMs),
            ("serverReceiveBuffer", report.Machine.SocketDrops is { Server: > 0 }),
            ("botsReceiveBuffer", report.Machine.SocketDrops is { Bots: > 0 }),
            ("neighbours", ElsewhereOf(report.Machine, server.CpuCores) >= CoreElsewhere),
        })
        {
            if (!holds)
                continue;
            causes++;
            yield return cause;
        }

        // A core with time to spare and late ticks: a tick that is heavy now and then.
        if (causes == 0 && server.TicksLate > 0)
            yield return $"tickPeaks ({server.PhasesUs.MaxBy(phase => phase.Value).Key})";
        else if (causes == 0)
            yield return "unknown";
    }

    // The tick thread is one; network threads beside it use what they are given.
    private static double CoresOf(int[] processors, int threads)
        => threads == 0 ? 1 : Math.Min(threads + 1, processors.Length > 0 ? processors.Length : Environment.ProcessorCount);

    // What of the server's processors was neither idle nor the server's, a processor.
    private static double ElsewhereOf(MachineReport machine, double serverCores)
    {
        if (machine.ServerCpus.Length == 0 || machine.IdleShare.Length == 0 || Array.Exists(machine.ServerCpus, cpu => cpu >= machine.IdleShare.Length))
            return 0;
        double busy = machine.ServerCpus.Sum(cpu => 1 - machine.IdleShare[cpu]);
        return (busy - serverCores) / machine.ServerCpus.Length;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>One number of players, tried.</summary>
internal sealed record RampStep
{
    /// <summary>Players asked for.</summary>
    public required int Players { get; init; }

    /// <summary>Of these, connected at the end.</summary>
    public int Connected { get; init; }

    /// <summary>True when every criterion was met.</summary>
    public required bool Carried { get; init; }

    /// <summary>See <see cref="BotsReport.SnapshotHzP1"/>.</summary>
    public double SnapshotHzP1 { get; init; }

    /// <summary>Ticks late or given up, of all.</summary>
    public double TicksLateShare { get; init; }

    /// <summary>99 % of ticks took at most so long.</summary>
    public double TickMsP99 { get; init; }

    /// <summary>Cores of the server.</summary>
    public double ServerCores { get; init; }

    /// <summary>Cores of the bots.</summary>
    public double BotCores { get; init; }

    /// <summary>See <see cref="BotsReport.LateMs"/>.</summary>
    public double? BotsLateMsP99 { get; init; }

    /// <summary>Datagrams dropped at full receive buffers.</summary>
    public SocketDropsReport? SocketDrops { get; init; }

    /// <summary>Idle share of each processor.</summary>
    public double[] IdleShare { get; init; } = [];

    /// <summary>The criteria that were not met, in words.</summary>
    public required IReadOnlyList<string> Criteria { get; init; }

    /// <summary>What gave out, by name: docs/operations.md, Load.</summary>
    public required IReadOnlyList<string> GaveOut { get; init; }
}

/// <summary>How many players a zone carries: <c>load --ramp</c> as its JSON.</summary>
internal sealed record RampReport
{
    /// <summary>What the bots do.</summary>
    public required string Workload { get; init; }

    /// <summary>Most players tried.</summary>
    public required int PlayersMax { get; init; }

    /// <summary>Most players that were carried; 0: none.</summary>
    public required int Carried { get; init; }

    /// <summary>Fewest players that were not, twice; null: all were.</summary>
    public required int? Failed { get; init; }

    /// <summary>The criteria that <see cref="Failed"/> did not meet.</summary>
    public required IReadOnlyList<string> Criteria { get; init; }

    /// <summary>What gave out there.</summary>
    public required IReadOnlyList<string> GaveOut { get; init; }

    /// <summary>Window of each run.</summary>
    public required int Seconds { get; init; }

    /// <summary>Packets a second that a bot sends while its inputs do not change.</summary>
    public required int InputHz { get; init; }

    /// <summary>Network threads of the zone.</summary>
    public required int Threads { get; init; }

    /// <summary>Seed of world and bots.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Processors of the server; empty: any.</summary>
    public required int[] ServerCpus { get; init; }

    /// <summary>Processors of the bots; empty: any.</summary>
    public required int[] BotCpus { get; init; }

    /// <summary>Every run, in order.</summary>
    public required IReadOnlyList<RampStep> Steps { get; init; }
}
