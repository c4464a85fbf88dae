using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Share and bound of one lane.</summary>
/// <param name="Weight">Share of the room against the other lanes that have something to send; 1 to 1,000.</param>
/// <param name="QueueBytesMax">Bytes that may wait or be under way; a message and its 4 bytes must fit. More costs memory of this end only.</param>
public readonly record struct LaneOptions(int Weight, int QueueBytesMax);

/// <summary>How a connection behaves. Both ends need the same <see cref="MessageBytesMax"/> and <see cref="ReceiveMessageBytesMax"/>, crosswise.</summary>
public sealed record ConnectionOptions
{
    /// <summary>Longest message that any lane may ever carry.</summary>
    public const int LongestMessageBytes = 256 * 1024;

    /// <summary>Longest message that clients send and zones take, unless both are told otherwise.</summary>
    /// <remarks>With its length in front it fills 16 kB of memory and no more.</remarks>
    public const int ToServerMessageBytes = 16_000;

    /// <summary>The defaults.</summary>
    public static readonly ConnectionOptions Default = new();

    /// <summary>Silence after which a connection is given up, ns. Default 10 s; range 1 s to 120 s.</summary>
    public long TimeoutNs { get; init; } = 10_000_000_000;

    /// <summary>Time that a handshake may take in all, ns. Default 10 s; range 1 s to 120 s.</summary>
    public long ConnectTimeoutNs { get; init; } = 10_000_000_000;

    /// <summary>A packet is due when nothing was sent for this long, ns. Default 0.5 s; range 50 ms to a third of the time-out.</summary>
    public long KeepAliveNs { get; init; } = 500_000_000;

    /// <summary>Time after which a request or response is sent again, ns; twice that after eight, four times after sixteen. Default 250 ms; range 50 ms to 5 s.</summary>
    public long HandshakeResendNs { get; init; } = 250_000_000;

    /// <summary>Longest message that this end sends, bytes. Default 256 kB; range 1 to 256 kB.</summary>
    public int MessageBytesMax { get; init; } = LongestMessageBytes;

    /// <summary>Longest message that this end takes, bytes. Default 256 kB; range 1 to 256 kB. A packet with a longer one is dropped.</summary>
    /// <remarks>It bounds what a hostile peer can make this end hold: for a server, on each of four lanes, this rounded up to a power of two and 16 kB out of order.</remarks>
    public int ReceiveMessageBytesMax { get; init; } = LongestMessageBytes;

    /// <summary>Lowest rate that loss and round trips may bring us to, UDP payload. Default 2,000 bytes/s; range 500 to 1,000,000; above the highest, the highest counts.</summary>
    /// <remarks>Higher: a player on a poor link is told more, and may drown in it. Equal to the highest: the rate is fixed.</remarks>
    public int RateBytesPerSecondMin { get; init; } = 2_000;

    /// <summary>Highest rate, where a connection starts, UDP payload. Default 24,000 bytes/s; range 500 to 1,000,000. Higher: a larger burst before a narrow link is noticed.</summary>
    public int RateBytesPerSecondMax { get; init; } = 24_000;

    /// <summary>The lane of welcome and schema. Default weight 8, 64 kB.</summary>
    public LaneOptions Control { get; init; } = new(8, 64 * 1024);

    /// <summary>The lane of actions and events. Default weight 8, 64 kB.</summary>
    public LaneOptions Action { get; init; } = new(8, 64 * 1024);

    /// <summary>The lane of text. Default weight 2, 64 kB.</summary>
    public LaneOptions Chat { get; init; } = new(2, 64 * 1024);

    /// <summary>The lane of large things. Default weight 1, 512 kB.</summary>
    public LaneOptions Bulk { get; init; } = new(1, 512 * 1024);

    /// <summary>Number of the first packet of either direction. For tests of the wrap; both ends must agree.</summary>
    internal SequenceNumber FirstSequence { get; init; }

    /// <summary>Off: takes the 16 bits on the wire for the whole number, as the audited client did (fault 10). For the test that shows what it costs.</summary>
    internal bool WidensSequence { get; init; } = true;

    /// <summary>Ciphers that the client offers. For tests of the choice.</summary>
    internal CipherSuites Suites { get; init; } = PacketCipherSuites.Here;

    /// <summary>Version that the client asks for. For tests of its refusal.</summary>
    internal ushort ProtocolVersion { get; init; } = Handshake.ProtocolVersion;

    /// <summary>Share and bound of <paramref name="lane"/>.</summary>
    public LaneOptions LaneOf(Lane lane) => lane switch
    {
        Lane.Control => Control,
        Lane.Action => Action,
        Lane.Chat => Chat,
        _ => Bulk,
    };

    /// <summary>Checks every range.</summary>
    /// <exception cref="OptionException">An option is out of it.</exception>
    public void Validate()
    {
        const long Second = 1_000_000_000;
        OptionException.Check(nameof(TimeoutNs), TimeoutNs, Second, 120 * Second, "ns");
        OptionException.Check(nameof(ConnectTimeoutNs), ConnectTimeoutNs, Second, 120 * Second, "ns");
        OptionException.Check(nameof(KeepAliveNs), KeepAliveNs, Second / 20, TimeoutNs / 3, "ns");
        OptionException.Check(nameof(HandshakeResendNs), HandshakeResendNs, Second / 20, 5 * Second, "ns");
        OptionException.Check(nameof(MessageBytesMax), MessageBytesMax, 1, LongestMessageBytes, "bytes");
        OptionException.Check(nameof(ReceiveMessageBytesMax), ReceiveMessageBytesMax, 1, LongestMessageBytes, "bytes");
        OptionException.Check(nameof(RateBytesPerSecondMin), RateBytesPerSecondMin, 500, 1_000_000, "bytes/s");
        OptionException.Check(nameof(RateBytesPerSecondMax), RateBytesPerSecondMax, 500, 1_000_000, "bytes/s");
        for (Lane lane = Lane.Control; lane <= Lane.Bulk; lane++)
        {
            OptionException.Check($"{lane}.{nameof(LaneOptions.Weight)}", LaneOf(lane).Weight, 1, 1000);
            OptionException.Check($"{lane}.{nameof(LaneOptions.QueueBytesMax)}", LaneOf(lane).QueueBytesMax, 256, 64 << 20, "bytes");
        }
    }
}
