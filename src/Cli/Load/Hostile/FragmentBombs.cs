using System.Buffers.Binary;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Fragments of large messages that are never completed. Each of its connections does one thing: out of turn, so that all has to be kept, until in the
/// end they contradict each other; of messages that are too long; beyond the window; and a contradiction at once.</summary>
internal sealed class FragmentBombs : Behaviour
{
    private const byte LanesFlag = 2;
    private const byte FirstFlag = 4;
    private const byte LastFlag = 8;
    private const int DataBytes = 240;
    private const int SegmentsPerPacket = 4;
    private const int Ways = 4;
    private const ushort FarFragment = 30_000;
    private const long ContradictAfterNs = 3_000_000_000;

    private Pace _pace = new(60);
    private long _beganNs;
    private int _connection = -1;
    private ushort _fragment;

    public override void Begin(HostileBot bot, long nowNs)
    {
        // Bots begin with different ways, so that a short run has them all.
        _connection = _connection < 0 ? bot.Index : _connection + 1;
        (_beganNs, _fragment) = (nowNs, 1);
    }

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0 && bot.IsPlaying; due--)
            bot.Offend(bot.Buffer[..Write(bot, nowNs)]);
    }

    private int Write(HostileBot bot, long nowNs) => (_connection % Ways) switch
    {
        0 when nowNs - _beganNs < ContradictAfterNs => WriteFirsts(bot, _fragment, ConnectionOptions.ToServerMessageBytes, nowNs),
        1 => WriteFirsts(bot, 1, uint.MaxValue, nowNs),
        2 => WriteFirsts(bot, FarFragment, ConnectionOptions.ToServerMessageBytes, nowNs),
        _ => WriteContradiction(bot, nowNs),
    };

    // By design from number 1 on: number 0 never comes, so nothing of it can be put together and all of it waits.
    private int WriteFirsts(HostileBot bot, ushort fragment, uint messageBytes, long nowNs)
    {
        Span<byte> body = stackalloc byte[2 + (SegmentsPerPacket * (8 + DataBytes))];
        body.Clear();
        body[0] = LanesFlag;
        body[1] = SegmentsPerPacket;
        Span<byte> rest = body[2..];
        for (int i = 0; i < SegmentsPerPacket; i++, rest = rest[(8 + DataBytes)..])
        {
            rest[0] = (byte)Lane.Bulk | FirstFlag;
            BinaryPrimitives.WriteUInt16LittleEndian(rest[1..], fragment++);
            rest[3] = DataBytes;
            BinaryPrimitives.WriteUInt32LittleEndian(rest[4..], messageBytes);
        }

        _fragment = (ushort)(((_fragment + SegmentsPerPacket) & 0x3F) | 1);
        return bot.Client!.WriteRaw(bot.Buffer, PacketType.Payload, body, nowNs);
    }

    // Number 0 at last: a message of 16 kB whose second fragment is its last.
    private static int WriteContradiction(HostileBot bot, long nowNs)
    {
        Span<byte> body = stackalloc byte[2 + 8 + DataBytes + 4 + 1];
        body.Clear();
        body[0] = LanesFlag;
        body[1] = 2;
        body[2] = (byte)Lane.Chat | FirstFlag;
        body[5] = DataBytes;
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], ConnectionOptions.ToServerMessageBytes);
        Span<byte> second = body[(2 + 8 + DataBytes)..];
        second[0] = (byte)Lane.Chat | LastFlag;
        BinaryPrimitives.WriteUInt16LittleEndian(second[1..], 1);
        second[3] = 1;
        return bot.Client!.WriteRaw(bot.Buffer, PacketType.Payload, body, nowNs);
    }
}
