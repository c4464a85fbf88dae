using System.Runtime.CompilerServices;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>Readers with a fault each, for the test that this program finds faults. They are in no list and run only by name.</summary>
internal sealed class DefectTarget(string name, DefectTarget.Reader read, long allocatedBytesMax = 0) : FuzzTarget(name, "a planted fault")
{
    private const byte Mark = 0xA7;

    private static readonly List<byte[]> Kept = [];

    public delegate void Reader(Span<byte> input);

    public static readonly IReadOnlyList<FuzzTarget> All =
    [
        new DefectTarget("defect-throws", Throw) { Readers = [] },
        new DefectTarget("defect-property", input => Property.Holds(!IsHit(input), "planted")) { Readers = [] },
        new DefectTarget("defect-overreads", Overread) { Readers = [] },
        new DefectTarget("defect-recurses", input => Recurse(IsHit(input) ? int.MaxValue : 1)) { Readers = [] },
        new DefectTarget("defect-hangs", Hang) { Readers = [] },
        new DefectTarget("defect-slow", input => Thread.Sleep(IsHit(input) ? 80 : 0)) { Readers = [] },
        new DefectTarget("defect-allocates", input => GC.KeepAlive(IsHit(input) ? new byte[64] : null)) { Readers = [] },
        new DefectTarget("defect-grows", input => Kept.Add(new byte[8]), allocatedBytesMax: 1 << 20) { Readers = [] },
    ];

    public override int InputBytesMax => 64;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => allocatedBytesMax;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        destination[..16].Clear();
        return random.Next(1, 16);
    }

    public override RunResult Run(Span<byte> input)
    {
        read(input);
        return RunResult.Taken;
    }

    private static bool IsHit(ReadOnlySpan<byte> input) => input.Length > 8 && input[2] == Mark;

    private static void Throw(Span<byte> input)
    {
        if (IsHit(input))
            _ = input[^1] / (input[2] - Mark);
    }

    // One byte behind the last: no span is asked.
    private static void Overread(Span<byte> input)
    {
        if (IsHit(input) && Unsafe.Add(ref input[0], input.Length) == 1)
            input[0] = 1;
    }

    private static int Recurse(int depth) => depth == 0 ? 0 : Recurse(depth - 1) + 1;

    private static void Hang(Span<byte> input)
    {
        while (IsHit(input))
            Thread.Sleep(1);
    }
}
