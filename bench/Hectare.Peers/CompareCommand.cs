using System.CommandLine;
using System.Text.Json;
using Hectare.Cli.Commands;
using Hectare.Peers.Output;

namespace Hectare.Peers;

/// <summary>The comparison, for people who ask what it is worth.</summary>
internal static class CompareCommand
{
    /// <summary>What the program does when it is told nothing else.</summary>
    public const string Name = "compare";

    private static readonly string Teaching = $"""
        What it does:
          Puts the same players into the same world of four servers and asks each for more, up a ladder of {string.Join(", ", PlayerLadder.Rungs)} players.
          A server carries its players when all are connected, fewer than 1 % of its ticks are late, 99 of 100 players get at least 9.5 of 10
          snapshots a second and 95 % of their inputs arrive. A rung that gives way is tried once more; then the number between is searched. The contestants take turns. Each server
          has one processor, its bots another, each a process session.

        Contestants:
        {string.Join("\n", Contestant.All.Select(one => $"  {one.Name,-10} {one.Title}\n             has    {one.Has}\n             lacks  {one.Lacks}"))}

        Examples:
          dotnet run -c Release --project bench/Hectare.Peers -- --out docs/                     the page and the plot; 10 to 15 minutes
          dotnet run -c Release --project bench/Hectare.Peers -- --players-max 400 --seconds 3   a look, 3 minutes
          dotnet run -c Release --project bench/Hectare.Peers -- --only enet-bare,hectare --bare-inputs 10 --json peers.json

        Run it on a machine that has nothing else to do. ENet is Debian's libenet7; without it its two columns are left out, and the output says so.
        Exit code: 0 measured; 1 a contestant could not run at all; 2 bad input.
        """;

    private static readonly Option<string[]> Only = Options.Names("--only", "Contestants, separated by commas. Default: all.", [.. Contestant.All.Select(one => one.Name)]);
    private static readonly Option<int> PlayersMax = Options.Whole("--players-max", 10_000, 1, 12_000, "Where every ladder ends.");
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 10, 1, 120, "Length of each window.");
    private static readonly Option<int> WarmUp = Options.Whole("--warm-up", 3, 0, 60, "Seconds between the last join and the window.");
    private static readonly Option<int> BareInputs = Options.Whole("--bare-inputs", Contestant.EnetBare.InputsPerSecond, 1, 60, "Input packets a second from each peer of enet-bare; Hectare's players send 10.");
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Out = FolderOption();
    private static readonly Option<string?> Json = Options.FileToWrite("--json", "Write every figure to this file.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand(Name, "Hectare beside its peers: players carried on one core, cost of a player, bytes to a player.", Teaching)
        {
            Only, PlayersMax, Seconds, WarmUp, BareInputs, Seed, Out, Json,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static Option<string?> FolderOption() => Options.Make<string?>("--out", $"Write the tables into {ComparisonPage.FileName} and the plot into images/ of this folder.", "FOLDER", null, "a folder that exists",
        (string text, out string? value) => Directory.Exists(value = text));

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        string[] only = parse.GetValue(Only)!;
        Contestant[] contestants = [.. Contestant.All.Where(one => only.Length == 0 || only.Contains(one.Name, StringComparer.Ordinal))];
        var machine = Machine.Choose();
        if (machine.ServerCpus.Length == 0)
            await Console.Error.WriteLineAsync("peers: fewer than two processors to choose from: server and bots share them, and the figures are of no use");
        var plan = new RunPlan
        {
            Seconds = parse.GetValue(Seconds),
            WarmUpSeconds = parse.GetValue(WarmUp),
            BareInputsPerSecond = parse.GetValue(BareInputs),
            Seed = parse.GetValue(Seed),
            Machine = machine,
        };
        Comparison comparison = await new ComparisonRun(contestants, parse.GetValue(PlayersMax), plan, Console.Out).RunAsync(cancel);
        if (parse.GetValue(Json) is { } json)
            await File.WriteAllTextAsync(json, JsonSerializer.Serialize(comparison, PeersJson.Default.Comparison) + "\n", CancellationToken.None);
        await Console.Out.WriteLineAsync();
        await Console.Out.WriteAsync(ComparisonTables.Write(comparison));
        if (parse.GetValue(Out) is { } folder)
            ComparisonPage.Write(folder, comparison);
        if (comparison.Carried.Count == 0)
            throw new RunFailedException("nobody was left to measure");
        Carried? unable = comparison.Carried.FirstOrDefault(one => one.Players == 0);
        return unable is null || cancel.IsCancellationRequested ? 0 : throw new RunFailedException($"{unable.Contestant} carried nobody: {unable.EndedBy}");
    }
}
