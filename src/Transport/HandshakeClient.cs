namespace Hectare.Transport;

/// <summary>A client's side of the handshake: asks, proves its address, asks again when nothing is heard.</summary>
internal sealed class HandshakeClient
{
    // A cookie is good for 10 s. Half of that without an answer: the server may have started anew, so ask for a new challenge.
    private const long ResponsePatienceNs = HandshakeServer.CookieLifetimeNs / 2;

    private readonly Random128 _clientRandom;
    private readonly ulong _schemaHash;
    private readonly Hash256 _mapHash;
    private readonly ushort _version;
    private readonly long _resendNs;
    private readonly byte[] _cookie = new byte[Handshake.CookieBytes];
    private Challenge _challenge;
    private bool _isChallenged;
    private long _challengedNs;
    private long _nextSendNs;
    private long _sentNs;
    private int _sends;

    public HandshakeClient(ushort version, long resendNs, in Random128 clientRandom, ulong schemaHash, in Hash256 mapHash, long nowNs)
    {
        _version = version;
        _resendNs = resendNs;
        _clientRandom = clientRandom;
        _schemaHash = schemaHash;
        _mapHash = mapHash;
        _nextSendNs = nowNs;
    }

    /// <summary>The server's random, once challenged.</summary>
    public Random128 ServerRandom => _challenge.ServerRandom;

    /// <summary>The packet that is due now.</summary>
    /// <returns>Bytes written; 0: nothing is due.</returns>
    public int Poll(long nowNs, Span<byte> datagram)
    {
        if (_isChallenged && nowNs - _challengedNs > ResponsePatienceNs)
            _isChallenged = false;
        if (nowNs < _nextSendNs)
            return 0;
        _nextSendNs = nowNs + _resendNs;
        _sentNs = nowNs;
        _sends++;
        return _isChallenged
            ? Handshake.WriteResponse(datagram, _challenge, _cookie, _schemaHash, _mapHash)
            : Handshake.WriteRequest(datagram, _version, _clientRandom);
    }

    /// <summary>Takes a challenge in; the response is due at once.</summary>
    /// <param name="datagram">A datagram of type challenge.</param>
    /// <param name="nowNs">Now.</param>
    /// <param name="rttNs">The time from request to challenge; 0 when it is not certain which request was answered.</param>
    /// <returns>False when it is no answer to us, or one was taken already.</returns>
    public bool TryTakeChallenge(ReadOnlySpan<byte> datagram, long nowNs, out long rttNs)
    {
        rttNs = 0;
        if (_isChallenged || !Handshake.TryReadChallenge(datagram, out Challenge challenge, out ReadOnlySpan<byte> cookie) || challenge.ClientRandom != _clientRandom)
            return false;
        if (_sends == 1)
            rttNs = nowNs - _sentNs;
        _isChallenged = true;
        _challenge = challenge;
        cookie.CopyTo(_cookie);
        _challengedNs = nowNs;
        _nextSendNs = nowNs;
        return true;
    }

    /// <summary>Reads the acceptance.</summary>
    public bool TryTakeAccepted(ReadOnlySpan<byte> datagram, out ulong connectionId)
    {
        connectionId = 0;
        return _challenge.ClientRandom == _clientRandom && Handshake.TryReadAccepted(datagram, _clientRandom, _challenge.ServerRandom, out connectionId);
    }

    /// <summary>Reads a refusal.</summary>
    public bool TryTakeRefused(ReadOnlySpan<byte> datagram, out RefuseReason reason, out string text) =>
        Handshake.TryReadRefused(datagram, _clientRandom, out reason, out text);
}
