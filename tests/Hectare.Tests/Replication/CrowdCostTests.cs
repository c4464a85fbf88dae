using Hectare.Protocol;
using Hectare.Replication;

namespace Hectare.Tests.Replication;

/// <summary>What a player in a crowd costs, counted, not timed.</summary>
/// <remarks>Goal: no step grows with the crowd for each of its members. Method: everyone within 100 units walks, is a peer and is written and acked; the same with four
/// times as many. What each peer's second looks at is compared.</remarks>
public sealed class CrowdCostTests(ITestOutputHelper output)
{
    private const int Crates = 200;

    [Fact]
    public void A_peer_looks_at_no_more_in_a_crowd_four_times_as_large()
    {
        Costs few = Run(700), many = Run(2_800);
        output.WriteLine($"{few}\n{many}");
        // Its own slots, when it leaves a crowd's cell: no others.
        Assert.InRange(few.SlotsPulled, 1, few.CellsVisited * 512);
        Assert.InRange(many.SlotsPulled, 1, many.CellsVisited * 512);
        Assert.InRange(many.RowsRanked / few.RowsRanked, 0, 1.3);
        Assert.InRange(many.Looks / few.Looks, 0, 1.1);
        Assert.InRange(many.CellsVisited / few.CellsVisited, 0, 1.1);
        Assert.InRange(many.RowsLeft, 0, few.RowsLeft + 1);
        Assert.InRange(many.Pushes, 0, few.Pushes + 1);
        // Of the cells that it comes to, every row is looked at once: so many cells a second, and what is in them.
        Assert.InRange(few.RowsEntered, 0, few.CellsVisited * few.RowsPerCell);
        Assert.InRange(many.RowsEntered, 0, many.CellsVisited * many.RowsPerCell);
        Assert.InRange(many.All / few.All, 0, 1.3);
    }

    private static Costs Run(int players)
    {
        var rules = new ReplicationOptions { BytesPerSecond = 64_000 };
        var rig = new ReplicationRig(TestSchemas.Meadow(2048, 16), rules, players, players + Crates + 8) { IsChecking = false };
        var random = new SeededRandom(8);
        for (int i = 0; i < players + Crates; i++)
        {
            double angle = random.NextDouble() * 2 * Math.PI, away = 95 * Math.Sqrt(random.NextDouble());
            rig.Spawn(i < players ? rig.Walker : rig.Crate, 1024 + (away * Math.Cos(angle)), 1024 + (away * Math.Sin(angle)));
        }

        var views = new PeerView[players];
        for (int i = 0; i < players; i++)
        {
            views[i] = rig.Replicator.AddPeer(i, rig.Tick);
            views[i].SetAvatar(i, rig.World.IdOf(i));
            rig.World.SetOwner(i, i);
        }

        var crowd = new Crowd(rig, views);
        crowd.Run(150);
        Costs before = crowd.Costs(1);
        crowd.Run(150);
        return crowd.Costs(5).Since(before);
    }

    // All walk to and fro, and every packet is acked at once.
    private sealed class Crowd(ReplicationRig rig, PeerView[] views)
    {
        private readonly byte[] _tail = new byte[1_150];
        private uint _sequence = 1;

        public void Run(int ticks)
        {
            for (int i = 0; i < ticks; i++)
            {
                rig.Run(1, Walk, withPeers: false);
                _sequence++;
                foreach (PeerView view in views)
                    Tell(view);
            }
        }

        public Costs Costs(double seconds)
        {
            WriterCounters written = rig.Writer.Counters;
            ReplicationCounters told = rig.Replicator.Counters;
            double all = views.Length * seconds;
            int crowded = Enumerable.Range(0, rig.World.Grid.CellCount).Max(cell => rig.World.Grid.Count[cell]);
            return new Costs(views.Length, written.SlotsPulled / all, written.RowsRanked / all, written.CrowdLooks / all, written.RowsEntered / all, told.RowsLeft / all, told.Pushes / all, told.CellsVisited / all, crowded, seconds);
        }

        private void Walk()
        {
            for (int row = 0; row < views.Length; row++)
                rig.Walk(row, new Intent((byte)((row * 7) + (((rig.Tick.Value + (uint)row) / 150 % 2) * 128)), Intent.MagnitudeMax));
        }

        private void Tell(PeerView view)
        {
            if (!rig.Writer.Prepare(view, rig.Tick, 3, 0))
                return;
            var request = new SnapshotRequest { Sequence = new SequenceNumber(_sequence), Tick = rig.Tick, DueTime = rig.Tick.Value * 333L };
            rig.Writer.Write(view, in request, _tail);
            view.OnAck(request.Sequence, 0, rig.Tick);
        }
    }

    /// <summary>Of one peer and second.</summary>
    private sealed record Costs(int Players, double SlotsPulled, double RowsRanked, double Looks, double RowsEntered, double RowsLeft, double Pushes, double CellsVisited, int RowsPerCell, double Seconds)
    {
        public double All => SlotsPulled + RowsRanked + RowsEntered + RowsLeft + Pushes + CellsVisited;

        // Both count from the start: what lies between, over the time between.
        public Costs Since(Costs before)
        {
            double Between(Func<Costs, double> of) => ((of(this) * Seconds) - (of(before) * before.Seconds)) / Seconds;
            return this with
            {
                SlotsPulled = Between(costs => costs.SlotsPulled),
                RowsRanked = Between(costs => costs.RowsRanked),
                Looks = Between(costs => costs.Looks),
                RowsEntered = Between(costs => costs.RowsEntered),
                RowsLeft = Between(costs => costs.RowsLeft),
                Pushes = Between(costs => costs.Pushes),
                CellsVisited = Between(costs => costs.CellsVisited),
            };
        }
    }
}
