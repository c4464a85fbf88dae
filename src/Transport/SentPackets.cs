using System.Runtime.CompilerServices;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>When each of the last 128 packets was sent, and how long it was.</summary>
/// <remarks>Both in one word (time in the upper 48 bits, which last three days, by distance only): what a peer may cost is little.</remarks>
internal struct SentPackets
{
    /// <summary>Packets that are remembered.</summary>
    public const int Window = 128;

    private const int BytesBits = 16;

    private Sent _sent;

    /// <summary>A packet leaves now.</summary>
    public void Add(SequenceNumber sequence, int bytes, long nowNs) => _sent[At(sequence)] = ((ulong)nowNs << BytesBits) | (uint)bytes;

    /// <summary>Asks for the memory of a packet.</summary>
    public readonly void Prefetch(SequenceNumber sequence) => Protocol.Prefetch.Line(in _sent[At(sequence)]);

    /// <summary>Time since a packet of the last <see cref="Window"/> was sent.</summary>
    public readonly long AgeNs(SequenceNumber sequence, long nowNs)
        => (long)((((ulong)nowNs << BytesBits) - (_sent[At(sequence)] & ~0xFFFFUL)) >> BytesBits);

    /// <summary>Bytes of the packets newly known to be accepted, as far as they are remembered.</summary>
    public readonly int BytesOf(in FreshAcks acks, SequenceNumber next)
    {
        int bytes = acks.NewestIsFresh ? BytesOf(acks.Newest, next) : 0;
        for (uint rest = acks.Bits; rest != 0; rest &= rest - 1)
            bytes += BytesOf(acks.Newest - 1 - System.Numerics.BitOperations.TrailingZeroCount(rest), next);
        return bytes;
    }

    private readonly int BytesOf(SequenceNumber sequence, SequenceNumber next) => next - sequence <= Window ? (ushort)_sent[At(sequence)] : 0;

    private static int At(SequenceNumber sequence) => (int)(sequence.Value % Window);

    [InlineArray(Window)]
    private struct Sent
    {
        private ulong _first;
    }
}
