using System.CommandLine;
using System.Globalization;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare replay</c>: a recorded zone once more, and whether it sent the same bytes.</summary>
internal static class ReplayCommand
{
    private const string Teaching = """
        What it does:
          Runs the recorded zone again, in memory and as fast as it goes: the same datagrams in at the same times, the same random values. Prints a
          hash over every datagram that it sends, and whether it equals the recorded one.

        Examples:
          hectare serve --record zone.rec --seconds 60
          hectare replay zone.rec

        Exit code: 0 equal; 1 different, or the recording was cut short; 2 no recording.
        """;

    private static readonly Argument<string> File = new("FILE") { Description = "a recording of 'hectare serve --record'" };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("replay", "Run a recorded zone again and compare what it sends, byte for byte.", Teaching) { File };
        command.SetAction(RunAsync);
        return command;
    }

    private static Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        string path = parse.GetRequiredValue(File);
        if (!System.IO.File.Exists(path))
            throw new BadInputException($"FILE {path}: must be a recording that 'hectare serve --record' wrote");
        try
        {
            using ZoneReplay<TopDownInput> replay = Open(path);
            while (!cancel.IsCancellationRequested && replay.TryRunTick())
            {
            }

            return Task.FromResult(Judge(replay));
        }
        catch (RecordingException error)
        {
            throw new BadInputException($"FILE {path}: {error.Message}");
        }
    }

    /// <summary>A recorded farm, ready for its first tick.</summary>
    /// <exception cref="RecordingException">The file is no recording, or of another version.</exception>
    public static ZoneReplay<TopDownInput> Open(string path) => new(System.IO.File.OpenRead(path), MakeGame);

    private static ReplayedGame<TopDownInput> MakeGame(RecordingHeader header)
    {
        var farm = HostedFarm.Read(header.Game);
        var game = new FarmGame(farm.Options);
        return new ReplayedGame<TopDownInput>(game.Schema.Schema, game, farm.LoadMap());
    }

    private static int Judge(ZoneReplay<TopDownInput> replay)
    {
        RecordingEnd replayed = replay.Replayed;
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"replayed {replayed.Ticks} ticks, {replayed.Datagrams} datagrams out, hash {replayed.Hash:x16}"));
        if (replay.Recorded is not { } recorded)
            throw new RunFailedException("the recording has no end: it was cut short, so there is nothing to compare with");
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"recorded {recorded.Ticks} ticks, {recorded.Datagrams} datagrams out, hash {recorded.Hash:x16}"));
        Screen.WriteLine(replay.IsEqual ? "equal, byte for byte" : "different");
        return replay.IsEqual ? 0 : CommandLine.Failed;
    }
}
