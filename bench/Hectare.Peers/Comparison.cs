using System.Diagnostics;
using System.Globalization;
using Hectare.Peers.OverEnet;

namespace Hectare.Peers;

/// <summary>How many players a contestant carried.</summary>
/// <param name="Contestant">See <see cref="Peers.Contestant.Name"/>.</param>
/// <param name="Players">Most that it carried; 0: none.</param>
/// <param name="EndedBy">What ended the search: a verdict, or what it may have at most.</param>
/// <param name="HasGivenWay">True: more were asked of it, and it did not carry them.</param>
internal sealed record Carried(string Contestant, int Players, string EndedBy, bool HasGivenWay);

/// <summary>All that one run found out.</summary>
internal sealed record Comparison
{
    /// <summary>Length of each window.</summary>
    public required int Seconds { get; init; }

    /// <summary>Seed of world and bots.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Input packets a second from each peer of ENet's bare transport.</summary>
    public required int BareInputsPerSecond { get; init; }

    /// <summary>Processors of the machine.</summary>
    public required int Processors { get; init; }

    /// <summary>Where they ran.</summary>
    public required Machine Machine { get; init; }

    /// <summary>One for each contestant that ran.</summary>
    public required IReadOnlyList<Carried> Carried { get; init; }

    /// <summary>Who did not run, and why.</summary>
    public required IReadOnlyDictionary<string, string> Skipped { get; init; }

    /// <summary>Every window, in the order of measuring.</summary>
    public required IReadOnlyList<Measurement> Measurements { get; init; }

    /// <summary>The window that counts for so many players: a second try replaces the first.</summary>
    public Measurement? Of(string contestant, int players) => Measurements.LastOrDefault(one => one.Contestant == contestant && one.Players == players && one.Seconds > 0);
}

/// <summary>The run: the contestants in turns, up their ladders, each until it gives way.</summary>
internal sealed class ComparisonRun(IReadOnlyList<Contestant> contestants, int playersMax, RunPlan plan, TextWriter output)
{
    private readonly List<Measurement> _measurements = [];
    private readonly Dictionary<string, string> _skipped = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _endedBy = new(StringComparer.Ordinal);
    private readonly Stopwatch _elapsed = Stopwatch.StartNew();

    /// <summary>Runs it. Cancelled (Ctrl-C), it gives what it has.</summary>
    public async Task<Comparison> RunAsync(CancellationToken cancel)
    {
        (Contestant Contestant, PlayerLadder Ladder)[] climbing = [.. contestants.Where(CanRun).Select(one => (one, new PlayerLadder(Math.Min(playersMax, one.PlayersMax))))];
        try
        {
            while (Array.Exists(climbing, one => one.Ladder.Next is not null))
            {
                foreach ((Contestant contestant, PlayerLadder ladder) in climbing)
                {
                    if (ladder.Next is { } players)
                        await ClimbAsync(contestant, ladder, players, cancel);
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            await output.WriteLineAsync("ended early: what was measured up to here follows");
        }

        return new Comparison
        {
            Seconds = plan.Seconds,
            Seed = plan.Seed,
            BareInputsPerSecond = plan.BareInputsPerSecond,
            Processors = Environment.ProcessorCount,
            Machine = plan.Machine,
            Carried = [.. climbing.Select(one => new Carried(one.Contestant.Name, one.Ladder.Carried, EndOf(one.Contestant, one.Ladder), one.Ladder.Failed is not null))],
            Skipped = _skipped,
            Measurements = _measurements,
        };
    }

    private bool CanRun(Contestant contestant)
    {
        if ((contestant != Contestant.Enet && contestant != Contestant.EnetBare) || EnetLibrary.IsThere)
            return true;
        _skipped[contestant.Name] = EnetLibrary.Missing;
        output.WriteLine($"{contestant.Name,-10} left out: {EnetLibrary.Missing}");
        return false;
    }

    private async Task ClimbAsync(Contestant contestant, PlayerLadder ladder, int players, CancellationToken cancel)
    {
        Measurement measured = contestant == Contestant.Hectare
            ? await HectareRun.MeasureAsync(players, plan, cancel)
            : await new ContestantRun(contestant, players, plan).MeasureAsync(cancel);
        _measurements.Add(measured);
        ladder.Take(measured.IsCarried);
        bool isTriedAgain = !measured.IsCarried && ladder.Next == players;
        if (!measured.IsCarried && !isTriedAgain)
            _endedBy[contestant.Name] = measured.Verdict;
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{_elapsed.Elapsed:mm\\:ss}  {contestant.Name,-10} {players,6:N0} players  {measured.ServerCores:0.000} cores  tick p99 {measured.TickMsP99,5:0.0} ms  {measured.SnapshotHzP1,5:0.00} Hz  bots {measured.BotCores:0.00}  "
            + $"{(measured.IsCarried ? "carried" : measured.Verdict)}{(isTriedAgain ? "; once more" : "")}"));
    }

    private string EndOf(Contestant contestant, PlayerLadder ladder)
    {
        if (ladder.Failed is not null)
            return _endedBy[contestant.Name];
        if (ladder.Next is not null)
            return "the run was ended";
        return contestant.PlayersMax <= playersMax && contestant.PlayersMax == Contestant.EnetPlayersMax ? "ENet has no more peers" : "not asked for more";
    }
}
