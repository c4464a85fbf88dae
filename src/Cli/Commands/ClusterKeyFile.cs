using System.Globalization;
using System.Security.Cryptography;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary>A file of cluster keys: made for its owner alone, read with its errors in words. No message ever holds a key.</summary>
internal static class ClusterKeyFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The ring in a file; <paramref name="option"/> is what an error names.</summary>
    /// <exception cref="BadInputException">It holds no ring.</exception>
    public static ClusterKeys Read(string option, string path) =>
        ClusterKeys.TryParse(ReadText(option, path), out ClusterKeys keys, out string error)
            ? keys
            : throw new BadInputException($"{option} {path}: {error}; make one with 'hectare token new-key'");

    /// <summary>What to warn of: others than its owner may read it. Null: nothing.</summary>
    public static string? WarningOf(string path) =>
        !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != UnixFileMode.None
            ? $"others than its owner can read or change {path}: who has a cluster key comes in as anyone, and reads what was recorded on the way; 'chmod 600' it, and rotate"
            : null;

    /// <summary>Makes a file of one new key.</summary>
    /// <exception cref="BadInputException">There is such a file.</exception>
    public static void Create(string path, byte id)
    {
        if (Path.Exists(path))
            throw new BadInputException($"FILE {path}: there is such a file, and a key that is lost cannot be made again; --add puts a new key into it");
        Write(path, Line(id));
    }

    /// <summary>Puts a new key behind those of a file; comments stay.</summary>
    /// <returns>Its id.</returns>
    /// <exception cref="BadInputException">No file of keys, the id is taken, or there is no room.</exception>
    public static byte Add(string path, int? id)
    {
        if (!File.Exists(path))
            throw new BadInputException($"FILE {path}: --add needs a key file that exists; without --add one is made");
        ClusterKeys keys = Read("FILE", path);
        byte free = (byte)(id ?? Enumerable.Range(1, 256).First(candidate => !keys.Holds((byte)candidate)));
        if (keys.Holds(free))
            throw new BadInputException($"--id {free}: {path} holds a key of this id; leave --id away for a free one");
        if (keys.Count == ClusterKeys.CountMax)
            throw new BadInputException($"FILE {path}: it holds {keys.Count} keys, and a ring has no more; take out those whose tokens have expired");
        // A new file in the place of the old: who reads it meanwhile reads one of the two.
        string fresh = $"{path}.new";
        Write(fresh, $"{ReadText("FILE", path).TrimEnd()}\n{Line(free)}");
        File.Move(fresh, path, overwrite: true);
        return free;
    }

    private static string Line(byte id) => string.Create(CultureInfo.InvariantCulture, $"{id}:{RandomNumberGenerator.GetHexString(2 * ClusterKeys.KeyBytes, lowercase: true)}\n");

    private static string ReadText(string option, string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{option} {path}: cannot be read ({failure.Message})");
        }
    }

    private static void Write(string path, string text)
    {
        // Made, never opened: what is there already keeps its bytes, and a file that others can read gets no key.
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        try
        {
            using var writer = new StreamWriter(path, options);
            writer.Write(text);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"FILE {path}: cannot be made ({failure.Message})");
        }
    }
}
