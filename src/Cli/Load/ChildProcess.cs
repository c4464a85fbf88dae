using System.Diagnostics;
using System.Reflection;

namespace Hectare.Cli.Load;

/// <summary>Another <c>hectare</c> that this one starts, pins, watches and ends.</summary>
/// <remarks>It gets a session of its own by itself (<c>--child</c>), and ends when its standard input does: so never outlives us, even if we
/// are killed. Processors are chosen before it starts: threads inherit the mask of the one that starts them.</remarks>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int TailLines = 20;

    private readonly Process _process;
    private readonly Queue<string> _tail = new();

    private ChildProcess(string name, Process process)
    {
        Name = name;
        _process = process;
    }

    /// <summary>What it is, for people.</summary>
    public string Name { get; }

    /// <summary>True until it has ended.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Its exit code, once it has ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Memory that it holds in RAM, bytes; 0 once it has ended.</summary>
    public long WorkingSetBytes
    {
        get
        {
            _process.Refresh();
            return _process.HasExited ? 0 : _process.WorkingSet64;
        }
    }

    /// <summary>Starts <c>hectare ARGUMENTS --child</c> on these processors (empty: on any).</summary>
    public static ChildProcess Start(string name, IEnumerable<string> arguments, int[] processors)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(Assembly.GetEntryAssembly()!.Location);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.ArgumentList.Add("--child");

        int[] ours = processors.Length > 0 ? Libc.GetThreadProcessors() : [];
        if (ours.Length > 0)
            Libc.TryPinThread(0, processors);
        try
        {
            var child = new ChildProcess(name, Process.Start(start)!);
            child._process.OutputDataReceived += (_, line) => child.Keep(line.Data);
            child._process.ErrorDataReceived += (_, line) => child.Keep(line.Data);
            child._process.BeginOutputReadLine();
            child._process.BeginErrorReadLine();
            return child;
        }
        finally
        {
            if (ours.Length > 0)
                Libc.TryPinThread(0, ours);
        }
    }

    /// <summary>The last thing it said, to explain why it ended.</summary>
    public string LastWords
    {
        get
        {
            lock (_tail)
                return _tail.Count > 0 ? string.Join(" | ", _tail) : $"exit code {(_process.HasExited ? _process.ExitCode : -1)}, and it said nothing";
        }
    }

    /// <summary>Waits for it to end. False when it did not in time.</summary>
    public async Task<bool> WaitAsync(TimeSpan patience)
    {
        using var cancel = new CancellationTokenSource(patience);
        try
        {
            await _process.WaitForExitAsync(cancel.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Asks it to end by closing its input; kills it after 10 s.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            if (!await WaitAsync(TimeSpan.FromSeconds(10)))
                _process.Kill();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (string.IsNullOrWhiteSpace(line))
            return;
        lock (_tail)
        {
            _tail.Enqueue(line.Trim());
            if (_tail.Count > TailLines)
                _tail.Dequeue();
        }
    }
}
