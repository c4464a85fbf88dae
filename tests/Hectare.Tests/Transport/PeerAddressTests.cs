using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class PeerAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:4000")]
    [InlineData("0.0.0.0:0")]
    [InlineData("255.1.2.3:65535")]
    [InlineData("[::1]:4000")]
    [InlineData("[2001:db8::17]:1")]
    public void Text_comes_back(string text) => Assert.Equal(text, PeerAddress.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("127.1:4000")]
    [InlineData("4000")]
    [InlineData("localhost:4000")]
    [InlineData("::1:4000")]
    [InlineData("[::1]")]
    [InlineData("127.0.0.256:1")]
    public void What_is_no_address_is_not_read(string text)
    {
        Assert.False(PeerAddress.TryParse(text, out _));
        Assert.Throws<FormatException>(() => PeerAddress.Parse(text));
    }

    [Fact]
    public void IPv4_is_held_mapped()
    {
        PeerAddress address = PeerAddress.Parse("10.1.2.3:99");
        Assert.Equal(new PeerAddress(0, 0x0000_FFFF_0A01_0203, 99), address);
        Assert.True(address.IsIPv4);
        Assert.Equal(0x0A01_0203u, address.IPv4);
        Assert.Equal(address, PeerAddress.Parse("[::ffff:10.1.2.3]:99"));
        Assert.False(PeerAddress.Parse("[::1]:99").IsIPv4);
        Assert.Equal(PeerAddress.Parse("127.0.0.1:5"), PeerAddress.Loopback(5));
        Assert.True(default(PeerAddress).IsNone);
    }

    [Fact]
    public void Hashes_of_ten_thousand_loopback_peers_hardly_collide()
    {
        var hashes = new HashSet<int>();
        for (int i = 0; i < 10_000; i++)
            hashes.Add(PeerAddress.FromIPv4(0x7F00_0001u + (uint)i, 40_000 + (i % 7)).GetHashCode());
        Assert.True(hashes.Count > 9990);
    }

    [Fact]
    public void A_seed_gives_these_draws_on_every_runtime()
    {
        // By a Python model of splitmix64 and xoshiro256**.
        var random = new SeededRandom(1);
        Assert.Equal(0xB3F2AF6D0FC710C5, random.NextUInt64());
        Assert.Equal(0x853B559647364CEA, random.NextUInt64());
        var mean = new SeededRandom(2);
        double sum = 0;
        for (int i = 0; i < 100_000; i++)
        {
            Assert.InRange(mean.Next(-3, 4), -3, 3);
            Assert.InRange(mean.Next(5L, 6L), 5, 5);
            Assert.InRange(mean.NextDouble(), 0, 0.9999999999999999);
            sum += mean.NextExponential(6);
        }

        Assert.InRange(sum / 100_000, 5.9, 6.1);
    }
}
