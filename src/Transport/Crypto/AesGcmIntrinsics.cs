using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using Aes = System.Runtime.Intrinsics.X86.Aes;

namespace Hectare.Transport.Crypto;

/// <summary>AES-256-GCM (FIPS 197, NIST SP 800-38D) on the AES and carry-less multiply instructions of x86-64, for nonces of 96 bits.</summary>
/// <remarks>What each step does, how it was checked and where its limits are: docs/aes-gcm-review.md. Vectors of 128 bits alone: code compiled
/// ahead of time for any x86-64 has no wider ones. Branches and addresses depend on lengths, never on key, text or tag.</remarks>
internal sealed class AesGcmIntrinsics : PacketCipher
{
    // Compiled in full at the first call and never again: what the self-test ran is what runs.
    private const MethodImplOptions Once = MethodImplOptions.AggressiveOptimization;

    private const int BlockBytes = 16;
    private const int RoundKeys = 15;
    private const int Powers = 9;                       // What is left behind whole groups has eight blocks at most; with the block of lengths nine.
    private const int GroupBytes = 8 * BlockBytes;      // AESENC takes four cycles and two start in each: eight in flight cost what one does.
    private const int PowersOffset = RoundKeys * BlockBytes;
    private const int StateBytes = PowersOffset + (Powers * BlockBytes);
    private const int ObjectBytes = 24;                 // Header, type, and the flag below.

    // By design in the object, not in a pinned array of its own: a key comes from memory, and a second access that waits for the first costs 100 ns a packet.
    private KeyState _state;
    private bool _disposed;

    /// <summary>Only where <see cref="IsSupported"/>.</summary>
    public AesGcmIntrinsics(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes)
            throw new ArgumentException("a packet key must be 32 bytes", nameof(key));
        ref byte state = ref Unsafe.As<KeyState, byte>(ref _state);
        ExpandKey(ref MemoryMarshal.GetReference(key), ref state);
        ExpandPowers(ref state);
    }

    /// <summary>The processor and the runtime have what this is written in.</summary>
    public static bool IsSupported => Aes.IsSupported && Pclmulqdq.IsSupported && Ssse3.IsSupported;

    public override int MemoryBytes => StateBytes + ObjectBytes;

    /// <summary>Round keys and powers, for the test that they are cleared.</summary>
    internal ReadOnlySpan<byte> State => MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<KeyState, byte>(ref _state), StateBytes);

    [SkipLocalsInit]
    [MethodImpl(Once)]
    public override void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag)
    {
        CheckCall(nonce, tag);
        ref byte state = ref Unsafe.As<KeyState, byte>(ref _state);
        ref byte text = ref MemoryMarshal.GetReference(body);
        Span<byte> room = stackalloc byte[GroupBytes];
        ref byte stream = ref MemoryMarshal.GetReference(room);
        Vector128<uint> counter = FirstCounter(nonce);
        Vector128<byte> tagMask = Encrypt(ref state, BigEndian(counter));
        counter += Vector128.Create(0u, 0, 0, 1);
        Vector128<ulong> y = HashHeader(ref state, header);
        nuint left = (nuint)body.Length;
        if (left > 0)
            KeyStream(ref state, counter, ref stream);
        for (; left >= GroupBytes; left -= GroupBytes)
        {
            CryptGroup(ref text, ref stream);
            counter += Vector128.Create(0u, 0, 0, 8);
            y = left > GroupBytes ? KeyStreamAndHashGroup(ref state, counter, ref stream, y, ref text) : HashGroup(ref state, y, ref text);
            text = ref Unsafe.Add(ref text, GroupBytes);
        }

        CryptRest(ref text, left, ref stream);
        Store(ref MemoryMarshal.GetReference(tag), 0, HashRest(ref state, y, ref text, left, Lengths(header, body)) ^ tagMask);
    }

    [SkipLocalsInit]
    [MethodImpl(Once)]
    public override bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag)
    {
        CheckCall(nonce, tag);
        ref byte state = ref Unsafe.As<KeyState, byte>(ref _state);
        ref byte text = ref MemoryMarshal.GetReference(body);
        Span<byte> room = stackalloc byte[GroupBytes];
        ref byte stream = ref MemoryMarshal.GetReference(room);
        Vector128<uint> counter = FirstCounter(nonce);
        Vector128<byte> tagMask = Encrypt(ref state, BigEndian(counter));
        counter += Vector128.Create(0u, 0, 0, 1);
        if (!body.IsEmpty)
            KeyStream(ref state, counter, ref stream);
        Vector128<ulong> y = HashHeader(ref state, header);
        nuint left = (nuint)body.Length;
        for (; left >= GroupBytes; left -= GroupBytes)
        {
            y = HashGroup(ref state, y, ref text);
            text = ref Unsafe.Add(ref text, GroupBytes);
        }

        // All 128 bits in one comparison, and before a byte is decrypted.
        if ((HashRest(ref state, y, ref text, left, Lengths(header, body)) ^ tagMask) != Load(ref MemoryMarshal.GetReference(tag), 0))
            return false;
        text = ref MemoryMarshal.GetReference(body);
        for (left = (nuint)body.Length; left >= GroupBytes; left -= GroupBytes)
        {
            CryptGroup(ref text, ref stream);
            counter += Vector128.Create(0u, 0, 0, 8);
            if (left > GroupBytes)
                KeyStream(ref state, counter, ref stream);
            text = ref Unsafe.Add(ref text, GroupBytes);
        }

        CryptRest(ref text, left, ref stream);
        return true;
    }

    private protected override void Dispose(bool disposing)
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(MemoryMarshal.CreateSpan(ref Unsafe.As<KeyState, byte>(ref _state), StateBytes));
    }

    // Real checks, not contracts: nobody checks an address below.
    private void CheckCall(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> tag)
    {
        if (nonce.Length != NonceBytes)
            ThrowLength(nameof(nonce));
        if (tag.Length != TagBytes)
            ThrowLength(nameof(tag));
        ObjectDisposedException.ThrowIf(_disposed, this);
    }

    [DoesNotReturn]
    private static void ThrowLength(string name) => throw new ArgumentException("a nonce must be 12 bytes and a tag 16", name);

    /// <summary>Round keys 0 to 14, then H^1 to H^9.</summary>
    [InlineArray(StateBytes)]
    private struct KeyState
    {
        private byte _first;
    }

    // ---- counter mode -------------------------------------------------------------------------------------------------------------------

    /// <summary>SP 800-38D, 7.1 step 2: nonce, then 1 in 32 bits. Kept with that number in the processor's order, so that it can be added to.</summary>
    private static Vector128<uint> FirstCounter(ReadOnlySpan<byte> nonce)
    {
        ref byte first = ref MemoryMarshal.GetReference(nonce);
        return Vector128.Create(Unsafe.ReadUnaligned<ulong>(ref first), Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref first, 8)) | (1UL << 32)).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> BigEndian(Vector128<uint> counter) =>
        Ssse3.Shuffle(counter.AsByte(), Vector128.Create((byte)0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 14, 13, 12));

    /// <summary>AES of one block (FIPS 197, 5.1).</summary>
    [MethodImpl(Once)]
    private static Vector128<byte> Encrypt(ref byte state, Vector128<byte> block)
    {
        block ^= Load(ref state, 0);
        for (nuint round = BlockBytes; round < (RoundKeys - 1) * BlockBytes; round += BlockBytes)
            block = Aes.Encrypt(block, Load(ref state, round));
        return Aes.EncryptLast(block, Load(ref state, (RoundKeys - 1) * BlockBytes));
    }

    /// <summary>Encrypts eight counters: <paramref name="counter"/> and the seven after it.</summary>
    [MethodImpl(Once)]
    private static void KeyStream(ref byte state, Vector128<uint> counter, ref byte stream)
    {
        var first = new Four(ref state, counter);
        var second = new Four(ref state, counter + Vector128.Create(0u, 0, 0, 4));
        for (nuint round = 1; round < RoundKeys - 1; round++)
        {
            first.Round(ref state, round);
            second.Round(ref state, round);
        }

        first.Finish(ref state, ref stream);
        second.Finish(ref state, ref Unsafe.Add(ref stream, GroupBytes / 2));
    }

    /// <summary>The same, and <see cref="HashGroup"/> beside it, a product a round: each keeps units of the processor busy that the other leaves idle.</summary>
    [MethodImpl(Once)]
    private static Vector128<ulong> KeyStreamAndHashGroup(ref byte state, Vector128<uint> counter, ref byte stream, Vector128<ulong> y, ref byte text)
    {
        var first = new Four(ref state, counter);
        var second = new Four(ref state, counter + Vector128.Create(0u, 0, 0, 4));
        var sum = default(Sum);
        nuint round = 1;
        for (; round < 8; round++)
        {
            first.Round(ref state, round);
            second.Round(ref state, round);
            sum.Add(Reflect(Load(ref text, (8 - round) * BlockBytes)), Power(ref state, round));
        }

        sum.Add(y ^ Reflect(Load(ref text, 0)), Power(ref state, 8));
        y = sum.Reduce();
        for (; round < RoundKeys - 1; round++)
        {
            first.Round(ref state, round);
            second.Round(ref state, round);
        }

        first.Finish(ref state, ref stream);
        second.Finish(ref state, ref Unsafe.Add(ref stream, GroupBytes / 2));
        return y;
    }

    /// <summary>Half a group. Four is the most vectors of a struct that the compiler keeps in registers.</summary>
    private struct Four
    {
        private Vector128<byte> _block0;
        private Vector128<byte> _block1;
        private Vector128<byte> _block2;
        private Vector128<byte> _block3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Four(ref byte state, Vector128<uint> counter)
        {
            Vector128<byte> key = Load(ref state, 0);
            _block0 = BigEndian(counter) ^ key;
            _block1 = BigEndian(counter + Vector128.Create(0u, 0, 0, 1)) ^ key;
            _block2 = BigEndian(counter + Vector128.Create(0u, 0, 0, 2)) ^ key;
            _block3 = BigEndian(counter + Vector128.Create(0u, 0, 0, 3)) ^ key;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Round(ref byte state, nuint round)
        {
            Vector128<byte> key = Load(ref state, round * BlockBytes);
            _block0 = Aes.Encrypt(_block0, key);
            _block1 = Aes.Encrypt(_block1, key);
            _block2 = Aes.Encrypt(_block2, key);
            _block3 = Aes.Encrypt(_block3, key);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Finish(ref byte state, ref byte stream)
        {
            Vector128<byte> key = Load(ref state, (RoundKeys - 1) * BlockBytes);
            Store(ref stream, 0 * BlockBytes, Aes.EncryptLast(_block0, key));
            Store(ref stream, 1 * BlockBytes, Aes.EncryptLast(_block1, key));
            Store(ref stream, 2 * BlockBytes, Aes.EncryptLast(_block2, key));
            Store(ref stream, 3 * BlockBytes, Aes.EncryptLast(_block3, key));
        }
    }

    /// <summary>Encrypts or decrypts a group: both are an exclusive or with the key stream.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CryptGroup(ref byte text, ref byte stream)
    {
        Store(ref text, 0 * BlockBytes, Load(ref text, 0 * BlockBytes) ^ Load(ref stream, 0 * BlockBytes));
        Store(ref text, 1 * BlockBytes, Load(ref text, 1 * BlockBytes) ^ Load(ref stream, 1 * BlockBytes));
        Store(ref text, 2 * BlockBytes, Load(ref text, 2 * BlockBytes) ^ Load(ref stream, 2 * BlockBytes));
        Store(ref text, 3 * BlockBytes, Load(ref text, 3 * BlockBytes) ^ Load(ref stream, 3 * BlockBytes));
        Store(ref text, 4 * BlockBytes, Load(ref text, 4 * BlockBytes) ^ Load(ref stream, 4 * BlockBytes));
        Store(ref text, 5 * BlockBytes, Load(ref text, 5 * BlockBytes) ^ Load(ref stream, 5 * BlockBytes));
        Store(ref text, 6 * BlockBytes, Load(ref text, 6 * BlockBytes) ^ Load(ref stream, 6 * BlockBytes));
        Store(ref text, 7 * BlockBytes, Load(ref text, 7 * BlockBytes) ^ Load(ref stream, 7 * BlockBytes));
    }

    /// <summary>The same for less than a group.</summary>
    [MethodImpl(Once)]
    private static void CryptRest(ref byte text, nuint left, ref byte stream)
    {
        for (; left >= BlockBytes; left -= BlockBytes)
        {
            Store(ref text, 0, Load(ref text, 0) ^ Load(ref stream, 0));
            text = ref Unsafe.Add(ref text, BlockBytes);
            stream = ref Unsafe.Add(ref stream, BlockBytes);
        }

        if (left > 0)
            StorePart(ref text, left, LoadPart(ref text, left) ^ Load(ref stream, 0));
    }

    // ---- GHASH (SP 800-38D, 6.4): y = (y ^ block) * H for each block --------------------------------------------------------------------

    /// <summary>The header, its last block filled with zeros. It has one or two blocks: not worth a group.</summary>
    [MethodImpl(Once)]
    private static Vector128<ulong> HashHeader(ref byte state, ReadOnlySpan<byte> header)
    {
        ref byte text = ref MemoryMarshal.GetReference(header);
        Vector128<ulong> y = default;
        nuint left = (nuint)header.Length;
        for (; left >= BlockBytes; left -= BlockBytes)
        {
            y = Product(y ^ Reflect(Load(ref text, 0)), Power(ref state, 1));
            text = ref Unsafe.Add(ref text, BlockBytes);
        }

        return left == 0 ? y : Product(y ^ Reflect(LoadPart(ref text, left)), Power(ref state, 1));
    }

    /// <summary>Eight blocks with one reduction: (y ^ block 0) * H^8 ^ block 1 * H^7 ^ ... ^ block 7 * H.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> HashGroup(ref byte state, Vector128<ulong> y, ref byte text)
    {
        var sum = default(Sum);
        for (nuint exponent = 1; exponent < 8; exponent++)
            sum.Add(Reflect(Load(ref text, (8 - exponent) * BlockBytes)), Power(ref state, exponent));
        sum.Add(y ^ Reflect(Load(ref text, 0)), Power(ref state, 8));
        return sum.Reduce();
    }

    /// <summary>What is left of the text, the last block filled with zeros, and the block of lengths: at most nine, with one reduction.</summary>
    /// <returns>The hash, as bytes.</returns>
    [MethodImpl(Once)]
    private static Vector128<byte> HashRest(ref byte state, Vector128<ulong> y, ref byte text, nuint left, Vector128<ulong> lengths)
    {
        var sum = default(Sum);
        ref byte power = ref Unsafe.Add(ref state, PowersOffset + ((left + BlockBytes - 1) & ~(nuint)(BlockBytes - 1)));
        for (; left >= BlockBytes; left -= BlockBytes)
        {
            sum.Add(y ^ Reflect(Load(ref text, 0)), Load(ref power, 0).AsUInt64());
            y = default;
            text = ref Unsafe.Add(ref text, BlockBytes);
            power = ref Unsafe.Subtract(ref power, BlockBytes);
        }

        if (left > 0)
        {
            sum.Add(y ^ Reflect(LoadPart(ref text, left)), Power(ref state, 2));
            y = default;
        }

        sum.Add(y ^ lengths, Power(ref state, 1));
        return Reflect(sum.Reduce().AsByte()).AsByte();
    }

    /// <summary>The last block: bits of the header, then bits of the text, each in 64; reflected here.</summary>
    private static Vector128<ulong> Lengths(ReadOnlySpan<byte> header, ReadOnlySpan<byte> body) =>
        Vector128.Create((ulong)body.Length << 3, (ulong)header.Length << 3);

    /// <summary>H to a power of 1 to 9.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Power(ref byte state, nuint exponent) => Load(ref state, PowersOffset + ((exponent - 1) * BlockBytes)).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Product(Vector128<ulong> x, Vector128<ulong> power)
    {
        var sum = default(Sum);
        sum.Add(x, power);
        return sum.Reduce();
    }

    /// <summary>A sum of products of 128 x 128 bits over GF(2), not yet reduced: bits 0 to 127, 64 to 191, 128 to 255.</summary>
    private struct Sum
    {
        private Vector128<ulong> _low;
        private Vector128<ulong> _middle;
        private Vector128<ulong> _high;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector128<ulong> x, Vector128<ulong> h)
        {
            _low ^= Pclmulqdq.CarrylessMultiply(x, h, 0x00);
            _high ^= Pclmulqdq.CarrylessMultiply(x, h, 0x11);
            _middle ^= Pclmulqdq.CarrylessMultiply(x ^ Swap(x), h ^ Swap(h), 0x00);
        }

        /// <summary>The sum times x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1, as RFC 8452 has it.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Vector128<ulong> Reduce()
        {
            Vector128<ulong> polynomial = Vector128.CreateScalar(0xC200_0000_0000_0000UL);
            Vector128<ulong> middle = _middle ^ _low ^ _high;
            Vector128<ulong> low = _low ^ Sse2.ShiftLeftLogical128BitLane(middle, 8);
            Vector128<ulong> high = _high ^ Sse2.ShiftRightLogical128BitLane(middle, 8);
            low = Swap(low) ^ Pclmulqdq.CarrylessMultiply(low, polynomial, 0x00);
            low = Swap(low) ^ Pclmulqdq.CarrylessMultiply(low, polynomial, 0x00);
            return low ^ high;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ulong> Swap(Vector128<ulong> halves) => Sse2.Shuffle(halves.AsUInt32(), 0x4E).AsUInt64();
    }

    // ---- keys ---------------------------------------------------------------------------------------------------------------------------

    /// <summary>FIPS 197, 5.2, for eight words of key: AESKEYGENASSIST gives SubWord and RotWord without a table.</summary>
    private static void ExpandKey(ref byte key, ref byte state)
    {
        Vector128<byte> even = Load(ref key, 0), odd = Load(ref key, BlockBytes);
        Store(ref state, 0, even);
        Store(ref state, BlockBytes, odd);
        ExpandPair(ref even, ref odd, 0x01, ref Unsafe.Add(ref state, 2 * BlockBytes));
        ExpandPair(ref even, ref odd, 0x02, ref Unsafe.Add(ref state, 4 * BlockBytes));
        ExpandPair(ref even, ref odd, 0x04, ref Unsafe.Add(ref state, 6 * BlockBytes));
        ExpandPair(ref even, ref odd, 0x08, ref Unsafe.Add(ref state, 8 * BlockBytes));
        ExpandPair(ref even, ref odd, 0x10, ref Unsafe.Add(ref state, 10 * BlockBytes));
        ExpandPair(ref even, ref odd, 0x20, ref Unsafe.Add(ref state, 12 * BlockBytes));
        Store(ref state, 14 * BlockBytes, NextWords(even, Sse2.Shuffle(Aes.KeygenAssist(odd, 0x40).AsUInt32(), 0xFF)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ExpandPair(ref Vector128<byte> even, ref Vector128<byte> odd, [ConstantExpected] byte round, ref byte keys)
    {
        even = NextWords(even, Sse2.Shuffle(Aes.KeygenAssist(odd, round).AsUInt32(), 0xFF));
        odd = NextWords(odd, Sse2.Shuffle(Aes.KeygenAssist(even, 0).AsUInt32(), 0xAA));
        Store(ref keys, 0, even);
        Store(ref keys, BlockBytes, odd);
    }

    // Word i becomes the exclusive or of words 0 to i and the assist.
    private static Vector128<byte> NextWords(Vector128<byte> words, Vector128<uint> assist)
    {
        words ^= Sse2.ShiftLeftLogical128BitLane(words, 4);
        words ^= Sse2.ShiftLeftLogical128BitLane(words, 8);
        return words ^ assist.AsByte();
    }

    /// <summary>H, the encrypted zero block, and its powers, each times x: what reflected operands and <see cref="Sum.Reduce"/> lose (RFC 8452, appendix A).</summary>
    private static void ExpandPowers(ref byte state)
    {
        Vector128<ulong> h = Reflect(Encrypt(ref state, Vector128<byte>.Zero));

        // Times x, modulo the polynomial; a mask, not a branch: the bit is secret.
        Vector128<ulong> carries = Vector128.ShiftRightLogical(h, 63);
        Vector128<ulong> overflow = Vector128<ulong>.Zero - Sse2.ShiftRightLogical128BitLane(carries, 8);
        overflow = Sse2.UnpackLow(overflow, overflow);
        h = Vector128.ShiftLeft(h, 1) ^ Sse2.ShiftLeftLogical128BitLane(carries, 8) ^ (overflow & Vector128.Create(1UL, 0xC200_0000_0000_0000));
        ref byte powers = ref Unsafe.Add(ref state, PowersOffset);
        Vector128<ulong> power = h;
        Store(ref powers, 0, power.AsByte());
        for (nuint offset = BlockBytes; offset < Powers * BlockBytes; offset += BlockBytes)
        {
            power = Product(power, h);
            Store(ref powers, offset, power.AsByte());
        }
    }

    // ---- bytes --------------------------------------------------------------------------------------------------------------------------

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Load(ref byte from, nuint offset) => Unsafe.ReadUnaligned<Vector128<byte>>(ref Unsafe.Add(ref from, offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref byte to, nuint offset, Vector128<byte> block) => Unsafe.WriteUnaligned(ref Unsafe.Add(ref to, offset), block);

    /// <summary>A block with its bytes in reverse: GHASH's bit 0 is the first byte's highest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Reflect(Vector128<byte> block) =>
        Ssse3.Shuffle(block, Vector128.Create((byte)15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)).AsUInt64();

    /// <summary>1 to 15 bytes, then zeros; reads no byte beyond them.</summary>
    [MethodImpl(Once)]
    private static Vector128<byte> LoadPart(ref byte from, nuint count)
    {
        ulong low = 0, high = 0;
        if (count >= 8)
        {
            low = Unsafe.ReadUnaligned<ulong>(ref from);
            if (count > 8)
                high = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref from, count - 8)) >> (8 * (int)(BlockBytes - count));
        }
        else if (count >= 4)
        {
            // The two overlap where they hold the same bytes.
            low = Unsafe.ReadUnaligned<uint>(ref from) | ((ulong)Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref from, count - 4)) << (8 * (int)(count - 4)));
        }
        else
        {
            for (nuint i = 0; i < count; i++)
                low |= (ulong)Unsafe.Add(ref from, i) << (8 * (int)i);
        }

        return Vector128.Create(low, high).AsByte();
    }

    /// <summary>The first 1 to 15 bytes of a block; writes none beyond them.</summary>
    [MethodImpl(Once)]
    private static void StorePart(ref byte to, nuint count, Vector128<byte> block)
    {
        ulong low = block.AsUInt64().ToScalar();
        if (count >= 8)
        {
            Unsafe.WriteUnaligned(ref to, low);
            to = ref Unsafe.Add(ref to, 8);
            count -= 8;
            low = block.AsUInt64().GetElement(1);
        }

        if (count >= 4)
        {
            Unsafe.WriteUnaligned(ref to, (uint)low);
            to = ref Unsafe.Add(ref to, 4);
            count -= 4;
            low >>= 32;
        }

        for (nuint i = 0; i < count; i++)
            Unsafe.Add(ref to, i) = (byte)(low >> (8 * (int)i));
    }
}
