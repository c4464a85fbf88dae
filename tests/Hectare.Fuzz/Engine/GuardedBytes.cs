using System.Runtime.InteropServices;

namespace Hectare.Fuzz.Engine;

/// <summary>Room for one input between two pages that nobody may touch: a read past its end or before its start ends the process.</summary>
/// <remarks>Spans check their bounds; vector code and what is marked unsafe do not. Where there is no mmap it is plain memory.</remarks>
internal sealed unsafe partial class GuardedBytes : IDisposable
{
    private const int ReadWrite = 3, Private = 2, Anonymous = 0x20;
    private const int NoAccess = 0;

    private readonly byte* _start;
    private readonly int _bytes;
    private readonly nint _mapped;
    private readonly nuint _mappedBytes;

    public GuardedBytes(int bytes)
    {
        int page = Environment.SystemPageSize;
        _bytes = (bytes + page - 1) / page * page;
        if (!OperatingSystem.IsLinux())
        {
            _start = (byte*)NativeMemory.AllocZeroed((nuint)_bytes);
            return;
        }

        _mappedBytes = (nuint)(_bytes + (2 * page));
        _mapped = Map(0, _mappedBytes, ReadWrite, Private | Anonymous, -1, 0);
        if (_mapped == -1 || Protect(_mapped, (nuint)page, NoAccess) != 0 || Protect(_mapped + page + _bytes, (nuint)page, NoAccess) != 0)
            throw new FuzzException($"no guarded memory: error {Marshal.GetLastPInvokeError()}");
        _start = (byte*)(_mapped + page);
    }

    /// <summary>The input as it is read; good until the next call.</summary>
    /// <param name="input">Copied.</param>
    /// <param name="atStart">Puts it behind the first guard instead of before the last.</param>
    public Span<byte> Place(ReadOnlySpan<byte> input, bool atStart)
    {
        var place = new Span<byte>(atStart ? _start : _start + _bytes - input.Length, input.Length);
        input.CopyTo(place);
        return place;
    }

    public void Dispose()
    {
        if (_mapped != 0)
            Unmap(_mapped, _mappedBytes);
        else
            NativeMemory.Free(_start);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);
}
