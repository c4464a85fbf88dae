using System.Collections.Concurrent;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// One address that several sockets serve, as SO_REUSEPORT makes it: between a simulated network, which belongs to one thread, and a zone that has
/// many. What arrives is handed over between two ticks, by the order of its senders, so that the zone hears the same in the same order however many
/// sockets it has; what the zone's threads send is kept until the tick has ended and leaves by the order of its receivers.
/// </summary>
internal sealed class SharedPort
{
    private readonly IDatagramSocket _network;
    private readonly Func<PeerAddress, long, int> _route;
    private readonly bool _hasThreads;
    private readonly Socket[] _sockets;
    private readonly DatagramBatch _batch = new();
    private readonly List<(PeerAddress Peer, byte[] Bytes)> _carried = [];
    private readonly SortedDictionary<PeerAddress, OutboundHash> _sent = new(Comparer<PeerAddress>.Create((one, other) => one.Port.CompareTo(other.Port)));
    private long _arrived;

    /// <summary>Stands before the network's socket.</summary>
    /// <param name="network">What the datagrams really come and go through.</param>
    /// <param name="sockets">How many share the address.</param>
    /// <param name="hasThreads">Each is emptied by a thread of its own.</param>
    /// <param name="route">Which of them gets the n-th datagram that came, from whom.</param>
    public SharedPort(IDatagramSocket network, int sockets, bool hasThreads, Func<PeerAddress, long, int> route)
    {
        _network = network;
        _hasThreads = hasThreads;
        _route = route;
        _sockets = [.. Enumerable.Range(0, sockets).Select(_ => new Socket(network.LocalAddress))];
    }

    /// <summary>The zone's.</summary>
    public IDatagramSocket[] Sockets => [.. _sockets];

    /// <summary>For each address all that was sent to it: how many datagrams, and a hash over their bytes in order.</summary>
    public IReadOnlyDictionary<PeerAddress, OutboundHash> Sent => _sent;

    /// <summary>Sockets that something was sent from.</summary>
    public int SocketsUsed => _sockets.Count(socket => socket.HasSent);

    /// <summary>Hands over what has come by now; with threads, waits until they have put it into their queues.</summary>
    public void Deliver()
    {
        while (_network.Receive(_batch) > 0)
        {
            for (int i = 0; i < _batch.Count; i++)
                _carried.Add((_batch.Address[i], _batch.Datagram(i).ToArray()));
        }

        foreach ((PeerAddress from, byte[] bytes) in _carried.OrderBy(datagram => datagram.Peer.Port))
            _sockets[_route(from, _arrived++)].Arrived.Enqueue((from, bytes));
        _carried.Clear();
        foreach (Socket socket in _sockets)
        {
            if (_hasThreads)
                socket.WaitUntilTaken();
        }
    }

    /// <summary>After a tick, when no thread of the zone sends: passes on what it sent.</summary>
    public void Flush()
    {
        foreach (Socket socket in _sockets)
        {
            _carried.AddRange(socket.Outbox);
            socket.Outbox.Clear();
        }

        _batch.Clear();
        foreach ((PeerAddress to, byte[] bytes) in _carried.OrderBy(datagram => datagram.Peer.Port))
        {
            OutboundHash hash = _sent.GetValueOrDefault(to);
            hash.Add(to, bytes);
            _sent[to] = hash;
            bytes.CopyTo(_batch.Buffer(_batch.Count));
            _batch.Add(to, bytes.Length);
            if (_batch.IsFull)
                SendBatch();
        }

        _carried.Clear();
        SendBatch();
    }

    private void SendBatch()
    {
        _network.Send(_batch);
        _batch.Clear();
    }

    private sealed class Socket(PeerAddress address) : IDatagramSocket
    {
        private int _emptyReceives;

        public ConcurrentQueue<(PeerAddress From, byte[] Bytes)> Arrived { get; } = new();

        /// <summary>Written by the zone's thread, read by the test's between two ticks: the zone's own barrier orders the two.</summary>
        public List<(PeerAddress To, byte[] Bytes)> Outbox { get; } = [];

        public bool HasSent { get; private set; }

        public PeerAddress LocalAddress => address;

        public SocketCounters Counters { get; } = new();

        public int Receive(DatagramBatch batch)
        {
            batch.Clear();
            while (!batch.IsFull && Arrived.TryDequeue(out (PeerAddress From, byte[] Bytes) datagram))
            {
                datagram.Bytes.CopyTo(batch.Buffer(batch.Count));
                batch.Add(datagram.From, datagram.Bytes.Length, address);
            }

            if (batch.Count == 0)
                Interlocked.Increment(ref _emptyReceives);
            return batch.Count;
        }

        public int Send(DatagramBatch batch)
        {
            HasSent |= batch.Count > 0;
            for (int i = 0; i < batch.Count; i++)
                Outbox.Add((batch.Address[i], batch.Datagram(i).ToArray()));
            return batch.Count;
        }

        // Its thread found it empty twice since: what came before is in the thread's queue.
        public void WaitUntilTaken()
        {
            int seen = Volatile.Read(ref _emptyReceives);
            for (long endNs = Clock.NowNs + 30_000_000_000; Volatile.Read(ref _emptyReceives) < seen + 2; Thread.Yield())
                Assert.True(Clock.NowNs < endNs, "a network thread does not receive");
        }

        public void Dispose()
        {
        }
    }
}
