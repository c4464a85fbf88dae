using System.Runtime.CompilerServices;

namespace Hectare.Protocol;

/// <summary>A packet's number on one direction of one connection: 32 bits in memory, 16 on the wire, compared by distance.</summary>
/// <remarks>Subtract, never add: <c>sequence + window</c> wraps near the top and rejects good packets (audited fault 10).</remarks>
public readonly record struct SequenceNumber(uint Value)
{
    /// <summary>Signed distance in packets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int operator -(SequenceNumber later, SequenceNumber earlier) => (int)(later.Value - earlier.Value);

    /// <summary>The number <paramref name="count"/> packets later.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SequenceNumber operator +(SequenceNumber sequence, int count) => new(sequence.Value + (uint)count);

    /// <summary>The number <paramref name="count"/> packets earlier.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SequenceNumber operator -(SequenceNumber sequence, int count) => new(sequence.Value - (uint)count);

    /// <summary>Wrap-safe: newer.</summary>
    public static bool operator >(SequenceNumber a, SequenceNumber b) => a - b > 0;

    /// <summary>Wrap-safe: older.</summary>
    public static bool operator <(SequenceNumber a, SequenceNumber b) => a - b < 0;

    /// <summary>Wrap-safe: not older.</summary>
    public static bool operator >=(SequenceNumber a, SequenceNumber b) => a - b >= 0;

    /// <summary>Wrap-safe: not newer.</summary>
    public static bool operator <=(SequenceNumber a, SequenceNumber b) => a - b <= 0;

    /// <summary>The following number.</summary>
    public SequenceNumber Next => new(Value + 1);

    /// <summary>What the wire carries.</summary>
    public ushort Wire => (ushort)Value;

    /// <summary>The number nearest to <paramref name="reference"/> with these low 16 bits.</summary>
    public static SequenceNumber Widen(ushort wire, SequenceNumber reference) => new(reference.Value + (uint)(short)(wire - (ushort)reference.Value));

    /// <inheritdoc/>
    public override string ToString() => $"sequence {Value}";
}
