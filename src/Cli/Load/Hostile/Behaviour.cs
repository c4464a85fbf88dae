namespace Hectare.Cli.Load.Hostile;

/// <summary>One way to be a bad client. Each bot has one of its own; <see cref="Behaviours"/> lists them all.</summary>
internal abstract class Behaviour
{
    /// <summary>False for one that never joins: it speaks as a stranger.</summary>
    public virtual bool NeedsConnection => true;

    /// <summary>Its bot has got into the game, for the first time or again.</summary>
    public virtual void Begin(HostileBot bot, long nowNs)
    {
    }

    /// <summary>Lets its time pass, every 2 ms or so: in the game, or always when it needs no connection.</summary>
    public abstract void Play(HostileBot bot, long nowNs);

    /// <summary>A datagram came to one of its addresses; its connection takes it, too, when it is for that. May not be changed.</summary>
    public virtual void Received(HostileBot bot, ReadOnlySpan<byte> datagram, long nowNs)
    {
    }

    /// <summary>A packet of an honest walk has left (<see cref="HostileBot.Walk"/>); the bytes are valid during the call.</summary>
    public virtual void Sent(HostileBot bot, ReadOnlySpan<byte> datagram, long nowNs)
    {
    }
}

/// <summary>How often something is due: so many times a second, and no more than 50 ms of it made up for.</summary>
internal struct Pace(int perSecond)
{
    private const long DebtNs = 50_000_000;

    private long _paidNs = long.MinValue;

    /// <summary>Times that it is due since the last call; 1 at the first.</summary>
    public int Due(long nowNs)
    {
        long intervalNs = 1_000_000_000L / perSecond;
        if (_paidNs == long.MinValue)
            _paidNs = nowNs - intervalNs;
        _paidNs = Math.Max(_paidNs, nowNs - Math.Max(DebtNs, intervalNs));
        long due = (nowNs - _paidNs) / intervalNs;
        _paidNs += due * intervalNs;
        return (int)due;
    }
}

/// <summary>What is to be known of a behaviour before one is made.</summary>
/// <param name="Name">As <c>--behaviours</c> and the reports name it.</param>
/// <param name="Tries">What it tries, in one line.</param>
/// <param name="CountedAs">The zone's counters that must rise when it acts, each of them, or what it did passed unseen: of its drops, or with a point
/// of its <c>offences.</c> or <c>kicks.</c></param>
/// <param name="Make">A new one.</param>
internal sealed record BehaviourInfo(string Name, string Tries, string[] CountedAs, Func<Behaviour> Make)
{
    /// <summary>How long it may take until all of these have risen.</summary>
    public int AfterSeconds { get; init; } = 8;
}

/// <summary>Every behaviour there is.</summary>
internal static class Behaviours
{
    /// <summary>In the order of the issue that asked for them: input, packets, handshake, addresses.</summary>
    public static readonly BehaviourInfo[] All =
    [
        new("speed", "inputs of a clock that runs four times too fast, with every speed class the wire has", ["inputTooEarly", "inputTooMany"], () => new SpeedHack()),
        new("teleport", "what only a server may say (welcome, another avatar), and wishes far out of reach", ["badControl", "kicks.protocolError"], () => new Teleport()),
        new("inputs60", "60 inputs a second", ["inputTooEarly"], () => new TooManyInputs(60)),
        new("inputs600", "600 inputs a second", ["inputTooEarly", "inputTooMany", "kicks.speedOfInputs"], () => new TooManyInputs(600)),
        new("malformed", "sealed packets whose inputs and messages make no sense: cut short, NaN, infinite, noise", ["malformedInput", "kicks.protocolError"], () => new MalformedInputs()),
        new("ticks", "inputs for ticks long past and far ahead", ["inputTooEarly", "inputTooOld"], () => new WrongTicks()),
        new("replay", "its own datagrams again, those of earlier connections too", ["packetDuplicate"], () => new Replays()),
        new("bitflip", "its own datagrams with one to three bits flipped", ["packetBadSeal"], () => new BitFlips()),
        new("truncate", "its own datagrams cut short at every length", ["malformed", "packetBadSeal"], () => new Truncations()),
        new("forgedack", "acks of packets that were never sent", ["packetAckOfUnsent", "kicks.forgedAcks"], () => new ForgedAcks()),
        new("ackflood", "2,000 packets a second that hold nothing but acks", ["offences.packetFlood", "kicks.flood"], () => new AckFlood()),
        new("fragments", "first fragments of large messages that never go on, and lengths that contradict each other", ["packetMalformed", "packetLaneFull", "offences.beyondWindow"], () => new FragmentBombs()),
        new("slowreader", "asks for reliable answers and never acks one", ["kicks.tooSlow"], () => new SlowReader()) { AfterSeconds = 35 },
        new("wishes", "3,600 wishes a second on the reliable lane", ["offences.messageFlood", "kicks.flood"], () => new WishFlood()),
        new("halfopen", "requests that it never completes, 600 a second and from many addresses, and responses with cookies of another server", ["handshakeBadCookie", "handshakeOverAddressLimit"], () => new HalfOpen()),
        new("tokens", "the same connect token again, from its own and from other addresses", ["tokenReused", "tokenBadSeal", "tokenUnknownKey", "handshakeBadMac"], () => new TokenReuse()),
        new("spoof", "its own and others' connection ids from addresses of nobody", ["otherAddress"], () => new SpoofedAddresses()),
        new("guess", "packets of connection ids that it guesses", ["unknownConnection"], () => new IdGuessing()),
        new("garbage", "random bytes of 0 to 1,400", ["malformed"], () => new Garbage()),
    ];

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => All.Select(behaviour => behaviour.Name);

    /// <summary>One of them.</summary>
    public static BehaviourInfo Get(string name) => Array.Find(All, behaviour => behaviour.Name == name)!;
}
