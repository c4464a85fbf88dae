using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>Every cipher against the framework's, each part of a packet in turn at the end of memory that may be touched.</summary>
/// <remarks>Input: flags u8 (bits 0-1: which part is last; bit 2: ChaCha20-Poly1305), header bytes u8, bit to flip u16, nonce 12, then header and body.
/// One key for all: keys have no structure.</remarks>
internal sealed class CipherTarget() : FuzzTarget("cipher", "sealed bytes of any length, opened by every cipher")
{
    private const int HeadBytes = 4;

    private static readonly byte[] Key = [.. Enumerable.Range(7, PacketCipher.KeyBytes).Select(i => (byte)(i * 11))];

    private static readonly GuardedBytes Last = new(1500);

    private readonly PacketCipher _aes = PacketCipher.Create(CipherSuite.Aes256Gcm, Key, CipherProvider.Intrinsics);
    private readonly PacketCipher _aesOfFramework = PacketCipher.Create(CipherSuite.Aes256Gcm, Key, CipherProvider.Framework);
    private readonly PacketCipher _chaCha = PacketCipher.Create(CipherSuite.ChaCha20Poly1305, Key);
    private readonly byte[] _plain = new byte[1500];
    private readonly byte[] _body = new byte[1500];
    private readonly byte[] _tag = new byte[PacketCipher.TagBytes];

    public override int InputBytesMax => 1500;

    // The framework throws inside when a tag is wrong; our own must not.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 4096;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        int length = HeadBytes + PacketCipher.NonceBytes + random.Next(0, 1 << random.Next(1, 11));
        for (int i = 0; i < length; i++)
            destination[i] = (byte)random.NextUInt64();
        destination[1] = (byte)random.Next(0, Math.Min(30, length - HeadBytes - PacketCipher.NonceBytes + 1));
        return length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.Length < HeadBytes + PacketCipher.NonceBytes)
            return RunResult.Refused;
        byte flags = input[0];
        int flip = input[2] | (input[3] << 8);
        Span<byte> nonce = input.Slice(HeadBytes, PacketCipher.NonceBytes), rest = input[(HeadBytes + PacketCipher.NonceBytes)..];
        Span<byte> header = rest[..Math.Min(input[1], rest.Length)], plain = _plain.AsSpan(0, rest.Length - header.Length);
        rest[header.Length..].CopyTo(plain);
        Span<byte> body = _body.AsSpan(0, plain.Length), tag = _tag;
        plain.CopyTo(body);
        PacketCipher cipher = (flags & 4) != 0 ? _chaCha : _aes;
        switch (flags & 3)
        {
            case 0:
                Try(cipher, nonce, header, Last.Place(body, atStart: false), tag, plain, flip);
                break;
            case 1:
                Try(cipher, nonce, header, body, Last.Place(tag, atStart: false), plain, flip);
                break;
            case 2:
                Try(cipher, nonce, Last.Place(header, atStart: false), body, tag, plain, flip);
                break;
            default:
                Try(cipher, Last.Place(nonce, atStart: false), header, body, tag, plain, flip);
                break;
        }

        return RunResult.Taken;
    }

    private void Try(PacketCipher cipher, Span<byte> nonce, Span<byte> header, Span<byte> body, Span<byte> tag, ReadOnlySpan<byte> plain, int flip)
    {
        cipher.Seal(nonce, header, body, tag);
        if (cipher == _aes)
            Compare(nonce, header, body, tag, plain);
        Flip(header, body, tag, flip);
        Property.Holds(!cipher.TryOpen(nonce, header, body, tag), "a packet opens in which a bit was flipped");
        // What did not open holds nothing of use, so it is sealed anew.
        Flip(header, body, tag, flip);
        plain.CopyTo(body);
        cipher.Seal(nonce, header, body, tag);
        Property.Holds(cipher.TryOpen(nonce, header, body, tag) && body.SequenceEqual(plain), "what was sealed does not open");
    }

    private void Compare(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body, ReadOnlySpan<byte> tag, ReadOnlySpan<byte> plain)
    {
        Span<byte> other = stackalloc byte[plain.Length], otherTag = stackalloc byte[PacketCipher.TagBytes];
        plain.CopyTo(other);
        _aesOfFramework.Seal(nonce, header, other, otherTag);
        Property.Holds(other.SequenceEqual(body) && otherTag.SequenceEqual(tag), "two providers write other bytes");
        Property.Holds(_aesOfFramework.TryOpen(nonce, header, other, otherTag) && other.SequenceEqual(plain), "the framework does not open what our own sealed");
    }

    // One bit of all of them.
    private static void Flip(Span<byte> header, Span<byte> body, Span<byte> tag, int bit)
    {
        int place = (bit >> 3) % (header.Length + body.Length + tag.Length);
        byte mask = (byte)(1 << (bit & 7));
        if (place < header.Length)
            header[place] ^= mask;
        else if (place < header.Length + body.Length)
            body[place - header.Length] ^= mask;
        else
            tag[place - header.Length - body.Length] ^= mask;
    }
}
