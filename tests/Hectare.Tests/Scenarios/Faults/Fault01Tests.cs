using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: a snapshot object per peer and tick; with N peers who see each other that is N^2 entities encoded. Answer: a version is encoded once,
/// when it is published, and its bits are copied to all.
/// Method: the same 64 walkers in one place are told to 4, 16 and 64 of them. Counted is what is encoded; the stand-in encodes for each peer
/// every entity that changed since the peer's last snapshot.
/// </summary>
public sealed class Fault01Tests(ITestOutputHelper output)
{
    private const int Walkers = 64;
    private const int Ticks = 90;

    [Fact]
    public void Fault01_encodings_a_tick_do_not_grow_with_the_peers()
    {
        double few = Encodings(4, perPeer: false), more = Encodings(16, perPeer: false), all = Encodings(64, perPeer: false);
        double fewNaive = Encodings(4, perPeer: true), moreNaive = Encodings(16, perPeer: true), allNaive = Encodings(64, perPeer: true);
        output.WriteLine($"encodings a tick, {Walkers} walkers, 4 / 16 / 64 peers: once a version {few:F1} / {more:F1} / {all:F1}; a snapshot per peer {fewNaive:F1} / {moreNaive:F1} / {allNaive:F1}");
        Assert.True(few > 1);
        Assert.Equal(few, more);
        Assert.Equal(few, all);
        Assert.InRange(moreNaive / fewNaive, 3.9, 4.1);
        Assert.InRange(allNaive / fewNaive, 15.6, 16.4);
    }

    private static double Encodings(int peers, bool perPeer)
    {
        Schema schema = TestSchemas.Meadow();
        var zone = new InMemoryZone(schema, new ReplicationOptions());
        var walkers = new Wanderers(zone.World, schema["walker"], Walkers, middle: 256, halfSide: 15);
        for (int i = 0; i < peers; i++)
            zone.AddPeer(walkers.Rows[i]);
        zone.Run(60, walkers.Step);
        var naive = new SnapshotPerPeer(zone);
        if (perPeer)
            zone.Written = (peer, _, _) => naive.Write(peer);
        long before = zone.Replicator.Counters.StepsEncoded;
        zone.Run(Ticks, walkers.Step);
        return (perPeer ? naive.Encodings : zone.Replicator.Counters.StepsEncoded - before) / (double)Ticks;
    }

    // What the audited server does: for this peer, look at everything in interest, copy it, encode what is new to it.
    private sealed class SnapshotPerPeer(InMemoryZone zone)
    {
        private readonly Dictionary<(int Peer, uint Id), uint> _sent = [];
        private readonly List<EntityId> _known = [];

        public long Encodings { get; private set; }

        public void Write(PeerView peer)
        {
            _known.Clear();
            peer.CopyKnown(_known);
            var writer = new BitWriter(new byte[4_096]);
            foreach (EntityId id in _known)
            {
                Assert.True(zone.World.TryFind(id, out int row));
                uint version = zone.Replicator.History.VersionOf(row);
                if (_sent.TryGetValue((peer.Index, id.Value), out uint sent) && sent == version)
                    continue;
                _sent[(peer.Index, id.Value)] = version;
                EntityCodec.WriteMotion(ref writer, zone.World.KindOf(row), zone.Replicator.History.Record(row, version)[0], zone.Replicator.History.T0(row, version));
                Encodings++;
            }

            Assert.False(writer.Failed);
        }
    }
}
