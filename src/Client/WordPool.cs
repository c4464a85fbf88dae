using System.Numerics;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>Small blocks of 64-bit words, cut from chunks and kept in free lists by size: the rings of all entities of a client.</summary>
/// <remarks>Grows by a chunk when new entities come; never shrinks. Sizes are powers of two, so that what one kind frees serves another.
/// Chunks of 8 kB instead of one array that doubles: a thousand clients in one process must not each hold half an empty array.</remarks>
internal sealed class WordPool
{
    /// <summary>No block.</summary>
    public const int None = -1;

    /// <summary>Largest block, words.</summary>
    public const int BlockWordsMax = 256;

    private const int ChunkShift = 10;
    private const int ChunkWords = 1 << ChunkShift;

    private readonly int[] _free = new int[BitOperations.Log2(BlockWordsMax) + 1];
    private ulong[][] _chunks = [];
    private int _chunkCount;
    private int _usedInLast = ChunkWords;

    public WordPool() => Array.Fill(_free, None);

    /// <summary>Bytes held.</summary>
    public long Bytes => (long)_chunkCount * ChunkWords * sizeof(ulong);

    /// <summary>Words of the block that <see cref="Take"/> gives for a size.</summary>
    public static int RoundUp(int words) => (int)BitOperations.RoundUpToPowerOf2((uint)words);

    /// <summary>A block of at least that many words; what is in it is undefined.</summary>
    public int Take(int words)
    {
        Contract.Assert(words is > 0 and <= BlockWordsMax);
        words = RoundUp(words);
        ref int free = ref _free[BitOperations.Log2((uint)words)];
        int block = free;
        if (block != None)
        {
            free = (int)Word(block);
            return block;
        }

        if (_usedInLast + words > ChunkWords)
            AddChunk();
        block = ((_chunkCount - 1) << ChunkShift) + _usedInLast;
        _usedInLast += words;
        return block;
    }

    /// <summary>Gives a block back; <paramref name="words"/> as it was taken.</summary>
    public void Free(int block, int words)
    {
        ref int free = ref _free[BitOperations.Log2((uint)RoundUp(words))];
        Word(block) = unchecked((ulong)free);
        free = block;
    }

    /// <summary>The words of a block.</summary>
    public Span<ulong> Words(int block, int words) => _chunks[block >> ChunkShift].AsSpan(block & (ChunkWords - 1), words);

    /// <summary>The words of a block as 16-byte motion knots.</summary>
    public Span<MotionKnot> Knots(int block, int count) => MemoryMarshal.Cast<ulong, MotionKnot>(Words(block, count * 2));

    private ref ulong Word(int block) => ref _chunks[block >> ChunkShift][block & (ChunkWords - 1)];

    // What is left of the last chunk is given up: less than one block in 1,024 words.
    private void AddChunk()
    {
        if (_chunkCount == _chunks.Length)
            Array.Resize(ref _chunks, Math.Max(4, _chunks.Length * 2));
        _chunks[_chunkCount++] = new ulong[ChunkWords];
        _usedInLast = 0;
    }
}
