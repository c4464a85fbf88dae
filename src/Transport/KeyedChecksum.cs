using System.Buffers.Binary;

namespace Hectare.Transport;

/// <summary>A 128-bit checksum under a 256-bit key: multiply and fold, sixteen bytes a step. For the packets of a handshake that come before any secret.</summary>
/// <remarks>This is not security: anyone who saw the packets can compute it. It keeps noise and foreign programs out.<code>
/// fold(x, y) = high 64 bits of x * y, xor low 64 bits
/// k0 = fold(client.low ^ C0, server.low ^ C1)    k1 = fold(client.high ^ C2, server.high ^ C3)    k2 = fold(k0 ^ C1, k1 ^ C2)
/// h  = nonce ^ k0;  for each 16 bytes (x, y), the last filled with zeros:  h = fold(x ^ k1, y ^ h)
/// t0 = fold(h ^ k2, byte count ^ k0)    t1 = fold(t0 ^ k1, h ^ k2)    tag = t0 u64, t1 u64
/// </code>C0 to C3 are the first four initial values of SHA-512 (FIPS 180-4), so that nobody has to trust their choice.</remarks>
internal readonly struct KeyedChecksum
{
    private const ulong C0 = 0x6A09E667F3BCC908;
    private const ulong C1 = 0xBB67AE8584CAA73B;
    private const ulong C2 = 0x3C6EF372FE94F82B;
    private const ulong C3 = 0xA54FF53A5F1D36F1;

    private readonly ulong _k0;
    private readonly ulong _k1;
    private readonly ulong _k2;

    public KeyedChecksum(in Random128 clientRandom, in Random128 serverRandom)
    {
        _k0 = Fold(clientRandom.Low ^ C0, serverRandom.Low ^ C1);
        _k1 = Fold(clientRandom.High ^ C2, serverRandom.High ^ C3);
        _k2 = Fold(_k0 ^ C1, _k1 ^ C2);
    }

    public void WriteTag(ReadOnlySpan<byte> bytes, ulong nonce, Span<byte> tag)
    {
        (ulong low, ulong high) = Sum(bytes, nonce);
        BinaryPrimitives.WriteUInt64LittleEndian(tag, low);
        BinaryPrimitives.WriteUInt64LittleEndian(tag[8..], high);
    }

    /// <summary>True when the last 16 bytes of <paramref name="datagram"/> are the tag of all before them.</summary>
    public bool HasTag(ReadOnlySpan<byte> datagram, ulong nonce)
    {
        if (datagram.Length < PacketHeader.TagBytes)
            return false;
        ReadOnlySpan<byte> tag = datagram[^PacketHeader.TagBytes..];
        (ulong low, ulong high) = Sum(datagram[..^PacketHeader.TagBytes], nonce);
        return BinaryPrimitives.ReadUInt64LittleEndian(tag) == low && BinaryPrimitives.ReadUInt64LittleEndian(tag[8..]) == high;
    }

    private (ulong Low, ulong High) Sum(ReadOnlySpan<byte> bytes, ulong nonce)
    {
        int byteCount = bytes.Length;
        ulong h = nonce ^ _k0;
        for (; bytes.Length >= 16; bytes = bytes[16..])
            h = Fold(BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ _k1, BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) ^ h);
        if (!bytes.IsEmpty)
        {
            Span<byte> last = stackalloc byte[16];
            last.Clear();
            bytes.CopyTo(last);
            h = Fold(BinaryPrimitives.ReadUInt64LittleEndian(last) ^ _k1, BinaryPrimitives.ReadUInt64LittleEndian(last[8..]) ^ h);
        }

        ulong t0 = Fold(h ^ _k2, (ulong)byteCount ^ _k0);
        return (t0, Fold(t0 ^ _k1, h ^ _k2));
    }

    private static ulong Fold(ulong x, ulong y)
    {
        ulong high = Math.BigMul(x, y, out ulong low);
        return high ^ low;
    }
}
