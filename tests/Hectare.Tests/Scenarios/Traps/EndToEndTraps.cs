using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Goal: the two ends agree on every condition, and a client that was away is told so or goes on. See docs/testing.md, Traps.</summary>
public sealed class EndToEndTraps(ITestOutputHelper output)
{
    [Fact]
    public void Trap04_Reader_and_writer_disagree_on_a_condition()
    {
        int packets = 0, refused = 0, wrong = 0, compared = 0, offDamage = 0, offRuns = 0;
        for (ulong seed = 1; seed <= 24; seed++)
        {
            (int Packets, int Refused, int Wrong, int Compared) on = Run(seed, oddBits: 0);
            (packets, refused, wrong, compared) = (packets + on.Packets, refused + on.Refused, wrong + on.Wrong, compared + on.Compared);
            if (seed > 6)
                continue;
            // A reader of its own that is one bit off in one field: what a schema that both are made from rules out.
            (int _, int offRefused, int offWrong, int _) = Run(seed, oddBits: 1);
            offDamage += offRefused + offWrong;
            offRuns += offRefused + offWrong > 0 ? 1 : 0;
        }

        output.WriteLine($"24 schemas, {packets} packets: {refused} refused, {wrong} of {compared} fields wrong; a reader one bit off: {offDamage} refused or wrong in {offRuns} of 6 runs");
        Assert.Equal((0, 0), (refused, wrong));
        Assert.InRange(packets, 24 * 60, int.MaxValue);
        Assert.InRange(compared, 1_000, int.MaxValue);
        Assert.Equal(6, offRuns);
    }

    [Fact]
    public void Trap07_Client_in_the_background_for_a_minute()
    {
        (int Refused, int Accepted, int BackTicks, long Burst) on = Sleep(Mechanisms.None), off = Sleep(Mechanisms.Unknown);
        output.WriteLine($"on: {on.Accepted} packets waited in its socket, {on.Refused} refused, whole again after {on.BackTicks} ticks and {on.Burst} bytes; unheard taken for lost: {off.Refused} refused");
        Assert.Equal(0, on.Refused);
        Assert.Equal(201, on.Accepted);
        Assert.InRange(on.BackTicks, 1, 30);
        Assert.InRange(on.Burst, 1, 16_000);
        Assert.InRange(off.Refused, 1, int.MaxValue);

        // The whole system gives up after 10 s of silence: both ends say why, the avatar waits for who brings the resume token, and who comes without one is let in as another.
        using var system = new SimulatedSystem(new SimulationOptions { Clients = 3, Profile = LinkProfile.Get("broadband") });
        system.RunSeconds(3);
        SimulatedClient sleeper = system.Clients[0];
        EntityId avatar = sleeper.Game.Avatar;
        system.Network.AddOutage(SimulatedSystem.ServerAddress, sleeper.Address, system.NowNs, system.NowNs + 60_000_000_000);
        sleeper.NextFrameNs += 60_000_000_000;
        system.RunSeconds(60.5);
        Assert.Equal((ClientState.Closed, CloseCause.TimedOut), (sleeper.Game.State, sleeper.Game.CloseReason.Cause));
        Assert.True(system.Zone.World.TryFind(avatar, out _));
        Assert.All(system.Clients.Skip(1), client => Assert.Equal(ClientState.Playing, client.Game.State));
        SimulatedClient again = system.AddClient();
        system.RunSeconds(3);
        Assert.Equal(ClientState.Playing, again.Game.State);
        Assert.True(again.Game.World!.Contains(again.Game.Avatar));
    }

    // 200 packets wait in the socket, the rest of the minute is lost; then all are read at once, and one ack speaks of the last 33.
    private static (int Refused, int Accepted, int BackTicks, long Burst) Sleep(Mechanisms off)
    {
        var trap = new TrapRig(new ReplicationOptions { Off = off, SnapshotIntervalTicks = 1, BytesPerSecond = 64_000 });
        var walkers = new Turners(trap, 15);
        var crates = new ChangingCrates(trap, 30);
        TrapPeer peer = trap.AddPeer(walkers.Rows[0]);
        peer.RttTicks = 40;
        trap.Run(60, walkers.Step);
        SequenceNumber last = peer.LastWritten;
        peer.IsAsleep = true;
        peer.LosesDown = sequence => sequence > last + 200;
        int accepted = peer.Accepted;
        // Few enough changes that what it held before is still a baseline: it must not be taken for one.
        trap.Run(150, () => { walkers.Step(); crates.Step(); });
        trap.Run(1_649, walkers.Step);
        peer.LosesDown = _ => false;
        peer.IsAsleep = false;
        long bytes = peer.Bytes;
        trap.Run(1);
        accepted = peer.Accepted - accepted;
        int ticks = 1;
        for (; ticks < 300 && !(walkers.Rows.All(peer.Holds) && crates.Rows.All(peer.Holds)); ticks++)
            trap.Run(1);
        bytes = peer.Bytes - bytes;
        trap.Run(120, () => { walkers.Step(); crates.Step(); });
        return (peer.Refused, accepted, ticks, bytes);
    }

    private static (int Packets, int Refused, int Wrong, int Compared) Run(ulong seed, int oddBits)
    {
        var random = new SeededRandom(seed);
        Schema schema = RandomSchema(seed, 0);
        var trap = new TrapRig(new ReplicationOptions { EnterRadiusUnits = 80, ExitRadiusUnits = 96, DwellTicks = 10, NearUnits = 20, FarUnits = 40 }, schema: schema);
        var meadow = new RandomMeadow(trap.Rig, seed, 60);
        TrapPeer peer = trap.AddPeer(meadow.Avatar());
        peer.LosesDown = sequence => sequence.Value % 7 == 3;
        if (oddBits > 0)
            peer.World = TrapPeer.ReplicaOf(RandomSchema(seed, oddBits), trap);
        trap.Run(250, () =>
        {
            meadow.Step();
            int row = random.Next(0, trap.Rig.World.RowLimit);
            if (trap.Tick.Value % 5 == 0 && trap.Rig.World.IsAlive(row) && row != peer.View.AvatarRow)
                trap.Rig.World.SetOwner(row, random.Next(-1, 1));
            if (trap.Tick.Value % 60 == 0)
                trap.Rig.Replicator.SetParty(0, (ushort)random.Next(0, 2));
        });
        trap.Run(90);
        (int wrong, int compared) = Compare(trap, peer, schema);
        return (peer.Packets, peer.Refused, wrong, compared);
    }

    private static (int Wrong, int Compared) Compare(TrapRig trap, TrapPeer peer, Schema schema)
    {
        int wrong = 0, compared = 0;
        List<EntityId> known = [];
        peer.View.CopyKnown(known);
        foreach (EntityId id in known)
        {
            Assert.True(trap.Rig.World.TryFind(id, out int row));
            byte audience = trap.Rig.Replicator.AudienceOf(peer.View, row);
            Kind kind = trap.Rig.World.KindOf(row);
            int visible = kind.VisibleGroups((audience & 1) != 0, (audience & 2) != 0);
            foreach (Field field in kind.Fields)
            {
                if ((visible >> field.GroupIndex & 1) == 0 || field.Type is FieldType.Position2 or FieldType.Velocity2 or FieldType.Text)
                    continue;
                compared++;
                Field mine = peer.World.Map.Own[kind.Name].Find(field.Name) ?? field;
                wrong += peer.World.GetField(id, mine) == trap.Rig.World.Get(row, field) ? 0 : 1;
            }
        }

        return (wrong, compared);
    }

    // Any mixture of groups, audiences and codecs; the same for the same seed but for the bits of one field.
    private static Schema RandomSchema(ulong seed, int oddBits)
    {
        var random = new SeededRandom(SeededRandom.MixSeed(seed, 4));
        var builder = new SchemaBuilder(256, 13);
        AddGroups(builder.Kind("walker").Motion(TestSchemas.WalkSpeed, TestSchemas.SlowSpeed), ref random, oddBits);
        AddGroups(builder.Kind("crate").Group("place").Position2(), ref random, 0);
        KindBuilder bird = builder.Kind("bird").Group("flight", sampled: true).Position2();
        if (random.NextBool(0.5))
            bird.Velocity2();
        AddGroups(bird, ref random, 0);
        return builder.Build();
    }

    private static void AddGroups(KindBuilder kind, ref SeededRandom random, int oddBits)
    {
        kind.Group("first").Int("odd", 5 + oddBits);
        int groups = random.Next(0, 5);
        for (int group = 0; group < groups; group++)
        {
            kind.Group($"group{group}", (Audience)random.Next(0, 3), sampled: random.NextBool(0.2));
            int fields = random.Next(1, 4);
            for (int field = 0; field < fields; field++)
                AddField(kind, $"field{group}{field}", ref random);
        }
    }

    private static void AddField(KindBuilder kind, string name, ref SeededRandom random)
    {
        switch (random.Next(0, 6))
        {
            case 0:
                kind.Int(name, random.Next(1, 17));
                break;
            case 1:
                kind.Flags(name, random.Next(1, 9));
                break;
            case 2:
                kind.Enum(name, random.Next(1, 6));
                break;
            case 3:
                kind.Counter(name, random.Next(2, 4));
                break;
            case 4:
                kind.Angle(name, random.Next(6, 13));
                break;
            default:
                kind.Float(name, -10, 50, random.Next(4, 13));
                break;
        }
    }
}
