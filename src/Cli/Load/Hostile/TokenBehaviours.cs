using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>Plays with the token that it came in with, and tries to come in once more: with the same one, from its own address and from another; with one
/// that is damaged; with one whose secret it does not know; with one of another cluster.</summary>
internal sealed class TokenReuse : Behaviour
{
    private const int Attempts = 5;

    private readonly byte[] _opened = new byte[DatagramBatch.SlotBytes];
    private Pace _pace = new(4);
    private ConnectToken? _token;
    private Connection? _attempt;
    private PeerAddress _from;
    private bool _isGranted;
    private int _turn;

    public override void Received(HostileBot bot, ReadOnlySpan<byte> datagram, long nowNs)
    {
        // The grant names the attempt that asked; its tag is under that name.
        if (datagram.Length > 1 + Random128.Bytes && datagram[0] == (byte)PacketType.TokenGrant && Handshake.TryReadTokenGrant(datagram, Random128.Read(datagram[1..]), out ConnectToken token))
            _token = token;
        if (_attempt is null)
            return;
        Span<byte> copy = _opened.AsSpan(0, datagram.Length);
        datagram.CopyTo(copy);
        _attempt.TryOpen(copy, nowNs, out _);
    }

    public override void Play(HostileBot bot, long nowNs)
    {
        bot.Walk(nowNs);
        if (_pace.Due(nowNs) > 0 && _token is not null)
            TryAgain(bot, nowNs);
        if (_attempt is null)
            return;
        for (int bytes = _attempt.Poll(nowNs, bot.Buffer); bytes > 0; bytes = _attempt.Poll(nowNs, bot.Buffer))
            bot.Offend(bot.Buffer[..bytes], _from);
        if (_attempt.State == ConnectionState.Connected && !_isGranted)
        {
            _isGranted = true;
            bot.Counters.Breaches++;
            _attempt.Close(CloseCode.Left, nowNs);
        }
    }

    private void TryAgain(HostileBot bot, long nowNs)
    {
        (ConnectToken token, _from) = (_turn++ % Attempts) switch
        {
            0 => (_token!, bot.SecondAddress),
            1 => (_token!, bot.Address),
            2 => (Damaged(bot, _token!), bot.SecondAddress),
            3 => (WithoutSecret(_token!), bot.SecondAddress),
            _ => (bot.Crowd.Stranger.ForeignToken, bot.SecondAddress),
        };
        _isGranted = false;
        _attempt = bot.Crowd.Connect(nowNs, token);
    }

    // Behind the header: key, version and expiry in it have checks of their own.
    private static ConnectToken Damaged(HostileBot bot, ConnectToken token)
    {
        byte[] sealedPart = token.Sealed.ToArray();
        BitFlips.Flip(ref bot.Random, sealedPart.AsSpan(11));
        return new ConnectToken(token.ProtocolVersion, token.ExpiresUnixSeconds, token.Endpoints.ToArray(), token.Secret, sealedPart);
    }

    private static ConnectToken WithoutSecret(ConnectToken token) => new(token.ProtocolVersion, token.ExpiresUnixSeconds, token.Endpoints.ToArray(), default, token.Sealed.ToArray());
}
