namespace Hectare.Protocol;

/// <summary>What a snapshot says before its entities: whose tick it is, what it is coded against, how the receiver's inputs fare.</summary>
public struct SnapshotHeader
{
    /// <summary>A baseline further back than this many packets is not used.</summary>
    public const int BaselineAgeMax = 4096;

    /// <summary>The tick this snapshot tells of. 16 bits on the wire, widened to the nearest.</summary>
    public Tick Tick;

    /// <summary>When that tick was due: the zone's monotonic clock, 0.1 ms. 24 bits on the wire, widened to the nearest (28 minutes).</summary>
    public long DueTime;

    /// <summary>Index into the welcome's table of intervals: the next snapshot comes at most that many ticks later.</summary>
    public byte IntervalCode;

    /// <summary>Nothing due for this peer at this tick was left out for want of bytes.</summary>
    public bool Complete;

    /// <summary>True once an input of this peer was processed.</summary>
    public bool HasInput;

    /// <summary>The newest input tick processed.</summary>
    public Tick InputTick;

    /// <summary>How many ticks before its need the newest input arrived, -127 to 127; negative: late.</summary>
    public sbyte InputMarginTicks;

    /// <summary>True when the state of the peer's own entity follows.</summary>
    public bool HasOwn;

    /// <summary>Own position at <see cref="Tick"/>, full precision, 1/4,096 unit (27 bits).</summary>
    public int OwnX;

    /// <summary>As <see cref="OwnX"/>.</summary>
    public int OwnY;

    /// <summary>True when deltas refer to what the peer had accepted up to <see cref="Baseline"/>; else there are none.</summary>
    public bool HasBaseline;

    /// <summary>B: the newest of our packets that the peer acked when this one was written.</summary>
    public SequenceNumber Baseline;

    /// <summary>True when the self-check also covers one thirty-second of the slots: those whose number mod 32 is the sequence's.</summary>
    public bool HasShare;

    /// <summary>16 bits over the baselines used and that share as of B (docs/wire-format.md, Self-check).</summary>
    public ushort Check;

    /// <summary>Bits per own coordinate.</summary>
    public const int OwnBits = 27;

    /// <summary>Writes it; <paramref name="sequence"/> is the packet's.</summary>
    public readonly void Write(ref BitWriter writer, SequenceNumber sequence)
    {
        writer.Write(Tick.Value, 16);
        writer.Write((ulong)DueTime, 24);
        writer.Write(IntervalCode, 2);
        writer.WriteBool(Complete);
        writer.WriteBool(HasInput);
        if (HasInput)
        {
            writer.WriteSignedGolomb(Tick - InputTick, 2);
            writer.Write((byte)InputMarginTicks, 8);
        }

        writer.WriteBool(HasOwn);
        if (HasOwn)
        {
            writer.Write((ulong)OwnX, OwnBits);
            writer.Write((ulong)OwnY, OwnBits);
        }

        writer.WriteBool(HasBaseline);
        if (HasBaseline)
            writer.WriteGolomb((uint)(sequence - Baseline - 1), 3);
        writer.WriteBool(HasShare);
        writer.Write(Check, 16);
    }

    /// <summary>Reads it. <paramref name="near"/> and <paramref name="nearDueTime"/> are any tick and due time of the last half hour, to widen against.</summary>
    public static bool TryRead(ref BitReader reader, SequenceNumber sequence, Tick near, long nearDueTime, out SnapshotHeader header)
    {
        header = new SnapshotHeader
        {
            Tick = Tick.WidenNear((ushort)reader.Read(16), near),
            DueTime = nearDueTime + WidenOffset((uint)reader.Read(24), nearDueTime),
            IntervalCode = (byte)reader.Read(2),
            Complete = reader.ReadBool(),
            HasInput = reader.ReadBool(),
        };
        if (header.HasInput)
        {
            header.InputTick = header.Tick - reader.ReadSignedGolomb(2);
            header.InputMarginTicks = (sbyte)(byte)reader.Read(8);
        }

        header.HasOwn = reader.ReadBool();
        if (header.HasOwn)
        {
            header.OwnX = (int)reader.Read(OwnBits);
            header.OwnY = (int)reader.Read(OwnBits);
        }

        header.HasBaseline = reader.ReadBool();
        if (header.HasBaseline)
        {
            uint age = reader.ReadGolomb(3);
            if (age >= BaselineAgeMax)
                reader.Fail();
            header.Baseline = sequence - 1 - (int)age;
        }

        header.HasShare = reader.ReadBool();
        header.Check = (ushort)reader.Read(16);
        return !reader.Failed;
    }

    // The 24 low bits of the difference, taken as signed.
    private static long WidenOffset(uint low, long near) => ((int)((low - (uint)near) << 8)) >> 8;
}
