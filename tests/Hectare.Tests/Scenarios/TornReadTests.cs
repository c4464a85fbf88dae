using Hectare.Protocol;
using Hectare.Server;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Goal: a peer is never told half of one moment and half of another, with as many threads as there may be. Method: <see cref="ThreadStress"/>, seconds in
/// CI, ten minutes each with HECTARE_FULL=1. And the other way round: with a second writer, who publishes while the world ought to be frozen, as a tick
/// thread would that does not wait at the barrier, the same stress finds it. So it is not blind.
/// </summary>
public sealed class TornReadTests(ITestOutputHelper output)
{
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Entities_agree_with_themselves_however_many_threads_write(int threads)
    {
        double seconds = IsFull ? 600 : 4;
        using var stress = new ThreadStress(seed: 100 + (ulong)threads, threads);
        StressFindings found = stress.Run(seconds, TestContext.Current.CancellationToken);
        output.WriteLine($"{threads} threads, {seconds} s: {found}");
        Assert.True(found.Faults.Count == 0, found.ToString());
        Assert.True(found.Ticks > 30 * seconds && found.Looked > 1_000 * found.Ticks, found.ToString());
        Assert.True(found.Compared > 1_000, found.ToString());
        Assert.InRange(found.LargestDatagram, 1_000, 1_200);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void A_writer_who_does_not_wait_for_the_freeze_is_found(int threads)
    {
        using var writer = new SecondWriter();
        using var stress = new ThreadStress(seed: 200 + (ulong)threads, threads, writer);
        writer.Start(stress);
        StressFindings found = stress.Run(seconds: 30, TestContext.Current.CancellationToken);
        output.WriteLine($"{threads} threads: found after {found.Ticks} ticks, {writer.Rounds} rounds of the second writer: {found}");
        Assert.True(writer.Rounds > 0 && writer.Failure is null, $"{writer.Rounds} rounds; {writer.Failure}");
        Assert.NotEmpty(found.Faults);
    }

    /// <summary>Does between a tick's publishing and its last send what only the tick's step and publish phases may do.</summary>
    private sealed class SecondWriter : IZoneObserver, IDisposable
    {
        private const int Waits = 0, Writes = 1, Stops = 2;

        private Thread? _thread;
        private ThreadStress _stress = null!;
        private int _stage = Waits;
        private uint _tick;
        private volatile bool _ends;

        public long Rounds { get; private set; }

        public Exception? Failure { get; private set; }

        public void Start(ThreadStress stress)
        {
            _stress = stress;
            _thread = new Thread(Run) { Name = "second writer", IsBackground = true };
            _thread.Start();
        }

        public void AfterPublish(IZone zone, Tick tick)
        {
            _tick = tick.Value;
            if (_thread is not null && !_ends)
                Volatile.Write(ref _stage, Writes);
        }

        // It writes while packets are written, and nowhere else: the tick thread's own phases are not what is tested.
        public void AfterWrite(IZone zone, Tick tick)
        {
            if (Interlocked.CompareExchange(ref _stage, Stops, Writes) != Writes)
                return;
            while (Volatile.Read(ref _stage) != Waits && !_ends)
                Thread.Sleep(0);
        }

        public void Dispose()
        {
            _ends = true;
            _thread?.Join();
        }

        private void Run()
        {
            try
            {
                RunUntilTheEnd();
            }
            catch (Exception failure)
            {
                // Two writers at once may well fall over each other; the zone is the one that is watched.
                Failure = failure;
                _ends = true;
                Volatile.Write(ref _stage, Waits);
            }
        }

        private void RunUntilTheEnd()
        {
            while (!_ends)
            {
                // The world's tick ends after the observer was called: until then the tick thread is still at work in it.
                if (Volatile.Read(ref _stage) == Writes && _stress.Zone.World.DirtyRows.IsEmpty && _stress.Zone.World.Events.IsEmpty)
                    Write();
                else if (Volatile.Read(ref _stage) == Stops)
                    Volatile.Write(ref _stage, Waits);
                else
                    Thread.SpinWait(20);
            }
        }

        private void Write()
        {
            while (Volatile.Read(ref _stage) == Writes && !_ends)
            {
                _stress.Game.CountOn(_stress.Zone.World);
                _stress.Zone.Replicator.Publish(new Tick(_tick));
                Rounds++;
            }
        }
    }
}
