using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare token mint</c>: a connect token, as a login service makes it.</summary>
internal static class TokenMintCommand
{
    private const string Teaching = """
        A login service mints a token once it knows who a player is, and gives it to the player over HTTPS. The player comes in with it: once, until it
        expires, at one of its endpoints. What is printed holds a secret: who reads it comes in as that player.

        Examples:
          hectare token mint --cluster-keys cluster.keys --endpoint 127.0.0.1:40000
          hectare token mint --cluster-keys cluster.keys --endpoint 203.0.113.7:40000,[2001:db8::7]:40000 --client-id 4711 --user-data anna --json
          hectare bots --token $(hectare token mint --cluster-keys cluster.keys --endpoint 127.0.0.1:40000)

        Every token is of a new session. A login service in a program: TokenAuthority (docs/security.md), samples/Login.
        """;

    private static readonly Option<string?> Keys = Options.ClusterKeys("--cluster-keys", "The key file; its first key seals.");
    private static readonly Option<PeerAddress[]> Endpoint = Options.Endpoints("--endpoint", "Where the token is good: addresses and ports of zones, 1 to 4, separated by commas.");
    private static readonly Option<ulong> ClientId = Options.Number("--client-id", "Who the player is to the game.", 1);
    private static readonly Option<int> Seconds = Options.Whole("--seconds", 60, 1, 86_400, "How long it is good.");
    private static readonly Option<string> UserData = Options.Make("--user-data", "Text for the game, which the player cannot change. At most 512 bytes of UTF-8.", "TEXT", "",
        "at most 512 bytes of UTF-8", (string text, out string value) => Encoding.UTF8.GetByteCount(value = text) <= TokenRequest.UserDataBytesMax);

    private static readonly Option<bool> Json = Options.Flag("--json", "Print JSON: the token and what it says.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("mint", "Make a connect token, as a login service does, and print it.", Teaching) { Keys, Endpoint, ClientId, Seconds, UserData, Json };
        command.SetAction(Run);
        return command;
    }

    /// <summary>What a token for one player says: a session of its own, good from now on.</summary>
    public static TokenRequest Request(ulong clientId, PeerAddress[] endpoints, int seconds, string userData)
    {
        var session = Random128.Read(RandomNumberGenerator.GetBytes(Random128.Bytes));
        return new TokenRequest
        {
            ClientId = clientId,
            Session = new SessionId(session.High, session.Low),
            Endpoints = endpoints,
            ExpiresUnixSeconds = (ulong)(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds),
            UserData = Encoding.UTF8.GetBytes(userData),
        };
    }

    private static int Run(ParseResult parse)
    {
        string path = parse.GetValue(Keys) ?? throw new BadInputException("--cluster-keys: needs a value: the key file (make one with 'hectare token new-key')");
        if (parse.GetRequiredValue(Endpoint) is not { Length: > 0 } endpoints)
            throw new BadInputException($"--endpoint: needs a value: {Options.EndpointsRange}");
        var authority = new TokenAuthority(ClusterKeyFile.Read("--cluster-keys", path));
        TokenRequest request = Request(parse.GetValue(ClientId), endpoints, parse.GetValue(Seconds), parse.GetRequiredValue(UserData));
        string token = authority.Mint(request, RandomNumberGenerator.GetBytes(TokenAuthority.RandomBytes)).ToText();
        Screen.WriteLine(parse.GetValue(Json)
            ? JsonSerializer.Serialize(new MintedToken(token, request.ClientId, request.Session.ToString(), [.. endpoints.Select(endpoint => endpoint.ToString())], request.ExpiresUnixSeconds), ReportJson.Default.MintedToken)
            : token);
        return 0;
    }
}

/// <summary>A token and what it says.</summary>
/// <param name="Token">Its text. Secret.</param>
/// <param name="ClientId">Who.</param>
/// <param name="Session">The stay, 32 hexadecimal digits.</param>
/// <param name="Endpoints">Where.</param>
/// <param name="Expires">Until when, seconds since 1970.</param>
internal sealed record MintedToken(string Token, ulong ClientId, string Session, string[] Endpoints, ulong Expires);
