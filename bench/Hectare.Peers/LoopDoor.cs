using System.Collections.Concurrent;
using Hectare.Cli.Load;

namespace Hectare.Peers;

/// <summary>A process's control socket whose questions are answered by its loop, between two rounds: so nothing is locked.</summary>
internal sealed class LoopDoor : IDisposable
{
    private readonly ConcurrentQueue<(string Question, TaskCompletionSource<string> Answer)> _asked = new();
    private readonly ControlSocket _socket;

    /// <summary>Opens it.</summary>
    public LoopDoor(string path) => _socket = ControlSocket.Open(path, AskAsync);

    /// <summary>Answers what was asked since the last call.</summary>
    public void Answer(Func<string, string> answer)
    {
        while (_asked.TryDequeue(out (string Question, TaskCompletionSource<string> Answer) asked))
            asked.Answer.SetResult(answer(asked.Question));
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private Task<string> AskAsync(string[] words)
    {
        var answer = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked.Enqueue((string.Join(' ', words), answer));
        return answer.Task;
    }
}
