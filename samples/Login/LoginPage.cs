using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;

namespace Hectare.Login;

/// <summary>What a player sends.</summary>
internal sealed record LoginRequest(string? Name, string? Password);

/// <summary>What it gets.</summary>
/// <param name="Token">Text of the connect token. Whoever has it comes in as this player.</param>
/// <param name="Endpoints">Where to use it: try them in turn.</param>
/// <param name="Expires">Until when, seconds since 1970.</param>
internal sealed record LoginAnswer(string Token, string[] Endpoints, ulong Expires);

/// <summary>Why not.</summary>
internal sealed record LoginRefusal(string Error);

/// <summary><c>POST /login</c>.</summary>
internal static partial class LoginPage
{
    private const int NameMax = 32;
    private const int PasswordMax = 128;

    // The same bytes for a name that nobody has and for a wrong password.
    private static readonly LoginRefusal Wrong = new("wrong name or password");
    private static readonly LoginRefusal Malformed = new($"name must be 1 to {NameMax} characters, password 1 to {PasswordMax}");

    /// <summary>Answers one login.</summary>
    public static IResult Answer(LoginRequest request, HttpContext context, Accounts accounts, TokenDesk desk, ILogger log)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (request is not { Name.Length: > 0 and <= NameMax, Password.Length: > 0 and <= PasswordMax })
            return Refuse(Malformed, StatusCodes.Status400BadRequest);
        // Neither log line holds what was typed: a password in the place of a name must not end in a log.
        if (!accounts.TryVerify(request.Name, request.Password, out ulong clientId))
        {
            Refused(log, context.Connection.RemoteIpAddress);
            return Refuse(Wrong, StatusCodes.Status401Unauthorized);
        }

        LoggedIn(log, clientId, context.Connection.RemoteIpAddress);
        return TypedResults.Json(desk.Mint(clientId, request.Name), LoginJson.Default.LoginAnswer);
    }

    private static JsonHttpResult<LoginRefusal> Refuse(LoginRefusal why, int status) => TypedResults.Json(why, LoginJson.Default.LoginRefusal, statusCode: status);

    [LoggerMessage(1, LogLevel.Information, "account {ClientId} logged in from {Address}")]
    private static partial void LoggedIn(ILogger log, ulong clientId, System.Net.IPAddress? address);

    [LoggerMessage(2, LogLevel.Warning, "wrong name or password from {Address}")]
    private static partial void Refused(ILogger log, System.Net.IPAddress? address);
}

/// <summary>The page's JSON, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LoginRequest))]
[JsonSerializable(typeof(LoginAnswer))]
[JsonSerializable(typeof(LoginRefusal))]
internal sealed partial class LoginJson : JsonSerializerContext;
