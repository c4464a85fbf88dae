namespace Hectare.Peers.OverEnet;

/// <summary>A server over ENet: polls between its ticks, and at each tick serves a third of its peers.</summary>
internal abstract unsafe class EnetServer(int playersMax) : PeerServer
{
    /// <summary>Ticks from one packet to a peer to its next: 30 ticks make ten a second.</summary>
    protected const int SendTicks = 3;

    // A throttle that slows nobody down: it would drop unreliable packets when the machine, not the link, is late.
    private const uint ThrottleIntervalMs = 5_000;
    private const uint ThrottleScale = 32;

    private readonly EnetHost _host = EnetHost.Open(playersMax);
    private readonly Dictionary<nint, int> _players = [];
    private readonly List<nint> _peers = [];
    private readonly List<bool> _isHere = [];

    /// <inheritdoc/>
    public override int Port => _host.Port;

    /// <inheritdoc/>
    public override int TickRate => 30;

    /// <summary>Often enough for a receive buffer of the size that ENet asks for by itself, where the system grants no larger one.</summary>
    public override long PollNs => 5_000_000;

    /// <inheritdoc/>
    public override int PeerCount => _isHere.Count(here => here);

    /// <inheritdoc/>
    public override long SentDatagrams => _host.SentDatagrams;

    /// <inheritdoc/>
    public override long SentBytes => _host.SentBytes;

    /// <inheritdoc/>
    public override void Poll()
    {
        while (_host.TryNext(out EnetLibrary.Event happened))
            Take(in happened);
    }

    /// <inheritdoc/>
    public override void Tick(long tick)
    {
        Poll();
        Step();
        for (int player = (int)(tick % SendTicks); player < _peers.Count; player += SendTicks)
        {
            if (_isHere[player])
                SendTo(player, _peers[player]);
        }

        _host.Flush();
    }

    /// <inheritdoc/>
    public override void Dispose() => _host.Dispose();

    /// <summary>A player with the next number is there.</summary>
    protected virtual void Joined(int player)
    {
    }

    /// <summary>A packet of a player.</summary>
    protected virtual void Received(int player, ReadOnlySpan<byte> bytes)
    {
    }

    /// <summary>The game's tick.</summary>
    protected virtual void Step()
    {
    }

    /// <summary>What a player is told ten times a second.</summary>
    protected abstract void SendTo(int player, nint peer);

    private void Take(in EnetLibrary.Event happened)
    {
        switch (happened.Type)
        {
            case EnetLibrary.EventType.Connect:
                Welcome(happened.Peer);
                break;
            case EnetLibrary.EventType.Disconnect:
                _isHere[_players[happened.Peer]] = false;
                break;
            case EnetLibrary.EventType.Receive:
                Inputs++;
                Received(_players[happened.Peer], new ReadOnlySpan<byte>(happened.Packet->Data, (int)happened.Packet->DataBytes));
                EnetLibrary.DestroyPacket(happened.Packet);
                break;
        }
    }

    // Who comes to the place of one who went takes over its player.
    private void Welcome(nint peer)
    {
        EnetLibrary.ConfigureThrottle(peer, ThrottleIntervalMs, ThrottleScale, 0);
        if (_players.TryAdd(peer, _peers.Count))
        {
            _peers.Add(peer);
            _isHere.Add(true);
            Joined(_peers.Count - 1);
        }

        _isHere[_players[peer]] = true;
    }
}

/// <summary>ENet with no game: 600 bytes to each peer ten times a second, and what comes is thrown away.</summary>
internal sealed class EnetBareServer(int playersMax) : EnetServer(playersMax)
{
    /// <summary>Bytes of each packet.</summary>
    public const int PacketBytes = 600;

    private readonly byte[] _packet = new byte[PacketBytes];

    /// <inheritdoc/>
    protected override void SendTo(int player, nint peer) => EnetHost.Send(peer, _packet);
}

/// <summary>ENet with a naive game: to each player the full state of all it sees.</summary>
internal sealed class EnetStatesServer(int playersMax, ulong seed) : EnetServer(playersMax)
{
    private readonly StateGame _game = new(Farm.FarmMap.Generate(seed), seed, PeerWorld.AnimalCount);
    private readonly byte[] _packet = new byte[StateGame.PacketBytesMax];

    /// <inheritdoc/>
    protected override void Joined(int player) => _game.Join();

    /// <inheritdoc/>
    protected override void Received(int player, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == StateGame.InputBytes)
            _game.HandleInput(player, StateGame.ReadInput(bytes));
    }

    /// <inheritdoc/>
    protected override void Step() => _game.Step(TickRate);

    /// <inheritdoc/>
    protected override void SendTo(int player, nint peer)
    {
        _game.LookAround(player);
        while (_game.TryWritePacket(_packet, out int bytes))
            EnetHost.Send(peer, _packet.AsSpan(0, bytes));
    }
}
