using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Hectare.Transport.Crypto;

/// <summary>HMAC-SHA256 (RFC 2104) without a byte allocated.</summary>
/// <remarks>From two plain hashes: the framework's own allocates now and then, and a stranger must not cost a byte.</remarks>
public static class HmacSha256
{
    /// <summary>Bytes of a code.</summary>
    public const int MacBytes = SHA256.HashSizeInBytes;

    /// <summary>A message has at most so many bytes: it is copied behind the padded key, on the stack.</summary>
    public const int MessageBytesMax = 2_048;

    private const int BlockBytes = 64;

    /// <summary>The code of a message.</summary>
    /// <param name="key">Any length; one over 64 bytes counts as its hash.</param>
    /// <param name="message">At most 2,048 bytes.</param>
    /// <param name="mac">32 bytes or more; the first 32 are written, after the message was read: they may overlap.</param>
    /// <exception cref="ArgumentException">The message is longer, or there is no place for the code.</exception>
    [SkipLocalsInit]
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        if (message.Length > MessageBytesMax)
            throw new ArgumentException("a message has at most 2,048 bytes", nameof(message));
        if (mac.Length < MacBytes)
            throw new ArgumentException("a code has 32 bytes", nameof(mac));
        Span<byte> inner = stackalloc byte[BlockBytes + MessageBytesMax];
        Span<byte> outer = stackalloc byte[BlockBytes + MacBytes];
        inner[..BlockBytes].Clear();
        if (key.Length > BlockBytes)
            SHA256.HashData(key, inner);
        else
            key.CopyTo(inner);
        for (int i = 0; i < BlockBytes; i++)
        {
            outer[i] = (byte)(inner[i] ^ 0x5C);
            inner[i] ^= 0x36;
        }

        message.CopyTo(inner[BlockBytes..]);
        SHA256.HashData(inner[..(BlockBytes + message.Length)], outer[BlockBytes..]);
        SHA256.HashData(outer, mac);
        CryptographicOperations.ZeroMemory(inner[..(BlockBytes + message.Length)]);
        CryptographicOperations.ZeroMemory(outer);
    }
}
