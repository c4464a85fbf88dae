using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>Many datagrams in one pinned array, with their addresses in columns: what a socket fills or empties in one call.</summary>
/// <remarks>Made once and used again. To send: write into <c>Buffer(Count)</c>, then <see cref="Add"/>. Not for two threads at once.</remarks>
public sealed class DatagramBatch
{
    /// <summary>Bytes of one slot. A datagram that fills it or is longer counts as too long and is received as zero bytes.</summary>
    public const int SlotBytes = 2048;

    /// <summary>Remote address of each entry: where to on send, where from on receive.</summary>
    public readonly PeerAddress[] Address;

    /// <summary>Local address of each entry: the source to send from (default: the socket's own), the destination in the header on receive.</summary>
    public readonly PeerAddress[] Local;

    private readonly byte[] _bytes;
    private readonly int[] _lengthBytes;

    /// <summary>A batch of up to <paramref name="capacity"/> datagrams, 2 kB each.</summary>
    public DatagramBatch(int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        Address = new PeerAddress[capacity];
        Local = new PeerAddress[capacity];
        _lengthBytes = new int[capacity];
        _bytes = GC.AllocateUninitializedArray<byte>(capacity * SlotBytes, pinned: true);
    }

    /// <summary>Datagrams that fit.</summary>
    public int Capacity { get; }

    /// <summary>Datagrams held.</summary>
    public int Count { get; private set; }

    /// <summary>True when another <see cref="Add"/> has no place.</summary>
    public bool IsFull => Count == Capacity;

    /// <summary>Forgets all entries.</summary>
    public void Clear() => Count = 0;

    /// <summary>The whole slot of entry <paramref name="i"/>, 2,048 bytes; i may be <see cref="Count"/> while there is room.</summary>
    public Span<byte> Buffer(int i) => _bytes.AsSpan(i * SlotBytes, SlotBytes);

    /// <summary>The bytes of entry <paramref name="i"/>.</summary>
    public ReadOnlySpan<byte> Datagram(int i) => _bytes.AsSpan(i * SlotBytes, _lengthBytes[i]);

    /// <summary>The bytes of entry <paramref name="i"/>, to be opened in place.</summary>
    public Span<byte> MutableDatagram(int i) => _bytes.AsSpan(i * SlotBytes, _lengthBytes[i]);

    /// <summary>Bytes of entry <paramref name="i"/>.</summary>
    public int LengthBytes(int i) => _lengthBytes[i];

    /// <summary>Sets the bytes of entry <paramref name="i"/>.</summary>
    public void SetLength(int i, int bytes)
    {
        Contract.Assert(bytes is >= 0 and <= SlotBytes);
        _lengthBytes[i] = bytes;
    }

    /// <summary>Takes what was written into <c>Buffer(Count)</c> as the next entry.</summary>
    /// <param name="remote">Where to (or, on receive, where from).</param>
    /// <param name="bytes">Its length, 0 to 2,048.</param>
    /// <param name="local">The source to send from; default leaves it to the socket.</param>
    /// <returns>The entry's index.</returns>
    public int Add(PeerAddress remote, int bytes, PeerAddress local = default)
    {
        Contract.Assert(Count < Capacity);
        int i = Count++;
        SetLength(i, bytes);
        Address[i] = remote;
        Local[i] = local;
        return i;
    }

    /// <summary>Makes the first <paramref name="count"/> entries valid: for a socket that has filled slots and columns itself.</summary>
    internal void SetCount(int count)
    {
        Contract.Assert(count >= 0 && count <= Capacity);
        Count = count;
    }

    /// <summary>Address of the first slot; fixed, the array is pinned.</summary>
    internal unsafe byte* Base => (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0);
}
