using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Hectare.Cli.Terminal;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare token show</c>: what a token says, to its bearer and to a zone. Never its secret.</summary>
internal static class TokenShowCommand
{
    private const string Teaching = """
        Without keys: what the player's end can read. With keys: also what a zone reads in the sealed part. The secret is never shown; whether a token was
        used is known to the zone alone.

        Examples:
          hectare token show AQIA...                               of a token from a login service's answer
          curl ... | jq -r .token | hectare token show -           from standard input, so that no list of processes shows it
          hectare token show TOKEN --cluster-keys cluster.keys     would a zone with these keys open it, and what does it read?

        Exit code: 0 shown; 1 with --cluster-keys, when a zone would not take it; 2 this is no token.
        """;

    private static readonly Argument<string> Token = new("TOKEN") { Description = "a token's text, or - for standard input" };
    private static readonly Option<string?> Keys = Options.ClusterKeys("--cluster-keys", "The zone's key file, to open the sealed part.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("show", "Print what a connect token says; never its secret.", Teaching) { Token, Keys };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        string text = parse.GetRequiredValue(Token);
        if (text == "-")
            text = Console.In.ReadLine()?.Trim() ?? "";
        if (!ConnectToken.TryParse(text, out ConnectToken token))
            throw new BadInputException("TOKEN: this is no connect token: it must be one word of base64url, as 'hectare token mint' prints it");
        string? path = parse.GetValue(Keys);
        ClusterKeys? keys = path is null ? null : ClusterKeyFile.Read("--cluster-keys", path);
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Show("protocol", Text($"version {token.ProtocolVersion}{(token.ProtocolVersion == Handshake.ProtocolVersion ? "" : $"; this program speaks {Handshake.ProtocolVersion}")}"));
        Show("expires", Expiry(token.ExpiresUnixSeconds, now));
        Show("endpoints", string.Join(", ", token.Endpoints.ToArray()));
        Show("secret", "32 bytes, not shown");
        Show("sealed", Text($"{token.Sealed.Length} bytes under cluster key {token.KeyId}"));
        return keys is null ? 0 : ShowSealed(token, keys, path!, (ulong)now);
    }

    private static int ShowSealed(ConnectToken token, ClusterKeys keys, string path, ulong now)
    {
        var authority = new TokenAuthority(keys);
        // Without the time and the place: what it says is wanted also of one that is too late, or for another zone.
        TokenResult result = authority.TryOpen(token.Sealed, unixSeconds: 0, here: default, out OpenedToken opened);
        if (result != TokenResult.Opened)
            throw new RunFailedException($"the sealed part does not open: {Words(result, token, path)}");
        Show("client id", Text($"{opened.ClientId}"));
        Show("session", opened.Session.ToString());
        Show("token id", Text($"{opened.TokenId.High:x16}{opened.TokenId.Low:x16}"));
        Show("resume", opened.IsResume ? "yes: brings a lost player back" : "no");
        Show("user data", UserData(authority.UserData));
        return now <= opened.ExpiresUnixSeconds ? 0 : throw new RunFailedException("the token has expired: no zone takes it");
    }

    private static string Words(TokenResult result, ConnectToken token, string path) => result switch
    {
        TokenResult.UnknownKey => Text($"{path} has no key {token.KeyId}"),
        TokenResult.WrongVersion => Text($"it is for protocol version {token.ProtocolVersion}, this program speaks {Handshake.ProtocolVersion}"),
        TokenResult.BadSeal => Text($"it was not sealed under this key {token.KeyId}, or it was changed"),
        _ => "it is not the layout of a token",
    };

    private static string UserData(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return "none";
        // Bytes of a stranger on a terminal: as text only when there is nothing in it that a terminal obeys.
        string text = Utf8.IsValid(data) ? Encoding.UTF8.GetString(data) : "";
        bool isText = text.Length > 0 && !text.Any(char.IsControl);
        return Text($"{data.Length} bytes: {(isText ? $"\"{text}\"" : Convert.ToHexStringLower(data))}");
    }

    private static string Expiry(ulong expires, long now)
    {
        // The last second that the calendar has: a token may say anything.
        long seconds = (long)Math.Min(expires, 253_402_300_799);
        string when = DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("u", CultureInfo.InvariantCulture);
        return now <= seconds ? Text($"{when}, in {seconds - now} s") : Text($"{when}, {now - seconds} s ago");
    }

    private static void Show(string name, string value) => Screen.WriteLine($"{name,-10} {value}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
