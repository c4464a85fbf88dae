using System.Collections.Concurrent;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Questions of other threads to the one that owns the state: it answers them between two rounds of its loop.</summary>
internal sealed class QuestionQueue
{
    private readonly ConcurrentQueue<Action> _asked = new();

    /// <summary>Asks; from any thread.</summary>
    public Task<T> AskAsync<T>(Func<T> question)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked.Enqueue(() =>
        {
            try
            {
                done.SetResult(question());
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        });
        return done.Task;
    }

    /// <summary>Answers what has been asked; on the thread that owns the state.</summary>
    public void AnswerAll()
    {
        while (_asked.TryDequeue(out Action? question))
            question();
    }
}
