using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Which end of a connection this is.</summary>
public enum ConnectionSide : byte
{
    /// <summary>The one that asked.</summary>
    Client,

    /// <summary>The one that was asked.</summary>
    Server,
}

/// <summary>Where a connection stands.</summary>
public enum ConnectionState : byte
{
    /// <summary>The handshake is under way (client only).</summary>
    Connecting,

    /// <summary>Packets flow.</summary>
    Connected,

    /// <summary>Over; see <see cref="Connection.CloseReason"/>.</summary>
    Closed,
}

/// <summary>How a connection ended.</summary>
public enum CloseCause : byte
{
    /// <summary>It has not.</summary>
    None,

    /// <summary>This end closed it.</summary>
    Local,

    /// <summary>The other end said goodbye.</summary>
    ClosedByPeer,

    /// <summary>The server refused the handshake.</summary>
    Refused,

    /// <summary>Nothing was heard for too long.</summary>
    TimedOut,

    /// <summary>The other end sent what no sound program sends.</summary>
    ProtocolError,
}

/// <summary>Why one end closes a connection: one byte of the close packet. Numbers are never reused.</summary>
public enum CloseCode : byte
{
    /// <summary>No reason given.</summary>
    None = 0,

    /// <summary>The player left.</summary>
    Left = 1,

    /// <summary>The player was sent away.</summary>
    Kicked = 2,

    /// <summary>The server is going down.</summary>
    ShuttingDown = 3,

    /// <summary>The player goes on in another zone.</summary>
    Moved = 4,

    /// <summary>The player may not play here.</summary>
    Banned = 5,

    /// <summary>The peer sent what no sound program sends.</summary>
    ProtocolError = 6,

    /// <summary>The server's schema lacks what this client requires.</summary>
    SchemaMismatch = 7,

    /// <summary>Too many offences of several kinds.</summary>
    TooManyOffences = 8,

    /// <summary>Inputs for more ticks than have passed, or far from the tick that runs.</summary>
    SpeedOfInputs = 9,

    /// <summary>Acks of packets that were never sent.</summary>
    ForgedAcks = 10,

    /// <summary>More packets or messages than any client has reason to send.</summary>
    Flood = 11,

    /// <summary>The client took nothing of what waited for it on its reliable lanes.</summary>
    TooSlow = 12,

    /// <summary>The client was let in and never said that it is ready.</summary>
    JoinTimeOut = 13,

    /// <summary>The same player has connected anew.</summary>
    Replaced = 14,
}

/// <summary>Why a connection is closed.</summary>
/// <param name="Cause">How it ended.</param>
/// <param name="Code">What the end that closed it said; for <see cref="CloseCause.Local"/> and <see cref="CloseCause.ClosedByPeer"/>.</param>
/// <param name="Refusal">Why the server refused; for <see cref="CloseCause.Refused"/>.</param>
/// <param name="Text">The server's words to a refusal; else empty.</param>
public readonly record struct CloseReason(CloseCause Cause, CloseCode Code = CloseCode.None, RefuseReason Refusal = RefuseReason.None, string Text = "");

/// <summary>What became of a datagram given to <see cref="Connection.TryOpen"/>. All but the first two are drops, counted each by itself.</summary>
public enum OpenResult : byte
{
    /// <summary>A sound packet of this connection: look at it, then <see cref="Connection.Accept"/> it, or leave it.</summary>
    Opened,

    /// <summary>A handshake packet, already dealt with (client only).</summary>
    Handshake,

    /// <summary>Nothing that any sender makes: length, type, flags or lane block.</summary>
    Malformed,

    /// <summary>Of another connection, or of a handshake that is not ours.</summary>
    Foreign,

    /// <summary>The tag does not fit: corrupted, forged or replayed under another number.</summary>
    BadSeal,

    /// <summary>Accepted before.</summary>
    Duplicate,

    /// <summary>Older than the newest accepted: a client never goes back (docs/wire-format.md, Payload).</summary>
    Late,

    /// <summary>Older than the window of acks.</summary>
    TooOld,

    /// <summary>It acks a packet that was never sent.</summary>
    AckOfUnsent,

    /// <summary>Its lane fragments lie beyond what this end holds: messages were not taken, or the peer ignores the window.</summary>
    LaneFull,

    /// <summary>The connection is not made yet, or over.</summary>
    NotConnected,

    /// <summary>Opened, but the layer above did not accept it (<see cref="Connection.CountRefused"/>).</summary>
    NotAccepted,
}

/// <summary>A packet that was opened: what it holds, as ranges of the datagram it was opened in.</summary>
public readonly record struct OpenedPacket
{
    /// <summary>The packet's number, widened.</summary>
    public SequenceNumber Sequence { get; internal init; }

    /// <summary>True for a goodbye: it has no body beyond its reason, and closes the connection when accepted.</summary>
    public bool IsClose { get; internal init; }

    /// <summary>The goodbye's reason.</summary>
    public CloseCode CloseCode { get; internal init; }

    /// <summary>True for a path challenge (to a client, which answers by itself).</summary>
    public bool IsPathChallenge { get; internal init; }

    /// <summary>True for a path response (to a server): it came from where <see cref="PathData"/> was sent to, or is the news of another address (0).</summary>
    public bool IsPathResponse { get; internal init; }

    /// <summary>What the challenge held.</summary>
    public ulong PathData { get; internal init; }

    /// <summary>True when it acks packets of ours.</summary>
    public bool HasAcks { get; internal init; }

    /// <summary>The ack, widened. Meaningful when <see cref="HasAcks"/>.</summary>
    public AckField Acks { get; internal init; }

    /// <summary>Start of the lane block in the datagram.</summary>
    public int LaneOffset { get; internal init; }

    /// <summary>Bytes of the lane block; 0 when there is none.</summary>
    public int LaneBytes { get; internal init; }

    /// <summary>Start of the tail (snapshot or input) in the datagram.</summary>
    public int TailOffset { get; internal init; }

    /// <summary>Bytes of the tail; 0 when there is none.</summary>
    public int TailBytes { get; internal init; }

    /// <summary>The tail of the datagram that this packet was opened in.</summary>
    public ReadOnlySpan<byte> Tail(ReadOnlySpan<byte> datagram) => datagram.Slice(TailOffset, TailBytes);
}

/// <summary>What an accepted packet told of ours.</summary>
/// <param name="Advanced">True when the newest acked packet is newer than before: only then is there news for who keeps records of packets.</param>
/// <param name="Newest">Newest packet of ours that the other end has accepted. Meaningful when it ever acked one.</param>
/// <param name="Bits">Bit i is set when <c>Newest - 1 - i</c> was accepted too (all that is known, from every ack so far).</param>
/// <param name="PreviousNewest">The newest before this packet; the same as <paramref name="Newest"/> when nothing advanced, one before the first packet at the first ack.</param>
public readonly record struct AckUpdate(bool Advanced, SequenceNumber Newest, uint Bits, SequenceNumber PreviousNewest)
{
    /// <summary>The same as one value.</summary>
    public AckField Field => new(Newest, Bits);
}

/// <summary>Packets and bytes of one connection.</summary>
public sealed class ConnectionCounters
{
    private readonly uint[] _drops = new uint[(int)OpenResult.NotAccepted + 1];

    /// <summary>Payload and close datagrams written.</summary>
    public long SentPackets { get; internal set; }

    /// <summary>UDP payload bytes written, handshake included.</summary>
    public long SentBytes { get; internal set; }

    /// <summary>Packets accepted.</summary>
    public long AcceptedPackets { get; internal set; }

    /// <summary>UDP payload bytes of accepted packets.</summary>
    public long AcceptedBytes { get; internal set; }

    /// <summary>Packets of ours that the other end has acked.</summary>
    public long AckedPackets { get; internal set; }

    /// <summary>Packets of ours that the other end will never accept.</summary>
    public long LostPackets { get; internal set; }

    /// <summary>Datagrams dropped for <paramref name="reason"/>.</summary>
    public long Drops(OpenResult reason) => _drops[(int)reason];

    internal OpenResult CountDrop(OpenResult reason)
    {
        _drops[(int)reason]++;
        return reason;
    }
}
