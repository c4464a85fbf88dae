using System.CommandLine;
using Hectare.Cli.Commands;

namespace Hectare.Cli;

/// <summary>The command <c>hectare</c>. Exit codes: 0 good, 1 a run that failed, 2 bad input.</summary>
internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        var root = new RootCommand("Hectare: netcode and zone server. One hectare is 10,000 square metres; the aim is one zone for 10,000 players.")
        {
            DemoCommand.Create(),
            ServeCommand.Create(),
            BotsCommand.Create(),
            LoadCommand.Create(),
            FloorCommand.Create(),
            ReplayCommand.Create(),
            InspectCommand.Create(),
            TokenCommand.Create(),
        };
        return CommandLine.RunAsync(root, args);
    }
}
