using System.Globalization;
using Spectre.Console;

namespace Hectare.Cli.Terminal;

/// <summary>Where progress is shown: a table drawn anew twice a second at most on a terminal, a plain line now and then in a pipe or a log.</summary>
/// <remarks>Spectre.Console decides by TERM alone and writes escape codes into a pipe; so whether there is a terminal is decided here.</remarks>
internal sealed class Screen
{
    private static readonly TimeSpan RedrawTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan PlainTime = TimeSpan.FromSeconds(5);

    private readonly IAnsiConsole _console;
    private LiveDisplayContext? _live;
    private DateTime _shown = DateTime.MinValue;
    private string _phaseShown = "";

    /// <summary>A screen on standard output.</summary>
    public Screen()
    {
        bool plain = Console.IsOutputRedirected;
        IsInteractive = !plain;
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = plain ? InteractionSupport.No : InteractionSupport.Detect,
        });
    }

    /// <summary>True when a table is redrawn in place.</summary>
    public bool IsInteractive { get; }

    /// <summary>Runs work that shows progress.</summary>
    public async Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        if (!IsInteractive)
            return await work();
        return await _console.Live(new Text("")).StartAsync(async live =>
        {
            _live = live;
            try
            {
                return await work();
            }
            finally
            {
                _live = null;
            }
        });
    }

    /// <summary>True when it is time to show something again: at each new phase, then twice a second on a terminal and every 5 s elsewhere.</summary>
    public bool IsDue(string phase) => phase != _phaseShown || DateTime.UtcNow - _shown >= (IsInteractive ? RedrawTime : PlainTime);

    /// <summary>Shows where a run is; drops what comes too soon after the last.</summary>
    public void Show(Progress progress)
    {
        if (!IsDue(progress.Phase))
            return;
        _shown = DateTime.UtcNow;
        _phaseShown = progress.Phase;
        if (_live is not null)
            _live.UpdateTarget(Draw(progress));
        else
            Console.WriteLine(Line(progress));
    }

    /// <summary>One plain line, whatever the screen.</summary>
    public static void WriteLine(string line = "") => Console.WriteLine(line);

    private static string Line(Progress progress)
        => string.Join("  ", Figures(progress).Where(figure => figure.Value.Length > 0).Select(figure => $"{figure.Name} {figure.Value}").Prepend($"{progress.Phase}:"));

    // A figure a line: it fits into any terminal.
    private static Table Draw(Progress progress)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumn(Markup.Escape(progress.Phase)).AddColumn(new TableColumn("").RightAligned());
        foreach ((string name, string value) in Figures(progress))
            table.AddRow(Markup.Escape(name), $"[bold]{Markup.Escape(value.Length > 0 ? value : "-")}[/]");
        return table;
    }

    private static IEnumerable<(string Name, string Value)> Figures(Progress progress)
    {
        yield return ("players", Format($"{progress.Connected}/{progress.Players}"));
        yield return ("tick ms p50", Format(progress.TickMsP50, "0.00"));
        yield return ("tick ms p99", Format(progress.TickMsP99, "0.00"));
        yield return ("kB/s a player", Format(progress.BytesPerPlayerPerSecond / 1000, "0.00"));
        yield return ("snapshots/s", Format(progress.SnapshotsPerSecond, "0"));
        yield return ("drawn wrong", Format(progress.WrongShare * 100, "0.000 '%'"));
        yield return ("stale ms p50", Format(progress.StalenessMsP50, "0"));
        yield return ("stale ms p99", Format(progress.StalenessMsP99, "0"));
        yield return ("cores server", Format(progress.ServerCores, "0.00"));
        yield return ("cores bots", Format(progress.BotCores, "0.00"));
        if (progress.Hostile > 0)
        {
            yield return ("hostile connected", Format($"{progress.HostileConnected}/{progress.Hostile}"));
            yield return ("hostile kicked", Format($"{progress.HostileKicked}"));
            yield return ("hostile fastest", Format(progress.HostileMaxSpeed, "0.00"));
            yield return ("cores hostile", Format(progress.HostileCores, "0.00"));
        }

        if (progress.FloodPerSecond is { } flood)
            yield return ("flood/s", Format(flood, "0"));
    }

    private static string Format(FormattableString text) => FormattableString.Invariant(text);

    private static string Format(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}

/// <summary>Where a run is and how it does; null where there is no figure yet.</summary>
internal sealed record Progress(string Phase, int Players)
{
    /// <summary>Players connected.</summary>
    public int Connected { get; init; }

    /// <summary>Median work of a tick, ms, over the last second or so.</summary>
    public double? TickMsP50 { get; init; }

    /// <summary>99 % of them.</summary>
    public double? TickMsP99 { get; init; }

    /// <summary>UDP payload + 28 bytes down to one player.</summary>
    public double? BytesPerPlayerPerSecond { get; init; }

    /// <summary>Snapshots of the zone.</summary>
    public double? SnapshotsPerSecond { get; init; }

    /// <summary>Share of movers drawn more than 0.1 units off.</summary>
    public double? WrongShare { get; init; }

    /// <summary>Age of news that bots lack of near movers.</summary>
    public double? StalenessMsP50 { get; init; }

    /// <summary>99 % of them.</summary>
    public double? StalenessMsP99 { get; init; }

    /// <summary>Cores that the server uses.</summary>
    public double? ServerCores { get; init; }

    /// <summary>Cores that the bots use.</summary>
    public double? BotCores { get; init; }

    /// <summary>Hostile bots; 0: no word of them.</summary>
    public int Hostile { get; init; }

    /// <summary>Of these, connected.</summary>
    public int HostileConnected { get; init; }

    /// <summary>Times that one was sent away.</summary>
    public long HostileKicked { get; init; }

    /// <summary>Speed of the fastest avatar of one, units a second.</summary>
    public double? HostileMaxSpeed { get; init; }

    /// <summary>Cores that they use.</summary>
    public double? HostileCores { get; init; }

    /// <summary>Datagrams a second of strangers.</summary>
    public double? FloodPerSecond { get; init; }
}
