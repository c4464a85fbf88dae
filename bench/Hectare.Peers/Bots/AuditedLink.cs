using System.Buffers.Binary;
using System.Numerics;
using Hectare.Cli.Load;
using Hectare.Peers.Audited;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Peers.Bots;

/// <summary>Bots of the audited server: an address each, over one socket.</summary>
internal sealed class AuditedLink(int bots, int port) : BotLink(bots)
{
    private readonly BotNetwork _network = new(PeerAddress.Loopback(port), bots);
    private readonly DatagramBatch _incoming = new(256);
    private readonly ushort[] _sequences = new ushort[bots];

    /// <inheritdoc/>
    public override void Connect(int bot)
    {
        _network.Buffer(bot)[0] = AuditedServer.JoinType;
        _network.Add(1);
    }

    /// <inheritdoc/>
    public override void Receive()
    {
        for (int socket = 0; socket < _network.SocketCount; socket++)
        {
            int received;
            do
            {
                received = _network.Receive(socket, _incoming);
                for (int i = 0; i < received; i++)
                    Count(_network.BotOf(socket, _incoming, i));
            }
            while (received == _incoming.Capacity);
        }
    }

    /// <inheritdoc/>
    public override void SendInput(int bot, TopDownInput input)
    {
        Vector2 wish = PeerWorld.WishOf(input.Intent);
        Span<byte> bytes = _network.Buffer(bot);
        bytes[0] = AuditedServer.InputType;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[1..], _sequences[bot]++);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[3..], wish.X);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[7..], wish.Y);
        _network.Add(AuditedServer.InputBytes);
    }

    /// <inheritdoc/>
    public override void Flush() => _network.Flush();

    /// <inheritdoc/>
    public override void Dispose() => _network.Dispose();

    // A datagram is a snapshot: it may be too long for a link, but never two datagrams.
    private void Count(int bot)
    {
        if ((uint)bot >= (uint)Snapshots.Length)
            return;
        Snapshots[bot]++;
        IsConnected[bot] = true;
    }
}
