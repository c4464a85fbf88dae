using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Looks at a zone at fixed points of its tick, on the tick thread, for tools that compare clients with the truth. Must change nothing.</summary>
public interface IZoneObserver
{
    /// <summary>The tick's versions are published and interest is up to date; destroyed rows are still readable.</summary>
    void AfterPublish(IZone zone, Tick tick);

    /// <summary>Every snapshot of the tick is written and handed to the sockets. Not called for a tick that was caught up without writing.</summary>
    void AfterWrite(IZone zone, Tick tick);
}
