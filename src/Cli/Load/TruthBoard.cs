using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Hectare.Cli.Load;

/// <summary>What is true in the zone, in memory shared with the bots' process: the newest published versions of each entity with the time they
/// were due, and the true positions of all movers at one random tick in each block of 30.</summary>
/// <remarks>
/// One writer (the zone's tick thread), any number of readers, no lock. A row's version count is written last, a sample's stamp is odd while
/// it is written; a reader that saw either change reads again or gives up. Versions are told by content, as the self-check tells them: a client
/// does not know their numbers. Positions come from the world, never from the history that was published (docs/performance.md).
/// </remarks>
internal sealed unsafe class TruthBoard : IDisposable
{
    /// <summary>Versions kept per entity.</summary>
    public const int Depth = 16;

    /// <summary>Sampled ticks kept.</summary>
    public const int Samples = 8;

    /// <summary>Ticks that share one sample.</summary>
    public const int BlockTicks = 30;

    private const uint Magic = 0x3142_5448; // "HTB1"
    private const int HeaderBytes = 4096;

    // Ids are leased in order and never reused, so the low bits name a row for the last million of them.
    private const int IndexSize = 1 << 20;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Header* _header;
    private readonly uint* _index;
    private readonly uint* _id;
    private readonly uint* _count;
    private readonly uint* _hash;
    private readonly long* _due;
    private readonly byte* _samples;
    private readonly int _rows;

    private TruthBoard(MemoryMappedFile file, int rows, ulong seed, bool create)
    {
        _file = file;
        _view = file.CreateViewAccessor();
        byte* at = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref at);
        _header = (Header*)at;
        if (create)
            *_header = new Header { Magic = Magic, Rows = rows, Seed = seed };
        _rows = _header->Rows;
        Seed = _header->Seed;
        _index = (uint*)(at + HeaderBytes);
        _id = _index + IndexSize;
        _count = _id + _rows;
        _hash = _count + _rows;
        _due = (long*)(_hash + ((long)_rows * Depth));
        _samples = (byte*)(_due + ((long)_rows * Depth));
    }

    /// <summary>Which ticks are sampled follows from this.</summary>
    public ulong Seed { get; }

    /// <summary>Makes the board as a new file that only its owner may read.</summary>
    public static TruthBoard Create(string path, int rows, ulong seed)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var stream = new FileStream(path, options);
        stream.SetLength(BytesFor(rows));
        return new TruthBoard(Map(stream), rows, seed, create: true);
    }

    /// <summary>Opens a board that another process writes.</summary>
    /// <exception cref="Commands.BadInputException">The file is no board.</exception>
    public static TruthBoard Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        Span<byte> start = stackalloc byte[sizeof(Header)];
        int bytes = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        Header header = MemoryMarshal.Read<Header>(start);
        if (bytes < start.Length || header.Magic != Magic || stream.Length != BytesFor(header.Rows))
        {
            stream.Dispose();
            throw new Commands.BadInputException($"--truth {path}: must be a board that 'hectare serve --truth' writes");
        }

        return new TruthBoard(Map(stream), header.Rows, 0, create: false);
    }

    /// <summary>The one tick of its block whose positions are kept.</summary>
    public bool IsSampled(uint tick) => tick == SampledTick(tick / BlockTicks);

    /// <summary>The sampled tick of a block.</summary>
    public uint SampledTick(uint block)
    {
        ulong mixed = (Seed ^ block) * 0x9E37_79B9_7F4A_7C15UL;
        mixed = (mixed ^ (mixed >> 29)) * 0xBF58_476D_1CE4_E5B9UL;
        return (block * BlockTicks) + (uint)((mixed >> 33) % BlockTicks);
    }

    /// <summary>Tick thread: a row holds another entity from now on (0: none).</summary>
    public void SetRow(int row, uint id)
    {
        Volatile.Write(ref _id[row], 0);
        Volatile.Write(ref _count[row], 0);
        if (id == 0)
            return;
        _index[id & (IndexSize - 1)] = (uint)row + 1;
        Volatile.Write(ref _id[row], id);
    }

    /// <summary>The entity of a row.</summary>
    public uint IdOf(int row) => _id[row];

    /// <summary>Tick thread: a version was published. One with the content of the newest is none.</summary>
    public void Publish(int row, uint contentHash, long dueNs)
    {
        uint count = _count[row];
        long ring = (long)row * Depth;
        if (count > 0 && _hash[ring + ((count - 1) % Depth)] == contentHash)
            return;
        _hash[ring + (count % Depth)] = contentHash;
        _due[ring + (count % Depth)] = dueNs;
        Volatile.Write(ref _count[row], count + 1);
    }

    /// <summary>How old the news is that a holder of <paramref name="contentHash"/> lacks: 0 if that is the newest version, else the time since the
    /// oldest version it lacks was due.</summary>
    /// <returns>False when the board does not know the entity, or it changed while it was read.</returns>
    public bool TryStaleness(uint id, uint contentHash, long nowNs, out long staleNs)
    {
        staleNs = 0;
        if (!TryFind(id, out int row))
            return false;
        uint count = Volatile.Read(ref _count[row]);
        long ring = (long)row * Depth;
        if (count == 0)
            return false;
        uint lacking = 0;
        uint lackingMax = Math.Min(count, Depth);
        while (lacking < lackingMax && _hash[ring + ((count - 1 - lacking) % Depth)] != contentHash)
            lacking++;
        if (lacking > 0)
            staleNs = Math.Max(0, nowNs - _due[ring + ((count - lacking) % Depth)]);
        return Volatile.Read(ref _count[row]) == count && Volatile.Read(ref _id[row]) == id;
    }

    /// <summary>Tick thread: begins the sample of a tick; all its rows up to <paramref name="rowLimit"/> must then be set.</summary>
    public SampleWriter BeginSample(uint tick, int rowLimit)
    {
        byte* sample = SampleAt(tick);
        Volatile.Write(ref *(uint*)sample, (*(uint*)sample) | 1);
        *(uint*)(sample + 4) = tick;
        *(int*)(sample + 8) = rowLimit;
        return new SampleWriter(sample, _rows);
    }

    /// <summary>Where a mover was at a sampled tick. <paramref name="known"/> is false when the zone had no such mover then.</summary>
    /// <returns>False when that tick's sample is not there (not yet, or no longer).</returns>
    public bool TryGetSample(uint tick, uint id, out bool known, out int x, out int y)
    {
        byte* sample = SampleAt(tick);
        uint stamp = Volatile.Read(ref *(uint*)sample);
        (known, x, y) = (false, 0, 0);
        if ((stamp & 1) != 0 || stamp == 0 || *(uint*)(sample + 4) != tick)
            return false;
        if (TryFind(id, out int row) && row < *(int*)(sample + 8))
        {
            int* cells = (int*)(sample + 16) + (row * 3L);
            known = (uint)cells[0] == id;
            (x, y) = (cells[1], cells[2]);
        }

        return Volatile.Read(ref *(uint*)sample) == stamp;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private bool TryFind(uint id, out int row)
    {
        row = (int)_index[id & (IndexSize - 1)] - 1;
        return (uint)row < (uint)_rows && Volatile.Read(ref _id[row]) == id;
    }

    private byte* SampleAt(uint tick) => _samples + (tick / BlockTicks % Samples * SampleBytes(_rows));

    private static long SampleBytes(int rows) => 16 + (rows * 12L);

    private static long BytesFor(int rows) => HeaderBytes + (4L * IndexSize) + (rows * (8L + (Depth * 12L))) + (Samples * SampleBytes(rows));

    private static MemoryMappedFile Map(FileStream stream)
        => MemoryMappedFile.CreateFromFile(stream, mapName: null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);

    private struct Header
    {
        public uint Magic;
        public int Rows;
        public ulong Seed;
    }

    /// <summary>Sets the rows of one sample.</summary>
    public readonly ref struct SampleWriter
    {
        private readonly byte* _sample;
        private readonly int _rows;

        internal SampleWriter(byte* sample, int rows)
        {
            _sample = sample;
            _rows = rows;
        }

        /// <summary>A mover's true position, 1/4,096 unit; id 0 for a row that holds none.</summary>
        public void Set(int row, uint id, int x, int y)
        {
            if ((uint)row >= (uint)_rows)
                return;
            int* cells = (int*)(_sample + 16) + (row * 3L);
            (cells[0], cells[1], cells[2]) = ((int)id, x, y);
        }

        /// <summary>The sample is whole: readers may have it.</summary>
        public void End() => Volatile.Write(ref *(uint*)_sample, (*(uint*)_sample) + 1);
    }
}
