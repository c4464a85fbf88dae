using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>One bot: a real client and the hands that steer it. One in so many decodes and looks; the others open, read headers and ack.</summary>
internal sealed class Bot(int index, GameClient<TopDownInput> client, FarmBot hands, bool decodes)
{
    // Ticks that its hands are ahead of its inputs: more than lie between two packets, so that it wakes only to send, or when an input changes.
    private const int AheadTicks = 4;

    private const int ObjectBytes = 112;
    private const int HandsBytes = 128;

    private readonly TopDownInput[] _ahead = new TopDownInput[AheadTicks];
    private int _aheadCount;
    private TopDownInput _held;
    private Tick _steered;

    /// <summary>Its number among the bots.</summary>
    public int Index { get; } = index;

    /// <summary>The client.</summary>
    public GameClient<TopDownInput> Client { get; private set; } = client;

    /// <summary>Times that it began to join anew.</summary>
    public int Retries { get; private set; }

    /// <summary>True when its handshake timed out: nobody was ever heard on its connection.</summary>
    public bool IsUnheard => Client is { State: ClientState.Closed, CloseReason.Cause: CloseCause.TimedOut } && Client.Stats.ReceivedPackets == 0;

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

    /// <summary>Snapshots that its client had when it last looked who is near.</summary>
    public long SeenSnapshots { get; set; }

    /// <summary>The movers near it then, and the hash of what it holds of each.</summary>
    public List<(uint Id, uint Hash)> Near { get; } = [];

    /// <summary>When it looks at what is near the next time, ns.</summary>
    public long LookNs { get; set; }

    /// <summary>Malformed or refused snapshots since the start, and packets that could not be opened.</summary>
    public DecodeErrorCounts DecodeErrors
    {
        get
        {
            ClientStats stats = Client.Stats;
            return new DecodeErrorCounts(stats.Malformed, stats.WithoutBaseline, stats.WrongChecks, Client.Drops(OpenResult.Malformed) + Client.Drops(OpenResult.BadSeal));
        }
    }

    /// <summary>Asks for a bot's memory.</summary>
    public static void Prefetch(Bot bot) => Protocol.Prefetch.Object(bot, ObjectBytes);

    /// <summary>Asks for its client's, and its hands'.</summary>
    public void PrefetchClient()
    {
        Protocol.Prefetch.Object(Client, GameClient<TopDownInput>.ObjectBytes);
        Protocol.Prefetch.Object(hands, HandsBytes);
        Protocol.Prefetch.Length(_ahead);
    }

    /// <summary>It tries again to join, as a player would.</summary>
    public void Retry(GameClient<TopDownInput> client)
    {
        Client = client;
        Retries++;
    }

    /// <summary>Lets its time pass: one input for each of its ticks. Then take the client's datagrams.</summary>
    public void Update(long nowNs, bool stands)
    {
        Client.Update(nowNs);
        if (!Client.IsJoined)
            return;
        if (stands)
            Client.SetInput(TopDownInput.Neutral);
        else
            Steer();
    }

    /// <summary>When it has something to do again, if nothing comes in: past or now until it plays.</summary>
    public long DueNs => Client.IsJoined ? Math.Min(Client.NextSendNs, NextChangeNs()) : 0;

    // What has passed is forgotten; what a sleep longer than the hands are ahead has missed was never pressed.
    private void Steer()
    {
        int passed = Math.Clamp(Client.InputTick - _steered, 0, _aheadCount);
        _steered = Client.InputTick;
        if (passed > 0)
        {
            _held = _ahead[passed - 1];
            _ahead.AsSpan(passed, _aheadCount - passed).CopyTo(_ahead);
            _aheadCount -= passed;
            SnapshotHeader header = Client.LastHeader;
            if (header.HasOwn)
                hands.Observe(header.OwnX, header.OwnY);
        }

        if (_aheadCount == AheadTicks)
            return;
        while (_aheadCount < AheadTicks)
            _ahead[_aheadCount++] = hands.Next();
        Client.SetInputs(_ahead);
    }

    // A change leaves with its tick, at once: that is when to be awake.
    private long NextChangeNs()
    {
        TopDownInput held = _held;
        for (int i = 0; i < _aheadCount; i++)
        {
            if (!_ahead[i].Equals(held))
                return Client.InputDueNs(i + 1);
        }

        return Client.InputDueNs(_aheadCount);
    }
}
