using System.Diagnostics;

namespace Hectare.SystemTests;

/// <summary>Another program, run to its end, bounded in time.</summary>
internal static class ToolProcess
{
    /// <summary>True when a program of that name is on the path.</summary>
    public static bool Exists(string name)
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, name)));

    /// <summary>Runs it; output is what it wrote to both streams.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string name, TimeSpan patience, CancellationToken cancel, params string[] arguments)
    {
        var start = new ProcessStartInfo(name) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        return await RunAsync(start, patience, cancel);
    }

    /// <summary>Runs what <paramref name="start"/> says, its streams redirected.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(ProcessStartInfo start, TimeSpan patience, CancellationToken cancel)
    {
        using Process process = Process.Start(start)!;
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        late.CancelAfter(patience);
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(late.Token), errors = process.StandardError.ReadToEndAsync(late.Token);
            await process.WaitForExitAsync(late.Token);
            return (process.ExitCode, await output + await errors);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
