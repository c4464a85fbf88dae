using System.Text;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>A sealed token: broken before it is sealed, so that its plain part is read, and after, when nothing may open it.</summary>
/// <remarks>Input: flags u8 (bit 0: not sealed here, taken as it is; bit 1: a bit is flipped afterwards), the bit's place u16, the token with its plain
/// part in the open.</remarks>
internal sealed class TokenTarget() : FuzzTarget("token", "a sealed connect token, as a client brings it")
{
    private const int PlaceBytes = 3;
    private const byte RawFlag = 1, FlipFlag = 2;
    private const int HeaderBytes = 11, PlainOffset = HeaderBytes + PacketCipher.NonceBytes;

    private static readonly PacketCipher Cipher = PacketCipher.Create(CipherSuite.Aes256Gcm, FuzzKeys.Cluster.All[0].Key);

    private readonly TokenAuthority _tokens = new(FuzzKeys.Cluster);
    private readonly TokenAuthority _mint = new(FuzzKeys.Cluster);
    private readonly byte[] _sealed = new byte[1200];

    public override int InputBytesMax => PlaceBytes + ConnectToken.SealedBytesMax + 60;

    // Nothing of its own; a token that opens is minted again, and one that does not may make the framework throw inside.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 8192;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        destination[..PlaceBytes].Clear();
        var request = new TokenRequest
        {
            ClientId = random.NextUInt64(),
            Session = new SessionId(random.NextUInt64(), random.NextUInt64()),
            Endpoints = [.. Enumerable.Repeat(FuzzKeys.Server, random.Next(1, ConnectToken.EndpointsMax + 1))],
            ExpiresUnixSeconds = FuzzKeys.NowUnixSeconds + (ulong)random.Next(0, 1000),
            UserData = new byte[random.Next(0, TokenRequest.UserDataBytesMax + 1)],
            IsResume = random.Next(0, 2) == 0,
        };
        ReadOnlySpan<byte> made = _mint.Mint(request, FuzzKeys.Random(random.NextUInt64())).Sealed;
        made.CopyTo(destination[PlaceBytes..]);
        Span<byte> token = destination.Slice(PlaceBytes, made.Length);
        Cipher.TryOpen(token.Slice(HeaderBytes, PacketCipher.NonceBytes), token[..HeaderBytes], token[PlainOffset..^PacketCipher.TagBytes], token[^PacketCipher.TagBytes..]);
        return PlaceBytes + made.Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.Length < PlaceBytes)
            return RunResult.Refused;
        byte flags = input[0];
        int place = input[1] | (input[2] << 8);
        Span<byte> token = _sealed.AsSpan(0, input.Length - PlaceBytes);
        input[PlaceBytes..].CopyTo(token);
        bool sealable = token.Length >= PlainOffset + PacketCipher.TagBytes;
        if (sealable && (flags & RawFlag) == 0)
            Cipher.Seal(token.Slice(HeaderBytes, PacketCipher.NonceBytes), token[..HeaderBytes], token[PlainOffset..^PacketCipher.TagBytes], token[^PacketCipher.TagBytes..]);
        bool flipped = sealable && (flags & FlipFlag) != 0;
        if (flipped)
            token[place % token.Length] ^= (byte)(1 << (place >> 13));
        TokenResult result = _tokens.TryOpen(token, FuzzKeys.NowUnixSeconds, [FuzzKeys.Server], out OpenedToken opened);
        if (result != TokenResult.Opened)
        {
            Property.Holds(_tokens.UserData.IsEmpty, "a token that did not open left user data");
            return RunResult.Refused;
        }

        Property.Holds(!flipped && (flags & RawFlag) == 0, "a token opens that nobody sealed");
        CheckAgain(token, opened, input[PlaceBytes..]);
        return RunResult.Taken;
    }

    // What it says, minted with the same chance, is the same token.
    private void CheckAgain(ReadOnlySpan<byte> token, in OpenedToken opened, ReadOnlySpan<byte> plainToken)
    {
        ReadOnlySpan<byte> plain = plainToken[PlainOffset..];
        Property.Holds(opened.ExpiresUnixSeconds >= FuzzKeys.NowUnixSeconds, "a token that has expired opens");
        if (plain[72] > 1 || _tokens.UserData.Length > TokenRequest.UserDataBytesMax)
            return;   // flags of later versions, or more of the game's own than is minted
        byte[] random = new byte[TokenAuthority.RandomBytes];
        opened.TokenId.Write(random);
        opened.Secret.Write(random.AsSpan(16));
        token.Slice(HeaderBytes, PacketCipher.NonceBytes).CopyTo(random.AsSpan(48));
        var endpoints = new PeerAddress[plain[73]];
        for (int i = 0; i < endpoints.Length; i++)
            endpoints[i] = ConnectToken.ReadEndpoint(plain[(74 + (i * ConnectToken.EndpointBytes))..]);
        ConnectToken again = _mint.Mint(
            new TokenRequest
            {
                ClientId = opened.ClientId,
                Session = opened.Session,
                Endpoints = endpoints,
                ExpiresUnixSeconds = opened.ExpiresUnixSeconds,
                UserData = _tokens.UserData.ToArray(),
                IsResume = opened.IsResume,
            },
            random);
        Property.Holds(again.Sealed.SequenceEqual(token), "a token that was opened is minted otherwise");
    }
}

/// <summary>A token as text, as a login service gives it to a player.</summary>
internal sealed class TokenTextTarget() : FuzzTarget("token-text", "a connect token as text")
{
    private static readonly byte[] Fixed = FuzzKeys.Random(1);

    private readonly TokenAuthority _mint = new(FuzzKeys.Cluster);

    public override int InputBytesMax => 1600;

    // Arrays and a string of at most its length, twice over.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 16_384;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var request = new TokenRequest
        {
            ClientId = random.NextUInt64(),
            Session = default,
            Endpoints = [.. Enumerable.Repeat(FuzzKeys.Server, random.Next(1, ConnectToken.EndpointsMax + 1))],
            ExpiresUnixSeconds = random.NextUInt64(),
            UserData = new byte[random.Next(0, 300)],
        };
        return Encoding.ASCII.GetBytes(_mint.Mint(request, Fixed).ToText(), destination);
    }

    public override RunResult Run(Span<byte> input)
    {
        Span<char> text = stackalloc char[input.Length];
        Encoding.Latin1.GetChars(input, text);
        if (!ConnectToken.TryParse(text, out ConnectToken token))
        {
            Property.Holds(token is null, "a refused token was given out");
            return RunResult.Refused;
        }

        Property.Holds(token.Endpoints.Length is >= 1 and <= ConnectToken.EndpointsMax && token.ToString().Length > 0, "a token for nowhere");
        Property.Holds(ConnectToken.TryParse(token.ToText(), out ConnectToken again) && again.ToText() == token.ToText(), "a token that was read is written otherwise");
        return RunResult.Taken;
    }
}

/// <summary>A file of cluster keys. What it refuses it explains without repeating it.</summary>
internal sealed class ClusterKeysTarget() : FuzzTarget("cluster-keys", "a file of cluster keys")
{
    public override int InputBytesMax => 768;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 32_768;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var text = new StringBuilder();
        int first = random.Next(0, 200);
        for (int i = random.Next(1, ClusterKeys.CountMax + 1); i > 0; i--)
        {
            text.Append(random.Next(0, 5) == 0 ? "# a comment\n" : "").Append(first + i).Append(':');
            for (int j = 0; j < ClusterKeys.KeyBytes; j++)
                text.Append(((int)random.NextUInt64() & 0xFF).ToString(random.Next(0, 2) == 0 ? "x2" : "X2", System.Globalization.CultureInfo.InvariantCulture));
            text.Append('\n');
        }

        return Encoding.ASCII.GetBytes(text.ToString(), destination);
    }

    public override RunResult Run(Span<byte> input)
    {
        Span<char> text = stackalloc char[input.Length];
        Encoding.Latin1.GetChars(input, text);
        if (!ClusterKeys.TryParse(text, out ClusterKeys keys, out string error))
        {
            Property.Holds(error.Length is > 0 and < 120, "a refusal without a word, or with too many");
            return RunResult.Refused;
        }

        Property.Holds(keys.Count is >= 1 and <= ClusterKeys.CountMax, "more keys than a ring may have");
        Property.Holds(ClusterKeys.TryParse(keys.ToText(), out ClusterKeys again, out _) && again.ToText() == keys.ToText(), "keys that were read are written otherwise");
        return RunResult.Taken;
    }
}

/// <summary>A line of a key log.</summary>
internal sealed class SecretsTarget() : FuzzTarget("traffic-secrets", "a line of a key file for captures")
{
    public override int InputBytesMax => 200;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 8192;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte[] client = FuzzKeys.Random(random.NextUInt64())[..32], server = FuzzKeys.Random(random.NextUInt64())[..32];
        return Encoding.ASCII.GetBytes(new TrafficSecrets(random.NextUInt64(), (CipherSuite)random.Next(1, 3), client, server).ToLine(), destination);
    }

    public override RunResult Run(Span<byte> input)
    {
        if (!TrafficSecrets.TryParse(Encoding.Latin1.GetString(input), out TrafficSecrets secrets))
            return RunResult.Refused;
        Property.Holds(TrafficSecrets.TryParse(secrets.ToLine(), out TrafficSecrets again) && again.ToLine() == secrets.ToLine(), "secrets that were read are written otherwise");
        Property.Holds(secrets.ConnectionId == again.ConnectionId && secrets.Client.Length == 32 && secrets.Server.Length == 32, "secrets of another length");
        return RunResult.Taken;
    }
}
