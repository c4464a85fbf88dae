using System.Text.Json;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>A process of hostile bots: one loop that lets them act every 2 ms, a control socket, and the figures.</summary>
internal sealed class HostileFleet : IDisposable
{
    private const long PollNs = 2_000_000;
    private const long LookNs = 200_000_000;

    private readonly HostileCrowd _crowd;
    private readonly TruthBoard? _board;
    private readonly SpeedWatch? _speeds;
    private readonly HashSet<EntityId> _avatars = [];
    private readonly QuestionQueue _questions = new();
    private readonly ControlSocket? _control;
    private ProcessFigures _windowStart = ProcessFigures.Read();
    private ProcessFigures _statusStart = ProcessFigures.Read();
    private long _statusSent;
    private long _lookNs;
    private HostileReport? _report;
    private volatile bool _isTold;

    /// <summary>Makes the bots; none has connected.</summary>
    public HostileFleet(HostileSettings settings)
    {
        _board = settings.Truth is null ? null : TruthBoard.Open(settings.Truth);
        _speeds = _board is null ? null : new SpeedWatch(_board, HostedFarm.TickRate);
        _crowd = new HostileCrowd(settings, HostileNetwork.OpenSocket());
        _control = settings.Control is null ? null : ControlSocket.Open(settings.Control, words => _questions.AskAsync(() => Answer(words)));
    }

    /// <summary>Acts until cancelled, told to stop, or for so many seconds (0: no limit); then everyone says goodbye.</summary>
    public HostileReport Run(int seconds, CancellationToken cancel)
    {
        long startNs = Clock.NowNs, endNs = seconds == 0 ? long.MaxValue : startNs + (seconds * 1_000_000_000L), wakeNs = startNs;
        BeginWindow();
        while (!cancel.IsCancellationRequested && !_isTold && Clock.NowNs < endNs)
        {
            RunOnce();
            wakeNs = Math.Max(wakeNs + PollNs, Clock.NowNs - (10 * PollNs));
            Clock.SleepUntil(wakeNs);
        }

        EndWindow();
        _crowd.Leave(Clock.NowNs);
        return _report!;
    }

    /// <summary>How they do now.</summary>
    public Task<HostileStatus> StatusAsync() => _questions.AskAsync(ReadStatus);

    /// <inheritdoc/>
    public void Dispose()
    {
        _control?.Dispose();
        _crowd.Dispose();
        _board?.Dispose();
    }

    private void RunOnce()
    {
        long nowNs = Clock.NowNs;
        _crowd.Run(nowNs);
        if (_speeds is not null && nowNs >= _lookNs)
        {
            _lookNs = nowNs + LookNs;
            Look();
        }

        _questions.AnswerAll();
    }

    private void Look()
    {
        _avatars.Clear();
        uint newest = 0;
        foreach (HostileBot bot in _crowd.Bots)
        {
            if (bot.Client is not { IsPlaying: true } client)
                continue;
            _avatars.Add(client.Avatar);
            newest = Math.Max(newest, client.HeardTick.Value);
        }

        _speeds!.Look(newest, _avatars);
    }

    // ---- what it is asked ----

    private string Answer(string[] words) => words switch
    {
        ["status"] => JsonSerializer.Serialize(ReadStatus(), ReportJson.Default.HostileStatus),
        ["begin"] => ControlSocket.Done(BeginWindow),
        ["end"] => ControlSocket.Done(EndWindow),
        ["quiet"] => ControlSocket.Done(() => _crowd.IsQuiet = true),
        ["report"] => JsonSerializer.Serialize(Report(), ReportJson.Default.HostileReport),
        ["stop"] => ControlSocket.Done(() => _isTold = true),
        _ => "error: ask for status, begin, end, quiet, report, or stop\n",
    };

    private HostileStatus ReadStatus()
    {
        var now = ProcessFigures.Read();
        long sent = _crowd.Bots.Sum(bot => bot.Counters.SentDatagrams);
        var status = new HostileStatus(_crowd.Bots.Count(bot => bot.IsPlaying), _crowd.Bots.Sum(bot => bot.Counters.Kicked),
            (sent - _statusSent) / Math.Max(1e-9, now.SecondsSince(in _statusStart)), _speeds?.MaxSpeed ?? 0, now.CoresSince(in _statusStart));
        (_statusStart, _statusSent) = (now, sent);
        return status;
    }

    private void BeginWindow()
    {
        _report = null;
        _windowStart = ProcessFigures.Read();
    }

    private void EndWindow()
    {
        if (_report is not null)
            return;
        var now = ProcessFigures.Read();
        _report = new HostileReport
        {
            Seconds = Math.Max(1e-9, now.SecondsSince(in _windowStart)),
            Bots = _crowd.Bots.Length,
            Connected = _crowd.Bots.Count(bot => bot.IsPlaying),
            Kicked = _crowd.Bots.Sum(bot => bot.Counters.Kicked),
            CpuCores = now.CoresSince(in _windowStart),
            MaxSpeed = _speeds?.MaxSpeed ?? 0,
            SpeedsMeasured = _speeds?.Measured ?? 0,
            AmplifiedAddresses = _crowd.Network.Others.AmplifiedAddresses,
            SentDatagrams = _crowd.Bots.Sum(bot => bot.Counters.SentDatagrams),
            ByBehaviour = _crowd.Bots.GroupBy(bot => bot.Behaviour, StringComparer.Ordinal).ToDictionary(group => group.Key, group => Sum([.. group]), StringComparer.Ordinal),
        };
    }

    private HostileReport Report()
    {
        EndWindow();
        return _report!;
    }

    private static BehaviourReport Sum(HostileBot[] bots)
    {
        HostileCounters[] counters = [.. bots.Select(bot => bot.Counters)];
        return new BehaviourReport
        {
            Bots = bots.Length,
            Connected = bots.Count(bot => bot.IsPlaying),
            Joins = counters.Sum(count => count.Joins),
            Kicked = counters.Sum(count => count.Kicked),
            KickedFor = ByReason<CloseCode>(reason => counters.Sum(count => count.KickedFor(reason))),
            RefusedFor = ByReason<RefuseReason>(reason => counters.Sum(count => count.RefusedFor(reason))),
            TimedOut = counters.Sum(count => count.TimedOut),
            SentDatagrams = counters.Sum(count => count.SentDatagrams),
            SentBytes = counters.Sum(count => count.SentBytes),
            Offences = counters.Sum(count => count.Offences),
            Breaches = counters.Sum(count => count.Breaches),
            ReceivedDatagrams = counters.Sum(count => count.ReceivedDatagrams),
            ReceivedBytes = counters.Sum(count => count.ReceivedBytes),
        };
    }

    private static Dictionary<string, long> ByReason<T>(Func<T, long> count)
        where T : struct, Enum
        => Enum.GetValues<T>().Select(reason => (Name: reason.ToString(), Count: count(reason))).Where(reason => reason.Count > 0)
            .ToDictionary(reason => char.ToLowerInvariant(reason.Name[0]) + reason.Name[1..], reason => reason.Count, StringComparer.Ordinal);
}
