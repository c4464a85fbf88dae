using System.Text;

namespace Hectare.Tests.Transport.Crypto;

/// <summary>One published answer: all of it as bytes.</summary>
public sealed record CipherVector(string Name, string Key, string Nonce, string Header, string Plain, string Sealed, string Tag)
{
    public byte[] KeyBytes => Convert.FromHexString(Key);

    public byte[] NonceBytes => Convert.FromHexString(Nonce);

    public byte[] HeaderBytes => Convert.FromHexString(Header);

    public byte[] PlainBytes => Convert.FromHexString(Plain);

    public byte[] SealedBytes => Convert.FromHexString(Sealed);

    public byte[] TagBytes => Convert.FromHexString(Tag);

    public override string ToString() => Name;
}

/// <summary>Answers that others have published.</summary>
internal static class CipherVectors
{
    private const string SpecKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    private const string SpecNonce = "cafebabefacedbaddecaf888";
    private const string SpecPlain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    private const string SpecSealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";

    /// <summary>AES-256-GCM: McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, cases 13 to 16 (17 and 18 have nonces of other
    /// lengths); NIST CAVP, gcmEncryptExtIV256, first case of some sections.</summary>
    public static IEnumerable<CipherVector> Aes256Gcm =>
    [
        new("spec 13", new string('0', 64), new string('0', 24), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
        new("spec 14", new string('0', 64), new string('0', 24), "", new string('0', 32), "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
        new("spec 15", SpecKey, SpecNonce, "", SpecPlain + "1aafd255", SpecSealed + "898015ad", "b094dac5d93471bdec1a502270e3cc6c"),
        new("spec 16", SpecKey, SpecNonce, "feedfacedeadbeeffeedfacedeadbeefabaddad2", SpecPlain, SpecSealed, "76fc6ece0f4e1768cddf8853bb2d551b"),
        new("text 0, header 0",
            "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7", "", "", "",
            "bdc1ac884d332457a1d2664f168c76f0"),
        new("text 0, header 16",
            "78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a", "b96baa8c1c75a671bfb2d08d06be5f36", "", "",
            "3e5d486aa2e30b22e040b85723a06e76"),
        new("text 13, header 0",
            "82c4f12eeec3b2d3d157b0f992d292b237478d2cecc1d5f161389b97f999057a", "7b40b20f5f397177990ef2d1", "", "982a296ee1cd7086afad976945",
            "ec8e05a0471d6b43a59ca5335f", "113ddeafc62373cac2f5951bb9165249"),
        new("text 13, header 20",
            "69b458f2644af9020463b40ee503cdf083d693815e2659051ae0d039e606a970", "8d1da8ab5f91ccd09205944b", "036ad5e5494ef817a8af2f5828784a4bfedd1653",
            "f3e0e09224256bf21a83a5de8d", "c0a62d77e6031bfdc6b13ae217", "a794a9aaee48cd92e47761bf1baff0af"),
        new("text 16, header 0",
            "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce", "", "2db5168e932556f8089a0622981d017d",
            "fa4362189661d163fcd6a56d8bf0405a", "d636ac1bbedd5cc3ee727dc2ab4a9489"),
        new("text 16, header 16",
            "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b", "ac93a1a6145299bde902f21a", "1e0889016f67601c8ebea4943bc23ad6",
            "2d71bcfa914e4ac045b2aa60955fad24", "8995ae2e6df3dbf96fac7b7137bae67f", "eca5aa77d51d4a0a14d9c51e1da474ab"),
        new("text 32, header 48",
            "dc776f0156c15d032623854b625c61868e5db84b7b6f9fbd3672f12f0025e0f6", "67130951c4a57f6ae7f13241",
            "fd0920faeb7b212932280a009bac969145e5c316cf3922622c3705c3457c4e9f124b2076994323fbcfb523f8ed16d241",
            "9378a727a5119595ad631b12a5a6bc8a91756ef09c8d6eaa2b718fe86876da20", "6d958c20870d401a3c1f7a0ac092c97774d451c09f7aae992a8841ff0ab9d60d",
            "b876831b4ecd7242963b040aa45c4114"),
        new("text 51, header 0",
            "1fded32d5999de4a76e0f8082108823aef60417e1896cf4218a2fa90f632ec8a", "1f3afa4711e9474f32e70462", "",
            "06b2c75853df9aeb17befd33cea81c630b0fc53667ff45199c629c8e15dce41e530aa792f796b8138eeab2e86c7b7bee1d40b0",
            "91fbd061ddc5a7fcc9513fcdfdc9c3a7c5d4d64cedf6a9c24ab8a77c36eefbf1c5dc00bc50121b96456c8cd8b6ff1f8b3e480f", "30096d340f3d5c42d82a6f475def23eb"),
        new("text 51, header 20",
            "24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f", "9ff18563b978ec281b3f2794", "adb5ec720ccf9898500028bf34afccbcaca126ef",
            "27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0b074b5f01b2c",
            "eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67c0fa5e85fab8", "bc95c532fecc594c36d1550286a7a3f0"),
    ];

    /// <summary>ChaCha20-Poly1305: RFC 8439, section 2.8.2.</summary>
    public static CipherVector ChaCha20Poly1305 => new(
        "RFC 8439, 2.8.2", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
        Convert.ToHexString(Encoding.ASCII.GetBytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")),
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
        + "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
        "1ae10b594f09e26a7e902ecbd0600691");
}
