using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>A client that has proved its address, its token and that it holds the token's secret, and asks for a connection.</summary>
public readonly record struct ConnectRequest
{
    /// <summary>Where it is.</summary>
    public PeerAddress From { get; internal init; }

    /// <summary>Names this attempt of this client: the same in every copy of its response.</summary>
    public Random128 ClientRandom { get; internal init; }

    /// <summary>The server's share of the keys.</summary>
    public Random128 ServerRandom { get; internal init; }

    /// <summary>When the server made the challenge that it answers, ns: of two attempts of one address the later one counts.</summary>
    public long ChallengedNs { get; internal init; }

    /// <summary>Hash of the schema that the client was built with.</summary>
    public ulong SchemaHash { get; internal init; }

    /// <summary>SHA-256 of the client's map; <see cref="Hash256.IsNone"/> when it has none.</summary>
    public Hash256 MapHash { get; internal init; }

    /// <summary>Who it is, by its token. Whether the token was used before is for the caller to know.</summary>
    public OpenedToken Token { get; internal init; }

    internal ConnectionKeys Keys { get; init; }

    /// <summary>What opens the connection's packets in a capture. For development.</summary>
    /// <param name="connectionId">The id that the connection is given.</param>
    public TrafficSecrets ExportKeys(ulong connectionId) => new(connectionId, Keys.Suite, Keys.ClientTraffic.ToArray(), Keys.ServerTraffic.ToArray());
}

/// <summary>Handshake packets by what became of them.</summary>
public sealed class HandshakeCounters
{
    private readonly long[] _badTokens = new long[(int)TokenResult.WrongEndpoint + 1];

    /// <summary>Requests answered by a challenge.</summary>
    public long Challenged { get; internal set; }

    /// <summary>Requests of another protocol version, refused.</summary>
    public long WrongVersion { get; internal set; }

    /// <summary>Not a request or response: wrong length, magic or checksum.</summary>
    public long Malformed { get; internal set; }

    /// <summary>Responses whose cookie this server did not make for that address.</summary>
    public long BadCookie { get; internal set; }

    /// <summary>Responses whose cookie is older than it may be.</summary>
    public long ExpiredCookie { get; internal set; }

    /// <summary>Responses that proved their address, and whose token does not open: <see cref="TokenResult"/> from Malformed on, one counter each.</summary>
    public long BadToken(TokenResult result) => _badTokens[(int)result];

    /// <summary>Responses whose sender does not hold the secret of the token they bring.</summary>
    public long BadMac { get; internal set; }

    /// <summary>Requests and responses of clients that share no cipher with this server, or answer another than was chosen.</summary>
    public long NoCipher { get; internal set; }

    /// <summary>Tokens given to who asked for one.</summary>
    public long Granted { get; internal set; }

    /// <summary>Asks for a token that were refused.</summary>
    public long NotGranted { get; internal set; }

    /// <summary>Responses that proved everything (copies included).</summary>
    public long Verified { get; internal set; }

    internal void CountBadToken(TokenResult result) => _badTokens[(int)result]++;
}

/// <summary>A server's side of the handshake. Keeps nothing of strangers: what must be remembered travels in the cookie.</summary>
/// <remarks>The caller owns the connections: for a verified response of an attempt that it already knows (<see cref="Connection.IsSameAttempt"/>)
/// it sends the acceptance again, since the first may have been lost. Allocates nothing. One thread at a time.</remarks>
public sealed class HandshakeServer
{
    /// <summary>A cookie is good for this long.</summary>
    public const long CookieLifetimeNs = 10_000_000_000;

    private readonly byte[] _secret;
    private readonly TokenAuthority _tokens;
    private readonly PeerAddress[] _endpoints;
    private readonly CipherSuites _suites;
    private readonly ushort _version;
    private readonly string _versionText;

    /// <summary>Starts with a secret of 32 random bytes; another secret voids all cookies.</summary>
    /// <param name="secret">Makes the cookies.</param>
    /// <param name="tokens">Opens the clients' tokens.</param>
    /// <param name="endpoints">This server's addresses as tokens name them; empty: tokens for any are taken.</param>
    public HandshakeServer(ReadOnlySpan<byte> secret, TokenAuthority tokens, params PeerAddress[] endpoints)
        : this(secret, tokens, PacketCipherSuites.Here, Handshake.ProtocolVersion, endpoints)
    {
    }

    internal HandshakeServer(ReadOnlySpan<byte> secret, TokenAuthority tokens, CipherSuites suites, ushort version, params PeerAddress[] endpoints)
    {
        if (secret.Length != 32)
            throw new ArgumentException("the secret must be 32 bytes", nameof(secret));
        ArgumentNullException.ThrowIfNull(tokens);
        _secret = secret.ToArray();
        _tokens = tokens;
        _suites = suites;
        _endpoints = endpoints;
        _version = version;
        _versionText = string.Create(CultureInfo.InvariantCulture, $"the server speaks protocol version {version}, the client ");
    }

    /// <summary>What came in so far.</summary>
    public HandshakeCounters Counters { get; } = new();

    /// <summary>User data of the token of the request verified last; gone with the next.</summary>
    public ReadOnlySpan<byte> UserData => _tokens.UserData;

    /// <summary>Answers a request: a challenge, or a refusal of its version.</summary>
    /// <param name="datagram">A datagram of type request.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="nowNs">The server's monotonic time.</param>
    /// <param name="serverRandom">Fresh random bytes: they become a part of the connection's keys.</param>
    /// <param name="reply">At least 1,200 bytes.</param>
    /// <returns>Bytes to send back; 0: nothing, and counted why.</returns>
    public int HandleRequest(ReadOnlySpan<byte> datagram, PeerAddress from, long nowNs, in Random128 serverRandom, Span<byte> reply)
    {
        if (!Handshake.TryReadRequest(datagram, out ushort version, out Random128 clientRandom, out CipherSuites suites))
        {
            Counters.Malformed++;
            return 0;
        }

        if (version != _version)
            return RefuseVersion(clientRandom, version, reply);
        if (!ConnectionKeys.TryChoose(suites, _suites, out CipherSuite suite))
        {
            Counters.NoCipher++;
            return 0;
        }

        var challenge = new Challenge(clientRandom, serverRandom, (ulong)nowNs, suite);
        Span<byte> cookie = stackalloc byte[Handshake.CookieBytes];
        MakeCookie(from, challenge, cookie);
        Counters.Challenged++;
        return Handshake.WriteChallenge(reply, challenge, cookie);
    }

    /// <summary>Checks a response, the cheapest first: that it answers a challenge of ours, to that address, not too long ago; that its token opens; that
    /// its sender holds the token's secret.</summary>
    /// <param name="datagram">A datagram of type response.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="nowNs">The server's monotonic time.</param>
    /// <param name="unixSeconds">The time of day, for the token's expiry.</param>
    /// <param name="reply">At least 1,200 bytes: a refusal, when the token is not good.</param>
    /// <param name="replyBytes">Bytes of it; 0: nothing to send.</param>
    /// <param name="request">Who asks.</param>
    /// <returns>False: drop it; counted why.</returns>
    public bool TryVerifyResponse(ReadOnlySpan<byte> datagram, PeerAddress from, long nowNs, ulong unixSeconds, Span<byte> reply, out int replyBytes, out ConnectRequest request)
    {
        request = default;
        replyBytes = 0;
        if (!Handshake.TryReadResponse(datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie, out ResponseBody body, out ReadOnlySpan<byte> sealedToken))
        {
            Counters.Malformed++;
            return false;
        }

        if (!IsOurs(challenge, cookie, from, nowNs))
            return false;
        TokenResult result = _tokens.TryOpen(sealedToken, unixSeconds, _endpoints, out OpenedToken token);
        if (result != TokenResult.Opened)
        {
            Counters.CountBadToken(result);
            replyBytes = Handshake.WriteRefused(reply, challenge.ClientRandom, null, RefuseReason.BadToken, TextOf(result));
            return false;
        }

        var keys = ConnectionKeys.Derive(token.Secret, challenge.ClientRandom, challenge.ServerRandom, _version, challenge.Suite);
        if (!Handshake.HasMac(datagram, keys.ClientHandshake))
        {
            Counters.BadMac++;
            return false;
        }

        // What the client offered is under its mac now: had somebody changed it in the request, the choice would be another.
        if (!ConnectionKeys.TryChoose(body.Suites, _suites, out CipherSuite suite) || suite != challenge.Suite)
        {
            Counters.NoCipher++;
            return false;
        }

        Counters.Verified++;
        request = new ConnectRequest
        {
            From = from,
            ClientRandom = challenge.ClientRandom,
            ServerRandom = challenge.ServerRandom,
            ChallengedNs = (long)challenge.Stamp,
            SchemaHash = body.SchemaHash,
            MapHash = body.MapHash,
            Token = token,
            Keys = keys,
        };
        return true;
    }

    /// <summary>Answers an ask for a token: gives one, or refuses. Only for development, and only to addresses that nobody can forge (loopback).</summary>
    /// <param name="datagram">A datagram of type token ask.</param>
    /// <param name="offer">What the token would say; null: this server gives none.</param>
    /// <param name="random">Fresh random bytes (<see cref="TokenAuthority.RandomBytes"/>).</param>
    /// <param name="reply">At least 1,200 bytes.</param>
    /// <returns>Bytes to send back; 0: nothing, and counted why.</returns>
    public int HandleTokenAsk(ReadOnlySpan<byte> datagram, TokenRequest? offer, ReadOnlySpan<byte> random, Span<byte> reply)
    {
        if (!Handshake.TryReadTokenAsk(datagram, out ushort version, out Random128 clientRandom))
        {
            Counters.Malformed++;
            return 0;
        }

        if (version != _version)
            return RefuseVersion(clientRandom, version, reply);
        if (offer is null)
        {
            Counters.NotGranted++;
            return Handshake.WriteRefused(reply, clientRandom, null, RefuseReason.BadToken, "a connect token is needed: this server gives none");
        }

        Counters.Granted++;
        return Handshake.WriteTokenGrant(reply, clientRandom, _tokens.Mint(offer, random));
    }

    /// <summary>Writes the acceptance of a verified request.</summary>
    /// <returns>Bytes to send to <see cref="ConnectRequest.From"/>.</returns>
    public static int WriteAccepted(in ConnectRequest request, ulong connectionId, Span<byte> reply) =>
        Handshake.WriteAccepted(reply, request.ClientRandom, request.Keys, connectionId);

    /// <summary>Writes a refusal of a verified request.</summary>
    /// <param name="request">Who is refused.</param>
    /// <param name="reason">Why.</param>
    /// <param name="text">For the player's eyes; cut at 200 bytes of UTF-8, at a whole character.</param>
    /// <param name="reply">At least 235 bytes.</param>
    /// <returns>Bytes to send to <see cref="ConnectRequest.From"/>.</returns>
    public static int WriteRefused(in ConnectRequest request, RefuseReason reason, ReadOnlySpan<char> text, Span<byte> reply) =>
        Handshake.WriteRefused(reply, request.ClientRandom, request.Keys, reason, text);

    private static string TextOf(TokenResult result) => result switch
    {
        TokenResult.Expired => "the connect token has expired: log in again",
        TokenResult.WrongVersion => "the connect token is for another version: update the game",
        TokenResult.WrongEndpoint => "the connect token is for another server",
        _ => "the connect token is not good here: log in again",
    };

    private int RefuseVersion(in Random128 clientRandom, ushort version, Span<byte> reply)
    {
        Counters.WrongVersion++;
        // No interpolation: unoptimised code boxes its numbers, and a stranger must not cost a byte.
        Span<char> text = stackalloc char[96];
        _versionText.CopyTo(text);
        version.TryFormat(text[_versionText.Length..], out int digits, default, CultureInfo.InvariantCulture);
        return Handshake.WriteRefused(reply, clientRandom, null, RefuseReason.WrongVersion, text[..(_versionText.Length + digits)]);
    }

    private bool IsOurs(in Challenge challenge, ReadOnlySpan<byte> cookie, PeerAddress from, long nowNs)
    {
        Span<byte> expected = stackalloc byte[Handshake.CookieBytes];
        MakeCookie(from, challenge, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, cookie))
        {
            Counters.BadCookie++;
            return false;
        }

        if (nowNs - (long)challenge.Stamp is >= 0 and <= CookieLifetimeNs)
            return true;
        Counters.ExpiredCookie++;
        return false;
    }

    private void MakeCookie(PeerAddress from, in Challenge challenge, Span<byte> cookie)
    {
        Span<byte> bound = stackalloc byte[59];
        from.WriteAddress(bound);
        BinaryPrimitives.WriteUInt16LittleEndian(bound[16..], from.Port);
        challenge.ClientRandom.Write(bound[18..]);
        challenge.ServerRandom.Write(bound[34..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bound[50..], challenge.Stamp);
        bound[58] = (byte)challenge.Suite;
        HmacSha256.Mac(_secret, bound, cookie);
    }
}
