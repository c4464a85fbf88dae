using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary>How bots come into a zone that wants tokens: by minting their own, or the one by a token that it was given.</summary>
internal static class BotTokens
{
    private const int Seconds = 60;

    /// <summary>The option <c>--cluster-keys</c>.</summary>
    public static readonly Option<string?> ClusterKeys = Options.ClusterKeys("--cluster-keys", "For a zone that wants connect tokens: its key file, to mint one for each bot.");

    /// <summary>The option <c>--token</c>.</summary>
    public static readonly Option<string?> Token = Options.Make<string?>("--token", "A connect token for one bot, as a login service gives it.", "TEXT", null,
        "the text of a connect token", (string text, out string? value) => (value = text).Length > 0);

    /// <summary>True when either option is there.</summary>
    public static bool AreGiven(ParseResult parse) => parse.GetValue(ClusterKeys) is not null || parse.GetValue(Token) is not null;

    /// <summary>The tokens that were asked for, by a bot's number; null: bots ask the zone for one.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="playersOption">The option that says how many bots there are.</param>
    /// <param name="players">How many: one when it was left away beside <c>--token</c>.</param>
    /// <param name="server">The zone.</param>
    /// <exception cref="BadInputException">The options contradict each other.</exception>
    public static Func<int, ConnectToken>? Of(ParseResult parse, Option<int> playersOption, PeerAddress server, ref int players)
    {
        string? path = parse.GetValue(ClusterKeys);
        if (parse.GetValue(Token) is { } text)
            return OfOne(parse, playersOption, text, path is not null, ref players);
        if (path is null)
            return null;
        var authority = new TokenAuthority(ClusterKeyFile.Read("--cluster-keys", path));
        return bot => authority.Mint(TokenMintCommand.Request((ulong)bot + 1, [server], Seconds, ""), RandomNumberGenerator.GetBytes(TokenAuthority.RandomBytes));
    }

    private static Func<int, ConnectToken> OfOne(ParseResult parse, Option<int> playersOption, string text, bool hasKeys, ref int players)
    {
        if (hasKeys)
            throw new BadInputException("bots: --token or --cluster-keys, one of the two");
        // The text is not repeated: it may be a token that lost its last letter.
        if (!ConnectToken.TryParse(text, out ConnectToken token))
            throw new BadInputException("--token: this is no connect token: it must be one word of base64url, as 'hectare token mint' prints it");
        players = parse.GetResult(playersOption) is { Implicit: false } ? players : 1;
        return players == 1 ? _ => token : throw new BadInputException(string.Create(CultureInfo.InvariantCulture, $"--players {players}: must be 1 with --token: a token is good once"));
    }
}
