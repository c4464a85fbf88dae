using System.Diagnostics;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.SystemTests;

/// <summary>
/// Goal: with network threads, too, a steady tick allocates nothing, whoever's thread it is. Method: a process of its own, in which nothing else
/// runs: a zone with two network threads on real sockets, 500 walkers of <c>uniform</c> on loopback, their times told by the test. Clients send
/// and receive between the ticks; the whole process is measured around each.
/// One thing is allowed, and counted: a peer that comes to a place with more things than it ever knew gets a larger table of slots, 28 kB, at most
/// three times in its life. (Measured: 90 to 550 bytes a tick, all of it such tables.) Tables that large from the start would cost every peer what few of them need.
/// </summary>
public sealed class ThreadedAllocationTests(ITestOutputHelper output)
{
    private const string ChildMark = "HECTARE_ALLOCATION_CHILD";
    private const int Players = 500;
    private const int WarmUpTicks = 300;
    private const int Ticks = 300;

    // 128 more slots of 32 bytes; the new table of at most 1,024.
    private const long GrowthBytes = 128 * 32;
    private const long TableBytesMax = (1_024 * 32) + 48;

    // The runtime and the test runner live in the process too: 88 bytes, once, were seen in 600 ticks. One byte a peer and tick would be 150,000.
    private const long OtherBytesMax = 1_024;

    [Fact]
    public async Task A_tick_with_two_network_threads_allocates_nothing_but_for_a_peer_that_knows_more_than_ever()
    {
        if (Environment.GetEnvironmentVariable(ChildMark) is not null)
        {
            Measure();
            return;
        }

        (int exit, string said) = await RunAloneAsync(nameof(A_tick_with_two_network_threads_allocates_nothing_but_for_a_peer_that_knows_more_than_ever));
        output.WriteLine(said);
        Assert.True(exit == 0, said);
        Assert.Contains("bytes a tick", said, StringComparison.Ordinal);
    }

    // This program again, with this test alone.
    private static async Task<(int ExitCode, string Output)> RunAloneAsync(string test)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "Hectare.SystemTests" + (OperatingSystem.IsWindows() ? ".exe" : ""));
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment[ChildMark] = "1";
        foreach (string argument in new[] { "-method", $"{typeof(ThreadedAllocationTests).FullName}.{test}", "-showliveoutput", "-noColor" })
            start.ArgumentList.Add(argument);
        return await ToolProcess.RunAsync(start, TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);
    }

    private void Measure()
    {
        using var field = new Field();
        field.Join();
        for (int i = 0; i < WarmUpTicks; i++)
            field.Run(measure: false);
        long allocated = 0, growths = 0, others = 0, datagrams = field.Zone.Metrics.DatagramsOut;
        for (int i = 0; i < Ticks; i++)
        {
            long tables = field.TableBytes();
            long bytes = field.Run(measure: true);
            long grown = (field.TableBytes() - tables) / GrowthBytes;
            allocated += bytes;
            growths += grown;
            others += Math.Max(0, bytes - (grown * TableBytesMax));
        }

        datagrams = field.Zone.Metrics.DatagramsOut - datagrams;
        string told = $"{(double)allocated / Ticks:F0} bytes a tick: {growths} tables of slots in {Ticks} ticks, {others} bytes of anything else; {datagrams / Ticks} datagrams a tick";
        output.WriteLine(told);
        Assert.Equal(Players, field.Zone.PeerCount);
        Assert.True(datagrams > Players * Ticks / 15, told);
        Assert.True(others <= OtherBytesMax, told);
        Assert.True(growths <= Players / 10, told);
    }

    /// <summary>The zone and its players; one call is one tick.</summary>
    private sealed class Field : IDisposable
    {
        private static readonly ZoneOptions Options = new()
        {
            PlayersMax = Players,
            Threads = 2,
            // All from one address, and at once.
            Limits = new ZoneLimits { HandshakesBurst = 100_000 },
        };

        private readonly UdpSocket[] _sockets = OpenSockets();
        private readonly List<(UdpSocket Socket, GameClient<TopDownInput> Game, FarmBot Bot)> _clients = [];
        private readonly DatagramBatch _batch = new();
        private readonly SnapshotScratch _scratch = new();
        private readonly PeerAddress _server;
        private long _nowNs = 1_000_000_000;

        public Field()
        {
            var game = new FarmGame(new FarmOptions());
            Zone = new Zone<TopDownInput>(Options, game.Schema.Schema, game, FarmMap.Generate(1), ZoneRandom.Seeded(1), _sockets);
            _server = PeerAddress.Loopback(_sockets[0].LocalAddress.Port);
            for (int i = 0; i < Players; i++)
            {
                var socket = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReceiveBufferBytes = 1 << 16 });
                var client = new GameClient<TopDownInput>(new ClientOptions { Decode = false }, game.Schema.Schema, scratch: _scratch);
                _clients.Add((socket, client, new FarmBot((ulong)i, FarmWorkload.Uniform)));
            }
        }

        public Zone<TopDownInput> Zone { get; }

        public void Join()
        {
            foreach ((_, GameClient<TopDownInput> game, _) in _clients)
                game.Connect(_nowNs, new Random128((ulong)_clients.Count, (ulong)game.GetHashCode()));
            for (int i = 0; i < 100 && !_clients.TrueForAll(client => client.Game.IsJoined); i++)
                Run(measure: false);
            Assert.True(_clients.TrueForAll(client => client.Game.IsJoined), "everyone has joined");
        }

        /// <summary>Clients first, then the zone. Gives what the process allocated in the zone's tick.</summary>
        public long Run(bool measure)
        {
            _nowNs += Options.TickLengthNs;
            foreach ((UdpSocket socket, GameClient<TopDownInput> game, FarmBot bot) in _clients)
                Update(socket, game, bot);
            Thread.Sleep(2);   // the network threads take what came: they nap a quarter of that
            long before = measure ? GC.GetTotalAllocatedBytes(precise: true) : 0;
            Zone.RunTick(_nowNs, _nowNs);
            return measure ? GC.GetTotalAllocatedBytes(precise: true) - before : 0;
        }

        /// <summary>What the peers' tables hold.</summary>
        public long TableBytes()
        {
            long bytes = 0;
            for (int i = 0; i < Players; i++)
                bytes += Zone.ViewOf(new PeerId(i))!.MemoryBytes;
            return bytes;
        }

        public void Dispose()
        {
            Zone.Dispose();
            foreach (UdpSocket socket in _sockets)
                socket.Dispose();
            foreach ((UdpSocket socket, _, _) in _clients)
                socket.Dispose();
        }

        private void Update(UdpSocket socket, GameClient<TopDownInput> game, FarmBot bot)
        {
            while (socket.Receive(_batch) > 0)
            {
                for (int i = 0; i < _batch.Count; i++)
                    game.Receive(_batch.MutableDatagram(i), _nowNs);
            }

            game.SetInput(bot.Next());
            game.Update(_nowNs);
            _batch.Clear();
            while (!_batch.IsFull && game.TryTakeDatagram(_batch.Buffer(_batch.Count), out int bytes))
                _batch.Add(_server, bytes);
            socket.Send(_batch);
        }

        private static UdpSocket[] OpenSockets()
        {
            var first = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(0), ReusePort = true });
            return [first, new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(first.LocalAddress.Port), ReusePort = true })];
        }
    }
}
