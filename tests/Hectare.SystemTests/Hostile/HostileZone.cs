using Hectare.Cli.Load;
using Hectare.Cli.Load.Hostile;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.SystemTests.Hostile;

/// <summary>A small farm, honest players and hostile ones on a wire without delay or loss, in virtual time: what one behaviour does, and nothing else.</summary>
internal sealed class HostileZone : IDisposable
{
    public const ulong Seed = 7;
    public const int Honest = 3;

    private const long TickNs = 1_000_000_000 / HostedFarm.TickRate;
    private const long FrameNs = 2_000_000;

    private readonly Wire _wire = new();
    private readonly DatagramBatch _batch = new();
    private readonly List<(GameClient<TopDownInput> Game, FarmBot Hands, IDatagramSocket Socket)> _players = [];
    private readonly FarmGame _game = new(new FarmOptions { Seed = Seed, Crops = 200, Trees = 100, Crates = 10, Animals = 20 });
    private long _nextTickNs = TickNs;

    public HostileZone(int hostile, params string[] behaviours)
    {
        TileMap map = FarmMap.Generate(Seed);
        Zone = new Zone<TopDownInput>(new ZoneOptions { PlayersMax = 64 + (2 * hostile), EntitiesMax = 2_048, TickRate = HostedFarm.TickRate }, _game.Schema.Schema, _game, map,
            ZoneRandom.Seeded(Seed), [_wire.Server]);
        Crowd = new HostileCrowd(new HostileSettings
        {
            Bots = hostile,
            Server = _wire.Server.LocalAddress,
            Behaviours = behaviours,
            Workload = FarmWorkload.Uniform,
            BotsPerSecond = 1_000,
            Seed = Seed,
            Salt = 1,
        }, _wire.Open(port: 9_000));
        for (int i = 0; i < Honest; i++)
        {
            var game = new GameClient<TopDownInput>(new ClientOptions(), _game.Schema.Schema, Hash256.Read(map.Sha256));
            game.Connect(0, new Random128(Seed, (ulong)i));
            _players.Add((game, new FarmBot((ulong)i, FarmWorkload.Uniform), _wire.Open(port: 5_000 + i)));
        }
    }

    public Zone<TopDownInput> Zone { get; }

    public HostileCrowd Crowd { get; }

    public long NowNs { get; private set; }

    public IEnumerable<GameClient<TopDownInput>> Players => _players.Select(player => player.Game);

    /// <summary>The zone catches up: it hears and simulates, and tells nobody anything.</summary>
    public bool IsBehind { get; set; }

    /// <summary>Called before each tick of the zone.</summary>
    public Action? BeforeTick { get; set; }

    public long CountOf(string counter) => HostileFailures.CountOf(counter, Zone.Drops(), Zone.Offences(), Zone.Kicks());

    public long Sum(Func<HostileCounters, long> count) => Crowd.Bots.Sum(bot => count(bot.Counters));

    public void RunSeconds(double seconds)
    {
        for (long endNs = NowNs + (long)(seconds * 1e9); NowNs < endNs;)
        {
            NowNs += FrameNs;
            Crowd.Run(NowNs);
            foreach ((GameClient<TopDownInput> game, FarmBot hands, IDatagramSocket socket) in _players)
                Frame(game, hands, socket);
            if (NowNs < _nextTickNs)
                continue;
            BeforeTick?.Invoke();
            Zone.RunTick(_nextTickNs, NowNs, behind: IsBehind);
            _nextTickNs += TickNs;
        }
    }

    public void Dispose()
    {
        Crowd.Dispose();
        Zone.Dispose();
    }

    private void Frame(GameClient<TopDownInput> game, FarmBot hands, IDatagramSocket socket)
    {
        while (socket.Receive(_batch) > 0)
        {
            for (int i = 0; i < _batch.Count; i++)
                game.Receive(_batch.MutableDatagram(i), NowNs);
        }

        if (NowNs / TickNs != (NowNs - FrameNs) / TickNs)
            game.SetInput(hands.Next());
        game.Update(NowNs);
        _batch.Clear();
        while (!_batch.IsFull && game.TryTakeDatagram(_batch.Buffer(_batch.Count), out int bytes))
            _batch.Add(_wire.Server.LocalAddress, bytes);
        socket.Send(_batch);
    }

    /// <summary>A server's socket, and others that may name any source of theirs, as a socket with packet information does. A datagram goes to the port it is for.</summary>
    private sealed class Wire
    {
        private readonly Dictionary<int, End> _ends = [];

        public Wire() => Server = Open(port: 4_000);

        public IDatagramSocket Server { get; }

        public IDatagramSocket Open(int port) => _ends[port] = new End(this, PeerAddress.Loopback(port));

        private sealed class End(Wire wire, PeerAddress address) : IDatagramSocket
        {
            private readonly Queue<(PeerAddress From, PeerAddress To, byte[] Datagram)> _arrived = new();

            public PeerAddress LocalAddress => address;

            public SocketCounters Counters { get; } = new();

            public int Receive(DatagramBatch batch)
            {
                batch.Clear();
                while (!batch.IsFull && _arrived.TryDequeue(out (PeerAddress From, PeerAddress To, byte[] Datagram) one))
                {
                    one.Datagram.CopyTo(batch.Buffer(batch.Count));
                    batch.Add(one.From, one.Datagram.Length, one.To);
                }

                return batch.Count;
            }

            public int Send(DatagramBatch batch)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    PeerAddress from = batch.Local[i].IsNone ? address : batch.Local[i];
                    if (wire._ends.TryGetValue(batch.Address[i].Port, out End? end))
                        end._arrived.Enqueue((from, batch.Address[i], batch.Datagram(i).ToArray()));
                }

                return batch.Count;
            }

            public void Dispose()
            {
            }
        }
    }
}
