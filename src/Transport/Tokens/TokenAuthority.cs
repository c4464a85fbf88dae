using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>What a token is to say.</summary>
public sealed record TokenRequest
{
    /// <summary>Longest user data, bytes.</summary>
    public const int UserDataBytesMax = 512;

    /// <summary>Who the player is, to the game: an account's number.</summary>
    public required ulong ClientId { get; init; }

    /// <summary>The player's stay. A token of a session that has an avatar in the zone brings its bearer back to it.</summary>
    public required SessionId Session { get; init; }

    /// <summary>Where it may be used, 1 to 4.</summary>
    public required PeerAddress[] Endpoints { get; init; }

    /// <summary>When it expires. A minute is plenty for a login; a zone remembers a used token until then.</summary>
    public required ulong ExpiresUnixSeconds { get; init; }

    /// <summary>The game's own: a name, a look, a rank. At most 512 bytes; the zone's game gets it back, and nobody else can read it.</summary>
    public ReadOnlyMemory<byte> UserData { get; init; }

    /// <summary>True for a token that a zone gave to bring a lost player back.</summary>
    public bool IsResume { get; init; }

    internal void Validate()
    {
        OptionException.Check(nameof(Endpoints), Endpoints.Length, 1, ConnectToken.EndpointsMax, "endpoints");
        OptionException.Check(nameof(UserData), UserData.Length, 0, UserDataBytesMax, "bytes");
    }
}

/// <summary>What became of a sealed token that a client brought.</summary>
public enum TokenResult : byte
{
    /// <summary>Sound; whether it was used before is the zone's to know.</summary>
    Opened,

    /// <summary>Not the layout of a token.</summary>
    Malformed,

    /// <summary>Sealed under a key that this ring does not have.</summary>
    UnknownKey,

    /// <summary>For another protocol version.</summary>
    WrongVersion,

    /// <summary>Too late.</summary>
    Expired,

    /// <summary>Forged or damaged.</summary>
    BadSeal,

    /// <summary>Good for other endpoints than this one.</summary>
    WrongEndpoint,
}

/// <summary>A token that was opened. Its user data is in <see cref="TokenAuthority.UserData"/> until the next one is.</summary>
public readonly struct OpenedToken
{
    /// <summary>Who.</summary>
    public ulong ClientId { get; internal init; }

    /// <summary>The stay.</summary>
    public SessionId Session { get; internal init; }

    /// <summary>The one-use number.</summary>
    public Random128 TokenId { get; internal init; }

    /// <summary>When it expires.</summary>
    public ulong ExpiresUnixSeconds { get; internal init; }

    /// <summary>A resume token.</summary>
    public bool IsResume { get; internal init; }

    internal Secret256 Secret { get; init; }
}

/// <summary>Mints connect tokens for a login service, and opens them for a zone. The two share nothing but the cluster keys.</summary>
/// <remarks><code>
/// sealed   key id u8 | protocol version u16 | expires u64, unix seconds | nonce 12 | ciphertext | tag 16        the first 11 bytes are authenticated too
/// plain    client id u64 | session 16 | token id 16 | secret 32 | flags u8 (bit 0 resume) | endpoints u8 | endpoints, 18 each | user bytes u16 | user data
/// </code>AES-256-GCM. The scheme is that of the public netcode standard's connect tokens. Opening allocates nothing. One thread at a time.</remarks>
public sealed class TokenAuthority
{
    /// <summary>Fresh random bytes that one token takes.</summary>
    public const int RandomBytes = 16 + Secret256.Bytes + PacketCipher.NonceBytes;

    private const int HeaderBytes = 11;
    private const int CipherOffset = HeaderBytes + PacketCipher.NonceBytes;
    private const int PlainFixedBytes = 8 + 16 + 16 + Secret256.Bytes + 1 + 1 + 2;
    private const byte ResumeFlag = 1;

    private readonly (byte Id, PacketCipher Cipher)[] _ciphers;
    private readonly ushort _version;
    private readonly byte[] _scratch = new byte[ConnectToken.SealedBytesMax];
    private int _userOffset;
    private int _userBytes;

    /// <summary>Starts with a ring of keys.</summary>
    public TokenAuthority(ClusterKeys keys)
        : this(keys, Handshake.ProtocolVersion)
    {
    }

    internal TokenAuthority(ClusterKeys keys, ushort version)
    {
        ArgumentNullException.ThrowIfNull(keys);
        _version = version;
        _ciphers = new (byte, PacketCipher)[keys.Count];
        for (int i = 0; i < _ciphers.Length; i++)
            _ciphers[i] = (keys.All[i].Id, PacketCipher.Create(CipherSuite.Aes256Gcm, keys.All[i].Key));
    }

    /// <summary>User data of the token opened last.</summary>
    public ReadOnlySpan<byte> UserData => _scratch.AsSpan(_userOffset, _userBytes);

    /// <summary>Makes a token.</summary>
    /// <param name="request">What it says.</param>
    /// <param name="random">60 fresh bytes of a cryptographic generator (<see cref="RandomBytes"/>): its number, its secret, its nonce.</param>
    /// <exception cref="OptionException">Not 1 to 4 endpoints, or too much user data.</exception>
    public ConnectToken Mint(TokenRequest request, ReadOnlySpan<byte> random)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Validate();
        OptionException.Check(nameof(random), random.Length, RandomBytes, RandomBytes, "bytes");
        byte[] token = new byte[SealedBytes(request.Endpoints.Length, request.UserData.Length)];
        Seal(request.ClientId, request.Session, request.Endpoints, request.ExpiresUnixSeconds, request.UserData.Span, request.IsResume, random, token);
        return new ConnectToken(_version, request.ExpiresUnixSeconds, [.. request.Endpoints], new Secret256(random[16..]), token);
    }

    /// <summary>Makes a token that brings a player back to its session, as the bytes that <see cref="ConnectToken.TryRead"/> takes. Allocates nothing.</summary>
    /// <param name="clientId">Who.</param>
    /// <param name="session">The stay.</param>
    /// <param name="endpoints">Where it may be used, 1 to 4.</param>
    /// <param name="expiresUnixSeconds">When it expires.</param>
    /// <param name="userData">What the first token said, at most 512 bytes.</param>
    /// <param name="random">60 fresh bytes of a cryptographic generator.</param>
    /// <param name="token">At least <see cref="ConnectToken.BytesMax"/>.</param>
    /// <returns>Its bytes.</returns>
    public int MintResume(ulong clientId, SessionId session, ReadOnlySpan<PeerAddress> endpoints, ulong expiresUnixSeconds, ReadOnlySpan<byte> userData, ReadOnlySpan<byte> random, Span<byte> token)
    {
        int sealedBytes = SealedBytes(endpoints.Length, userData.Length);
        int used = ConnectToken.WriteHead(token, _version, expiresUnixSeconds, endpoints, new Secret256(random[16..]), sealedBytes);
        Seal(clientId, session, endpoints, expiresUnixSeconds, userData, isResume: true, random, token.Slice(used, sealedBytes));
        return used + sealedBytes;
    }

    private static int SealedBytes(int endpoints, int userBytes) => CipherOffset + PlainFixedBytes + (endpoints * ConnectToken.EndpointBytes) + userBytes + PacketCipher.TagBytes;

    private void Seal(ulong clientId, SessionId session, ReadOnlySpan<PeerAddress> endpoints, ulong expiresUnixSeconds, ReadOnlySpan<byte> userData, bool isResume, ReadOnlySpan<byte> random, Span<byte> token)
    {
        token[0] = _ciphers[0].Id;
        BinaryPrimitives.WriteUInt16LittleEndian(token[1..], _version);
        BinaryPrimitives.WriteUInt64LittleEndian(token[3..], expiresUnixSeconds);
        random[48..RandomBytes].CopyTo(token[HeaderBytes..]);
        Span<byte> plain = token[CipherOffset..^PacketCipher.TagBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(plain, clientId);
        BinaryPrimitives.WriteUInt64LittleEndian(plain[8..], session.High);
        BinaryPrimitives.WriteUInt64LittleEndian(plain[16..], session.Low);
        random[..(16 + Secret256.Bytes)].CopyTo(plain[24..]);      // its number and its secret
        plain[72] = isResume ? ResumeFlag : (byte)0;
        int used = 73 + ConnectToken.WriteEndpoints(plain[73..], endpoints);
        BinaryPrimitives.WriteUInt16LittleEndian(plain[used..], (ushort)userData.Length);
        userData.CopyTo(plain[(used + 2)..]);
        _ciphers[0].Cipher.Seal(token.Slice(HeaderBytes, PacketCipher.NonceBytes), token[..HeaderBytes], plain, token[^PacketCipher.TagBytes..]);
    }

    /// <summary>Opens what a client brought.</summary>
    /// <param name="sealedPart">Bytes of a stranger.</param>
    /// <param name="unixSeconds">Now.</param>
    /// <param name="here">Addresses of this server as tokens name them; empty: not compared.</param>
    /// <param name="token">What it says; meaningful when the result is <see cref="TokenResult.Opened"/>.</param>
    public TokenResult TryOpen(ReadOnlySpan<byte> sealedPart, ulong unixSeconds, ReadOnlySpan<PeerAddress> here, out OpenedToken token)
    {
        token = default;
        _userBytes = 0;
        if (sealedPart.Length < CipherOffset + PlainFixedBytes + ConnectToken.EndpointBytes + PacketCipher.TagBytes || sealedPart.Length > ConnectToken.SealedBytesMax)
            return TokenResult.Malformed;
        if (BinaryPrimitives.ReadUInt16LittleEndian(sealedPart[1..]) != _version)
            return TokenResult.WrongVersion;
        ulong expires = BinaryPrimitives.ReadUInt64LittleEndian(sealedPart[3..]);
        if (unixSeconds > expires)
            return TokenResult.Expired;
        PacketCipher? cipher = null;
        foreach ((byte id, PacketCipher known) in _ciphers)
            cipher = id == sealedPart[0] ? known : cipher;
        if (cipher is null)
            return TokenResult.UnknownKey;
        Span<byte> plain = _scratch.AsSpan(0, sealedPart.Length - CipherOffset - PacketCipher.TagBytes);
        sealedPart[CipherOffset..^PacketCipher.TagBytes].CopyTo(plain);
        return cipher.TryOpen(sealedPart.Slice(HeaderBytes, PacketCipher.NonceBytes), sealedPart[..HeaderBytes], plain, sealedPart[^PacketCipher.TagBytes..])
            ? ReadPlain(plain, expires, here, out token)
            : TokenResult.BadSeal;
    }

    private TokenResult ReadPlain(ReadOnlySpan<byte> plain, ulong expires, ReadOnlySpan<PeerAddress> here, out OpenedToken token)
    {
        token = default;
        int endpoints = plain[73];
        int used = 74 + (endpoints * ConnectToken.EndpointBytes);
        if (endpoints is 0 or > ConnectToken.EndpointsMax || plain.Length < used + 2)
            return TokenResult.Malformed;
        bool isHere = here.IsEmpty;
        for (int i = 0; i < endpoints && !isHere; i++)
            isHere = here.Contains(ConnectToken.ReadEndpoint(plain[(74 + (i * ConnectToken.EndpointBytes))..]));
        int userBytes = BinaryPrimitives.ReadUInt16LittleEndian(plain[used..]);
        if (plain.Length != used + 2 + userBytes)
            return TokenResult.Malformed;
        if (!isHere)
            return TokenResult.WrongEndpoint;
        _userOffset = used + 2;
        _userBytes = userBytes;
        token = new OpenedToken
        {
            ClientId = BinaryPrimitives.ReadUInt64LittleEndian(plain),
            Session = new SessionId(BinaryPrimitives.ReadUInt64LittleEndian(plain[8..]), BinaryPrimitives.ReadUInt64LittleEndian(plain[16..])),
            TokenId = Random128.Read(plain[24..]),
            Secret = new Secret256(plain[40..]),
            IsResume = (plain[72] & ResumeFlag) != 0,
            ExpiresUnixSeconds = expires,
        };
        return TokenResult.Opened;
    }
}
