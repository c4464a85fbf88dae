using System.Diagnostics;

namespace Hectare.Tests.Wire;

/// <summary>Wireshark without a window, with our dissector and nobody else's.</summary>
internal static class Tshark
{
    private const string Between = "\u001f";

    /// <summary>Why it cannot be used; null: it can.</summary>
    public static string? Missing { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "tshark")))
        ? null
        : "tshark is not installed (Debian: apt-get install tshark)";

    /// <summary>Dissects a capture. Fails when Wireshark had anything to say of the script.</summary>
    /// <param name="script">The dissector.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="twice">Two passes, as Wireshark does when frames are looked at again.</param>
    /// <param name="fields">What to print of each frame.</param>
    /// <returns>A line a frame: the values of each field, none to many.</returns>
    public static async Task<List<string[][]>> DissectAsync(string script, string capture, bool twice, params string[] fields)
    {
        string folder = Directory.CreateTempSubdirectory("hectare-wireshark-").FullName;
        try
        {
            var start = new ProcessStartInfo("tshark") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
            // No plug-ins of whoever runs the tests: the same protocol cannot be declared twice.
            start.Environment["WIRESHARK_CONFIG_DIR"] = folder;
            foreach (string argument in (string[])["-n", "-X", $"lua_script:{script}", "-r", capture, "-T", "fields", "-E", $"aggregator={Between}", "-E", "separator=/t", .. twice ? ["-2"] : Array.Empty<string>(), .. fields.SelectMany(field => (string[])["-e", field])])
                start.ArgumentList.Add(argument);
            using Process process = Process.Start(start)!;
            using var late = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            Task<string> output = process.StandardOutput.ReadToEndAsync(late.Token), errors = process.StandardError.ReadToEndAsync(late.Token);
            await process.WaitForExitAsync(late.Token);
            string said = string.Join('\n', (await errors).Split('\n').Where(line => line.Length > 0 && !line.StartsWith("Running as user", StringComparison.Ordinal)));
            if (process.ExitCode != 0 || said.Length > 0)
                throw new InvalidOperationException($"tshark: exit {process.ExitCode}: {said}");
            return [.. (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t').Select(values => values.Length == 0 ? [] : values.Split(Between)).ToArray())];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
