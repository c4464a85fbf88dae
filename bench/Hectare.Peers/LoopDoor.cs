using Hectare.Cli.Load;
using Hectare.Cli.Load.Hostile;

namespace Hectare.Peers;

/// <summary>A loop that is measured, and what it tells of itself.</summary>
internal interface IMeasuredLoop
{
    /// <summary>How it does now.</summary>
    string Status();

    /// <summary>The window begins.</summary>
    void Begin();

    /// <summary>The window ends.</summary>
    void End();

    /// <summary>What was measured in it; before its end: up to now.</summary>
    string Report();
}

/// <summary>A process's control socket whose questions are answered by its loop, between two rounds: so nothing is locked.</summary>
internal sealed class LoopDoor : IDisposable
{
    private readonly QuestionQueue _questions = new();
    private readonly ControlSocket _socket;
    private IMeasuredLoop? _loop;

    /// <summary>Opens it.</summary>
    public LoopDoor(string path) => _socket = ControlSocket.Open(path, words => _questions.AskAsync(() => Answer(words)));

    /// <summary>Answers what was asked since the last call.</summary>
    public void AnswerFor(IMeasuredLoop loop)
    {
        _loop = loop;
        _questions.AnswerAll();
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private string Answer(string[] words) => words switch
    {
        ["status"] => _loop!.Status(),
        ["begin"] => ControlSocket.Done(_loop!.Begin),
        ["end"] => ControlSocket.Done(_loop!.End),
        ["report"] => _loop!.Report(),
        _ => "error: ask for status, begin, end or report\n",
    };
}
