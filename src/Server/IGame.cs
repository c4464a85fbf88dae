using Hectare.Protocol;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Server;

/// <summary>A game on a zone. Every method is called on the tick thread, so the game needs no lock and may change the world at any time in it.</summary>
/// <remarks>Deterministic by contract: it draws only from its own seeded stream and looks at no clock; else a recording does not replay.</remarks>
/// <typeparam name="TInput">What a client wants of its avatar for one tick.</typeparam>
public interface IGame<TInput>
    where TInput : struct, IInput<TInput>
{
    /// <summary>Once, before the first tick: spawn what the world starts with, keep <paramref name="zone"/>.</summary>
    void Start(IZone zone);

    /// <summary>A client is ready to play: spawn its avatar, or give it back the one it left behind (<see cref="Arrival.Avatar"/>).</summary>
    /// <returns>The avatar: the viewpoint of the client and what its inputs move; <see cref="EntityId.None"/> for one who only watches.</returns>
    EntityId Joined(PeerId peer, in Arrival arrival);

    /// <summary>One tick of the game: move the avatars by their inputs, then whatever else lives. The hot path: loop over columns, allocate nothing.</summary>
    /// <param name="world">The truth; positions, fields and lives may be changed here.</param>
    /// <param name="inputs">One for each client that has an avatar, in the order of peer indices; see <see cref="PeerInput{TInput}"/>.</param>
    /// <param name="tick">The tick that runs.</param>
    void Step(WorldState world, ReadOnlySpan<PeerInput<TInput>> inputs, Tick tick);

    /// <summary>A client that had joined is gone. One that <see cref="Departure.MayReturn"/> was lost: leave its avatar standing, it comes back to it or is
    /// <see cref="Forgotten"/>. Of any other nothing more is heard: destroy the avatar, or keep it as the game's own.</summary>
    void Left(PeerId peer, in Departure departure);

    /// <summary>A lost client did not come back in time: the avatar that it left behind is the game's. Not called for one that had none.</summary>
    /// <param name="avatar">What the client moved when it was lost. The game may have ended it since.</param>
    void Forgotten(EntityId avatar)
    {
    }

    /// <summary>A reliable message of a client that has joined; the lane is never <see cref="Lane.Control"/>. The bytes are hostile and gone after the call.</summary>
    void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message);

    /// <summary>A word from the operator (<see cref="Zone{TInput}.Command"/>), between two ticks. Recorded, so a replay sees it at the same tick.</summary>
    void Command(string command)
    {
    }
}

/// <summary>Who comes.</summary>
/// <param name="ClientId">The player, as the login service names it: the same at every visit.</param>
/// <param name="Session">This stay: the same when a lost player comes back.</param>
/// <param name="UserData">What the login service said of the player, 0 to 512 bytes: trusted, it came sealed. Kept as long as the session is.</param>
/// <param name="Avatar">What the player left behind when it was lost, and what still stands there; <see cref="EntityId.None"/> for a new one.</param>
public readonly record struct Arrival(ulong ClientId, SessionId Session, ReadOnlyMemory<byte> UserData, EntityId Avatar);

/// <summary>Who goes.</summary>
/// <param name="Reason">Why its connection ended.</param>
/// <param name="MayReturn">True when it was lost, not sent away and not leaving: its session and its avatar wait for it.</param>
public readonly record struct Departure(CloseReason Reason, bool MayReturn);

/// <summary>What one client's avatar does this tick: exactly one a tick, however many inputs came.</summary>
/// <param name="Peer">The client.</param>
/// <param name="Row">Its avatar's row in the world; always alive.</param>
/// <param name="Input">This tick's input; the last one for 250 ms when none came in time, then neutral.</param>
/// <param name="IsOwn">True when it is the client's input of this very tick.</param>
public readonly record struct PeerInput<TInput>(PeerId Peer, int Row, TInput Input, bool IsOwn)
    where TInput : struct, IInput<TInput>;

/// <summary>A zone as its game and its tools see it. Tick thread only.</summary>
public interface IZone
{
    /// <summary>The options that the zone runs with.</summary>
    ZoneOptions Options { get; }

    /// <summary>The truth.</summary>
    WorldState World { get; }

    /// <summary>The tick that ran last or is running.</summary>
    Tick Tick { get; }

    /// <summary>When <see cref="Tick"/> was due, in 0.1 ms since <see cref="StartNs"/>; what snapshots carry.</summary>
    long DueTime { get; }

    /// <summary>Due time of the zone's first tick on the monotonic clock; 0 before it.</summary>
    long StartNs { get; }

    /// <summary>Sends a reliable ordered message to a client on any lane but control. Never blocks; nothing grows without bound.</summary>
    /// <param name="peer">A client that has joined.</param>
    /// <param name="lane">Action for what must come at once, chat for text, bulk for what may wait; large bulk messages are packed on the way.</param>
    /// <param name="message">Copied; up to 256 kB on bulk, 64 kB on the others.</param>
    /// <returns>Sent; or QueueFull: the client is slow, try again later or leave it; TooLarge: never; Closed: there is no such client (any more).</returns>
    SendResult Send(PeerId peer, Lane lane, ReadOnlySpan<byte> message);

    /// <summary>Gives a joined client another avatar; <see cref="EntityId.None"/> for none. The client is told.</summary>
    /// <returns>False when there is no such client or no such entity.</returns>
    bool SetAvatar(PeerId peer, EntityId avatar);

    /// <summary>Ends a client's connection; it is told why, and <see cref="IGame{TInput}.Left"/> follows in the next tick.</summary>
    void Disconnect(PeerId peer, CloseCode code);
}
