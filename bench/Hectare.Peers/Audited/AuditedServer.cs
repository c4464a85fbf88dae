using System.Buffers.Binary;
using System.Numerics;
using Hectare.Farm;
using Hectare.Transport;

namespace Hectare.Peers.Audited;

/// <summary>The audited server: everything in one loop, and all snapshots in the tick that is due for them.</summary>
/// <remarks>It moves its datagrams through Hectare's own socket (recvmmsg, sendmmsg), so that designs are compared and not system calls.</remarks>
internal sealed class AuditedServer : PeerServer
{
    /// <summary>First byte of a datagram from a client who wants in.</summary>
    public const byte JoinType = 0;

    /// <summary>First byte of an input: then its number (16 bits) and a direction (two floats).</summary>
    public const byte InputType = 1;

    /// <summary>Bytes of an input.</summary>
    public const int InputBytes = 11;

    private readonly UdpSocket _socket = new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0) });
    private readonly DatagramBatch _batch = new(256);
    private readonly Dictionary<PeerAddress, int> _peers = [];
    private readonly List<PeerAddress> _addresses = [];
    private readonly AuditedWorld _world;
    private int _due;

    /// <summary>Opens it.</summary>
    public AuditedServer(ulong seed) => _world = new AuditedWorld(FarmMap.Generate(seed), seed, PeerWorld.AnimalCount);

    /// <inheritdoc/>
    public override int Port => _socket.LocalAddress.Port;

    /// <inheritdoc/>
    public override int TickRate => AuditedWorld.TickRate;

    /// <inheritdoc/>
    public override int PeerCount => _addresses.Count;

    /// <inheritdoc/>
    public override long SentDatagrams => _socket.Counters.SentDatagrams;

    /// <inheritdoc/>
    public override long SentBytes => _socket.Counters.SentBytes;

    /// <inheritdoc/>
    public override void Poll()
    {
        int received;
        do
        {
            received = _socket.Receive(_batch);
            for (int i = 0; i < received; i++)
                Take(_batch.Address[i], _batch.Datagram(i));
        }
        while (received == _batch.Capacity);
    }

    /// <inheritdoc/>
    public override void Tick(long tick)
    {
        Poll();
        _world.Step();
        _due += AuditedWorld.SnapshotRate;
        if (_due < AuditedWorld.TickRate)
            return;
        _due -= AuditedWorld.TickRate;
        SendSnapshots();
    }

    /// <inheritdoc/>
    public override void Dispose() => _socket.Dispose();

    private void Take(PeerAddress from, ReadOnlySpan<byte> datagram)
    {
        if (datagram.IsEmpty)
            return;
        bool isKnown = _peers.TryGetValue(from, out int peer);
        if (!isKnown && datagram[0] == JoinType)
            Join(from);
        else if (isKnown && datagram is [InputType, ..] && datagram.Length == InputBytes)
            TakeInput(peer, datagram);
    }

    private void TakeInput(int peer, ReadOnlySpan<byte> input)
    {
        Inputs++;
        _world.HandleInput(peer, new Vector2(BinaryPrimitives.ReadSingleLittleEndian(input[3..]), BinaryPrimitives.ReadSingleLittleEndian(input[7..])));
    }

    private void Join(PeerAddress from)
    {
        int peer = _addresses.Count;
        _peers.Add(from, peer);
        _addresses.Add(from);
        _world.Join(peer);
    }

    private void SendSnapshots()
    {
        _batch.Clear();
        for (int peer = 0; peer < _addresses.Count; peer++)
        {
            int bytes = _world.WriteSnapshot(peer, _batch.Buffer(_batch.Count));
            _batch.Add(_addresses[peer], bytes);
            if (_batch.IsFull)
                Flush();
        }

        Flush();
    }

    private void Flush()
    {
        _socket.Send(_batch);
        _batch.Clear();
    }
}
