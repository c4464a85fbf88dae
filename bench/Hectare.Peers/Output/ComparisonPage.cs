namespace Hectare.Peers.Output;

/// <summary>Where a comparison is kept: a page whose words are written by hand and whose figures are written between two marks, and the plot beside it.</summary>
internal static class ComparisonPage
{
    /// <summary>The page.</summary>
    public const string FileName = "performance-peers.md";

    /// <summary>The plot.</summary>
    public const string PlotName = "images/peers.svg";

    /// <summary>Before the figures.</summary>
    public const string Begin = "<!-- figures: written by bench/Hectare.Peers -->";

    /// <summary>Behind the figures.</summary>
    public const string End = "<!-- end of figures -->";

    /// <summary>Writes both.</summary>
    public static void Write(string folder, Comparison comparison)
    {
        string? plot = CostPlot.Draw(comparison);
        string page = Path.Combine(folder, FileName);
        string figures = ComparisonTables.Write(comparison);
        if (plot is not null)
        {
            Directory.CreateDirectory(Path.Combine(folder, "images"));
            File.WriteAllText(Path.Combine(folder, PlotName), plot);
            figures += $"\n![Cores of one server against players]({PlotName})\n";
        }

        File.WriteAllText(page, Replace(File.Exists(page) ? File.ReadAllText(page) : "", figures));
    }

    /// <summary>A page with its figures replaced; at its end where it has no marks.</summary>
    public static string Replace(string page, string figures)
    {
        string section = $"{Begin}\n\n{figures.Trim()}\n\n{End}";
        int begin = page.IndexOf(Begin, StringComparison.Ordinal);
        int end = begin < 0 ? -1 : page.IndexOf(End, begin, StringComparison.Ordinal);
        if (end >= 0)
            return page[..begin] + section + page[(end + End.Length)..];
        return page.Length == 0 ? section + "\n" : $"{page.TrimEnd()}\n\n{section}\n";
    }
}
