using Hectare.Cli.Commands;
using Hectare.Cli.Terminal;

namespace Hectare.Cli.Load;

/// <summary>Run after run with more and fewer players, until it is known how many a zone carries and what gives out beyond.</summary>
/// <remarks>Each number has processes of its own: nothing of a run that broke down is left in the next.</remarks>
internal sealed class RampRun(LoadSettings settings, Screen screen)
{
    /// <summary>Searches. Cancelled (Ctrl-C), it reports what it knows.</summary>
    public async Task<RampReport> RunAsync(CancellationToken cancel)
    {
        var search = new RampSearch(settings.Players);
        var steps = new List<RampStep>();
        while (search.Next is { } players && !cancel.IsCancellationRequested)
        {
            RampStep step = await TryAsync(players, cancel);
            if (cancel.IsCancellationRequested)
                break;
            steps.Add(step);
            search.Take(step.Carried);
        }

        RampStep? failed = search.Failed is { } failing ? steps.FindLast(step => step.Players == failing && !step.Carried) : null;
        return new RampReport
        {
            Workload = settings.Workload.ToString().ToLowerInvariant(),
            PlayersMax = settings.Players,
            Carried = search.Carried,
            Failed = search.Failed,
            Criteria = failed?.Criteria ?? [],
            GaveOut = failed?.GaveOut ?? [],
            Seconds = settings.Seconds,
            InputHz = settings.InputHz,
            Threads = settings.Threads,
            Seed = settings.Seed,
            ServerCpus = settings.ServerCpus,
            BotCpus = settings.BotCpus,
            Steps = steps,
        };
    }

    // Without --fixed-rate few snapshots only say that there was little to tell.
    private async Task<RampStep> TryAsync(int players, CancellationToken cancel)
    {
        LoadSettings one = settings with { Players = players, FixedRate = true, FloorSeconds = 0, Compares = false };
        try
        {
            return RampVerdict.Judge(await new LoadRun(one, screen).RunAsync(cancel));
        }
        catch (RunFailedException failure)
        {
            return RampVerdict.Failed(players, failure.Message);
        }
    }
}
