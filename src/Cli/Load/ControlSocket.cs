using System.Net.Sockets;
using System.Text;

namespace Hectare.Cli.Load;

/// <summary>A process's side door: a Unix domain socket (mode 0600) where one line asks and a text answers.</summary>
/// <remarks>The answer is made by whoever owns the state, on its thread between two ticks; so nothing is locked.</remarks>
internal sealed class ControlSocket : IDisposable
{
    /// <summary>Longest question.</summary>
    public const int LineBytesMax = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _path;
    private readonly Func<string[], Task<string>> _answer;

    private ControlSocket(string path, Func<string[], Task<string>> answer)
    {
        _path = path;
        _answer = answer;
    }

    /// <summary>Opens the door; <paramref name="answer"/> is called on any thread.</summary>
    /// <exception cref="Commands.BadInputException">The path cannot be used: something answers there already, or it is no socket's.</exception>
    public static ControlSocket Open(string path, Func<string[], Task<string>> answer)
    {
        var socket = new ControlSocket(path, answer);
        try
        {
            RemoveStale(path);
            socket._listener.Bind(new UnixDomainSocketEndPoint(path));

            // Before Listen nobody can connect, so no one slips in while the mode is still the default.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket._listener.Listen(8);
        }
        catch (SocketException error)
        {
            socket._listener.Dispose();
            throw new Commands.BadInputException($"--control {path}: {error.Message}; choose another path");
        }

        _ = socket.AcceptAsync();
        return socket;
    }

    /// <summary>Asks the process behind <paramref name="path"/>.</summary>
    /// <exception cref="Commands.RunFailedException">Nobody answers there.</exception>
    public static async Task<string> AskAsync(string path, string line, CancellationToken cancel)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), patience.Token);
            await socket.SendAsync(Encoding.UTF8.GetBytes(line + "\n"), patience.Token);
            using var stream = new NetworkStream(socket);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadToEndAsync(patience.Token);
        }
        catch (Exception error) when (error is SocketException or IOException || (error is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw new Commands.RunFailedException($"nobody answers at {path}: {error.Message}");
        }
    }

    /// <summary>The answer to what is no question: it is done, and that is all there is to say.</summary>
    public static string Done(Action order)
    {
        order();
        return "done\n";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        File.Delete(_path);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
                _ = ServeAsync(await _listener.AcceptAsync(_stop.Token));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The door is closed: the process ends.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            using var stream = new NetworkStream(socket, ownsSocket: true);
            string[] words = (await ReadLineAsync(stream, _stop.Token)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                return;
            string reply = await _answer(words).WaitAsync(Patience, _stop.Token);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(reply), _stop.Token);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or TimeoutException or ObjectDisposedException)
        {
            // Whoever asked went away, or we are ending: there is nobody to tell.
        }
    }

    private static async Task<string> ReadLineAsync(NetworkStream stream, CancellationToken cancel)
    {
        byte[] line = new byte[LineBytesMax];
        int bytes = 0;
        while (bytes < line.Length)
        {
            int read = await stream.ReadAsync(line.AsMemory(bytes), cancel);
            int end = line.AsSpan(bytes, read).IndexOf((byte)'\n');
            if (end >= 0)
                return Encoding.UTF8.GetString(line, 0, bytes + end);
            if (read == 0)
                break;
            bytes += read;
        }

        return "";
    }

    // A socket file that nobody answers was left by a process that was killed. Anything else is somebody's file: not ours to remove.
    private static void RemoveStale(string path)
    {
        if (!File.Exists(path))
            return;
        if (IsReadable(path))
            throw new Commands.BadInputException($"--control {path}: must be a path where no file is");
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new Commands.BadInputException($"--control {path}: another process answers there; choose another path");
    }

    // A socket cannot be opened as a file.
    private static bool IsReadable(string path)
    {
        try
        {
            File.OpenRead(path).Dispose();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
