namespace Hectare.Peers;

/// <summary>A contestant's server as its loop sees it.</summary>
internal abstract class PeerServer : IDisposable
{
    /// <summary>UDP port it listens on.</summary>
    public abstract int Port { get; }

    /// <summary>Ticks a second.</summary>
    public abstract int TickRate { get; }

    /// <summary>Longest time between two polls, ns; 0: polled by its tick alone.</summary>
    public virtual long PollNs => 0;

    /// <summary>Players it has.</summary>
    public abstract int PeerCount { get; }

    /// <summary>Inputs taken since the start.</summary>
    public long Inputs { get; protected set; }

    /// <summary>Datagrams sent since the start.</summary>
    public abstract long SentDatagrams { get; }

    /// <summary>Their UDP payload, bytes.</summary>
    public abstract long SentBytes { get; }

    /// <summary>Takes what has arrived.</summary>
    public abstract void Poll();

    /// <summary>One step of its world, with what arrived before it and what is sent after it.</summary>
    public abstract void Tick(long tick);

    /// <inheritdoc/>
    public abstract void Dispose();
}
