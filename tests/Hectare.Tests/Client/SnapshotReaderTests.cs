using System.Text;
using Hectare.Client;
using Hectare.Protocol;
using Shouldly;

namespace Hectare.Tests.Client;

public sealed class SnapshotReaderTests
{
    private readonly FakeServer _server = new();
    private Kind Player => _server.Schema["player"];

    [Fact]
    public void Entity_enters_whole_and_is_told()
    {
        uint name = _server.Texts.Add("Ada"u8);
        Version ada = _server.Player(FakeServer.Walk(100, 50, 0), 1000).With(Player["animation"], 7).With(Player["name"], name);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", ada)).ShouldBe(SnapshotResult.Applied);

        var id = new EntityId(77);
        _server.World.Count.ShouldBe(1);
        _server.World.GetField(id, Player["animation"]).ShouldBe(7u);
        Encoding.UTF8.GetString(_server.World.GetText(id, Player["name"])).ShouldBe("Ada");
        _server.World.TryGetMotion(id, out PublishedMotion motion).ShouldBeTrue();
        motion.ShouldBe(Motion.Unpack(ada.Word, ada.T0, Player));
        TakeEvents().ShouldBe([new ReplicaEvent(ReplicaEventKind.Entered, id, 0, false, new Tick(1002))]);
    }

    [Fact]
    public void Update_starts_from_the_newest_version_accepted_up_to_B()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 1010);
        Version third = second.Moved(FakeServer.Walk(101, 52, 128), 1020);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1011, packet => packet.Update(5, 77, "player", first, [second]), baseline: 1).ShouldBe(SnapshotResult.Applied);

        // The server has not heard of packet 2 yet: both steps again, from the first version.
        _server.Send(3, 1021, packet => packet.Update(5, 77, "player", first, [second, third]), baseline: 1).ShouldBe(SnapshotResult.Applied);
        _server.Send(4, 1024, packet => packet.Update(5, 77, "player", third, [third.With(Player["swing"], 3)]), baseline: 3).ShouldBe(SnapshotResult.Applied);
        _server.World.TryGetMotion(new EntityId(77), out PublishedMotion motion);
        motion.T0.ShouldBe(new Tick(1020));
        _server.World.GetField(new EntityId(77), Player["swing"]).ShouldBe(3u);
    }

    [Fact]
    public void Baseline_that_does_not_agree_is_refused_and_nothing_changes()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        TakeEvents();
        Version other = first.With(Player["animation"], 1);
        AssertRefused(SnapshotResult.WrongCheck, 2, 1005, packet => packet.Update(5, 77, "player", other, [other.With(Player["swing"], 2)]), baseline: 1);
        AssertRefused(SnapshotResult.WrongCheck, 2, 1005, packet => packet.WrongCheck(), baseline: 1);
        AssertRefused(SnapshotResult.WrongCheck, 5, 1005, packet => packet.EmptyShare(), baseline: 1);
        AssertRefused(SnapshotResult.NoBaseline, 2, 1005, packet => packet.Update(6, 78, "player", first, [first]), baseline: 1);
        AssertRefused(SnapshotResult.NoBaseline, 2, 1005, packet => packet.Update(5, 77, "player", first, [first]));
        AssertRefused(SnapshotResult.NoBaseline, 2, 1005, packet => packet.Absolute(6, "player", first), baseline: 1);
        AssertRefused(SnapshotResult.NoBaseline, 2, 1005, packet => packet.EnterKept(6, 78, "player", first), baseline: 1);
        AssertRefused(SnapshotResult.Malformed, 2, 999, packet => packet.Leave(5), baseline: 1);
    }

    [Fact]
    public void Share_of_slots_is_checked_as_of_B()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version second = first.With(Player["animation"], 2);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1005, packet => packet.Update(5, 77, "player", first, [second]), baseline: 1);

        // Sequence 37: slots 5, 37, 69 ...; as of packet 1 the slot held the first version.
        _server.Send(37, 1008, packet => packet.Share(77, "player", first), baseline: 1).ShouldBe(SnapshotResult.Applied);
        _server.Send(69, 1011, packet => packet.Share(77, "player", second), baseline: 37).ShouldBe(SnapshotResult.Applied);
        _server.Send(101, 1014, packet => packet.Share(77, "player", first), baseline: 37).ShouldBe(SnapshotResult.WrongCheck);
        _server.Send(102, 1014, packet => packet.EmptyShare(), baseline: 37).ShouldBe(SnapshotResult.Applied);
    }

    [Fact]
    public void A_server_that_never_moves_its_baseline_cannot_make_a_client_remember_without_bound()
    {
        Version stone = _server.Player(FakeServer.Rest(10, 10), 1000);
        uint sequence = 1;
        while (sequence < 10_000 && _server.Send(sequence, 1000 + sequence, packet => packet.Enter(5, 100 + sequence, "player", stone)) == SnapshotResult.Applied)
            sequence++;
        sequence.ShouldBe((uint)ReplicaSlots.EndedMax + 2);

        // Once it does move, all is well again.
        _server.Send(sequence, 1000 + sequence, packet => packet.Leave(5), baseline: sequence - 1).ShouldBe(SnapshotResult.Applied);
        _server.Send(sequence + 1, 1001 + sequence, packet => packet.Enter(5, 99, "player", stone), baseline: sequence).ShouldBe(SnapshotResult.Applied);
    }

    [Fact]
    public void Who_left_counts_in_the_share_until_B_has_passed_the_leave()
    {
        Version one = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version two = _server.Player(FakeServer.Rest(10, 10), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", one));
        _server.Send(2, 1005, packet => packet.Leave(5), baseline: 1);
        _server.Send(37, 1008, packet => packet.Share(77, "player", one), baseline: 1).ShouldBe(SnapshotResult.Applied);
        _server.Send(38, 1011, packet => packet.Enter(5, 78, "player", two), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(69, 1014, packet => packet.EmptyShare(), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(101, 1017, packet => packet.Share(78, "player", two), baseline: 38).ShouldBe(SnapshotResult.Applied);
        TakeEvents().Select(one => (one.Kind, one.Id.Value)).ShouldBe([(ReplicaEventKind.Entered, 77u), (ReplicaEventKind.Left, 77u), (ReplicaEventKind.Entered, 78u)]);
    }

    [Fact]
    public void Repeats_change_nothing()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 1010).With(Player["animation"], 2);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1005, packet => packet.Enter(5, 77, "player", first), baseline: 1);
        _server.Send(3, 1011, packet => packet.Update(5, 77, "player", first, [second]), baseline: 2);
        TakeEvents();
        int knots = KnotCount(77);
        _server.Send(4, 1014, packet => packet.Update(5, 77, "player", first, [second]), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(5, 1017, packet => packet.Absolute(5, "player", second), baseline: 2).ShouldBe(SnapshotResult.Applied);
        TakeEvents().ShouldBeEmpty();
        KnotCount(77).ShouldBe(knots);
        _server.Send(6, 1020, packet => packet.Leave(5), baseline: 2);
        _server.Send(7, 1023, packet => packet.Leave(5), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(8, 1026, packet => packet.Destroy(5), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(9, 1029, packet => packet.Leave(900), baseline: 2).ShouldBe(SnapshotResult.Applied);
        TakeEvents().Count.ShouldBe(1);
        _server.World.Count.ShouldBe(0);
    }

    [Fact]
    public void Id_that_enters_through_another_slot_moves_there()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 1010);
        _server.Send(1, 1002, packet => packet.Enter(9, 77, "player", first));
        _server.Send(2, 1011, packet =>
        {
            packet.Enter(5, 77, "player", second);
            packet.Leave(9);
        }, baseline: 1).ShouldBe(SnapshotResult.Applied);
        TakeEvents().Select(one => one.Kind).ShouldBe([ReplicaEventKind.Entered]);
        _server.World.Count.ShouldBe(1);

        // As of packet 1 it was still in slot 9.
        _server.Send(41, 1014, packet => packet.Share(77, "player", first), baseline: 1).ShouldBe(SnapshotResult.Applied);
        _server.Send(69, 1017, packet => packet.Share(77, "player", second), baseline: 41).ShouldBe(SnapshotResult.Applied);
        _server.Send(73, 1020, packet => packet.EmptyShare(), baseline: 41).ShouldBe(SnapshotResult.Applied);
        _server.Send(74, 1023, packet => packet.Update(5, 77, "player", second, [second.Moved(FakeServer.Rest(101, 51), 1022)]), baseline: 41).ShouldBe(SnapshotResult.Applied);
        _server.World.TryGetMotion(new EntityId(77), out PublishedMotion motion);
        motion.IsRest.ShouldBeTrue();
    }

    [Fact]
    public void Returning_entity_may_be_coded_on_what_was_kept_of_it()
    {
        Version first = _server.Player(FakeServer.Rest(100, 50), 1000).With(Player["animation"], 3);
        Version back = first.Moved(FakeServer.Walk(110, 50, 0), 1200);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.Send(2, 1005, packet => packet.Leave(5), baseline: 1);
        _server.Send(3, 1202, packet => packet.EnterKept(8, 77, "player", first, back), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.Send(4, 1205, packet => packet.EnterKept(8, 77, "player", first, back), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.World.GetField(new EntityId(77), Player["animation"]).ShouldBe(3u);
        _server.World.TryGetMotion(new EntityId(77), out PublishedMotion motion);
        motion.ShouldBe(Motion.Unpack(back.Word, back.T0, Player));

        // After 30 s, and after a destroy, nothing is kept.
        _server.Send(5, 1208, packet => packet.Leave(8), baseline: 4);
        AssertRefused(SnapshotResult.NoBaseline, 6, 1208 + 910, packet => packet.EnterKept(9, 77, "player", back, back), baseline: 5);
        _server.Send(7, 2120, packet => packet.Enter(9, 78, "player", first), baseline: 5);
        _server.Send(8, 2123, packet => packet.Destroy(9), baseline: 7);
        AssertRefused(SnapshotResult.NoBaseline, 9, 2126, packet => packet.EnterKept(10, 78, "player", first), baseline: 8);
    }

    [Fact]
    public void Kept_entities_are_bounded_and_the_oldest_go_first()
    {
        Version one = _server.Player(FakeServer.Rest(100, 50), 1000);
        uint sequence = 1;
        for (uint id = 1; id <= KeptEntities.CountMax + 1; id++)
        {
            uint entering = id;
            _server.Send(sequence++, 1002 + (id / 10), packet => packet.Enter(5, entering, "player", one)).ShouldBe(SnapshotResult.Applied);
            _server.Send(sequence++, 1002 + (id / 10), packet => packet.Leave(5)).ShouldBe(SnapshotResult.Applied);
        }

        _server.World.Kept.Count.ShouldBe(KeptEntities.CountMax);
        _server.World.Kept.Find(new EntityId(1), new Tick(1110)).ShouldBe(-1);
        _server.World.Kept.Find(new EntityId(2), new Tick(1110)).ShouldNotBe(-1);
    }

    [Fact]
    public void Audience_says_which_groups_are_seen_and_whose_it_is()
    {
        Version first = _server.Player(FakeServer.Rest(100, 50), 1000).With(Player["coins"], 12_345);
        var id = new EntityId(77);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        _server.World.GetField(id, Player["coins"]).ShouldBe(0u);
        TakeEvents();
        _server.Send(2, 1005, packet => packet.Absolute(5, "player", first, audience: 3), baseline: 1).ShouldBe(SnapshotResult.Applied);
        _server.World.GetField(id, Player["coins"]).ShouldBe(12_345u);
        _server.World.IsOwned(id).ShouldBeTrue();
        TakeEvents().Select(one => (one.Kind, one.Groups, one.Owned)).ShouldBe([(ReplicaEventKind.OwnerChanged, 0, true), (ReplicaEventKind.Changed, 8, true)]);

        // As of packet 2 the owner's groups are on the wire; the self-check speaks of what everyone sees.
        Version richer = first.With(Player["coins"], 12_346);
        _server.Send(3, 1008, packet => packet.Update(5, 77, "player", first, [richer], audience: 3), baseline: 2).ShouldBe(SnapshotResult.Applied);
        _server.World.GetField(id, Player["coins"]).ShouldBe(12_346u);
    }

    [Fact]
    public void Groups_that_changed_are_told_by_mask()
    {
        Version first = _server.Player(FakeServer.Rest(100, 50), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        TakeEvents();
        Version second = first.With(Player["swing"], 1).With(Player["name"], _server.Texts.Add("Bob"u8));
        _server.Send(2, 1005, packet => packet.Update(5, 77, "player", first, [second]), baseline: 1);
        TakeEvents().ShouldBe([new ReplicaEvent(ReplicaEventKind.Changed, new EntityId(77), 0b101, false, new Tick(1005))]);
    }

    [Fact]
    public void Density_of_crowds_comes_goes_and_is_forgotten()
    {
        _server.Send(1, 1002, packet =>
        {
            packet.Density(3, 40);
            packet.Density(1000, 7);
        }).ShouldBe(SnapshotResult.Applied);
        _server.World.Density(3).ShouldBe(40);
        _server.World.Density(4).ShouldBe(0);
        var cells = new DensityCell[8];
        _server.World.CopyDensities(cells).ShouldBe(2);
        _server.Send(2, 1005, packet => packet.Density(3, 0));
        _server.World.Density(3).ShouldBe(0);
        _server.World.Density(1000).ShouldBe(7);
        _server.Send(3, 1100, _ => { });
        _server.World.Density(1000).ShouldBe(0);
    }

    [Fact]
    public void Sequences_and_ticks_may_wrap_between_two_packets()
    {
        var zone = FakeServer.Zone with { FirstTick = new Tick(uint.MaxValue - 4) };
        SchemaMap.TryCreate(FakeServer.Farm, FakeServer.Farm, out SchemaMap map, out _);
        var world = new ReplicaWorld(map, in zone);
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), uint.MaxValue - 3);
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 2);
        byte[] enter = _server.Write(uint.MaxValue, uint.MaxValue - 1, packet => packet.Enter(5, 77, "player", first));
        byte[] update = _server.Write(0, 3, packet => packet.Update(5, 77, "player", first, [second]), baseline: uint.MaxValue);
        SnapshotReader.Read(enter, new SequenceNumber(uint.MaxValue), world, _server.Scratch, out _).ShouldBe(SnapshotResult.Applied);
        SnapshotReader.Read(update, new SequenceNumber(0), world, _server.Scratch, out _).ShouldBe(SnapshotResult.Applied);
        world.AdvanceTo(uint.MaxValue + 0.5, 0);
        world.Sample(new EntityId(77), out SampledEntity sampled).ShouldBeTrue();
        PublishedMotion motion = Motion.Unpack(first.Word, first.T0, Player);
        sampled.X.ShouldBe(Units.ToDouble(motion.X) + (3.5 * Units.ToDouble(motion.VelocityX)), 1e-9);
    }

    [Fact]
    public void Every_cut_of_a_packet_is_refused_and_changes_nothing()
    {
        byte[] whole = RichPacket();
        for (int length = 0; length < whole.Length; length++)
        {
            _server.Read(whole.AsSpan(0, length), 2).ShouldNotBe(SnapshotResult.Applied);
            AssertUnchanged();
        }

        _server.Read([.. whole, 0], 2).ShouldBe(SnapshotResult.Malformed);
        _server.Read(whole, 2).ShouldBe(SnapshotResult.Applied);
    }

    [Fact]
    public void Random_bits_never_throw()
    {
        var random = new Random(20261122);
        byte[] whole = RichPacket();
        byte[] bytes = new byte[1200];
        for (int round = 0; round < 20_000; round++)
        {
            int length = whole.Length;
            whole.CopyTo(bytes, 0);
            if (round % 2 == 0)
                random.NextBytes(bytes.AsSpan(0, length = random.Next(0, 200)));
            else
                bytes[random.Next(length)] ^= (byte)(1 << random.Next(8));
            var fresh = new FakeServer();
            fresh.Send(1, 1002, packet => packet.Enter(5, 77, "player", fresh.Player(FakeServer.Walk(100, 50, 0), 1000)));
            fresh.World.AdvanceTo(1000, 0);
            fresh.Read(bytes.AsSpan(0, length), 2);
            fresh.World.AdvanceTo(1003, 100_000_000);
            foreach (ReplicaWorld.ReplicaEntity entity in fresh.World)
                double.IsNaN(entity.Sample().X).ShouldBeFalse();
        }
    }

    private byte[] RichPacket()
    {
        Version first = _server.Player(FakeServer.Walk(100, 50, 0), 1000);
        _server.Send(1, 1002, packet => packet.Enter(5, 77, "player", first));
        TakeEvents();
        Version second = first.Moved(FakeServer.Walk(101, 50, 64), 1003).With(Player["name"], _server.Texts.Add("Grace"u8));
        return _server.Write(2, 1005, packet =>
        {
            packet.Density(70, 12);
            packet.Update(5, 77, "player", first, [second, second.Moved(FakeServer.Sampled(101, 51, 40, -3), 1004)]);
            packet.Enter(6, 80, "tree", _server.Placed("tree", 20, 30));
            packet.Enter(7, 81, "boat", _server.Placed("boat", 20, 30));
            packet.Leave(9);
        }, baseline: 1);
    }

    private void AssertRefused(SnapshotResult expected, uint sequence, uint tick, Action<Packet> say, uint? baseline = null)
    {
        (int count, Tick newest, long pool) = (_server.World.Count, _server.World.NewestTick, _server.World.PoolBytes);
        _server.Send(sequence, tick, say, baseline).ShouldBe(expected);
        (_server.World.Count, _server.World.NewestTick, _server.World.PoolBytes).ShouldBe((count, newest, pool));
    }

    private void AssertUnchanged()
    {
        _server.World.Count.ShouldBe(1);
        _server.World.NewestTick.ShouldBe(new Tick(1002));
        _server.World.TryTakeEvent(out _).ShouldBeFalse();
        _server.World.Density(70).ShouldBe(0);
    }

    private List<ReplicaEvent> TakeEvents()
    {
        List<ReplicaEvent> events = [];
        while (_server.World.TryTakeEvent(out ReplicaEvent one))
            events.Add(one);
        return events;
    }

    private int KnotCount(uint id) => _server.World.KnotsOf(new EntityId(id)).Length;
}
