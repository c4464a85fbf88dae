using System.Globalization;
using System.Xml.Linq;
using Hectare.Peers;
using Hectare.Peers.Output;

namespace Hectare.Tests.Peers;

/// <summary>Tables, plot and page.</summary>
public sealed class OutputTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Tables_have_a_row_for_each_contestant_and_each_number_of_players()
    {
        string text = ComparisonTables.Write(Comparisons.Typical());
        string[] lines = text.Split('\n');

        Assert.Contains("| audited design in C# | 1,600 | 0.500 | 1,234 | 2.0 | 30.0 % of ticks late |", lines, StringComparer.Ordinal);
        Assert.Contains("| Hectare | 10,000 | 0.090 | 1,234 | 2.0 | not asked for more |", lines, StringComparer.Ordinal);
        Assert.Contains("| ENet, full states | — | — | — | — | not run |", lines, StringComparer.Ordinal);
        Assert.Contains("| players | audited design in C# | ENet, bare transport | Hectare |", lines, StringComparer.Ordinal);
        Assert.Contains("| 1,600 | 0.500 | 0.156 | 0.125 |", lines, StringComparer.Ordinal);
        Assert.Contains("| 3,200 | (0.297) |  |  |", lines, StringComparer.Ordinal);
        int columns = lines.Where(line => line.StartsWith("| 1,600", StringComparison.Ordinal)).Select(line => line.Count(sign => sign == '|')).Distinct().Single();
        Assert.Equal(5, columns);
    }

    [Fact]
    public void Findings_compare_at_the_largest_number_that_both_carried()
    {
        string[] findings = [.. ComparisonTables.Findings(Comparisons.Typical())];

        Assert.Contains(findings, line => line.Contains("rebuild carries 10.7 times", StringComparison.Ordinal));
        Assert.Contains(findings, line => line.Contains("Hectare carries at least 66.7 times", StringComparison.Ordinal));
        Assert.Contains(findings, line => line.StartsWith("Hectare carries at least 6.", StringComparison.Ordinal) && line.EndsWith("times what the rebuild carries.", StringComparison.Ordinal));
        Assert.Contains(findings, line => line == "At 1,600 players Hectare needs 0.125 cores for 1,000, ENet, bare transport 0.156: 0.80 of it.");
        Assert.Contains(findings, line => line == "ENet, full states is missing: no library.");
        Assert.DoesNotContain(findings, line => line.Contains("not quiet", StringComparison.Ordinal));
    }

    [Fact]
    public void A_busy_machine_is_told_of()
    {
        Comparison busy = Comparisons.Of([Comparisons.Window("hectare", 100, 0.01) with { NeighbourShare = 0.4 }], [new Carried("hectare", 100, "not asked for more", HasGivenWay: false)]);
        Assert.Contains(ComparisonTables.Findings(busy), line => line.Contains("not quiet: others used up to 40 %", StringComparison.Ordinal));
    }

    [Fact]
    public void Plot_has_a_line_for_each_contestant_and_a_mark_for_each_window_that_counts()
    {
        var plot = XDocument.Parse(CostPlot.Draw(Comparisons.Typical())!);

        Assert.Equal(3, plot.Descendants(Svg + "polyline").Count());
        XElement[] marks = [.. plot.Descendants(Svg + "circle")];
        Assert.Equal(7, marks.Length);
        Assert.Single(marks, mark => (string)mark.Attribute("fill")! == "#ffffff");
        foreach (string title in (string[])["audited design in C#", "ENet, bare transport", "Hectare"])
            Assert.Contains(plot.Descendants(Svg + "text"), text => text.Value == title);
    }

    [Fact]
    public void Plot_is_logarithmic_and_stays_inside_its_frame()
    {
        var plot = XDocument.Parse(CostPlot.Draw(Comparisons.Of(
            [Comparisons.Window("hectare", 100, 0.01), Comparisons.Window("hectare", 1_000, 0.1), Comparisons.Window("hectare", 10_000, 1)],
            [new Carried("hectare", 10_000, "", HasGivenWay: false)]))!);

        double[][] points = [.. ((string)plot.Descendants(Svg + "polyline").Single().Attribute("points")!).Split(' ')
            .Select(point => point.Split(',').Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray())];
        Assert.Equal(points[1][0] - points[0][0], points[2][0] - points[1][0], 0.2);
        Assert.Equal(points[0][1] - points[1][1], points[1][1] - points[2][1], 0.2);
        Assert.True(points[0][1] > points[2][1], "more cores are higher");
        double[] size = [.. ((string)plot.Root!.Attribute("viewBox")!).Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
        Assert.All(points, point => Assert.True(point[0] > 0 && point[0] < size[2] && point[1] > 0 && point[1] < size[3]));
    }

    [Fact]
    public void Labels_never_touch()
    {
        var plot = XDocument.Parse(CostPlot.Draw(Comparisons.Of(Contestant.All.Select(one => Comparisons.Window(one.Name, 100, 0.02)), Contestant.All.Select(one => new Carried(one.Name, 100, "", HasGivenWay: false))))!);
        double[] labels = [.. plot.Descendants(Svg + "text").Where(text => Contestant.All.Any(one => one.Title == text.Value))
            .Select(text => double.Parse((string)text.Attribute("y")!, CultureInfo.InvariantCulture)).Order()];
        Assert.Equal(Contestant.All.Count, labels.Length);
        Assert.All(labels.Zip(labels.Skip(1)), pair => Assert.True(pair.Second - pair.First >= 14));
    }

    [Fact]
    public void Ticks_are_1_2_and_5_of_each_decade()
        => Assert.Equal([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], CostPlot.Ticks(0.01, 1.15));

    [Fact]
    public void Nothing_measured_draws_nothing()
        => Assert.Null(CostPlot.Draw(Comparisons.Of([Measurement.Failed("hectare", 100, "no")], [new Carried("hectare", 0, "no", HasGivenWay: true)])));

    [Fact]
    public void Only_what_is_between_the_marks_is_replaced()
    {
        string page = $"# Title\n\nwords\n\n{ComparisonPage.Begin}\n\nold\n\n{ComparisonPage.End}\n\nmore words\n";
        string once = ComparisonPage.Replace(page, "new\n");
        Assert.Equal(page.Replace("old", "new", StringComparison.Ordinal), once);
        Assert.Equal(once, ComparisonPage.Replace(once, "new\n"));
        Assert.Equal($"words\n\n{ComparisonPage.Begin}\n\nnew\n\n{ComparisonPage.End}\n", ComparisonPage.Replace("words\n", "new"));
    }

    [Fact]
    public void The_page_of_this_repository_has_the_marks()
    {
        string page = File.ReadAllText(Path.Combine(Repository.RepositoryRoot.Path, "docs", ComparisonPage.FileName));
        Assert.Equal(ComparisonPage.Replace(page, "x"), ComparisonPage.Replace(ComparisonPage.Replace(page, "y"), "x"));
        Assert.Contains(ComparisonPage.Begin, page, StringComparison.Ordinal);
        Assert.All(Contestant.All, one => Assert.Contains(one.Title, page, StringComparison.Ordinal));
    }
}
