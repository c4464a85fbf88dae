using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Hectare.Transport.Crypto;

/// <summary>HKDF with SHA-256 (RFC 5869) without a byte allocated: one secret in, independent keys out.</summary>
public static class Hkdf
{
    /// <summary>Bytes of the pseudorandom key between the two steps.</summary>
    public const int PrkBytes = HmacSha256.MacBytes;

    /// <summary>Bytes that one pseudorandom key yields at most, for one info.</summary>
    public const int OutputBytesMax = 255 * HmacSha256.MacBytes;

    /// <summary>Bytes of info at most.</summary>
    public const int InfoBytesMax = 1_024;

    /// <summary>Gathers what is random in a secret into 32 bytes.</summary>
    /// <param name="salt">Public, any length; may be empty.</param>
    /// <param name="inputKey">The secret, at most 2,048 bytes.</param>
    /// <param name="prk">32 bytes, written.</param>
    public static void Extract(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> inputKey, Span<byte> prk) => HmacSha256.Mac(salt, inputKey, prk);

    /// <summary>Makes key material for one purpose.</summary>
    /// <param name="prk">What <see cref="Extract"/> wrote, or another key of 32 random bytes.</param>
    /// <param name="info">Names the purpose; at most 1,024 bytes, may be empty.</param>
    /// <param name="output">At most 8,160 bytes, all written; none of <paramref name="prk"/> or <paramref name="info"/>.</param>
    /// <exception cref="ArgumentException">Info or output is too long.</exception>
    [SkipLocalsInit]
    public static void Expand(ReadOnlySpan<byte> prk, ReadOnlySpan<byte> info, Span<byte> output)
    {
        if (info.Length > InfoBytesMax)
            throw new ArgumentException("info has at most 1,024 bytes", nameof(info));
        if (output.Length > OutputBytesMax)
            throw new ArgumentException("one key yields at most 8,160 bytes", nameof(output));

        // T(n) = HMAC(prk, T(n - 1) | info | n), T(0) is empty; the output is T(1) | T(2) | ...
        Span<byte> message = stackalloc byte[HmacSha256.MacBytes + InfoBytesMax + 1];
        Span<byte> block = message[..HmacSha256.MacBytes];
        info.CopyTo(message[HmacSha256.MacBytes..]);
        int messageBytes = HmacSha256.MacBytes + info.Length + 1;
        for (int number = 1; !output.IsEmpty; number++)
        {
            message[messageBytes - 1] = (byte)number;
            HmacSha256.Mac(prk, number == 1 ? message[HmacSha256.MacBytes..messageBytes] : message[..messageBytes], block);
            int bytes = Math.Min(output.Length, HmacSha256.MacBytes);
            block[..bytes].CopyTo(output);
            output = output[bytes..];
        }

        CryptographicOperations.ZeroMemory(message[..messageBytes]);
    }
}
