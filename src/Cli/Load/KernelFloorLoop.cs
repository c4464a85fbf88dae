using System.Text.Json;
using Hectare.Cli.Load.Hostile;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>Which end of a bare loop.</summary>
internal enum FloorSide
{
    /// <summary>The zone's: a round a tick.</summary>
    Server,

    /// <summary>The bots': a round every 4 ms, as many source addresses as bots.</summary>
    Bots,
}

/// <summary>What one end of a bare loop is asked to move.</summary>
internal sealed record FloorLoopSettings
{
    /// <summary>Which end.</summary>
    public required FloorSide Side { get; init; }

    /// <summary>Where the other end listens; the server's end learns that from the first datagram.</summary>
    public PeerAddress Server { get; init; }

    /// <summary>Bots.</summary>
    public required int Players { get; init; }

    /// <summary>Datagrams to send a second.</summary>
    public required int SendPerSecond { get; init; }

    /// <summary>Size of each, UDP payload.</summary>
    public required int SendBytes { get; init; }

    /// <summary>The zone's sockets.</summary>
    public required int Sockets { get; init; }

    /// <summary>By which calls the zone reaches the kernel.</summary>
    public required UdpSocketMode Mode { get; init; }

    /// <summary>Where the control socket is.</summary>
    public required string Control { get; init; }
}

/// <summary>One end of a bare loop: moves datagrams through the same sockets as a run, in as many calls, and nothing else. What they hold is not looked at.</summary>
internal sealed class KernelFloorLoop : IDisposable
{
    private const int BatchDatagrams = 64;
    private const long BotsRoundNs = 4_000_000;
    private const long ServerRoundNs = 1_000_000_000 / HostedFarm.TickRate;

    // What could not be sent in time is not made up for in one burst.
    private const long DebtNs = 100_000_000;

    private readonly FloorLoopSettings _settings;
    private readonly UdpSocket[] _sockets;
    private readonly DatagramBatch _incoming = new(BotNetwork.BatchDatagrams);
    private readonly DatagramBatch _outgoing = new(BatchDatagrams);
    private readonly QuestionQueue _questions = new();
    private readonly ControlSocket _control;
    private ushort _botsPort;
    private int _nextBot;
    private long _sendNs;
    private long _receiveNs;
    private ProcessFigures _windowStart;
    private TrafficFigures _windowTraffic;
    private FloorLoopReport? _report;

    /// <summary>Opens it; nothing is sent yet.</summary>
    public KernelFloorLoop(FloorLoopSettings settings)
    {
        _settings = settings;
        _sockets = settings.Side == FloorSide.Bots ? [BotNetwork.OpenShared()] : ZoneHost.OpenSockets(port: 0, settings.Sockets, settings.Mode);
        _windowStart = ProcessFigures.Read();
        _control = ControlSocket.Open(settings.Control, words => _questions.AskAsync(() => Answer(words)));
    }

    /// <summary>Moves datagrams until cancelled.</summary>
    public void Run(CancellationToken cancel)
    {
        long roundNs = _settings.Side == FloorSide.Bots ? BotsRoundNs : ServerRoundNs;
        for (long paidNs = Clock.NowNs, wakeNs = paidNs; !cancel.IsCancellationRequested;)
        {
            foreach (UdpSocket socket in _sockets)
                Receive(socket);
            paidNs = SendDue(paidNs);
            _questions.AnswerAll();
            wakeNs = Math.Max(wakeNs + roundNs, Clock.NowNs - roundNs);
            Clock.SleepUntil(wakeNs);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _control.Dispose();
        foreach (UdpSocket socket in _sockets)
            socket.Dispose();
    }

    private void Receive(UdpSocket socket)
    {
        int received;
        do
        {
            long beforeNs = Libc.ThreadCpuNs();
            received = socket.Receive(_incoming);
            _receiveNs += Libc.ThreadCpuNs() - beforeNs;
            if (received > 0)
                _botsPort = _incoming.Address[0].Port;
        }
        while (received == _incoming.Capacity);
    }

    // Up to now. Gives the moment up to which the rate is paid.
    private long SendDue(long paidNs)
    {
        long nowNs = Clock.NowNs;
        if (_settings.Side == FloorSide.Server && _botsPort == 0)
            return nowNs;
        paidNs = Math.Max(paidNs, nowNs - DebtNs);
        long due = (nowNs - paidNs) * _settings.SendPerSecond / 1_000_000_000;
        for (long left = due; left > 0; left -= BatchDatagrams)
            Send((int)Math.Min(left, BatchDatagrams));
        return paidNs + (due * 1_000_000_000 / Math.Max(1, _settings.SendPerSecond));
    }

    private void Send(int count)
    {
        UdpSocket socket = _sockets[_nextBot % _sockets.Length];
        _outgoing.Clear();
        for (int i = 0; i < count; i++)
        {
            uint bot = BotNetwork.FirstAddress + (uint)_nextBot;
            _nextBot = _nextBot + 1 == _settings.Players ? 0 : _nextBot + 1;
            if (_settings.Side == FloorSide.Server)
                _outgoing.Add(PeerAddress.FromIPv4(bot, _botsPort), _settings.SendBytes);
            else
                _outgoing.Add(_settings.Server, _settings.SendBytes, PeerAddress.FromIPv4(bot, socket.LocalAddress.Port));
        }

        long beforeNs = Libc.ThreadCpuNs();
        socket.Send(_outgoing);
        _sendNs += Libc.ThreadCpuNs() - beforeNs;
    }

    private TrafficFigures Traffic
    {
        get
        {
            TrafficFigures all = default;
            foreach (UdpSocket socket in _sockets)
                all += TrafficFigures.Of(socket);
            return all;
        }
    }

    private string Answer(string[] words) => words switch
    {
        ["status"] => JsonSerializer.Serialize(new FloorLoopStatus(_sockets[0].LocalAddress.Port), ReportJson.Default.FloorLoopStatus),
        ["begin"] => ControlSocket.Done(BeginWindow),
        ["end"] => ControlSocket.Done(() => _report = EndWindow()),
        ["report"] => JsonSerializer.Serialize(_report ?? EndWindow(), ReportJson.Default.FloorLoopReport),
        _ => "error: ask for status, begin, end, or report\n",
    };

    private void BeginWindow()
    {
        _report = null;
        (_sendNs, _receiveNs) = (0, 0);
        _windowTraffic = Traffic;
        _windowStart = ProcessFigures.Read();
    }

    private FloorLoopReport EndWindow()
    {
        var now = ProcessFigures.Read();
        double seconds = Math.Max(1e-9, now.SecondsSince(in _windowStart));
        TrafficFigures traffic = Traffic - _windowTraffic;
        return new FloorLoopReport
        {
            Seconds = seconds,
            SendNs = _sendNs / (double)Math.Max(1, traffic.SentDatagrams),
            ReceiveNs = _receiveNs / (double)Math.Max(1, traffic.ReceivedDatagrams),
            Traffic = traffic.PerSecond(seconds),
            CpuCores = now.CoresSince(in _windowStart),
        };
    }
}
