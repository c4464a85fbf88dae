using Hectare.Farm;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>What an operator can ask.</summary>
public sealed class InspectTests
{
    [Fact]
    public async Task Schema_prints_range_bits_and_error_of_every_field()
    {
        CliResult result = await CliProcess.RunAsync(30, "inspect", "schema");

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("0.015625 units");
        foreach (Protocol.Kind kind in new FarmSchema().Schema.Kinds)
        {
            foreach (Protocol.Field field in kind.Fields)
                result.Output.Split('\n').ShouldContain(line => line.StartsWith(kind.Name, StringComparison.Ordinal) && line.Contains($" {field.Name} ", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_map_is_written_once_then_described_and_both_ends_take_it()
    {
        using var folder = new TestFolder();
        CliResult written = await CliProcess.RunAsync(30, "inspect", "map", folder["farm.htm"], "--seed", "7");
        CliResult described = await CliProcess.RunAsync(30, "inspect", "map", folder["farm.htm"]);

        written.ExitCode.ShouldBe(0, written.ToString());
        described.Output.ShouldContain("2048 x 2048 tiles, 5.00 % block");
        described.Output.ShouldContain(Convert.ToHexStringLower(FarmMap.Generate(7).Sha256));
        await using RunningZone zone = await RunningZone.StartAsync("--map", folder["farm.htm"]);
        CliResult bots = await CliProcess.RunAsync(60, "bots", "--server", zone.Address, "--players", "2", "--seconds", "1", "--map", folder["farm.htm"]);
        bots.ExitCode.ShouldBe(0, bots.ToString());
    }

    [Fact]
    public async Task Peer_answers_why_an_entity_is_or_is_not_in_its_packets()
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync("--control", folder["zone.sock"]);
        File.GetUnixFileMode(folder["zone.sock"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using var bots = CliProcess.Start("bots", "--server", zone.Address, "--players", "3", "--workload", "festival");
        await Task.Delay(3000, TestContext.Current.CancellationToken);

        CliResult peer = await AskAsync(folder, "2");
        CliResult own = await AskAsync(folder, "2", "entity", OwnAvatar(peer));
        CliResult unknown = await AskAsync(folder, "2", "entity", "4000000000");
        CliResult tree = await AskAsync(folder, "2", "entity", "1");
        CliResult nobody = await AskAsync(folder, "77");

        peer.Output.ShouldContain("movers of 256");
        peer.Output.ShouldContain("24000 a second");
        own.Output.ShouldContain("class its own");
        own.Output.ShouldContain("versions: newest");
        own.Output.ShouldContain("verdict: ");
        unknown.Output.ShouldContain("the zone has no entity 4000000000");
        tree.Output.ShouldContain("interest: cell");
        nobody.ExitCode.ShouldBe(2);
        nobody.Errors.ShouldContain("peer 77: nobody with that number has joined");
    }

    private static Task<CliResult> AskAsync(TestFolder folder, params string[] question) => CliProcess.RunAsync(30, ["inspect", "peer", .. question, "--control", folder["zone.sock"]]);

    // "peer 2, avatar entity 42503 at (...)"
    private static string OwnAvatar(CliResult peer) => peer.Output.Split("avatar entity ")[1].Split(' ')[0];
}
