using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>
/// Goal: whatever the links do, a peer that follows the wire format never meets a self-check that differs, decodes exactly the version that was
/// published, and holds the whole truth once everything rests. Method: random worlds, seeded links, a decoder written from the page alone.
/// </summary>
public sealed class SnapshotWriterTests
{
    private static readonly ReplicationOptions Small = new()
    {
        EnterRadiusUnits = 48,
        ExitRadiusUnits = 64,
        DwellTicks = 10,
        NearUnits = 20,
        FarUnits = 40,
    };

    private static readonly ulong SeedSpan = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1" ? 800u : 32u;

    [Theory]
    [InlineData(1, 24_000, 256)]
    [InlineData(2, 4_000, 256)]
    [InlineData(3, 24_000, 2)]
    [InlineData(4, 64_000, 0)]
    public void Random_worlds_over_bad_links_decode_exactly_and_end_in_the_truth(ulong firstSeed, int bytesPerSecond, int pushSubscribersMax)
    {
        long packets = 0;
        Exercised exercised = default;
        for (ulong seed = firstSeed; seed < firstSeed + SeedSpan; seed += 4)
            packets += Simulate(seed, Small with { BytesPerSecond = bytesPerSecond, PushSubscribersMax = pushSubscribersMax }, entities: 90, ticks: 500, ref exercised);
        Assert.True(packets > 3_000, $"{packets} packets");
        Assert.True(exercised is { Returns: > 15, Unknown: > 50, Absolutes: > 500, Destroys: > 50, Samples: > 50 }, exercised.ToString());
    }

    [Theory]
    [InlineData(1001, 24_000, 256)]
    [InlineData(1002, 4_000, 256)]
    [InlineData(1003, 24_000, 2)]
    [InlineData(1004, 64_000, 0)]
    public void Random_worlds_of_every_visibility_decode_exactly_and_nobody_is_told_what_the_rules_deny(ulong firstSeed, int bytesPerSecond, int pushSubscribersMax)
    {
        Exercised exercised = default;
        for (ulong seed = firstSeed; seed < firstSeed + SeedSpan; seed += 4)
            Simulate(seed, Small with { BytesPerSecond = bytesPerSecond, PushSubscribersMax = pushSubscribersMax }, entities: 120, ticks: 500, ref exercised, TestSchemas.Estate(256, 13));
        Assert.True(exercised is { Returns: > 5, Unknown: > 50, Absolutes: > 500, Destroys: > 50, Samples: > 50 }, exercised.ToString());
    }

    [Fact]
    public void A_crowd_of_every_visibility_over_the_cap_decodes_exactly()
    {
        Exercised exercised = default;
        for (ulong seed = 1900; seed < 1904; seed++)
            Simulate(seed, Small with { InterestCap = 16, EntersMax = 7, PushSubscribersMax = seed % 2 == 0 ? 2 : 256 }, entities: 400, ticks: 400, ref exercised, TestSchemas.Estate(256, 13));
    }

    [Fact]
    public void A_crowd_over_the_cap_decodes_exactly_and_ends_within_the_cap()
    {
        Exercised exercised = default;
        for (ulong seed = 900; seed < 904; seed++)
            Simulate(seed, Small with { InterestCap = 16, PushSubscribersMax = 2 }, entities: 250, ticks: 400, ref exercised);
    }

    [Theory]
    [InlineData(nameof(Mechanisms.AckedBaselines))]
    [InlineData(nameof(Mechanisms.Unknown))]
    [InlineData(nameof(Mechanisms.RestPublished))]
    public void The_random_worlds_notice_when_a_mechanism_is_off(string off)
    {
        Exercised exercised = default;
        int noticed = 0;
        for (ulong seed = 1; seed < 200 && noticed == 0; seed++)
        {
            try
            {
                Simulate(seed, Small with { Off = Enum.Parse<Mechanisms>(off) }, entities: 90, ticks: 500, ref exercised);
            }
            catch (Xunit.Sdk.XunitException)
            {
                noticed++;
            }
        }

        Assert.Equal(1, noticed);
    }

    private static int Simulate(ulong seed, ReplicationOptions options, int entities, int ticks, ref Exercised exercised, Schema? schema = null)
    {
        var random = new SeededRandom(SeededRandom.MixSeed(seed, 77));
        var rig = new ReplicationRig(schema ?? TestSchemas.Meadow(256, 13), options, start: new Tick(seed % 3 == 0 ? uint.MaxValue - 200 : 5000));
        var meadow = new RandomMeadow(rig, seed, entities);
        for (int i = 0; i < 3; i++)
        {
            var link = new RigLink
            {
                LossDown = random.NextBool(0.7) ? random.NextDouble() * 0.3 : 0,
                LossUp = random.NextBool(0.7) ? random.NextDouble() * 0.3 : 0,
                DelayMin = random.Next(1, 4),
                DelayMax = random.Next(4, 12),
                AckEvery = random.Next(1, 5),
                EmptyShare = random.NextBool(0.3) ? 0.1 : 0,
                RttTicks = random.Next(2, 10),
                LossTold = random.NextBool(0.5) ? 0.05 : 0,
            };
            rig.AddPeer(meadow.Avatar(), SeededRandom.MixSeed(seed, (ulong)i), link, new SequenceNumber(random.NextBool(0.5) ? 0 : uint.MaxValue - 20), keepsMoved: random.NextBool(0.5));
        }

        foreach (RigPeer peer in rig.Peers)
            peer.Written = (_, _) => CheckAllowed(rig, peer, $"seed {seed}, peer {peer.View.Index}, tick {rig.Tick.Value}");

        for (int part = 0; part < 5; part++)
        {
            // Once in a while one direction dies for longer than the ack window.
            RigPeer victim = rig.Peers[random.Next(0, rig.Peers.Count)];
            (double down, double up) = (victim.Link.LossDown, victim.Link.LossUp);
            if (random.NextBool(0.6))
                victim.Link.LossUp = 1;
            else if (random.NextBool(0.5))
                victim.Link.LossDown = 1;
            victim.TailBytes = random.Next(100, 1151);
            rig.Run(ticks / 5, meadow.Step);
            (victim.Link.LossDown, victim.Link.LossUp) = (down, up);
        }

        foreach (RigPeer peer in rig.Peers)
            (peer.Link.LossDown, peer.Link.LossUp) = (0, 0);
        rig.Run(options.BytesPerSecond < 10_000 ? 400 : 200);
        foreach (RigPeer peer in rig.Peers)
            CheckConverged(rig, peer, $"seed {seed}, peer {peer.View.Index}");
        WriterCounters counters = rig.Writer.Counters;
        exercised = new Exercised(exercised.Returns + counters.Returns, exercised.Unknown + rig.Peers.Sum(peer => peer.View.UnknownPackets), exercised.Absolutes + counters.Absolutes,
            exercised.Destroys + counters.Destroys, exercised.Samples + rig.Replicator.Counters.Samples);
        return rig.Peers.Sum(peer => peer.PacketsAccepted);
    }

    // What the random worlds have been through: a rule that is never met is not tested.
    private readonly record struct Exercised(long Returns, long Unknown, long Absolutes, long Destroys, long Samples);

    // When a peer has been written, nothing is in its slots any more that it may not be told of.
    private static void CheckAllowed(ReplicationRig rig, RigPeer peer, string where)
    {
        List<EntityId> known = [];
        peer.View.CopyKnown(known);
        foreach (EntityId id in known)
        {
            Assert.True(rig.World.TryFind(id, out int row), $"{where}: {id} is gone and in a slot");
            Assert.True(InterestOracle.Judge(rig, peer.View, row).May, $"{where}: {rig.World.KindOf(row).Name} {id}, owner {rig.World.Owner[row]}, is in a slot");
        }
    }

    internal static void CheckConverged(ReplicationRig rig, RigPeer peer, string where)
    {
        WorldState world = rig.World;
        Dictionary<uint, SnapshotDecoder.Occupant> shown = peer.Decoder.Shown();
        List<EntityId> known = [];
        peer.View.CopyKnown(known);
        Assert.Equal(known.Select(id => id.Value).Order(), shown.Keys.Order());
        for (int row = 0; row < world.RowLimit; row++)
        {
            if (!world.IsAlive(row))
                continue;
            (bool must, bool may) = InterestOracle.Judge(rig, peer.View, row);
            bool isShown = shown.ContainsKey(world.Id[row]);
            string what = $"{where}: {world.KindOf(row).Name} {world.Id[row]} of cell {world.Cell[row]}, owner {world.Owner[row]}";
            Assert.True(!isShown || may, $"{what}, is shown, which the rules deny");
            Assert.True(isShown || !must || (peer.View.IsCapped && world.KindOf(row).CountsInCrowd), $"{what}, is not shown");
        }

        foreach ((uint id, SnapshotDecoder.Occupant of) in shown)
        {
            Assert.True(world.TryFind(new EntityId(id), out int row), $"{where}: entity {id} is shown and gone");
            SnapshotDecoder.Version got = of.Newest;
            Assert.True(got.Audience == rig.Replicator.AudienceOf(peer.View, row), where);
            ulong[] truth = world.RecordOf(row).ToArray();
            Kind kind = of.Kind;
            if (kind.HasMotion)
                truth[0] = Motion.Pack(kind.Grid.Quantize(world.X[row]), kind.Grid.Quantize(world.Y[row]), Intent.Rest);
            foreach (Field field in kind.Fields)
            {
                if (field.Type == FieldType.Position2)
                    truth[field.Word] |= ((uint)kind.Grid.Quantize(world.X[row]) | ((ulong)(uint)kind.Grid.Quantize(world.Y[row]) << kind.Grid.Bits)) << field.Shift;
            }

            Assert.True(RigPeer.Visible(kind, truth, got.Audience).AsSpan().SequenceEqual(RigPeer.Visible(kind, got.Words, got.Audience)), $"{where}: {kind.Name} {id} differs from the truth");
        }
    }
}
