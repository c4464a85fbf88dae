using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>One bot: a real client and the hands that steer it. One in so many decodes and looks; the others open, read headers and ack.</summary>
internal sealed class Bot(int index, GameClient<TopDownInput> client, FarmBot hands, bool decodes)
{
    private Tick _steered;
    private bool _isSteered;

    /// <summary>Its number among the bots.</summary>
    public int Index { get; } = index;

    /// <summary>The client.</summary>
    public GameClient<TopDownInput> Client { get; } = client;

    /// <summary>It holds a replica.</summary>
    public bool Decodes { get; } = decodes;

    /// <summary>It is in the game, with an avatar.</summary>
    public bool IsPlaying => Client.State == ClientState.Playing && Client.IsJoined;

    /// <summary>Snapshots when the window began.</summary>
    public long SnapshotsBefore { get; set; }

    /// <summary>Snapshots a second in the window, once it has ended.</summary>
    public double SnapshotHz { get; set; }

    /// <summary>Newest sampled tick it was asked what it draws for.</summary>
    public uint DrawnTick { get; set; }

    /// <summary>When it looks at what is near the next time, ns.</summary>
    public long LookNs { get; set; }

    /// <summary>Malformed or refused snapshots since the start, and packets that could not be opened.</summary>
    public long DecodeErrors
    {
        get
        {
            ClientStats stats = Client.Stats;
            return stats.Malformed + stats.WithoutBaseline + stats.WrongChecks + Client.Drops(OpenResult.Malformed) + Client.Drops(OpenResult.BadSeal);
        }
    }

    /// <summary>Lets its time pass: one input for each of its ticks.</summary>
    public void Update(long nowNs, bool stands)
    {
        Client.Update(nowNs);
        if (!Client.IsJoined)
            return;
        Tick tick = Client.InputTick;
        int ticks = _isSteered ? tick - _steered : 1;
        (_steered, _isSteered) = (tick, true);
        SnapshotHeader header = Client.LastHeader;
        if (ticks > 0 && header.HasOwn)
            hands.Observe(header.OwnX, header.OwnY);
        TopDownInput input = TopDownInput.Neutral;
        for (int i = 0; i < Math.Min(ticks, InputMessage.InputsMax); i++)
            input = hands.Next();
        if (stands)
            Client.SetInput(TopDownInput.Neutral);
        else if (ticks > 0)
            Client.SetInput(input);
    }
}
