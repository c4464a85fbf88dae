using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Reliable ordered streams of messages inside one connection. Order holds within a lane, never between lanes.</summary>
public enum Lane : byte
{
    /// <summary>The connection's own business: welcome, schema.</summary>
    Control = 0,

    /// <summary>What players do and are told of at once.</summary>
    Action = 1,

    /// <summary>Text between players.</summary>
    Chat = 2,

    /// <summary>Large things that may wait.</summary>
    Bulk = 3,
}

/// <summary>What became of a message given to a lane.</summary>
public enum SendResult
{
    /// <summary>Queued; it will arrive once, in order, if the connection lives.</summary>
    Sent,

    /// <summary>The lane holds as much as it may: try again when some of it has been acked.</summary>
    QueueFull,

    /// <summary>Longer than a message of this lane may ever be.</summary>
    TooLarge,

    /// <summary>The connection is closed.</summary>
    Closed,
}

/// <summary>One piece of one message, as it stands in a packet's lane block.</summary>
/// <remarks><code>
/// lane block   segment count u8 (1 to 255) | segments
/// segment      flags u8 | fragment sequence u16 | data bytes u8 (0 to 240) | message bytes u32, only if first and not last | data
/// flags        bits 0-1 lane, bit 2 first of its message, bit 3 last of its message, bit 4 packed (only on the first of a bulk message), bits 5-7 zero
/// </code>Every fragment but a message's last holds exactly 240 bytes. Fragments of one lane are numbered from 0 and form one ordered stream.</remarks>
internal readonly ref struct LaneSegment
{
    public const int DataBytesMax = 240;
    public const int HeaderBytesMax = 8;
    public const byte FirstFlag = 4;
    public const byte LastFlag = 8;
    public const byte PackedFlag = 16;
    private const byte LaneMask = 3;

    public readonly byte Flags;
    public readonly ushort Sequence;
    public readonly uint MessageBytes;
    public readonly ReadOnlySpan<byte> Data;

    public LaneSegment(byte flags, ushort sequence, uint messageBytes, ReadOnlySpan<byte> data)
    {
        Flags = flags;
        Sequence = sequence;
        MessageBytes = messageBytes;
        Data = data;
    }

    public Lane Lane => (Lane)(Flags & LaneMask);

    public bool IsFirst => (Flags & FirstFlag) != 0;

    public bool IsLast => (Flags & LastFlag) != 0;

    /// <summary>Its message was made smaller (<see cref="BulkPacker"/>).</summary>
    public bool IsPacked => (Flags & PackedFlag) != 0;

    public static int HeaderBytes(byte flags) => (flags & (FirstFlag | LastFlag)) == FirstFlag ? 8 : 4;

    public int Write(Span<byte> destination)
    {
        destination[0] = Flags;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[1..], Sequence);
        destination[3] = (byte)Data.Length;
        int header = HeaderBytes(Flags);
        if (header == HeaderBytesMax)
            BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], MessageBytes);
        Data.CopyTo(destination[header..]);
        return header + Data.Length;
    }

    /// <summary>Reads one segment and steps <paramref name="source"/> past it.</summary>
    /// <returns>False when bytes run out or the segment is none that a writer makes.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> source, out LaneSegment segment)
    {
        segment = default;
        if (source.Length < 4)
            return false;
        byte flags = source[0];
        int dataBytes = source[3];
        int header = HeaderBytes(flags);
        bool isLast = (flags & LastFlag) != 0;
        if (flags >= 32 || ((flags & PackedFlag) != 0 && (flags & (FirstFlag | LaneMask)) != (FirstFlag | (byte)Lane.Bulk)) || dataBytes > DataBytesMax || (!isLast && dataBytes != DataBytesMax) || source.Length < header + dataBytes)
            return false;
        uint messageBytes = header == HeaderBytesMax ? BinaryPrimitives.ReadUInt32LittleEndian(source[4..]) : (uint)dataBytes;
        if (header == HeaderBytesMax && messageBytes <= DataBytesMax)
            return false;
        segment = new LaneSegment(flags, BinaryPrimitives.ReadUInt16LittleEndian(source[1..]), messageBytes, source.Slice(header, dataBytes));
        source = source[(header + dataBytes)..];
        return true;
    }

    /// <summary>Fragments of a lane that may be under way at once: what bounds the memory for those that came out of order.</summary>
    /// <remarks>A server has many clients, and large things for them; towards it no lane is wider than the others.</remarks>
    public static int WindowOf(Lane lane, ConnectionSide receiver)
    {
        Contract.Assert(lane <= Lane.Bulk);
        return lane == Lane.Bulk && receiver == ConnectionSide.Client ? 256 : 64;
    }
}
