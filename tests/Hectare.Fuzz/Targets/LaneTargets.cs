using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>One segment of a lane block. What was taken is written back to the same bytes.</summary>
internal sealed class LaneSegmentTarget() : FuzzTarget("lane-segment", "one fragment of one reliable message")
{
    private readonly byte[] _written = new byte[LaneSegment.HeaderBytesMax + LaneSegment.DataBytesMax];

    public override int InputBytesMax => 300;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte flags = (byte)random.Next(0, 16);
        if (random.NextBool(0.1))
            flags = (byte)((byte)Lane.Bulk | LaneSegment.FirstFlag | LaneSegment.PackedFlag | (flags & LaneSegment.LastFlag));
        bool isLast = (flags & LaneSegment.LastFlag) != 0;
        Span<byte> data = stackalloc byte[isLast ? random.Next(0, LaneSegment.DataBytesMax + 1) : LaneSegment.DataBytesMax];
        for (int i = 0; i < data.Length; i++)
            data[i] = (byte)random.NextUInt64();
        uint messageBytes = LaneSegment.HeaderBytes(flags) == LaneSegment.HeaderBytesMax ? (uint)random.Next(LaneSegment.DataBytesMax + 1, 300_000) : (uint)data.Length;
        return new LaneSegment(flags, (ushort)random.NextUInt64(), messageBytes, data).Write(destination);
    }

    public override RunResult Run(Span<byte> input)
    {
        ReadOnlySpan<byte> rest = input;
        if (!LaneSegment.TryRead(ref rest, out LaneSegment segment))
            return RunResult.Refused;
        int taken = input.Length - rest.Length;
        int bytes = segment.Write(_written);
        Property.Holds(bytes == taken && _written.AsSpan(0, bytes).SequenceEqual(input[..taken]), "a segment that was read is written otherwise");
        return RunResult.Taken;
    }
}

/// <summary>Lane blocks one after the other, as sealed packets bring them: fragments of all lanes, in any order, of any size.</summary>
/// <remarks>Input: for each block its length u16 (bit 15: the messages that are whole are taken first) and its bytes.</remarks>
internal sealed class LanesTarget() : FuzzTarget("lanes", "lane blocks of a hostile peer: fragments out of order, too many, too large, contradicting each other")
{
    // Small, so that limits are near: a quarter of the bytes of an input.
    private static readonly ConnectionOptions Options = new() { ReceiveMessageBytesMax = 1000, MessageBytesMax = 1000 };

    // A client's end. Four lanes: a queue each, rented in powers of two, the window of fragments out of order (448 slots of 256 bytes in all), and one message unpacked.
    private const int MemoryBytesMax = (4 * 4096) + (448 * 256) + 1024;

    private readonly byte[] _message = new byte[1000];
    private readonly byte[] _block = new byte[1100];
    private readonly BulkPacker _packer = new();

    public override int InputBytesMax => 4096;

    // What is rented is not given back when a lane is dropped; objects of lanes come on top.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => (2 * MemoryBytesMax) + 16_384;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var sender = new ReliableLanes(Options, ConnectionSide.Server);
        for (int i = random.Next(1, 8); i > 0; i--)
            sender.TrySend((Lane)random.Next(0, 4), _message.AsSpan(0, random.Next(0, random.Next(1, 1001))), random.NextBool(0.5) ? _packer : null);
        int used = 0;
        long nowNs = 0;
        _packer.BeginRound();
        for (uint packet = 0; packet < 20; packet++)
        {
            // Not acked, so that fragments come again, in another order.
            nowNs += random.Next(0, 3) * 100_000_000L;
            int room = Math.Min(random.Next(260, _block.Length), destination.Length - used - 2);
            int bytes = room < 260 ? 0 : sender.Write(_block.AsSpan(0, room), new SequenceNumber(packet), nowNs, 50_000_000);
            if (bytes == 0)
                continue;
            destination[used] = (byte)bytes;
            destination[used + 1] = (byte)((bytes >> 8) | (random.Next(0, 2) << 7));
            _block.AsSpan(0, bytes).CopyTo(destination[(used + 2)..]);
            used += 2 + bytes;
        }

        sender.Close();
        return used;
    }

    public override int Break(ref SeededRandom random, Span<byte> work, int length)
        => random.Next(0, 4) == 0 ? Mutator.Mutate(ref random, work, length) : new Frames(Start: 0, HeadBytes: 2, LengthOffset: 0, LengthMask: 0x7FFF).Break(ref random, work, length);

    public override RunResult Run(Span<byte> input)
    {
        var lanes = new ReliableLanes(Options, ConnectionSide.Client);
        int accepted = 0;
        for (ReadOnlySpan<byte> rest = input; rest.Length > 2;)
        {
            bool takesFirst = (rest[1] & 0x80) != 0;
            int bytes = Math.Min(rest[0] | ((rest[1] & 0x7F) << 8), rest.Length - 2);
            ReadOnlySpan<byte> block = rest.Slice(2, bytes), behind = block;
            rest = rest[(2 + bytes)..];
            if (takesFirst)
                TakeMessages(lanes);
            if (lanes.IsBroken)
                break;
            if (lanes.Check(ref behind) != OpenResult.Opened)
                continue;
            lanes.Take(block[..(block.Length - behind.Length)]);
            accepted++;
            Property.Holds(lanes.MemoryBytes <= MemoryBytesMax, $"the lanes hold {lanes.MemoryBytes} bytes");
        }

        TakeMessages(lanes);
        return RunResult.Of(accepted > 0);
    }

    private static void TakeMessages(ReliableLanes lanes)
    {
        while (lanes.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
            Property.Holds(lane <= Lane.Bulk && message.Length <= Options.ReceiveMessageBytesMax, "a message longer than any may be");
    }
}

/// <summary>A packed message of the bulk lane: its head and its Brotli stream. What was taken has just the bytes that its head says.</summary>
internal sealed class PackedTarget() : FuzzTarget("packed", "a message of the bulk lane that was made smaller")
{
    private const int LongestBytes = 16_000;

    private readonly byte[] _message = new byte[LongestBytes];
    private readonly BulkPacker _packer = new();

    public override int InputBytesMax => 4096;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        // Few different bytes, so that it packs.
        Span<byte> message = _message.AsSpan(0, random.Next(BulkPacker.MessageBytesMin, 3_000));
        int kinds = 1 << random.Next(0, 7);
        for (int i = 0; i < message.Length; i++)
            message[i] = (byte)random.Next(0, kinds);
        _packer.BeginRound();
        ReadOnlySpan<byte> packed = _packer.Pack(message);
        packed.CopyTo(destination);
        return packed.Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (!BulkPacker.TryReadLength(input, LongestBytes, out int messageBytes))
            return RunResult.Refused;
        Property.Holds(messageBytes is >= BulkPacker.MessageBytesMin and <= LongestBytes && messageBytes > input.Length, "a length that no packed message has");
        return BulkPacker.TryUnpack(input, _message.AsSpan(0, messageBytes)) ? RunResult.Taken : RunResult.Refused;
    }
}
