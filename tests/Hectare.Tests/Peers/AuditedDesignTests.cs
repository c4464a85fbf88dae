using System.Numerics;
using Hectare.Peers.Audited;
using Hectare.Protocol;

namespace Hectare.Tests.Peers;

/// <summary>The rebuild of the audited design: what the audit says of it holds, and it does its work.</summary>
public sealed class AuditedDesignTests
{
    private static readonly TileMap Meadow = TileMap.Open(2_048, 2_048);

    [Fact]
    public void Broad_phase_finds_the_touching_pairs_and_no_others()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            var random = new SeededRandom(seed);
            var space = new PhysicsSpace(TileMap.Open(64, 64));
            RigidBody[] bodies = [.. Enumerable.Range(0, 200).Select(_ => new RigidBody(new Vector2(2 + (float)(random.NextDouble() * 60), 2 + (float)(random.NextDouble() * 60)), 0.3f + (float)(random.NextDouble() * 0.5)))];
            foreach (RigidBody body in bodies)
                space.Add(body);
            var expected = new HashSet<(int, int)>();
            for (int i = 0; i < bodies.Length; i++)
            {
                for (int j = i + 1; j < bodies.Length; j++)
                {
                    if (Vector2.Distance(bodies[i].Position, bodies[j].Position) < bodies[i].Radius + bodies[j].Radius)
                        expected.Add((i, j));
                }
            }

            space.Step(1 / 32f);

            var found = space.Contacts.Select(contact => (Array.IndexOf(bodies, contact.First), Array.IndexOf(bodies, contact.Second)))
                .Select(pair => pair.Item1 < pair.Item2 ? pair : (pair.Item2, pair.Item1)).ToHashSet();
            Assert.True(expected.SetEquals(found), $"seed {seed}");
            Assert.NotEmpty(expected);
        }
    }

    [Fact]
    public void Bodies_that_overlap_part()
    {
        var space = new PhysicsSpace(Meadow);
        RigidBody first = new(new Vector2(100, 100), 0.4f), second = new(new Vector2(100.3f, 100), 0.4f);
        space.Add(first);
        space.Add(second);
        for (int i = 0; i < 4; i++)
            space.Step(1 / 32f);
        Assert.True(Vector2.Distance(first.Position, second.Position) >= 0.8f - 1e-3f);
    }

    [Fact]
    public void A_wall_stops_a_body_and_takes_its_speed()
    {
        byte[] tiles = new byte[16 * 16];
        for (int y = 0; y < 16; y++)
            tiles[(y * 16) + 8] = TileMap.BlocksBit;
        var space = new PhysicsSpace(new TileMap(16, 16, tiles));
        var body = new RigidBody(new Vector2(7, 5), 0.35f);
        space.Add(body);
        for (int i = 0; i < 64; i++)
        {
            body.LinearVelocity = new Vector2(5, 1);
            space.Step(1 / 32f);
        }

        Assert.InRange(body.Position.X, 7, 8 - 0.35f);
        Assert.Equal(5 + (64 / 32f), body.Position.Y, 1e-3f);
        Assert.Equal(new Vector2(0, 1), body.LinearVelocity);
    }

    [Fact]
    public void A_snapshot_holds_the_chunks_around_and_a_hundred_entities_at_most()
    {
        var world = new AuditedWorld(Meadow, seed: 3, animals: 4_000);
        foreach (AuditedEntity viewer in world.Entities.Values.Take(50).ToArray())
        {
            EntitySnapshot snapshot = world.CreateSnapshot(viewer, 1, 0);
            (int x, int y) = AuditedWorld.ChunkOf(viewer.Body.Position);
            int[] near = [.. world.Entities.Values.Where(one => Math.Abs(AuditedWorld.ChunkOf(one.Body.Position).X - x) <= AuditedWorld.InterestRadiusChunks
                && Math.Abs(AuditedWorld.ChunkOf(one.Body.Position).Y - y) <= AuditedWorld.InterestRadiusChunks).Select(one => one.Id)];
            Assert.Equal(near.Order(), snapshot.Entities.Keys.Order());
        }

        var crowded = new AuditedWorld(Meadow, seed: 3, animals: 20_000);
        EntitySnapshot full = crowded.CreateSnapshot(crowded.Entities.Values.First(one => one.Body.Position.X is > 400 and < 1_600 && one.Body.Position.Y is > 400 and < 1_600), 1, 0);
        Assert.Equal(EntitySnapshot.EntitiesMax, full.Entities.Count);
    }

    [Fact]
    public void What_a_walker_does_is_in_its_chunk_and_in_its_next_snapshot()
    {
        var world = new AuditedWorld(Meadow, seed: 5, animals: 0);
        AuditedEntity walker = world.Entities[world.Join(peer: 7)];
        Vector2 from = walker.Body.Position;
        world.HandleInput(7, new Vector2(from.X < 1_024 ? 30 : -30, 0));
        for (int tick = 0; tick < 32 * 20; tick++)
            world.Step();

        Assert.Equal(100, Math.Abs(walker.Body.Position.X - from.X), 0.1f);
        Assert.Equal(AuditedWorld.ChunkOf(walker.Body.Position), walker.Chunk);
        EntityState told = world.CreateSnapshot(walker, 1, 0).Entities[walker.Id];
        Assert.Equal(walker.Body.Position, told.Position);
        Assert.Equal(5, Math.Abs(told.Velocity.X), 1e-3f);
        world.HandleInput(7, new Vector2(float.NaN, 1));
        world.Step();
        Assert.True(float.IsFinite(walker.Body.Position.Y));
    }

    [Fact]
    public void Every_twentieth_snapshot_is_whole_and_the_others_are_readable_with_the_one_before()
    {
        var world = new AuditedWorld(Meadow, seed: 11, animals: 3_000);
        world.Join(peer: 0);
        byte[] packet = new byte[2_048];
        Dictionary<int, uint[]> held = [];
        var sizes = new List<int>();
        for (int snapshot = 0; snapshot < 60; snapshot++)
        {
            for (int tick = 0; tick < 3; tick++)
                world.Step();
            int bytes = world.WriteSnapshot(0, packet);
            bool isWhole = snapshot % AuditedWorld.FullSnapshotInterval == 0;
            held = Read(packet.AsSpan(0, bytes), isWhole ? null : held, out int sequence);
            Assert.Equal(snapshot, sequence);
            Assert.Equal(Expected(world), held.ToDictionary(one => one.Key, one => string.Join(',', one.Value)));
            sizes.Add(bytes);
        }

        Assert.True(sizes[20] > sizes[19] && sizes[20] > sizes[21], "a whole one is larger");
        Assert.InRange(sizes.Max(), 14, EntitySnapshot.PacketBytesMax);
    }

    [Fact]
    public void Sequences_wrap_at_16_bits()
    {
        var world = new AuditedWorld(Meadow, seed: 2, animals: 0);
        world.Join(peer: 0);
        byte[] packet = new byte[2_048];
        for (int i = 0; i < 65_536; i++)
            world.WriteSnapshot(0, packet);
        Read(packet.AsSpan(0, world.WriteSnapshot(0, packet)), world.Entities.ToDictionary(one => one.Key, _ => Array.Empty<uint>()), out int sequence);
        Assert.Equal(0, sequence);
    }

    private static Dictionary<int, string> Expected(AuditedWorld world)
        => world.CreateSnapshot(world.Entities.Values.Last(), 0, 0).Entities.ToDictionary(one => one.Key, one => string.Join(',', (uint[])
        [
            EntitySnapshot.QuantizePosition(one.Value.Position.X), EntitySnapshot.QuantizePosition(one.Value.Position.Y),
            EntitySnapshot.QuantizeVelocity(one.Value.Velocity.X), EntitySnapshot.QuantizeVelocity(one.Value.Velocity.Y), one.Value.SpriteFrame, one.Value.StateFlags,
        ]));

    // A client of the audited design, as short as can be.
    private static Dictionary<int, uint[]> Read(ReadOnlySpan<byte> packet, Dictionary<int, uint[]>? baseline, out int sequence)
    {
        var reader = new BitReader(packet);
        sequence = (int)reader.Read(16);
        reader.Read(16);
        reader.Read(64);
        int count = (int)reader.Read(16), id = 0;
        var entities = new Dictionary<int, uint[]>();
        for (int i = 0; i < count; i++)
        {
            id += (int)reader.ReadGolomb(EntitySnapshot.IdGolomb);
            if (baseline is not null && baseline.TryGetValue(id, out uint[]? before) && !reader.ReadBool())
            {
                entities[id] = before;
                continue;
            }

            var state = new List<uint>();
            foreach (int bits in (int[])[EntitySnapshot.PositionBits, EntitySnapshot.PositionBits, EntitySnapshot.VelocityBits, EntitySnapshot.VelocityBits, 8, 8])
                state.Add((uint)reader.Read(bits));
            entities[id] = [.. state];
        }

        Assert.False(reader.Failed);
        return entities;
    }
}
