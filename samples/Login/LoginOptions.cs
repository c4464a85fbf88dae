using System.Globalization;
using System.Net;
using Hectare.Transport;
using Microsoft.Extensions.Configuration;

namespace Hectare.Login;

/// <summary>An option that cannot be: one line, exit code 2.</summary>
internal sealed class LoginOptionException(string message) : Exception(message);

/// <summary>What the service is told when it starts.</summary>
internal sealed record LoginOptions
{
    private static readonly string[] Names = ["cluster-keys", "endpoint", "listen", "certificate", "certificate-key", "token-seconds", "logins-per-minute"];

    /// <summary><c>--cluster-keys FILE</c>: keys shared with the zones, as <c>hectare token new-key</c> makes them. The first seals.</summary>
    public required ClusterKeys ClusterKeys { get; init; }

    /// <summary><c>--endpoint ADDRESS:PORT[,...]</c>: where players find the zone, 1 to 4.</summary>
    public required PeerAddress[] Endpoints { get; init; }

    /// <summary><c>--listen ADDRESS:PORT</c>: default 127.0.0.1:5001; port 0: any.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary><c>--certificate FILE</c>: PEM, with the chain if there is one. Null: one of our own making.</summary>
    public string? Certificate { get; init; }

    /// <summary><c>--certificate-key FILE</c>: PEM; default the certificate's file.</summary>
    public string? CertificateKey { get; init; }

    /// <summary><c>--token-seconds N</c>: how long a token is good, 1 to 3,600. Default 60: the time from the login page to the zone, with a bad network in between.</summary>
    public required int TokenSeconds { get; init; }

    /// <summary><c>--logins-per-minute N</c>: of one address, 1 to 10,000. Default 10. More helps players behind one router, and who guesses passwords.</summary>
    public required int LoginsPerMinute { get; init; }

    /// <summary>What to warn of.</summary>
    public required string[] Warnings { get; init; }

    /// <summary>Reads the command line.</summary>
    /// <exception cref="LoginOptionException">An option is unknown, missing, or out of its range.</exception>
    public static LoginOptions Read(string[] args)
    {
        IConfiguration given = ReadPairs(args);
        if (given.AsEnumerable().Select(pair => pair.Key).FirstOrDefault(name => !Names.Contains(name, StringComparer.OrdinalIgnoreCase)) is { } unknown)
            throw new LoginOptionException($"--{unknown}: unknown option; there are --{string.Join(", --", Names)}");
        string keyFile = given["cluster-keys"] ?? throw new LoginOptionException("--cluster-keys FILE: needed; make one with 'hectare token new-key FILE'");
        string endpoints = given["endpoint"] ?? throw new LoginOptionException("--endpoint ADDRESS:PORT: needed: where players find the zone");
        string listen = given["listen"] ?? "127.0.0.1:5001";
        var options = new LoginOptions
        {
            ClusterKeys = ReadKeys(keyFile),
            Endpoints = ReadEndpoints(endpoints),
            Listen = IPEndPoint.TryParse(listen, out IPEndPoint? address) ? address : throw new LoginOptionException($"--listen {listen}: must be an address and port such as 127.0.0.1:5001"),
            Certificate = given["certificate"],
            CertificateKey = given["certificate-key"],
            TokenSeconds = ReadNumber(given, "token-seconds", 60, 1, 3600),
            LoginsPerMinute = ReadNumber(given, "logins-per-minute", 10, 1, 10_000),
            Warnings = [.. WarningsOf(keyFile, given["certificate"])],
        };
        // Who is made to click a warning away once, clicks it away in front of an attacker too.
        return options.Certificate is not null || IPAddress.IsLoopback(options.Listen.Address)
            ? options
            : throw new LoginOptionException($"--listen {listen}: beyond this machine it needs a certificate that players' machines trust: --certificate FILE");
    }

    // The framework's reader of command lines passes over what it does not understand.
    private static IConfiguration ReadPairs(string[] args)
    {
        for (int i = 0; i < args.Length; i += args[i].Contains('=', StringComparison.Ordinal) ? 1 : 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || (!args[i].Contains('=', StringComparison.Ordinal) && i + 1 == args.Length))
                throw new LoginOptionException($"{args[i]}: must be an option and its value, such as --endpoint 127.0.0.1:40000");
        }

        return new ConfigurationBuilder().AddCommandLine(args).Build();
    }

    private static ClusterKeys ReadKeys(string path)
    {
        try
        {
            return ClusterKeys.TryParse(File.ReadAllText(path), out ClusterKeys keys, out string error) ? keys : throw new LoginOptionException($"--cluster-keys {path}: {error}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LoginOptionException($"--cluster-keys {path}: {error.Message}");
        }
    }

    private static PeerAddress[] ReadEndpoints(string text)
    {
        string[] parts = text.Split(',');
        var endpoints = new PeerAddress[parts.Length];
        bool isRead = parts.Length <= ConnectToken.EndpointsMax;
        for (int i = 0; isRead && i < parts.Length; i++)
            isRead = PeerAddress.TryParse(parts[i], out endpoints[i]) && endpoints[i].Port > 0;
        return isRead ? endpoints : throw new LoginOptionException($"--endpoint {text}: must be 1 to {ConnectToken.EndpointsMax} of address:port, separated by commas, such as 203.0.113.7:40000");
    }

    private static int ReadNumber(IConfiguration given, string name, int otherwise, int min, int max)
    {
        if (given[name] is not { } text)
            return otherwise;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max
            ? value
            : throw new LoginOptionException($"--{name} {text}: must be a whole number from {min} to {max}");
    }

    private static IEnumerable<string> WarningsOf(string keyFile, string? certificate)
    {
        if (certificate is null)
            yield return "the certificate is of our own making, for development: no machine trusts it; for players use --certificate";
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(keyFile) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != UnixFileMode.None)
            yield return $"others than its owner can read or change {keyFile}: who has a cluster key comes in as anyone; 'chmod 600' it, and rotate";
    }
}
