using Hectare.Protocol;

namespace Hectare.Peers.Bots;

/// <summary>How the bots of one contestant speak: cheap ones, that send their inputs and count what comes.</summary>
internal abstract class BotLink(int bots) : IDisposable
{
    /// <summary>Snapshots that each bot has got.</summary>
    public long[] Snapshots { get; } = new long[bots];

    /// <summary>Which are connected.</summary>
    public bool[] IsConnected { get; } = new bool[bots];

    /// <summary>Begins to connect a bot; called again now and then until it is connected.</summary>
    public abstract void Connect(int bot);

    /// <summary>Takes what has arrived.</summary>
    public abstract void Receive();

    /// <summary>Sends a connected bot's input.</summary>
    public abstract void SendInput(int bot, TopDownInput input);

    /// <summary>What is waiting goes out.</summary>
    public abstract void Flush();

    /// <inheritdoc/>
    public abstract void Dispose();
}
