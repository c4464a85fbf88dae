using System.Security.Cryptography;
using System.Text.Json;
using Hectare.Transport;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary><c>hectare token</c>: keys are made once and for one reader, tokens say what they were told to, and nothing prints a secret.</summary>
public sealed class TokenTests
{
    [Fact]
    public async Task A_key_file_is_made_for_its_owner_alone_and_never_written_over()
    {
        using var folder = new TestFolder();

        CliResult made = await RunAsync("new-key", folder["cluster.keys"], "--id", "9");
        string text = await File.ReadAllTextAsync(folder["cluster.keys"], TestContext.Current.CancellationToken);
        CliResult again = await RunAsync("new-key", folder["cluster.keys"]);

        made.ExitCode.ShouldBe(0, made.ToString());
        made.Output.ShouldContain("wrote key 9");
        File.GetUnixFileMode(folder["cluster.keys"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        ClusterKeys.TryParse(text, out ClusterKeys keys, out _).ShouldBeTrue();
        keys.CurrentId.ShouldBe((byte)9);
        again.ExitCode.ShouldBe(2, again.ToString());
        (await File.ReadAllTextAsync(folder["cluster.keys"], TestContext.Current.CancellationToken)).ShouldBe(text);
        made.ToString().ShouldNotContain(text.Trim().Split(':')[1], customMessage: "a key is printed");
    }

    [Fact]
    public async Task Rotation_adds_the_new_key_last_keeps_comments_and_ends_at_eight()
    {
        using var folder = new TestFolder();
        await RunAsync("new-key", folder["cluster.keys"]);
        await File.AppendAllTextAsync(folder["cluster.keys"], "# of the two clusters in the north", TestContext.Current.CancellationToken);

        CliResult second = await RunAsync("new-key", folder["cluster.keys"], "--add");
        CliResult taken = await RunAsync("new-key", folder["cluster.keys"], "--add", "--id", "2");
        for (int i = 3; i <= ClusterKeys.CountMax; i++)
            (await RunAsync("new-key", folder["cluster.keys"], "--add")).ExitCode.ShouldBe(0);
        CliResult ninth = await RunAsync("new-key", folder["cluster.keys"], "--add");

        second.Output.ShouldContain("added key 2");
        second.Output.ShouldContain("it opens tokens, key 1 still seals");
        second.Output.ShouldContain("then move key 2's line to the top everywhere");
        taken.ExitCode.ShouldBe(2, taken.ToString());
        taken.Errors.ShouldContain("holds a key of this id");
        ninth.ExitCode.ShouldBe(2, ninth.ToString());
        ninth.Errors.ShouldContain("it holds 8 keys, and a ring has no more");
        string[] lines = await File.ReadAllLinesAsync(folder["cluster.keys"], TestContext.Current.CancellationToken);
        lines[1].ShouldBe("# of the two clusters in the north");
        lines.Where(line => line[0] != '#').Select(line => line.Split(':')[0]).ShouldBe(["1", "2", "3", "4", "5", "6", "7", "8"]);
        File.GetUnixFileMode(folder["cluster.keys"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.GetFiles(Path.GetDirectoryName(folder["cluster.keys"])!).Length.ShouldBe(1);
    }

    [Fact]
    public async Task A_minted_token_says_to_a_zone_what_it_was_told()
    {
        using var folder = new TestFolder();
        await RunAsync("new-key", folder["cluster.keys"]);

        CliResult minted = await RunAsync("mint", "--cluster-keys", folder["cluster.keys"], "--endpoint", "203.0.113.7:40000,[2001:db8::7]:40001",
            "--client-id", "4711", "--seconds", "30", "--user-data", "Größe", "--json");

        minted.ExitCode.ShouldBe(0, minted.ToString());
        using var json = JsonDocument.Parse(minted.Output);
        ConnectToken.TryParse(json.RootElement.GetProperty("token").GetString(), out ConnectToken token).ShouldBeTrue();
        token.Endpoints.ToArray().ShouldBe([PeerAddress.Parse("203.0.113.7:40000"), PeerAddress.Parse("[2001:db8::7]:40001")]);
        ulong now = (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        token.ExpiresUnixSeconds.ShouldBeInRange(now, now + 30);
        ClusterKeys.TryParse(await File.ReadAllTextAsync(folder["cluster.keys"], TestContext.Current.CancellationToken), out ClusterKeys keys, out _).ShouldBeTrue();
        var authority = new TokenAuthority(keys);
        authority.TryOpen(token.Sealed, now, default, out OpenedToken opened).ShouldBe(TokenResult.Opened);
        opened.ClientId.ShouldBe(4711UL);
        opened.Session.ToString().ShouldBe(json.RootElement.GetProperty("session").GetString());
        opened.IsResume.ShouldBeFalse();
        authority.UserData.ToArray().ShouldBe("Größe"u8.ToArray());
    }

    [Fact]
    public async Task Show_tells_the_player_s_part_the_zone_s_part_and_never_the_secret()
    {
        using var folder = new TestFolder();
        await RunAsync("new-key", folder["cluster.keys"]);
        await RunAsync("new-key", folder["others.keys"]);
        await RunAsync("new-key", folder["another.keys"], "--id", "5");
        string text = (await RunAsync("mint", "--cluster-keys", folder["cluster.keys"], "--endpoint", "127.0.0.1:40000", "--client-id", "4711", "--user-data", "anna")).Output.Trim();

        CliResult open = await RunAsync("show", text);
        CliResult withKeys = await RunAsync("show", text, "--cluster-keys", folder["cluster.keys"]);
        CliResult sameId = await RunAsync("show", text, "--cluster-keys", folder["others.keys"]);
        CliResult otherId = await RunAsync("show", text, "--cluster-keys", folder["another.keys"]);

        open.ExitCode.ShouldBe(0, open.ToString());
        open.Output.ShouldContain("endpoints  127.0.0.1:40000");
        open.Output.ShouldContain("under cluster key 1");
        open.Output.ShouldNotContain("4711");
        withKeys.ExitCode.ShouldBe(0, withKeys.ToString());
        withKeys.Output.ShouldContain("client id  4711");
        withKeys.Output.ShouldContain("user data  4 bytes: \"anna\"");
        sameId.ExitCode.ShouldBe(1, sameId.ToString());
        sameId.Errors.ShouldContain("it was not sealed under this key 1, or it was changed");
        otherId.ExitCode.ShouldBe(1, otherId.ToString());
        otherId.Errors.ShouldContain("has no key 1");
        ConnectToken.TryParse(text, out ConnectToken token).ShouldBeTrue();
        string said = open.ToString() + withKeys;
        said.ShouldNotContain(Convert.ToHexString(token.Secret.ToArray()), Case.Insensitive);
        said.ShouldNotContain(text[..40]);
    }

    [Fact]
    public async Task Show_never_gives_a_terminal_what_it_would_obey()
    {
        using var folder = new TestFolder();
        var keys = ClusterKeys.Of(1, RandomNumberGenerator.GetBytes(ClusterKeys.KeyBytes));
        await File.WriteAllTextAsync(folder["cluster.keys"], keys.ToText(), TestContext.Current.CancellationToken);
        ConnectToken token = Tokens.Mint(keys, PeerAddress.Loopback(1), seconds: -5, userData: "\e[2Jgone"u8.ToArray());

        CliResult shown = await RunAsync("show", token.ToText(), "--cluster-keys", folder["cluster.keys"]);

        shown.ExitCode.ShouldBe(1, shown.ToString());
        shown.Output.ShouldContain("user data  8 bytes: 1b5b324a676f6e65");
        shown.Output.ShouldContain(" s ago");
        shown.Errors.ShouldContain("the token has expired: no zone takes it");
    }

    private static Task<CliResult> RunAsync(params string[] arguments) => CliProcess.RunAsync(30, ["token", .. arguments]);
}
