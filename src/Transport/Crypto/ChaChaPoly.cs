using System.Security.Cryptography;

namespace Hectare.Transport.Crypto;

/// <summary>ChaCha20-Poly1305 (RFC 8439) by the framework, for pairs of which one has no AES in hardware.</summary>
internal sealed class ChaChaPoly(ReadOnlySpan<byte> key) : FrameworkCipher
{
    // As AesGcmFramework's.
    private const int MeasuredBytes = 1_150;

    private readonly ChaCha20Poly1305 _cipher = new(key);

    public override int MemoryBytes => MeasuredBytes;

    protected override void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag) => _cipher.Encrypt(nonce, body, body, tag, header);

    protected override void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag) => _cipher.Decrypt(nonce, body, tag, body, header);

    private protected override void Dispose(bool disposing) => _cipher.Dispose();
}
