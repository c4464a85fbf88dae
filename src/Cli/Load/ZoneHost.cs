using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Hectare.Cli.Captures;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>A farm on a zone on real sockets in real time: the loop, the control socket's answers and the figures of a window.</summary>
/// <remarks>Everything that touches the zone happens on its tick thread, between two ticks.</remarks>
internal sealed class ZoneHost : IDisposable
{
    private readonly ServeSettings _settings;
    private readonly UdpSocket[] _sockets;
    private readonly Zone<TopDownInput> _zone;
    private readonly ZoneRecorder? _recorder;
    private readonly KeyLog? _keys;
    private readonly TruthBoard? _board;
    private readonly ControlSocket? _control;
    private readonly ZoneLoop<TopDownInput> _loop;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ProcessFigures _windowStart = ProcessFigures.Read();
    private ServerReport? _report;
    private long _exceptions;
    private long _windowExceptions;
    private TrafficFigures _windowTraffic;
    private RecentFigures _recent;

    /// <summary>Opens everything; the zone stands at its first tick.</summary>
    /// <exception cref="Commands.BadInputException">The port is taken, or a file cannot be used.</exception>
    public ZoneHost(ServeSettings settings)
    {
        _settings = settings;
        AppDomain.CurrentDomain.FirstChanceException += CountException;
        var farm = new HostedFarm { Seed = settings.Seed, Workload = settings.Workload, Map = settings.Map is null ? null : Path.GetFullPath(settings.Map) };
        TileMap map = farm.LoadMap();
        _sockets = OpenSockets(settings.Port, Math.Max(1, settings.Threads), settings.Sockets);
        _recorder = settings.Record is null ? null : ZoneRecorder.Create(settings.Record, farm.ToText());
        _keys = settings.Keys is null ? null : new KeyLog(settings.Keys);
        _board = settings.Truth is null ? null : TruthBoard.Create(settings.Truth, settings.ZoneOptions.EntitiesMax, settings.Seed);
        ZoneWatch? watch = _board is null ? null : new ZoneWatch(_board);
        var game = new FarmGame(farm.Options);
        _zone = new Zone<TopDownInput>(settings.ZoneOptions, game.Schema.Schema, game, map, ZoneRandom.System(), _sockets,
            new ZoneHooks { Observer = watch, Log = new ConsoleLog(), Recorder = _recorder, KeyLog = _keys is null ? null : _keys.Write });
        watch?.History = _zone.Replicator.History;
        _loop = new ZoneLoop<TopDownInput>(_zone);
        _recent = RecentFigures.Read(_zone);
        _control = settings.Control is null ? null : ControlSocket.Open(settings.Control, AnswerAsync);
    }

    /// <summary>The port that the zone listens on.</summary>
    public int Port => _sockets[0].LocalAddress.Port;

    /// <summary>What to warn of before it runs.</summary>
    public IEnumerable<string> Warnings
    {
        get
        {
            int asked = new UdpSocketOptions().ReceiveBufferBytes;
            if (_sockets[0].GrantedReceiveBufferBytes < asked)
                yield return $"the receive buffer is {_sockets[0].GrantedReceiveBufferBytes >> 10} kB, {asked >> 10} kB were asked for: raise it with 'sysctl -w net.core.rmem_max={asked}'";
            if (CipherSwitch.Warning is { } cipher)
                yield return cipher;
            if (_settings.ClusterKeys is null)
                yield return "open: anyone on this machine gets a connect token, nobody else can come in; for a public server use --cluster-keys";
            else if (Commands.ClusterKeyFile.WarningOf(_settings.ClusterKeys) is { } warning)
                yield return warning;
            if (_settings.Record is { } record)
                yield return $"{record} will hold the zone's keys and everything that players send: its owner alone may read it; give it to nobody";
            if (_settings.Keys is { } keys)
                yield return KeyLog.WarningOf(keys);
        }
    }

    /// <summary>Runs until cancelled, told to stop, or for so many seconds (0: no limit). Players are told goodbye. Gives the last window's figures.</summary>
    public async Task<ServerReport> RunAsync(int seconds, CancellationToken cancel)
    {
        // A thread of its own: a pool thread that never comes back would be missed.
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => RunTicks(ended)) { Name = "tick", IsBackground = true }.Start();
        await _loop.InvokeAsync(BeginWindow);
        Task limit = Task.Delay(seconds == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(seconds), cancel);
        if (await Task.WhenAny(ended.Task, limit, _told.Task) != ended.Task)
            await _loop.InvokeAsync(() => _report ??= EndWindow());
        await _stop.CancelAsync();
        await ended.Task;
        return _report!;
    }

    /// <summary>How it does now. From any thread.</summary>
    public async Task<ServeStatus> StatusAsync()
    {
        ServeStatus? status = null;
        await _loop.InvokeAsync(() => status = ReadStatus());
        return status!;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        AppDomain.CurrentDomain.FirstChanceException -= CountException;
        _control?.Dispose();
        _zone.Dispose();
        _recorder?.Dispose();
        _keys?.Dispose();
        foreach (UdpSocket socket in _sockets)
            socket.Dispose();
        _board?.Dispose();
        _stop.Dispose();
    }

    // Whatever a stranger sends, nothing may throw: a caught exception costs as much as thousands of packets.
    private void CountException(object? sender, FirstChanceExceptionEventArgs thrown) => Interlocked.Increment(ref _exceptions);

    private void RunTicks(TaskCompletionSource ended)
    {
        try
        {
            _loop.Run(_stop.Token);
            ended.SetResult();
        }
        catch (Exception failure)
        {
            ended.SetException(failure);
        }
    }

    // Tick percentiles are the window's so far; rates are since the last question. No report: that looks at every player, between two ticks.
    private ServeStatus ReadStatus()
    {
        TickTimes tickMs = _zone.Metrics.TickMs;
        var now = RecentFigures.Read(_zone);
        double seconds = Math.Max(1e-9, (now.AtNs - _recent.AtNs) / 1e9);
        long datagrams = now.Datagrams - _recent.Datagrams;
        double bytes = now.Bytes - _recent.Bytes + (datagrams * 28.0);
        var status = new ServeStatus(Port, _zone.Tick.Value, _zone.PeerCount, tickMs.P50, tickMs.P99,
            bytes / seconds / Math.Max(1, _zone.PeerCount), datagrams / seconds, (now.CpuSeconds - _recent.CpuSeconds) / seconds);
        _recent = now;
        return status;
    }

    private async Task<string> AnswerAsync(string[] words)
    {
        string answer = "";
        await _loop.InvokeAsync(() => answer = Answer(words));
        return answer;
    }

    private string Answer(string[] words) => words switch
    {
        ["status"] => JsonSerializer.Serialize(ReadStatus(), ReportJson.Default.ServeStatus),
        ["begin"] => ControlSocket.Done(BeginWindow),
        ["end"] => ControlSocket.Done(() => _report = EndWindow()),
        ["report"] => JsonSerializer.Serialize(_report ?? EndWindow(), ReportJson.Default.ServerReport),
        ["sample"] => JsonSerializer.Serialize(SoakSample.Take(_zone.TakeInterval(), _zone.StartNs, in _windowStart), ReportJson.Default.SoakSample),
        ["freeze"] => ControlSocket.Done(() => _zone.Command(FarmGame.FreezeCommand)),
        ["truth", string path] => ControlSocket.Done(() => FinalTruth.Write(path, _zone.World, _zone.Tick, _zone.Options.Replication.EnterRadiusUnits, Views())),
        ["peer", string peer] => Explain(peer, entityText: null),
        ["peer", string peer, string entity] => Explain(peer, entity),
        ["stop"] => ControlSocket.Done(() => _told.TrySetResult()),
        _ => "error: ask for status, begin, end, report, sample, freeze, truth FILE, peer P [E], or stop\n",
    };

    private void BeginWindow()
    {
        _report = null;
        _zone.BeginWindow();
        _windowExceptions = Interlocked.Read(ref _exceptions);
        _windowTraffic = Traffic;
        _windowStart = ProcessFigures.Read();
    }

    private ServerReport EndWindow()
    {
        var end = ProcessFigures.Read();
        return ServerReport.From(_zone.Report(), end.CoresSince(in _windowStart), Traffic - _windowTraffic, Interlocked.Read(ref _exceptions) - _windowExceptions);
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

    private List<PeerView> Views()
    {
        var views = new List<PeerView>();
        for (int i = 0; i < _zone.Options.PlayersMax; i++)
        {
            if (_zone.ViewOf(new PeerId(i)) is { } view)
                views.Add(view);
        }

        return views;
    }

    private string Explain(string peerText, string? entityText) => Explain(_zone, peerText, entityText);

    /// <summary>Opens a zone's sockets: one, or a group that shares the port.</summary>
    /// <exception cref="Commands.BadInputException">The port is taken, or this system has no such calls.</exception>
    public static UdpSocket[] OpenSockets(int port, int count, UdpSocketMode mode)
    {
        var sockets = new UdpSocket[count];
        try
        {
            // SO_REUSEPORT would share a port that another server has, in silence.
            if (count > 1 && port != 0)
                UdpSocket.ThrowIfInUse(PeerAddress.AnyIPv4(port));
            var options = new UdpSocketOptions { Bind = PeerAddress.AnyIPv4(port), ReusePort = count > 1, Mode = mode };
            for (int i = 0; i < count; i++)
            {
                sockets[i] = new UdpSocket(options);
                options = options with { Bind = PeerAddress.AnyIPv4(sockets[0].LocalAddress.Port) };
            }

            return sockets;
        }
        catch (AddressInUseException)
        {
            throw new Commands.BadInputException($"--port {port}: another program uses this UDP port; choose another with --port N (1 to 65535), or --port 0 for any free one");
        }
        catch (PlatformNotSupportedException)
        {
            throw new Commands.BadInputException($"--sockets {mode.ToString().ToLowerInvariant()}: not on this system; must be auto or framework");
        }
    }

    /// <summary>What a peer is told and why; or, behind "error: ", why that cannot be said.</summary>
    public static string Explain(Zone<TopDownInput> zone, string peerText, string? entityText)
    {
        if (!int.TryParse(peerText, NumberStyles.None, CultureInfo.InvariantCulture, out int peer) || peer >= zone.Options.PlayersMax)
            return $"error: peer {peerText}: must be a number from 0 to {zone.Options.PlayersMax - 1}\n";
        string nobody = $"error: peer {peer}: nobody with that number has joined\n";
        if (entityText is null)
            return zone.Explain(new PeerId(peer)) ?? nobody;
        return uint.TryParse(entityText, NumberStyles.None, CultureInfo.InvariantCulture, out uint entity) && entity > 0
            ? zone.Explain(new PeerId(peer), new EntityId(entity)) ?? nobody
            : $"error: entity {entityText}: must be a number from 1 to {uint.MaxValue}\n";
    }

    private readonly record struct RecentFigures(long AtNs, long Datagrams, long Bytes, double CpuSeconds)
    {
        public static RecentFigures Read(Zone<TopDownInput> zone)
            => new(Clock.NowNs, zone.Metrics.DatagramsOut, zone.Metrics.BytesOut, Environment.CpuUsage.TotalTime.TotalSeconds);
    }

    /// <summary>Rare events to standard error, one line each.</summary>
    private sealed class ConsoleLog : IZoneLog
    {
        public void TicksGivenUp(Tick tick, int ticks) => Console.Error.WriteLine($"warning: {tick}: {ticks} ticks given up; the zone was too far behind");

        public void PressureChanged(Tick tick, PressureLevel level) => Console.Error.WriteLine($"warning: {tick}: pressure level {(int)level} ({level})");

        public void ZoneFailed(Tick tick, Exception failure) => Console.Error.WriteLine($"error: {tick}: the zone stops: {failure.Message}");
    }
}
