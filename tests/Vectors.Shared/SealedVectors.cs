using Hectare.Transport.Crypto;

namespace Hectare.Vectors;

/// <summary>What AES-256-GCM makes of every length from 0 to 1,500 bytes, as one hash: whoever's code it is, on every runtime.</summary>
public static class SealedVectors
{
    private const int BytesMax = 1_500;

    /// <summary>The hash; tests/Hectare.Tests/Vectors/sealed.txt holds what it must be. 0 when a packet did not open again.</summary>
    public static ulong Hash(CipherProvider provider)
    {
        Span<byte> key = stackalloc byte[PacketCipher.KeyBytes], nonce = stackalloc byte[PacketCipher.NonceBytes];
        Span<byte> header = stackalloc byte[32], body = stackalloc byte[BytesMax], tag = stackalloc byte[PacketCipher.TagBytes];
        Fill(key, 1);
        using PacketCipher cipher = PacketCipher.Create(CipherSuite.Aes256Gcm, key, provider);
        ulong hash = 14_695_981_039_346_656_037;
        for (int length = 0; length <= BytesMax; length++)
        {
            Fill(nonce, length + 2);
            Fill(header, length + 3);
            Fill(body[..length], length + 4);
            cipher.Seal(nonce, header[..(length % 33)], body[..length], tag);
            hash = Mix(Mix(hash, body[..length]), tag);
            if (!cipher.TryOpen(nonce, header[..(length % 33)], body[..length], tag))
                return 0;
            hash = Mix(hash, body[..length]);
        }

        return hash;
    }

    private static void Fill(Span<byte> bytes, int seed)
    {
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)((i * 37) + (seed * 101) + ((i * seed) >> 5));
    }

    private static ulong Mix(ulong hash, ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
            hash = (hash ^ value) * 1_099_511_628_211;
        return hash;
    }
}
