using System.Text.Json;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>What a flood is asked to do.</summary>
internal sealed record FloodSettings
{
    /// <summary>Where the zone listens.</summary>
    public required PeerAddress Server { get; init; }

    /// <summary>Datagrams a second to aim at; what was really sent is reported.</summary>
    public required int Rate { get; init; }

    /// <summary>Source addresses.</summary>
    public int Addresses { get; init; } = 65_536;

    /// <summary>Seed of what is sent.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where the control socket is; null: there is none.</summary>
    public string? Control { get; init; }
}

/// <summary>Random and mutated datagrams of strangers, as many a second as asked or as the processor makes, from thousands of addresses; and the
/// books of what came back to each.</summary>
internal sealed class Flood : IDisposable
{
    /// <summary>The first source address, 127.128.0.1: bots have 127.1.0.1 and on, hostile ones 127.64.0.1 and on.</summary>
    public const uint FirstAddress = 0x7F80_0001;

    private const int BatchDatagrams = 64 * FloodDatagrams.KindCount;
    private const long PollNs = 1_000_000;

    // What could not be sent in time is not made up for: a rate that was missed is reported, not hidden in a burst.
    private const long DebtNs = 20_000_000;

    private readonly FloodSettings _settings;
    private readonly UdpSocket _socket;
    private readonly AddressLedger _ledger;
    private readonly DatagramBatch _outgoing = new(BatchDatagrams);
    private readonly DatagramBatch _incoming = new(BatchDatagrams);
    private readonly FloodDatagrams _datagrams;
    private readonly long[] _sentByKind = new long[FloodDatagrams.KindCount];
    private readonly QuestionQueue _questions = new();
    private readonly ControlSocket? _control;
    private ProcessFigures _windowStart = ProcessFigures.Read();
    private ProcessFigures _statusStart = ProcessFigures.Read();
    private long _windowSent;
    private long _statusSent;
    private long _sent;
    private long _sentBytes;
    private int _nextAddress;
    private FloodReport? _report;
    private bool _isQuiet;
    private volatile bool _isTold;

    /// <summary>Opens it; nothing is sent yet.</summary>
    public Flood(FloodSettings settings)
    {
        _settings = settings;
        _socket = HostileNetwork.OpenSocket();
        _ledger = new AddressLedger(FirstAddress, settings.Addresses);
        _datagrams = new FloodDatagrams(_outgoing, settings.Seed);
        _control = settings.Control is null ? null : ControlSocket.Open(settings.Control, words => _questions.AskAsync(() => Answer(words)));
    }

    /// <summary>Sends until cancelled, told to stop, or for so many seconds (0: no limit); then listens a moment longer.</summary>
    public FloodReport Run(int seconds, CancellationToken cancel)
    {
        const long ListenNs = 250_000_000;
        long startNs = Clock.NowNs, endNs = seconds == 0 ? long.MaxValue : startNs + (seconds * 1_000_000_000L), paidNs = startNs;
        BeginWindow();
        while (!cancel.IsCancellationRequested && !_isTold && Clock.NowNs < endNs)
        {
            Receive();
            paidNs = SendDue(paidNs);
            _questions.AnswerAll();
            Clock.SleepUntil(paidNs + PollNs);
        }

        EndWindow();
        for (long untilNs = Clock.NowNs + ListenNs; Clock.NowNs < untilNs; Clock.SleepUntil(Clock.NowNs + PollNs))
        {
            Receive();
            _questions.AnswerAll();
        }

        return Report();
    }

    /// <summary>How it does now.</summary>
    public Task<FloodStatus> StatusAsync() => _questions.AskAsync(ReadStatus);

    /// <inheritdoc/>
    public void Dispose()
    {
        _control?.Dispose();
        _socket.Dispose();
    }

    // Up to now, whole batches at a time. Gives the moment up to which the rate is paid.
    private long SendDue(long paidNs)
    {
        long nowNs = Clock.NowNs;
        if (_isQuiet)
            return nowNs;
        paidNs = Math.Max(paidNs, nowNs - DebtNs);
        long due = (nowNs - paidNs) * _settings.Rate / 1_000_000_000;

        // One of each kind at least: so that a slow flood, too, has all of them.
        due -= due % FloodDatagrams.KindCount;
        for (long left = due; left > 0; left -= BatchDatagrams)
            SendBatch((int)Math.Min(left, BatchDatagrams));
        return paidNs + (due * 1_000_000_000 / _settings.Rate);
    }

    private void SendBatch(int count)
    {
        _outgoing.Clear();
        for (int slot = 0; slot < count; slot++)
        {
            int bytes = _datagrams.Change(slot, _outgoing.Buffer(slot));
            _outgoing.Add(_settings.Server, bytes, PeerAddress.FromIPv4(_ledger.AddressOf(_nextAddress), _socket.LocalAddress.Port));
            _nextAddress = _nextAddress + 1 == _ledger.Count ? 0 : _nextAddress + 1;
        }

        // Only what really left is in the books.
        int sent = _socket.Send(_outgoing);
        for (int slot = 0; slot < sent; slot++)
        {
            _ledger.AddSent(_outgoing.Local[slot].IPv4, _outgoing.LengthBytes(slot));
            _sentByKind[(int)_datagrams.KindOf(slot)]++;
            _sentBytes += _outgoing.LengthBytes(slot);
        }

        _sent += sent;
    }

    private void Receive()
    {
        int received;
        do
        {
            received = _socket.Receive(_incoming);
            for (int i = 0; i < received; i++)
            {
                if (_ledger.Has(_incoming.Local[i].IPv4))
                    _ledger.AddReceived(_incoming.Local[i].IPv4, _incoming.LengthBytes(i));
            }
        }
        while (received == _incoming.Capacity);
    }

    // ---- what it is asked ----

    private string Answer(string[] words) => words switch
    {
        ["status"] => JsonSerializer.Serialize(ReadStatus(), ReportJson.Default.FloodStatus),
        ["begin"] => ControlSocket.Done(BeginWindow),
        ["end"] => ControlSocket.Done(EndWindow),
        ["quiet"] => ControlSocket.Done(() => _isQuiet = true),
        ["report"] => JsonSerializer.Serialize(Report(), ReportJson.Default.FloodReport),
        ["stop"] => ControlSocket.Done(() => _isTold = true),
        _ => "error: ask for status, begin, end, quiet, report, or stop\n",
    };

    private FloodStatus ReadStatus()
    {
        var now = ProcessFigures.Read();
        var status = new FloodStatus((_sent - _statusSent) / Math.Max(1e-9, now.SecondsSince(in _statusStart)), _ledger.AmplifiedAddresses, now.CoresSince(in _statusStart));
        (_statusStart, _statusSent) = (now, _sent);
        return status;
    }

    private void BeginWindow()
    {
        _report = null;
        _windowSent = _sent;
        _windowStart = ProcessFigures.Read();
    }

    private void EndWindow()
    {
        if (_report is not null)
            return;
        var now = ProcessFigures.Read();
        double seconds = Math.Max(1e-9, now.SecondsSince(in _windowStart));
        _report = new FloodReport
        {
            Seconds = seconds,
            RateAsked = _settings.Rate,
            SentPerSecond = (_sent - _windowSent) / seconds,
            CpuCores = now.CoresSince(in _windowStart),
        };
    }

    // The rate is the window's; the books are of the whole run, so that nothing escapes between two windows.
    private FloodReport Report()
    {
        EndWindow();
        return _report! with
        {
            SentDatagrams = _sent,
            SentBytes = _sentBytes,
            SentByKind = Enum.GetValues<FloodKind>().ToDictionary(kind => char.ToLowerInvariant(kind.ToString()[0]) + kind.ToString()[1..], kind => _sentByKind[(int)kind], StringComparer.Ordinal),
            Addresses = _ledger.UsedAddresses,
            ReceivedDatagrams = _ledger.ReceivedDatagrams,
            ReceivedBytes = _ledger.ReceivedBytes,
            AnsweredAddresses = _ledger.AnsweredAddresses,
            AmplifiedAddresses = _ledger.AmplifiedAddresses,
            LargestAmplification = double.IsFinite(_ledger.LargestAmplification) ? _ledger.LargestAmplification : double.MaxValue,
            Worst = _ledger.DescribeWorst(),
        };
    }
}
