using System.Buffers.Binary;
using System.IO.Compression;

namespace Hectare.Transport;

/// <summary>Makes large messages of the bulk lane smaller (Brotli), for whoever sends to clients. One for all connections of a thread.</summary>
/// <remarks><code>
/// packed message   bytes of the message u32 | Brotli stream (RFC 7932) with a window of at most 2^18 bytes
/// </code>
/// <para>A tick must not stall: no more than <see cref="BytesPerRoundMax"/> are looked at a round, and one message to many is packed once. What comes beyond goes
/// as it is, and so does what does not become smaller. 200 kB take 0.7 ms (JSON) to 1.7 ms (text), 16 kB 0.05 ms; quality 4 takes 1.6 times as long for 1 % less,
/// quality 1 two thirds for 4 to 20 % more (docs/decisions/0014).</para>
/// <para>Towards a server nothing is packed: how much of a server's time a stranger's bytes take must not be the stranger's choice.</para></remarks>
public sealed class BulkPacker
{
    /// <summary>Shorter messages go as they are.</summary>
    public const int MessageBytesMin = 513;

    /// <summary>Bytes that are looked at between two calls of <see cref="BeginRound"/>: about 2 ms.</summary>
    public const int BytesPerRoundMax = 256 * 1024;

    private const int HeadBytes = 4;
    private const int Quality = 2;
    private const int WindowBitsMin = 10;
    private const int WindowBitsMax = 18;

    private byte[] _message = [];      // the one looked at last
    private byte[] _packed = [];
    private int _messageBytes;
    private int _packedBytes;          // 0: it did not become smaller
    private int _leftBytes = BytesPerRoundMax;

    /// <summary>Messages that were looked at and did not become smaller.</summary>
    public long Incompressible { get; private set; }

    /// <summary>Messages that went as they are because the round's bytes were used up.</summary>
    public long Unpacked { get; private set; }

    /// <summary>A tick begins.</summary>
    public void BeginRound() => _leftBytes = BytesPerRoundMax;

    /// <summary>The message made smaller; empty when it goes as it is. Valid until the next call.</summary>
    internal ReadOnlySpan<byte> Pack(ReadOnlySpan<byte> message)
    {
        if (message.Length < MessageBytesMin)
            return default;
        if (message.Length != _messageBytes || !message.SequenceEqual(_message.AsSpan(0, _messageBytes)))
        {
            if (message.Length > _leftBytes)
            {
                Unpacked++;
                return default;
            }

            _leftBytes -= message.Length;
            PackAnew(message);
        }

        return _packed.AsSpan(0, _packedBytes);
    }

    /// <summary>Length of the message that a packed one holds. False: it is none that <see cref="Pack"/> makes.</summary>
    internal static bool TryReadLength(ReadOnlySpan<byte> packed, int messageBytesMax, out int messageBytes)
    {
        messageBytes = packed.Length > HeadBytes ? BinaryPrimitives.ReadInt32LittleEndian(packed) : 0;
        return messageBytes >= MessageBytesMin && messageBytes <= messageBytesMax && messageBytes > packed.Length && WindowBits(packed[HeadBytes]) <= WindowBitsMax;
    }

    /// <summary>Unpacks into exactly <paramref name="message"/>. False: the stream is not sound, or holds another number of bytes.</summary>
    internal static bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> message)
        => BrotliDecoder.TryDecompress(packed[HeadBytes..], message, out int bytes) && bytes == message.Length;

    private void PackAnew(ReadOnlySpan<byte> message)
    {
        if (_message.Length < message.Length)
        {
            _message = new byte[message.Length];
            _packed = new byte[message.Length];
        }

        message.CopyTo(_message);
        _messageBytes = message.Length;
        int windowBits = Math.Clamp(System.Numerics.BitOperations.Log2((uint)message.Length) + 1, WindowBitsMin, WindowBitsMax);
        // One byte less than the message: else it is not worth it.
        bool isSmaller = BrotliEncoder.TryCompress(message, _packed.AsSpan(HeadBytes, message.Length - HeadBytes - 1), out int bytes, Quality, windowBits);
        _packedBytes = isSmaller ? HeadBytes + bytes : 0;
        Incompressible += isSmaller ? 0 : 1;
        BinaryPrimitives.WriteInt32LittleEndian(_packed, message.Length);
    }

    // The decoder's ring of bytes is as large as the stream says, and it fills it before anyone sees how much that is (RFC 7932, 9.1).
    private static int WindowBits(byte first)
    {
        if ((first & 1) == 0)
            return 16;
        int high = (first >> 1) & 7, low = (first >> 4) & 7;
        return high != 0 ? 17 + high : low switch { 0 => 17, 1 => int.MaxValue, _ => 8 + low };
    }
}
