using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Hectare.SystemTests;

/// <summary>What goes over the loopback interface to and from one UDP port, written down by Wireshark's own capture program.</summary>
internal sealed class LoopbackCapture : IAsyncDisposable
{
    private const int PatienceSeconds = 15;

    private readonly Process _dumpcap;
    private readonly Task<string> _said;
    private readonly string _path;

    private LoopbackCapture(Process dumpcap, string path) => (_dumpcap, _said, _path) = (dumpcap, dumpcap.StandardError.ReadToEndAsync(), path);

    /// <summary>Begins; comes back once a datagram of ours has been written. Null where capturing is not allowed.</summary>
    public static async Task<LoopbackCapture?> TryStartAsync(int port, string path)
    {
        var start = new ProcessStartInfo("dumpcap") { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (string argument in (string[])["-q", "-i", "lo", "-f", string.Create(CultureInfo.InvariantCulture, $"udp port {port}"), "-w", path])
            start.ArgumentList.Add(argument);
        var capture = new LoopbackCapture(Process.Start(start)!, path);
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        long begun = -1;
        for (DateTime latest = DateTime.UtcNow.AddSeconds(PatienceSeconds); DateTime.UtcNow < latest && !capture._dumpcap.HasExited; await Task.Delay(100))
        {
            // Its head is there before it listens: so a byte that is no packet of ours is sent until one was written.
            probe.SendTo([0xFF], new IPEndPoint(IPAddress.Loopback, port));
            long length = Length(path);
            begun = begun < 0 && length > 0 ? length : begun;
            if (begun > 0 && length > begun)
                return capture;
        }

        await capture.DisposeAsync();
        return null;
    }

    /// <summary>Ends it, once nothing more comes.</summary>
    public async Task EndAsync()
    {
        for (long before = -1; before != Length(_path); await Task.Delay(1_000))
            before = Length(_path);
        await StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _dumpcap.Dispose();
    }

    // Interrupted, not killed: what it still holds is to be written.
    private async Task StopAsync()
    {
        if (!_dumpcap.HasExited)
            CliProcess.Signal(_dumpcap.Id, CliProcess.Interrupt);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(PatienceSeconds));
        try
        {
            await _dumpcap.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _dumpcap.Kill(entireProcessTree: true);
        }

        await _said;
    }

    private static long Length(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}
