using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Rings of 16 versions for the entities of one kind, in columns; blocks are reused.</summary>
internal sealed class RingPool(int wordCount, bool hasMotion)
{
    private const int Depth = WorldHistory.Depth;
    private const int FirstBlocks = 64;

    private ulong[] _words = new ulong[FirstBlocks * Depth * wordCount];
    private byte[] _groups = new byte[FirstBlocks * Depth];
    private Tick[] _t0 = hasMotion ? new Tick[FirstBlocks * Depth] : [];
    private ulong[] _steps = hasMotion ? new ulong[FirstBlocks * Depth] : [];
    private byte[] _stepBits = hasMotion ? new byte[FirstBlocks * Depth] : [];
    private PublishedMotion[] _motion = hasMotion ? new PublishedMotion[FirstBlocks] : [];
    private int[] _free = new int[FirstBlocks];
    private int _freeCount;
    private int _blockCount;

    public long MemoryBytes => (_words.LongLength * 8) + _groups.LongLength + (_t0.LongLength * 4) + (_steps.LongLength * 8) + _stepBits.LongLength + (_motion.LongLength * 24) + (_free.LongLength * 4);

    /// <summary>The motion that clients extrapolate now.</summary>
    public ref PublishedMotion MotionOf(int block) => ref _motion[block];

    public int Rent()
    {
        if (_freeCount > 0)
            return _free[--_freeCount];
        if ((_blockCount + 1) * Depth > _groups.Length)
            Grow();
        return _blockCount++;
    }

    public void Release(int block)
    {
        if (_freeCount == _free.Length)
            Array.Resize(ref _free, _free.Length * 2);
        _free[_freeCount++] = block;
    }

    public void Store(int block, uint version, ReadOnlySpan<ulong> record, Tick t0, byte groups)
    {
        int at = At(block, version);
        record.CopyTo(_words.AsSpan(at * wordCount, wordCount));
        _groups[at] = groups;
        if (hasMotion)
            _t0[at] = t0;
    }

    public void StoreStep(int block, uint version, ulong step, byte bits)
    {
        int at = At(block, version);
        _steps[at] = step;
        _stepBits[at] = bits;
    }

    public ReadOnlySpan<ulong> Record(int block, uint version) => _words.AsSpan(At(block, version) * wordCount, wordCount);

    /// <summary>Asks for the memory of a record.</summary>
    public void Prefetch(int block, uint version) => Protocol.Prefetch.Element(_words, At(block, version) * wordCount);

    /// <summary>Asks for the memory of the steps to a version.</summary>
    public void PrefetchSteps(int block, uint version)
    {
        Protocol.Prefetch.Element(_steps, At(block, version));
        Protocol.Prefetch.Element(_steps, At(block, version - 2));
    }

    public Tick T0(int block, uint version) => hasMotion ? _t0[At(block, version)] : default;

    public byte Groups(int block, uint version) => _groups[At(block, version)];

    public (ulong Step, int Bits) Step(int block, uint version)
    {
        int at = At(block, version);
        return (_steps[at], _stepBits[at]);
    }

    private static int At(int block, uint version) => (block * Depth) + (int)(version & (Depth - 1));

    // By a quarter: a world of 40,000 plants should not pay for 65,536.
    private void Grow()
    {
        int blocks = _groups.Length / Depth;
        int entries = (blocks + Math.Max(FirstBlocks, blocks / 4)) * Depth;
        Array.Resize(ref _words, entries * wordCount);
        Array.Resize(ref _groups, entries);
        if (!hasMotion)
            return;
        Array.Resize(ref _t0, entries);
        Array.Resize(ref _steps, entries);
        Array.Resize(ref _stepBits, entries);
        Array.Resize(ref _motion, entries / Depth);
    }
}
