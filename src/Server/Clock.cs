using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hectare.Server;

/// <summary>The monotonic clock in nanoseconds, and a wait that ends on time. The only clock of a zone's process.</summary>
/// <remarks>On Linux it is CLOCK_MONOTONIC, the same for every process of the machine: times of two processes can be compared.</remarks>
public static partial class Clock
{
    private const int MonotonicClock = 1;   // CLOCK_MONOTONIC
    private const int AbsoluteTime = 1;     // TIMER_ABSTIME

    // The kernel wakes a sleeper 50 to 150 us late; the last stretch is spun (docs/performance.md: 0.7 us late at p50 for 0.5 % of a core).
    private const long SpinNs = 200_000;

    // Thread.Sleep(1) may take 2 ms (15 on old Windows timers): stop sleeping that long before.
    private const long CoarseSleepNs = 2_000_000;

    /// <summary>Nanoseconds since some fixed moment (the start of the machine on Linux).</summary>
    public static long NowNs => Stopwatch.Frequency == 1_000_000_000
        ? Stopwatch.GetTimestamp()
        : (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    /// <summary>Returns at <paramref name="dueNs"/>: sleeps until 200 us before, then spins. At once when that is past.</summary>
    public static void WaitUntil(long dueNs)
    {
        SleepUntil(dueNs - SpinNs);
        while (NowNs < dueNs)
            Thread.SpinWait(8);
    }

    /// <summary>Sleeps until about <paramref name="wakeNs"/>, without the spin: 50 to 150 us late on Linux, up to 2 ms early elsewhere.</summary>
    public static void SleepUntil(long wakeNs)
    {
        if (OperatingSystem.IsLinux() && Environment.Is64BitProcess)
        {
            var wake = new TimeSpec(wakeNs / 1_000_000_000, wakeNs % 1_000_000_000);
            // EINTR: a signal came; the time is absolute, so the same call goes on.
            while (wakeNs > NowNs && ClockNanosleep(MonotonicClock, AbsoluteTime, in wake, 0) != 0)
            {
            }

            return;
        }

        while (wakeNs - NowNs > CoarseSleepNs)
            Thread.Sleep(1);
    }

    [LibraryImport("libc", EntryPoint = "clock_nanosleep")]
    private static partial int ClockNanosleep(int clock, int flags, in TimeSpec wake, nint remaining);

    /// <summary>struct timespec of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TimeSpec(long seconds, long nanoseconds)
    {
        public readonly long Seconds = seconds;
        public readonly long Nanoseconds = nanoseconds;
    }
}
