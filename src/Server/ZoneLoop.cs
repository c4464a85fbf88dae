using System.Collections.Concurrent;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Runs a zone in real time on the thread that calls <see cref="Run"/>: that thread is the zone's one writer until it returns.</summary>
/// <typeparam name="TInput">The game's input.</typeparam>
public sealed class ZoneLoop<TInput>(Zone<TInput> zone)
    where TInput : struct, IInput<TInput>
{
    // Four goodbyes 50 ms apart, and one tick to write the last.
    private const long GoodbyeNs = 300_000_000;

    private readonly ConcurrentQueue<(Action Action, TaskCompletionSource Done)> _asked = new();
    private volatile Exception? _ended;   // why nothing more is run

    /// <summary>Ticks until <paramref name="stop"/>; then tells every client that the zone is going down, and returns.</summary>
    /// <exception cref="Exception">The zone failed: whatever the game or the zone threw. The log was told.</exception>
    public void Run(CancellationToken stop)
    {
        zone.Pacer = new SendPacer(zone.Options.DatagramsPerMsMax, NetworkGroup<TInput>.BatchDatagrams, () => Clock.NowNs, Clock.WaitUntil);
        using var pages = new HugePages();
        var schedule = new TickScheduler(Clock.NowNs, zone.Options.TickLengthNs, zone.Options.CatchUpTicksMax);
        try
        {
            while (!stop.IsCancellationRequested)
                RunDue(schedule);
            zone.Close(CloseCode.ShuttingDown, Clock.NowNs);
            for (long endNs = Clock.NowNs + GoodbyeNs; Clock.NowNs < endNs;)
                RunDue(schedule);
            zone.EndRecording();
            _ended = new OperationCanceledException("the zone has ended");
        }
        catch (Exception failure)
        {
            _ended = failure;
            zone.Log?.ZoneFailed(zone.Tick, failure);
            throw;
        }
        finally
        {
            RefuseAsked();
        }
    }

    /// <summary>Runs an action on the tick thread between two ticks: for reports, inspection and commands. From any thread.</summary>
    /// <remarks>It stands on the tick: keep it short.</remarks>
    /// <returns>Done when it has run; fails with what it threw, or, when the loop has ended, with what ended it.</returns>
    public Task InvokeAsync(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked.Enqueue((action, done));
        // Asked while the loop ended: either side may be the one that sees it.
        if (_ended is not null)
            RefuseAsked();
        return done.Task;
    }

    private void RunDue(TickScheduler schedule)
    {
        Clock.WaitUntil(schedule.NextDueNs);
        for (int owed = schedule.Wake(Clock.NowNs); owed > 0; owed--)
        {
            long startNs = Clock.NowNs;
            zone.RunTick(schedule.Take(), startNs, behind: owed > 1);
            zone.NoteWork(Clock.NowNs - startNs);
            schedule.TickLengthNs = zone.TickLengthNs;
        }

        while (_asked.TryDequeue(out (Action Action, TaskCompletionSource Done) asked))
            Answer(asked.Action, asked.Done);
    }

    private static void Answer(Action action, TaskCompletionSource done)
    {
        try
        {
            action();
            done.SetResult();
        }
        catch (Exception failure)
        {
            done.SetException(failure);
        }
    }

    private void RefuseAsked()
    {
        while (_asked.TryDequeue(out (Action Action, TaskCompletionSource Done) asked))
            asked.Done.SetException(_ended!);
    }
}
