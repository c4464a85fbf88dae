using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>The header of a sealed datagram, both ways. What was taken is written back to the same bytes.</summary>
internal sealed class PacketHeaderTarget() : FuzzTarget("packet-header", "the type of any datagram, the header of a sealed one")
{
    public override int InputBytesMax => 1300;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var header = new PacketHeader((PacketType)random.Next((int)PacketType.Payload, (int)PacketType.PathResponse + 1), random.NextUInt64(), (ushort)random.NextUInt64());
        header.WriteFromClient(destination);
        return random.Next(PacketHeader.OverheadBytes, 64);
    }

    public override RunResult Run(Span<byte> input)
    {
        bool hasType = PacketHeader.TryReadType(input, out PacketType type);
        bool fromClient = PacketHeader.TryReadFromClient(input, out PacketHeader client), fromServer = PacketHeader.TryReadFromServer(input, out PacketHeader server);
        Span<byte> written = stackalloc byte[PacketHeader.ClientHeaderBytes];
        if (fromClient)
        {
            client.WriteFromClient(written);
            Property.Holds(hasType && type == client.Type && written.SequenceEqual(input[..PacketHeader.ClientHeaderBytes]), "a client's header is written otherwise");
        }

        if (fromServer)
        {
            server.WriteFromServer(written);
            Property.Holds(hasType && type == server.Type && written[..PacketHeader.ServerHeaderBytes].SequenceEqual(input[..PacketHeader.ServerHeaderBytes]), "a server's header is written otherwise");
        }

        Property.Holds(!fromClient || fromServer, "a header that only a client could have sent");
        return RunResult.Of(hasType && (fromClient || !PacketHeader.IsSealed(type)));
    }
}

/// <summary>What a stranger sends first. Nothing is allocated, no reply is larger, each is counted once.</summary>
internal sealed class RequestTarget() : FuzzTarget("request", "a stranger's request, and its ask for a token, at a server's door")
{
    private readonly HandshakeServer _server = FuzzKeys.Handshakes();
    private readonly byte[] _reply = new byte[PacketHeader.DatagramBytesMax];

    public override int InputBytesMax => 1300;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var clientRandom = new Random128(random.NextUInt64(), random.NextUInt64());
        ushort version = random.Next(0, 8) == 0 ? (ushort)random.NextUInt64() : Handshake.ProtocolVersion;
        return random.Next(0, 4) == 0
            ? Handshake.WriteTokenAsk(destination, version, clientRandom)
            : Handshake.WriteRequest(destination, version, clientRandom, (CipherSuites)random.Next(1, 8) | CipherSuites.Aes256Gcm);
    }

    public override void Repair(ref SeededRandom random, Span<byte> input)
    {
        if (input.Length != Handshake.PaddedBytes)
            return;
        input[0] = (byte)(random.Next(0, 2) == 0 ? PacketType.Request : PacketType.TokenAsk);
        "HECT"u8.CopyTo(input[1..]);
        FuzzKeys.Tag(input, Random128.Read(input[7..]));
    }

    public override RunResult Run(Span<byte> input)
    {
        HandshakeCounters counters = _server.Counters;
        long before = Sum(counters);
        bool isAsk = !input.IsEmpty && input[0] == (byte)PacketType.TokenAsk;
        int bytes = isAsk
            ? _server.HandleTokenAsk(input, null, default, _reply)
            : _server.HandleRequest(input, FuzzKeys.Client, 1, new Random128(1, 2), _reply);
        Property.Holds(bytes >= 0 && bytes <= input.Length, "a reply is larger than what it answers");
        Property.Holds(Sum(counters) == before + 1, "a packet is not counted once");
        Property.Holds(bytes == 0 || PacketHeader.TryReadType(_reply.AsSpan(0, bytes), out PacketType reply) && reply is PacketType.Challenge or PacketType.Refused, "a reply that is none");
        return RunResult.Of(bytes > 0);
    }

    private static long Sum(HandshakeCounters counters) => counters.Challenged + counters.WrongVersion + counters.Malformed + counters.NoCipher + counters.NotGranted + counters.Granted;
}

/// <summary>A response: cookie, token, mac. A mutated one gets a cookie and a mac that fit, so that what stands behind them is looked at.</summary>
internal sealed class ResponseTarget() : FuzzTarget("response", "a stranger's response: cookie, token and mac")
{
    private const int PoolSize = 64;
    private const int ProofOffset = 1, CookieOffset = 41, SuiteOffset = 73;
    private const long ChallengedNs = 1_000, NowNs = 2_000_000;

    private readonly HandshakeServer _server = FuzzKeys.Handshakes();
    private readonly byte[] _reply = new byte[PacketHeader.DatagramBytesMax];
    private readonly List<(byte[] Datagram, Secret256 Secret)> _pool = [];

    public override int InputBytesMax => 1300;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => FuzzKeys.BadSealBytesMax;

    public override void Begin()
    {
        var random = new SeededRandom(1);
        for (ulong i = 0; i < PoolSize; i++)
            _pool.Add(Respond(ref random, FuzzKeys.Mint(i, random.Next(0, TokenRequest.UserDataBytesMax + 1), random.Next(0, 2) == 0)));
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte[] datagram = _pool[random.Next(0, _pool.Count)].Datagram;
        datagram.CopyTo(destination);
        return datagram.Length;
    }

    public override void Repair(ref SeededRandom random, Span<byte> input)
    {
        if (input.Length != Handshake.PaddedBytes)
            return;
        input[0] = (byte)PacketType.Response;
        BinaryPrimitives.WriteUInt64LittleEndian(input[(ProofOffset + 32)..], ChallengedNs);
        if (random.Next(0, 8) != 0)
            WriteCookie(input);
        var clientRandom = Random128.Read(input[ProofOffset..]);
        FuzzKeys.Tag(input[..^PacketHeader.TagBytes], clientRandom);
        // The token is most often the one of the pool that it began as.
        ReadOnlySpan<byte> token = input.Slice(117, 100);
        foreach ((byte[] datagram, Secret256 secret) in _pool)
        {
            if (token.SequenceEqual(datagram.AsSpan(117, 100)))
                FuzzKeys.Mac(input, ConnectionKeys.Derive(secret, clientRandom, Random128.Read(input[(ProofOffset + 16)..]), Handshake.ProtocolVersion, (CipherSuite)input[SuiteOffset]).ClientHandshake);
        }
    }

    public override RunResult Run(Span<byte> input)
    {
        long before = Sum(_server.Counters);
        bool verified = _server.TryVerifyResponse(input, FuzzKeys.Client, NowNs, FuzzKeys.NowUnixSeconds, _reply, out int bytes, out ConnectRequest request);
        Property.Holds(bytes >= 0 && bytes <= input.Length, "a reply is larger than what it answers");
        Property.Holds(!verified || bytes == 0, "a client that proved everything is refused");
        Property.Holds(Sum(_server.Counters) == before + 1, "a packet is not counted once");
        Property.Holds(!verified || (request.From == FuzzKeys.Client && _server.UserData.Length <= TokenRequest.UserDataBytesMax), "a request that nobody made");
        return RunResult.Of(verified);
    }

    private (byte[] Datagram, Secret256 Secret) Respond(ref SeededRandom random, ConnectToken token)
    {
        var clientRandom = new Random128(random.NextUInt64(), random.NextUInt64());
        byte[] datagram = new byte[PacketHeader.DatagramBytesMax];
        var client = new HandshakeClient(Handshake.ProtocolVersion, 1, clientRandom, new ResponseBody(FuzzKeys.Suites, random.NextUInt64(), default), token, 0);
        int bytes = client.Poll(0, datagram);
        bytes = _server.HandleRequest(datagram.AsSpan(0, bytes), FuzzKeys.Client, ChallengedNs, new Random128(random.NextUInt64(), random.NextUInt64()), _reply);
        client.TryTakeChallenge(_reply.AsSpan(0, bytes), 1, out _);
        bytes = client.Poll(1, datagram);
        return (datagram[..bytes], token.Secret);
    }

    // As HandshakeServer makes it: whoever knows the secret can.
    private static void WriteCookie(Span<byte> datagram)
    {
        Span<byte> bound = stackalloc byte[59];
        FuzzKeys.Client.WriteAddress(bound);
        BinaryPrimitives.WriteUInt16LittleEndian(bound[16..], FuzzKeys.Client.Port);
        datagram.Slice(ProofOffset, 40).CopyTo(bound[18..]);
        bound[58] = datagram[SuiteOffset];
        HmacSha256.Mac(FuzzKeys.CookieSecret, bound, datagram.Slice(CookieOffset, 32));
    }

    private static long Sum(HandshakeCounters counters)
    {
        long sum = counters.Malformed + counters.BadCookie + counters.ExpiredCookie + counters.BadMac + counters.NoCipher + counters.Verified;
        for (TokenResult result = TokenResult.Malformed; result <= TokenResult.WrongEndpoint; result++)
            sum += counters.BadToken(result);
        return sum;
    }
}

/// <summary>What a server answers a client that comes in: grant, challenge, acceptance, refusal, at every stage. The first byte says the stage.</summary>
internal sealed class HandshakeClientTarget() : FuzzTarget("handshake-client", "grant, challenge, acceptance and refusal, at a client on its way in")
{
    private const int Asking = 0, Requesting = 1, Challenged = 2;

    private static readonly Random128 ClientRandom = new(11, 12), ServerRandom = new(13, 14);

    private readonly ConnectToken _token = FuzzKeys.Mint(1);
    private readonly byte[] _sent = new byte[PacketHeader.DatagramBytesMax];
    private readonly byte[] _challenge = new byte[Handshake.ChallengeBytes];

    public override int InputBytesMax => 1301;

    // A connection, its keys, a token, a text.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 16_384;

    public override void Begin() => WriteChallenge(_challenge);

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        int stage = random.Next(Asking, Challenged + 1);
        destination[0] = (byte)stage;
        Span<byte> datagram = destination[1..];
        if (random.Next(0, 4) == 0)
            return 1 + WriteRefused(ref random, datagram, stage);
        return 1 + stage switch
        {
            Asking => Handshake.WriteTokenGrant(datagram, ClientRandom, FuzzKeys.Mint((ulong)random.Next(0, 100), random.Next(0, 100))),
            Requesting => WriteChallenge(datagram),
            _ => Handshake.WriteAccepted(datagram, ClientRandom, Keys, random.NextUInt64()),
        };
    }

    public override void Repair(ref SeededRandom random, Span<byte> input)
    {
        if (input.Length < 2 + Random128.Bytes + PacketHeader.TagBytes)
            return;
        input[0] %= 3;
        Span<byte> datagram = input[1..];
        ClientRandom.Write(datagram[1..]);
        if (random.Next(0, 2) == 0)
            FuzzKeys.Tag(datagram, ClientRandom);
        else
            FuzzKeys.Mac(datagram, Keys.ServerHandshake);
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.IsEmpty)
            return RunResult.Refused;
        int stage = input[0] % 3;
        var client = Connection.Connect(ConnectionOptions.Default, ClientRandom, 77, default, 0, stage == Asking ? null : _token);
        client.Poll(0, _sent);
        if (stage == Challenged)
            Property.Holds(client.TryOpen([.. _challenge], 1, out _) == OpenResult.Handshake && client.Poll(1, _sent) > 0, "a challenge was not answered");
        OpenResult result = client.TryOpen(input[1..], 2, out _);
        bool taken = result == OpenResult.Handshake;
        Property.Holds(result != OpenResult.Opened, "a packet of a connection that there is not");
        Property.Holds(taken || client.Counters.Drops(result) == 1, "a drop is not counted once");
        Property.Holds(taken || client.State == ConnectionState.Connecting, "a dropped packet changed the state");
        if (client.State == ConnectionState.Connected)
            Send(client);
        else if (client.State == ConnectionState.Connecting)
            Property.Holds(client.Poll(1_000_000_000, _sent) == Handshake.PaddedBytes, "the client asks no more");
        return RunResult.Of(taken);
    }

    private void Send(Connection client)
    {
        client.BeginPacket(_sent, 3, 1000, out _);
        int bytes = client.FinishPacket(_sent, 0, 3);
        Property.Holds(bytes is > 0 and <= PacketHeader.DatagramBytesMax, "a packet that is none");
    }

    private ConnectionKeys Keys => ConnectionKeys.Derive(_token.Secret, ClientRandom, ServerRandom, Handshake.ProtocolVersion, CipherSuite.Aes256Gcm);

    private static int WriteChallenge(Span<byte> datagram)
        => Handshake.WriteChallenge(datagram, new Challenge(ClientRandom, ServerRandom, 5, CipherSuite.Aes256Gcm), FuzzKeys.CookieSecret);

    private int WriteRefused(ref SeededRandom random, Span<byte> datagram, int stage)
    {
        string text = random.Next(0, 2) == 0 ? "no: Größe" : new string('x', random.Next(0, 300));
        return stage == Challenged
            ? Handshake.WriteRefused(datagram, ClientRandom, Keys, (RefuseReason)random.Next(0, 12), text)
            : Handshake.WriteRefused(datagram, ClientRandom, null, random.Next(0, 2) == 0 ? RefuseReason.WrongVersion : RefuseReason.BadToken, text);
    }
}
