namespace Hectare.Cli.Load;

/// <summary>Talks to a child process through its control socket.</summary>
internal static class ChildDoor
{
    private static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits until the child answers, and gives its status.</summary>
    /// <exception cref="Commands.RunFailedException">It ended, or never answered.</exception>
    public static async Task<T> WaitAsync<T>(ChildProcess child, string door, TimeSpan patience, CancellationToken cancel)
        => ReportJson.Read<T>(await WaitAsync(child, door, patience, cancel), $"the {child.Name} process");

    /// <summary>The same, its status as it says it.</summary>
    /// <exception cref="Commands.RunFailedException">It ended, or never answered.</exception>
    public static async Task<string> WaitAsync(ChildProcess child, string door, TimeSpan patience, CancellationToken cancel)
    {
        DateTime latest = DateTime.UtcNow + patience;
        while (DateTime.UtcNow < latest)
        {
            if (!child.IsRunning)
                throw new Commands.RunFailedException($"the {child.Name} process ended: {child.LastWords}");
            if (File.Exists(door) && await TryAskAsync(door) is { } status)
                return status;
            await Task.Delay(StepTime, cancel);
        }

        throw new Commands.RunFailedException($"the {child.Name} process did not come up in {patience.TotalSeconds} s: {child.LastWords}");
    }

    /// <summary>Asks the child one line.</summary>
    /// <remarks>By design not cancelled by Ctrl-C: the answers are what the report is made of. The socket has a patience of its own.</remarks>
    /// <exception cref="Commands.RunFailedException">It ended, does not answer, or says that it cannot.</exception>
    public static async Task<string> AskAsync(ChildProcess child, string door, string line)
    {
        string answer;
        try
        {
            answer = await ControlSocket.AskAsync(door, line, CancellationToken.None);
        }
        catch (Commands.RunFailedException) when (!child.IsRunning)
        {
            throw new Commands.RunFailedException($"the {child.Name} process ended: {child.LastWords}");
        }

        return answer.StartsWith("error: ", StringComparison.Ordinal) ? throw new Commands.RunFailedException($"the {child.Name} process: {answer["error: ".Length..].Trim()}") : answer;
    }

    // The door is there a moment before anybody listens behind it.
    private static async Task<string?> TryAskAsync(string door)
    {
        try
        {
            return await ControlSocket.AskAsync(door, "status", CancellationToken.None);
        }
        catch (Commands.RunFailedException)
        {
            return null;
        }
    }
}
