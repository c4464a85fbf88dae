using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>Where a packet is parsed to before any of it is believed. Share one among the clients of a thread: it holds nothing between packets.</summary>
public sealed class SnapshotScratch
{
    internal StagedOperation[] Operations = new StagedOperation[64];

    internal readonly DensityCell[] Density = new DensityCell[DensityCodec.CellsMax];

    internal readonly StagedTexts Texts = new();

    internal int OperationCount;

    internal int DensityCount;

    internal void Clear()
    {
        OperationCount = 0;
        DensityCount = 0;
        Texts.Clear();
    }

    internal ref StagedOperation Add()
    {
        if (OperationCount == Operations.Length)
            Array.Resize(ref Operations, Operations.Length * 2);
        ref StagedOperation added = ref Operations[OperationCount++];
        added = default;
        return ref added;
    }
}

/// <summary>One slot's operation, read and not yet applied.</summary>
internal struct StagedOperation
{
    public int Slot;
    public SlotOperation Operation;

    /// <summary>The kind on the server's side; null for Leave and Destroy.</summary>
    public Kind? Kind;

    /// <summary>Of an Enter.</summary>
    public EntityId Id;

    /// <summary>The living occupant of an Update or Absolute.</summary>
    public int Occupant;

    /// <summary>What this client is to the entity: bit 0 owner, bit 1 party.</summary>
    public int Audience;

    /// <summary>Groups that were on the wire.</summary>
    public int Groups;

    /// <summary>Motion versions on the wire.</summary>
    public int StepCount;

    /// <summary>The first of them follows versions that are not here.</summary>
    public bool Gap;

    /// <summary>The whole of it was on the wire.</summary>
    public bool IsAbsolute;

    /// <summary>T0 of the motion in <see cref="Record"/>.</summary>
    public Tick T0;

    /// <summary>The new version.</summary>
    public Words4 Record;

    /// <summary>Words of the motion versions, oldest first.</summary>
    public Words4 StepWords;

    /// <summary>T0 of each.</summary>
    public Ticks4 StepTicks;

    /// <summary>The four words of the record of an operation that lies in the scratch's array: valid until the next is added.</summary>
    public static Span<ulong> RecordOf(scoped ref StagedOperation staged)
        => MemoryMarshal.CreateSpan(ref Unsafe.As<Words4, ulong>(ref staged.Record), Schema.WordsMax);
}

/// <summary>A record in place.</summary>
[InlineArray(Schema.WordsMax)]
internal struct Words4
{
    private ulong _first;
}

/// <summary>Four ticks in place.</summary>
[InlineArray(EntityCodec.StepsMax)]
internal struct Ticks4
{
    private Tick _first;
}

/// <summary>Texts of a packet that is not believed yet: they reach the table only when it is.</summary>
internal sealed class StagedTexts : ITexts
{
    private byte[] _bytes = new byte[256];
    private int _used;

    public void Clear() => _used = 0;

    /// <summary>Not asked while reading.</summary>
    public ReadOnlySpan<byte> Find(uint hash) => [];

    /// <summary>The hash of a text, as <see cref="TextTable"/> gives it, whatever room the table has: a full table must not change what a record says.</summary>
    public uint Add(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
            return 0;
        int needed = _used + 1 + utf8.Length;
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(needed, _bytes.Length * 2));
        _bytes[_used] = (byte)utf8.Length;
        utf8.CopyTo(_bytes.AsSpan(_used + 1));
        _used = needed;
        return TextTable.HashOf(utf8);
    }

    /// <summary>Gives the texts to the table.</summary>
    public void Commit(TextTable table)
    {
        for (int at = 0; at < _used; at += 1 + _bytes[at])
            table.Add(_bytes.AsSpan(at + 1, _bytes[at]));
    }
}
