using System.Globalization;
using System.Security;
using System.Text;

namespace Hectare.Peers.Output;

/// <summary>Cores against players, both logarithmic, a line for each contestant, as an SVG of its own.</summary>
internal sealed class CostPlot
{
    private const int Width = 880, Height = 560;
    private const int Left = 72, Right = 210, Top = 56, Bottom = 64;
    private const int LabelApart = 18;
    private const string Ink = "#1f2328", Grid = "#d8dee4", Faint = "#57606a";

    private readonly StringBuilder _svg = new();
    private readonly double _playersMin, _playersMax, _coresMin, _coresMax;

    private CostPlot(Measurement[] measured)
    {
        _playersMin = DecadeBelow(measured.Min(one => one.Players));
        _playersMax = Math.Max(_playersMin * 10, measured.Max(one => one.Players) * 1.15);
        _coresMin = DecadeBelow(measured.Min(one => one.ServerCores));
        _coresMax = Math.Max(1, measured.Max(one => one.ServerCores)) * 1.15;
    }

    /// <summary>The plot; windows without figures are left out. Filled marks: carried.</summary>
    /// <returns>Null when there is nothing to draw.</returns>
    public static string? Draw(Comparison comparison)
    {
        Measurement[] measured = [.. comparison.Measurements.Where(one => one is { Seconds: > 0, ServerCores: > 0 })];
        return measured.Length == 0 ? null : new CostPlot(measured).Draw(measured);
    }

    /// <summary>Horizontal place of a number of players.</summary>
    public double X(double players) => Left + (Math.Log(players / _playersMin) / Math.Log(_playersMax / _playersMin) * (Width - Left - Right));

    /// <summary>Vertical place of a number of cores; more is higher.</summary>
    public double Y(double cores) => Height - Bottom - (Math.Log(cores / _coresMin) / Math.Log(_coresMax / _coresMin) * (Height - Top - Bottom));

    /// <summary>1, 2 and 5 of each decade within a range.</summary>
    public static IEnumerable<double> Ticks(double min, double max)
    {
        for (int power = (int)Math.Floor(Math.Log10(min) + 1e-9); power <= Math.Log10(max); power++)
        {
            foreach (int digit in (int[])[1, 2, 5])
            {
                // Powers below 1 by division: 10 to the -3 is not exact, 1 / 1,000 is the double one would write.
                double tick = power >= 0 ? digit * Math.Pow(10, power) : digit / Math.Pow(10, -power);
                if (tick >= min && tick <= max)
                    yield return tick;
            }
        }
    }

    private string Draw(Measurement[] measured)
    {
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"{Ink}\">");
        Line($"<title>Cores of one server against players</title>");
        Line($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"#ffffff\"/>");
        Line($"<text x=\"{Left}\" y=\"28\" font-size=\"16\" font-weight=\"600\">Cores of one server against players (both logarithmic)</text>");
        DrawAxes();
        (Contestant Contestant, Measurement[] Points)[] lines = [.. Contestant.All.Select(one => (one, PointsOf(one, measured))).Where(line => line.Item2.Length > 0)];
        foreach ((Contestant contestant, Measurement[] points) in lines)
            DrawLine(contestant, points);
        DrawLabels(lines);
        Line($"</svg>");
        return _svg.ToString();
    }

    // A second try replaces the first.
    private static Measurement[] PointsOf(Contestant contestant, Measurement[] measured)
        => [.. measured.Where(one => one.Contestant == contestant.Name).GroupBy(one => one.Players).Select(tries => tries.Last()).OrderBy(one => one.Players)];

    private void DrawAxes()
    {
        double bottom = Height - Bottom, right = Width - Right;
        foreach (double players in Ticks(_playersMin, _playersMax))
        {
            Line($"<line x1=\"{X(players):0.0}\" y1=\"{Top}\" x2=\"{X(players):0.0}\" y2=\"{bottom}\" stroke=\"{Grid}\"/>");
            Line($"<text x=\"{X(players):0.0}\" y=\"{bottom + 20}\" text-anchor=\"middle\">{players:N0}</text>");
        }

        foreach (double cores in Ticks(_coresMin, _coresMax))
        {
            Line($"<line x1=\"{Left}\" y1=\"{Y(cores):0.0}\" x2=\"{right}\" y2=\"{Y(cores):0.0}\" stroke=\"{Grid}\"/>");
            Line($"<text x=\"{Left - 8}\" y=\"{Y(cores) + 4:0.0}\" text-anchor=\"end\">{cores:0.#####}</text>");
        }

        Line($"<rect x=\"{Left}\" y=\"{Top}\" width=\"{right - Left}\" height=\"{bottom - Top}\" fill=\"none\" stroke=\"{Faint}\"/>");
        Line($"<line x1=\"{Left}\" y1=\"{Y(1):0.0}\" x2=\"{right}\" y2=\"{Y(1):0.0}\" stroke=\"{Ink}\" stroke-dasharray=\"6 4\"/>");
        Line($"<text x=\"{Left + 8}\" y=\"{Y(1) + 15:0.0}\" fill=\"{Faint}\">the whole core</text>");
        Line($"<text x=\"{(Left + right) / 2:0.0}\" y=\"{Height - 18}\" text-anchor=\"middle\">players</text>");
        Line($"<text x=\"18\" y=\"{(Top + bottom) / 2:0.0}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {(Top + bottom) / 2:0.0})\">cores</text>");
    }

    private void DrawLine(Contestant contestant, Measurement[] points)
    {
        string path = string.Join(' ', points.Select(point => Text($"{X(point.Players):0.0},{Y(point.ServerCores):0.0}")));
        Line($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{contestant.Colour}\" stroke-width=\"2.5\"/>");
        foreach (Measurement point in points)
        {
            string fill = point.IsCarried ? contestant.Colour : "#ffffff";
            Line($"<circle cx=\"{X(point.Players):0.0}\" cy=\"{Y(point.ServerCores):0.0}\" r=\"4.5\" fill=\"{fill}\" stroke=\"{contestant.Colour}\" stroke-width=\"2\"><title>{Escape(contestant.Title)}: {point.Players:N0} players, {point.ServerCores:0.000} cores{(point.IsCarried ? "" : ", not carried")}</title></circle>");
        }
    }

    // Beside the last mark of each line, moved down where two would touch.
    private void DrawLabels((Contestant Contestant, Measurement[] Points)[] lines)
    {
        double free = double.MinValue;
        double right = Width - Right + 12;
        foreach ((Contestant contestant, Measurement[] points) in lines.OrderBy(line => Y(line.Points[^1].ServerCores)))
        {
            double y = Math.Max(Y(points[^1].ServerCores), free);
            Line($"<line x1=\"{X(points[^1].Players) + 6:0.0}\" y1=\"{Y(points[^1].ServerCores):0.0}\" x2=\"{right - 3:0.0}\" y2=\"{y:0.0}\" stroke=\"{contestant.Colour}\" stroke-width=\"0.8\" stroke-dasharray=\"2 3\"/>");
            Line($"<rect x=\"{right:0.0}\" y=\"{y - 5:0.0}\" width=\"10\" height=\"10\" fill=\"{contestant.Colour}\"/>");
            Line($"<text x=\"{right + 16:0.0}\" y=\"{y + 4.5:0.0}\" font-weight=\"600\">{Escape(contestant.Title)}</text>");
            free = y + LabelApart;
        }

        Line($"<text x=\"{right:0.0}\" y=\"{Height - Bottom:0.0}\" fill=\"{Faint}\">hollow: not carried</text>");
    }

    private static double DecadeBelow(double value) => Math.Pow(10, Math.Floor(Math.Log10(value)));

    private void Line(FormattableString text) => _svg.Append(Text(text)).Append('\n');

    private static string Escape(string text) => SecurityElement.Escape(text);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
