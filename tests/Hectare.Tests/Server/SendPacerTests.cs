using Hectare.Server;
using Hectare.Tests.Transport;

namespace Hectare.Tests.Server;

public sealed class SendPacerTests
{
    private const int PerMs = 1_000;
    private const int Batch = 128;

    [Fact]
    public void No_more_than_a_thousand_datagrams_leave_within_any_millisecond_however_fast_the_socket()
    {
        var clock = new VirtualClock();
        var pacer = new SendPacer(PerMs, Batch, () => clock.NowNs, clock.WaitUntil);
        var sent = new List<(long AtNs, int Datagrams)>();
        // Three ticks of 10,000 peers each, as full batches and as the odd ends of a tick.
        for (int tick = 0; tick < 3; tick++)
        {
            clock.WaitUntil(tick * 33_333_333L);
            for (int left = 10_000, turn = 0; left > 0; turn++)
            {
                int datagrams = Math.Min(left, turn % 5 == 4 ? 17 : Batch);
                left -= datagrams;
                pacer.Wait(datagrams);
                sent.Add((clock.NowNs, datagrams));
            }

            Assert.InRange(clock.NowNs - (tick * 33_333_333L), 9_000_000, 12_500_000);
        }

        Assert.InRange(Most(sent), 800, PerMs);
    }

    [Fact]
    public void Threads_share_one_pace()
    {
        var starts = new System.Collections.Concurrent.ConcurrentBag<(long AtNs, int Datagrams)>();
        using var waits = new ThreadLocal<long>();
        var shared = new SendPacer(PerMs, Batch, () => 0, at => waits.Value = at);
        Parallel.For(0, 80, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = TestContext.Current.CancellationToken }, _ =>
        {
            waits.Value = 0;
            shared.Wait(Batch);
            starts.Add((waits.Value, Batch));
        });
        Assert.InRange(Most([.. starts.OrderBy(start => start.AtNs)]), 800, PerMs);
    }

    [Fact]
    public void A_socket_that_is_slower_never_waits_and_nothing_is_allocated()
    {
        long now = 0;
        int waits = 0;
        var pacer = new SendPacer(PerMs, Batch, () => now, _ => waits++);
        Assert.Equal(0, Allocation.SteadyBytes(() =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                pacer.Wait(Batch);
                now += 300_000;   // a fast kernel's time for a batch
            }
        }));
        Assert.Equal(0, waits);
    }

    private static int Most(List<(long AtNs, int Datagrams)> sent)
    {
        int most = 0, within = 0;
        for (int first = 0, next = 0; first < sent.Count; first++)
        {
            for (; next < sent.Count && sent[next].AtNs < sent[first].AtNs + 1_000_000; next++)
                within += sent[next].Datagrams;
            most = Math.Max(most, within);
            within -= sent[first].Datagrams;
        }

        return most;
    }

    private sealed class VirtualClock
    {
        public long NowNs { get; private set; }

        public void WaitUntil(long atNs) => NowNs = Math.Max(NowNs, atNs);
    }
}
