using System.Globalization;
using System.Runtime.InteropServices;

namespace Hectare.Server;

/// <summary>Asks Linux, while a process grows, to put its memory into pages of 2 MB: of ten thousand players each look at another one is a look for its page first, and there are
/// few pages then. A thread of its own, of the lowest priority; elsewhere, and where the kernel does not want to, nothing happens.</summary>
/// <remarks>The runtime takes its heap in pieces of some kB, so the kernel gives ordinary pages; MADV_COLLAPSE (Linux 6.1) makes them one afterwards (docs/performance.md, Memory).</remarks>
public sealed partial class HugePages : IDisposable
{
    private const long PageBytes = 2 << 20;
    private const int CollapseAdvice = 25;
    private const int LowestPriority = 19;
    private const int InvalidArgument = 22;
    private const int LookMs = 2_000;
    private const int PauseMs = 1;           // after each: the zone's thread waits for a page that is being moved
    private const long ChangedBytes = 16 << 20;

    private readonly ManualResetEventSlim _stops = new();
    private readonly Thread? _thread;

    /// <summary>Begins to ask.</summary>
    public HugePages()
    {
        if (!OperatingSystem.IsLinux())
            return;
        _thread = new Thread(Run) { Name = "hectare pages", IsBackground = true };
        _thread.Start();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stops.Set();
        _thread?.Join();
        _stops.Dispose();
    }

    private void Run()
    {
        SetPriority(0, 0, LowestPriority);
        long collapsedBytes = 0;
        while (!_stops.Wait(LookMs))
        {
            long bytes = Environment.WorkingSet;
            if (Math.Abs(bytes - collapsedBytes) < ChangedBytes)
                continue;
            collapsedBytes = bytes;
            if (!Collapse())
                return;
        }
    }

    // False when it is to stop. A kernel that does not know how says so at once, for each.
    private bool Collapse()
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            if (!TryReadMapping(line, out long start, out long end))
                continue;
            for (long at = (start + PageBytes - 1) & -PageBytes; at + PageBytes <= end; at += PageBytes)
            {
                if (Advise((nint)at, (nuint)PageBytes, CollapseAdvice) != 0 && Marshal.GetLastPInvokeError() == InvalidArgument)
                    continue;
                if (_stops.Wait(PauseMs))
                    return false;
            }
        }

        return true;
    }

    // Memory of our own that is read and written, and no file's: "7f..-7f.. rw-p 00000000 00:00 0".
    private static bool TryReadMapping(ReadOnlySpan<char> line, out long start, out long end)
    {
        (start, end) = (0, 0);
        int dash = line.IndexOf('-'), space = line.IndexOf(' ');
        if (dash < 0 || space < dash || !line[(space + 1)..].StartsWith("rw-p 00000000 00:00 0", StringComparison.Ordinal))
            return false;
        return long.TryParse(line[..dash], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out start)
            && long.TryParse(line[(dash + 1)..space], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out end)
            && end - start >= PageBytes && line.IndexOf('[') < 0;
    }

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint bytes, int advice);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);
}
