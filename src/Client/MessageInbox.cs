using System.Buffers.Binary;
using Hectare.Transport;

namespace Hectare.Client;

/// <summary>Messages for the game that came while control messages were looked for. Bounded: full, the lanes fill and the sender is told.</summary>
internal sealed class MessageInbox
{
    /// <summary>No more is taken from the lanes once this many bytes wait.</summary>
    public const int BytesMax = 256 * 1024;

    /// <summary>Bytes of the object.</summary>
    public const int ObjectBytes = 32;

    private const int HeadBytes = 5;

    private byte[] _bytes = [];
    private int _start;
    private int _end;

    /// <summary>True when no more should be taken from the lanes.</summary>
    public bool IsFull => _end - _start >= BytesMax;

    public void Add(Lane lane, ReadOnlySpan<byte> message)
    {
        int needed = HeadBytes + message.Length;
        if (_end + needed > _bytes.Length)
            MakeRoom(needed);
        _bytes[_end] = (byte)lane;
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(_end + 1), message.Length);
        message.CopyTo(_bytes.AsSpan(_end + HeadBytes));
        _end += needed;
    }

    /// <summary>The oldest message; valid until the next call of any method.</summary>
    public bool TryTake(out Lane lane, out ReadOnlySpan<byte> message)
    {
        lane = default;
        message = default;
        if (_start == _end)
            return false;
        lane = (Lane)_bytes[_start];
        int length = BinaryPrimitives.ReadInt32LittleEndian(_bytes.AsSpan(_start + 1));
        message = _bytes.AsSpan(_start + HeadBytes, length);
        _start += HeadBytes + length;
        if (_start == _end)
            (_start, _end) = (0, 0);
        return true;
    }

    private void MakeRoom(int needed)
    {
        int held = _end - _start;
        byte[] target = held + needed > _bytes.Length ? new byte[Math.Max(held + needed, Math.Max(256, _bytes.Length * 2))] : _bytes;
        _bytes.AsSpan(_start, held).CopyTo(target);
        (_bytes, _start, _end) = (target, 0, held);
    }
}
