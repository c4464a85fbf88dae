using System.CommandLine;
using System.Globalization;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Protocol;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect map</c>: writes the demo's map, or tells of one that exists.</summary>
internal static class InspectMapCommand
{
    private const string Teaching = """
        Examples:
          hectare inspect map farm.htm --seed 7                    writes the map of seed 7, when there is no such file yet
          hectare inspect map farm.htm                             size, share of blocking tiles and SHA-256 of a map that exists

        Server and client must have the same map: the handshake compares the SHA-256. The format is in docs/wire-format.md.
        """;

    private static readonly Argument<string> File = new("FILE") { Description = "a map file (.htm)" };
    private static readonly Option<ulong> Seed = Options.Seed();

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("map", "Write the demo's map of a seed to a file, or describe a map file.", Teaching) { File, Seed };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        string path = parse.GetRequiredValue(File);
        bool exists = System.IO.File.Exists(path);
        if (!exists && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            throw new BadInputException($"FILE {path}: must be a map that exists, or a new file in a folder that exists");
        TileMap map = exists ? Load(path) : FarmMap.Generate(parse.GetValue(Seed));
        if (!exists)
            System.IO.File.WriteAllBytes(path, map.ToBytes());
        long blocking = 0;
        for (int y = 0; y < map.Height; y++)
        {
            for (int x = 0; x < map.Width; x++)
                blocking += map.Blocks(x, y) ? 1 : 0;
        }

        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(exists ? "map" : $"wrote the map of seed {parse.GetValue(Seed)} to")} {path}"));
        Screen.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{map.Width} x {map.Height} tiles, {100.0 * blocking / ((long)map.Width * map.Height):0.00} % block"));
        Screen.WriteLine($"sha256 {Convert.ToHexStringLower(map.Sha256)}");
        return 0;
    }

    private static TileMap Load(string path)
    {
        try
        {
            return TileMap.Load(path);
        }
        catch (TileMapException error)
        {
            throw new BadInputException($"FILE {path}: must be a map ({error.Message})");
        }
    }
}
