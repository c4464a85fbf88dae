using System.CommandLine;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect</c>: looks into what runs and what is agreed on.</summary>
internal static class InspectCommand
{
    /// <summary>The command.</summary>
    public static Command Create() => new("inspect", "Look at the schema, the map, a capture, or what a running zone tells a player and why.")
    {
        InspectSchemaCommand.Create(),
        InspectMapCommand.Create(),
        InspectPeerCommand.Create(),
        InspectDissectorCommand.Create(),
        InspectDecryptCommand.Create(),
    };
}
