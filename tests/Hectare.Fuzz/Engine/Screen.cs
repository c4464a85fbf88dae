using System.Globalization;

namespace Hectare.Fuzz.Engine;

/// <summary>Standard output: a line for each target that is done; on a terminal below them a live one of those that run, else one now and then.</summary>
internal sealed class Screen
{
    private static readonly TimeSpan PlainTime = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, FuzzProgress> _running = new(StringComparer.Ordinal);
    private readonly bool _isTerminal = !Console.IsOutputRedirected;
    private readonly Lock _lock = new();
    private DateTime _shown = DateTime.UtcNow;

    /// <summary>A target is still running.</summary>
    public void Show(FuzzProgress progress)
    {
        lock (_lock)
        {
            _running[progress.Target] = progress;
            if (!_isTerminal && DateTime.UtcNow - _shown < PlainTime)
                return;
            _shown = DateTime.UtcNow;
            string line = string.Join("  |  ", _running.Values.OrderBy(one => one.Target, StringComparer.Ordinal).Select(Line));
            if (_isTerminal)
                Console.Write("\r\u001b[K" + line[..Math.Min(line.Length, Math.Max(1, Console.WindowWidth - 1))]);
            else
                Console.WriteLine(line);
        }
    }

    /// <summary>A target is done.</summary>
    public void Done(TargetReport report)
    {
        lock (_lock)
        {
            _running.Remove(report.Target);
            if (_isTerminal)
                Console.Write("\r\u001b[K");
            Console.WriteLine(Line(report));
            if (report.Failure is { } failure)
                Console.WriteLine(Tell(report, failure));
        }
    }

    private static string Line(FuzzProgress progress)
        => string.Create(CultureInfo.InvariantCulture, $"{progress.Target} {progress.Inputs:N0} inputs, {progress.InputsPerSecond:N0}/s, {progress.Share * 100:0} %");

    private static string Line(TargetReport report) => string.Create(CultureInfo.InvariantCulture,
        $"{(report.Failure is null ? "ok    " : "FAILED")} {report.Target,-18} {report.Inputs,12:N0} inputs {report.InputsPerSecond,11:N0}/s {report.Seconds,7:0.0} s  taken {100.0 * report.Accepted / Math.Max(1, report.Inputs),5:0.0} %  at most {report.AllocatedBytesMax} B, {report.SlowestMs:0.00} ms{Ends("  heap", report.HeapBytes)}{Ends("  set", report.WorkingSetBytes)}");

    private static string Ends(string what, long[] ends)
        => ends.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{what} {ends[0] / 1048576.0:0.0} -> {ends[1] / 1048576.0:0.0} MB");

    private static string Tell(TargetReport report, FailureReport failure)
    {
        string told = string.Create(CultureInfo.InvariantCulture, $"  {failure.Kind}, seed {report.Seed}, input {failure.InputIndex}: {failure.Message}");
        return failure.File.Length == 0 ? told : $"{told}\n  input ({failure.InputHex.Length / 2} bytes): {failure.InputHex}\n  again: hectare-fuzz --target {report.Target} --replay {failure.File}";
    }
}
