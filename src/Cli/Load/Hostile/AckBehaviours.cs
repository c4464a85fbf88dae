using System.Buffers.Binary;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Acks of packets that the server never sent: beyond its newest, and before its first.</summary>
internal sealed class ForgedAcks : Behaviour
{
    private const byte AcksFlag = 1;

    private Pace _pace = new(30);

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        if (!bot.Client!.Connection.HasAccepted)
            return;
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..Write(bot, nowNs)]);
    }

    private static int Write(HostileBot bot, long nowNs)
    {
        Span<byte> body = stackalloc byte[7];
        // Far enough that nothing under way reaches it, and less than half the numbers, so that it is no old one either.
        SequenceNumber newest = bot.Client!.Connection.NewestAccepted + bot.Random.Next(200, 30_000);
        body[0] = AcksFlag;
        BinaryPrimitives.WriteUInt16LittleEndian(body[1..], newest.Wire);
        BinaryPrimitives.WriteUInt32LittleEndian(body[3..], (uint)bot.Random.NextUInt64());
        return bot.Client.WriteRaw(bot.Buffer, PacketType.Payload, body, nowNs);
    }
}

/// <summary>Packets that hold nothing but acks, two thousand a second: each is sound, there are too many of them.</summary>
internal sealed class AckFlood : Behaviour
{
    private Pace _pace = new(2_000);

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..bot.Client!.WriteTail(bot.Buffer, default, nowNs)]);
    }
}

/// <summary>Asks for reliable answers, no more often than it may, and acks nothing, ever: the server can throw nothing away.</summary>
internal sealed class SlowReader : Behaviour
{
    private Pace _pace = new(30);
    private WishWriter _wishes;

    public override void Begin(HostileBot bot, long nowNs) => _wishes = default;

    public override void Play(HostileBot bot, long nowNs)
    {
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[.._wishes.Write(bot, wishes: 2, nowNs)]);
    }
}

/// <summary>Wishes on the action lane, thousands a second, beside an honest walk: each is sound, there are too many of them.</summary>
internal sealed class WishFlood : Behaviour
{
    private const int WishesPerPacket = 60;        // a lane takes 64 fragments ahead of its turn

    private Pace _pace = new(60);
    private WishWriter _wishes;

    public override void Begin(HostileBot bot, long nowNs) => _wishes = default;

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[.._wishes.Write(bot, WishesPerPacket, nowNs)]);
    }
}

/// <summary>Writes packets of nothing but wishes, without an ack. The fragments' numbers go on without a gap whether or not they arrive: on a loopback they do,
/// and elsewhere the lane just stops.</summary>
internal struct WishWriter
{
    private const byte LanesFlag = 2;
    private const byte WholeActionMessage = (byte)Lane.Action | 4 | 8;   // first and last fragment of its message
    private const int SegmentBytes = 4 + UseMessage.Bytes;

    private ushort _fragment;

    /// <summary>The next packet.</summary>
    /// <returns>Its bytes in the bot's buffer.</returns>
    public int Write(HostileBot bot, int wishes, long nowNs)
    {
        Span<byte> body = stackalloc byte[2 + (wishes * SegmentBytes)];
        body[0] = LanesFlag;
        body[1] = (byte)wishes;
        Span<byte> rest = body[2..];
        for (int i = 0; i < wishes; i++, rest = rest[SegmentBytes..])
        {
            rest[0] = WholeActionMessage;
            BinaryPrimitives.WriteUInt16LittleEndian(rest[1..], _fragment++);
            rest[3] = UseMessage.Bytes;
            new UseMessage(0, 0).Write(rest[4..]);
        }

        return bot.Client!.WriteRaw(bot.Buffer, PacketType.Payload, body, nowNs);
    }
}
