using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Scenarios;

/// <summary>What must hold at every moment of a simulation. Truth is read from the world itself, not from what replication made of it.</summary>
internal sealed class Invariants
{
    private const int VersionsKept = 64;

    private readonly SimulatedSystem _system;
    private readonly Dictionary<uint, Queue<(uint Hash, long Ns)>> _published = [];
    private readonly Dictionary<uint, long> _destroyedNs = [];
    private readonly Dictionary<(int Client, uint Id), long> _outsideNs = [];
    private readonly Dictionary<(int Client, uint Id), long> _nearNs = [];
    private readonly Dictionary<int, long> _unheardNs = [];
    private readonly HashSet<uint> _slotIds = [];

    public Invariants(SimulatedSystem system)
    {
        _system = system;
        system.Published += OnPublished;
    }

    /// <summary>What was found broken; the run goes on, so that a report can say how much.</summary>
    public List<string> Broken { get; } = [];

    public long StalenessChecks { get; private set; }

    /// <summary>False where a link's own queue makes news older than the gap between its deliveries explains.</summary>
    public bool ChecksAge { get; init; } = true;

    /// <summary>Looks at everyone now.</summary>
    public void Check()
    {
        if (_system.LargestDatagram > 1_200)
            Break($"a datagram of {_system.LargestDatagram} bytes");
        ForgetWhoLeft(_outsideNs);
        ForgetWhoLeft(_nearNs);
        foreach (SimulatedClient client in _system.Clients)
        {
            if (client.Game.World is not { HasSnapshot: true } world || _system.ViewOf(client) is not { } view)
                continue;
            bool checksAge = ChecksAge && !IsUnheard(client);
            CheckLife(client, world, view, checksAge);
            CheckInterest(client, world, checksAge);
            if (checksAge)
                CheckStaleness(client, world);
        }
    }

    // Who is not heard for a second is sent the least there is (docs/decisions/0014, Silence): then, and for two seconds to catch up, its news may be old.
    private bool IsUnheard(SimulatedClient client)
    {
        const long CatchUpNs = 2_000_000_000;
        Connection connection = _system.Zone.PeerOf(new PeerId(_system.PeerIndexOf(client)))!.Connection;
        if (connection.RateBytesPerSecond <= _system.Zone.Options.RateBytesPerSecondMin)
            _unheardNs[client.Index] = _system.NowNs;
        return _unheardNs.TryGetValue(client.Index, out long ns) && _system.NowNs - ns <= CatchUpNs;
    }

    /// <summary>What can be said only at the end: nothing refused, nothing waited for, no self-check fired.</summary>
    public void CheckEnd()
    {
        foreach (SimulatedClient client in _system.Clients)
        {
            ClientStats stats = client.Game.Stats;
            if (client.RefusedInOrder > 0)
                Break($"client {client.Index} refused {client.RefusedInOrder} datagrams that came in order");
            if (stats.WrongChecks + stats.WithoutBaseline + stats.Malformed > 0)
                Break($"client {client.Index}: {stats.WrongChecks} self-checks fired, {stats.WithoutBaseline} without a baseline, {stats.Malformed} malformed");
            if (client.LongestWithoutDataNs != client.LongestInOrderGapNs)
                Break($"client {client.Index} was {client.LongestWithoutDataNs / 1e6:F1} ms without data, its link {client.LongestInOrderGapNs / 1e6:F1} ms without an in-order delivery");
        }
    }

    /// <summary>After everything stands still: every replica is the truth, in the published quantum.</summary>
    public int CompareWithTruth()
    {
        int compared = 0;
        foreach (SimulatedClient client in _system.Clients)
        {
            if (client.Game.World is not { HasSnapshot: true } world || _system.ViewOf(client) is not { } view)
            {
                Break($"client {client.Index} never played: {client.Game.State} {client.Game.CloseReason}");
                continue;
            }

            var entered = new List<EntityId>();
            view.CopyKnown(entered);
            var held = new HashSet<uint>();
            foreach (ReplicaWorld.ReplicaEntity entity in world)
            {
                if (!entity.Leaving)
                    held.Add(entity.Id.Value);
            }

            if (!held.SetEquals(entered.Select(id => id.Value)))
                Break($"client {client.Index} holds {held.Count} entities, its view has entered {entered.Count}: {string.Join(',', held.Except(entered.Select(id => id.Value)).Take(5))} / {string.Join(',', entered.Select(id => id.Value).Except(held).Take(5))}");
            CheckAllWithin(client, held);
            foreach (uint id in held)
            {
                compared++;
                CompareEntity(client, world, new EntityId(id));
            }
        }

        return compared;
    }

    private void CheckAllWithin(SimulatedClient client, HashSet<uint> held)
    {
        WorldState truth = _system.Zone.World;
        int avatar = _system.Game.RowOfPeer[_system.PeerIndexOf(client)];
        double radius = _system.Zone.Options.Replication.EnterRadiusUnits;
        for (int row = 0; row < truth.RowLimit; row++)
        {
            if (truth.IsAlive(row) && Distance(truth, row, avatar) <= radius && !held.Contains(truth.Id[row]))
                Break($"client {client.Index} lacks entity {truth.Id[row]} at {Distance(truth, row, avatar):F1} units");
        }
    }

    private void CompareEntity(SimulatedClient client, ReplicaWorld world, EntityId id)
    {
        WorldState truth = _system.Zone.World;
        if (!truth.TryFind(id, out int row))
        {
            Break($"client {client.Index} holds entity {id.Value}, which does not exist");
            return;
        }

        Kind kind = truth.KindOf(row);
        PositionGrid grid = truth.Schema.Grid;
        (int x, int y) = (grid.Dequantize(grid.Quantize(truth.X[row])), grid.Dequantize(grid.Quantize(truth.Y[row])));
        if (kind.HasMotion && (!world.TryGetMotion(id, out PublishedMotion motion) || !motion.IsRest || (motion.X, motion.Y) != (x, y)))
            Break($"client {client.Index}, {kind.Name} {id.Value}: motion {motion}, truth at rest at {x}, {y}");
        bool isOwner = truth.Owner[row] == _system.PeerIndexOf(client);
        Schema own = client.Game.World!.Map.Own;
        foreach (Field field in kind.Fields)
        {
            if (own.Find(kind.Name)?.Find(field.Name) is not { } mine || (kind.Groups[field.GroupIndex].Audience != Audience.All && !isOwner))
                continue;
            CompareField(client, world, id, row, kind, field, mine);
        }
    }

    private void CompareField(SimulatedClient client, ReplicaWorld world, EntityId id, int row, Kind kind, Field field, Field mine)
    {
        WorldState truth = _system.Zone.World;
        uint expected = field.Type switch
        {
            FieldType.Position2 => (uint)kind.Grid.Quantize(truth.X[row]) | ((uint)kind.Grid.Quantize(truth.Y[row]) << kind.Grid.Bits),
            FieldType.Velocity2 => 0,
            _ => truth.Get(row, field),
        };
        if (world.GetField(id, mine) != expected)
            Break($"client {client.Index}, {kind.Name} {id.Value}, field {field.Name}: {world.GetField(id, mine)}, truth {expected}");
        if (field.Type == FieldType.Text && !world.GetText(id, mine).SequenceEqual(truth.Texts.Find(expected)))
            Break($"client {client.Index}, {kind.Name} {id.Value}: its text differs");
    }

    // Held by the client: then the server must still have a slot for it, since a slot is freed only by an acked Leave.
    private void CheckLife(SimulatedClient client, ReplicaWorld world, PeerView view, bool checksAge)
    {
        _slotIds.Clear();
        foreach (ref readonly PeerView.Slot slot in view.Slots)
        {
            if (slot.State != SlotState.Free)
                _slotIds.Add(slot.Id);
        }

        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            if (entity.Leaving)
                continue;
            if (!_slotIds.Contains(entity.Id.Value))
                Break($"{At()}: client {client.Index} holds entity {entity.Id.Value} for which the server has no slot");
            if (_destroyedNs.TryGetValue(entity.Id.Value, out long destroyedNs))
            {
                long allowed = client.LongestGapSince(destroyedNs, _system.NowNs) + 400_000_000;
                if (checksAge && _system.NowNs - destroyedNs > allowed)
                    Break($"{At()}: client {client.Index} holds entity {entity.Id.Value}, destroyed {(_system.NowNs - destroyedNs) / 1e6:F0} ms ago; {Slots(view, entity.Id.Value)}");
            }
        }
    }

    // Far outside the exit radius for longer than dwell, leave budget and link can explain.
    private void CheckInterest(SimulatedClient client, ReplicaWorld world, bool checksAge)
    {
        WorldState truth = _system.Zone.World;
        ReplicationOptions rules = _system.Zone.Options.Replication;
        if (!truth.TryFind(client.Game.Avatar, out int avatar))
            return;
        double limit = rules.ExitRadiusUnits + (2 * _system.Zone.Options.CellUnits);
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            (int Index, uint Value) key = (client.Index, entity.Id.Value);
            if (entity.Leaving || !truth.TryFind(entity.Id, out int row) || Distance(truth, row, avatar) <= limit)
            {
                _outsideNs.Remove(key);
                continue;
            }

            if (!_outsideNs.TryAdd(key, _system.NowNs) && checksAge && _system.NowNs - _outsideNs[key] > client.LongestGapSince(_outsideNs[key], _system.NowNs) + (2 * rules.DwellTicks * _system.TickNs) + 600_000_000)
                Break($"{At()}: client {client.Index} holds entity {entity.Id.Value} at {Distance(truth, row, avatar):F0} units for {(_system.NowNs - _outsideNs[key]) / 1e6:F0} ms");
        }
    }

    // What left and came back was not outside, nor near, all the while.
    private void ForgetWhoLeft(Dictionary<(int Client, uint Id), long> since)
    {
        foreach ((int Client, uint Id) key in since.Keys)
        {
            if (_system.Clients[key.Client].Game.World is not { } world || !world.Contains(new EntityId(key.Id)))
                since.Remove(key);
        }
    }

    // A near mover is at most as old as the link's gap and two intervals.
    private void CheckStaleness(SimulatedClient client, ReplicaWorld world)
    {
        WorldState truth = _system.Zone.World;
        ReplicationOptions rules = _system.Zone.Options.Replication;
        if (!truth.TryFind(client.Game.Avatar, out int avatar))
            return;
        long intervals = 2 * rules.SnapshotIntervalTicks * _system.TickNs;
        for (int slot = 0; slot < SlotCodec.SlotsMax; slot++)
        {
            int occupant = world.Slots.Living(slot);
            if (occupant == ReplicaSlots.None || world.Slots[occupant].Entity == ReplicaSlots.None)
                continue;
            uint id = world.Slots[occupant].Id.Value;
            if (!truth.TryFind(new EntityId(id), out int row) || !truth.KindOf(row).HasMotion || Distance(truth, row, avatar) > rules.NearUnits - 10)
            {
                _nearNs.Remove((client.Index, id));
                continue;
            }

            // It must have been near all the while: what was far until now has the patience of the far.
            if (!_nearNs.TryGetValue((client.Index, id), out long nearNs))
                _nearNs[(client.Index, id)] = nearNs = _system.NowNs;
            StalenessChecks++;
            int newest = world.Slots[occupant].Count - 1;
            uint hash = EntityCodec.ContentHash(world.Slots[occupant].Kind!, world.Slots.Record(occupant, newest), world.Slots.T0(occupant, newest));
            long lackedNs = OldestLacked(id, hash);
            if (lackedNs < 0)
                continue;
            lackedNs = Math.Max(lackedNs, nearNs);
            long allowed = client.LongestGapSince(lackedNs, _system.NowNs) + intervals;
            if (_system.NowNs - lackedNs > allowed)
                Break($"{At()}: client {client.Index}, entity {id} lacks a version for {(_system.NowNs - lackedNs) / 1e6:F0} ms, allowed {allowed / 1e6:F0}; {Distance(truth, row, avatar):F0} units, {Slots(_system.ViewOf(client)!, id)}");
        }
    }

    private long OldestLacked(uint id, uint hash)
    {
        if (!_published.TryGetValue(id, out Queue<(uint Hash, long Ns)>? versions))
            return -1;
        long lackedNs = -1;
        foreach ((uint published, long ns) in versions)
        {
            if (published == hash)
                lackedNs = -1;
            else if (lackedNs < 0)
                lackedNs = ns;
        }

        // Not found at all: older than what is remembered, or the first is still on its way.
        return versions.Any(version => version.Hash == hash) ? lackedNs : versions.Peek().Ns;
    }

    private void OnPublished()
    {
        WorldState truth = _system.Zone.World;
        WorldHistory history = _system.Zone.Replicator.History;
        foreach (int row in history.Published)
        {
            if (!truth.KindOf(row).HasMotion)
                continue;
            uint id = truth.Id[row];
            if (!_published.TryGetValue(id, out Queue<(uint Hash, long Ns)>? versions))
                _published.Add(id, versions = new Queue<(uint, long)>());
            if (versions.Count == VersionsKept)
                versions.Dequeue();
            versions.Enqueue((history.HashOf(row, history.VersionOf(row)), _system.NowNs));
        }

        foreach (WorldEvent change in truth.Events)
        {
            if (change.Kind == WorldEventKind.Destroyed)
                _destroyedNs[change.Id.Value] = _system.NowNs;
        }
    }

    private static double Distance(WorldState truth, int row, int avatar)
        => Math.Sqrt(Math.Pow(truth.X[row] - truth.X[avatar], 2) + Math.Pow(truth.Y[row] - truth.Y[avatar], 2)) / Units.One;

    private static string Slots(PeerView view, uint id)
    {
        string text = "";
        for (int i = 0; i < view.Slots.Length; i++)
        {
            ref PeerView.Slot slot = ref view.Slots[i];
            if (slot.Id == id && slot.State != SlotState.Free)
                text += $"[slot {i} tick {slot.SentTick} {slot.State} {slot.Flags} acked {slot.AckedVersion} sent {slot.SentVersion} copies {slot.Copies} since {slot.EnterSequence}]";
        }

        return text;
    }

    private string At() => $"at {_system.NowNs / 1e9:F2} s";

    private void Break(string what)
    {
        if (Broken.Count < 50)
            Broken.Add(what);
    }
}
