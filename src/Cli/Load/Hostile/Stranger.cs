using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Makes datagrams of someone whom the server does not know: sound, forged, or nothing at all. One thread at a time.</summary>
internal sealed class Stranger
{
    private const byte OtherKeyId = 200;

    private readonly TokenAuthority _otherTokens;
    private readonly HandshakeServer _otherServer;
    private readonly ConnectToken _token;
    private SeededRandom _random;

    /// <summary>With cluster keys, a token and a server of its own: what they make is well-formed, and nobody else's.</summary>
    public Stranger(ulong seed)
    {
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x7374_7267));
        Span<byte> random = stackalloc byte[TokenAuthority.RandomBytes];
        WriteGarbage(ClusterKeys.KeyBytes, random);
        _otherTokens = new TokenAuthority(ClusterKeys.Of(OtherKeyId, random[..ClusterKeys.KeyBytes]));
        WriteGarbage(random.Length, random);
        _token = _otherTokens.Mint(new TokenRequest { ClientId = 1, Session = new SessionId(1, 1), Endpoints = [PeerAddress.Loopback(1)], ExpiresUnixSeconds = uint.MaxValue }, random);
        _otherServer = new HandshakeServer(random[..32], _otherTokens);
    }

    /// <summary>A well-formed token that another cluster sealed.</summary>
    public ConnectToken ForeignToken => _token;

    /// <summary>A sound request of a new attempt.</summary>
    /// <returns>Bytes of it.</returns>
    public int WriteRequest(Span<byte> datagram) => Attempt(_token).Poll(0, datagram);

    /// <summary>A sound ask for a token.</summary>
    /// <returns>Bytes of it.</returns>
    public int WriteTokenAsk(Span<byte> datagram) => Attempt(token: null).Poll(0, datagram);

    /// <summary>A response that is sound but for its cookie and its token, which another server made.</summary>
    /// <returns>Bytes of it.</returns>
    public int WriteForeignResponse(Span<byte> datagram)
    {
        Span<byte> reply = stackalloc byte[PacketHeader.DatagramBytesMax];
        Connection attempt = Attempt(_token);
        int bytes = attempt.Poll(0, datagram);
        bytes = _otherServer.HandleRequest(datagram[..bytes], default, 0, Draw(), reply);
        attempt.TryOpen(reply[..bytes], 1, out _);
        return attempt.Poll(1, datagram);
    }

    /// <summary>The header of a sealed packet of a connection that is guessed, and noise in place of what is sealed.</summary>
    /// <returns>Bytes of it.</returns>
    public int WriteSealed(PacketType type, int bytes, Span<byte> datagram)
    {
        WriteGarbage(bytes, datagram);
        new PacketHeader(type, _random.NextUInt64(), (ushort)_random.NextUInt64()).WriteFromClient(datagram);
        return bytes;
    }

    /// <summary>Noise.</summary>
    /// <returns>Bytes of it.</returns>
    public int WriteGarbage(int bytes, Span<byte> datagram)
    {
        for (int i = 0; i < bytes; i++)
            datagram[i] = (byte)(_random.NextUInt64() >> 56);
        return bytes;
    }

    private Connection Attempt(ConnectToken? token) => Connection.Connect(ConnectionOptions.Default, Draw(), _random.NextUInt64(), default, 0, token);

    private Random128 Draw() => new(_random.NextUInt64(), _random.NextUInt64());
}
