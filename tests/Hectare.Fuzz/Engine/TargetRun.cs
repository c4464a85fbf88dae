using System.Diagnostics;
using System.Globalization;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>Runs one target: the corpus, then input after input, each watched for exceptions, broken properties, bytes allocated, time and growth.</summary>
internal sealed class TargetRun : IDisposable
{
    private const int Repeats = 3;   // a slow or greedy input is run again: a collection or another process must not be its fault

    private static readonly long NotableStamps = Stopwatch.Frequency / 1000;

    private readonly FuzzTarget _target;
    private readonly FuzzLimits _limits;
    private readonly IReadOnlyList<byte[]> _corpus;
    private readonly Failures _failures;
    private readonly LastInput _last;
    private readonly GuardedBytes _guarded;
    private readonly Watchdog _watchdog;
    private readonly Growth _growth = new();
    private readonly long _startStamp = Stopwatch.GetTimestamp();
    private readonly byte[] _work;
    private readonly long _slowStamps;
    private long _inputs;
    private long _accepted;
    private long _slowestStamps;
    private long _allocatedBytesMax;

    /// <summary>A run that has not begun.</summary>
    /// <param name="target">What is run.</param>
    /// <param name="limits">Seed and end.</param>
    /// <param name="corpus">Run first, each as it is, and mutated from then on.</param>
    /// <param name="failures">Where failing inputs are written to.</param>
    /// <param name="lastInputPath">See <see cref="LastInput"/>.</param>
    /// <param name="onHang">Told the report of an input that does not end, on another thread: the process must end with it.</param>
    public TargetRun(FuzzTarget target, FuzzLimits limits, IReadOnlyList<byte[]> corpus, Failures failures, string lastInputPath, Action<TargetReport> onHang)
    {
        (_target, _limits, _corpus, _failures) = (target, limits, corpus, failures);
        _work = new byte[target.InputBytesMax];
        _last = new LastInput(lastInputPath, target.InputBytesMax);
        _guarded = new GuardedBytes(target.InputBytesMax);
        _slowStamps = target.SlowMs * Stopwatch.Frequency / 1000;
        _watchdog = new Watchdog(limits.Hang, () => onHang(Report(failures.OfHang(target, lastInputPath, limits.Hang))));
    }

    /// <summary>Runs to the limit, or to the first failure.</summary>
    /// <param name="show">Told now and then where it stands.</param>
    public TargetReport Run(Action<FuzzProgress> show)
    {
        try
        {
            _target.Begin();
            foreach (byte[] input in _corpus)
                Execute(input, isValid: false, index: -1);
            RunInputs(show);
            return Report(_growth.Judge());
        }
        catch (FailureException failure)
        {
            return Report(failure.Report);
        }
    }

    /// <summary>Runs one input, whatever made it.</summary>
    public TargetReport Replay(byte[] input)
    {
        try
        {
            _target.Begin();
            Execute(input, isValid: false, index: 0);
            return Report(null);
        }
        catch (FailureException failure)
        {
            return Report(failure.Report);
        }
    }

    public void Dispose()
    {
        _watchdog.Dispose();
        _guarded.Dispose();
        _last.Dispose();
    }

    private void RunInputs(Action<FuzzProgress> show)
    {
        var mutator = new Mutator(_target, _corpus);
        ulong seed = SeededRandom.MixSeed(_limits.Seed, NameHash(_target.Name));
        double shown = 0;
        for (long index = 0; ; index++)
        {
            double seconds = Seconds;
            double share = Math.Max((double)_inputs / _limits.Inputs, seconds / (_limits.Seconds ?? double.PositiveInfinity));
            if (share >= 1)
                return;
            _growth.Look(share);
            if (seconds - shown >= 0.5)
            {
                shown = seconds;
                show(new FuzzProgress(_target.Name, _inputs, _inputs / seconds, seconds, share));
            }

            var random = new SeededRandom(SeededRandom.MixSeed(seed, (ulong)index));
            int length = mutator.Make(ref random, _work, out bool isValid);
            Execute(_work.AsSpan(0, length), isValid, index);
        }
    }

    private void Execute(ReadOnlySpan<byte> input, bool isValid, long index)
    {
        _last.Note(index, input);
        (RunResult result, long stamps, long bytes) = Measure(input, index);
        long bytesMax = _target.AllocatedBytesMax(input);
        long notable = Math.Max(NotableStamps, _slowestStamps);
        for (int i = 1; i < Repeats && (stamps > notable || bytes > bytesMax); i++)
        {
            (_, long againStamps, long againBytes) = Measure(input, index);
            (stamps, bytes) = (Math.Min(stamps, againStamps), Math.Min(bytes, againBytes));
        }

        if (bytes > bytesMax)
            Fail("allocation", string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes allocated, at most {bytesMax} allowed"), input, index);
        if (stamps > _slowStamps)
            Fail("slow", string.Create(CultureInfo.InvariantCulture, $"{stamps * 1000.0 / Stopwatch.Frequency:0.0} ms, at most {_target.SlowMs} ms allowed"), input, index);
        if (isValid && result.Accepted == 0)
            Fail("refused", "a valid input was refused", input, index);
        _inputs += result.Inputs;
        _accepted += result.Accepted;
        _slowestStamps = Math.Max(_slowestStamps, stamps);
        _allocatedBytesMax = Math.Max(_allocatedBytesMax, bytes);
    }

    private (RunResult Result, long Stamps, long Bytes) Measure(ReadOnlySpan<byte> input, long index)
    {
        Span<byte> place = _guarded.Place(input, atStart: (index & 15) == 1);
        long start = _watchdog.Begin();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            RunResult result = _target.Run(place);
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            return (result, _watchdog.End() - start, bytes);
        }
        catch (Exception broken)
        {
            _watchdog.End();
            throw new FailureException(_failures.OfException(_target, broken, input, index));
        }
    }

    private void Fail(string kind, string message, ReadOnlySpan<byte> input, long index) => throw new FailureException(_failures.Of(_target, kind, message, input, index));

    private TargetReport Report(FailureReport? failure) => new()
    {
        Target = _target.Name,
        Seed = _limits.Seed,
        Inputs = _inputs,
        Accepted = _accepted,
        Seconds = Seconds,
        InputsPerSecond = _inputs / Seconds,
        SlowestMs = _slowestStamps * 1000.0 / Stopwatch.Frequency,
        AllocatedBytesMax = _allocatedBytesMax,
        HeapBytes = _growth.HeapBytes,
        WorkingSetBytes = _growth.WorkingSetBytes,
        Failure = failure,
    };

    private double Seconds => Stopwatch.GetElapsedTime(_startStamp).TotalSeconds;

    // FNV-1a: string.GetHashCode differs from run to run.
    private static ulong NameHash(string name)
    {
        ulong hash = 14_695_981_039_346_656_037;
        foreach (char one in name)
            hash = (hash ^ one) * 1_099_511_628_211;
        return hash;
    }

    private sealed class FailureException(FailureReport report) : Exception(report.Message)
    {
        public FailureReport Report { get; } = report;
    }
}
