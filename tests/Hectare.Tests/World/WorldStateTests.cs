using System.Text;
using Hectare.Protocol;
using Hectare.World;

namespace Hectare.Tests.World;

public sealed class WorldStateTests
{
    private const int One = Units.One;
    private static readonly Schema Schema = Build();
    private readonly WorldState _world = new(Schema, TileMap.Open(256, 256), firstId: 1000, capacity: 64);

    private static Kind Walker => Schema["walker"];

    private static Kind Rock => Schema["rock"];

    [Fact]
    public void A_spawned_entity_stands_where_it_was_put_with_all_fields_zero()
    {
        int row = _world.Spawn(Walker, 5 * One, 20 * One);
        Assert.Equal(new EntityId(1000), _world.IdOf(row));
        Assert.True(_world.TryFind(new EntityId(1000), out int found));
        Assert.Equal(row, found);
        Assert.Equal((5 * One, 20 * One, 5 * One, 20 * One), (_world.X[row], _world.Y[row], _world.PreviousX[row], _world.PreviousY[row]));
        Assert.Equal((WorldState.NoOwner, 0u, 0u, (ushort)0), (_world.Owner[row], _world.Bundle[row], _world.Get(row, Walker["mood"]), _world.IntentCode[row]));
        Assert.Equal(16, _world.Cell[row]);
        Assert.Equal(1, _world.Grid.Count[16]);
        Assert.Equal(1, _world.Grid.MoverCount[16]);
        Assert.Equal((1, 1), (_world.Count, _world.RowLimit));
        Assert.Equal([row], _world.DirtyRows.ToArray());
        Assert.Equal([new WorldEvent(WorldEventKind.Spawned, row, new EntityId(1000), SpatialGrid.NoCell, 16, (byte)Walker.Index)], _world.Events.ToArray());
    }

    [Fact]
    public void A_destroyed_row_can_be_read_until_the_tick_ends_and_is_free_then()
    {
        int row = _world.Spawn(Walker, 5 * One, 20 * One);
        _world.Set(row, Walker["mood"], 3);
        _world.EndTick();
        _world.Destroy(row);
        Assert.False(_world.IsAlive(row));
        Assert.False(_world.TryFind(new EntityId(1000), out _));
        Assert.Equal((1000u, 5 * One, 3u, 0), (_world.Id[row], _world.X[row], _world.Get(row, Walker["mood"]), _world.Count));
        Assert.Equal(0, _world.Grid.Count[16]);
        Assert.Equal([new WorldEvent(WorldEventKind.Destroyed, row, new EntityId(1000), 16, SpatialGrid.NoCell, (byte)Walker.Index)], _world.Events.ToArray());
        int other = _world.Spawn(Walker, 0, 0);
        Assert.NotEqual(row, other);
        _world.EndTick();
        Assert.Equal(0u, _world.Id[row]);
        Assert.Equal(row, _world.Spawn(Rock, 0, 0));
        Assert.Equal(new EntityId(1002), _world.IdOf(row));
        Assert.Equal(0u, _world.Get(row, Rock["size"]));
    }

    [Fact]
    public void A_full_world_says_so_and_goes_on_when_somebody_left()
    {
        for (int i = 0; i < _world.Capacity; i++)
            _world.Spawn(Walker, i * One, 0);
        Assert.False(_world.TrySpawn(Walker, 0, 0, out _));
        Assert.Contains("64", Assert.Throws<WorldFullException>(() => _world.Spawn(Walker, 0, 0)).Message, StringComparison.Ordinal);
        _world.Destroy(7);
        Assert.False(_world.TrySpawn(Walker, 0, 0, out _));
        _world.EndTick();
        Assert.True(_world.TrySpawn(Walker, 0, 0, out int row));
        Assert.Equal(7, row);
    }

    [Fact]
    public void Ids_end_with_the_last_number_and_do_not_begin_again()
    {
        var world = new WorldState(Schema, TileMap.Open(256, 256), firstId: uint.MaxValue, capacity: 4);
        world.Spawn(Walker, 0, 0);
        Assert.False(world.TrySpawn(Walker, 0, 0, out _));
    }

    [Fact]
    public void A_move_keeps_the_place_of_the_previous_tick_and_the_intent_of_this_one()
    {
        int row = _world.Spawn(Walker, One, One);
        _world.EndTick();
        var east = new Intent(0, 15);
        _world.MoveTo(row, One + 683, One, east);
        Assert.Equal((One + 683, One, east.Code), (_world.X[row], _world.PreviousX[row], _world.IntentCode[row]));
        Assert.True(_world.IsDirty(row));
        Assert.True(_world.Events.IsEmpty);
        _world.EndTick();
        Assert.Equal((One + 683, One + 683, (ushort)0), (_world.X[row], _world.PreviousX[row], _world.IntentCode[row]));
        Assert.False(_world.IsDirty(row));
        _world.MoveTo(row, One + 683, One, east);
        Assert.Equal(east.Code, _world.IntentCode[row]);
        Assert.False(_world.IsDirty(row));
        _world.EndTick();
        Assert.Equal(0, _world.IntentCode[row]);
    }

    [Fact]
    public void A_cell_line_crossed_is_one_event_a_tick_from_the_first_cell_to_the_last()
    {
        int row = _world.Spawn(Walker, 15 * One, One);
        _world.EndTick();
        _world.MoveTo(row, 16 * One, One, Intent.Rest);
        _world.MoveTo(row, 33 * One, One, Intent.Rest);
        Assert.Equal([new WorldEvent(WorldEventKind.MovedCell, row, _world.IdOf(row), 0, 2, (byte)Walker.Index)], _world.Events.ToArray());
        Assert.Equal((0, 0, 1), (_world.Grid.Count[0], _world.Grid.Count[1], _world.Grid.MoverCount[2]));
        _world.EndTick();
        _world.MoveTo(row, 15 * One, One, Intent.Rest);
        _world.MoveTo(row, 33 * One, One, Intent.Rest);
        Assert.Equal((2, 2), (_world.Events[0].FromCell, _world.Events[0].ToCell));
        Assert.Equal(1, _world.Events.Length);
    }

    [Fact]
    public void A_field_changed_is_one_event_a_tick_and_none_when_it_stays_or_was_just_spawned()
    {
        int row = _world.Spawn(Walker, 0, 0);
        _world.Set(row, Walker["mood"], 1);
        Assert.Equal(1, _world.Events.Length);
        _world.EndTick();
        _world.Set(row, Walker["mood"], 1);
        Assert.True(_world.Events.IsEmpty);
        Assert.True(_world.DirtyRows.IsEmpty);
        _world.Set(row, Walker["mood"], 2);
        _world.Set(row, Walker["mood"], 3);
        _world.SetFloat(row, Walker["heat"], 5);
        Assert.Equal([WorldEventKind.Changed], _world.Events.ToArray().Select(one => one.Kind));
        Assert.Equal([row], _world.DirtyRows.ToArray());
        Assert.Equal(3u, _world.Get(row, Walker["mood"]));
    }

    [Fact]
    public void A_teleport_leaves_no_way_behind()
    {
        int row = _world.Spawn(Walker, 0, 0);
        _world.EndTick();
        _world.MoveTo(row, 100, 0, new Intent(0, 15));
        _world.Teleport(row, 200 * One, 200 * One);
        Assert.Equal((200 * One, 200 * One, (ushort)0, (ushort)1), (_world.X[row], _world.PreviousX[row], _world.IntentCode[row], _world.TeleportCount[row]));
        Assert.Equal([WorldEventKind.Teleported, WorldEventKind.MovedCell], _world.Events.ToArray().Select(one => one.Kind));
        _world.Teleport(row, 0, 0);
        Assert.Equal(2, _world.Events.Length);
        Assert.Equal(2, _world.TeleportCount[row]);
    }

    [Fact]
    public void An_owner_changed_is_one_event_a_tick()
    {
        int row = _world.Spawn(Walker, 0, 0);
        _world.EndTick();
        _world.SetOwner(row, 3);
        _world.SetOwner(row, 4);
        Assert.Equal([WorldEventKind.OwnerChanged], _world.Events.ToArray().Select(one => one.Kind));
        Assert.Equal(4, _world.Owner[row]);
        _world.EndTick();
        _world.SetOwner(row, 4);
        Assert.True(_world.Events.IsEmpty);
    }

    [Fact]
    public void What_lies_outside_is_clamped_and_counted()
    {
        int row = _world.Spawn(Walker, -1, 256 * One);
        Assert.Equal((0, (256 * One) - 1, 2L), (_world.X[row], _world.Y[row], _world.PositionsClamped));
        _world.MoveTo(row, int.MaxValue, 5, Intent.Rest);
        _world.Teleport(row, int.MinValue, 5);
        Assert.Equal((0, 4L), (_world.X[row], _world.PositionsClamped));
        _world.SetFloat(row, Walker["heat"], 11);
        Assert.Equal(255u, _world.Get(row, Walker["heat"]));
        Assert.Equal(1, _world.ValuesClamped);
    }

    [Fact]
    public void A_text_is_kept_by_its_hash_and_cut_between_characters()
    {
        int row = _world.Spawn(Walker, 0, 0);
        _world.SetText(row, Walker["name"], "Ada");
        Assert.Equal("Ada", Encoding.UTF8.GetString(_world.Texts.Find(_world.Get(row, Walker["name"]))));
        _world.SetText(row, Walker["name"], "1234567ö9");
        Assert.Equal("1234567", Encoding.UTF8.GetString(_world.Texts.Find(_world.Get(row, Walker["name"]))));
        Assert.Equal(1, _world.ValuesClamped);
        _world.SetText(row, Walker["name"], "");
        Assert.Equal(0u, _world.Get(row, Walker["name"]));
    }

    [Fact]
    public void A_broken_promise_of_the_game_is_found()
    {
        int row = _world.Spawn(Walker, 0, 0);
        Assert.Throws<ContractException>(() => _world.Set(row, Rock["size"], 1));
        int rock = _world.Spawn(Rock, 0, 0);
        Assert.Throws<ContractException>(() => _world.Set(rock, Rock["position"], 1));
        _world.Destroy(row);
        Assert.Throws<ContractException>(() => _world.Destroy(row));
        Assert.Throws<ContractException>(() => _world.MoveTo(row, 1, 1, Intent.Rest));
    }

    [Theory]
    [InlineData(1u, 0, 16)]
    [InlineData(1u, (1 << 20) + 1, 16)]
    [InlineData(0u, 16, 16)]
    [InlineData(1u, 16, 15)]
    public void Numbers_out_of_range_are_refused(uint firstId, int capacity, int cellUnits)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new WorldState(Schema, TileMap.Open(256, 256), firstId, capacity, cellUnits));

    [Fact]
    public void Any_order_of_calls_leaves_grid_counts_and_finders_in_step()
    {
        var random = new SeededRandom(99);
        for (int tick = 0; tick < 2_000; tick++)
        {
            for (int call = random.Next(0, 12); call > 0; call--)
                RandomCall(ref random);
            Check();
            _world.EndTick();
            Assert.True(_world.Events.IsEmpty && _world.DirtyRows.IsEmpty);
            for (int row = 0; row < _world.RowLimit; row++)
                Assert.False(_world.IsDirty(row));
        }
    }

    private void RandomCall(ref SeededRandom random)
    {
        int row = random.Next(0, _world.Capacity);
        int x = random.Next(-One, 257 * One), y = random.Next(-One, 257 * One);
        int call = random.Next(0, 6);
        if (call == 0)
            _world.TrySpawn(Schema.Kinds[random.Next(0, Schema.Kinds.Length)], x, y, out _);
        if (!_world.IsAlive(row))
            return;
        switch (call)
        {
            case 1:
                _world.Destroy(row);
                break;
            case 2:
                _world.Teleport(row, x, y);
                break;
            case 3:
                _world.SetOwner(row, random.Next(-1, 5));
                break;
            default:
                _world.MoveTo(row, x, y, new Intent(random.Next(0, 1 << 14)));
                break;
        }
    }

    private void Check()
    {
        int alive = 0, inCells = 0;
        for (int row = 0; row < _world.RowLimit; row++)
        {
            if (!_world.IsAlive(row))
                continue;
            alive++;
            Assert.Equal(_world.Grid.CellOf(_world.X[row], _world.Y[row]), _world.Cell[row]);
            Assert.True(_world.TryFind(_world.IdOf(row), out int found));
            Assert.Equal(row, found);
        }

        for (int cell = 0; cell < _world.Grid.CellCount; cell++)
        {
            foreach (int row in _world.Grid.RowsOf(cell))
            {
                Assert.True(_world.IsAlive(row));
                inCells++;
            }
        }

        Assert.Equal((_world.Count, _world.Count), (alive, inCells));
        Assert.Equal(_world.DirtyRows.Length, _world.DirtyRows.ToArray().Distinct().Count());
    }

    private static Schema Build()
    {
        var builder = new SchemaBuilder(256, 14);
        builder.Kind("walker").Motion(683).Body(BodyRole.Walks, 1434)
            .Group("look").Enum("mood", 3).Float("heat", 0, 10, 8)
            .Group("name").Text("name", 8);
        builder.Kind("rock").Body(BodyRole.Blocks, 2000)
            .Group("place").Position2()
            .Group("shape").Int("size", 8);
        return builder.Build();
    }
}
