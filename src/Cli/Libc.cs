using System.Runtime.InteropServices;

namespace Hectare.Cli;

/// <summary>The few calls of 64-bit Linux's libc that the load generator needs: sessions, processors, a thread's processor time.</summary>
/// <remarks>The scheduler here groups by process session, so a busy shell next door would steal a core from a child without one of its own
/// (docs/performance.md). <c>Process.ProcessorAffinity</c> misses the runtime's threads that already run; a mask that the forking thread holds
/// is inherited by all of the child's, and the child's ProcessorCount follows it.</remarks>
internal static partial class Libc
{
    private const int MaskWords = 16;
    private const int ThreadCpuClock = 3;   // CLOCK_THREAD_CPUTIME_ID

    /// <summary>Makes the calling process the leader of a new session. False where there is none to make.</summary>
    public static bool TryStartSession() => OperatingSystem.IsLinux() && SetSession() > 0;

    /// <summary>True when processors can be chosen on this system.</summary>
    public static bool CanPin => OperatingSystem.IsLinux();

    /// <summary>The processors that the calling thread may run on; empty when unknown.</summary>
    public static int[] GetThreadProcessors()
    {
        Span<ulong> mask = stackalloc ulong[MaskWords];
        if (!OperatingSystem.IsLinux() || GetAffinity(0, MaskWords * sizeof(ulong), mask) < 0)
            return [];
        var processors = new List<int>();
        for (int i = 0; i < MaskWords * 64; i++)
        {
            if ((mask[i >> 6] & (1UL << (i & 63))) != 0)
                processors.Add(i);
        }

        return [.. processors];
    }

    /// <summary>Keeps a thread (0: the calling one) on these processors. False when the system refuses.</summary>
    public static bool TryPinThread(int threadId, ReadOnlySpan<int> processors)
    {
        Span<ulong> mask = stackalloc ulong[MaskWords];
        mask.Clear();
        foreach (int processor in processors)
        {
            if (processor is < 0 or >= MaskWords * 64)
                return false;
            mask[processor >> 6] |= 1UL << (processor & 63);
        }

        return OperatingSystem.IsLinux() && SetAffinity(threadId, MaskWords * sizeof(ulong), mask) == 0;
    }

    /// <summary>Keeps every thread of this process on these processors; threads started later inherit from the one that starts them.</summary>
    public static bool TryPinProcess(ReadOnlySpan<int> processors)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        bool pinned = true;
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
            pinned &= TryPinThread(int.Parse(Path.GetFileName(task), System.Globalization.CultureInfo.InvariantCulture), processors);
        return pinned;
    }

    /// <summary>True when <see cref="ThreadCpuNs"/> tells anything.</summary>
    public static bool HasThreadCpuClock => OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Processor time of the calling thread, ns; 0 where the system does not tell.</summary>
    public static long ThreadCpuNs()
    {
        if (!HasThreadCpuClock || GetTime(ThreadCpuClock, out TimeSpec time) != 0)
            return 0;
        return (time.Seconds * 1_000_000_000) + time.Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    private static partial int SetSession();

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int threadId, nuint maskBytes, ReadOnlySpan<ulong> mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int GetAffinity(int threadId, nuint maskBytes, Span<ulong> mask);

    /// <summary>struct timespec of 64-bit Linux.</summary>
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
