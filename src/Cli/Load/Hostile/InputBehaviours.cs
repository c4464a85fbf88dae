using System.Buffers.Binary;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Inputs for more ticks than time passes: its clock runs four times too fast, and starts over when it is out of the window. All of them
/// say "straight on, at full speed", one in eight at a speed class that a player may not have.</summary>
internal sealed class SpeedHack : Behaviour
{
    private const int TicksPerPacket = 4;
    private const int AheadTicksMax = 36;       // the window is 31 at most: a few fall out of it
    private const int BehindTicks = 28;

    private readonly TopDownInput[] _inputs = new TopDownInput[InputMessage.InputsMax];
    private Pace _pace = new(HostedFarm.TickRate);
    private Tick _clock;

    public override void Begin(HostileBot bot, long nowNs)
    {
        _clock = bot.Client!.InputTick(nowNs);
        byte direction = (byte)bot.Random.Next(0, 256);
        for (int i = 0; i < _inputs.Length; i++)
            _inputs[i] = new TopDownInput(new Intent(direction, Intent.MagnitudeMax, i % 8 == 0 ? 1 + (i / 8 % 3) : 0), 0);
    }

    public override void Play(HostileBot bot, long nowNs)
    {
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            _clock += TicksPerPacket;
            Tick now = bot.Client!.InputTick(nowNs);
            if (_clock - now > AheadTicksMax)
                _clock = now - BehindTicks;
            bot.Offend(bot.Buffer[..bot.Client.WriteInputs(bot.Buffer, _clock, _inputs, nowNs)]);
        }
    }
}

/// <summary>An honest walk at a clock of its own: so many new inputs a second, each in a packet of its own, until it is out of the window.</summary>
internal sealed class TooManyInputs(int perSecond) : Behaviour
{
    private const int AheadTicksMax = 36;
    private const int BehindTicks = 28;

    private readonly TopDownInput[] _inputs = new TopDownInput[4];
    private Pace _pace = new(perSecond);
    private Tick _clock;

    public override void Begin(HostileBot bot, long nowNs) => _clock = bot.Client!.InputTick(nowNs);

    public override void Play(HostileBot bot, long nowNs)
    {
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            _clock = _clock.Next;
            Tick now = bot.Client!.InputTick(nowNs);
            if (_clock - now > AheadTicksMax)
                _clock = now - BehindTicks;
            Array.Fill(_inputs, new TopDownInput(new Intent((byte)(_clock.Value >> 6 << 5), Intent.MagnitudeMax), 0));
            bot.Offend(bot.Buffer[..bot.Client.WriteInputs(bot.Buffer, _clock, _inputs, nowNs)]);
        }
    }
}

/// <summary>Inputs for ticks that are long past or far ahead, beside an honest walk.</summary>
internal sealed class WrongTicks : Behaviour
{
    private static readonly int[] Distances = [32, 64, 1_000, 30_000, -64, -128, -1_000, -30_000];

    private readonly TopDownInput[] _inputs = new TopDownInput[1];
    private Pace _pace = new(30);

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            _inputs[0] = new TopDownInput(new Intent(bot.Random.Next(0, 1 << Intent.Bits)), 0);
            Tick tick = bot.Client!.InputTick(nowNs) + Distances[bot.Random.Next(0, Distances.Length)];
            bot.Offend(bot.Buffer[..bot.Client.WriteInputs(bot.Buffer, tick, _inputs, nowNs)]);
        }
    }
}

/// <summary>Sealed packets of a joined client whose content makes no sense. An intent is 14 bits on the wire, so NaN and infinity cannot be said
/// as such: their bytes are sent where inputs and wishes stand.</summary>
internal sealed class MalformedInputs : Behaviour
{
    private static readonly float[] Floats = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, -0f];

    private Pace _pace = new(30);
    private int _turn;

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..Write(bot, nowNs)]);
    }

    private int Write(HostileBot bot, long nowNs)
    {
        Span<byte> tail = stackalloc byte[256];
        HostileClient client = bot.Client!;
        switch (_turn++ % 4)
        {
            case 0:
                return client.WriteTail(bot.Buffer, tail[..CutShort(tail)], nowNs);
            case 1:
                return client.WriteTail(bot.Buffer, tail[..WriteFloats(tail)], nowNs);
            case 2:
                return client.WriteTail(bot.Buffer, tail[..bot.Crowd.Stranger.WriteGarbage(bot.Random.Next(1, tail.Length), tail)], nowNs);
            default:
                // A wish whose tile is a number that no map has, one of the wrong length, and one of no known type.
                client.Connection.TrySend(Lane.Action, tail[..new UseMessage(ushort.MaxValue, ushort.MaxValue).Write(tail)]);
                client.Connection.TrySend(Lane.Action, tail[..WriteFloats(tail)]);
                client.Connection.TrySend(Lane.Chat, tail[..bot.Crowd.Stranger.WriteGarbage(64, tail)]);
                return client.WriteTail(bot.Buffer, default, nowNs);
        }
    }

    // No resync, inputs, some tick, 32 of them: and then nothing.
    private static int CutShort(Span<byte> tail)
    {
        var writer = new BitWriter(tail);
        writer.WriteBool(false);
        writer.WriteBool(true);
        writer.Write(0xFFFF, 16);
        writer.Write(InputMessage.InputsMax - 1, 5);
        return writer.Finish().Length;
    }

    private int WriteFloats(Span<byte> tail)
    {
        const int Count = 8;
        for (int i = 0; i < Count; i++)
            BinaryPrimitives.WriteSingleLittleEndian(tail[(i * sizeof(float))..], Floats[(_turn + i) % Floats.Length]);
        return Count * sizeof(float);
    }
}

/// <summary>Says on the control lane what only a server may say, as if that moved anything: it is welcomed again, ready again, and another's avatar is its own.
/// And it uses tiles at the other end of the world.</summary>
internal sealed class Teleport : Behaviour
{
    private Pace _pace = new(20);
    private int _turn;

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            Say(bot);
            bot.Offend(bot.Buffer[..bot.Client!.WriteTail(bot.Buffer, default, nowNs)]);
        }
    }

    private void Say(HostileBot bot)
    {
        Connection connection = bot.Client!.Connection;
        Span<byte> message = stackalloc byte[Welcome.HeadBytes];
        switch (_turn++ % 4)
        {
            case 0:
                connection.TrySend(Lane.Control, message[..Joined.Write(message, new EntityId(bot.Client.Avatar.Value + (uint)bot.Random.Next(1, 100)))]);
                break;
            case 1:
                var welcome = new Welcome { TickLengthNs = 1_000_000, SnapshotIntervalTicks = 1, Intervals = Welcome.PackIntervals(1, 1, 1, 1), CellUnits = 16 };
                connection.TrySend(Lane.Control, message[..welcome.Write(message)]);
                break;
            case 2:
                connection.TrySend(Lane.Control, message[..Ready.Write(message)]);
                break;
            default:
                connection.TrySend(Lane.Action, message[..new UseMessage((ushort)bot.Random.Next(0, 2048), (ushort)bot.Random.Next(0, 2048)).Write(message)]);
                break;
        }
    }
}
