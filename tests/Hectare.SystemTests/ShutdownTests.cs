using System.Text.Json;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>Ctrl-C is a clean end: players are told, reports are written, exit code 0. And no process outlives its parent.</summary>
public sealed class ShutdownTests
{
    [Theory]
    [InlineData(CliProcess.Interrupt)]
    [InlineData(CliProcess.Terminate)]
    public async Task A_zone_tells_its_players_writes_its_report_and_ends_with_0(int signal)
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync("--json", folder["zone.json"]);
        await using var bots = CliProcess.Start("bots", "--server", zone.Address, "--players", "5", "--seconds", "6");
        await Task.Delay(3000, TestContext.Current.CancellationToken);

        zone.Process.Signal(signal);

        CliResult result = await zone.Process.EndAsync(30);
        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("zone closed, players told");
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(folder["zone.json"], TestContext.Current.CancellationToken));
        report.RootElement.GetProperty("snapshotsPerSecond").GetDouble().ShouldBeGreaterThan(0);
        CliResult told = await bots.EndAsync(30);
        told.ExitCode.ShouldBe(1, told.ToString());
        told.Errors.ShouldContain("closed by the server: ShuttingDown");
    }

    [Theory]
    [InlineData(CliProcess.Interrupt)]
    [InlineData(CliProcess.Terminate)]
    public async Task A_load_run_that_is_ended_early_reports_what_it_has(int signal)
    {
        using var folder = new TestFolder();
        await using var load = CliProcess.Start("load", "--floor-seconds", "0", "--players", "20", "--seconds", "60", "--warm-up", "0", "--json", folder["load.json"]);
        await load.SaysAsync("measuring:", 60);
        await Task.Delay(1500, TestContext.Current.CancellationToken);

        load.Signal(signal);

        CliResult result = await load.EndAsync(30);
        result.ExitCode.ShouldBe(0, result.ToString());
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(folder["load.json"], TestContext.Current.CancellationToken));
        report.RootElement.GetProperty("seconds").GetDouble().ShouldBeInRange(1, 30);
        report.RootElement.GetProperty("connected").GetInt32().ShouldBe(20);
        ChildrenOf(load.Id).ShouldBeEmpty();
    }

    [Fact]
    public async Task Children_end_when_their_parent_is_killed()
    {
        await using var load = CliProcess.Start("load", "--floor-seconds", "0", "--players", "5", "--seconds", "60");
        await load.SaysAsync("warming up:", 60);
        int[] children = ChildrenOf(load.Id);
        children.Length.ShouldBe(2);

        load.Signal(CliProcess.Kill);

        for (DateTime latest = DateTime.UtcNow.AddSeconds(20); Array.Exists(children, IsRunning) && DateTime.UtcNow < latest;)
            await Task.Delay(50, TestContext.Current.CancellationToken);
        children.ShouldAllBe(child => !IsRunning(child));
    }

    private static int[] ChildrenOf(int parent) =>
        [.. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, System.Globalization.CultureInfo.InvariantCulture, out _))
            .Where(name => ParentOf(name!) == parent).Select(name => int.Parse(name!, System.Globalization.CultureInfo.InvariantCulture))];

    // The parent is the second field after the name, which ends with the last bracket; a zombie has ended.
    private static int ParentOf(string process)
    {
        try
        {
            string[] fields = File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields[0] == "Z" ? 0 : int.Parse(fields[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart().StartsWith('Z');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
