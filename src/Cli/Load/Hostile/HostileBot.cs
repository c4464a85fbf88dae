using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>One hostile bot: connects, behaves as its behaviour wants, and comes back some time after it was sent away.</summary>
internal sealed class HostileBot
{
    // Between two attempts to connect: so pressure lasts, and no bot is more than a slow trickle of handshakes.
    private const long ReconnectNs = 1_000_000_000;
    private const long WalkIntervalNs = 97_000_000;
    private const int WalkInputs = 8;

    private readonly HostileCrowd _crowd;
    private readonly Behaviour _behaviour;
    private readonly FarmBot _hands;
    private readonly TopDownInput[] _walked = new TopDownInput[WalkInputs];
    private readonly byte[] _datagram = new byte[DatagramBatch.SlotBytes];
    private HostileClient? _client;
    private Tick _walkTick;
    private bool _isWalking;
    private long _walkNs;
    private long _connectNs;
    private bool _wasPlaying;
    private SeededRandom _random;

    /// <summary>A bot that has not connected.</summary>
    public HostileBot(HostileCrowd crowd, int index, string behaviour, ulong seed)
    {
        _crowd = crowd;
        Index = index;
        Behaviour = behaviour;
        _behaviour = Behaviours.Get(behaviour).Make();
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x686F_7374));
        _hands = new FarmBot(seed, crowd.Workload, HostedFarm.TickRate);
    }

    /// <summary>Its number among the hostile ones.</summary>
    public int Index { get; }

    /// <summary>Name of what it does.</summary>
    public string Behaviour { get; }

    /// <summary>What it did and what became of it.</summary>
    public HostileCounters Counters { get; } = new();

    /// <summary>Its present connection; null before the first and between two.</summary>
    public HostileClient? Client => _client;

    /// <summary>It is in the game.</summary>
    public bool IsPlaying => _client is { IsPlaying: true };

    /// <summary>Its own address.</summary>
    public PeerAddress Address => _crowd.Network.AddressOf(Index);

    /// <summary>Its second address.</summary>
    public PeerAddress SecondAddress => _crowd.Network.SecondAddressOf(Index);

    /// <summary>Random numbers of its own.</summary>
    public ref SeededRandom Random => ref _random;

    /// <summary>2,048 bytes to make a datagram in; whoever writes next writes over it.</summary>
    public Span<byte> Buffer => _datagram;

    /// <summary>The other hostile bots.</summary>
    public HostileCrowd Crowd => _crowd;

    /// <summary>Takes what the server sent to one of its addresses.</summary>
    public void Receive(Span<byte> datagram, bool isSecond, long nowNs)
    {
        Counters.ReceivedDatagrams++;
        Counters.ReceivedBytes += datagram.Length;
        _behaviour.Received(this, datagram, nowNs);
        if (!isSecond)
            _client?.Receive(datagram, nowNs);
    }

    /// <summary>Lets its time pass.</summary>
    public void Update(long nowNs)
    {
        if (_behaviour.NeedsConnection)
            KeepConnected(nowNs);
        if (_crowd.IsQuiet)
        {
            if (IsPlaying)
                Walk(nowNs, stands: true);
        }
        else if (IsPlaying || !_behaviour.NeedsConnection)
        {
            _behaviour.Play(this, nowNs);
        }
    }

    /// <summary>Walks as an honest player does: an input a tick, a packet every 97 ms. Gives the packet to the behaviour as it leaves.</summary>
    public void Walk(long nowNs, bool stands = false)
    {
        if (_client is not { IsPlaying: true } client)
            return;
        Tick due = client.InputTick(nowNs);
        _hands.Observe(client.Position.X, client.Position.Y);
        if (!_isWalking || Math.Abs(due - _walkTick) > WalkInputs)
            (_walkTick, _isWalking) = (due - 1, true);
        while (_walkTick < due)
        {
            _walkTick = _walkTick.Next;
            Array.Copy(_walked, 1, _walked, 0, WalkInputs - 1);
            _walked[^1] = stands ? TopDownInput.Neutral : _hands.Next();
        }

        if (nowNs - _walkNs < WalkIntervalNs)
            return;
        _walkNs = nowNs;
        int bytes = client.WriteInputs(_datagram, _walkTick, _walked, nowNs);
        Send(_datagram.AsSpan(0, bytes));
        if (!stands)
            _behaviour.Sent(this, _datagram.AsSpan(0, bytes), nowNs);
    }

    /// <summary>Sends what an honest client would send, too.</summary>
    public void Send(ReadOnlySpan<byte> datagram) => Send(datagram, Address);

    /// <summary>Sends what no honest client would send, from its own address.</summary>
    public void Offend(ReadOnlySpan<byte> datagram) => Offend(datagram, Address);

    /// <summary>Sends what no honest client would send, from any address.</summary>
    public void Offend(ReadOnlySpan<byte> datagram, PeerAddress from)
    {
        Counters.Offences++;
        Send(datagram, from);
    }

    /// <summary>Says goodbye, if there is anyone to say it to.</summary>
    public void Leave(long nowNs)
    {
        if (_client is not { Connection: { State: ConnectionState.Connected } connection })
            return;
        connection.Close(CloseCode.Left, nowNs);
        FlushConnection(connection, nowNs);
    }

    private void Send(ReadOnlySpan<byte> datagram, PeerAddress from)
    {
        Counters.SentDatagrams++;
        Counters.SentBytes += datagram.Length;
        _crowd.Network.Send(datagram, from);
    }

    private void KeepConnected(long nowNs)
    {
        if (_client is null)
        {
            if (nowNs >= _connectNs && !_crowd.IsQuiet)
                Connect(nowNs);
            return;
        }

        Connection connection = _client.Connection;
        FlushConnection(connection, nowNs);
        if (connection.State == ConnectionState.Closed)
        {
            Lose(connection.CloseReason, nowNs);
        }
        else if (connection.State == ConnectionState.Connected && !IsPlaying && nowNs - _walkNs >= WalkIntervalNs)
        {
            // Welcome and readiness travel on lanes, which need packets.
            _walkNs = nowNs;
            Send(_datagram.AsSpan(0, _client.WriteTail(_datagram, default, nowNs)));
        }

        if (IsPlaying && !_wasPlaying)
        {
            _wasPlaying = true;
            Counters.Joins++;
            _behaviour.Begin(this, nowNs);
        }
    }

    private void Connect(long nowNs)
    {
        _client = new HostileClient(_crowd.Connect(nowNs));
        _wasPlaying = _isWalking = false;
        FlushConnection(_client.Connection, nowNs);
    }

    private void FlushConnection(Connection connection, long nowNs)
    {
        for (int bytes = connection.Poll(nowNs, _datagram); bytes > 0; bytes = connection.Poll(nowNs, _datagram))
            Send(_datagram.AsSpan(0, bytes));
    }

    private void Lose(in CloseReason reason, long nowNs)
    {
        Counters.Count(in reason);
        _client = null;
        _connectNs = nowNs + ReconnectNs + (long)(_random.NextDouble() * ReconnectNs);
    }
}

/// <summary>Counts of one hostile bot.</summary>
internal sealed class HostileCounters
{
    private readonly long[] _kickedFor = new long[256];
    private readonly long[] _refusedFor = new long[256];

    /// <summary>Times that it got into the game.</summary>
    public long Joins { get; set; }

    /// <summary>Times that it heard nothing any more.</summary>
    public long TimedOut { get; private set; }

    /// <summary>Datagrams sent.</summary>
    public long SentDatagrams { get; set; }

    /// <summary>Their UDP payload.</summary>
    public long SentBytes { get; set; }

    /// <summary>Of these, what no honest client sends.</summary>
    public long Offences { get; set; }

    /// <summary>Times that something worked which never may.</summary>
    public long Breaches { get; set; }

    /// <summary>Datagrams received.</summary>
    public long ReceivedDatagrams { get; set; }

    /// <summary>Their UDP payload.</summary>
    public long ReceivedBytes { get; set; }

    /// <summary>Times that the server sent it away.</summary>
    public long Kicked => _kickedFor.Sum();

    /// <summary>Times that the server sent it away with a reason.</summary>
    public long KickedFor(CloseCode code) => _kickedFor[(byte)code];

    /// <summary>Times that the server did not take it, with a reason.</summary>
    public long RefusedFor(RefuseReason reason) => _refusedFor[(byte)reason];

    /// <summary>A connection has ended.</summary>
    public void Count(in CloseReason reason)
    {
        switch (reason.Cause)
        {
            // A server that goes down sends everyone away: no one's offence.
            case CloseCause.ClosedByPeer when reason.Code != CloseCode.ShuttingDown:
                _kickedFor[(byte)reason.Code]++;
                break;
            case CloseCause.Refused:
                _refusedFor[(byte)reason.Refusal]++;
                break;
            case CloseCause.TimedOut:
                TimedOut++;
                break;
        }
    }
}
