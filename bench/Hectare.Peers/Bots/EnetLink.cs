using Hectare.Peers.OverEnet;
using Hectare.Protocol;

namespace Hectare.Peers.Bots;

/// <summary>Bots of both servers over ENet, some to a host.</summary>
/// <param name="bots">How many.</param>
/// <param name="port">The server's.</param>
/// <param name="hasParts">A snapshot may take several packets, of which the last says so; else each packet is one.</param>
internal sealed unsafe class EnetLink(int bots, int port, bool hasParts) : BotLink(bots)
{
    // A socket each would cost the bots' core a system call a bot and round; one for all would be one peer of the kernel's to the server.
    private const int BotsPerHost = 32;

    private readonly EnetHost[] _hosts = [.. Enumerable.Range(0, (bots + BotsPerHost - 1) / BotsPerHost).Select(_ => EnetHost.Open(BotsPerHost))];
    private readonly nint[] _peers = new nint[bots];
    private readonly Dictionary<nint, int> _botOfPeer = [];
    private readonly byte[] _input = new byte[StateGame.InputBytes];

    /// <inheritdoc/>
    public override void Connect(int bot)
    {
        // ENet repeats its own handshake, and tells when it has given up.
        if (_peers[bot] != 0)
            return;
        _peers[bot] = _hosts[bot / BotsPerHost].Connect(port);
        _botOfPeer.Add(_peers[bot], bot);
    }

    /// <inheritdoc/>
    public override void Receive()
    {
        foreach (EnetHost host in _hosts)
        {
            while (host.TryNext(out EnetLibrary.Event happened))
                Take(in happened);
        }
    }

    /// <inheritdoc/>
    public override void SendInput(int bot, TopDownInput input)
    {
        StateGame.WriteInput(input.Intent, _input);
        EnetHost.Send(_peers[bot], _input);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Each host sends what is queued when it is asked for events: that is next.
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (EnetHost host in _hosts)
            host.Dispose();
    }

    private void Take(in EnetLibrary.Event happened)
    {
        int bot = _botOfPeer[happened.Peer];
        switch (happened.Type)
        {
            case EnetLibrary.EventType.Connect:
                IsConnected[bot] = true;
                break;
            case EnetLibrary.EventType.Disconnect:
                IsConnected[bot] = false;
                _botOfPeer.Remove(happened.Peer);
                _peers[bot] = 0;
                break;
            case EnetLibrary.EventType.Receive:
                if (!hasParts || (happened.Packet->DataBytes > 0 && happened.Packet->Data[0] == 1))
                    Snapshots[bot]++;
                EnetLibrary.DestroyPacket(happened.Packet);
                break;
        }
    }
}
