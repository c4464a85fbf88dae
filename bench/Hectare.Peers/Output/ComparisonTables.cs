using System.Globalization;
using System.Text;

namespace Hectare.Peers.Output;

/// <summary>A comparison as Markdown.</summary>
internal static class ComparisonTables
{
    /// <summary>What the audited server carries in Godot, spread out and with its logging removed (docs/performance-peers.md).</summary>
    public const int GodotPlayers = 150;

    // A neighbour that takes so much of the server's processor is in its figures.
    private const double NeighbourShareMax = 0.05;

    /// <summary>All tables and what follows from them.</summary>
    public static string Write(Comparison comparison)
    {
        var text = new StringBuilder();
        WriteCarried(text, comparison);
        WriteByPlayers(text, comparison, "CPU of 1,000 players, cores", one => Text($"{one.CoresPerThousand:0.000}"));
        WriteByPlayers(text, comparison, "Bytes to a player a second, UDP and IP headers included", one => Text($"{one.BytesPerPlayerPerSecond:N0}"));
        foreach (string line in Findings(comparison))
            text.Append("- ").Append(line).Append('\n');
        return text.ToString();
    }

    /// <summary>What the figures say of each other.</summary>
    public static IEnumerable<string> Findings(Comparison comparison)
    {
        Carried? ours = CarriedBy(comparison, Contestant.Hectare), rebuild = CarriedBy(comparison, Contestant.Audited);
        if (rebuild is { Players: > 0 })
            yield return Text($"The rebuild carries {AtLeast(rebuild)}{rebuild.Players / (double)GodotPlayers:0.0} times what the audited server carries in Godot ({GodotPlayers}, spread out); below 3 it would be a straw man.");
        if (ours is { Players: > 0 })
            yield return Text($"Hectare carries {AtLeast(ours)}{ours.Players / (double)GodotPlayers:0.0} times what the audited server carries in Godot.");
        // Where the rebuild did not give way its end is unknown, and so is the ratio.
        if (ours is { Players: > 0 } && rebuild is { Players: > 0, HasGivenWay: true })
            yield return Text($"Hectare carries {AtLeast(ours)}{ours.Players / (double)rebuild.Players:0.0} times what the rebuild carries.");
        foreach (Contestant other in (Contestant[])[Contestant.Audited, Contestant.Enet, Contestant.EnetBare])
        {
            if (AtEqualPlayers(comparison, other) is ({ } theirs, { } own))
                yield return Text($"At {own.Players:N0} players Hectare needs {own.CoresPerThousand:0.000} cores for 1,000, {other.Title} {theirs.CoresPerThousand:0.000}: {own.CoresPerThousand / theirs.CoresPerThousand:0.00} of it.");
        }

        if (comparison.Carried.Any(one => one.Contestant == Contestant.EnetBare.Name))
            yield return Text($"Input packets a second from each player: ENet's bare transport {comparison.BareInputsPerSecond}, Hectare {Contestant.Hectare.InputsPerSecond} (three ticks each).");
        double neighbours = comparison.Measurements.Max(one => one.NeighbourShare) ?? 0;
        if (neighbours > NeighbourShareMax)
            yield return Text($"The machine was not quiet: others used up to {neighbours * 100:0} % of the server's processor. Take these figures for a trial.");
        foreach ((string contestant, string reason) in comparison.Skipped)
            yield return $"{Contestant.Named(contestant).Title} is missing: {reason}.";
    }

    private static void WriteCarried(StringBuilder text, Comparison comparison)
    {
        text.Append("| | players carried on one core | cores for 1,000 of them | bytes to each a second | tick p99, ms | what ended the search |\n|---|---|---|---|---|---|\n");
        foreach (Contestant contestant in Contestant.All)
        {
            Carried? carried = CarriedBy(comparison, contestant);
            Measurement? measured = carried is null ? null : comparison.Of(contestant.Name, carried.Players);
            text.Append(measured is null
                ? $"| {contestant.Title} | {(carried is null ? "—" : "none")} | — | — | — | {carried?.EndedBy ?? "not run"} |\n"
                : Text($"| {contestant.Title} | {carried!.Players:N0} | {measured.CoresPerThousand:0.000} | {measured.BytesPerPlayerPerSecond:N0} | {measured.TickMsP99:0.0} | {carried.EndedBy} |\n"));
        }

        text.Append('\n');
    }

    private static void WriteByPlayers(StringBuilder text, Comparison comparison, string title, Func<Measurement, string> cell)
    {
        Contestant[] columns = [.. Contestant.All.Where(one => comparison.Carried.Any(carried => carried.Contestant == one.Name))];
        text.Append(title).Append(". In brackets: not carried.\n\n| players |").AppendJoin("", columns.Select(column => $" {column.Title} |"));
        text.Append("\n|---|").Insert(text.Length, "---|", columns.Length).Append('\n');
        foreach (int players in comparison.Measurements.Where(one => one.Seconds > 0).Select(one => one.Players).Distinct().Order())
        {
            text.Append(Text($"| {players:N0} |"));
            foreach (Contestant column in columns)
                text.Append(CultureInfo.InvariantCulture, $" {CellOf(comparison.Of(column.Name, players), cell)} |");
            text.Append('\n');
        }

        text.Append('\n');
    }

    private static string CellOf(Measurement? measured, Func<Measurement, string> cell)
        => measured is null ? "" : measured.IsCarried ? cell(measured) : $"({cell(measured)})";

    private static Carried? CarriedBy(Comparison comparison, Contestant contestant) => comparison.Carried.FirstOrDefault(one => one.Contestant == contestant.Name);

    private static string AtLeast(Carried carried) => carried.HasGivenWay ? "" : "at least ";

    // The largest number that both carried.
    private static (Measurement? Theirs, Measurement? Ours) AtEqualPlayers(Comparison comparison, Contestant other)
    {
        int players = comparison.Measurements.Where(one => one.Contestant == other.Name && one.IsCarried && comparison.Of(Contestant.Hectare.Name, one.Players) is { IsCarried: true })
            .Select(one => one.Players).DefaultIfEmpty().Max();
        return (comparison.Of(other.Name, players), comparison.Of(Contestant.Hectare.Name, players));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
