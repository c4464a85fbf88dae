using System.Security.Cryptography;
using Hectare.Transport;

namespace Hectare.SystemTests;

/// <summary>Tokens as a login service makes them, and some that none would.</summary>
internal static class Tokens
{
    public static ConnectToken Mint(ClusterKeys keys, PeerAddress endpoint, int seconds = 60, ulong clientId = 7, byte[]? userData = null)
    {
        var session = Random128.Read(RandomNumberGenerator.GetBytes(Random128.Bytes));
        var request = new TokenRequest
        {
            ClientId = clientId,
            Session = new SessionId(session.High, session.Low),
            Endpoints = [endpoint],
            ExpiresUnixSeconds = (ulong)(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds),
            UserData = userData ?? [],
        };
        return new TokenAuthority(keys).Mint(request, RandomNumberGenerator.GetBytes(TokenAuthority.RandomBytes));
    }
}
