using System.Globalization;
using System.Net;
using Hectare.Cli.Captures;
using Hectare.Cli.Commands;
using Hectare.Cli.Load.Hostile;
using Hectare.Cli.Terminal;

namespace Hectare.Cli.Load;

/// <summary>What a load run is asked to do.</summary>
internal sealed record LoadSettings
{
    /// <summary>Bots.</summary>
    public required int Players { get; init; }

    /// <summary>What they do.</summary>
    public required Farm.FarmWorkload Workload { get; init; }

    /// <summary>Length of the measuring window.</summary>
    public required int Seconds { get; init; }

    /// <summary>Length of the warm-up before it.</summary>
    public int WarmUpSeconds { get; init; } = 5;

    /// <summary>Bots that join a second.</summary>
    public required int PlayersPerSecond { get; init; }

    /// <summary>Share of bots that decode everything; null: as <see cref="BotSettings.DecodeSample"/>.</summary>
    public double? DecodeSample { get; init; }

    /// <summary>Packets a second that a bot sends while its inputs do not change.</summary>
    public int InputHz { get; init; } = BotSettings.InputHzDefault;

    /// <summary>Seconds of the kernel's floor before the load, and again after it; 0: none.</summary>
    public int FloorSeconds { get; init; }

    /// <summary>Stops all motion at the end and compares every replica.</summary>
    public bool Compares { get; init; } = true;

    /// <summary>A snapshot every interval even with nothing to tell.</summary>
    public required bool FixedRate { get; init; }

    /// <summary>Network threads of the zone.</summary>
    public required int Threads { get; init; }

    /// <summary>By which calls the zone reaches the kernel.</summary>
    public required Transport.UdpSocketMode Sockets { get; init; }

    /// <summary>Seed of world and bots.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Processors of the zone; empty: any.</summary>
    public required int[] ServerCpus { get; init; }

    /// <summary>Processors of the bots, and of this process, which is a third load beside them; empty: any.</summary>
    public required int[] BotCpus { get; init; }

    /// <summary>Hostile bots; 0: no such process.</summary>
    public int Hostile { get; init; }

    /// <summary>What they do, a share each; empty: all there is.</summary>
    public IReadOnlyList<string> HostileBehaviours { get; init; } = [];

    /// <summary>Processors of the hostile bots and of the flood; empty: those of the bots.</summary>
    public int[] HostileCpus { get; init; } = [];

    /// <summary>Datagrams a second of strangers; 0: no such process.</summary>
    public int Flood { get; init; }

    /// <summary>Where the zone records what comes in; null: nowhere.</summary>
    public string? Record { get; init; }

    /// <summary>Where the zone writes every connection's keys; null: nowhere.</summary>
    public string? Keys { get; init; }
}

/// <summary>One measured run: a zone and its bots as two processes (and whoever is hostile as a third and fourth), a window after ramp-up and warm-up, then stillness and the final comparison.</summary>
internal sealed class LoadRun(LoadSettings settings, Screen screen)
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan SettleTime = TimeSpan.FromSeconds(3);

    private readonly string _folder = CreateFolder();
    private ChildProcess? _server;
    private ChildProcess? _bots;
    private ChildProcess? _hostile;
    private ChildProcess? _flood;
    private ServeStatus? _serverStatus;
    private BotsStatus? _botsStatus;
    private HostileStatus? _hostileStatus;
    private FloodStatus? _floodStatus;
    private readonly List<double> _workingSetMB = [];
    // Not beside hostile ones: those are sent away and come again by the thousand, and what they leave behind has to be collected.
    private readonly SoakWatch? _soak = settings is { Hostile: 0, Flood: 0 } && settings.Seconds >= SoakWatch.WindowSecondsMin ? new SoakWatch() : null;
    private double[] _idleShare = [];
    private SocketDropsReport? _drops;
    private string _phase = "starting";

    private string ServerDoor => Path.Combine(_folder, "serve");

    private string BotsDoor => Path.Combine(_folder, "bots");

    private string HostileDoor => Path.Combine(_folder, "hostile");

    private string FloodDoor => Path.Combine(_folder, "flood");

    private string Board => Path.Combine(_folder, "board");

    private string FinalTruth => Path.Combine(_folder, "truth");

    /// <summary>Runs it. Cancelled (Ctrl-C), it ends early and reports what it has.</summary>
    /// <exception cref="RunFailedException">A process ended, or never answered.</exception>
    public async Task<LoadReport> RunAsync(CancellationToken cancel)
    {
        try
        {
            FloorSample? before = await MeasureFloorAsync(FloorLoad.Expected(settings), cancel);
            LoadReport report = await RunLoadAsync(cancel);
            if (before is null || report is not { Server.Traffic: { } served, Bots.Traffic: { } played })
                return report;
            FloorSample? after = await MeasureFloorAsync(FloorLoad.Of(served), cancel);
            return after is null ? report : report with { KernelFloor = KernelFloor.Compare(before, after, new FloorUse(served, report.Server.CpuCores), new FloorUse(played, report.Bots.CpuCores)) };
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private async Task<FloorSample?> MeasureFloorAsync(FloorLoad load, CancellationToken cancel)
    {
        if (settings.FloorSeconds == 0 || !KernelFloorRun.IsPossible)
            return null;
        _phase = "kernel floor";
        screen.Show(new Progress(_phase, settings.Players));
        try
        {
            return await new KernelFloorRun(settings, _folder).MeasureAsync(load, cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task<LoadReport> RunLoadAsync(CancellationToken cancel)
    {
        try
        {
            return await RunProcessesAsync(cancel);
        }
        finally
        {
            // The zone last: then it still hears them say goodbye.
            foreach (ChildProcess? child in (ChildProcess?[])[_flood, _hostile, _bots, _server])
            {
                if (child is not null)
                    await child.DisposeAsync();
            }
        }
    }

    private async Task<LoadReport> RunProcessesAsync(CancellationToken cancel)
    {
        bool began = false;
        try
        {
            if (settings.Keys is { } keys)
                await Console.Error.WriteLineAsync($"warning: {KeyLog.WarningOf(keys)}");
            await StartAsync(cancel);
            await ConnectAllAsync(cancel);
            await StartFloodAsync(cancel);
            await PassAsync("warming up", settings.WarmUpSeconds, cancel);
            await AskAllAsync("begin");
            began = true;
            (long, long)[] before = MachineLoad.Read();
            SocketDropsReport drops = ReadDrops();
            try
            {
                await PassAsync("measuring", settings.Seconds, cancel, _workingSetMB);
            }
            finally
            {
                await AskAllAsync("end");
                _idleShare = MachineLoad.IdleShares(before, MachineLoad.Read());
                SocketDropsReport now = ReadDrops();
                _drops = new SocketDropsReport(now.Server - drops.Server, now.Bots - drops.Bots);
            }

            if (settings.Compares)
                await CompareAsync(cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Ctrl-C: what was measured up to here is reported.
        }

        LoadReport report = Empty;
        if (began)
            report = await AddFiguresAsync(report);
        return cancel.IsCancellationRequested ? report : report with { Failures = [.. FailuresOf(report)] };
    }

    private async Task StartAsync(CancellationToken cancel)
    {
        if ((settings.ServerCpus.Length > 0 || settings.BotCpus.Length > 0) && !Libc.CanPin)
            Screen.WriteLine("hectare: this system cannot keep a process on chosen processors; running without --server-cpus and --bot-cpus");
        _server = ChildProcess.Start("server", ServerArguments(), settings.ServerCpus);
        _serverStatus = await ChildDoor.WaitAsync<ServeStatus>(_server, ServerDoor, StartPatience, cancel);
        _bots = ChildProcess.Start("bots", BotsArguments(_serverStatus.Port), settings.BotCpus);
        if (settings.Hostile > 0)
            _hostile = ChildProcess.Start("hostile", HostileArguments(_serverStatus.Port), HostileCpus);
        if (settings.BotCpus.Length > 0)
            Libc.TryPinProcess(settings.BotCpus);
        _botsStatus = await ChildDoor.WaitAsync<BotsStatus>(_bots, BotsDoor, StartPatience, cancel);
        if (_hostile is not null)
            _hostileStatus = await ChildDoor.WaitAsync<HostileStatus>(_hostile, HostileDoor, StartPatience, cancel);
    }

    // Once all players are there: how they fare in a flood is what is asked, not how they get in.
    private async Task StartFloodAsync(CancellationToken cancel)
    {
        if (settings.Flood == 0)
            return;
        _flood = ChildProcess.Start("flood", FloodArguments(_serverStatus!.Port), HostileCpus);
        _floodStatus = await ChildDoor.WaitAsync<FloodStatus>(_flood, FloodDoor, StartPatience, cancel);
    }

    private int[] HostileCpus => settings.HostileCpus.Length > 0 ? settings.HostileCpus : settings.BotCpus;

    private async Task ConnectAllAsync(CancellationToken cancel)
    {
        _phase = "connecting";
        DateTime latest = DateTime.UtcNow + StartPatience + TimeSpan.FromSeconds(settings.Players / (double)settings.PlayersPerSecond);
        int most = 0;
        while (_botsStatus!.Connected < settings.Players && DateTime.UtcNow < latest)
        {
            // A zone that is nearly full of work lets players in one by one: as long as it does, the others' turn comes.
            if (_botsStatus.Connected > most && DateTime.UtcNow + JoinPatience > latest)
                latest = DateTime.UtcNow + JoinPatience;
            most = Math.Max(most, _botsStatus.Connected);
            if (_botsStatus.Refused > 0)
                throw new RunFailedException($"the server refused {_botsStatus.Refused} of {settings.Players} players: {_botsStatus.RefusedReason}");
            await Task.Delay(StepTime, cancel);
            await PollAsync();
        }
    }

    private async Task PassAsync(string phase, double seconds, CancellationToken cancel, List<double>? workingSetMB = null)
    {
        _phase = phase;
        DateTime begin = DateTime.UtcNow, end = begin + TimeSpan.FromSeconds(seconds);
        for (TimeSpan rest = end - begin; rest > TimeSpan.Zero; rest = end - DateTime.UtcNow)
        {
            if (workingSetMB is not null && (DateTime.UtcNow - begin).TotalSeconds >= workingSetMB.Count)
                workingSetMB.Add(Math.Round(_server!.WorkingSetBytes / 1e6, 1));
            if (workingSetMB is not null && _soak is not null)
                await _soak.TakeIfDueAsync((DateTime.UtcNow - begin).TotalSeconds, AskServerAsync);

            // Asking costs the processes a little: only when it will be shown, and not at the very end.
            if (rest > StepTime && screen.IsDue(phase))
                await PollAsync();
            await Task.Delay(rest < StepTime ? rest : StepTime, cancel);
        }

        if (workingSetMB is not null && _soak is not null)
            await _soak.TakeIfDueAsync(seconds, AskServerAsync);
    }

    private async Task CompareAsync(CancellationToken cancel)
    {
        await Task.WhenAll(AskServerAsync("freeze"), AskBotsAsync("still"), AskHostileAsync("quiet"), AskFloodAsync("quiet"));
        await PassAsync("comparing", SettleTime.TotalSeconds, cancel);
        await AskServerAsync($"truth {FinalTruth}");
        await AskBotsAsync($"compare {FinalTruth}");
    }

    private async Task PollAsync()
    {
        _serverStatus = ReportJson.Read<ServeStatus>(await AskServerAsync("status"), "the server");
        _botsStatus = ReportJson.Read<BotsStatus>(await AskBotsAsync("status"), "the bots");
        if (_hostile is not null)
            _hostileStatus = ReportJson.Read<HostileStatus>(await AskHostileAsync("status"), "the hostile ones");
        if (_flood is not null)
            _floodStatus = ReportJson.Read<FloodStatus>(await AskFloodAsync("status"), "the flood");
        screen.Show(new Progress(_phase, settings.Players)
        {
            Connected = _botsStatus.Connected,
            TickMsP50 = _serverStatus.TickMsP50,
            TickMsP99 = _serverStatus.TickMsP99,
            BytesPerPlayerPerSecond = _serverStatus.BytesPerPlayerPerSecond,
            SnapshotsPerSecond = _serverStatus.SnapshotsPerSecond,
            WrongShare = _botsStatus.WrongShare,
            StalenessMsP50 = _botsStatus.StalenessMsP50,
            StalenessMsP99 = _botsStatus.StalenessMsP99,
            ServerCores = _serverStatus.CpuCores,
            BotCores = _botsStatus.CpuCores,
            Hostile = settings.Hostile,
            HostileConnected = _hostileStatus?.Connected ?? 0,
            HostileKicked = _hostileStatus?.Kicked ?? 0,
            HostileMaxSpeed = _hostileStatus?.MaxSpeed,
            HostileCores = _hostileStatus?.CpuCores,
            FloodPerSecond = _floodStatus?.SentPerSecond,
        });
    }

    private Task<string> AskServerAsync(string line) => ChildDoor.AskAsync(_server!, ServerDoor, line);

    private Task<string> AskBotsAsync(string line) => ChildDoor.AskAsync(_bots!, BotsDoor, line);

    private Task<string> AskHostileAsync(string line) => _hostile is null ? Nobody : ChildDoor.AskAsync(_hostile, HostileDoor, line);

    private Task<string> AskFloodAsync(string line) => _flood is null ? Nobody : ChildDoor.AskAsync(_flood, FloodDoor, line);

    private static Task<string> Nobody => Task.FromResult("");

    private Task<string[]> AskAllAsync(string line) => Task.WhenAll(AskServerAsync(line), AskBotsAsync(line), AskHostileAsync(line), AskFloodAsync(line));

    private SocketDropsReport ReadDrops() => new(SocketDrops.Of(_serverStatus!.Port), SocketDrops.Of(_botsStatus!.Port));

    private IEnumerable<string> ServerArguments()
    {
        yield return "serve";
        yield return "--open";
        foreach (string argument in Pairs(("--port", 0), ("--players-max", PlayersMax), ("--threads", settings.Threads), ("--control", ServerDoor), ("--truth", Board)))
            yield return argument;
        foreach (string argument in CommonArguments())
            yield return argument;
        yield return "--sockets";
        yield return settings.Sockets.ToString();
        if (settings.FixedRate)
            yield return "--fixed-rate";
        foreach ((string option, string? path) in ((string, string?)[])[("--record", settings.Record), ("--keys", settings.Keys)])
        {
            if (path is null)
                continue;
            yield return option;
            yield return Path.GetFullPath(path);
        }
    }

    private IEnumerable<string> BotsArguments(int port)
    {
        yield return "bots";
        foreach (string argument in Pairs(("--server", new IPEndPoint(IPAddress.Loopback, port)), ("--players", settings.Players), ("--join-rate", settings.PlayersPerSecond),
            ("--input-hz", settings.InputHz), ("--control", BotsDoor), ("--truth", Board)))
        {
            yield return argument;
        }

        foreach (string argument in settings.DecodeSample is { } share ? Pairs(("--decode-sample", share)) : [])
            yield return argument;
        foreach (string argument in CommonArguments())
            yield return argument;
    }

    // Hostile ones that were sent away hold their places a little longer, and take a second one where they try their token twice.
    // Some more than there are: who gave up on a late answer comes again while its place is still held.
    private int PlayersMax => Math.Min(16_384, settings.Players + (settings.Players / 16) + 16 + (2 * settings.Hostile));

    private IEnumerable<string> HostileArguments(int port) =>
    [
        "bots", "--behaviour", nameof(BotSide.Hostile), .. settings.HostileBehaviours.Count > 0 ? (string[])["--behaviours", string.Join(',', settings.HostileBehaviours)] : [],
        .. Pairs(("--server", new IPEndPoint(IPAddress.Loopback, port)), ("--players", settings.Hostile), ("--join-rate", settings.PlayersPerSecond), ("--control", HostileDoor), ("--truth", Board)),
        .. CommonArguments(),
    ];

    private IEnumerable<string> FloodArguments(int port) =>
    [
        "bots", "--behaviour", nameof(BotSide.Flood),
        .. Pairs(("--server", new IPEndPoint(IPAddress.Loopback, port)), ("--rate", settings.Flood), ("--seed", settings.Seed), ("--control", FloodDoor)),
    ];

    private IEnumerable<string> CommonArguments() => Pairs(("--workload", settings.Workload), ("--seed", settings.Seed));

    private static IEnumerable<string> Pairs(params (string Name, object Value)[] options)
        => options.SelectMany(option => new[] { option.Name, Convert.ToString(option.Value, CultureInfo.InvariantCulture)! });

    private LoadReport Empty => new()
    {
        Workload = settings.Workload.ToString().ToLowerInvariant(),
        Players = settings.Players,
        Connected = _botsStatus?.Connected ?? 0,
        Seconds = 0,
        TickRate = HostedFarm.TickRate,
        FixedRate = settings.FixedRate,
        Threads = settings.Threads,
        InputHz = settings.InputHz,
        Seed = settings.Seed,
        World = new Farm.FarmConstants(new HostedFarm { Seed = settings.Seed, Workload = settings.Workload }.Options),
        Server = null,
        Bots = null,
        Machine = new MachineReport
        {
            Processors = Environment.ProcessorCount,
            ServerCpus = settings.ServerCpus,
            BotCpus = settings.BotCpus,
            HostileCpus = settings.HostileCpus,
            IdleShare = _idleShare,
            SocketDrops = _drops,
        },
    };

    private async Task<LoadReport> AddFiguresAsync(LoadReport report)
    {
        ServerReport server = ReportJson.Read<ServerReport>(await AskServerAsync("report"), "the server");
        BotsReport bots = ReportJson.Read<BotsReport>(await AskBotsAsync("report"), "the bots");
        return report with
        {
            Connected = bots.Connected,
            Seconds = server.Seconds,
            Server = server with { WorkingSetSamplesMB = _workingSetMB, WorkingSetGrowth = GrowthOf(_workingSetMB) },
            Bots = bots,
            Soak = _soak is null ? null : SoakVerdict.Of(_soak.Samples, report.TickRate),
            Hostile = _hostile is null ? null : ReportJson.Read<HostileReport>(await AskHostileAsync("report"), "the hostile ones"),
            Flood = _flood is null ? null : ReportJson.Read<FloodReport>(await AskFloodAsync("report"), "the flood"),
        };
    }

    private static double? GrowthOf(List<double> workingSetMB)
    {
        const int Seconds = 30;
        if (workingSetMB.Count < Seconds)
            return null;
        List<double> last = workingSetMB[^Seconds..];
        return (last.Max() / last.Min()) - 1;
    }

    private IEnumerable<string> FailuresOf(LoadReport report)
    {
        if (report.Connected < report.Players)
            yield return $"{report.Connected} of {report.Players} players are connected";
        foreach (string failure in report.Soak?.Failures ?? [])
            yield return failure;
        if (report.Bots is not { } bots)
            yield break;
        if (bots.DecodeErrors > 0)
            yield return $"{bots.DecodeErrors} snapshots could not be decoded: {bots.DecodeErrorsBy}";
        if (settings.Compares && bots.Divergent != 0)
            yield return $"{bots.Divergent} of {bots.FullyDecoded} replicas are not the zone's truth{FirstOf(bots.Differences)}";
        else if (settings.Compares && bots.FullyDecoded > 0 && bots.ComparedEntitiesMin == 0)
            yield return "a replica is empty: nothing was compared";
        foreach (string failure in report.Hostile is { } hostile ? HostileFailures.Of(hostile, report.Server!, report.World) : [])
            yield return failure;
        foreach (string failure in report.Flood is { } flood ? HostileFailures.Of(flood) : [])
            yield return failure;
    }

    private static string FirstOf(IReadOnlyList<Difference> differences) => differences is [var first, ..]
        ? $": bot {first.Bot}, entity {first.Entity}, {first.Field}: {first.Zone} in the zone, {first.Held} in the replica"
        : "";

    // Memory where there is some: the board is read thousands of times a second.
    private static string CreateFolder()
    {
        const string Memory = "/dev/shm";
        const string Prefix = "hectare-load-";
        if (OperatingSystem.IsWindows() || !Directory.Exists(Memory))
            return Directory.CreateTempSubdirectory("hectare-").FullName;
        try
        {
            // What runs that were killed have left.
            foreach (string old in Directory.GetDirectories(Memory, Prefix + "*"))
            {
                if (!Directory.Exists($"/proc/{Path.GetFileName(old)[Prefix.Length..]}"))
                    Directory.Delete(old, recursive: true);
            }

            return Directory.CreateDirectory($"{Memory}/{Prefix}{Environment.ProcessId}", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Directory.CreateTempSubdirectory("hectare-").FullName;
        }
    }
}
