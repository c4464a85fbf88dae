// A server and a client in one process, over a simulated link of 20 ms: an entity walks on the server, and the client draws it.
// Nothing here knows the time or opens a socket: virtual time runs as fast as the loop. Put Clock.NowNs and a UdpSocket in their places and it is real.

using Hectare.Client;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Hectare.World;

// 1. What exists: one kind, which moves at 5 units a second (a speed is 1/4,096 unit a tick, at 30 ticks a second).
var builder = new SchemaBuilder();
builder.Kind("walker").Motion(5 * Units.One / 30).Group("look").Enum("animation", 2);
Schema schema = builder.Build();

// 2. The server: a zone with our game (below), on one end of the link.
var link = new LinkSimulator(seed: 1) { DefaultProfile = LinkProfile.Get("broadband") };
PeerAddress serverAddress = PeerAddress.Loopback(4000);
using IDatagramSocket serverSocket = link.Open(serverAddress), clientSocket = link.Open(PeerAddress.Loopback(5000));
using var zone = new Zone<TopDownInput>(new ZoneOptions(), schema, new Walk(schema["walker"]), TileMap.Open(2048, 2048), ZoneRandom.Seeded(1), [serverSocket]);

// 3. The client, on the other end.
var client = new GameClient<TopDownInput>(new ClientOptions(), schema);
client.Connect(nowNs: 0, new Random128(1, 2));
client.SetInput(new TopDownInput(new Intent(direction: 0, Intent.MagnitudeMax), Buttons: 0));

// 4. Three seconds: the zone ticks 30 times a second, the client draws 60 times.
var batch = new DatagramBatch();
for (long frame = 1; frame <= 180; frame++)
{
    long nowNs = frame * 1_000_000_000 / 60;
    link.AdvanceTo(nowNs);
    if (frame % 2 == 0)
        zone.RunTick(dueNs: nowNs, nowNs);

    clientSocket.Receive(batch);
    for (int i = 0; i < batch.Count; i++)
        client.Receive(batch.MutableDatagram(i), nowNs);
    client.Update(nowNs);
    batch.Clear();
    while (client.TryTakeDatagram(batch.Buffer(batch.Count), out int bytes))
        batch.Add(serverAddress, bytes);
    clientSocket.Send(batch);

    // 5. The truth on the server beside what the client draws: the same path, a little later.
    if (frame % 15 == 0 && client.World is { } world && world.Sample(client.Avatar, out SampledEntity drawn) && zone.World.TryFind(client.Avatar, out int row))
        Console.WriteLine($"{nowNs / 1e9:0.00} s: the server has it at x = {Units.ToDouble(zone.World.X[row]),8:0.000}, the client draws it at x = {drawn.X,8:0.000}");
}

#pragma warning disable MA0047 // one file, to be read from top to bottom

/// <summary>The whole game: everyone who joins gets a walker, and it walks where its player says.</summary>
internal sealed class Walk(Kind walker) : IGame<TopDownInput>
{
    private readonly TopDownMovement _movement = new(walker);
    private IZone? _zone;

    public void Start(IZone zone) => _zone = zone;

    public EntityId Joined(PeerId peer, in Arrival arrival) => _zone!.World.IdOf(_zone.World.Spawn(walker, 1000 * Units.One, 1000 * Units.One));

    public void Step(WorldState world, ReadOnlySpan<PeerInput<TopDownInput>> inputs, Tick tick)
    {
        foreach (PeerInput<TopDownInput> input in inputs)
            Simulation.Walk(world, in _movement, input.Row, input.Input);
    }

    public void Left(PeerId peer, in Departure departure)
    {
    }

    public void Message(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
    }
}
