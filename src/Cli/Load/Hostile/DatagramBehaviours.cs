using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Keeps the last datagrams that it sent, of this connection and of earlier ones, and sends them again.</summary>
internal sealed class Replays : Behaviour
{
    private const int Kept = 64;

    private readonly byte[]?[] _datagrams = new byte[]?[Kept];
    private Pace _pace = new(60);
    private int _count;

    public override void Sent(HostileBot bot, ReadOnlySpan<byte> datagram, long nowNs) => _datagrams[_count++ % Kept] = datagram.ToArray();

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        if (_count == 0)
            return;
        for (int due = _pace.Due(nowNs); due > 0; due--)
            bot.Offend(_datagrams[bot.Random.Next(0, Math.Min(_count, Kept))]);
    }
}

/// <summary>Packets of its own with one to three bits flipped: header, content or tag.</summary>
internal sealed class BitFlips : Behaviour
{
    private Pace _pace = new(60);

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            // A new packet each: of one that has arrived whole, the number alone would give the copy away.
            Span<byte> datagram = bot.Buffer[..bot.Client!.WriteTail(bot.Buffer, default, nowNs)];
            Flip(ref bot.Random, datagram);
            bot.Offend(datagram);
        }
    }

    /// <summary>Flips one to three different bits, so never none.</summary>
    public static void Flip(ref SeededRandom random, Span<byte> datagram)
    {
        int bits = datagram.Length * 8, first = random.Next(0, bits);
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            int bit = (first + ((i - 1) * 37)) % bits;
            datagram[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }
}

/// <summary>Packets of its own cut short, at one length after another.</summary>
internal sealed class Truncations : Behaviour
{
    private Pace _pace = new(60);
    private int _turn;

    public override void Play(HostileBot bot, long nowNs)
    {
        Span<byte> tail = stackalloc byte[64];
        tail.Clear();
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            int bytes = bot.Client!.WriteTail(bot.Buffer, tail, nowNs);
            bot.Offend(bot.Buffer[..(_turn++ % bytes)]);
        }
    }
}

/// <summary>Sends its own sealed packets from addresses of nobody, as if it had moved there, and packets that name the ids of other connections.
/// It never hears what is sent to those addresses, so it cannot answer a path challenge.</summary>
internal sealed class SpoofedAddresses : Behaviour
{
    private Pace _pace = new(60);
    private int _turn;

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        for (int due = _pace.Due(nowNs); due > 0; due--)
        {
            int bytes = bot.Client!.WriteTail(bot.Buffer, default, nowNs);
            if (_turn++ % 2 == 0)
                bot.Offend(bot.Buffer[..bytes], bot.Crowd.Network.OtherAddress(bot.Random.Next(0, HostileNetwork.OtherAddresses)));
            else
                NameAnother(bot, bot.Buffer[..bytes]);
        }
    }

    // Under a key that is not the other's: with its own address, the other's, or nobody's.
    private static void NameAnother(HostileBot bot, Span<byte> datagram)
    {
        HostileBot other = bot.Crowd.Bots[bot.Random.Next(0, bot.Crowd.Bots.Length)];
        if (other == bot || other.Client is not { IsPlaying: true } named)
            return;
        new PacketHeader(PacketType.Payload, named.Connection.ConnectionId, (ushort)named.Connection.NextSequence.Value).WriteFromClient(datagram);
        PeerAddress from = bot.Random.Next(0, 3) switch
        {
            0 => bot.Address,
            1 => other.Address,
            _ => bot.Crowd.Network.OtherAddress(bot.Random.Next(0, HostileNetwork.OtherAddresses)),
        };
        bot.Offend(datagram, from);
    }
}
