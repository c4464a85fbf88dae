namespace Hectare.Transport.Crypto;

/// <summary>How packets are sealed; the number is on the wire. Both are authenticated encryption: 32-byte key, 12-byte nonce, 16-byte tag.</summary>
public enum CipherSuite : byte
{
    /// <summary>AES-256 in Galois/counter mode (NIST SP 800-38D): for processors with AES in hardware.</summary>
    Aes256Gcm = 1,

    /// <summary>ChaCha20 and Poly1305 (RFC 8439): for all others.</summary>
    ChaCha20Poly1305 = 2,
}

/// <summary>Whose code runs AES-256-GCM. What it writes is the same, bit for bit.</summary>
public enum CipherProvider
{
    /// <summary>The default of the process; there: our own where <see cref="CipherSelfTest.IntrinsicsUsable"/>, else the framework's
    /// (docs/decisions/0013-which-cipher-provider.md).</summary>
    Auto,

    /// <summary>The framework's <see cref="System.Security.Cryptography.AesGcm"/>.</summary>
    Framework,

    /// <summary>Our own on the processor's AES instructions; the framework's where they are missing or the self-test failed.</summary>
    Intrinsics,
}

/// <summary>Seals and opens packets under one key.</summary>
/// <remarks>Never the same nonce twice under one key, whatever happened to the packet: the caller counts. One thread at a time. The spans of a
/// call do not overlap. Nothing is allocated after construction, but for a packet that does not open under a cipher of the framework, which throws
/// inside: some 300 bytes and 3 us. Dispose clears the key.</remarks>
public abstract class PacketCipher : IDisposable
{
    /// <summary>Bytes of the largest key that lies in the object itself: what to ask for before a packet is sealed or opened.</summary>
    public const int KeyMemoryBytes = 408;

    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceBytes = 12;

    /// <summary>Bytes of a tag: never cut.</summary>
    public const int TagBytes = 16;

    private static volatile CipherProvider _defaultProvider = CipherProvider.Auto;

    private protected PacketCipher()
    {
    }

    /// <summary>What <see cref="CipherProvider.Auto"/> means in this process. <see cref="CipherProvider.Framework"/> forbids our own code.</summary>
    /// <remarks>Counts for ciphers made from then on; set it before the first.</remarks>
    public static CipherProvider DefaultProvider
    {
        get => _defaultProvider;
        set => _defaultProvider = value;
    }

    /// <summary>Memory of this key, bytes: exact for our own, measured once for the framework's native part.</summary>
    public abstract int MemoryBytes { get; }

    /// <summary>Makes the cipher of a key.</summary>
    /// <param name="suite">What both ends agreed on.</param>
    /// <param name="key">32 bytes; the cipher keeps no reference to them.</param>
    /// <param name="provider">Whose code; the process decides by default. Counts for AES alone.</param>
    /// <exception cref="ArgumentException">The key is not 32 bytes, or there is no such suite.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system has no ChaCha20-Poly1305.</exception>
    public static PacketCipher Create(CipherSuite suite, ReadOnlySpan<byte> key, CipherProvider provider = CipherProvider.Auto) =>
        Create(suite, key, provider == CipherProvider.Auto ? DefaultProvider : provider, CipherSelfTest.IntrinsicsUsable);

    /// <summary>Encrypts the body in place and writes the tag over header and body.</summary>
    /// <param name="nonce">12 bytes, new under this key.</param>
    /// <param name="header">What is authenticated and stays readable; may be empty.</param>
    /// <param name="body">Plaintext before, ciphertext after; may be empty.</param>
    /// <param name="tag">16 bytes, written.</param>
    public abstract void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag);

    /// <summary>Checks the tag over header and body and decrypts the body in place.</summary>
    /// <returns>False when a bit of nonce, header, body or tag differs from what was sealed: the body then holds no plaintext, and nothing
    /// else that is of use.</returns>
    public abstract bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag);

    /// <summary>Clears the key. The cipher is then of no use.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    internal static PacketCipher Create(CipherSuite suite, ReadOnlySpan<byte> key, CipherProvider provider, bool intrinsicsUsable)
    {
        if (key.Length != KeyBytes)
            throw new ArgumentException("a packet key must be 32 bytes", nameof(key));
        return suite switch
        {
            CipherSuite.Aes256Gcm => provider != CipherProvider.Framework && intrinsicsUsable ? new AesGcmIntrinsics(key) : new AesGcmFramework(key),
            CipherSuite.ChaCha20Poly1305 => new ChaChaPoly(key),
            _ => throw new ArgumentException("no such cipher suite", nameof(suite)),
        };
    }

    private protected abstract void Dispose(bool disposing);
}
