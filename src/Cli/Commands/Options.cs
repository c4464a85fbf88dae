using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary>Typed options whose errors are one line that names the option, the value and what it may be.</summary>
/// <remarks>The parser's own conversion says "Cannot parse argument" and no range; so every option here reads its text itself.</remarks>
internal static class Options
{
    /// <summary>What <see cref="Endpoints"/> takes.</summary>
    public const string EndpointsRange = "1 to 4 of address:port, separated by commas, such as 203.0.113.7:40000 or [2001:db8::7]:40000";

    /// <summary>A whole number from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public static Option<int> Whole(string name, int otherwise, int min, int max, string what)
        => Make(name, string.Create(CultureInfo.InvariantCulture, $"{what} {min} to {max}."), "N", otherwise,
            string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}"),
            (string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= min && value <= max);

    /// <summary>A share from <paramref name="min"/> to 1, or none when it is not given.</summary>
    public static Option<double?> ShareOrNone(string name, double min, string what)
        => Make<double?>(name, string.Create(CultureInfo.InvariantCulture, $"{what} {min} to 1."), "SHARE", null, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to 1"),
            (string text, out double? value) =>
            {
                bool isRead = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share) && share >= min && share <= 1;
                value = isRead ? share : null;
                return isRead;
            });

    /// <summary>A seed: any 64-bit number.</summary>
    public static Option<ulong> Seed() => Number("--seed", "Seed of world and bots; the same seed plays the same game.", 1);

    /// <summary>A 64-bit number.</summary>
    public static Option<ulong> Number(string name, string what, ulong otherwise) => Make(name, $"{what} 0 to 18446744073709551615.", "N", otherwise,
        "a whole number from 0 to 18446744073709551615",
        (string text, out ulong value) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value));

    /// <summary>One of a few words.</summary>
    public static Option<T> Choice<T>(string name, T otherwise, string what)
        where T : struct, Enum
    {
        string choices = string.Join(", ", Enum.GetNames<T>().Select(choice => choice.ToLowerInvariant()));
        return Make(name, $"{what} One of {choices}.", "NAME", otherwise, $"one of {choices}",
            (string text, out T value) => Enum.TryParse(text, ignoreCase: true, out value) && !char.IsAsciiDigit(text[0]) && !text.Contains(',', StringComparison.Ordinal));
    }

    /// <summary>Some of a list of names, separated by commas; empty when it is not given.</summary>
    public static Option<string[]> Names(string name, string what, IReadOnlyList<string> known) => Make<string[]>(name, what, "LIST", [], $"different ones of {string.Join(", ", known)}, separated by commas",
        (string text, out string[] value) => (value = text.ToLowerInvariant().Split(',')).All(known.Contains) && value.Distinct(StringComparer.Ordinal).Count() == value.Length);

    /// <summary>A file to be written: refused at once when its folder is missing, not after a run of minutes.</summary>
    public static Option<string?> FileToWrite(string name, string what) => Make<string?>(name, what, "FILE", null, "a file in a folder that exists",
        (string text, out string? value) => (value = text).Length > 0 && !Directory.Exists(text) && Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(text))));

    /// <summary>A file to be read.</summary>
    public static Option<string?> FileToRead(string name, string what)
        => Make<string?>(name, what, "FILE", null, "a file that exists", (string text, out string? value) => File.Exists(value = text));

    /// <summary>A file of cluster keys.</summary>
    public static Option<string?> ClusterKeys(string name, string what) => FileToRead(name, $"{what} Make one with 'hectare token new-key'.");

    /// <summary>Addresses of zones as players reach them, 1 to 4 separated by commas.</summary>
    public static Option<PeerAddress[]> Endpoints(string name, string what)
        => Make(name, what, "ADDRESS:PORT", [], EndpointsRange, (string text, out PeerAddress[] value) => TryReadEndpoints(text, out value));

    /// <summary>The path of a Unix domain socket; its length is bounded by the system.</summary>
    public static Option<string?> SocketPath(string name, string what) => Make<string?>(name, what, "PATH", null, "a path of at most 100 bytes in a folder that exists",
        (string text, out string? value) => (value = text).Length is > 0 and <= 100 && Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(text))));

    /// <summary>A loopback endpoint.</summary>
    /// <remarks>By design: bots are load, and load is for one's own machine.</remarks>
    public static Option<IPEndPoint> LoopbackServer(string name, int port) => Make(name, "Server's address, on this machine only (load is not for others' machines).",
        "ADDRESS:PORT", new IPEndPoint(IPAddress.Loopback, port), "127.x.y.z:port with a port from 1 to 65535",
        (string text, out IPEndPoint value) => IPEndPoint.TryParse(text, out value!) && value.Port > 0 && value.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && IPAddress.IsLoopback(value.Address));

    /// <summary>Processors such as <c>0</c> or <c>0-1,3</c>.</summary>
    public static Option<int[]> Processors(string name, string what)
    {
        int[] known = Libc.GetThreadProcessors();
        string range = known.Length == 0 ? "processor numbers, such as 0 or 0-1" : $"processors of {Format(known)}, such as {known[0]}";
        return Make(name, what, "LIST", [], range, (string text, out int[] value) => TryReadProcessors(text, known, out value));
    }

    /// <summary>A set of processors as text.</summary>
    public static string Format(int[] processors) => string.Join(',', processors);

    /// <summary>True or false without a value.</summary>
    public static Option<bool> Flag(string name, string what) => new(name) { Description = what, Arity = ArgumentArity.Zero };

    /// <summary>Text as a value; false when it is not one.</summary>
    public delegate bool Reader<T>(string text, out T value);

    /// <summary>An option from its parts; <paramref name="range"/> completes "must be ...".</summary>
    public static Option<T> Make<T>(string name, string what, string placeholder, T otherwise, string range, Reader<T> read)
    {
        var option = new Option<T>(name)
        {
            Description = what,
            HelpName = placeholder,
            Arity = new ArgumentArity(0, 1),
            DefaultValueFactory = _ => otherwise,
            CustomParser = argument => Read(argument, name, otherwise, range, read),
        };
        option.Validators.Add(result =>
        {
            // Our own reader is not asked when there is no text at all.
            if (!result.Implicit && result.Tokens.Count == 0)
                result.AddError($"{name}: needs a value: {range}");
        });
        return option;
    }

    private static T Read<T>(ArgumentResult argument, string name, T otherwise, string range, Reader<T> read)
    {
        string text = argument.Tokens[^1].Value;
        if (text.Length > 0 && read(text, out T value))
            return value;
        argument.AddError($"{name} {(text.Length > 0 ? text : "''")}: must be {range}");
        return otherwise;
    }

    private static bool TryReadEndpoints(string text, out PeerAddress[] endpoints)
    {
        string[] parts = text.Split(',');
        endpoints = new PeerAddress[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            // Every address of a machine is none that a player could send to.
            if (!PeerAddress.TryParse(parts[i], out endpoints[i]) || endpoints[i].Port == 0 || endpoints[i].WithPort(0) == PeerAddress.AnyIPv4(0) || endpoints[i].WithPort(0).IsNone)
                return false;
        }

        return parts.Length <= ConnectToken.EndpointsMax;
    }

    private static bool TryReadProcessors(string text, int[] known, out int[] processors)
    {
        var list = new SortedSet<int>();
        processors = [];
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last) || last < first || last > 1023)
            {
                return false;
            }

            list.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        processors = [.. list];
        return known.Length == 0 || list.IsSubsetOf(known);
    }
}
