using System.CommandLine;
using System.Globalization;
using Hectare.Cli.Terminal;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare token new-key</c>: makes a file of cluster keys, or adds a key to one.</summary>
internal static class TokenNewKeyCommand
{
    private const string Teaching = """
        A cluster key is what login services and zones share: the one seals connect tokens with it, the others open them. A key file holds up to 8, a line
        each, 'id:key'. The first line seals, every line opens. Who has a key comes in as anyone, and reads what was recorded of connections whose tokens
        it sealed: give the file to nobody, copy it only over what is encrypted.

        Rotation: every few weeks, or at once when a key may have leaked. Login services and zones read the file when they start.
          1. hectare token new-key cluster.keys --add              the new key, last: it opens, and does not seal yet. Bring the file everywhere, restart
          2. move the new key's line to the top, everywhere        it seals from now on; tokens under the old one still open. Restart
          3. take the old key's line out, everywhere               when its last token has expired, half an hour later. Restart, and destroy the old key
        A key that leaked: all three in one step; players who are on their way in log in again.

        Examples:
          hectare token new-key cluster.keys                       a new file, mode 0600, with key 1; one that exists is never written over
          hectare serve --cluster-keys cluster.keys                a zone that takes its tokens
        """;

    private static readonly Argument<string> KeyFile = new("FILE") { Description = "the key file" };
    private static readonly Option<int> Id = Options.Whole("--id", -1, 0, 255, "Number of the key: travels in the open with each token, says which key to try. Default: 1, or with --add a free one.");
    private static readonly Option<bool> Add = Options.Flag("--add", "Put a new key behind those of a file that exists.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("new-key", "Make a file of cluster keys (mode 0600), or add a key to one.", Teaching) { KeyFile, Id, Add };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        string path = parse.GetRequiredValue(KeyFile);
        int? id = parse.GetValue(Id) is >= 0 and int chosen ? chosen : null;
        if (Directory.Exists(path) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            throw new BadInputException($"FILE {path}: must be a file in a folder that exists");
        if (parse.GetValue(Add))
        {
            byte added = ClusterKeyFile.Add(path, id);
            ClusterKeys keys = ClusterKeyFile.Read("FILE", path);
            Screen.WriteLine(Text($"added key {added} to {path} as the last of {keys.Count}: it opens tokens, key {keys.CurrentId} still seals"));
            Screen.WriteLine(Text($"next: bring the file to every login service and zone; then move key {added}'s line to the top everywhere; then take the old one out"));
            return 0;
        }

        ClusterKeyFile.Create(path, (byte)(id ?? 1));
        Screen.WriteLine(Text($"wrote key {id ?? 1} to {path}, for its owner alone (mode 0600)"));
        return 0;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
