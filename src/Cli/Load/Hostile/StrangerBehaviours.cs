using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Handshakes that are never completed: requests whose challenge nobody answers, hundreds a second from its own address and some from addresses of
/// nobody; and responses to challenges of another server.</summary>
internal sealed class HalfOpen : Behaviour
{
    private Pace _storm = new(600);
    private Pace _pace = new(20);
    private int _turn;

    public override bool NeedsConnection => false;

    public override void Play(HostileBot bot, long nowNs)
    {
        for (int due = _storm.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..Write(bot)]);
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..Write(bot)], bot.Crowd.Network.OtherAddress(bot.Random.Next(0, HostileNetwork.OtherAddresses)));
    }

    private int Write(HostileBot bot) => _turn++ % 4 == 3 ? bot.Crowd.Stranger.WriteForeignResponse(bot.Buffer) : bot.Crowd.Stranger.WriteRequest(bot.Buffer);
}

/// <summary>Packets of connections whose ids it guesses, as a stranger.</summary>
internal sealed class IdGuessing : Behaviour
{
    private static readonly PacketType[] Types = [PacketType.Payload, PacketType.Payload, PacketType.Payload, PacketType.Close, PacketType.PathResponse];

    private Pace _pace = new(100);

    public override bool NeedsConnection => false;

    public override void Play(HostileBot bot, long nowNs)
    {
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..bot.Crowd.Stranger.WriteSealed(Types[bot.Random.Next(0, Types.Length)], bot.Random.Next(PacketHeader.OverheadBytes + 1, 300), bot.Buffer)]);
    }
}

/// <summary>Random bytes of any length, from the address of a player.</summary>
internal sealed class Garbage : Behaviour
{
    private Pace _pace = new(100);

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(bot.Buffer[..bot.Crowd.Stranger.WriteGarbage(bot.Random.Next(0, 1_400), bot.Buffer)]);
    }
}
