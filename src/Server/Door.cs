using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Who may come in: answers strangers, and makes a peer of one who has proved its address and its token. Keeps and allocates nothing before that.</summary>
/// <remarks>The cheapest check comes first: the source's bucket, the tick's share, then checksums, the cookie, the token, the mac (docs/state-machines.md,
/// Door). Only who passed them all costs memory, and each of its tables is bounded (<see cref="ZoneLimits"/>).</remarks>
internal sealed class Door<TInput>
    where TInput : struct, IInput<TInput>
{
    private const ulong OpenTokenSeconds = 60;

    private readonly Zone<TInput> _zone;
    private readonly Peers<TInput> _peers;
    private readonly ZoneRandom _random;
    private readonly TokenAuthority _tokens;
    private readonly HandshakeServer _handshake;
    private readonly AddressLimiter _limiter;
    private readonly UsedTokens _used;
    private readonly PeerAddress[] _open;   // of a token that this zone gives: the client is already where it may be used
    private readonly byte[] _tokenRandom = new byte[TokenAuthority.RandomBytes];
    private int _joins;              // in this tick
    private readonly HashSet<PeerAddress> _unheard = [];     // of those that were let in and have not joined yet: their acceptance may have been lost

    public Door(Zone<TInput> zone, Peers<TInput> peers, ZoneRandom random)
    {
        _zone = zone;
        _peers = peers;
        _random = random;
        ZoneAccess access = zone.Options.Access;
        ZoneLimits limits = zone.Options.Limits;
        Span<byte> secret = stackalloc byte[32];
        Draw(secret);
        _tokens = new TokenAuthority(KeysOf(access));
        _handshake = new HandshakeServer(secret, _tokens, access.Addresses);
        _limiter = new AddressLimiter(limits.HandshakesPerSecond, limits.HandshakesBurst, random);
        _used = new UsedTokens(limits.UsedTokensMax);
        _open = access.Endpoints.Length > 0 ? access.Addresses : [PeerAddress.Loopback(0)];
    }

    public HandshakeCounters Counters => _handshake.Counters;

    /// <summary>Verified clients that were told no.</summary>
    public long Refused { get; private set; }

    /// <summary>Of these, those whose token was used before.</summary>
    public long TokenReused { get; private set; }

    /// <summary>Responses of an attempt that a later one with the same token has replaced: copies that a link held back, or replays.</summary>
    public long Superseded { get; private set; }

    /// <summary>Handshake packets dropped because the tick's share of them was used up.</summary>
    public long OverLimit { get; private set; }

    /// <summary>Handshake packets dropped because their source had sent too many.</summary>
    public long OverAddressLimit { get; private set; }

    /// <summary>Responses dropped unread because as many as may had come in within the tick.</summary>
    public long OverJoins { get; private set; }

    /// <summary>True once the zone is closing: nobody else may come.</summary>
    public bool IsClosed { get; set; }

    /// <summary>Once a tick: forgets tokens that have expired, and lets others in.</summary>
    public void Sweep()
    {
        _used.Sweep(_zone.UnixSeconds);
        _joins = 0;
        if (_zone.PendingCount == 0)
            _unheard.Clear();
    }

    /// <summary>A client that was let in has joined, or is gone.</summary>
    public void Forget(in PeerAddress address) => _unheard.Remove(address);

    /// <summary>A token is as good as new: the connection that it made was never heard of.</summary>
    public void Release(Peer<TInput> peer) => _used.Release(peer.Token, peer.ConnectionId);

    public void Request(NetworkGroup<TInput> group, in PeerAddress from, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (!TryAsk(group, from, nowNs, out Span<byte> reply))
            return;
        var serverRandom = new Random128(_random.Next(), _random.Next());
        Reply(group, from, _handshake.HandleRequest(datagram, from, nowNs, serverRandom, reply));
    }

    public void TokenAsk(NetworkGroup<TInput> group, in PeerAddress from, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (!TryAsk(group, from, nowNs, out Span<byte> reply))
            return;
        TokenRequest? offer = null;
        if (_zone.Options.Access.Open && from.IsLoopback)
        {
            Draw(_tokenRandom);
            offer = new TokenRequest
            {
                ClientId = _random.Next(),
                Session = new SessionId(_random.Next(), _random.Next()),
                Endpoints = _open,
                ExpiresUnixSeconds = _zone.UnixSeconds + OpenTokenSeconds,
            };
        }

        Reply(group, from, _handshake.HandleTokenAsk(datagram, offer, _tokenRandom, reply));
    }

    public void Response(NetworkGroup<TInput> group, in PeerAddress from, ReadOnlySpan<byte> datagram, long nowNs)
    {
        // A share of their own: who floods requests, which cost nothing to make, keeps out nobody that has a challenge.
        if (!MayLook(from, nowNs) || !IsInShare(group.TryCountResponse()) || !MayVerify(from, out bool mayJoin))
            return;
        Span<byte> reply = group.Replies.Buffer(group.Replies.Count);
        if (!_handshake.TryVerifyResponse(datagram, from, nowNs, _zone.UnixSeconds, reply, out int refusedBytes, out ConnectRequest request))
        {
            Reply(group, from, refusedBytes);
            return;
        }

        Peer<TInput>? old = null;
        if (_used.TryFind(request.Token.TokenId, out ulong oldId))
        {
            old = _peers.Find(oldId);
            if (old is not null && old.Connection.IsSameAttempt(request))
            {
                // A copy of its response: the acceptance may have been lost.
                Reply(group, from, HandshakeServer.WriteAccepted(request, oldId, reply));
                return;
            }

            // Only the token's holder can make another attempt, and only while nobody was heard on the connection of the first: that acceptance was lost.
            if (old is null || old.Connection.HasAccepted)
            {
                TokenReused++;
                Refuse(group, request, RefuseReason.BadToken, "the connect token was used before: log in again", reply);
                return;
            }

            if (request.ChallengedNs < old.ChallengedNs)
            {
                Superseded++;
                return;
            }
        }

        if (!mayJoin)
        {
            OverJoins++;
            return;
        }

        RefuseReason refusal = Judge(request, old, out string text);
        if (refusal != RefuseReason.None)
            Refuse(group, request, refusal, text, reply);
        else
            Admit(group, request, old, reply);
    }

    /// <summary>Mints a token that brings a client back to its session, without allocating.</summary>
    /// <returns>Its bytes, as a client reads them.</returns>
    public int MintResume(ulong clientId, SessionId session, ReadOnlySpan<byte> userData, ulong expiresUnixSeconds, Span<byte> token)
    {
        Draw(_tokenRandom);
        return _tokens.MintResume(clientId, session, _open, expiresUnixSeconds, userData, _tokenRandom, token);
    }

    private void Admit(NetworkGroup<TInput> group, in ConnectRequest request, Peer<TInput>? old, Span<byte> reply)
    {
        _joins++;
        if (old is not null)
            _zone.Drop(old);
        else if (_peers.IsFull && _zone.ConnectedIn(request.Token.Session) is { } itself)
            _zone.Drop(itself);
        _unheard.Add(request.From);
        ulong connectionId = DrawConnectionId();
        _used.Put(request.Token.TokenId, connectionId, request.Token.ExpiresUnixSeconds);
        Reply(group, request.From, HandshakeServer.WriteAccepted(request, connectionId, reply));
        _zone.Admit(group, request, _handshake.UserData, connectionId);
        _zone.KeyLog?.Invoke(request.ExportKeys(connectionId));
    }

    // Nothing here spends the token: who is refused may come again with it.
    private RefuseReason Judge(in ConnectRequest request, Peer<TInput>? old, out string text)
    {
        (RefuseReason reason, text) = JudgeToken(request.Token);
        if (IsClosed)
            (reason, text) = (RefuseReason.ShuttingDown, "the zone is going down");
        else if (!request.MapHash.IsNone && request.MapHash != _zone.MapHash)
            (reason, text) = (RefuseReason.WrongMap, "the client's map is not the zone's");
        if (reason != RefuseReason.None || old is not null)
            return reason;
        if (_peers.IsFull && _zone.ConnectedIn(request.Token.Session) is null)
            (reason, text) = (RefuseReason.Full, "the zone is full");
        else if (_zone.PendingCount >= _zone.Options.Limits.PendingMax || _used.IsFull)
            (reason, text) = (RefuseReason.TooManyPending, "too many players are on their way in: try again in a few seconds");
        return reason;
    }

    private (RefuseReason Reason, string Text) JudgeToken(in OpenedToken token)
    {
        bool isKnown = _zone.TryFindSession(token.Session, out ulong clientId);
        if (isKnown && clientId != token.ClientId)
            return (RefuseReason.BadToken, "the connect token is of another player's session: log in again");
        // Whoever left or was sent away has to ask the login service.
        return token.IsResume && !isKnown ? (RefuseReason.BadToken, "the session is over: log in again") : (RefuseReason.None, "");
    }

    private void Refuse(NetworkGroup<TInput> group, in ConnectRequest request, RefuseReason reason, string text, Span<byte> reply)
    {
        Refused++;
        Reply(group, request.From, HandshakeServer.WriteRefused(request, reason, text, reply));
        _zone.Log?.PeerRefused(_zone.Tick, request.From, reason);
    }

    private ClusterKeys KeysOf(ZoneAccess access)
    {
        if (access.Keys is not null && ClusterKeys.TryParse(access.Keys, out ClusterKeys keys, out _))
            return keys;
        Span<byte> key = stackalloc byte[ClusterKeys.KeyBytes];
        Draw(key);
        return ClusterKeys.Of(0, key);
    }

    private void Draw(Span<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..])
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, _random.Next());
        Span<byte> last = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(last, bytes.IsEmpty ? 0 : _random.Next());
        last[..bytes.Length].CopyTo(bytes);
    }

    private ulong DrawConnectionId()
    {
        ulong id = _random.Next();
        while (id == 0 || _peers.Find(id) is not null)
            id = _random.Next();
        return id;
    }

    private bool TryAsk(NetworkGroup<TInput> group, in PeerAddress from, long nowNs, out Span<byte> reply)
    {
        bool looks = MayLook(from, nowNs) && IsInShare(group.TryCountAsk());
        reply = looks ? group.Replies.Buffer(group.Replies.Count) : default;
        return looks;
    }

    // Before the tick's share is touched: else one address could use it up for all.
    private bool MayLook(in PeerAddress from, long nowNs)
    {
        bool taken = _limiter.TryTake(from, 0, nowNs);
        OverAddressLimit += taken ? 0 : 1;
        return taken;
    }

    private bool IsInShare(bool counted)
    {
        OverLimit += counted ? 0 : 1;
        return counted;
    }

    // Before its token is opened: who waits for its turn costs a look at its source, and asks again in a while.
    // But not who is in and has not heard of it: its acceptance was lost, and it must not wait behind those who are not.
    private bool MayVerify(in PeerAddress from, out bool mayJoin)
    {
        mayJoin = _joins < _zone.JoinsPerTick;
        bool may = mayJoin || _unheard.Contains(from);
        OverJoins += may ? 0 : 1;
        return may;
    }

    private static void Reply(NetworkGroup<TInput> group, in PeerAddress to, int bytes)
    {
        if (bytes > 0)
            group.Replies.Add(to, bytes);
    }
}
