using System.Buffers.Binary;

namespace Hectare.Protocol;

/// <summary>First byte of every message on the control lane (reliable, ordered). Whole bytes, little-endian.</summary>
public enum ControlType : byte
{
    /// <summary>Server to client, first of all: <see cref="Protocol.Welcome"/>.</summary>
    Welcome = 1,

    /// <summary>Client to server: the schema is usable, snapshots may come. One byte.</summary>
    Ready = 2,

    /// <summary>Server to client: <see cref="Protocol.Joined"/>; again on each change of control.</summary>
    Joined = 3,

    /// <summary>Server to client: <see cref="Protocol.Resume"/>; a newer one replaces the one before.</summary>
    Resume = 4,
}

/// <summary>What a client must know before its first snapshot.</summary>
/// <remarks>48 bytes before the schema: u8 type, u16 zone, i32 origin x, i32 origin y, u32 tick length, u32 tick, i64 due time, u8 snapshot interval,
/// 4 x u8 interval table, u16 cell, u16 enter radius, u16 exit radius, u64 schema hash, u16 schema length; then the schema.</remarks>
public ref struct Welcome
{
    /// <summary>Bytes before the schema.</summary>
    public const int HeadBytes = 48;

    /// <summary>Largest message.</summary>
    public const int BytesMax = HeadBytes + Schema.BytesMax;

    /// <summary>Entries of <see cref="IntervalTicks"/>.</summary>
    public const int IntervalCount = 4;

    /// <summary>The zone that welcomes.</summary>
    public ZoneId Zone;

    /// <summary>Where the zone's (0, 0) lies in the world, in tiles. Positions in snapshots are relative to it.</summary>
    public int OriginX;

    /// <summary>As <see cref="OriginX"/>.</summary>
    public int OriginY;

    /// <summary>Length of a tick in ns: 1 ms to 1 s.</summary>
    public uint TickLengthNs;

    /// <summary>The zone's tick when this was written.</summary>
    public Tick Tick;

    /// <summary>When that tick was due, in 0.1 ms since the zone's start.</summary>
    public long DueTime;

    /// <summary>Ticks between two snapshots in the ordinary case, 1 to 255.</summary>
    public byte SnapshotIntervalTicks;

    /// <summary>Four intervals in ticks, 1 to 255 each, packed from the low byte; see <see cref="IntervalTicks"/>.</summary>
    public uint Intervals;

    /// <summary>Side of an interest and density cell, in units: a power of two.</summary>
    public ushort CellUnits;

    /// <summary>Radius in units within which entities enter.</summary>
    public ushort EnterRadiusUnits;

    /// <summary>Radius in units beyond which they leave; not below <see cref="EnterRadiusUnits"/>.</summary>
    public ushort ExitRadiusUnits;

    /// <summary>Hash of the zone's schema.</summary>
    public ulong SchemaHash;

    /// <summary>The zone's schema as <see cref="Schema.TryRead"/> takes it; empty when the client already has the one of <see cref="SchemaHash"/>.</summary>
    public ReadOnlySpan<byte> SchemaBytes;

    /// <summary>The interval that a snapshot's <see cref="SnapshotHeader.IntervalCode"/> means, in ticks. The last is the keep-alive's.</summary>
    public readonly int IntervalTicks(int code) => (byte)(Intervals >> (8 * code));

    /// <summary>Packs a table of intervals, in ticks of 1 to 255.</summary>
    public static uint PackIntervals(int code0, int code1, int code2, int code3)
    {
        Contract.Assert(Math.Min(Math.Min(code0, code1), Math.Min(code2, code3)) >= 1);
        Contract.Assert(Math.Max(Math.Max(code0, code1), Math.Max(code2, code3)) <= 255);
        return (uint)code0 | ((uint)code1 << 8) | ((uint)code2 << 16) | ((uint)code3 << 24);
    }

    /// <summary>Writes it; <paramref name="message"/> holds <see cref="HeadBytes"/> and the schema.</summary>
    /// <returns>The bytes of the message.</returns>
    public readonly int Write(Span<byte> message)
    {
        message[0] = (byte)ControlType.Welcome;
        BinaryPrimitives.WriteUInt16LittleEndian(message[1..], Zone.Value);
        BinaryPrimitives.WriteInt32LittleEndian(message[3..], OriginX);
        BinaryPrimitives.WriteInt32LittleEndian(message[7..], OriginY);
        BinaryPrimitives.WriteUInt32LittleEndian(message[11..], TickLengthNs);
        BinaryPrimitives.WriteUInt32LittleEndian(message[15..], Tick.Value);
        BinaryPrimitives.WriteInt64LittleEndian(message[19..], DueTime);
        message[27] = SnapshotIntervalTicks;
        BinaryPrimitives.WriteUInt32LittleEndian(message[28..], Intervals);
        BinaryPrimitives.WriteUInt16LittleEndian(message[32..], CellUnits);
        BinaryPrimitives.WriteUInt16LittleEndian(message[34..], EnterRadiusUnits);
        BinaryPrimitives.WriteUInt16LittleEndian(message[36..], ExitRadiusUnits);
        BinaryPrimitives.WriteUInt64LittleEndian(message[38..], SchemaHash);
        BinaryPrimitives.WriteUInt16LittleEndian(message[46..], (ushort)SchemaBytes.Length);
        SchemaBytes.CopyTo(message[HeadBytes..]);
        return HeadBytes + SchemaBytes.Length;
    }

    /// <summary>Reads it; <see cref="SchemaBytes"/> then lies inside <paramref name="message"/>.</summary>
    /// <returns>False for another type, a wrong length or a value out of range.</returns>
    public static bool TryRead(ReadOnlySpan<byte> message, out Welcome welcome)
    {
        welcome = default;
        if (message.Length < HeadBytes || message[0] != (byte)ControlType.Welcome)
            return false;
        welcome.Zone = new ZoneId(BinaryPrimitives.ReadUInt16LittleEndian(message[1..]));
        welcome.OriginX = BinaryPrimitives.ReadInt32LittleEndian(message[3..]);
        welcome.OriginY = BinaryPrimitives.ReadInt32LittleEndian(message[7..]);
        welcome.TickLengthNs = BinaryPrimitives.ReadUInt32LittleEndian(message[11..]);
        welcome.Tick = new Tick(BinaryPrimitives.ReadUInt32LittleEndian(message[15..]));
        welcome.DueTime = BinaryPrimitives.ReadInt64LittleEndian(message[19..]);
        welcome.SnapshotIntervalTicks = message[27];
        welcome.Intervals = BinaryPrimitives.ReadUInt32LittleEndian(message[28..]);
        welcome.CellUnits = BinaryPrimitives.ReadUInt16LittleEndian(message[32..]);
        welcome.EnterRadiusUnits = BinaryPrimitives.ReadUInt16LittleEndian(message[34..]);
        welcome.ExitRadiusUnits = BinaryPrimitives.ReadUInt16LittleEndian(message[36..]);
        welcome.SchemaHash = BinaryPrimitives.ReadUInt64LittleEndian(message[38..]);
        int schemaBytes = BinaryPrimitives.ReadUInt16LittleEndian(message[46..]);
        if (schemaBytes > Schema.BytesMax || message.Length != HeadBytes + schemaBytes)
            return false;
        welcome.SchemaBytes = message[HeadBytes..];
        return welcome.IsInRange();
    }

    private readonly bool IsInRange()
        => TickLengthNs is >= 1_000_000 and <= 1_000_000_000
        && DueTime >= 0
        && SnapshotIntervalTicks >= 1
        && IntervalTicks(0) >= 1 && IntervalTicks(1) >= 1 && IntervalTicks(2) >= 1 && IntervalTicks(3) >= 1
        && System.Numerics.BitOperations.IsPow2(CellUnits)
        && ExitRadiusUnits >= EnterRadiusUnits;
}

/// <summary>The client's whole answer to a usable <see cref="Welcome"/>: one byte.</summary>
public static class Ready
{
    /// <summary>Bytes of the message.</summary>
    public const int Bytes = 1;

    /// <summary>Writes it.</summary>
    /// <returns>The bytes of the message.</returns>
    public static int Write(Span<byte> message)
    {
        message[0] = (byte)ControlType.Ready;
        return Bytes;
    }

    /// <summary>False for another type or length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message) => message.Length == Bytes && message[0] == (byte)ControlType.Ready;
}

/// <summary>Which entity is the client's own: the one its inputs move. <see cref="EntityId.None"/>: none, it watches.</summary>
public static class Joined
{
    /// <summary>Bytes of the message: u8 type, u32 entity.</summary>
    public const int Bytes = 5;

    /// <summary>Writes it.</summary>
    /// <returns>The bytes of the message.</returns>
    public static int Write(Span<byte> message, EntityId avatar)
    {
        message[0] = (byte)ControlType.Joined;
        BinaryPrimitives.WriteUInt32LittleEndian(message[1..], avatar.Value);
        return Bytes;
    }

    /// <summary>False for another type or length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out EntityId avatar)
    {
        avatar = EntityId.None;
        if (message.Length != Bytes || message[0] != (byte)ControlType.Joined)
            return false;
        avatar = new EntityId(BinaryPrimitives.ReadUInt32LittleEndian(message[1..]));
        return true;
    }
}

/// <summary>A connect token to come back with, should this connection be lost: it brings its bearer to the same session and avatar.</summary>
/// <remarks>u8 type, then the token to the end of the message. This layer does not look into it.</remarks>
public static class Resume
{
    /// <summary>Where the token begins.</summary>
    public const int TokenOffset = 1;

    /// <summary>Writes the type; the token has been written behind it.</summary>
    /// <returns>The bytes of the message.</returns>
    public static int Write(Span<byte> message, int tokenBytes)
    {
        message[0] = (byte)ControlType.Resume;
        return TokenOffset + tokenBytes;
    }

    /// <summary>False for another type, or without a token.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> token)
    {
        bool isRead = message.Length > TokenOffset && message[0] == (byte)ControlType.Resume;
        token = isRead ? message[TokenOffset..] : default;
        return isRead;
    }
}
