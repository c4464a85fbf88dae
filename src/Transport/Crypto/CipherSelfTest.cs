using System.Security.Cryptography;
using Arm = System.Runtime.Intrinsics.Arm;
using X86 = System.Runtime.Intrinsics.X86;

namespace Hectare.Transport.Crypto;

/// <summary>Whether AES is in this processor, and whether our own AES-256-GCM may be used in this process.</summary>
public static class CipherSelfTest
{
    // Cases 14 and 16 of the proposal of GCM (McGrew and Viega, appendix B).
    private const string Sealed14 = "CEA7403D4D606B6E074EC5D3BAF39D18D0D1C8A799996BF0265B98B5D48AB919";
    private const string Key16 = "FEFFE9928665731C6D6A8F9467308308FEFFE9928665731C6D6A8F9467308308";
    private const string Nonce16 = "CAFEBABEFACEDBADDECAF888";
    private const string Header16 = "FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2";
    private const string Plain16 = "D9313225F88406E5A55909C5AFF5269A86A7A9531534F7DA2E4C303D8A318A721C3C0C95956809532FCF0E2449A6B525B16AEDF5AA0DE657BA637B39";
    private const string Sealed16 = "522DC1F099567D07F47F37A32A84427D643A8CDCBFE5C0C97598A2BD2555D1AA8CB08E48590DBB3DA7B08B1056828838C5F61E6393BA7A0ABCC9F662"
        + "76FC6ECE0F4E1768CDDF8853BB2D551B";

    private static readonly Lazy<CipherVerdict> Own = new(() => Run(AesGcmIntrinsics.IsSupported, static key => new AesGcmIntrinsics(key)));

    /// <summary>AES and the carry-less multiply are in hardware here: AES-256-GCM is then the better suite, whoever's code runs it.</summary>
    public static bool IsAesInHardware => (X86.Aes.IsSupported && X86.Pclmulqdq.IsSupported) || Arm.Aes.IsSupported;

    /// <summary>Processor and runtime have the instructions that our own cipher is written in.</summary>
    public static bool IntrinsicsSupported => AesGcmIntrinsics.IsSupported;

    /// <summary>Supported, and the self-test passed; it runs once, on first use.</summary>
    public static bool IntrinsicsUsable => Verdict.Usable;

    /// <summary>What an operator should know: why the framework's cipher runs in place of ours. Null when ours is usable.</summary>
    public static string? Warning => Verdict.Warning;

    /// <summary>What holds instead of the test's own verdict: for tests of what follows from it.</summary>
    internal static CipherVerdict? Forced { get; set; }

    private static CipherVerdict Verdict => Forced ?? Own.Value;

    /// <summary>Known answers, then a cross-check against the framework; the methods tested are compiled once, so that what runs later is what was tested.</summary>
    /// <param name="supported">False: nothing is run.</param>
    /// <param name="make">Makes the cipher under test.</param>
    internal static CipherVerdict Run(bool supported, CipherMaker make)
    {
        if (!supported)
            return new CipherVerdict(false, "this processor or runtime lacks AES-NI, PCLMULQDQ or SSSE3: AES-256-GCM runs on the framework's code, some microseconds a packet");
        string? failure = Answers(make, new byte[32], new byte[12], [], new byte[16], Convert.FromHexString(Sealed14)) ? null : "known answer 14";
        failure ??= Answers(make, Convert.FromHexString(Key16), Convert.FromHexString(Nonce16), Convert.FromHexString(Header16),
            Convert.FromHexString(Plain16), Convert.FromHexString(Sealed16)) ? null : "known answer 16";
        failure ??= CrossCheck(make);
        return failure is null
            ? new CipherVerdict(true, null)
            : new CipherVerdict(false, $"the self-test of our own AES-256-GCM failed ({failure}): the framework's code runs instead; please report this processor");
    }

    // Each way through the groups, and parts of a block; a key, a nonce and bytes that follow from the length.
    private static string? CrossCheck(CipherMaker make)
    {
        Span<byte> seed = stackalloc byte[32];
        foreach (int length in (ReadOnlySpan<int>)[0, 1, 15, 16, 31, 96, 111, 112, 113, 128, 239, 240, 250, 368, 600, 1_200, 4_099])
        {
            byte[] body = new byte[length];
            for (int i = 0; i < length; i++)
                body[i] = (byte)((i * 7) + length);
            SHA256.HashData(body, seed);
            byte[] expected = new byte[length + PacketCipher.TagBytes];
            using (var framework = new AesGcm(seed, PacketCipher.TagBytes))
                framework.Encrypt(seed[..12], body, expected.AsSpan(0, length), expected.AsSpan(length), seed[..(length % 33)]);
            if (!Answers(make, seed, seed[..12], seed[..(length % 33)], body, expected))
                return $"{length} bytes against the framework";
        }

        return null;
    }

    private static bool Answers(CipherMaker make, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, byte[] plain, byte[] expected)
    {
        using PacketCipher cipher = make(key);
        byte[] body = [.. plain], tag = new byte[PacketCipher.TagBytes];
        cipher.Seal(nonce, header, body, tag);
        if (!expected.AsSpan(0, plain.Length).SequenceEqual(body) || !expected.AsSpan(plain.Length).SequenceEqual(tag))
            return false;
        tag[^1] ^= 0x80;
        if (cipher.TryOpen(nonce, header, body, tag))
            return false;

        // A refusal may leave anything but plaintext.
        expected.AsSpan(0, plain.Length).CopyTo(body);
        tag[^1] ^= 0x80;
        return cipher.TryOpen(nonce, header, body, tag) && plain.AsSpan().SequenceEqual(body);
    }
}

/// <summary>Makes the cipher of a key of 32 bytes.</summary>
internal delegate PacketCipher CipherMaker(ReadOnlySpan<byte> key);

/// <summary>What the self-test found.</summary>
/// <param name="Usable">Our own cipher may be used.</param>
/// <param name="Warning">Why not.</param>
internal sealed record CipherVerdict(bool Usable, string? Warning);
