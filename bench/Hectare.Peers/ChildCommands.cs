using System.CommandLine;
using Hectare.Cli.Commands;
using Hectare.Peers.Audited;
using Hectare.Peers.Bots;
using Hectare.Peers.OverEnet;

namespace Hectare.Peers;

/// <summary>Options of the processes that a comparison starts.</summary>
internal static class ChildOptions
{
    public static readonly Option<string[]> Contestant = Options.Names("--contestant", "Whose.", [.. Peers.Contestant.All.Select(one => one.Name)]);
    public static readonly Option<int> Players = Options.Whole("--players", 100, 1, 12_000, "Most players, or bots.");
    public static readonly Option<string?> Control = Options.SocketPath("--control", "Control socket.");

    /// <summary>Runs a loop on a thread of its own until the parent is gone.</summary>
    public static async Task<int> RunAsync(ParseResult parse, Action<LoopDoor, CancellationToken> loop, CancellationToken cancel)
    {
        using var child = ChildMode.Enter(parse, cancel);
        using var door = new LoopDoor(parse.GetValue(Control) ?? throw new BadInputException("--control: needs a value: a path"));
        await Task.Factory.StartNew(() => loop(door, child.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return 0;
    }
}

/// <summary>A contestant's server as a process.</summary>
internal static class ServerChild
{
    private static readonly Option<ulong> Seed = Options.Seed();

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("server", "Started by a comparison.") { ChildOptions.Contestant, ChildOptions.Players, ChildOptions.Control, Seed, ChildMode.Option };
        command.Hidden = true;
        command.SetAction((parse, cancel) => ChildOptions.RunAsync(parse, (door, stop) =>
        {
            using PeerServer server = Open(parse.GetValue(ChildOptions.Contestant)!.Single(), parse.GetValue(ChildOptions.Players), parse.GetValue(Seed));
            new ServerHost(server, door).Run(stop);
        }, cancel));
        return command;
    }

    private static PeerServer Open(string contestant, int playersMax, ulong seed) => contestant switch
    {
        "audited" => new AuditedServer(seed),
        "enet" => new EnetStatesServer(playersMax, seed),
        "enet-bare" => new EnetBareServer(playersMax),
        _ => throw new BadInputException($"--contestant {contestant}: has a server of its own"),
    };
}

/// <summary>A contestant's bots as a process.</summary>
internal static class BotsChild
{
    private static readonly Option<int> Port = Options.Whole("--port", 1, 1, 65_535, "Port of the server.");
    private static readonly Option<int> Ramp = Options.Whole("--ramp", 1_000, 1, 5_000, "Bots that join a second.");
    private static readonly Option<int> Inputs = Options.Whole("--inputs", 10, 1, 60, "Input packets a second of each.");
    private static readonly Option<ulong> Seed = Options.Seed();

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("bots", "Started by a comparison.") { ChildOptions.Contestant, ChildOptions.Players, ChildOptions.Control, Port, Ramp, Inputs, Seed, ChildMode.Option };
        command.Hidden = true;
        command.SetAction((parse, cancel) => ChildOptions.RunAsync(parse, (door, stop) => Run(parse, door, stop), cancel));
        return command;
    }

    private static void Run(ParseResult parse, LoopDoor door, CancellationToken stop)
    {
        var contestant = Contestant.Named(parse.GetValue(ChildOptions.Contestant)!.Single());
        var plan = new BotPlan
        {
            Bots = parse.GetValue(ChildOptions.Players),
            PlayersPerSecond = parse.GetValue(Ramp),
            InputsPerSecond = parse.GetValue(Inputs),
            Seed = parse.GetValue(Seed),
        };
        using BotLink link = contestant == Contestant.Audited
            ? new AuditedLink(plan.Bots, parse.GetValue(Port))
            : new EnetLink(plan.Bots, parse.GetValue(Port), hasParts: contestant == Contestant.Enet);
        new BotsHost(link, door, plan).Run(stop);
    }
}
