using System.Runtime.CompilerServices;
using Hectare.Client;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>Makes a snapshot's self-check right for what it says, as a hostile server can: what stands behind it is then believed.</summary>
/// <remarks>Sixteen bits keep honest ends together; they stop nobody who lies on purpose.</remarks>
internal static class SnapshotMender
{
    private const string Reader = "Hectare.Client.SnapshotReader, Hectare.Client";
    private const int CheckBits = 16;

    /// <summary>Writes the check into the body; left alone when it cannot be read that far.</summary>
    public static void Mend(Span<byte> body, SequenceNumber sequence, ReplicaWorld world, SnapshotScratch scratch)
    {
        scratch.Clear();
        var reader = new BitReader(body);
        if (!SnapshotHeader.TryRead(ref reader, sequence, world.NewestTick, world.NewestDueTime, out SnapshotHeader header))
            return;
        int place = reader.BitPosition - CheckBits;
        uint check = 0;
        if (!TryReadDensity(null, ref reader, world, scratch) || ReadOperations(null, ref reader, in header, world, scratch, ref check) != SnapshotResult.Applied)
            return;
        if (header.HasShare && !TryAddShare(null, in header, sequence, world.Slots, ref check))
            return;
        WriteBits(body, place, (ushort)(check ^ (check >> CheckBits)));
    }

    private static void WriteBits(Span<byte> body, int place, ushort check)
    {
        for (int i = 0; i < CheckBits; i++, place++)
            body[place >> 3] = (byte)((body[place >> 3] & ~(1 << (place & 7))) | (((check >> i) & 1) << (place & 7)));
    }

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod)]
    private static extern bool TryReadDensity([UnsafeAccessorType(Reader)] object? type, ref BitReader reader, ReplicaWorld world, SnapshotScratch scratch);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod)]
    private static extern SnapshotResult ReadOperations(
        [UnsafeAccessorType(Reader)] object? type, ref BitReader reader, ref readonly SnapshotHeader header, ReplicaWorld world, SnapshotScratch scratch, ref uint check);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod)]
    private static extern bool TryAddShare([UnsafeAccessorType(Reader)] object? type, ref readonly SnapshotHeader header, SequenceNumber sequence, ReplicaSlots slots, ref uint check);
}
