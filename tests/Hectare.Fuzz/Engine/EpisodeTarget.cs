using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>A target with a state too large for one input: an input is the seed of an episode of many datagrams, each of which counts as one.</summary>
/// <remarks>Input: seed u64, datagrams u32. Everything in an episode follows from them.</remarks>
internal abstract class EpisodeTarget(string name, string reads) : FuzzTarget(name, reads)
{
    private const int Bytes = 12;

    private readonly EpisodeLog _log = new();

    public override int InputBytesMax => Bytes;

    public override bool IsMutable => false;

    // Of an episode, not of a datagram.
    public override int SlowMs => 5_000;

    /// <summary>Datagrams of an episode, at least and at most.</summary>
    protected abstract (int Min, int Max) Datagrams { get; }

    public sealed override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, random.NextUInt64());
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], (uint)random.Next(Datagrams.Min, Datagrams.Max));
        return Bytes;
    }

    public sealed override RunResult Run(Span<byte> input)
    {
        if (input.Length != Bytes)
            return RunResult.Refused;
        _log.Clear();
        return Play(BinaryPrimitives.ReadUInt64LittleEndian(input), (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(input[8..]), 1_000_000), _log);
    }

    public sealed override string Story() => _log.Tell();

    /// <summary>Runs an episode.</summary>
    protected abstract RunResult Play(ulong seed, int datagrams, EpisodeLog log);
}

/// <summary>The last datagrams of an episode, for the report of a failure in it.</summary>
internal sealed class EpisodeLog
{
    private const int Kept = 8;
    private const int BytesMax = 1400;

    private readonly (string What, int Length)[] _lines = new (string, int)[Kept];
    private readonly byte[] _bytes = new byte[Kept * BytesMax];
    private long _count;

    public void Clear() => _count = 0;

    public void Add(string what, ReadOnlySpan<byte> datagram)
    {
        int place = (int)(_count++ % Kept);
        int length = Math.Min(datagram.Length, BytesMax);
        _lines[place] = (what, length);
        datagram[..length].CopyTo(_bytes.AsSpan(place * BytesMax));
    }

    public string Tell()
    {
        var lines = new List<string>();
        for (long i = Math.Max(0, _count - Kept); i < _count; i++)
        {
            (string what, int length) = _lines[i % Kept];
            lines.Add($"  datagram {i}, {what}: {Convert.ToHexStringLower(_bytes, (int)(i % Kept) * BytesMax, length)}");
        }

        return string.Join('\n', lines);
    }
}
