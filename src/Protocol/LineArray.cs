using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hectare.Protocol;

/// <summary>An array that begins on a line of the cache, so that elements of 64 bytes, or of a half or a quarter of that, never lie across two: each look into memory is one line.</summary>
/// <remarks>An array of the runtime begins 16 bytes behind a multiple of 8, wherever that is. This one is pinned: it stays on its line, and
/// an element is found without a look at the array's own head, which is another line.</remarks>
/// <typeparam name="T">Its elements; without references, of a size that divides 64 or that 64 divides, else there is nothing to win.</typeparam>
public readonly unsafe struct LineArray<T>
    where T : unmanaged
{
    private const int LineBytes = 64;

    private readonly byte[] _memory;      // keeps what _first points to
    private readonly T* _first;
    private readonly int _length;

    /// <summary>An array of so many elements, all zero.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is below 0.</exception>
    /// <exception cref="OverflowException">They take more than 2 GB.</exception>
    public LineArray(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _memory = GC.AllocateArray<byte>(checked((length * sizeof(T)) + LineBytes), pinned: true);
        nint start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        _first = (T*)((start + LineBytes - 1) & -LineBytes);
        _length = length;
    }

    /// <summary>How many elements it has.</summary>
    public int Length => _length;

    /// <summary>An element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((uint)index >= (uint)_length)
                ThrowOutOfRange(index);
            return ref _first[index];
        }
    }

    /// <summary>Some of its elements.</summary>
    public Span<T> AsSpan(int start, int length) => new Span<T>(_first, _length).Slice(start, length);

    /// <summary>Asks for an element's line: a hint, without a look at how long the array is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Prefetch(int index) => Protocol.Prefetch.Line(ref _first[index]);

    /// <summary>The same elements in an array of another length; what is too much is left out.</summary>
    public LineArray<T> Resized(int length)
    {
        var resized = new LineArray<T>(length);
        int kept = Math.Min(length, _length);
        AsSpan(0, kept).CopyTo(resized.AsSpan(0, kept));
        return resized;
    }

    private static void ThrowOutOfRange(int index) => throw new ArgumentOutOfRangeException(nameof(index), index, "there is no such element");
}
