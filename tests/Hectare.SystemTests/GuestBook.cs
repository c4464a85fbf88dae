using System.Collections.Concurrent;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.SystemTests;

/// <summary>A zone in this process, on a real socket in real time, whose game writes down who came.</summary>
internal sealed class GuestBook : IDisposable
{
    private readonly UdpSocket _socket = new(new UdpSocketOptions { Bind = PeerAddress.Loopback(0) });
    private readonly Zone<TopDownInput> _zone;
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private readonly Game _game;

    public GuestBook(ClusterKeys keys)
    {
        var builder = new SchemaBuilder();
        builder.Kind("guest").Motion(5 * Units.One / 30);
        Schema = builder.Build();
        _game = new Game(Schema["guest"]);
        var access = new ZoneAccess
        {
            Open = false,
            Keys = keys.ToText(),
            Endpoints = [_socket.LocalAddress.ToString()],
            StartUnixSeconds = (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
        };
        _zone = new Zone<TopDownInput>(new ZoneOptions { Access = access }, Schema, _game, TileMap.Open(2048, 2048), ZoneRandom.System(), [_socket]);
        _thread = new Thread(() => new ZoneLoop<TopDownInput>(_zone).Run(_stop.Token)) { Name = "tick" };
        _thread.Start();
    }

    public Schema Schema { get; }

    public PeerAddress Address => _socket.LocalAddress;

    /// <summary>Everyone who joined, in order.</summary>
    public IReadOnlyList<Arrival> Arrivals => [.. _game.Arrivals];

    public void Dispose()
    {
        _stop.Cancel();
        _thread.Join();
        _zone.Dispose();
        _socket.Dispose();
        _stop.Dispose();
    }

    private sealed class Game(Kind guest) : IGame<TopDownInput>
    {
        private IZone? _zone;

        public ConcurrentQueue<Arrival> Arrivals { get; } = new();

        public void Start(IZone zone) => _zone = zone;

        public EntityId Joined(PeerId peer, in Arrival arrival)
        {
            Arrivals.Enqueue(arrival);
            return _zone!.World.IdOf(_zone.World.Spawn(guest, 1000 * Units.One, 1000 * Units.One));
        }

        public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
        {
        }

        public void Left(PeerId peer, in Departure departure)
        {
        }

        public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
        {
        }
    }
}
