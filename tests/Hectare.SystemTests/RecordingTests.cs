using System.Globalization;
using System.Text.RegularExpressions;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>A recorded zone sends the same datagrams once more, byte for byte.</summary>
public sealed partial class RecordingTests
{
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Fact]
    public async Task A_recorded_load_run_replays_to_the_same_datagrams()
    {
        using var folder = new TestFolder();
        (string players, string seconds) = IsFull ? ("500", "60") : ("40", "3");
        CliResult load = await CliProcess.RunAsync(180, "load", "--floor-seconds", "0", "--players", players, "--seconds", seconds, "--warm-up", "1", "--record", folder["zone.rec"]);
        load.ExitCode.ShouldBe(0, load.ToString());
        File.GetUnixFileMode(folder["zone.rec"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        CliResult replay = await CliProcess.RunAsync(180, "replay", folder["zone.rec"]);

        replay.ExitCode.ShouldBe(0, replay.ToString());
        replay.Output.ShouldContain("equal, byte for byte");
        Match[] hashes = [.. HashPattern().Matches(replay.Output).Cast<Match>()];
        hashes.Length.ShouldBe(2);
        hashes[0].Value.ShouldBe(hashes[1].Value);
        CliResult peer = await CliProcess.RunAsync(60, "inspect", "peer", "0", "--recording", folder["zone.rec"], "--tick", "100");
        peer.ExitCode.ShouldBe(0, peer.ToString());
        peer.Output.ShouldContain("at tick 100");
        peer.Output.ShouldContain("movers of 256");
        CliResult beyond = await CliProcess.RunAsync(60, "inspect", "peer", "0", "--recording", folder["zone.rec"], "--tick", "1000000");
        beyond.ExitCode.ShouldBe(2, beyond.ToString());
        beyond.Errors.ShouldContain("--tick 1000000: must be a tick of the recording");
        long.Parse(DatagramPattern().Match(replay.Output).Groups["count"].Value, CultureInfo.InvariantCulture).ShouldBeGreaterThan(300);
    }

    [Fact]
    public async Task A_recording_that_was_cut_short_is_no_success()
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync("--record", folder["zone.rec"], "--seconds", "2");
        CliResult end = await zone.Process.EndAsync(30);
        end.ExitCode.ShouldBe(0, end.ToString());
        end.Errors.ShouldContain("its owner alone may read it");
        byte[] bytes = await File.ReadAllBytesAsync(folder["zone.rec"], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(folder["cut.rec"], bytes[..^25], TestContext.Current.CancellationToken);

        CliResult replay = await CliProcess.RunAsync(60, "replay", folder["cut.rec"]);

        replay.ExitCode.ShouldBe(1, replay.ToString());
        replay.Errors.ShouldContain("it was cut short");
    }

    [Fact]
    public async Task A_recording_that_ends_otherwise_is_different()
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync("--record", folder["zone.rec"], "--seconds", "2");
        await zone.Process.EndAsync(30);
        byte[] bytes = await File.ReadAllBytesAsync(folder["zone.rec"], TestContext.Current.CancellationToken);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(folder["other.rec"], bytes, TestContext.Current.CancellationToken);

        CliResult replay = await CliProcess.RunAsync(60, "replay", folder["other.rec"]);

        replay.ExitCode.ShouldBe(1, replay.ToString());
        replay.Output.ShouldContain("different");
    }

    [GeneratedRegex("hash [0-9a-f]{16}", RegexOptions.None, 1000)]
    private static partial Regex HashPattern();

    [GeneratedRegex("(?<count>[0-9]+) datagrams out", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DatagramPattern();
}
