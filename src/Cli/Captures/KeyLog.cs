using Hectare.Transport;

namespace Hectare.Cli.Captures;

/// <summary>The file that <c>--keys</c> asks for: a line for every connection made (<see cref="TrafficSecrets.ToLine"/>), there at once.</summary>
/// <remarks>For development. Whoever holds it and a capture of the run reads all that was said in it. A write that fails throws and so stops the zone.</remarks>
internal sealed class KeyLog : IDisposable
{
    private readonly StreamWriter _file;

    /// <summary>Writes the file anew.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public KeyLog(string path) => _file = new StreamWriter(PrivateFile.Create(path)) { AutoFlush = true };

    /// <summary>To be told before the run.</summary>
    public static string WarningOf(string path) => $"{path} will hold the keys of every connection: whoever has it can read all that is sent; for development only";

    /// <summary>Adds a connection. Tick thread.</summary>
    public void Write(TrafficSecrets secrets) => _file.WriteLine(secrets.ToLine());

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}

/// <summary>Files that hold what only their owner may read.</summary>
internal static class PrivateFile
{
    /// <summary>Writes a file anew, mode 0600, also when there was one that others could read.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static FileStream Create(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.Read };
        if (OperatingSystem.IsWindows())
            return new FileStream(path, options);
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        options.UnixCreateMode = OwnerOnly;
        var file = new FileStream(path, options);
        File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
        return file;
    }
}
