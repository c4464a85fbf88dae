using System.CommandLine;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare token</c>: cluster keys, and the connect tokens that are sealed under them.</summary>
internal static class TokenCommand
{
    /// <summary>The command.</summary>
    public static Command Create() => new("token", "Make cluster keys; mint connect tokens as a login service does, and look into them.")
    {
        TokenNewKeyCommand.Create(),
        TokenMintCommand.Create(),
        TokenShowCommand.Create(),
    };
}
