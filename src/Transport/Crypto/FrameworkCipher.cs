using System.Security.Cryptography;

namespace Hectare.Transport.Crypto;

/// <summary>A cipher that the framework runs: it throws where we say false.</summary>
internal abstract class FrameworkCipher : PacketCipher
{
    public sealed override void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag) => Encrypt(nonce, header, body, tag);

    public sealed override bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag)
    {
        try
        {
            Decrypt(nonce, header, body, tag);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            // The framework zeroed the body.
            return false;
        }
    }

    /// <summary>Encrypts in place.</summary>
    protected abstract void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag);

    /// <summary>Decrypts in place.</summary>
    /// <exception cref="AuthenticationTagMismatchException">The tag is not of these bytes.</exception>
    protected abstract void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag);
}
