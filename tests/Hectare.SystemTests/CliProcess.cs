using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Hectare.SystemTests;

/// <summary>The built <c>hectare</c> as a process: always bounded in time, always ended.</summary>
internal sealed partial class CliProcess : IAsyncDisposable
{
    public const int Interrupt = 2;     // SIGINT
    public const int Terminate = 15;    // SIGTERM
    public const int Kill = 9;          // SIGKILL

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();

    private CliProcess(Process process) => _process = process;

    /// <summary>What it wrote to standard output so far.</summary>
    public string Output => Read(_output);

    /// <summary>What it wrote to standard error so far.</summary>
    public string Errors => Read(_errors);

    public int Id => _process.Id;

    /// <summary>Starts it. Its signals work: unlike a child that a shell put into the background, one started here does not ignore SIGINT.</summary>
    public static CliProcess Start(params string[] arguments) => StartProgram(BuiltFile("src/Cli", "hectare.dll"), arguments);

    /// <summary>Starts <c>samples/Login</c>.</summary>
    public static CliProcess StartLogin(params string[] arguments) => StartProgram(BuiltFile("samples/Login", "Hectare.Login.dll"), arguments);

    /// <summary>Starts <c>bench/Hectare.Peers</c>.</summary>
    public static CliProcess StartPeers(params string[] arguments) => StartProgram(BuiltFile("bench/Hectare.Peers", "Hectare.Peers.dll"), arguments);

    /// <summary>Starts it with a variable of the environment set.</summary>
    public static CliProcess StartWith(string variable, string value, params string[] arguments) => StartProgram(BuiltFile("src/Cli", "hectare.dll"), arguments, (variable, value));

    private static CliProcess StartProgram(string dll, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add(dll);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        var cli = new CliProcess(Process.Start(start)!);
        cli._process.OutputDataReceived += (_, line) => Append(cli._output, line.Data);
        cli._process.ErrorDataReceived += (_, line) => Append(cli._errors, line.Data);
        cli._process.BeginOutputReadLine();
        cli._process.BeginErrorReadLine();
        return cli;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<CliResult> RunAsync(int seconds, params string[] arguments)
    {
        await using CliProcess cli = Start(arguments);
        return await cli.EndAsync(seconds);
    }

    /// <summary>Waits for its end.</summary>
    public async Task<CliResult> EndAsync(int seconds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException late)
        {
            throw new TimeoutException($"it did not end in {seconds} s; it said: {Output} {Errors}", late);
        }

        return new CliResult(_process.ExitCode, Output, Errors);
    }

    /// <summary>Waits until it has written a text.</summary>
    public async Task SaysAsync(string text, int seconds)
    {
        for (DateTime latest = DateTime.UtcNow.AddSeconds(seconds); !Output.Contains(text, StringComparison.Ordinal);)
        {
            if (_process.HasExited || DateTime.UtcNow > latest)
                throw new TimeoutException($"it did not say '{text}'; it said: {Output} {Errors}");
            await Task.Delay(20);
        }
    }

    public void Signal(int signal) => Signal(_process.Id, signal);

    public static void Signal(int process, int signal) => SendSignal(process, signal);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    // By the folder, not by [CallerFilePath]: CI rewrites source paths.
    private static string BuiltFile(string project, string dll)
    {
        string configuration = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";
        return Path.Combine(RepositoryRoot, project, "bin", configuration, "net10.0", dll);
    }

    public static string RepositoryRoot
    {
        get
        {
            for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "Hectare.slnx")))
                    return folder.FullName;
            }

            throw new InvalidOperationException("no Hectare.slnx above the test's folder");
        }
    }

    private static void Append(StringBuilder text, string? line)
    {
        lock (text)
            text.AppendLine(line);
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}

/// <summary>How a run ended.</summary>
internal sealed record CliResult(int ExitCode, string Output, string Errors)
{
    /// <summary>All it said, for the message of a failed test.</summary>
    public override string ToString() => $"exit {ExitCode}\n{Output}\n{Errors}";
}
