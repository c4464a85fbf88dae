using System.Globalization;

namespace Hectare.Bench;

/// <summary>Pairs of a name and a value behind the word that says what to measure.</summary>
internal sealed class Options
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>Null when there is anything but these names with a value each.</summary>
    public static Options? Parse(string[] arguments, params string[] names)
    {
        var options = new Options();
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (!names.Contains(arguments[i], StringComparer.Ordinal) || i + 1 == arguments.Length)
                return null;
            options._values[arguments[i]] = arguments[i + 1];
        }

        return options;
    }

    public string? Text(string name) => _values.GetValueOrDefault(name);

    public bool TryNumber(string name, double usual, out double value)
    {
        value = usual;
        return !_values.TryGetValue(name, out string? text) || double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }
}
