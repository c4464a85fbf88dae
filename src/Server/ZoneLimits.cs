using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What strangers and clients may cost a zone. Everything that comes from outside is bounded by one of these; what is beyond is dropped and counted.</summary>
public sealed record ZoneLimits
{
    // ---- strangers ----

    /// <summary>Datagrams taken from one socket per tick; the rest waits in the system's buffer. Default 65,536, 64 to 1,048,576. Higher: a flood takes
    /// more of the tick.</summary>
    public int ReceiveDatagramsMax { get; init; } = 65_536;

    /// <summary>Handshake packets answered per tick and socket; more are dropped, and clients ask again. Default 256, 8 to 4,096. Each costs a few hashes and
    /// 2 kB. Lower: a rush of players comes in more slowly; higher: a flood takes more of the tick.</summary>
    public int HandshakesPerTickMax { get; init; } = 256;

    /// <summary>Clients let in per tick, by the whole zone; the others' answers are dropped unread, and they ask again. Default 40, 1 to 4,096: 1,200 a second. Each
    /// costs some hashes and 50 kB at once, and 1 s of full packets after. Halved with each of the first three levels of <see cref="PressureLevel"/>. Lower: a rush comes in
    /// more slowly; higher: it takes more from those inside.</summary>
    public int JoinsPerTickMax { get; init; } = 40;

    /// <summary>Handshake packets a second that are looked at from one source address (IPv4, or the /64 of IPv6), before any cryptography. Default 256,
    /// 1 to 100,000: a carrier's NAT holds many players. Lower: those come in more slowly after a restart; higher: one machine may take more of
    /// <see cref="HandshakesPerTickMax"/>.</summary>
    public int HandshakesPerSecond { get; init; } = 256;

    /// <summary>Of these, how many may come at once after a silence. Default 1,024, 1 to 100,000.</summary>
    public int HandshakesBurst { get; init; } = 1_024;

    /// <summary>Clients that were let in and have not joined yet; one more is refused (<see cref="RefuseReason.TooManyPending"/>). Default 1,024, 1 to 16,384.
    /// Lower: a rush is refused more often; higher: holders of tokens who never join hold more places.</summary>
    public int PendingMax { get; init; } = 1_024;

    /// <summary>How long a client may take from being let in to being ready, ms; then it is closed (<see cref="CloseCode.JoinTimeOut"/>). Default 10,000,
    /// 1,000 to 60,000. Lower: a client with a bad link may never get in.</summary>
    public int JoinTimeOutMs { get; init; } = 10_000;

    /// <summary>Spent connect tokens that are remembered until they expire; when there are more, nobody else is let in. Default 32,768, 1,024 to 1,048,576.
    /// 64 bytes each, from the start. Lower: fewer players can come within the life of a token.</summary>
    public int UsedTokensMax { get; init; } = 32_768;

    /// <summary>Players whose connection was lost and whose avatar waits for them; one more, and the one lost first is forgotten. Default 4,096, 0 to 65,536.
    /// Each keeps its avatar in the world and some 100 bytes.</summary>
    public int LostPlayersMax { get; init; } = 4_096;

    /// <summary>Packets a second that name a connection, come from an address that is not its own and do not open, for one connection and source. Default 64,
    /// 1 to 10,000. Beyond, such packets are not even opened. Lower: a client that moves while somebody forges its new address is heard later; higher: forgers
    /// cost more.</summary>
    public int FailedOpensPerSecond { get; init; } = 64;

    /// <summary>Of these, how many may come at once. Default 256, 1 to 10,000.</summary>
    public int FailedOpensBurst { get; init; } = 256;

    /// <summary>The same, of all connections and sources in one tick. Default 2,048, 64 to 65,536: half a millisecond with hardware AES.</summary>
    public int FailedOpensPerTickMax { get; init; } = 2_048;

    // ---- clients ----

    /// <summary>Packets of one client that are opened in a tick; more are dropped unopened. Default 128, 8 to 4,096. Lower: what a link held back during
    /// an outage is lost; higher: who floods in a client's name costs more.</summary>
    public int PacketsPerTickMax { get; init; } = 128;

    /// <summary>Packets a second that are accepted of one client; each one beyond is dropped and an offence. Default 500, 30 to 10,000. An honest client sends
    /// one a tick, and at most eight a frame while it has large messages to send. Two seconds' worth may come at once.</summary>
    public int PacketsPerSecond { get; init; } = 500;

    /// <summary>Reliable messages a second that are handed to the game for one client; more wait, its lanes stop, and each tick of that is an offence. Default 100,
    /// 1 to 10,000. Three seconds' worth may come at once. Lower: a quick player waits; higher: one client may take more of the game's time.</summary>
    public int MessagesPerSecond { get; init; } = 100;

    /// <summary>The same in bytes. Default 65,536, 1,024 to 16 M. Four seconds' worth may come at once, and then one message of any length.</summary>
    public int MessageBytesPerSecond { get; init; } = 65_536;

    /// <summary>Longest message that a client may send on any lane, bytes; a longer one is malformed. Default 16,000, 64 to 262,144; clients need the same as
    /// their <see cref="ConnectionOptions.MessageBytesMax"/>. A client can make the zone hold four times this, rounded up to a power of two, and 64 kB.</summary>
    public int MessageBytesMax { get; init; } = ConnectionOptions.ToServerMessageBytes;

    /// <summary>How long a client may take nothing of what waits for it on reliable lanes, ms; then it is closed (<see cref="CloseCode.TooSlow"/>). Default 15,000,
    /// 2,000 to 120,000. It must take 100 bytes a second, or all there is. Lower: outages end connections; higher: who reads nothing holds its queues longer.</summary>
    public int SlowReaderMs { get; init; } = 15_000;

    /// <summary>Points of offences (<see cref="Offence"/>) at which a client is disconnected, 15 a second being forgiven. Default 200, 10 to 100,000. Higher:
    /// hostile clients stay longer.</summary>
    public int OffencesMax { get; init; } = 200;

    internal void Validate()
    {
        OptionException.Check(nameof(ReceiveDatagramsMax), ReceiveDatagramsMax, 64, 1_048_576, "datagrams");
        OptionException.Check(nameof(HandshakesPerTickMax), HandshakesPerTickMax, 8, 4_096, "packets");
        OptionException.Check(nameof(JoinsPerTickMax), JoinsPerTickMax, 1, 4_096, "clients");
        OptionException.Check(nameof(HandshakesPerSecond), HandshakesPerSecond, 1, 100_000, "packets");
        OptionException.Check(nameof(HandshakesBurst), HandshakesBurst, 1, 100_000, "packets");
        OptionException.Check(nameof(PendingMax), PendingMax, 1, 16_384, "clients");
        OptionException.Check(nameof(JoinTimeOutMs), JoinTimeOutMs, 1_000, 60_000, "ms");
        OptionException.Check(nameof(UsedTokensMax), UsedTokensMax, 1_024, 1_048_576, "tokens");
        OptionException.Check(nameof(LostPlayersMax), LostPlayersMax, 0, 65_536, "players");
        OptionException.Check(nameof(FailedOpensPerSecond), FailedOpensPerSecond, 1, 10_000, "packets");
        OptionException.Check(nameof(FailedOpensBurst), FailedOpensBurst, 1, 10_000, "packets");
        OptionException.Check(nameof(FailedOpensPerTickMax), FailedOpensPerTickMax, 64, 65_536, "packets");
        OptionException.Check(nameof(PacketsPerTickMax), PacketsPerTickMax, 8, 4_096, "packets");
        OptionException.Check(nameof(PacketsPerSecond), PacketsPerSecond, 30, 10_000, "packets");
        OptionException.Check(nameof(MessagesPerSecond), MessagesPerSecond, 1, 10_000, "messages");
        OptionException.Check(nameof(MessageBytesPerSecond), MessageBytesPerSecond, 1_024, 16 << 20, "bytes");
        OptionException.Check(nameof(MessageBytesMax), MessageBytesMax, 64, ConnectionOptions.LongestMessageBytes, "bytes");
        OptionException.Check(nameof(SlowReaderMs), SlowReaderMs, 2_000, 120_000, "ms");
        OptionException.Check(nameof(OffencesMax), OffencesMax, 10, 100_000, "points");
    }
}
