using System.Buffers.Binary;
using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>Ciphers that an end can do, as a client says it in its request.</summary>
[Flags]
public enum CipherSuites : byte
{
    /// <summary>None: no connection.</summary>
    None = 0,

    /// <summary>AES-256-GCM.</summary>
    Aes256Gcm = 1,

    /// <summary>ChaCha20-Poly1305.</summary>
    ChaCha20Poly1305 = 2,

    /// <summary>AES is in the processor; without it ChaCha20-Poly1305 is several times faster, and does not leak by timing.</summary>
    AesInHardware = 4,
}

/// <summary>What this machine can do.</summary>
internal static class PacketCipherSuites
{
    /// <summary>The ciphers of this process.</summary>
    public static CipherSuites Here { get; } = CipherSuites.Aes256Gcm
        | (System.Security.Cryptography.ChaCha20Poly1305.IsSupported ? CipherSuites.ChaCha20Poly1305 : CipherSuites.None)
        | (CipherSelfTest.IsAesInHardware ? CipherSuites.AesInHardware : CipherSuites.None);
}

/// <summary>The keys of one connection: from the token's secret and both randoms, so that no two connections share one, whatever is replayed or restarted.</summary>
/// <remarks><code>
/// prk    = HKDF-Extract(salt: client random 16 | server random 16, input: token secret 32)
/// label  = HKDF-Expand(prk, "hectare" | protocol version u16 | suite u8 | label, 32)        labels: "c hs" "s hs" "c ap" "s ap"
/// </code>RFC 5869. "hs" keys end the handshake's packets by HMAC-SHA256; "ap" secrets are what the packets' keys come from (<see cref="EpochKeys"/>).</remarks>
internal readonly struct ConnectionKeys
{
    private const int InfoBytes = 7 + 2 + 1 + 4;

    private ConnectionKeys(ReadOnlySpan<byte> prk, ushort version, CipherSuite suite)
    {
        Suite = suite;
        ClientHandshake = Expand(prk, version, suite, "c hs"u8);
        ServerHandshake = Expand(prk, version, suite, "s hs"u8);
        ClientTraffic = Expand(prk, version, suite, "c ap"u8);
        ServerTraffic = Expand(prk, version, suite, "s ap"u8);
    }

    public CipherSuite Suite { get; }

    public Secret256 ClientHandshake { get; }

    public Secret256 ServerHandshake { get; }

    public Secret256 ClientTraffic { get; }

    public Secret256 ServerTraffic { get; }

    public static ConnectionKeys Derive(in Secret256 secret, in Random128 clientRandom, in Random128 serverRandom, ushort version, CipherSuite suite)
    {
        Span<byte> salt = stackalloc byte[2 * Random128.Bytes];
        clientRandom.Write(salt);
        serverRandom.Write(salt[Random128.Bytes..]);
        Span<byte> input = stackalloc byte[Secret256.Bytes];
        secret.Write(input);
        Span<byte> prk = stackalloc byte[Secret256.Bytes];
        Hkdf.Extract(salt, input, prk);
        return new ConnectionKeys(prk, version, suite);
    }

    /// <summary>The suite for a client: AES where both ends have it in hardware, else ChaCha20-Poly1305 if both can, else AES.</summary>
    /// <returns>False when the two have no cipher in common.</returns>
    public static bool TryChoose(CipherSuites client, CipherSuites server, out CipherSuite suite)
    {
        const CipherSuites FastAes = CipherSuites.Aes256Gcm | CipherSuites.AesInHardware;
        // No HasFlag: unoptimised code boxes, and a stranger must not cost a byte.
        CipherSuites both = client & server;
        bool chaCha = (both & CipherSuites.ChaCha20Poly1305) != CipherSuites.None && (both & FastAes) != FastAes;
        suite = chaCha ? CipherSuite.ChaCha20Poly1305 : CipherSuite.Aes256Gcm;
        return chaCha || (both & CipherSuites.Aes256Gcm) != CipherSuites.None;
    }

    private static Secret256 Expand(ReadOnlySpan<byte> prk, ushort version, CipherSuite suite, ReadOnlySpan<byte> label)
    {
        Span<byte> info = stackalloc byte[InfoBytes];
        "hectare"u8.CopyTo(info);
        BinaryPrimitives.WriteUInt16LittleEndian(info[7..], version);
        info[9] = (byte)suite;
        label.CopyTo(info[10..]);
        Span<byte> output = stackalloc byte[Secret256.Bytes];
        Hkdf.Expand(prk, info, output);
        return new Secret256(output);
    }
}
