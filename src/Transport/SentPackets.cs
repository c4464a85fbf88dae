using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>When each of the last 128 packets was sent, and how long it was.</summary>
/// <remarks>Both in one word (time in the upper 48 bits, which last three days, by distance only): what a peer may cost is little.</remarks>
internal readonly struct SentPackets()
{
    /// <summary>Packets that are remembered.</summary>
    public const int Window = 128;

    private const int BytesBits = 16;

    private readonly ulong[] _sent = new ulong[Window];

    /// <summary>A packet leaves now.</summary>
    public void Add(SequenceNumber sequence, int bytes, long nowNs) => _sent[sequence.Value % Window] = ((ulong)nowNs << BytesBits) | (uint)bytes;

    /// <summary>Asks for the memory of a packet.</summary>
    public void Prefetch(SequenceNumber sequence) => Protocol.Prefetch.Line(ref _sent[sequence.Value % Window]);

    /// <summary>Time since a packet of the last <see cref="Window"/> was sent.</summary>
    public long AgeNs(SequenceNumber sequence, long nowNs)
        => (long)((((ulong)nowNs << BytesBits) - (_sent[sequence.Value % Window] & ~0xFFFFUL)) >> BytesBits);

    /// <summary>Bytes of the packets newly known to be accepted, as far as they are remembered.</summary>
    public int BytesOf(in FreshAcks acks, SequenceNumber next)
    {
        int bytes = acks.NewestIsFresh ? BytesOf(acks.Newest, next) : 0;
        for (uint rest = acks.Bits; rest != 0; rest &= rest - 1)
            bytes += BytesOf(acks.Newest - 1 - System.Numerics.BitOperations.TrailingZeroCount(rest), next);
        return bytes;
    }

    private int BytesOf(SequenceNumber sequence, SequenceNumber next) => next - sequence <= Window ? (ushort)_sent[sequence.Value % Window] : 0;
}
