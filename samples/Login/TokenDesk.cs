using System.Security.Cryptography;
using System.Text;
using Hectare.Transport;

namespace Hectare.Login;

/// <summary>Mints connect tokens. Any thread.</summary>
/// <param name="keys">Shared with the zones.</param>
/// <param name="endpoints">Where the tokens are good.</param>
/// <param name="seconds">How long.</param>
internal sealed class TokenDesk(ClusterKeys keys, PeerAddress[] endpoints, int seconds)
{
    private readonly TokenAuthority _authority = new(keys);
    private readonly Lock _turn = new();

    /// <summary>A token for a player who has just proved who it is.</summary>
    public LoginAnswer Mint(ulong clientId, string name)
    {
        // A session is one stay: fresh at each login. A player who only lost the network comes back with the zone's own resume token instead.
        var session = Random128.Read(RandomNumberGenerator.GetBytes(Random128.Bytes));
        var request = new TokenRequest
        {
            ClientId = clientId,
            Session = new SessionId(session.High, session.Low),
            Endpoints = endpoints,
            ExpiresUnixSeconds = (ulong)(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds),
            UserData = Encoding.UTF8.GetBytes(name),
        };
        lock (_turn)
        {
            ConnectToken token = _authority.Mint(request, RandomNumberGenerator.GetBytes(TokenAuthority.RandomBytes));
            return new LoginAnswer(token.ToText(), [.. endpoints.Select(endpoint => endpoint.ToString())], token.ExpiresUnixSeconds);
        }
    }
}
