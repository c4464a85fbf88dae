using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Hectare.Transport;

/// <summary>A client that has proved its address and asks for a connection.</summary>
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
}

/// <summary>Handshake packets by what became of them.</summary>
public sealed class HandshakeCounters
{
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

    /// <summary>Responses that proved their address (copies included).</summary>
    public long Verified { get; internal set; }
}

/// <summary>A server's side of the handshake. Keeps nothing of strangers: what must be remembered travels in the cookie.</summary>
/// <remarks>The caller owns the connections: for a verified response of an attempt that it already knows (<see cref="Connection.IsSameAttempt"/>)
/// it sends the acceptance again, since the first may have been lost. Allocates nothing. One thread at a time.</remarks>
public sealed class HandshakeServer
{
    /// <summary>A cookie is good for this long.</summary>
    public const long CookieLifetimeNs = 10_000_000_000;

    private readonly byte[] _secret;
    private readonly ushort _version;
    private readonly string _versionText;

    /// <summary>Starts with a secret of 32 random bytes; another secret voids all cookies.</summary>
    public HandshakeServer(ReadOnlySpan<byte> secret)
        : this(secret, Handshake.ProtocolVersion)
    {
    }

    internal HandshakeServer(ReadOnlySpan<byte> secret, ushort version)
    {
        if (secret.Length != 32)
            throw new ArgumentException("the secret must be 32 bytes", nameof(secret));
        _secret = secret.ToArray();
        _version = version;
        _versionText = string.Create(CultureInfo.InvariantCulture, $"the server speaks protocol version {version}, the client ");
    }

    /// <summary>What came in so far.</summary>
    public HandshakeCounters Counters { get; } = new();

    /// <summary>Answers a request: a challenge, or a refusal of its version.</summary>
    /// <param name="datagram">A datagram of type request.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="nowNs">The server's monotonic time.</param>
    /// <param name="serverRandom">Fresh random bytes: they become a part of the connection's keys.</param>
    /// <param name="reply">At least 235 bytes.</param>
    /// <returns>Bytes to send back; 0: nothing, and counted why.</returns>
    public int HandleRequest(ReadOnlySpan<byte> datagram, PeerAddress from, long nowNs, in Random128 serverRandom, Span<byte> reply)
    {
        if (!Handshake.TryReadRequest(datagram, out ushort version, out Random128 clientRandom))
        {
            Counters.Malformed++;
            return 0;
        }

        if (version != _version)
        {
            Counters.WrongVersion++;
            // No interpolation: unoptimised code boxes its numbers, and a stranger must not cost a byte.
            Span<char> text = stackalloc char[96];
            _versionText.CopyTo(text);
            version.TryFormat(text[_versionText.Length..], out int digits, default, CultureInfo.InvariantCulture);
            return Handshake.WriteRefused(reply, clientRandom, RefuseReason.WrongVersion, text[..(_versionText.Length + digits)]);
        }

        var challenge = new Challenge(clientRandom, serverRandom, (ulong)nowNs);
        Span<byte> cookie = stackalloc byte[Handshake.CookieBytes];
        MakeCookie(from, challenge, cookie);
        Counters.Challenged++;
        return Handshake.WriteChallenge(reply, challenge, cookie);
    }

    /// <summary>Checks a response: that it answers a challenge of ours, to that address, not too long ago.</summary>
    /// <returns>False: drop it; counted why.</returns>
    public bool TryVerifyResponse(ReadOnlySpan<byte> datagram, PeerAddress from, long nowNs, out ConnectRequest request)
    {
        request = default;
        if (!Handshake.TryReadResponse(datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie, out ulong schemaHash, out Hash256 mapHash))
        {
            Counters.Malformed++;
            return false;
        }

        Span<byte> expected = stackalloc byte[Handshake.CookieBytes];
        MakeCookie(from, challenge, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, cookie))
        {
            Counters.BadCookie++;
            return false;
        }

        long ageNs = nowNs - (long)challenge.Stamp;
        if (ageNs is < 0 or > CookieLifetimeNs)
        {
            Counters.ExpiredCookie++;
            return false;
        }

        Counters.Verified++;
        request = new ConnectRequest
        {
            From = from,
            ClientRandom = challenge.ClientRandom,
            ServerRandom = challenge.ServerRandom,
            ChallengedNs = (long)challenge.Stamp,
            SchemaHash = schemaHash,
            MapHash = mapHash,
        };
        return true;
    }

    /// <summary>Writes the acceptance of a verified request.</summary>
    /// <returns>Bytes to send to <see cref="ConnectRequest.From"/>.</returns>
    public static int WriteAccepted(in ConnectRequest request, ulong connectionId, Span<byte> reply) =>
        Handshake.WriteAccepted(reply, request.ClientRandom, request.ServerRandom, connectionId);

    /// <summary>Writes a refusal of a verified request.</summary>
    /// <param name="request">Who is refused.</param>
    /// <param name="reason">Why.</param>
    /// <param name="text">For the player's eyes; cut at 200 bytes of UTF-8, at a whole character.</param>
    /// <param name="reply">At least 235 bytes.</param>
    /// <returns>Bytes to send to <see cref="ConnectRequest.From"/>.</returns>
    public static int WriteRefused(in ConnectRequest request, RefuseReason reason, ReadOnlySpan<char> text, Span<byte> reply) =>
        Handshake.WriteRefused(reply, request.ClientRandom, reason, text);

    /// <summary>HMAC-SHA256 (RFC 2104) of at most 64 bytes under the secret.</summary>
    /// <remarks>From two plain hashes: the framework's own allocates now and then, and a stranger must not cost a byte.</remarks>
    internal void Hmac(ReadOnlySpan<byte> message, Span<byte> mac)
    {
        const int BlockBytes = 64;
        Span<byte> inner = stackalloc byte[BlockBytes + 64];
        Span<byte> outer = stackalloc byte[BlockBytes + SHA256.HashSizeInBytes];
        inner[..BlockBytes].Fill(0x36);
        outer[..BlockBytes].Fill(0x5C);
        for (int i = 0; i < _secret.Length; i++)
        {
            inner[i] ^= _secret[i];
            outer[i] ^= _secret[i];
        }

        message.CopyTo(inner[BlockBytes..]);
        SHA256.HashData(inner[..(BlockBytes + message.Length)], outer[BlockBytes..]);
        SHA256.HashData(outer, mac);
    }

    private void MakeCookie(PeerAddress from, in Challenge challenge, Span<byte> cookie)
    {
        Span<byte> bound = stackalloc byte[58];
        from.WriteAddress(bound);
        BinaryPrimitives.WriteUInt16LittleEndian(bound[16..], from.Port);
        challenge.ClientRandom.Write(bound[18..]);
        challenge.ServerRandom.Write(bound[34..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bound[50..], challenge.Stamp);
        Hmac(bound, cookie);
    }
}
