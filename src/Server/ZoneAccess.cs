using System.Text.Json.Serialization;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Who may come in, and what the zone needs to know it.</summary>
/// <remarks>A recording keeps it, keys and all: only so can a replay open what clients sent.</remarks>
public sealed record ZoneAccess
{
    /// <summary>The cluster's keys, as the text of a key file (<see cref="ClusterKeys.ToText"/>): tokens sealed under any of them are taken. Null: the zone
    /// draws one of its own at start, so only tokens that it mints itself are.</summary>
    public string? Keys { get; init; }

    /// <summary>Gives a token to anyone who asks over loopback. Default true: a zone without a login service is for development; nobody else can come in.</summary>
    public bool Open { get; init; } = true;

    /// <summary>This zone's addresses as tokens name them, 0 to 4. Default none: a token for any endpoint is taken. Where one login service serves several
    /// zones, set it: a token for another zone is then refused.</summary>
    public string[] Endpoints { get; init; } = [];

    /// <summary>The time of day at the zone's first tick, seconds since 1970: tokens expire by it. Default 0: tests, where nothing expires.</summary>
    public ulong StartUnixSeconds { get; init; }

    /// <summary>How long a lost player may come back to session and avatar, s. Default 900, 0 to 86,400. 0: not at all.</summary>
    public int ResumeSeconds { get; init; } = 900;

    /// <summary><see cref="Endpoints"/>, read.</summary>
    [JsonIgnore]
    internal PeerAddress[] Addresses => [.. Endpoints.Select(text => PeerAddress.Parse(text))];

    internal void Validate()
    {
        OptionException.Check(nameof(ResumeSeconds), ResumeSeconds, 0, 86_400, "s");
        OptionException.Check(nameof(Endpoints), Endpoints.Length, 0, ConnectToken.EndpointsMax, "endpoints");
        foreach (string endpoint in Endpoints)
        {
            if (!PeerAddress.TryParse(endpoint, out _))
                throw new OptionException(nameof(Endpoints), endpoint, "an address and port such as 203.0.113.7:4000");
        }

        if (Keys is not null && !ClusterKeys.TryParse(Keys, out _, out string error))
            throw new OptionException(nameof(Keys), "(secret)", $"the text of a key file ({error})");
    }
}
