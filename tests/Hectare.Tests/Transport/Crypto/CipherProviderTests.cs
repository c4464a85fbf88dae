using Hectare.Transport.Crypto;

namespace Hectare.Tests.Transport.Crypto;

/// <summary>They change what holds for the whole process: alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public static class ProcessWide
{
    public const string Name = "process-wide";
}

/// <summary>Whose code runs AES-256-GCM, and what happens when ours may not.</summary>
[Collection(ProcessWide.Name)]
public sealed class CipherProviderTests
{
    private const string NoHardware = "this processor has no AES or carry-less multiply";

    [Fact]
    public void Ours_runs_by_default_where_it_can()
    {
        Assert.SkipUnless(CipherSelfTest.IntrinsicsSupported, NoHardware);
        Assert.True(CipherSelfTest.IntrinsicsUsable);
        Assert.True(CipherSelfTest.IsAesInHardware);
        Assert.Null(CipherSelfTest.Warning);
        AssertMakes<AesGcmIntrinsics>(CipherSuite.Aes256Gcm, CipherProvider.Auto);
        AssertMakes<AesGcmIntrinsics>(CipherSuite.Aes256Gcm, CipherProvider.Intrinsics);
        AssertMakes<AesGcmFramework>(CipherSuite.Aes256Gcm, CipherProvider.Framework);
        AssertMakes<ChaChaPoly>(CipherSuite.ChaCha20Poly1305, CipherProvider.Auto);
    }

    [Fact]
    public void The_process_can_forbid_ours()
    {
        PacketCipher.DefaultProvider = CipherProvider.Framework;
        try
        {
            AssertMakes<AesGcmFramework>(CipherSuite.Aes256Gcm, CipherProvider.Auto);
        }
        finally
        {
            PacketCipher.DefaultProvider = CipherProvider.Auto;
        }
    }

    [Fact]
    public void A_failed_self_test_falls_back_to_the_framework_and_says_so()
    {
        CipherSelfTest.Forced = CipherSelfTest.Run(supported: true, key => new LyingCipher(key, lieAtBytes: 600));
        try
        {
            Assert.False(CipherSelfTest.IntrinsicsUsable);
            Assert.Contains("600 bytes against the framework", CipherSelfTest.Warning, StringComparison.Ordinal);
            AssertMakes<AesGcmFramework>(CipherSuite.Aes256Gcm, CipherProvider.Auto);
            AssertMakes<AesGcmFramework>(CipherSuite.Aes256Gcm, CipherProvider.Intrinsics);
        }
        finally
        {
            CipherSelfTest.Forced = null;
        }
    }

    [Theory]
    [InlineData(16, "known answer 14")]
    [InlineData(60, "known answer 16")]
    [InlineData(0, "0 bytes against the framework")]
    [InlineData(4_099, "4099 bytes against the framework")]
    public void A_wrong_bit_at_any_length_tested_fails_the_self_test(int lieAtBytes, string which)
    {
        CipherVerdict verdict = CipherSelfTest.Run(supported: true, key => new LyingCipher(key, lieAtBytes));
        Assert.False(verdict.Usable);
        Assert.Contains(which, verdict.Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cipher_that_opens_everything_fails_the_self_test()
        => Assert.False(CipherSelfTest.Run(supported: true, key => new LyingCipher(key, -1, opensAll: true)).Usable);

    [Fact]
    public void A_cipher_that_tells_the_truth_passes_the_self_test()
        => Assert.Equal(new CipherVerdict(true, null), CipherSelfTest.Run(supported: true, key => new LyingCipher(key, -1)));

    [Fact]
    public void A_processor_without_the_instructions_runs_the_frameworks()
    {
        CipherVerdict verdict = CipherSelfTest.Run(supported: false, _ => throw new InvalidOperationException("must not be made"));
        Assert.False(verdict.Usable);
        Assert.Contains("framework", verdict.Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_keys_and_suites_are_refused()
    {
        Assert.Throws<ArgumentException>("key", () => PacketCipher.Create(CipherSuite.Aes256Gcm, new byte[16]));
        Assert.Throws<ArgumentException>("key", () => PacketCipher.Create(CipherSuite.ChaCha20Poly1305, []));
        Assert.Throws<ArgumentException>("suite", () => PacketCipher.Create((CipherSuite)3, new byte[32]));
    }

    private static void AssertMakes<T>(CipherSuite suite, CipherProvider provider)
    {
        using PacketCipher cipher = PacketCipher.Create(suite, new byte[32], provider);
        Assert.IsType<T>(cipher);
    }

    // The framework's cipher, but for one wrong bit at one length.
    private sealed class LyingCipher(ReadOnlySpan<byte> key, int lieAtBytes, bool opensAll = false) : PacketCipher
    {
        private readonly AesGcmFramework _true = new(key);

        public override int MemoryBytes => 0;

        public override void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag)
        {
            _true.Seal(nonce, header, body, tag);
            if (body.Length == lieAtBytes)
                tag[7] ^= 0x10;
        }

        public override bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag) =>
            _true.TryOpen(nonce, header, body, tag) || opensAll;

        private protected override void Dispose(bool disposing) => _true.Dispose();
    }
}
