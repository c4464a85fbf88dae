using System.Buffers.Binary;
using System.Numerics;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>A running hash over every datagram one socket was given, in order, with its address: two runs with equal hashes sent the same bytes.</summary>
/// <remarks>Against accidents, not against forgery. A mutable struct: keep it in a field that is not readonly.</remarks>
public struct OutboundHash
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;
    private ulong _state;

    /// <summary>Datagrams so far.</summary>
    public long Datagrams { get; private set; }

    /// <summary>The hash so far; 0 when there was none.</summary>
    public readonly ulong Value => _state;

    /// <summary>Takes a datagram in.</summary>
    public void Add(in PeerAddress to, ReadOnlySpan<byte> datagram)
    {
        Datagrams++;
        Mix(to.High);
        Mix(to.Low);
        Mix(to.Port | ((ulong)datagram.Length << 16));
        for (; datagram.Length >= 8; datagram = datagram[8..])
            Mix(BinaryPrimitives.ReadUInt64LittleEndian(datagram));
        foreach (byte one in datagram)
            Mix(one);
    }

    /// <summary>Takes another socket's hash in.</summary>
    public void Add(in OutboundHash other)
    {
        Datagrams += other.Datagrams;
        Mix(other._state);
    }

    private void Mix(ulong value)
    {
        ulong high = Math.BigMul(_state ^ value ^ Multiplier, Multiplier, out ulong low);
        _state = BitOperations.RotateLeft(_state, 23) + (high ^ low);
    }
}
