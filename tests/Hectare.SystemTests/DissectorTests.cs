using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hectare.Tests.Wire;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>A run between real processes, captured on the loopback interface from its start, opened with the zone's key file, read by Wireshark.</summary>
/// <remarks>The zone sends every datagram by itself (UDP_SEGMENT is not used): a segmented send would be captured as one big datagram.</remarks>
public sealed partial class DissectorTests(CapturedRun run) : IClassFixture<CapturedRun>
{
    private const int Players = CapturedRun.Players;

    private static readonly string[] Fields =
    [
        "hectare.packet.type", "hectare.connection", "hectare.direction", "hectare.number", "hectare.snapshot.tick", "hectare.operation.slot", "hectare.operation.state",
        "_ws.expert.message", "udp.length", "hectare.joined.entity", "hectare.snapshot.own_x_units", "hectare.snapshot.own_y_units", "hectare.input.newest_tick", "hectare.resume.type", "hectare.token.expires",
    ];

    private enum At
    {
        Type, Connection, Direction, Number, Tick, Slot, State, Expert, Length, Joined, OwnX, OwnY, Input, Resume, Expires,
    }

    [Fact]
    public async Task Every_packet_of_a_captured_run_is_opened_named_and_read()
    {
        Assert.SkipUnless(run.Missing is null, run.Missing ?? "");
        TestFolder folder = run.Folder;

        CliResult opened = await CliProcess.RunAsync(60, "inspect", "decrypt", folder["run.pcapng"], folder["run.keys"], folder["opened.pcapng"]);
        CliResult written = await CliProcess.RunAsync(60, "inspect", "dissector", "--out", folder["hectare.lua"]);

        opened.ExitCode.ShouldBe(0, opened.ToString());
        opened.Output.ShouldContain($"of {Players} connections");
        opened.Output.ShouldNotContain("left as they are");
        File.GetUnixFileMode(folder["opened.pcapng"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        written.ExitCode.ShouldBe(0, written.ToString());
        List<string[][]> frames = Ours(await Tshark.DissectAsync(folder["hectare.lua"], folder["opened.pcapng"], twice: false, Fields));
        frames.ShouldAllBe(frame => Of(frame, At.Expert).Length == 0 && Of(frame, At.Type).Length == 1);
        frames.Max(frame => int.Parse(Of(frame, At.Length)[0], CultureInfo.InvariantCulture) - 8).ShouldBeInRange(1_000, 1_200);
        List<string[][]> numbered = [.. frames.Where(frame => Type(frame) is >= 5 and <= 8)];
        numbered.ShouldAllBe(frame => Of(frame, At.Connection).Length > 0 && Of(frame, At.Direction).Length == 1 && Of(frame, At.Number).Length == 1);
        numbered.Select(frame => Of(frame, At.Connection)[^1]).Distinct(StringComparer.Ordinal).Count().ShouldBe(Players);
        foreach (int type in (int[])[0, 1, 2, 3, 9, 10])
            frames.Count(frame => Type(frame) == type).ShouldBeGreaterThanOrEqualTo(Players, $"packets of type {type}");
        frames.Count(frame => Type(frame) == 6).ShouldBeGreaterThan(0);
        frames.Count(frame => Of(frame, At.Input).Length > 0).ShouldBeGreaterThan(10 * Players);
        frames.Count(frame => Of(frame, At.Resume).Length > 0 && Of(frame, At.Expires).Length > 0).ShouldBe(Players);
        List<string[][]> told = [.. frames.Where(frame => Of(frame, At.Tick).Length > 0)];
        told.Count.ShouldBe(run.Snapshots);
        told.ShouldAllBe(frame => Of(frame, At.Slot).Length == Of(frame, At.State).Length);
        CheckAvatars(frames);
    }

    [Fact]
    public async Task A_sealed_capture_shows_its_headers_and_says_how_to_open_it()
    {
        Assert.SkipUnless(run.Missing is null, run.Missing ?? "");
        TestFolder folder = run.Folder;
        await CliProcess.RunAsync(60, "inspect", "dissector", "--out", folder["hectare.lua"]);
        await File.WriteAllTextAsync(folder["other.keys"], $"{1:x16} 1 {new string('a', 64)} {new string('b', 64)}\n", TestContext.Current.CancellationToken);

        List<string[][]> frames = Ours(await Tshark.DissectAsync(folder["hectare.lua"], folder["run.pcapng"], twice: false, Fields));
        CliResult strange = await CliProcess.RunAsync(60, "inspect", "decrypt", folder["run.pcapng"], folder["other.keys"], folder["not-opened.pcapng"]);

        List<string[][]> numbered = [.. frames.Where(frame => Type(frame) is >= 5 and <= 8)];
        numbered.Count.ShouldBeGreaterThan(100);
        numbered.ShouldAllBe(frame => Of(frame, At.Direction).Length == 1 && Of(frame, At.Expert).Single().Contains("hectare inspect decrypt", StringComparison.Ordinal));
        strange.ExitCode.ShouldBe(1, strange.ToString());
        strange.Errors.ShouldContain("nothing was opened: the key file knows none of its connections; is it of this run?");
        // What no key opens is copied as it is.
        (await File.ReadAllBytesAsync(folder["not-opened.pcapng"], TestContext.Current.CancellationToken)).ShouldBe(await File.ReadAllBytesAsync(folder["run.pcapng"], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task What_is_no_capture_and_no_key_file_is_refused_by_name()
    {
        using var folder = new TestFolder();
        string keys = folder["some.keys"], text = folder["text"], empty = folder["empty"];
        await File.WriteAllTextAsync(keys, $"{1:x16} 1 {new string('a', 64)} {new string('b', 64)}\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(text, "this is not a capture, nor a key file", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(empty, "", TestContext.Current.CancellationToken);
        (string[] Arguments, string Expected)[] cases =
        [
            ([folder["none"], keys, folder["out"]], $"IN {folder["none"]}: must be a capture that exists"),
            ([text, keys, folder["out"]], $"IN {text}: must be a capture: it is neither pcap nor pcapng"),
            ([empty, keys, folder["out"]], $"IN {empty}: must be a capture: it is too short for a capture"),
            ([text, folder["none"], folder["out"]], $"KEYS {folder["none"]}: must be a key file that exists"),
            ([text, text, folder["out"]], $"KEYS {text}: line 1 is none of a key file, as 'hectare serve --keys' writes it"),
            ([text, empty, folder["out"]], $"KEYS {empty}: holds no keys: nobody connected while it was written"),
            ([text, keys, text], $"OUT {text}: must be another file than IN"),
            ([text, keys, folder["none/out"]], $"OUT {folder["none/out"]}: must be a file in a folder that exists"),
        ];
        foreach ((string[] arguments, string expected) in cases)
        {
            CliResult result = await CliProcess.RunAsync(30, ["inspect", "decrypt", .. arguments]);
            result.ExitCode.ShouldBe(2, result.ToString());
            result.Errors.Trim().ShouldBe($"hectare: {expected}");
        }
    }

    // Where a snapshot has the player's own place and its avatar at rest, both are the same place: one exact, one in quanta.
    private static void CheckAvatars(List<string[][]> frames)
    {
        int compared = 0;
        foreach (IGrouping<string, string[][]> connection in frames.Where(frame => Of(frame, At.Direction) is ["to client"]).GroupBy(frame => Of(frame, At.Connection)[^1], StringComparer.Ordinal))
        {
            string avatar = connection.SelectMany(frame => Of(frame, At.Joined)).First();
            foreach (string[][] frame in connection.Where(frame => Of(frame, At.OwnX).Length == 1))
            {
                foreach (Match match in Of(frame, At.State).Select(state => AtRest().Match(state)).Where(match => match.Success && match.Groups["id"].Value == avatar))
                {
                    Number(match.Groups["x"].Value).ShouldBe(Number(Of(frame, At.OwnX)[0]), 1.0 / 32);
                    Number(match.Groups["y"].Value).ShouldBe(Number(Of(frame, At.OwnY)[0]), 1.0 / 32);
                    compared++;
                }
            }
        }

        compared.ShouldBeGreaterThanOrEqualTo(Players);
    }

    // Without the bytes that were sent to see that the capture runs.
    private static List<string[][]> Ours(List<string[][]> frames)
    {
        List<string[][]> ours = [.. frames.Where(frame => Of(frame, At.Length)[0] != "9")];
        ours.Count.ShouldBeGreaterThan(100);
        return ours;
    }

    private static string[] Of(string[][] frame, At field) => frame[(int)field];

    private static int Type(string[][] frame) => Of(frame, At.Type) is [string type] ? int.Parse(type, CultureInfo.InvariantCulture) : -1;

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex("^(enter|update|absolute)( again)? (?<id>[0-9]+) player at \\((?<x>[0-9.]+), (?<y>[0-9.]+)\\) at rest", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AtRest();
}

/// <summary>A few players in a zone for a few seconds, captured from before the first of them came.</summary>
public sealed class CapturedRun : IAsyncLifetime
{
    internal const int Players = 6;

    /// <summary>Why there is none; null: there is one.</summary>
    public string? Missing { get; private set; } = Tshark.Missing;

    /// <summary>Snapshots that the zone says it sent, keep-alives among them.</summary>
    public int Snapshots { get; private set; }

    internal TestFolder Folder { get; } = new();

    public async ValueTask InitializeAsync()
    {
        if (Missing is not null)
            return;
        await using RunningZone zone = await RunningZone.StartAsync("--workload", "festival", "--keys", Folder["run.keys"], "--json", Folder["zone.json"]);
        await using LoopbackCapture? capture = await LoopbackCapture.TryStartAsync(zone.Port, Folder["run.pcapng"]);
        if (capture is null)
        {
            Missing = "dumpcap may not capture on 'lo' here: run as root, or give dumpcap the capability (dpkg-reconfigure wireshark-common)";
            return;
        }

        CliResult bots = await CliProcess.RunAsync(60, "bots", "--server", zone.Address, "--players", Players.ToString(CultureInfo.InvariantCulture), "--seconds", "3", "--workload", "festival");
        zone.Process.Signal(CliProcess.Terminate);
        CliResult served = await zone.Process.EndAsync(30);
        await capture.EndAsync();

        bots.ExitCode.ShouldBe(0, bots.ToString());
        served.ExitCode.ShouldBe(0, served.ToString());
        served.Errors.ShouldContain($"{Folder["run.keys"]} will hold the keys of every connection");
        File.GetUnixFileMode(Folder["run.keys"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(Folder["zone.json"]));
        double Figure(string name) => report.RootElement.GetProperty(name).GetDouble();
        Snapshots = (int)Math.Round((Figure("snapshotsPerSecond") + Figure("keepAlivesPerSecond")) * Figure("seconds"));
    }

    public ValueTask DisposeAsync()
    {
        Folder.Dispose();
        return ValueTask.CompletedTask;
    }
}
