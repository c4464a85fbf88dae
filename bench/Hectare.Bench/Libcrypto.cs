using System.Runtime.InteropServices;
using Hectare.Transport.Crypto;

namespace Hectare.Bench;

/// <summary>AES-256-GCM by OpenSSL's own interface, one context kept a key: what the framework's cipher would cost without its wrapping.</summary>
internal sealed unsafe partial class Libcrypto : IDisposable
{
    private const string Name = "libcrypto.so.3";
    private const int GetTag = 0x10;           // EVP_CTRL_AEAD_GET_TAG
    private const int SetTag = 0x11;           // EVP_CTRL_AEAD_SET_TAG

    private readonly nint _sealer = NewContext();
    private readonly nint _opener = NewContext();

    public Libcrypto(ReadOnlySpan<byte> key)
    {
        fixed (byte* keyBytes = key)
        {
            Check(EncryptInit(_sealer, Aes256Gcm(), 0, keyBytes, null));
            Check(DecryptInit(_opener, Aes256Gcm(), 0, keyBytes, null));
        }
    }

    /// <summary>The library is there.</summary>
    public static bool IsThere { get; } = OperatingSystem.IsLinux() && NativeLibrary.TryLoad(Name, out _);

    public void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag)
    {
        int bytes;
        fixed (byte* nonceBytes = nonce, headerBytes = header, text = body, tagBytes = tag)
        {
            Check(EncryptInit(_sealer, 0, 0, null, nonceBytes));
            Check(EncryptUpdate(_sealer, null, &bytes, headerBytes, header.Length));
            Check(EncryptUpdate(_sealer, text, &bytes, text, body.Length));
            Check(EncryptFinal(_sealer, text, &bytes));
            Check(Control(_sealer, GetTag, PacketCipher.TagBytes, tagBytes));
        }
    }

    public bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag)
    {
        int bytes;
        fixed (byte* nonceBytes = nonce, headerBytes = header, text = body, tagBytes = tag)
        {
            Check(DecryptInit(_opener, 0, 0, null, nonceBytes));
            Check(DecryptUpdate(_opener, null, &bytes, headerBytes, header.Length));
            Check(DecryptUpdate(_opener, text, &bytes, text, body.Length));
            Check(Control(_opener, SetTag, PacketCipher.TagBytes, tagBytes));
            return DecryptFinal(_opener, text, &bytes) > 0;
        }
    }

    public void Dispose()
    {
        FreeContext(_sealer);
        FreeContext(_opener);
    }

    private static void Check(int result)
    {
        if (result <= 0)
            throw new InvalidOperationException("libcrypto refused a call");
    }

    [LibraryImport(Name, EntryPoint = "EVP_CIPHER_CTX_new")]
    private static partial nint NewContext();

    [LibraryImport(Name, EntryPoint = "EVP_CIPHER_CTX_free")]
    private static partial void FreeContext(nint context);

    [LibraryImport(Name, EntryPoint = "EVP_aes_256_gcm")]
    private static partial nint Aes256Gcm();

    [LibraryImport(Name, EntryPoint = "EVP_EncryptInit_ex")]
    private static partial int EncryptInit(nint context, nint cipher, nint engine, byte* key, byte* nonce);

    [LibraryImport(Name, EntryPoint = "EVP_EncryptUpdate")]
    private static partial int EncryptUpdate(nint context, byte* to, int* toBytes, byte* from, int fromBytes);

    [LibraryImport(Name, EntryPoint = "EVP_EncryptFinal_ex")]
    private static partial int EncryptFinal(nint context, byte* to, int* toBytes);

    [LibraryImport(Name, EntryPoint = "EVP_DecryptInit_ex")]
    private static partial int DecryptInit(nint context, nint cipher, nint engine, byte* key, byte* nonce);

    [LibraryImport(Name, EntryPoint = "EVP_DecryptUpdate")]
    private static partial int DecryptUpdate(nint context, byte* to, int* toBytes, byte* from, int fromBytes);

    [LibraryImport(Name, EntryPoint = "EVP_DecryptFinal_ex")]
    private static partial int DecryptFinal(nint context, byte* to, int* toBytes);

    [LibraryImport(Name, EntryPoint = "EVP_CIPHER_CTX_ctrl")]
    private static partial int Control(nint context, int type, int argument, byte* pointer);
}
