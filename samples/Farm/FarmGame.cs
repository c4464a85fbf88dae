using System.Text;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Farm;

/// <summary>The farm as a zone hosts it: players join and leave, inputs become steps, wishes become answers.</summary>
/// <remarks>The rules live in <see cref="FarmRules"/>; here is only what ties them to peers. Deterministic: a recording replays.</remarks>
public sealed class FarmGame : IGame<TopDownInput>
{
    /// <summary>Operator's word: nothing moves or grows from the next tick on, whatever the inputs. For comparing replicas with the truth.</summary>
    public const string FreezeCommand = "freeze";

    private readonly FarmRules _rules;
    private IZone? _zone;
    private FarmInput[] _inputs = [];
    private int[] _avatarRows = [];
    private bool _isFrozen;

    /// <summary>A farm of these options.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is out of range.</exception>
    public FarmGame(FarmOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Schema = new FarmSchema(options.TickRate);
        _rules = new FarmRules(options, Schema);
    }

    /// <summary>Its kinds and fields.</summary>
    public FarmSchema Schema { get; }

    /// <inheritdoc/>
    public void Start(IZone zone)
    {
        ArgumentNullException.ThrowIfNull(zone);
        _zone = zone;
        _inputs = new FarmInput[zone.Options.PlayersMax];
        _avatarRows = new int[zone.Options.PlayersMax];
        _rules.Populate(zone.World);
    }

    /// <summary>A new player, or one who was lost and finds its farmer where it stood.</summary>
    public EntityId Joined(PeerId peer, in Arrival arrival)
    {
        if (!_zone!.World.TryFind(arrival.Avatar, out int row))
            row = _rules.Join(_zone.World, peer.Index, Encoding.UTF8.GetBytes(FormattableString.Invariant($"farmer {peer.Index}")));
        _avatarRows[peer.Index] = row;
        return _zone.World.IdOf(row);
    }

    /// <inheritdoc/>
    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        if (_isFrozen)
            return;
        for (int i = 0; i < inputs.Length; i++)
            _inputs[i] = new FarmInput(inputs[i].Row, inputs[i].Input);
        _rules.Step(world, _inputs.AsSpan(0, inputs.Length));
    }

    /// <summary>A lost player's farmer stays standing: it gets no inputs, so it does nothing.</summary>
    public void Left(PeerId peer, in Departure departure)
    {
        if (!departure.MayReturn)
            _rules.Leave(_zone!.World, _avatarRows[peer.Index]);
    }

    /// <inheritdoc/>
    public void Forgotten(EntityId avatar)
    {
        if (_zone!.World.TryFind(avatar, out int row))
            _rules.Leave(_zone.World, row);
    }

    /// <summary>A wish on the action lane (<see cref="UseMessage"/>) is answered there by one byte, its <see cref="UseResult"/>; the rest is not for farmers.</summary>
    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
        if (lane != Lane.Action || !UseMessage.TryRead(message, out UseMessage use))
            return;
        UseResult result = _rules.Use(_zone!.World, _avatarRows[peer.Index], use.TileX, use.TileY);
        _zone.Send(peer, Lane.Action, [(byte)result]);
    }

    /// <summary>Knows <see cref="FreezeCommand"/>; anything else changes nothing.</summary>
    public void Command(string command) => _isFrozen |= command == FreezeCommand;
}
