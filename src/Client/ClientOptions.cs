using Hectare.Transport;

namespace Hectare.Client;

/// <summary>How a client behaves. The defaults are for a game.</summary>
public sealed record ClientOptions
{
    /// <summary>Holds a replica of the zone. Default true; false: packets are opened, their headers read and acked, nothing more (bots that only load a server).</summary>
    public bool Decode { get; init; } = true;

    /// <summary>Events of the replica kept for a game that does not take them, 0 to 65,536. Default 4,096; the oldest are lost beyond, counted.</summary>
    public int EventsMax { get; init; } = 4096;

    /// <summary>Longest time between two packets while inputs run, ns: 20 ms to 500 ms. Default 97 ms; shorter costs the uplink, longer delays acks.</summary>
    /// <remarks>Not 100: it must drift against the server's slots, else each round trip holds the same wait for the next slot.</remarks>
    public long SendIntervalNs { get; init; } = 97_000_000;

    /// <summary>The connection's own. Default: messages to the zone of up to 16,000 bytes, as zones take them by default.</summary>
    public ConnectionOptions Connection { get; init; } = ConnectionOptions.Default with { MessageBytesMax = ConnectionOptions.ToServerMessageBytes };

    internal void Validate()
    {
        Protocol.OptionException.Check(nameof(EventsMax), EventsMax, 0, 65_536);
        Protocol.OptionException.Check(nameof(SendIntervalNs), SendIntervalNs, 20_000_000, 500_000_000, "ns");
    }
}

/// <summary>Where a client stands.</summary>
public enum ClientState : byte
{
    /// <summary>Not asked to connect yet.</summary>
    Idle,

    /// <summary>The handshake is under way.</summary>
    Connecting,

    /// <summary>Connected; the server's welcome is under way.</summary>
    Joining,

    /// <summary>Snapshots come (or will, as soon as there is an avatar).</summary>
    Playing,

    /// <summary>Over; <c>CloseReason</c> says why.</summary>
    Closed,
}

/// <summary>A client's numbers at a moment.</summary>
public readonly record struct ClientStats
{
    /// <summary>Smoothed round trip, ns, the server's wait for its next packet included.</summary>
    public long RttNs { get; init; }

    /// <summary>Least round trip of the last 10 to 20 s, ns.</summary>
    public long RttMinNs { get; init; }

    /// <summary>Share of the server's packets of the last 10 s that were not accepted.</summary>
    public double LossDown { get; init; }

    /// <summary>Share of our last packets that the server did not accept.</summary>
    public double LossUp { get; init; }

    /// <summary>What all but 1 % of the snapshots of 10 s came later than the best, ns.</summary>
    public long JitterNs { get; init; }

    /// <summary>How far the picture runs behind the server, ns.</summary>
    public long DelayNs { get; init; }

    /// <summary>Ticks that our inputs run ahead of the server's clock.</summary>
    public double InputLeadTicks { get; init; }

    /// <summary>What the server said of our newest input: ticks before its need; negative: late.</summary>
    public int InputMarginTicks { get; init; }

    /// <summary>Entities in interest.</summary>
    public int Entities { get; init; }

    /// <summary>Snapshots applied (or, without decoding, their headers read).</summary>
    public long Snapshots { get; init; }

    /// <summary>Snapshots that were malformed.</summary>
    public long Malformed { get; init; }

    /// <summary>Snapshots that built on what this client does not have.</summary>
    public long WithoutBaseline { get; init; }

    /// <summary>Snapshots whose self-check said that the two ends disagree.</summary>
    public long WrongChecks { get; init; }

    /// <summary>Times that a resync was asked for.</summary>
    public long Resyncs { get; init; }

    /// <summary>Times that the picture had to step in time.</summary>
    public long ClockSteps { get; init; }

    /// <summary>Datagrams given out to be sent.</summary>
    public long SentPackets { get; init; }

    /// <summary>Their UDP payload bytes.</summary>
    public long SentBytes { get; init; }

    /// <summary>Datagrams accepted.</summary>
    public long ReceivedPackets { get; init; }

    /// <summary>Their UDP payload bytes.</summary>
    public long ReceivedBytes { get; init; }
}
