using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>A client's side of the handshake: asks, proves its address and its token, asks again when nothing is heard: the longer nothing is, the less often,
/// and not all clients at the same times. A server that lets in so many a tick and no more drops what the others ask.</summary>
internal sealed class HandshakeClient
{
    // A cookie is good for 10 s. Half of that without an answer: the server may have started anew, so ask for a new challenge.
    private const long ResponsePatienceNs = HandshakeServer.CookieLifetimeNs / 2;

    // Sends before the pause between two of them doubles, which it does twice: a link that loses a fifth is through by then.
    private const int SendsPerPause = 8;
    private const int DoublingsMax = 2;
    private const int SendsEven = 2;

    private readonly Random128 _clientRandom;
    private readonly ResponseBody _body;
    private readonly ushort _version;
    private readonly long _resendNs;
    private readonly byte[] _cookie = new byte[Handshake.CookieBytes];
    private ConnectToken? _token;
    private Challenge _challenge;
    private ConnectionKeys? _keys;
    private bool _isChallenged;
    private long _challengedNs;
    private long _nextSendNs;
    private long _sentNs;
    private int _sends;

    public HandshakeClient(ushort version, long resendNs, in Random128 clientRandom, in ResponseBody body, ConnectToken? token, long nowNs)
    {
        _version = version;
        _resendNs = resendNs;
        _clientRandom = clientRandom;
        _body = body;
        _token = token;
        _nextSendNs = nowNs;
    }

    /// <summary>The server's random, once challenged.</summary>
    public Random128 ServerRandom => _challenge.ServerRandom;

    /// <summary>The keys, once challenged.</summary>
    public ConnectionKeys? Keys => _keys;

    /// <summary>The packet that is due now.</summary>
    /// <returns>Bytes written; 0: nothing is due.</returns>
    public int Poll(long nowNs, Span<byte> datagram)
    {
        if (_isChallenged && nowNs - _challengedNs > ResponsePatienceNs)
            _isChallenged = false;
        if (nowNs < _nextSendNs)
            return 0;
        _nextSendNs = nowNs + PauseNs;
        _sentNs = nowNs;
        _sends++;
        if (_token is null)
            return Handshake.WriteTokenAsk(datagram, _version, _clientRandom);
        return _isChallenged
            ? Handshake.WriteResponse(datagram, _challenge, _cookie, _body, _token.Sealed, _keys!.Value)
            : Handshake.WriteRequest(datagram, _version, _clientRandom, _body.Suites);
    }

    /// <summary>Takes the token that was asked for; the request is due at once.</summary>
    public bool TryTakeGrant(ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (_token is not null || !Handshake.TryReadTokenGrant(datagram, _clientRandom, out ConnectToken token))
            return false;
        _token = token;
        _nextSendNs = nowNs;
        _sends = 0;
        return true;
    }

    /// <summary>Takes a challenge in; the response is due at once.</summary>
    /// <param name="datagram">A datagram of type challenge.</param>
    /// <param name="nowNs">Now.</param>
    /// <param name="rttNs">The time from request to challenge; 0 when it is not certain which request was answered.</param>
    /// <returns>False when it is no answer to us, or one was taken already.</returns>
    public bool TryTakeChallenge(ReadOnlySpan<byte> datagram, long nowNs, out long rttNs)
    {
        rttNs = 0;
        if (_isChallenged || _token is null || !Handshake.TryReadChallenge(datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie) || challenge.ClientRandom != _clientRandom)
            return false;
        if (!IsOffered(challenge.Suite))
            return false;
        if (_sends == 1)
            rttNs = nowNs - _sentNs;
        _isChallenged = true;
        _challenge = challenge;
        cookie.CopyTo(_cookie);
        _keys = ConnectionKeys.Derive(_token.Secret, _clientRandom, challenge.ServerRandom, _version, challenge.Suite);
        _challengedNs = nowNs;
        _nextSendNs = nowNs;
        _sends = 0;
        return true;
    }

    /// <summary>Reads the acceptance.</summary>
    public bool TryTakeAccepted(ReadOnlySpan<byte> datagram, out ulong connectionId)
    {
        connectionId = 0;
        return _keys is { } keys && Handshake.TryReadAccepted(datagram, _clientRandom, keys, out connectionId);
    }

    /// <summary>Reads a refusal.</summary>
    public bool TryTakeRefused(ReadOnlySpan<byte> datagram, out RefuseReason reason, out string text) =>
        Handshake.TryReadRefused(datagram, _clientRandom, _keys, out reason, out text);

    // From the third on between half and one and a half of it, each time another part by the attempt's own number: who was turned away together does not come together again.
    private long PauseNs
    {
        get
        {
            long pauseNs = _resendNs << Math.Min(_sends / SendsPerPause, DoublingsMax);
            return _sends < SendsEven ? pauseNs : (pauseNs / 2) + (pauseNs * (long)(_clientRandom.Low >> (_sends % 8 * 8) & 0xFF) / 256);
        }
    }

    // A challenge has no mac: somebody on the way may have changed the suite. The response's mac covers it, so the worst is that nothing comes of it.
    private bool IsOffered(CipherSuite suite) => suite switch
    {
        CipherSuite.Aes256Gcm => (_body.Suites & CipherSuites.Aes256Gcm) != CipherSuites.None,
        CipherSuite.ChaCha20Poly1305 => (_body.Suites & CipherSuites.ChaCha20Poly1305) != CipherSuites.None,
        _ => false,
    };
}
