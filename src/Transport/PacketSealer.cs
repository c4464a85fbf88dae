using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>The key of one direction, by epoch: another every 2^20 packets, from the packet's number alone, so nothing is negotiated.</summary>
/// <remarks><code>
/// epoch of packet n = n / 2^20      key = HKDF-Expand(secret, "key", 32)      secret of the next epoch = HKDF-Expand(secret, "next", 32)
/// nonce = direction u32 (0 from the client, 1 from the server) | packet number u64
/// </code>Who learns a secret learns nothing of the epochs before it.</remarks>
internal sealed class EpochKeys
{
    /// <summary>Packets of one epoch, as a power of two: years below the 2^32 that AES-GCM allows.</summary>
    public const int EpochBits = 20;

    private readonly CipherSuite _suite;
    private Secret256 _secret;

    /// <summary>The keys of <paramref name="epoch"/>, from the secret of epoch 0.</summary>
    public EpochKeys(CipherSuite suite, in Secret256 secret, ulong epoch)
    {
        _suite = suite;
        _secret = secret;
        while (Epoch < epoch)
        {
            _secret = Expand(_secret, "next"u8);
            Epoch++;
        }

        Cipher = CreateCipher();
    }

    private EpochKeys(EpochKeys before)
    {
        _suite = before._suite;
        _secret = Expand(before._secret, "next"u8);
        Epoch = before.Epoch + 1;
        Cipher = CreateCipher();
    }

    public ulong Epoch { get; }

    public PacketCipher Cipher { get; }

    /// <summary>The keys of the epoch after this.</summary>
    public EpochKeys Next() => new(this);

    /// <summary>Forgets them.</summary>
    public void Erase()
    {
        _secret = default;
        Cipher.Dispose();
    }

    public static ulong EpochOf(ulong number) => number >> EpochBits;

    public static void WriteNonce(Span<byte> nonce, ConnectionSide sender, ulong number)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(nonce, sender == ConnectionSide.Client ? 0u : 1u);
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], number);
    }

    private PacketCipher CreateCipher()
    {
        Span<byte> key = stackalloc byte[Secret256.Bytes];
        Expand(_secret, "key"u8).Write(key);
        return PacketCipher.Create(_suite, key);
    }

    private static Secret256 Expand(in Secret256 secret, ReadOnlySpan<byte> label)
    {
        Span<byte> prk = stackalloc byte[Secret256.Bytes];
        secret.Write(prk);
        Span<byte> output = stackalloc byte[Secret256.Bytes];
        Hkdf.Expand(prk, label, output);
        return new Secret256(output);
    }
}

/// <summary>Seals one direction's packets. It owns the counter that the nonces come from: none can be used twice under a key.</summary>
internal sealed class PacketSealer
{
    private readonly ConnectionSide _side;
    private EpochKeys _keys;
    private PacketCipher _cipher;      // of _keys: here, because every packet wants it
    private ulong _epoch;
    private ulong _number;

    /// <summary>A sealer whose first packet is <paramref name="first"/>.</summary>
    public PacketSealer(ConnectionSide side, CipherSuite suite, in Secret256 secret, SequenceNumber first)
    {
        _side = side;
        _number = first.Value;
        _epoch = EpochKeys.EpochOf(_number);
        _keys = new EpochKeys(suite, secret, _epoch);
        _cipher = _keys.Cipher;
    }

    /// <summary>Number of the next packet, its low 32 bits.</summary>
    public SequenceNumber Next => new((uint)_number);

    public int MemoryBytes => _cipher.MemoryBytes;

    /// <summary>Asks for the memory of the key.</summary>
    public void Prefetch() => Protocol.Prefetch.Object(_cipher, PacketCipher.KeyMemoryBytes);

    /// <summary>Seals a packet in place, whose header names <see cref="Next"/>, and goes on to the next number.</summary>
    /// <returns>Bytes of the whole datagram.</returns>
    public int Seal(Span<byte> datagram, int headerBytes, int bodyBytes)
    {
        if (EpochKeys.EpochOf(_number) != _epoch)
        {
            EpochKeys old = _keys;
            _keys = old.Next();
            (_cipher, _epoch) = (_keys.Cipher, _keys.Epoch);
            old.Erase();
        }

        Span<byte> nonce = stackalloc byte[PacketCipher.NonceBytes];
        EpochKeys.WriteNonce(nonce, _side, _number);
        int sealedBytes = headerBytes + bodyBytes;
        _cipher.Seal(nonce, datagram[..headerBytes], datagram[headerBytes..sealedBytes], datagram.Slice(sealedBytes, PacketHeader.TagBytes));
        _number++;
        return sealedBytes + PacketHeader.TagBytes;
    }

    public void Erase() => _keys.Erase();
}

/// <summary>Opens the other end's packets, and follows its epochs.</summary>
internal sealed class PacketOpener
{
    // A late packet of the epoch before is taken for as long as late packets are: the window of acks.
    private const ulong StragglersMax = AckField.Window;

    private readonly ConnectionSide _sender;
    private EpochKeys _keys;
    private PacketCipher _cipher;      // of _keys: here, because every packet wants it
    private ulong _epoch;
    private EpochKeys? _before;
    private EpochKeys? _next;
    private ulong _newest;

    /// <summary>An opener of what <paramref name="sender"/> seals, from its packet <paramref name="first"/> on.</summary>
    public PacketOpener(ConnectionSide sender, CipherSuite suite, in Secret256 secret, SequenceNumber first)
    {
        _sender = sender;
        _newest = first.Value;
        _epoch = EpochKeys.EpochOf(_newest);
        _keys = new EpochKeys(suite, secret, _epoch);
        _cipher = _keys.Cipher;
    }

    public int MemoryBytes => _cipher.MemoryBytes;

    /// <summary>Asks for the memory of the key.</summary>
    public void Prefetch() => Protocol.Prefetch.Object(_cipher, PacketCipher.KeyMemoryBytes);

    /// <summary>Checks the tag, and then opens the packet in place.</summary>
    /// <param name="datagram">The whole datagram. When it does not open its body is rubbish.</param>
    /// <param name="headerBytes">Bytes of its header: authenticated, not encrypted.</param>
    /// <param name="sequence">Its number, widened to 32 bits.</param>
    /// <param name="bodyBytes">Bytes of the body, behind the header.</param>
    public bool TryOpen(Span<byte> datagram, int headerBytes, SequenceNumber sequence, out int bodyBytes)
    {
        bodyBytes = datagram.Length - headerBytes - PacketHeader.TagBytes;
        ulong number = _newest + (ulong)(long)(int)(sequence.Value - (uint)_newest);
        if (bodyBytes < 0 || CipherOf(EpochKeys.EpochOf(number)) is not { } cipher)
            return false;
        Span<byte> nonce = stackalloc byte[PacketCipher.NonceBytes];
        EpochKeys.WriteNonce(nonce, _sender, number);
        if (!cipher.TryOpen(nonce, datagram[..headerBytes], datagram.Slice(headerBytes, bodyBytes), datagram[^PacketHeader.TagBytes..]))
            return false;
        if (number > _newest)
            Follow(number);
        return true;
    }

    public void Erase()
    {
        _keys.Erase();
        _before?.Erase();
        _next?.Erase();
    }

    // A number is at most 2^15 from the newest, so only the epochs beside its own can be named; a forger makes us derive one key, once.
    private PacketCipher? CipherOf(ulong epoch)
    {
        if (epoch == _epoch)
            return _cipher;
        return epoch == _epoch + 1 ? (_next ??= _keys.Next()).Cipher : epoch == _before?.Epoch ? _before.Cipher : null;
    }

    private void Follow(ulong number)
    {
        _newest = number;
        if (_next is { } next && EpochKeys.EpochOf(number) == next.Epoch)
            (_before, _keys, _next, _cipher, _epoch) = (_keys, next, null, next.Cipher, next.Epoch);
        if (_before is null || (number & ((1UL << EpochKeys.EpochBits) - 1)) <= StragglersMax)
            return;
        _before.Erase();
        _before = null;
    }
}
