using System.Security.Cryptography;
using Hectare.Transport;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>A zone with cluster keys: who has a token plays, once; who has none, or a bad one, is told so in words.</summary>
public sealed class AccessTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly ClusterKeys _keys = ClusterKeys.Of(1, RandomNumberGenerator.GetBytes(ClusterKeys.KeyBytes));

    public AccessTests()
    {
        File.WriteAllText(KeyFile, _keys.ToText());
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string KeyFile => _folder["cluster.keys"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Bots_that_mint_their_tokens_play()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);

        CliResult result = await BotsAsync(zone, "--players", "20", "--cluster-keys", KeyFile);

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain("20 players");
        zone.Process.Errors.ShouldNotContain("others than its owner");
    }

    [Fact]
    public async Task Bots_without_a_token_are_refused()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);

        CliResult result = await BotsAsync(zone, "--players", "3");

        result.ExitCode.ShouldBe(1, result.ToString());
        result.Errors.ShouldContain("0 of 3 players are connected");
        result.Errors.ShouldContain("refused: BadToken, a connect token is needed: this server gives none");
    }

    [Fact]
    public async Task A_token_is_good_once()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);
        string token = Tokens.Mint(_keys, PeerAddress.Loopback(zone.Port)).ToText();

        CliResult first = await BotsAsync(zone, "--token", token);
        CliResult second = await BotsAsync(zone, "--token", token);

        first.ExitCode.ShouldBe(0, first.ToString());
        first.Output.ShouldContain("1 players");
        second.ExitCode.ShouldBe(1, second.ToString());
        second.Errors.ShouldContain("refused: BadToken, the connect token was used before: log in again");
    }

    [Fact]
    public async Task An_expired_token_is_refused()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);

        CliResult result = await BotsAsync(zone, "--token", Tokens.Mint(_keys, PeerAddress.Loopback(zone.Port), seconds: -5).ToText());

        result.ExitCode.ShouldBe(1, result.ToString());
        result.Errors.ShouldContain("refused: BadToken, the connect token has expired: log in again");
    }

    [Fact]
    public async Task A_token_under_another_key_is_refused()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);
        var others = ClusterKeys.Of(1, RandomNumberGenerator.GetBytes(ClusterKeys.KeyBytes));

        CliResult result = await BotsAsync(zone, "--token", Tokens.Mint(others, PeerAddress.Loopback(zone.Port)).ToText());

        result.ExitCode.ShouldBe(1, result.ToString());
        result.Errors.ShouldContain("refused: BadToken, the connect token is not good here: log in again");
    }

    [Fact]
    public async Task A_token_for_another_zone_is_refused_where_the_zone_knows_its_endpoint()
    {
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile, "--endpoint", "203.0.113.7:40000");

        CliResult elsewhere = await BotsAsync(zone, "--token", Tokens.Mint(_keys, PeerAddress.Parse("203.0.113.8:40000")).ToText());
        CliResult here = await BotsAsync(zone, "--token", Tokens.Mint(_keys, PeerAddress.Parse("203.0.113.7:40000")).ToText());

        elsewhere.ExitCode.ShouldBe(1, elsewhere.ToString());
        elsewhere.Errors.ShouldContain("refused: BadToken, the connect token is for another server");
        here.ExitCode.ShouldBe(0, here.ToString());
    }

    [Fact]
    public async Task Every_key_of_the_ring_opens_so_that_keys_can_be_changed_under_players()
    {
        var next = ClusterKeys.Of(2, RandomNumberGenerator.GetBytes(ClusterKeys.KeyBytes));
        await File.WriteAllTextAsync(KeyFile, $"{next.ToText()}# the old one\n{_keys.ToText()}", TestContext.Current.CancellationToken);
        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile);

        CliResult old = await BotsAsync(zone, "--token", Tokens.Mint(_keys, PeerAddress.Loopback(zone.Port)).ToText());
        CliResult fresh = await BotsAsync(zone, "--token", Tokens.Mint(next, PeerAddress.Loopback(zone.Port)).ToText());

        old.ExitCode.ShouldBe(0, old.ToString());
        fresh.ExitCode.ShouldBe(0, fresh.ToString());
    }

    [Fact]
    public async Task A_key_file_that_others_can_read_is_warned_of()
    {
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

        await using RunningZone zone = await RunningZone.StartForAsync("--cluster-keys", KeyFile, "--seconds", "1");
        CliResult result = await zone.Process.EndAsync(30);

        result.Errors.ShouldContain("warning: others than its owner can read or change");
    }

    [Fact]
    public async Task Our_own_cipher_can_be_forbidden_and_both_ends_still_understand_each_other()
    {
        await using RunningZone zone = await StartWithoutOursAsync("--cluster-keys", KeyFile);

        CliResult bots = await BotsAsync(zone, "--players", "3", "--cluster-keys", KeyFile);

        bots.ExitCode.ShouldBe(0, bots.ToString());
        zone.Process.Errors.ShouldContain("warning: HECTARE_CIPHER=framework: AES-256-GCM runs on the framework's code");
    }

    [Fact]
    public async Task A_token_is_for_one_bot()
    {
        string token = Tokens.Mint(_keys, PeerAddress.Loopback(1)).ToText();

        CliResult result = await CliProcess.RunAsync(30, "bots", "--players", "2", "--token", token);

        result.ExitCode.ShouldBe(2, result.ToString());
        result.Errors.ShouldContain("--players 2: must be 1 with --token: a token is good once");
        result.ToString().ShouldNotContain(token[..40]);
    }

    // The variable is of this process while the zone starts; tests run one after the other.
    private static async Task<RunningZone> StartWithoutOursAsync(params string[] arguments)
    {
        Environment.SetEnvironmentVariable("HECTARE_CIPHER", "framework");
        try
        {
            return await RunningZone.StartForAsync(arguments);
        }
        finally
        {
            Environment.SetEnvironmentVariable("HECTARE_CIPHER", null);
        }
    }

    private static Task<CliResult> BotsAsync(RunningZone zone, params string[] arguments) => CliProcess.RunAsync(60, ["bots", "--server", zone.Address, "--seconds", "1", .. arguments]);
}
