using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class TokenTests
{
    private static readonly byte[] UserData = "Ada, farmer"u8.ToArray();
    private static readonly TokenRequest Request = TestTokens.Request with { UserData = UserData, IsResume = true };

    [Fact]
    public void A_token_opens_to_what_it_was_minted_for()
    {
        var authority = new TokenAuthority(TestTokens.Keys);
        ConnectToken token = authority.Mint(Request, TestTokens.Random(3));
        Assert.Equal(TokenResult.Opened, authority.TryOpen(token.Sealed, 60, [], out OpenedToken opened));
        Assert.Equal((42UL, Request.Session, 60UL, true), (opened.ClientId, opened.Session, opened.ExpiresUnixSeconds, opened.IsResume));
        Assert.Equal(Random128.Read(TestTokens.Random(3)), opened.TokenId);
        Assert.Equal(token.Secret.ToArray(), opened.Secret.ToArray());
        Assert.Equal(UserData, authority.UserData.ToArray());
    }

    [Fact]
    public void A_token_survives_its_text_and_hides_its_secret_in_prints()
    {
        TokenRequest widest = Request with
        {
            Endpoints = [PeerAddress.Loopback(1), PeerAddress.Parse("203.0.113.7:4000"), PeerAddress.Parse("[2001:db8::1]:9"), PeerAddress.Loopback(65535)],
            UserData = new byte[TokenRequest.UserDataBytesMax],
        };
        ConnectToken token = TestTokens.Mint(9, widest);
        string text = token.ToText();
        Assert.True(ConnectToken.TryParse(text, out ConnectToken read));
        Assert.Equal(text, read.ToText());
        Assert.Equal(widest.Endpoints, read.Endpoints.ToArray());
        Assert.InRange(token.Sealed.Length, 1, ConnectToken.SealedBytesMax);
        Assert.Contains("203.0.113.7:4000", token.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(token.Secret.ToArray())[..8], token.ToString() + token.Secret, StringComparison.Ordinal);
        for (int length = 0; length < text.Length; length++)
            Assert.False(ConnectToken.TryParse(text.AsSpan(0, length), out _), $"{length} of {text.Length} characters");
        Assert.False(ConnectToken.TryParse(text + "A", out _));
        Assert.False(ConnectToken.TryParse(new string('A', 100_000), out _));
        Assert.False(ConnectToken.TryParse("not a token!", out _));
    }

    [Fact]
    public void A_token_with_any_bit_changed_or_cut_does_not_open()
    {
        var authority = new TokenAuthority(TestTokens.Keys);
        byte[] token = authority.Mint(Request, TestTokens.Random(1)).Sealed.ToArray();
        for (int bit = 0; bit < token.Length * 8; bit++)
        {
            token[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.NotEqual(TokenResult.Opened, authority.TryOpen(token, 0, [], out OpenedToken opened));
            Assert.Equal(0UL, opened.ClientId);
            token[bit >> 3] ^= (byte)(1 << (bit & 7));
        }

        for (int length = 0; length < token.Length; length++)
            Assert.NotEqual(TokenResult.Opened, authority.TryOpen(token.AsSpan(0, length), 0, [], out _));
        Assert.Equal(TokenResult.Malformed, authority.TryOpen(new byte[ConnectToken.SealedBytesMax + 1], 0, [], out _));
    }

    [Fact]
    public void A_token_is_refused_by_reason()
    {
        var authority = new TokenAuthority(TestTokens.Keys);
        ReadOnlySpan<byte> token = authority.Mint(Request, TestTokens.Random(1)).Sealed;
        Assert.Equal(TokenResult.Opened, authority.TryOpen(token, 60, [PeerAddress.Loopback(1), TestTokens.Endpoint], out _));
        Assert.Equal(TokenResult.Expired, authority.TryOpen(token, 61, [], out _));
        Assert.Equal(TokenResult.WrongEndpoint, authority.TryOpen(token, 0, [PeerAddress.Loopback(1)], out _));
        Assert.Equal(TokenResult.UnknownKey, new TokenAuthority(ClusterKeys.Of(8, new byte[32])).TryOpen(token, 0, [], out _));
        Assert.Equal(TokenResult.BadSeal, new TokenAuthority(ClusterKeys.Of(7, new byte[32])).TryOpen(token, 0, [], out _));
        Assert.Equal(TokenResult.WrongVersion, new TokenAuthority(TestTokens.Keys, 99).TryOpen(token, 0, [], out _));
        Assert.Equal(TokenResult.Malformed, authority.TryOpen([], 0, [], out _));
    }

    [Fact]
    public void A_ring_rotates_the_first_key_seals_and_every_key_opens()
    {
        string older = $"1:{new string('a', 64)}\n";
        string newer = $"2:{new string('b', 64)}\n";
        Assert.True(ClusterKeys.TryParse(older, out ClusterKeys before, out _));
        Assert.True(ClusterKeys.TryParse($"# the new one first\n{newer}\n  {older}", out ClusterKeys after, out _));
        Assert.Equal((2, (byte)2, newer + older), (after.Count, after.CurrentId, after.ToText()));
        byte[] old = new TokenAuthority(before).Mint(Request, TestTokens.Random(1)).Sealed.ToArray();
        var authority = new TokenAuthority(after);
        Assert.Equal(TokenResult.Opened, authority.TryOpen(old, 0, [], out _));
        byte[] fresh = authority.Mint(Request, TestTokens.Random(1)).Sealed.ToArray();
        Assert.Equal((1, 2), (old[0], fresh[0]));
        Assert.Equal(TokenResult.UnknownKey, new TokenAuthority(before).TryOpen(fresh, 0, [], out _));
        Assert.DoesNotContain("bbbb", after.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "0 keys: must be 1 to 8")]
    [InlineData("1:abc", "line 1: must be 'id:key', an id from 0 to 255 and 64 hexadecimal digits")]
    [InlineData("\n256:0000000000000000000000000000000000000000000000000000000000000000", "line 2: must be 'id:key', an id from 0 to 255 and 64 hexadecimal digits")]
    [InlineData("1:zz00000000000000000000000000000000000000000000000000000000000000", "line 1: must be 'id:key', an id from 0 to 255 and 64 hexadecimal digits")]
    [InlineData("1:0000000000000000000000000000000000000000000000000000000000000000\n1:0000000000000000000000000000000000000000000000000000000000000001", "line 2: id 1 is there twice")]
    public void A_bad_key_file_is_told_by_its_line(string text, string expected)
    {
        Assert.False(ClusterKeys.TryParse(text, out _, out string error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void A_token_that_cannot_be_is_not_minted()
    {
        var authority = new TokenAuthority(TestTokens.Keys);
        byte[] random = TestTokens.Random(1);
        Assert.Equal("Endpoints", Assert.Throws<OptionException>(() => authority.Mint(Request with { Endpoints = [] }, random)).Name);
        Assert.Equal("Endpoints", Assert.Throws<OptionException>(() => authority.Mint(Request with { Endpoints = new PeerAddress[5] }, random)).Name);
        Assert.Equal("UserData", Assert.Throws<OptionException>(() => authority.Mint(Request with { UserData = new byte[513] }, random)).Name);
        Assert.Equal("random", Assert.Throws<OptionException>(() => authority.Mint(Request, random.AsSpan(1))).Name);
    }

    [Fact]
    public void Opening_costs_no_memory()
    {
        var authority = new TokenAuthority(TestTokens.Keys);
        byte[] token = authority.Mint(Request, TestTokens.Random(1)).Sealed.ToArray();
        byte[] forged = [.. token];
        forged[^1] ^= 1;
        Assert.Equal(0, Allocation.SteadyBytes(() =>
        {
            for (int i = 0; i < 300; i++)
            {
                authority.TryOpen(token, 0, [], out _);
                authority.TryOpen(token, 99, [], out _);
                authority.TryOpen(forged, 0, [], out _);
            }
        }));
    }
}
