using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Hectare.Protocol;

/// <summary>Asks for memory some steps before it is needed. A hint: nothing happens where the processor has no such instruction, and nothing is ever wrong.</summary>
/// <remarks>What is known of ten thousand players does not fit any cache, so the first look at each is a look into memory, 100 ns and more, and a chain of
/// references is that many looks. A loop that asks for the next players' lines while it works on this one has them when it gets there
/// (docs/performance.md, Memory).</remarks>
public static class Prefetch
{
    private const int LineBytes = 64;
    private const int ElementsOffset = 16;      // behind type and length, on processors of 64 bits

    /// <summary>The line in which <paramref name="at"/> lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Line<T>(ref readonly T at)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in at)));
    }

    /// <summary>The line of an array's element. Without a look at its length, which lies in another line.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Element<T>(T[]? array, int index, int byteOffset = 0)
    {
        if (!Sse.IsSupported || array is null)
            return;
        byte* at = *(byte**)Unsafe.AsPointer(ref array);
        Sse.Prefetch0(at + ElementsOffset + ((long)index * Unsafe.SizeOf<T>()) + byteOffset);
    }

    /// <summary>The line of an array's length, which every look at an element takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Length<T>(T[]? array) => Object(array, ElementsOffset);

    /// <summary>Lines of an object: the first, or those behind <paramref name="from"/>. Its place may change before they come: then they come for nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Object(object? target, int bytes, int from = 0)
    {
        if (!Sse.IsSupported || target is null)
            return;
        byte* at = *(byte**)Unsafe.AsPointer(ref target);
        for (byte* line = (byte*)((nint)(at + from) & -LineBytes); line < at + bytes; line += LineBytes)
            Sse.Prefetch0(line);
    }
}
