using Hectare.Transport;

namespace Hectare.Server;

/// <content>Clients that move: a packet that opens is believed wherever it comes from, but a client's stream goes only where it is proved to listen.</content>
public sealed partial class Zone<TInput>
{
    // Of an address that is not proved: less credit than this is kept for challenges.
    private const int UnprovedBytesMin = 600;

    private static bool IsKnown(Peer<TInput> peer, in PeerAddress from) => peer.Address == from || peer.Path?.IsAt(from) == true;

    // Only the newest packet tells where a client is: an older one that comes from elsewhere was held back, or captured and sent again.
    private void NotePath(Peer<TInput> peer, in PeerAddress from, in OpenedPacket packet, bool isNewest, int bytes)
    {
        if (peer.Address == from)
        {
            if (isNewest)
                peer.Path?.End();
            return;
        }

        Stir(peer);
        PeerPath path = peer.Path ??= new PeerPath();
        if (path.IsAt(from) && packet.IsPathResponse && packet.PathData == path.Data)
        {
            Move(peer, path);
            return;
        }

        if (isNewest && !path.IsAt(from))
        {
            Metrics.PathsSeen++;
            // Never 0: that is what the news of a move holds.
            path.Begin(from, IsSameHost(peer.Address, from), _random.Next() | 1, _nowNs);
            if (path.IsFollowed)
                peer.View?.SendAtOnce();
        }

        if (!path.IsAt(from))
            return;
        bool isNews = packet.IsPathResponse && packet.PathData == 0;
        path.Hear(bytes, isNews);
        // The news of a move is long: it pays for a snapshot.
        if (isNews)
            peer.View?.SendAtOnce();
    }

    private void Move(Peer<TInput> peer, PeerPath path)
    {
        Metrics.PathsProved++;
        bool wasFollowed = path.IsFollowed;
        peer.Address = path.Address;
        path.Prove();
        if (!wasFollowed)
            peer.View?.SendAtOnce();
    }

    private void GiveUpPath(PeerPath path)
    {
        if (path.TryGiveUp(_nowNs))
            Metrics.PathsGivenUp++;
    }

    private static bool IsSameHost(in PeerAddress one, in PeerAddress other) => one.High == other.High && one.Low == other.Low;

    // ---- write: on the group's thread ----

    // Before the packet, whose number is then higher: a client answers a challenge that is late, and refuses a snapshot that is.
    private void WriteChallenge(NetworkGroup<TInput> group, Peer<TInput> peer)
    {
        if (peer.Path is not { } path || !path.TryTakeChallenge(_nowNs))
            return;
        int bytes = peer.Connection.WritePathChallenge(group.NextBuffer(), path.Data, _nowNs);
        group.Add(path.Address, bytes);
    }

    // Where a client's next packet goes, and how long it may be.
    private static PeerAddress AddressFor(Peer<TInput> peer, out int bytesMax)
    {
        bytesMax = PacketHeader.DatagramBytesMax;
        if (peer.Path is not { IsActive: true } path || path.BytesMax < UnprovedBytesMin)
            return peer.Address;
        bytesMax = path.BytesMax;
        return path.Address;
    }
}
