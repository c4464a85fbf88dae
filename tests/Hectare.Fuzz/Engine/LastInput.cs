using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;

namespace Hectare.Fuzz.Engine;

/// <summary>The input that runs, in a file that outlives the process: what it did when it crashed, and how far it had come.</summary>
/// <remarks>A shared mapping: written without a system call, and the kernel keeps it whatever becomes of us. Length i32, index i64, bytes.</remarks>
internal sealed unsafe class LastInput : IDisposable
{
    private const int HeadBytes = 12;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;
    private readonly int _bytes;

    public LastInput(string path, int inputBytesMax)
    {
        _bytes = HeadBytes + inputBytesMax;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, _bytes);
        _view = _file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    /// <summary>Notes the input that is about to run.</summary>
    public void Note(long index, ReadOnlySpan<byte> input)
    {
        var place = new Span<byte>(_start, _bytes);
        BinaryPrimitives.WriteInt32LittleEndian(place, input.Length);
        BinaryPrimitives.WriteInt64LittleEndian(place[4..], index);
        input.CopyTo(place[HeadBytes..]);
    }

    /// <summary>What a process that is gone noted last; null when it noted nothing.</summary>
    public static (long Index, byte[] Input)? Read(string path)
    {
        byte[] file = File.Exists(path) ? File.ReadAllBytes(path) : [];
        if (file.Length < HeadBytes)
            return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(file);
        return length >= 0 && HeadBytes + length <= file.Length
            ? (BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(4)), file[HeadBytes..(HeadBytes + length)])
            : null;
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
