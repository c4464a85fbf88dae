using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What looks at a zone without being a part of it. All optional.</summary>
public sealed record ZoneHooks
{
    /// <summary>Sees the world at fixed points of a tick.</summary>
    public IZoneObserver? Observer { get; init; }

    /// <summary>Is told rare events.</summary>
    public IZoneLog? Log { get; init; }

    /// <summary>Writes down all that the zone's run depends on; turns <see cref="HashOutbound"/> on. Disposed by whoever made it.</summary>
    public ZoneRecorder? Recorder { get; init; }

    /// <summary>Is told the keys of each connection made: with them a capture can be opened. For development only. Tick thread.</summary>
    public Action<TrafficSecrets>? KeyLog { get; init; }

    /// <summary>Keeps a hash over every datagram sent (<see cref="Zone{TInput}.End"/>): about 40 ns each. Default off.</summary>
    public bool HashOutbound { get; init; }
}
