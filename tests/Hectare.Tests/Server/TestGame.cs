using System.Text;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Tests.Server;

/// <summary>A small farm on a zone, which writes down what the zone told it.</summary>
internal sealed class TestGame(FarmOptions options) : IGame<TopDownInput>
{
    private readonly FarmRules _rules = new(options, SharedSchema);
    private readonly TopDownMovement _movement = new(SharedSchema.Player);
    private readonly FarmInput[] _inputs = new FarmInput[4096 * 4];
    private readonly int[] _rows = new int[16_384];

    public static readonly FarmSchema SharedSchema = new();

    public static readonly FarmOptions Small = new() { Crops = 200, Trees = 100, Crates = 20, Animals = 50 };

    public IZone? Zone { get; private set; }

    public List<string> Events { get; } = [];

    public int InputsOfLastStep { get; private set; }

    public Exception? ThrowAtStep { get; set; }

    public int RowOf(PeerId peer) => _rows[peer.Index];

    public void Start(IZone zone)
    {
        Zone = zone;
        _rules.Populate(zone.World);
    }

    public List<Arrival> Arrivals { get; } = [];

    public EntityId Joined(PeerId peer, in Arrival arrival)
    {
        Events.Add($"joined {peer.Index}");
        Arrivals.Add(arrival);
        if (!Zone!.World.TryFind(arrival.Avatar, out int row))
            row = _rules.Join(Zone.World, peer.Index, Encoding.UTF8.GetBytes($"p{peer.Index}"));
        _rows[peer.Index] = row;
        return Zone.World.IdOf(row);
    }

    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        if (ThrowAtStep is { } failure)
            throw failure;
        InputsOfLastStep = inputs.Length;
        int count = 0;
        for (int i = 0; i < inputs.Length; i++)
        {
            // Only with the audited fault 8 does a player have more than one: each of them moves it.
            if (i > 0 && inputs[i].Row == inputs[i - 1].Row)
                Simulation.Walk(world, in _movement, inputs[i].Row, inputs[i].Input);
            else
                _inputs[count++] = new FarmInput(inputs[i].Row, inputs[i].Input);
        }

        _rules.Step(world, _inputs.AsSpan(0, count));
    }

    public void Left(PeerId peer, in Departure departure)
    {
        Events.Add($"left {peer.Index} {departure.Reason.Cause} {departure.Reason.Code}{(departure.MayReturn ? " may return" : "")}");
        if (_rows[peer.Index] >= 0 && !departure.MayReturn)
            Kill(peer);
    }

    public void Forgotten(EntityId avatar)
    {
        Events.Add($"forgotten {avatar.Value}");
        if (Zone!.World.TryFind(avatar, out int row))
            _rules.Leave(Zone.World, row);
    }

    /// <summary>Ends an avatar whose player stays.</summary>
    public void Kill(PeerId peer)
    {
        _rules.Leave(Zone!.World, _rows[peer.Index]);
        _rows[peer.Index] = -1;
    }

    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
        Events.Add($"message {peer.Index} {lane} {Encoding.UTF8.GetString(message)}");
        Zone!.Send(peer, lane, message);
    }

    public void Command(string command) => Events.Add($"command {command}");
}
