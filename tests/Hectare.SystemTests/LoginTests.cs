using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hectare.Client;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary><c>samples/Login</c>, a zone and a client as three programs that share a key file and nothing else.</summary>
public sealed partial class LoginTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly ClusterKeys _keys = ClusterKeys.Of(3, RandomNumberGenerator.GetBytes(ClusterKeys.KeyBytes));

    public LoginTests()
    {
        File.WriteAllText(KeyFile, _keys.ToText());
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string KeyFile => _folder["cluster.keys"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Name_and_password_over_https_become_a_token_that_a_zone_takes_once_and_its_game_sees_who_came()
    {
        using var zone = new GuestBook(_keys);
        await using RunningLogin login = await RunningLogin.StartAsync(KeyFile, zone.Address.ToString());

        Answer answer = await login.LogInAsync("bert", "brook-2");

        answer.Status.ShouldBe(HttpStatusCode.OK, answer.Body);
        using var json = JsonDocument.Parse(answer.Body);
        json.RootElement.GetProperty("endpoints").EnumerateArray().Select(endpoint => endpoint.GetString()).ShouldHaveSingleItem().ShouldBe(zone.Address.ToString());
        ConnectToken.TryParse(json.RootElement.GetProperty("token").GetString(), out ConnectToken token).ShouldBeTrue();
        token.ExpiresUnixSeconds.ShouldBe(json.RootElement.GetProperty("expires").GetUInt64());
        token.ExpiresUnixSeconds.ShouldBeInRange(0UL, (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 60);
        GameClient<TopDownInput> first = await PlayAsync(zone.Schema, token), second = await PlayAsync(zone.Schema, token);
        first.IsJoined.ShouldBeTrue(first.CloseReason.ToString());
        first.Avatar.ShouldNotBe(EntityId.None);
        second.CloseReason.ShouldBe(new CloseReason(CloseCause.Refused, CloseCode.None, RefuseReason.BadToken, "the connect token was used before: log in again"));
        Arrival arrival = zone.Arrivals.ShouldHaveSingleItem();
        (OpenedToken opened, string name) = Open(new TokenAuthority(_keys), answer, zone.Address);
        (arrival.ClientId, arrival.Session).ShouldBe((opened.ClientId, opened.Session));
        (System.Text.Encoding.UTF8.GetString(arrival.UserData.Span), name).ShouldBe(("bert", "bert"));
    }

    [Fact]
    public async Task An_account_keeps_its_client_id_and_every_login_is_a_session_of_its_own()
    {
        await using RunningLogin login = await RunningLogin.StartAsync(KeyFile, "127.0.0.1:40000");
        var authority = new TokenAuthority(_keys);

        (OpenedToken first, string name) = Open(authority, await login.LogInAsync("anna", "meadow-1"), PeerAddress.Loopback(40000));
        (OpenedToken second, _) = Open(authority, await login.LogInAsync("anna", "meadow-1"), PeerAddress.Loopback(40000));
        (OpenedToken other, string otherName) = Open(authority, await login.LogInAsync("bert", "brook-2"), PeerAddress.Loopback(40000));

        second.ClientId.ShouldBe(first.ClientId);
        second.Session.ShouldNotBe(first.Session);
        second.TokenId.ShouldNotBe(first.TokenId);
        other.ClientId.ShouldNotBe(first.ClientId);
        (name, otherName).ShouldBe(("anna", "bert"));
    }

    [Fact]
    public async Task A_wrong_password_and_an_unknown_name_are_told_apart_by_nothing()
    {
        await using RunningLogin login = await RunningLogin.StartAsync(KeyFile, "127.0.0.1:40000");

        Answer wrong = await login.LogInAsync("anna", "brook-2");
        var time = Stopwatch.StartNew();
        Answer unknown = await login.LogInAsync("carl", "brook-2");
        time.Stop();
        Answer empty = await login.LogInAsync("", "brook-2");
        Answer tooLong = await login.LogInAsync("anna", new string('x', 129));
        Answer huge = await login.LogInAsync("anna", new string('x', 5000));
        await login.Process.SaysAsync("wrong name or password from 127.0.0.1", 10);

        wrong.Status.ShouldBe(HttpStatusCode.Unauthorized);
        (unknown.Status, unknown.Body, unknown.Headers).ShouldBe((wrong.Status, wrong.Body, wrong.Headers));
        // The hash of a password that nobody has is made too. No processor makes 600,000 rounds in less; without them an answer takes a millisecond or two.
        time.Elapsed.ShouldBeGreaterThan(TimeSpan.FromMilliseconds(30));
        empty.Status.ShouldBe(HttpStatusCode.BadRequest);
        tooLong.Status.ShouldBe(HttpStatusCode.BadRequest);
        huge.Status.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        login.Process.Output.ShouldNotContain("brook-2");
    }

    [Fact]
    public async Task An_address_that_tries_too_often_has_to_wait()
    {
        await using RunningLogin login = await RunningLogin.StartAsync(KeyFile, "127.0.0.1:40000", "--logins-per-minute", "2");

        Answer[] answers = [await login.LogInAsync("anna", "1"), await login.LogInAsync("bert", "2"), await login.LogInAsync("anna", "meadow-1")];

        // The minute begins with the first of them.
        answers[0].Status.ShouldBe(HttpStatusCode.Unauthorized);
        answers[1].Status.ShouldBe(HttpStatusCode.Unauthorized);
        answers[2].Status.ShouldBe(HttpStatusCode.TooManyRequests, answers[2].Body);
        answers[2].RetryAfter.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Nothing_answers_without_https_and_the_certificate_is_another_at_each_start()
    {
        await using RunningLogin login = await RunningLogin.StartAsync(KeyFile, "127.0.0.1:40000");
        await using RunningLogin another = await RunningLogin.StartAsync(KeyFile, "127.0.0.1:40000");
        using var plain = new HttpClient();
        using var trusting = new HttpClient();

        await Should.ThrowAsync<HttpRequestException>(() => plain.GetStringAsync(new Uri($"http://{login.Address.Authority}/login"), TestContext.Current.CancellationToken));
        await Should.ThrowAsync<HttpRequestException>(() => trusting.GetStringAsync(new Uri(login.Address, "login"), TestContext.Current.CancellationToken));

        login.Certificate.ShouldNotBe(another.Certificate, StringComparer.Ordinal);
        login.Process.Errors.ShouldContain("the certificate is of our own making, for development");
    }

    [Theory]
    [InlineData("", "--cluster-keys FILE: needed; make one with 'hectare token new-key FILE'")]
    [InlineData("--cluster-keys /etc/passwd --endpoint 127.0.0.1:1", "--cluster-keys /etc/passwd: line 1: must be 'id:key'")]
    [InlineData("--cluster-keys KEYS", "--endpoint ADDRESS:PORT: needed: where players find the zone")]
    [InlineData("--cluster-keys KEYS --endpoint localhost", "--endpoint localhost: must be 1 to 4 of address:port")]
    [InlineData("--cluster-keys KEYS --endpoint 127.0.0.1:1 --listen 0.0.0.0:5001", "--listen 0.0.0.0:5001: beyond this machine it needs a certificate")]
    [InlineData("--cluster-keys KEYS --endpoint 127.0.0.1:1 --certificate /etc/passwd", "--certificate /etc/passwd: must be a PEM file with a certificate")]
    [InlineData("--cluster-keys KEYS --endpoint 127.0.0.1:1 --logins-per-minute 0", "--logins-per-minute 0: must be a whole number from 1 to 10000")]
    [InlineData("--cluster-keys KEYS --endpoint 127.0.0.1:1 --verbose", "--verbose: must be an option and its value")]
    [InlineData("--cluster-keys KEYS --endpoint 127.0.0.1:1 --verbose yes", "--verbose: unknown option; there are --cluster-keys, --endpoint")]
    public async Task A_wrong_option_is_one_line_and_exit_code_2(string arguments, string expected)
    {
        await using var login = CliProcess.StartLogin(arguments.Replace("KEYS", KeyFile, StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries));

        CliResult result = await login.EndAsync(30);

        result.ExitCode.ShouldBe(2, result.ToString());
        result.Errors.Trim().Split('\n').Length.ShouldBe(1, result.ToString());
        result.Errors.ShouldStartWith("login: ");
        result.Errors.ShouldContain(expected);
    }

    private static (OpenedToken Token, string Name) Open(TokenAuthority authority, Answer answer, PeerAddress zone)
    {
        answer.Status.ShouldBe(HttpStatusCode.OK, answer.Body);
        using var json = JsonDocument.Parse(answer.Body);
        ConnectToken.TryParse(json.RootElement.GetProperty("token").GetString(), out ConnectToken token).ShouldBeTrue();
        authority.TryOpen(token.Sealed, (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds(), [zone], out OpenedToken opened).ShouldBe(TokenResult.Opened);
        return (opened, System.Text.Encoding.UTF8.GetString(authority.UserData));
    }

    private static async Task<GameClient<TopDownInput>> PlayAsync(Schema schema, ConnectToken token)
    {
        var client = new GameClient<TopDownInput>(new ClientOptions(), schema);
        using var socket = new UdpSocket(new UdpSocketOptions());
        var batch = new DatagramBatch();
        client.Connect(Clock.NowNs, Random128.Read(RandomNumberGenerator.GetBytes(Random128.Bytes)), token);
        for (DateTime latest = DateTime.UtcNow.AddSeconds(20); !client.IsJoined && client.State != ClientState.Closed && DateTime.UtcNow < latest;)
        {
            socket.Receive(batch);
            for (int i = 0; i < batch.Count; i++)
                client.Receive(batch.MutableDatagram(i), Clock.NowNs);
            client.Update(Clock.NowNs);
            batch.Clear();
            while (client.TryTakeDatagram(batch.Buffer(batch.Count), out int bytes))
                batch.Add(token.Endpoints[0], bytes);
            socket.Send(batch);
            await Task.Delay(5);
        }

        return client;
    }

    /// <summary>What came back.</summary>
    private sealed record Answer(HttpStatusCode Status, string Body, string Headers, TimeSpan? RetryAfter);

    /// <summary>The service as a process on a free port, and a client that trusts its certificate alone.</summary>
    private sealed partial class RunningLogin : IAsyncDisposable
    {
        private readonly HttpClient _http;

        private RunningLogin(CliProcess process, Uri address, string certificate)
        {
            (Process, Address, Certificate) = (process, address, certificate);
            var handler = new HttpClientHandler
            {
                // One certificate by its hash: stricter than any chain.
#pragma warning disable MA0039
                ServerCertificateCustomValidationCallback = (_, shown, _, _) => shown!.GetCertHashString(HashAlgorithmName.SHA256).Equals(certificate, StringComparison.OrdinalIgnoreCase),
#pragma warning restore MA0039
            };
            _http = new HttpClient(handler) { BaseAddress = address };
        }

        public CliProcess Process { get; }

        public Uri Address { get; }

        public string Certificate { get; }

        public static async Task<RunningLogin> StartAsync(string keyFile, string endpoint, params string[] more)
        {
            var process = CliProcess.StartLogin(["--cluster-keys", keyFile, "--endpoint", endpoint, "--listen", "127.0.0.1:0", .. more]);
            await process.SaysAsync("login up on", 30);
            Match up = UpPattern().Match(process.Output);
            return new RunningLogin(process, new Uri(up.Groups["address"].Value), up.Groups["certificate"].Value);
        }

        public async Task<Answer> LogInAsync(string name, string password)
        {
            using HttpResponseMessage response = await _http.PostAsJsonAsync("login", new { name, password }, TestContext.Current.CancellationToken);
            string headers = string.Join('\n', response.Headers.Concat(response.Content.Headers).Where(header => header.Key != "Date")
                .Select(header => string.Create(CultureInfo.InvariantCulture, $"{header.Key}: {string.Join(',', header.Value)}")));
            return new Answer(response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), headers, response.Headers.RetryAfter?.Delta);
        }

        public ValueTask DisposeAsync()
        {
            _http.Dispose();
            return Process.DisposeAsync();
        }

        [GeneratedRegex("login up on (?<address>https://[0-9.:]+), certificate sha256 (?<certificate>[0-9a-f]{64})", RegexOptions.ExplicitCapture, 1000)]
        private static partial Regex UpPattern();
    }
}
