using System.Security.Cryptography;

namespace Hectare.Transport.Crypto;

/// <summary>AES-256-GCM by the framework: OpenSSL, CNG or CryptoKit.</summary>
internal sealed class AesGcmFramework(ReadOnlySpan<byte> key) : FrameworkCipher
{
    // OpenSSL 3's contexts for the most part. Measured over 10,000 keys (bench, crypto).
    private const int MeasuredBytes = 2_300;

    private readonly AesGcm _cipher = new(key, TagBytes);

    public override int MemoryBytes => MeasuredBytes;

    protected override void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag) => _cipher.Encrypt(nonce, body, body, tag, header);

    protected override void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag) => _cipher.Decrypt(nonce, body, tag, body, header);

    private protected override void Dispose(bool disposing) => _cipher.Dispose();
}
