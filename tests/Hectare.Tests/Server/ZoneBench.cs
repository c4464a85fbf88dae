using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>A zone and its clients in virtual time: one call is one tick.</summary>
internal sealed class ZoneBench : IDisposable
{
    public static readonly TileMap OpenMap = TileMap.Open(FarmMap.SideTiles, FarmMap.SideTiles);
    public const ushort FirstPort = 10_000;

    public static readonly PeerAddress Server = PeerAddress.Loopback(4000);

    private int _nextPort = 10_000;

    public ZoneBench(ZoneOptions? options = null, FarmOptions? farm = null, ZoneHooks? hooks = null, ulong seed = 1, LinkProfile? link = null)
    {
        Options = options ?? new ZoneOptions { PlayersMax = 64, EntitiesMax = 4096 };
        Links = new LinkSimulator(seed) { DefaultProfile = link ?? LinkProfile.Perfect };
        Game = new TestGame(farm ?? TestGame.Small);
        Zone = new Zone<TopDownInput>(Options, TestGame.SharedSchema.Schema, Game, OpenMap, ZoneRandom.Seeded(seed), [Links.Open(Server)], hooks);
    }

    public ZoneOptions Options { get; }

    public LinkSimulator Links { get; }

    public TestGame Game { get; }

    public Zone<TopDownInput> Zone { get; }

    public List<TestClient> Clients { get; } = [];

    public long NowNs { get; private set; } = 1_000_000_000;

    public TestClient Join(ulong seed, ConnectionOptions? options = null, ulong? schemaHash = null, Hash256 mapHash = default, int? port = null, FarmWorkload workload = FarmWorkload.Uniform, ConnectToken? token = null, PeerAddress? at = null, bool saysReady = true)
    {
        PeerAddress address = at ?? PeerAddress.Loopback(port ?? _nextPort++);
        var client = new TestClient(Links.Open(address), Server, seed, options, schemaHash, mapHash, workload, token, NowNs) { SaysReady = saysReady };
        Clients.Add(client);
        return client;
    }

    /// <summary>What the zone's n-th peer is.</summary>
    public Peer<TopDownInput> Peer(int index = 0) => Zone.PeerOf(new PeerId(index))!;

    /// <summary>Clients first, then the zone: what they send is there at its tick when the link is perfect.</summary>
    public void Run(int ticks)
    {
        for (int i = 0; i < ticks; i++)
        {
            UpdateClients();
            Zone.RunTick(NowNs, NowNs + 50_000);
        }
    }

    public void UpdateClients()
    {
        NowNs += Options.TickLengthNs;
        Links.AdvanceTo(NowNs);
        foreach (TestClient client in Clients)
            client.Update(Zone.Tick, NowNs);
        Links.AdvanceTo(NowNs);
    }

    public long Dropped(string reason) => Zone.Drops().GetValueOrDefault(reason);

    public void Dispose() => Zone.Dispose();
}
