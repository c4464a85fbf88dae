using System.Text.Json;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>The comparison with other designs: all of it, at a size that says nothing but that it works. No figure of time is asserted.</summary>
public sealed class PeersTests
{
    private const int Players = 20;

    [Fact]
    public async Task Every_contestant_is_measured_and_the_page_and_the_plot_are_written()
    {
        using var folder = new TestFolder();
        Directory.CreateDirectory(folder["docs"]);

        await using CliProcess peers = CliProcess.StartPeers("--players-max", "20", "--seconds", "1", "--warm-up", "1", "--out", folder["docs"], "--json", folder["peers.json"]);
        CliResult result = await peers.EndAsync(240);

        // 1: on a machine that is busy enough, ticks are late even so.
        result.ExitCode.ShouldBeInRange(0, 1, result.ToString());
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(folder["peers.json"], TestContext.Current.CancellationToken));
        JsonElement[] windows = [.. report.RootElement.GetProperty("measurements").EnumerateArray()];
        bool hasEnet = !report.RootElement.GetProperty("skipped").TryGetProperty("enet", out _);
        hasEnet.ShouldBe(!result.Output.Contains("apt-get install libenet7", StringComparison.Ordinal));
        foreach (string contestant in hasEnet ? (string[])["audited", "enet", "enet-bare", "hectare"] : ["audited", "hectare"])
        {
            JsonElement window = windows.Last(one => one.GetProperty("contestant").GetString() == contestant);
            window.GetProperty("connected").GetInt32().ShouldBe(Players, result.ToString());
            window.GetProperty("snapshotHzP1").GetDouble().ShouldBeInRange(3, 12, result.ToString());
            if (contestant != "hectare")
                window.GetProperty("inputShare").GetDouble().ShouldBeInRange(0.5, 1.2, result.ToString());
            window.GetProperty("serverCores").GetDouble().ShouldBeInRange(0.0001, 4);
            window.GetProperty("bytesPerPlayerPerSecond").GetDouble().ShouldBeInRange(100, 20_000);
        }

        string page = await File.ReadAllTextAsync(Path.Combine(folder["docs"], "performance-peers.md"), TestContext.Current.CancellationToken);
        page.ShouldContain("| players |");
        (await File.ReadAllTextAsync(Path.Combine(folder["docs"], "images", "peers.svg"), TestContext.Current.CancellationToken)).ShouldContain("</svg>");
    }

    [Theory]
    [InlineData("--players-max", "0", "--players-max 0: must be a whole number from 1 to 12000")]
    [InlineData("--only", "photon", "--only photon: must be different ones of audited, enet, enet-bare, hectare, separated by commas")]
    [InlineData("--out", "/no/such/folder", "--out /no/such/folder: must be a folder that exists")]
    public async Task Bad_input_is_one_line_and_exit_2(string option, string value, string line)
    {
        await using CliProcess peers = CliProcess.StartPeers(option, value);
        CliResult result = await peers.EndAsync(30);
        result.ExitCode.ShouldBe(2);
        result.Errors.Trim().ShouldBe($"hectare: {line}");
    }

    [Fact]
    public async Task Help_says_who_is_compared_and_how()
    {
        await using CliProcess peers = CliProcess.StartPeers("--help");
        CliResult result = await peers.EndAsync(30);
        result.ExitCode.ShouldBe(0);
        foreach (string text in (string[])["--players-max", "--only", "--out", "audited design in C#", "lacks", "--out docs/", "libenet7"])
            result.Output.ShouldContain(text);
    }
}
