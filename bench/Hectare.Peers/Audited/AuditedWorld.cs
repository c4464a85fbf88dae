using System.Numerics;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Peers.Audited;

/// <summary>One entity of the audited world.</summary>
internal sealed class AuditedEntity(int id, RigidBody body, float unitsPerSecond)
{
    /// <summary>Its number, from 1.</summary>
    public int Id { get; } = id;

    /// <summary>Where it is and how it moves.</summary>
    public RigidBody Body { get; } = body;

    /// <summary>Its speed when it walks.</summary>
    public float UnitsPerSecond { get; } = unitsPerSecond;

    /// <summary>Where it wants to go, length 0 or 1.</summary>
    public Vector2 Wish { get; set; }

    /// <summary>The chunk that lists it.</summary>
    public (int X, int Y) Chunk { get; set; }

    /// <summary>Which way it faces.</summary>
    public byte SpriteFrame { get; set; }

    /// <summary>Bit 0: it walks.</summary>
    public byte StateFlags { get; set; }
}

/// <summary>The audited server's world, from the audit's description: entities in a dictionary, a physics body each, chunks in a dictionary, and for each peer
/// a snapshot object of its own and the last one it was sent.</summary>
/// <remarks>What the audit quotes in numbers is taken as it stands. It does not give the side of a chunk: 36 units make the 5 x 5 chunks that a peer sees as
/// large as the circle that a player of Hectare sees (32,400 square units to 31,416).</remarks>
internal sealed class AuditedWorld
{
    public const int TickRate = 32;
    public const int SnapshotRate = 10;
    public const int ChunkUnits = 36;
    public const int InterestRadiusChunks = 2;

    /// <summary>A whole snapshot after so many.</summary>
    public const int FullSnapshotInterval = 20;

    private const float TickSeconds = 1f / TickRate;

    private readonly TileMap _map;
    private readonly PhysicsSpace _space;
    private readonly Dictionary<int, AuditedEntity> _entities = [];
    private readonly Dictionary<(int X, int Y), HashSet<int>> _chunks = [];
    private readonly Dictionary<int, int> _entityOfPeer = [];
    private readonly Dictionary<int, EntitySnapshot> _lastSent = [];
    private readonly Dictionary<int, int> _sentToPeer = [];
    private readonly List<AuditedEntity> _animals = [];
    private readonly List<int> _ids = [];
    private SeededRandom _random;
    private long _tick;

    /// <summary>A world with so many animals.</summary>
    public AuditedWorld(TileMap map, ulong seed, int animals)
    {
        _map = map;
        _space = new PhysicsSpace(map);
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x6175_6469));
        for (int i = 0; i < animals; i++)
            _animals.Add(_entities[Spawn(PeerWorld.AnimalRadiusUnits, PeerWorld.AnimalUnitsPerSecond)]);
    }

    /// <summary>Its entities.</summary>
    public IReadOnlyDictionary<int, AuditedEntity> Entities => _entities;

    /// <summary>Its bodies.</summary>
    public PhysicsSpace Space => _space;

    /// <summary>A peer's entity, anywhere that is free. Gives its id.</summary>
    public int Join(int peer)
    {
        int id = Spawn(PeerWorld.PlayerRadiusUnits, PeerWorld.PlayerUnitsPerSecond);
        _entityOfPeer[peer] = id;
        return id;
    }

    /// <summary>A peer's input: where it wants to go. Longer than 1 is made 1.</summary>
    public void HandleInput(int peer, Vector2 direction)
    {
        if (_entityOfPeer.TryGetValue(peer, out int id) && float.IsFinite(direction.X) && float.IsFinite(direction.Y))
            _entities[id].Wish = direction.LengthSquared() > 0 ? Vector2.Normalize(direction) : Vector2.Zero;
    }

    /// <summary>One tick: animals, physics, chunks.</summary>
    public void Step()
    {
        _tick++;
        foreach (AuditedEntity animal in _animals)
            animal.Wish = PeerWorld.Wander(ref _random, animal.Wish, TickRate);
        foreach (AuditedEntity entity in _entities.Values)
            entity.Body.LinearVelocity = entity.Wish * entity.UnitsPerSecond;
        _space.Step(TickSeconds);
        foreach (AuditedEntity entity in _entities.Values)
            Settle(entity);
    }

    /// <summary>Makes a peer's snapshot, writes it and keeps it as the baseline of the next. Gives the bytes used; 0: the peer has no entity.</summary>
    public int WriteSnapshot(int peer, Span<byte> target)
    {
        if (!_entityOfPeer.TryGetValue(peer, out int own))
            return 0;
        ref int sent = ref CollectionsMarshal.GetValueRefOrAddDefault(_sentToPeer, peer, out _);
        EntitySnapshot? last = _lastSent.GetValueOrDefault(peer);
        EntitySnapshot snapshot = CreateSnapshot(_entities[own], (ushort)sent, last?.Entities.Count ?? 0);
        EntitySnapshot? baseline = sent % FullSnapshotInterval == 0 ? null : last;
        sent++;
        // Whether it arrives or not.
        _lastSent[peer] = snapshot;
        return snapshot.Serialize(baseline, _ids, target);
    }

    /// <summary>The snapshot of whoever stands at an entity: all entities of the chunks around it, the first hundred.</summary>
    public EntitySnapshot CreateSnapshot(AuditedEntity viewer, ushort sequence, int capacity)
    {
        var snapshot = new EntitySnapshot(sequence, _tick * (double)TickSeconds, capacity);
        snapshot.Entities.Add(viewer.Id, StateOf(viewer));
        (int x, int y) = ChunkOf(viewer.Body.Position);
        for (int chunkY = y - InterestRadiusChunks; chunkY <= y + InterestRadiusChunks; chunkY++)
        {
            for (int chunkX = x - InterestRadiusChunks; chunkX <= x + InterestRadiusChunks; chunkX++)
            {
                if (!_chunks.TryGetValue((chunkX, chunkY), out HashSet<int>? ids))
                    continue;
                foreach (int id in ids)
                {
                    if (snapshot.Entities.Count == EntitySnapshot.EntitiesMax)
                        return snapshot;
                    snapshot.Entities.TryAdd(id, StateOf(_entities[id]));
                }
            }
        }

        return snapshot;
    }

    /// <summary>The chunk of a place.</summary>
    public static (int X, int Y) ChunkOf(Vector2 position) => ((int)position.X / ChunkUnits, (int)position.Y / ChunkUnits);

    private int Spawn(float radius, float unitsPerSecond)
    {
        TileView tiles = _map.View;
        var body = new RigidBody(PeerWorld.Place(ref _random, in tiles, radius), radius);
        _space.Add(body);
        var entity = new AuditedEntity(_entities.Count + 1, body, unitsPerSecond) { Chunk = ChunkOf(body.Position) };
        _entities.Add(entity.Id, entity);
        List(entity);
        return entity.Id;
    }

    private void Settle(AuditedEntity entity)
    {
        if (entity.Wish != Vector2.Zero)
            entity.SpriteFrame = (byte)((entity.Wish.X < 0 ? 1 : 0) | (entity.Wish.Y < 0 ? 2 : 0));
        entity.StateFlags = entity.Wish == Vector2.Zero ? (byte)0 : (byte)1;
        (int X, int Y) chunk = ChunkOf(entity.Body.Position);
        if (chunk == entity.Chunk)
            return;
        _chunks[entity.Chunk].Remove(entity.Id);
        entity.Chunk = chunk;
        List(entity);
    }

    private void List(AuditedEntity entity)
    {
        if (!_chunks.TryGetValue(entity.Chunk, out HashSet<int>? ids))
            _chunks[entity.Chunk] = ids = [];
        ids.Add(entity.Id);
    }

    private static EntityState StateOf(AuditedEntity entity) => new(entity.Body.Position, entity.Body.LinearVelocity, entity.SpriteFrame, entity.StateFlags);
}
