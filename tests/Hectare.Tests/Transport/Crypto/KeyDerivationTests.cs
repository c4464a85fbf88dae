using System.Text;
using Hectare.Protocol;
using Hectare.Transport.Crypto;

namespace Hectare.Tests.Transport.Crypto;

/// <summary>HMAC-SHA256 and HKDF against their standards' vectors and the framework.</summary>
public sealed class KeyDerivationTests
{
    private const string Case6 = "Test Using Larger Than Block-Size Key - Hash Key First";
    private const string Case7 = "This is a test using a larger than block-size key and a larger than block-size data. "
        + "The key needs to be hashed before being used by the HMAC algorithm.";

    /// <summary>RFC 4231, section 4; case 5 is one of a tag cut short, which we never do.</summary>
    public static TheoryData<string, string, string> Rfc4231 => new()
    {
        { Repeat("0B", 20), Hex("Hi There"), "B0344C61D8DB38535CA8AFCEAF0BF12B881DC200C9833DA726E9376C2E32CFF7" },
        { Hex("Jefe"), Hex("what do ya want for nothing?"), "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843" },
        { Repeat("AA", 20), Repeat("DD", 50), "773EA91E36800E46854DB8EBD09181A72959098B3EF8C122D9635514CED565FE" },
        { "0102030405060708090A0B0C0D0E0F10111213141516171819", Repeat("CD", 50), "82558A389A443C0EA4CC819899F2083A85F0FAA3E578F8077A2E3FF46729665B" },
        { Repeat("AA", 131), Hex(Case6), "60E431591EE0B67F0D8A26AACBF5B77F8E0BC6213728C5140546040F0EE37F54" },
        { Repeat("AA", 131), Hex(Case7), "9B09FFA71B942FCB27635FBCD5B0E944BFDC63644F0713938A7F51535C3A35E2" },
    };

    /// <summary>RFC 5869, appendix A.1 to A.3: input key, salt, info, prk, output.</summary>
    public static TheoryData<string, string, string, string, string> Rfc5869 => new()
    {
        {
            Repeat("0B", 22), "000102030405060708090A0B0C", "F0F1F2F3F4F5F6F7F8F9",
            "077709362C2E32DF0DDC3F0DC47BBA6390B6C73BB50F9C3122EC844AD7C2B3E5",
            "3CB25F25FAACD57A90434F64D0362F2A2D2D0A90CF1A5A4C5DB02D56ECC4C5BF34007208D5B887185865"
        },
        {
            Count(0x00), Count(0x60), Count(0xB0),
            "06A6B88C5853361A06104C9CEB35B45CEF760014904671014A193F40C15FC244",
            "B11E398DC80327A1C8E7F78C596A49344F012EDA2D4EFAD8A050CC4C19AFA97C59045A99CAC7827271CB41C65E590E09DA3275600C2F09B8367793A9ACA3DB71CC30C58179EC3E87C14C01D5C1F3434F1D87"
        },
        {
            Repeat("0B", 22), "", "",
            "19EF24A32C717B167F33A91D6F648BDF96596776AFDB6377AC434C1C293CCB04",
            "8DA4E775A563C18F715F802A063C5A31B8A11F5C5EE1879EC3454E5F3C738D2D9D201395FAA4B61A96C8"
        },
    };

    [Theory]
    [MemberData(nameof(Rfc4231))]
    public void Codes_are_those_of_the_standard(string key, string message, string mac)
    {
        byte[] written = new byte[32];
        HmacSha256.Mac(Convert.FromHexString(key), Convert.FromHexString(message), written);
        Assert.Equal(mac, Convert.ToHexString(written));
    }

    [Theory]
    [MemberData(nameof(Rfc5869))]
    public void Keys_are_those_of_the_standard(string inputKey, string salt, string info, string prk, string output)
    {
        byte[] extracted = new byte[32];
        Hkdf.Extract(Convert.FromHexString(salt), Convert.FromHexString(inputKey), extracted);
        Assert.Equal(prk, Convert.ToHexString(extracted));
        byte[] expanded = new byte[output.Length / 2];
        Hkdf.Expand(extracted, Convert.FromHexString(info), expanded);
        Assert.Equal(output, Convert.ToHexString(expanded));
    }

    [Fact]
    public void Codes_and_keys_of_any_length_are_the_frameworks()
    {
        var random = new SeededRandom(4231);
        byte[] mac = new byte[32];
        for (int length = 0; length <= HmacSha256.MessageBytesMax; length += 1 + random.Next(0, 40))
        {
            byte[] key = Bytes(ref random, random.Next(0, 130)), message = Bytes(ref random, length);
            HmacSha256.Mac(key, message, mac);
            Assert.Equal(System.Security.Cryptography.HMACSHA256.HashData(key, message), mac);
            byte[] output = new byte[random.Next(1, 400)], info = Bytes(ref random, random.Next(0, Hkdf.InfoBytesMax + 1));
            Hkdf.Expand(mac, info, output);
            Assert.Equal(System.Security.Cryptography.HKDF.Expand(System.Security.Cryptography.HashAlgorithmName.SHA256, mac, output.Length, info), output);
        }
    }

    [Fact]
    public void A_code_may_be_written_over_its_message()
    {
        byte[] bytes = Convert.FromHexString(Repeat("DD", 50));
        HmacSha256.Mac(Convert.FromHexString(Repeat("AA", 20)), bytes, bytes);
        Assert.StartsWith("773EA91E36800E46854DB8EBD09181A72959098B3EF8C122D9635514CED565FE", Convert.ToHexString(bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void Too_much_is_said_to_be_too_much()
    {
        byte[] tooLong = new byte[8_161], key = new byte[32];
        Assert.Throws<ArgumentException>("message", () => HmacSha256.Mac(key, tooLong.AsSpan(0, 2_049), new byte[32]));
        Assert.Throws<ArgumentException>("mac", () => HmacSha256.Mac(key, key, new byte[31]));
        Assert.Throws<ArgumentException>("info", () => Hkdf.Expand(key, tooLong.AsSpan(0, 1_025), new byte[32]));
        Assert.Throws<ArgumentException>("output", () => Hkdf.Expand(key, default, tooLong));
        Hkdf.Expand(key, tooLong.AsSpan(0, 1_024), tooLong.AsSpan(0, 8_160));
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        byte[] key = new byte[32], message = new byte[1_200], output = new byte[100];
        Assert.Equal(0, Allocation.SteadyBytes(() =>
        {
            for (int i = 0; i < 50; i++)
            {
                HmacSha256.Mac(key, message, output);
                Hkdf.Extract(key, message, output);
                Hkdf.Expand(key, key, output);
            }
        }));
    }

    private static byte[] Bytes(ref SeededRandom random, int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
            bytes[i] = (byte)random.NextUInt64();
        return bytes;
    }

    private static string Hex(string text) => Convert.ToHexString(Encoding.ASCII.GetBytes(text));

    private static string Repeat(string hex, int times) => string.Concat(Enumerable.Repeat(hex, times));

    // 80 bytes that count from the first.
    private static string Count(int first) => Convert.ToHexString([.. Enumerable.Range(first, 80).Select(value => (byte)value)]);
}
