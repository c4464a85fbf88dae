using System.Collections.Concurrent;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class ThreadTests
{
    private const int Clients = 24;

    [Theory]
    [InlineData(0)]
    [InlineData(8_000)]
    public void Two_network_threads_send_the_bytes_that_the_tick_thread_would(int zoneBytesPerSecond)
    {
        RecordingEnd inline = Run(threads: 0, zoneBytesPerSecond);
        RecordingEnd threaded = Run(threads: 2, zoneBytesPerSecond);
        Assert.True(inline.Datagrams > 300, $"{inline.Datagrams} datagrams");
        Assert.Equal(inline, threaded);
    }

    [Fact]
    public async Task A_network_thread_that_fails_between_two_ticks_stops_the_zone_instead_of_hanging_it()
    {
        var socket = new FailingSocket();
        var options = new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Threads = 1 };
        using var zone = new Zone<TopDownInput>(options, TestGame.SharedSchema.Schema, new TestGame(TestGame.Small), ZoneBench.OpenMap, ZoneRandom.Seeded(1), [socket]);
        zone.RunTick(0, 0);
        socket.Fails = true;
        Assert.True(SpinWait.SpinUntil(() => socket.HasFailed, 5_000));

        Task tick = Task.Run(() => zone.RunTick(options.TickLengthNs, options.TickLengthNs), TestContext.Current.CancellationToken);
        InvalidOperationException told = await Assert.ThrowsAsync<InvalidOperationException>(() => tick.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.Equal("unplugged", told.InnerException?.Message);
    }

    [Fact]
    public void A_network_thread_naps_while_it_waits_for_the_first_tick()
    {
        var socket = new FailingSocket();
        var options = new ZoneOptions { PlayersMax = 4, EntitiesMax = 4096, Threads = 1 };
        using var zone = new Zone<TopDownInput>(options, TestGame.SharedSchema.Schema, new TestGame(TestGame.Small), ZoneBench.OpenMap, ZoneRandom.Seeded(1), [socket]);
        Thread.Sleep(200);
        Assert.InRange(socket.Receives, 1, 100_000);
    }

    // Two sockets either way; every third client's packets land on the socket that is not its own.
    private static RecordingEnd Run(int threads, int zoneBytesPerSecond)
    {
        var network = new MemoryNetwork();
        MemorySocket[] servers = [network.Open(PeerAddress.Loopback(4000)), network.Open(PeerAddress.Loopback(4001))];
        var options = new ZoneOptions { PlayersMax = Clients, EntitiesMax = 4096, Threads = threads, BytesPerSecondMax = zoneBytesPerSecond };
        var game = new TestGame(TestGame.Small);
        using var zone = new Zone<TopDownInput>(options, TestGame.SharedSchema.Schema, game, ZoneBench.OpenMap, ZoneRandom.Seeded(1), servers, new ZoneHooks { HashOutbound = true });
        var clients = new TestClient[Clients];
        for (int i = 0; i < Clients; i++)
            clients[i] = new TestClient(network.Open(PeerAddress.Loopback(10_000 + i)), PeerAddress.Loopback(4000 + (i & 1)), (ulong)i);
        long nowNs = 0;
        for (int tick = 0; tick < 200; tick++)
        {
            nowNs += options.TickLengthNs;
            network.StraysToOther = tick > 60 && tick % 3 == 0;
            foreach (TestClient client in clients)
                client.Update(zone.Tick, nowNs);
            foreach (MemorySocket server in servers)
                server.WaitUntilTaken(threads > 0);
            zone.RunTick(nowNs, nowNs);
        }

        Assert.Equal(Clients, game.InputsOfLastStep);
        Assert.DoesNotContain(zone.Drops().Keys, reason => reason != "inputLate");
        return zone.End;
    }

    /// <summary>Gives nothing, then breaks.</summary>
    private sealed class FailingSocket : IDatagramSocket
    {
        private int _receives;
        private volatile bool _hasFailed;
        private volatile bool _fails;

        public bool Fails { get => _fails; set => _fails = value; }

        public bool HasFailed => _hasFailed;

        public int Receives => Volatile.Read(ref _receives);

        public PeerAddress LocalAddress => PeerAddress.Loopback(4000);

        public SocketCounters Counters { get; } = new();

        public int Receive(DatagramBatch batch)
        {
            batch.Clear();
            Interlocked.Increment(ref _receives);
            if (!_fails)
                return 0;
            _hasFailed = true;
            throw new IOException("unplugged");
        }

        public int Send(DatagramBatch batch) => batch.Count;

        public void Dispose()
        {
        }
    }

    /// <summary>Datagrams through memory, at once, between any threads.</summary>
    private sealed class MemoryNetwork
    {
        private readonly ConcurrentDictionary<PeerAddress, MemorySocket> _sockets = new();

        public bool StraysToOther { get; set; }

        public MemorySocket Open(PeerAddress address) => _sockets[address] = new MemorySocket(this, address);

        public void Deliver(PeerAddress from, PeerAddress to, byte[] bytes)
        {
            // As after a change of the number of sockets: the kernel's hash sends a known peer elsewhere.
            PeerAddress where = StraysToOther && (to.Port is 4000 or 4001) ? to.WithPort(8001 - to.Port) : to;
            if (_sockets.TryGetValue(where, out MemorySocket? socket))
                socket.Arrived.Enqueue((from, bytes));
        }
    }

    private sealed class MemorySocket(MemoryNetwork network, PeerAddress address) : IDatagramSocket
    {
        private int _emptyReceives;

        public ConcurrentQueue<(PeerAddress From, byte[] Bytes)> Arrived { get; } = new();

        public PeerAddress LocalAddress => address;

        public SocketCounters Counters { get; } = new();

        public int Receive(DatagramBatch batch)
        {
            batch.Clear();
            while (!batch.IsFull && Arrived.TryDequeue(out (PeerAddress From, byte[] Bytes) datagram))
            {
                datagram.Bytes.CopyTo(batch.Buffer(batch.Count));
                batch.Add(datagram.From, datagram.Bytes.Length);
            }

            if (batch.Count == 0)
                Interlocked.Increment(ref _emptyReceives);
            return batch.Count;
        }

        public int Send(DatagramBatch batch)
        {
            for (int i = 0; i < batch.Count; i++)
                network.Deliver(address, batch.Address[i], batch.Datagram(i).ToArray());
            return batch.Count;
        }

        /// <summary>The group's thread has found the socket empty twice since: what came before is in its queue.</summary>
        public void WaitUntilTaken(bool hasThread)
        {
            int seen = Volatile.Read(ref _emptyReceives);
            long endNs = Clock.NowNs + 5_000_000_000;
            while (hasThread && Volatile.Read(ref _emptyReceives) < seen + 2 && Clock.NowNs < endNs)
                Thread.Yield();
        }

        public void Dispose()
        {
        }
    }
}
