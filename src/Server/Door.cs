using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Who may come in: answers strangers, and makes a peer of one who has proved its address. Keeps and allocates nothing before that.</summary>
internal sealed class Door<TInput>
    where TInput : struct, IInput<TInput>
{
    private readonly Zone<TInput> _zone;
    private readonly Peers<TInput> _peers;
    private readonly ZoneRandom _random;
    private readonly HandshakeServer _handshake;

    public Door(Zone<TInput> zone, Peers<TInput> peers, ZoneRandom random)
    {
        _zone = zone;
        _peers = peers;
        _random = random;
        Span<byte> secret = stackalloc byte[32];
        new Random128(random.Next(), random.Next()).Write(secret);
        new Random128(random.Next(), random.Next()).Write(secret[16..]);
        _handshake = new HandshakeServer(secret);
    }

    public HandshakeCounters Counters => _handshake.Counters;

    /// <summary>Verified clients that were told no.</summary>
    public long Refused { get; private set; }

    /// <summary>Responses of an attempt that a later one of the same address has replaced: copies that a link held back, or replays.</summary>
    public long Superseded { get; private set; }

    /// <summary>Handshake packets dropped because the tick's share of them was used up.</summary>
    public long OverLimit { get; private set; }

    /// <summary>True once the zone is closing: nobody else may come.</summary>
    public bool IsClosed { get; set; }

    public void Request(NetworkGroup<TInput> group, in PeerAddress from, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (!TryTakeReply(group, out Span<byte> reply))
            return;
        var serverRandom = new Random128(_random.Next(), _random.Next());
        Reply(group, from, _handshake.HandleRequest(datagram, from, nowNs, serverRandom, reply));
    }

    public void Response(NetworkGroup<TInput> group, in PeerAddress from, ReadOnlySpan<byte> datagram, long nowNs)
    {
        if (!TryTakeReply(group, out Span<byte> reply) || !_handshake.TryVerifyResponse(datagram, from, nowNs, out ConnectRequest request))
            return;
        Peer<TInput>? old = _peers.Find(from);
        if (old is not null && old.Connection.IsSameAttempt(request))
        {
            // A copy of its response: the acceptance may have been lost.
            Reply(group, from, HandshakeServer.WriteAccepted(request, old.ConnectionId, reply));
            return;
        }

        if (old is not null && request.ChallengedNs < old.ChallengedNs)
        {
            Superseded++;
            return;
        }

        RefuseReason refusal = Judge(request, old);
        if (refusal != RefuseReason.None)
        {
            Refused++;
            Reply(group, from, HandshakeServer.WriteRefused(request, refusal, TextOf(refusal), reply));
            _zone.Log?.PeerRefused(_zone.Tick, from, refusal);
            return;
        }

        // A client that started anew at the same address takes the place of its old connection.
        if (old is not null)
            _zone.Replace(old);
        ulong connectionId = DrawConnectionId();
        Reply(group, from, HandshakeServer.WriteAccepted(request, connectionId, reply));
        _zone.Admit(group, request, connectionId);
    }

    private RefuseReason Judge(in ConnectRequest request, Peer<TInput>? old)
    {
        if (IsClosed)
            return RefuseReason.ShuttingDown;
        if (!request.MapHash.IsNone && request.MapHash != _zone.MapHash)
            return RefuseReason.WrongMap;
        return _peers.IsFull && old is null ? RefuseReason.Full : RefuseReason.None;
    }

    private static string TextOf(RefuseReason refusal) => refusal switch
    {
        RefuseReason.Full => "the zone is full",
        RefuseReason.WrongMap => "the client's map is not the zone's",
        RefuseReason.ShuttingDown => "the zone is going down",
        _ => "",
    };

    private ulong DrawConnectionId()
    {
        ulong id = _random.Next();
        while (id == 0 || _peers.Find(id) is not null)
            id = _random.Next();
        return id;
    }

    private bool TryTakeReply(NetworkGroup<TInput> group, out Span<byte> reply)
    {
        bool taken = !group.Replies.IsFull;
        reply = taken ? group.Replies.Buffer(group.Replies.Count) : default;
        OverLimit += taken ? 0 : 1;
        return taken;
    }

    private static void Reply(NetworkGroup<TInput> group, in PeerAddress to, int bytes)
    {
        if (bytes > 0)
            group.Replies.Add(to, bytes);
    }
}
