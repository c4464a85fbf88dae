using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hectare.Cli.Commands;
using Hectare.Cli.Load;
using Hectare.Peers.Bots;

namespace Hectare.Peers;

/// <summary>How long is measured, and on what.</summary>
internal sealed record RunPlan
{
    /// <summary>Length of the window.</summary>
    public required int Seconds { get; init; }

    /// <summary>Length of the warm-up before it.</summary>
    public required int WarmUpSeconds { get; init; }

    /// <summary>Players that join a second.</summary>
    public int PlayersPerSecond { get; init; } = 1_000;

    /// <summary>Input packets a second from each peer of ENet's bare transport.</summary>
    public int BareInputsPerSecond { get; init; } = Contestant.EnetBare.InputsPerSecond;

    /// <summary>Seed of world and bots.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where they run.</summary>
    public required Machine Machine { get; init; }
}

/// <summary>One window of a contestant that lives in this program: its server and its bots as two processes, each in a session of its own.</summary>
internal sealed class ContestantRun(Contestant contestant, int players, RunPlan plan)
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(15);

    private readonly string _folder = Directory.CreateTempSubdirectory("hectare-peers-").FullName;

    private int InputsPerSecond => contestant == Contestant.EnetBare ? plan.BareInputsPerSecond : contestant.InputsPerSecond;

    private string ServerDoor => Path.Combine(_folder, "server");

    private string BotsDoor => Path.Combine(_folder, "bots");

    /// <summary>Runs it. A run that breaks is a measurement without figures, that says why.</summary>
    public async Task<Measurement> MeasureAsync(CancellationToken cancel)
    {
        ChildProcess? server = null, bots = null;
        try
        {
            server = ChildProcess.Start("server", ["server", "--contestant", contestant.Name, "--players", Text(players), "--seed", Text(plan.Seed), "--control", ServerDoor], plan.Machine.ServerCpus);
            ServerStatus status = JsonSerializer.Deserialize(await ChildDoor.WaitAsync(server, ServerDoor, StartPatience, cancel), PeersJson.Default.ServerStatus)!;
            bots = ChildProcess.Start("bots", BotsArguments(status.Port), plan.Machine.BotCpus);
            await ChildDoor.WaitAsync(bots, BotsDoor, StartPatience, cancel);
            await ConnectAllAsync(bots, cancel);
            await Task.Delay(TimeSpan.FromSeconds(plan.WarmUpSeconds), cancel);
            return await MeasureAsync(server, bots, cancel);
        }
        catch (RunFailedException failed)
        {
            return Measurement.Failed(contestant.Name, players, failed.Message);
        }
        finally
        {
            if (bots is not null)
                await bots.DisposeAsync();
            if (server is not null)
                await server.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }
    }

    private IEnumerable<string> BotsArguments(int port) =>
    [
        "bots", "--contestant", contestant.Name, "--players", Text(players), "--port", Text(port), "--ramp", Text(plan.PlayersPerSecond),
        "--inputs", Text(InputsPerSecond), "--seed", Text(plan.Seed), "--control", BotsDoor,
    ];

    private async Task ConnectAllAsync(ChildProcess bots, CancellationToken cancel)
    {
        // Who does not get in by then is missing in the verdict.
        DateTime latest = DateTime.UtcNow + JoinPatience + TimeSpan.FromSeconds(players / (double)plan.PlayersPerSecond);
        while ((await AskAsync(bots, BotsDoor, "status", PeersJson.Default.FleetStatus)).Connected < players && DateTime.UtcNow < latest)
            await Task.Delay(200, cancel);
    }

    private async Task<Measurement> MeasureAsync(ChildProcess server, ChildProcess bots, CancellationToken cancel)
    {
        await Task.WhenAll(ChildDoor.AskAsync(server, ServerDoor, "begin"), ChildDoor.AskAsync(bots, BotsDoor, "begin"));
        (long, long)[] before = MachineLoad.Read();
        await Task.Delay(TimeSpan.FromSeconds(plan.Seconds), cancel);
        await Task.WhenAll(ChildDoor.AskAsync(server, ServerDoor, "end"), ChildDoor.AskAsync(bots, BotsDoor, "end"));
        double[] idle = Machine.IdleSince(before);
        ServerFigures served = await AskAsync(server, ServerDoor, "report", PeersJson.Default.ServerFigures);
        FleetFigures seen = await AskAsync(bots, BotsDoor, "report", PeersJson.Default.FleetFigures);
        return new Measurement
        {
            Contestant = contestant.Name,
            Players = players,
            Connected = seen.Connected,
            Seconds = served.Seconds,
            ServerCores = served.CpuCores,
            TickMsP50 = served.TickMsP50,
            TickMsP99 = served.TickMsP99,
            LateShare = served.TicksLate / (double)Math.Max(1, served.Ticks),
            SnapshotHzP1 = seen.SnapshotHzP1,
            BytesPerPlayerPerSecond = served.BytesPerPlayerPerSecond,
            InputShare = served.InputsPerPlayerPerSecond / InputsPerSecond,
            BotCores = seen.CpuCores,
            NeighbourShare = plan.Machine.NeighbourShare(idle, served.CpuCores),
        };
    }

    private static async Task<T> AskAsync<T>(ChildProcess child, string door, string question, JsonTypeInfo<T> type)
        => JsonSerializer.Deserialize(await ChildDoor.AskAsync(child, door, question), type)!;

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
