// A login service: a name and a password come in over HTTPS, a connect token goes out. It shares nothing with the zones but the cluster keys: no database,
// no connection, no call. README.md runs it in 30 seconds; docs/security.md says what a token promises.

using System.Net.Sockets;
using Hectare.Login;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

LoginOptions options;
ServerCertificate certificate;
try
{
    options = LoginOptions.Read(args);
    certificate = ServerCertificate.From(options);
}
catch (LoginOptionException error)
{
    await Console.Error.WriteLineAsync($"login: {error.Message}");
    return 2;
}

// 1. Who there is: two accounts, for trying it out.
var accounts = new Accounts();
accounts.Add("anna", "meadow-1");
accounts.Add("bert", "brook-2");

// 2. HTTPS and nothing else. A login is a few hundred bytes: what is larger is none.
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.AddServerHeader = false;
    kestrel.Limits.MaxRequestBodySize = 4096;
    kestrel.Limits.MaxConcurrentConnections = 1000;
    kestrel.Listen(options.Listen, listen => listen.UseHttps(https =>
    {
        https.ServerCertificate = certificate.Leaf;
        https.ServerCertificateChain = certificate.Chain;
    }));
});
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, LoginJson.Default));
builder.Services.AddRateLimiter(limiter => LoginLimits.Configure(limiter, options.LoginsPerMinute));

// 3. The one page.
await using WebApplication app = builder.Build();
app.UseRateLimiter();
var desk = new TokenDesk(options.ClusterKeys, options.Endpoints, options.TokenSeconds);
app.MapPost("/login", (LoginRequest request, HttpContext context) => LoginPage.Answer(request, context, accounts, desk, app.Logger));

try
{
    await app.StartAsync();
}
catch (Exception error) when (error is IOException or SocketException)
{
    await Console.Error.WriteLineAsync($"login: --listen {options.Listen}: {error.Message}");
    return 2;
}

foreach (string warning in options.Warnings)
    await Console.Error.WriteLineAsync($"warning: {warning}");
Console.WriteLine($"login up on {app.Urls.First()}, certificate sha256 {certificate.Sha256}; accounts {string.Join(", ", accounts.Names)}; Ctrl-C ends it");
await app.WaitForShutdownAsync();
return 0;
