using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Rare events of a zone, one typed method each; what happens per packet is a counter (<see cref="ZoneReport"/>). Called on the tick thread.</summary>
/// <remarks>Every method does nothing by default: a log implements those it tells of. It must not block: it stands on the tick.</remarks>
public interface IZoneLog
{
    /// <summary>Information: a player's avatar is in the world.</summary>
    void PeerJoined(Tick tick, PeerId peer, PeerAddress address, EntityId avatar)
    {
    }

    /// <summary>Information: a connection has ended, whoever ended it.</summary>
    void PeerLeft(Tick tick, PeerId peer, PeerAddress address, CloseReason reason)
    {
    }

    /// <summary>Information: a client proved its address and was told no.</summary>
    void PeerRefused(Tick tick, PeerAddress address, RefuseReason reason)
    {
    }

    /// <summary>Warning: the schedule was moved on by <paramref name="ticks"/>; the zone was further behind than it may catch up.</summary>
    void TicksGivenUp(Tick tick, int ticks)
    {
    }

    /// <summary>Warning: ticks take too long, and the zone gives up more; or Information: it takes some of it back.</summary>
    void PressureChanged(Tick tick, PressureLevel level)
    {
    }

    /// <summary>Error: the zone's own state is broken or the game threw; the zone stops.</summary>
    void ZoneFailed(Tick tick, Exception failure)
    {
    }
}
