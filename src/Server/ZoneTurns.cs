using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <content>Who has something to do in this tick: a player who walks on and hears of others costs nothing between two of its snapshots but its input. And memory that is
/// asked for before it is needed.</content>
public sealed partial class Zone<TInput>
{
    // How many peers ahead each link of a chain of references is asked for. One peer takes a microsecond or two, memory a tenth of one: far enough to be there in
    // time, near enough not to be gone again.
    private const int FindAhead = 10;
    private const int PeerAhead = 8;
    private const int PartsAhead = 6;
    private const int BehindAhead = 4;
    private const int KeyAhead = 2;

    /// <summary>Something came up for a peer: it is looked after in this tick, and in each until nothing is left.</summary>
    private void Stir(Peer<TInput> peer) => _restless[peer.Index] = true;

    private bool IsRestless(NetworkGroup<TInput> group, Peer<TInput> peer)
    {
        Connection connection = peer.Connection;
        return peer.Stage != PeerStage.Joined || connection.State != ConnectionState.Connected || peer.HasMessages || connection.OwesAck || connection.QueuedLaneBytes > 0
            || peer.Path is { IsActive: true } || peer.Offences.HasAny || peer.View is not { IsDueAtOnce: false } || group.Writer.IsFast(connection.LossShare)
            || connection.IsTimedOut(_nowNs) || _nowNs >= peer.SlowLookNs || (peer.SessionRow != SessionTable.None && _nowNs >= peer.NextResumeNs);
    }

    // ---- memory ----

    private void PrefetchInput(int index)
    {
        // A tenth of a microsecond each.
        const int Faster = 4;
        Prefetch.Object(_peers[index + (Faster * PeerAhead)], Peer<TInput>.PrefetchBytes);
        if (_peers[index + (Faster * BehindAhead)] is { } near)
            Prefetch.Object(near.Inputs, InputRing<TInput>.ObjectBytes);
        if (_peers[index + (Faster * KeyAhead)] is { } next)
            next.Inputs.Prefetch();
    }

    /// <summary>Asks for what opening the datagrams behind <paramref name="at"/> will need.</summary>
    internal void PrefetchOpening(DatagramBatch batch, int at)
    {
        if (TryReadId(batch, at + FindAhead, out ulong id))
            _peers.PrefetchFind(id);
        if (TryReadId(batch, at + PeerAhead, out id))
            Prefetch.Object(_peers.Find(id), Peer<TInput>.PrefetchBytes);
        if (TryReadId(batch, at + PartsAhead, out id) && _peers.Find(id) is { } known)
        {
            Prefetch.Object(known.Connection, Connection.ObjectBytes);
            Prefetch.Object(known.Inputs, InputRing<TInput>.ObjectBytes);
        }

        if (TryReadId(batch, at + BehindAhead, out id) && _peers.Find(id) is { } near)
        {
            near.Connection.PrefetchParts();
            near.Inputs.Prefetch();
        }

        if (TryReadId(batch, at + KeyAhead, out id) && _peers.Find(id) is { } next)
            next.Connection.PrefetchOpening();
    }

    private static bool TryReadId(DatagramBatch batch, int at, out ulong id)
    {
        id = 0;
        if (at >= batch.Count || batch.LengthBytes(at) < PacketHeader.ClientHeaderBytes)
            return false;
        id = BinaryPrimitives.ReadUInt64LittleEndian(batch.Datagram(at)[1..]);
        return true;
    }

    private void PrefetchWriting(ReadOnlySpan<int> due, int at)
    {
        // A packet takes longer than a datagram: half as far.
        const int ToPeer = 4, ToParts = 3, ToBehind = 2, ToKey = 1;
        if (at + ToPeer < due.Length)
            Prefetch.Object(_peers[due[at + ToPeer]], Peer<TInput>.PrefetchBytes);
        if (at + ToParts < due.Length)
        {
            Peer<TInput> peer = _peers[due[at + ToParts]]!;
            Prefetch.Object(peer.Connection, Connection.ObjectBytes);
            Replication.PeerView.Prefetch(peer.View);
            Prefetch.Object(peer.Inputs, InputRing<TInput>.ObjectBytes);
        }

        if (at + ToBehind < due.Length)
        {
            Peer<TInput> peer = _peers[due[at + ToBehind]]!;
            peer.Connection.PrefetchParts();
            peer.View?.PrefetchNews();
            peer.View?.PrefetchAcks();
        }

        if (at + ToKey < due.Length)
        {
            Peer<TInput> peer = _peers[due[at + ToKey]]!;
            peer.Connection.PrefetchSealing();
            peer.View?.PrefetchSlots();
            peer.View?.PrefetchAcked();
        }
    }
}
