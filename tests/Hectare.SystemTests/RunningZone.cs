using System.Globalization;
using System.Text.RegularExpressions;

namespace Hectare.SystemTests;

/// <summary>A zone of its own process on a free port.</summary>
internal sealed partial class RunningZone : IAsyncDisposable
{
    private RunningZone(CliProcess process, int port) => (Process, Port) = (process, port);

    public CliProcess Process { get; }

    public int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public static Task<RunningZone> StartAsync(params string[] arguments) => StartForAsync(["--open", .. arguments]);

    /// <summary>One that says itself who may come in.</summary>
    public static async Task<RunningZone> StartForAsync(params string[] arguments)
    {
        var process = CliProcess.Start(["serve", "--port", "0", .. arguments]);
        await process.SaysAsync("zone up on UDP port", 30);
        return new RunningZone(process, int.Parse(PortPattern().Match(process.Output).Groups["port"].Value, CultureInfo.InvariantCulture));
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    [GeneratedRegex("UDP port (?<port>[0-9]+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PortPattern();
}
