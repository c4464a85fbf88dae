using System.CommandLine;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Protocol;
using Hectare.Server;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect peer</c>: asks a running zone, or a recorded one at a tick, what is in a player's packets and why, or why not.</summary>
internal static class InspectPeerCommand
{
    private const string Teaching = """
        Examples:
          hectare serve --control /tmp/zone.sock                   the zone must have a control socket
          hectare inspect peer 3 --control /tmp/zone.sock          what peer 3 is told of, and its budget
          hectare inspect peer 3 entity 4711 --control /tmp/zone.sock
                                                                   why entity 4711 is, or is not, in its packets
          hectare inspect peer 3 --recording zone.rec --tick 900   the same of a recorded zone, as it was after that tick
        """;

    private static readonly Argument<string> Peer = new("P") { Description = "the peer's number" };
    private static readonly Argument<string[]> Entity = new("entity E") { Description = "The word 'entity' and an entity's id.", Arity = new ArgumentArity(0, 2) };
    private static readonly Option<string?> Control = Options.SocketPath("--control", "The control socket of a running 'hectare serve --control PATH'.");

    private static readonly Option<string?> Recording = Options.FileToRead("--recording", "Instead of a running zone: a recording of 'hectare serve --record'.");
    private static readonly Option<int> AtTick = Options.Whole("--tick", int.MaxValue, 1, int.MaxValue, "With --recording: the tick to look at; without it, the last.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("peer", "What a player is told and why, asked of a running or a recorded zone.", Teaching) { Peer, Entity, Control, Recording, AtTick };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        string peer = parse.GetRequiredValue(Peer);
        string? entity = parse.GetValue(Entity) switch
        {
            null or [] => null,
            ["entity", string id] => id,
            string[] words => throw new BadInputException($"{string.Join(' ', words)}: must be 'entity E' with E from 1 to {uint.MaxValue}, or nothing"),
        };
        string answer = parse.GetValue(Recording) is { } recording
            ? AskRecording(recording, parse.GetValue(AtTick), peer, entity, cancel)
            : await AskZoneAsync(parse.GetValue(Control), entity is null ? $"peer {peer}" : $"peer {peer} {entity}", cancel);
        if (answer.StartsWith("error: ", StringComparison.Ordinal))
            throw new BadInputException(answer["error: ".Length..].Trim());
        Screen.WriteLine(answer.TrimEnd());
        return 0;
    }

    private static async Task<string> AskZoneAsync(string? path, string question, CancellationToken cancel)
    {
        if (path is null)
            throw new BadInputException("--control: needs a value: the control socket of a running 'hectare serve --control PATH' (or --recording FILE)");
        if (!File.Exists(path))
            throw new BadInputException($"--control {path}: must be the control socket of a running 'hectare serve --control PATH'; there is none");
        return await ControlSocket.AskAsync(path, question, cancel);
    }

    private static string AskRecording(string path, int tick, string peer, string? entity, CancellationToken cancel)
    {
        try
        {
            using ZoneReplay<TopDownInput> replay = ReplayCommand.Open(path);
            while (!cancel.IsCancellationRequested && replay.Zone.Tick < new Tick((uint)tick) && replay.TryRunTick())
            {
            }

            if (tick != int.MaxValue && replay.Zone.Tick.Value != tick)
                throw new BadInputException($"--tick {tick}: must be a tick of the recording, which ends at {replay.Zone.Tick.Value}");
            string answer = ZoneHost.Explain(replay.Zone, peer, entity);
            return answer.StartsWith("error: ", StringComparison.Ordinal) ? answer : $"at {replay.Zone.Tick}\n{answer}";
        }
        catch (RecordingException error)
        {
            throw new BadInputException($"--recording {path}: {error.Message}");
        }
    }
}
