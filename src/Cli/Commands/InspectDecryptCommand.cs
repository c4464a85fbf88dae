using System.CommandLine;
using System.Globalization;
using Hectare.Cli.Captures;
using Hectare.Cli.Terminal;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect decrypt</c>: opens a captured run, so that the dissector can read it.</summary>
internal static class InspectDecryptCommand
{
    private const string Teaching = """
        Examples:
          hectare serve --open --keys run.keys                     a zone that writes down its keys: for development only
          tcpdump -i lo -w run.pcap udp port 40000                 beside it, from before the first player joins
          hectare inspect decrypt run.pcap run.keys opened.pcap
          tshark -X lua_script:hectare.lua -r opened.pcap          hectare.lua comes from 'hectare inspect dissector'

        Takes pcap and pcapng, and writes the same. A packet that no key opens is left as it is. Whoever has the keys, or the opened capture, can read
        everything that was said: keep neither. Exit code: 0 something was opened; 1 nothing was; 2 bad input.
        """;

    private static readonly Argument<string> Capture = new("IN") { Description = "a capture (pcap or pcapng)" };
    private static readonly Argument<string> Keys = new("KEYS") { Description = "the key file that 'hectare serve --keys' wrote" };
    private static readonly Argument<string> Opened = new("OUT") { Description = "where the opened capture goes; written anew" };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("decrypt", "Open the sealed packets of a capture with the keys that a server wrote down.", Teaching) { Capture, Keys, Opened };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        string capture = parse.GetRequiredValue(Capture), keys = parse.GetRequiredValue(Keys), opened = parse.GetRequiredValue(Opened);
        if (!File.Exists(capture))
            throw new BadInputException($"IN {capture}: must be a capture that exists");
        if (Directory.Exists(opened) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(opened))))
            throw new BadInputException($"OUT {opened}: must be a file in a folder that exists");
        if (Path.GetFullPath(capture) == Path.GetFullPath(opened))
            throw new BadInputException($"OUT {opened}: must be another file than IN");
        var decryptor = new PacketDecryptor(ReadKeys(keys));
        bool whole = Rewrite(capture, opened, decryptor);
        if (!whole)
            Console.Error.WriteLine($"warning: {capture} ends within a record: what was before it is in {opened}");
        foreach (string line in Lines(decryptor.Figures))
            Screen.WriteLine(line);
        return decryptor.Figures.Opened > 0 ? 0 : throw new RunFailedException($"nothing was opened: {WhyNothing(decryptor.Figures)}");
    }

    private static List<TrafficSecrets> ReadKeys(string path)
    {
        if (!File.Exists(path))
            throw new BadInputException($"KEYS {path}: must be a key file that exists");
        var secrets = new List<TrafficSecrets>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0)
                continue;
            if (!TrafficSecrets.TryParse(line, out TrafficSecrets one))
                throw new BadInputException(string.Create(CultureInfo.InvariantCulture, $"KEYS {path}: line {number} is none of a key file, as 'hectare serve --keys' writes it"));
            secrets.Add(one);
        }

        return secrets.Count > 0 ? secrets : throw new BadInputException($"KEYS {path}: holds no keys: nobody connected while it was written");
    }

    private static bool Rewrite(string capture, string opened, PacketDecryptor decryptor)
    {
        try
        {
            using var input = new BufferedStream(File.OpenRead(capture), 1 << 20);
            using var output = new BufferedStream(PrivateFile.Create(opened), 1 << 20);
            return CaptureFile.Rewrite(input, output, decryptor.Visit);
        }
        catch (CaptureException error)
        {
            throw new BadInputException($"IN {capture}: must be a capture: {error.Message}");
        }
        catch (IOException error)
        {
            throw new RunFailedException($"{capture} to {opened}: {error.Message}");
        }
    }

    private static IEnumerable<string> Lines(DecryptFigures figures)
    {
        yield return Text($"{figures.Frames} frames; {figures.Handshake} packets of handshakes, {figures.Foreign} datagrams of others");
        yield return Text($"opened {figures.Opened} packets ({figures.Payloads} payloads) of {figures.Connections} connections");
        if (figures.NotOpened + figures.WithoutKeys + figures.CutShort > 0)
            yield return Text($"left as they are: {figures.NotOpened} that no key opens, {figures.WithoutKeys} of connections without keys, {figures.CutShort} cut short by the capture");
    }

    private static string WhyNothing(DecryptFigures figures) => figures switch
    {
        { CutShort: > 0 } => "the capture holds only the beginning of datagrams; capture whole ones (tcpdump -s 0)",
        { NotOpened: > 0 } => "no key fits; is the key file of this run?",
        { WithoutKeys: > 0 } => "the key file knows none of its connections; is it of this run?",
        { Handshake: > 0 } => "it holds handshakes only",
        _ => "it holds no packet of a zone",
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
