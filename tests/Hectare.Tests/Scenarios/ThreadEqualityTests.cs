using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Goal: threads change no byte. Method: one seed of a meadow with 260 clients over a bad link in virtual time: a crowd larger than the cap, cells that
/// are pushed and cells that are looked at, late joins, goodbyes, silent losses, changes of address. Whatever the zone sends to each address is compared,
/// byte by byte and in order, for 0, 2 and 4 threads and as many sockets. Clients answer what they are sent, so a difference would grow.
/// </summary>
public sealed class ThreadEqualityTests(ITestOutputHelper output)
{
    private const int FirstPort = 10_000;
    private const int Clients = 200;
    private const int LateClients = 60;
    private const int MovedClients = 20;
    private const int Ports = Clients + LateClients + MovedClients;

    [Theory]
    [InlineData(11, "audit-5pct", 0)]
    [InlineData(12, "hell", 0)]
    [InlineData(13, "wifi-busy", 120_000)]
    public void Each_client_is_sent_the_same_bytes_by_0_2_and_4_threads(ulong seed, string profile, int zoneBytesPerSecond)
    {
        // Neighbouring clients share a socket: so the zone hears everyone in the same order, however many sockets there are.
        Outcome inline = Run(seed, profile, zoneBytesPerSecond, threads: 0, sockets: 1, (from, _, sockets) => (from.Port - FirstPort) * sockets / Ports);
        foreach (int threads in (int[])[2, 4])
        {
            Outcome threaded = Run(seed, profile, zoneBytesPerSecond, threads, sockets: threads, (from, _, sockets) => (from.Port - FirstPort) * sockets / Ports);
            ShouldBeEqual(seed, inline, threaded, threads);
        }
    }

    // The kernel's hash may send a client's packets to any socket: they are handed to the group that the client belongs to.
    [Fact]
    public void Each_client_is_sent_the_same_bytes_when_its_packets_come_through_any_socket()
    {
        const ulong Seed = 21;
        Outcome inline = Run(Seed, "audit-5pct", 0, threads: 0, sockets: 4, Strewn);
        Outcome threaded = Run(Seed, "audit-5pct", 0, threads: 4, sockets: 4, Strewn);
        Assert.True(inline.HandedOver > 1_000, $"{inline.HandedOver} packets came through another socket");
        ShouldBeEqual(Seed, inline, threaded, threads: 4);

        static int Strewn(PeerAddress from, long number, int sockets) => (int)(SeededRandom.MixSeed(Seed, (ulong)number) % (ulong)sockets);
    }

    private void ShouldBeEqual(ulong seed, Outcome inline, Outcome threaded, int threads)
    {
        output.WriteLine($"seed {seed}, {threads} threads: {inline.Datagrams} datagrams to {inline.Sent.Count} addresses, {inline.LeftOut} looks at something left out, at most {inline.CappedMost} in a crowd at once, {inline.Joined} joined, {inline.Left} left, {inline.PathsProved} moved");
        foreach ((PeerAddress to, OutboundHash hash) in inline.Sent)
        {
            OutboundHash other = threaded.Sent.GetValueOrDefault(to);
            Assert.True((hash.Datagrams, hash.Value) == (other.Datagrams, other.Value), $"seed {seed}: {threads} threads sent {to} {other.Datagrams} datagrams of hash {other.Value:x}, none sent {hash.Datagrams} of {hash.Value:x}");
        }

        Assert.Equal(inline.Sent.Count, threaded.Sent.Count);
        Assert.Equal(inline.WorldHash, threaded.WorldHash);
        Assert.Equal(threads, threaded.SocketsUsed);
        // That it was worth comparing.
        Assert.True(inline.CappedMost > 50, $"{inline.CappedMost} clients were in a crowd");
        Assert.True(inline.LeftOut > 20, $"{inline.LeftOut} times something was left out");
        Assert.True(inline.PathsProved >= MovedClients / 2, $"{inline.PathsProved} clients changed their address");
        Assert.True(inline.Left >= 40, $"{inline.Left} clients left");
        Assert.True(inline.Joined >= (Clients + LateClients) * 9 / 10, $"{inline.Joined} clients joined");
        Assert.Equal(0, inline.Refused);
    }

    private static Outcome Run(ulong seed, string profile, int zoneBytesPerSecond, int threads, int sockets, Func<PeerAddress, long, int, int> route)
    {
        SharedPort port = null!;
        var options = new SimulationOptions
        {
            Seed = seed,
            Clients = Clients,
            LaterClients = LateClients,
            Profile = LinkProfile.Get(profile),
            Replication = new ReplicationOptions { InterestCap = 64, PushSubscribersMax = 48, BytesPerSecond = 3_000 },
            Zone = new ZoneOptions
            {
                Threads = threads,
                BytesPerSecondMax = zoneBytesPerSecond,
                TimeOutMs = 1_500,
                // All from one address.
                Limits = new ZoneLimits { HandshakesPerTickMax = 1_024, HandshakesBurst = 100_000, HandshakesPerSecond = 100_000 },
            },
            SharedPort = network => port = new SharedPort(network, sockets, threads > 0, (from, number) => route(from, number, sockets)),
        };
        using var system = new SimulatedSystem(options);
        int cappedMost = 0, leftOut = 0;
        system.RunSeconds(2);
        for (int i = 0; i < LateClients; i++)
        {
            system.AddClient();
            system.RunSeconds(0.02);
        }

        system.RunSeconds(1);
        for (int i = 0; i < 30; i++)
        {
            system.Clients[i * 3].Game.Close(CloseCode.Left, system.NowNs);
            system.Clients[(i * 3) + 100].NextFrameNs = long.MaxValue;   // never heard of again
        }

        for (int i = 0; i < MovedClients; i++)
            system.Move(system.Clients[Clients + i], PeerAddress.Loopback(FirstPort + Clients + LateClients + i));
        for (int i = 0; i < 3; i++)
        {
            system.RunSeconds(1);
            PeerView[] views = [.. Enumerable.Range(0, Clients + LateClients).Select(system.Zone.Replicator.Peer).OfType<PeerView>()];
            cappedMost = Math.Max(cappedMost, views.Count(view => view.IsCapped));
            leftOut += views.Count(view => view.LeftOut);
        }

        ZoneReport report = system.Zone.Report();
        return new Outcome(
            port.Sent,
            port.Sent.Values.Sum(hash => hash.Datagrams),
            port.SocketsUsed,
            system.Zone.World.StateHash(),
            report.HandedOver,
            report.Paths.Proved,
            leftOut,
            cappedMost,
            system.Clients.Count(client => client.Game.IsJoined),
            system.Clients.Count - system.Zone.PeerCount,
            system.Clients.Sum(client => client.Game.Stats.Malformed + client.Game.Stats.WrongChecks + client.Game.Stats.WithoutBaseline));
    }

    private sealed record Outcome(IReadOnlyDictionary<PeerAddress, OutboundHash> Sent, long Datagrams, int SocketsUsed, ulong WorldHash, long HandedOver, long PathsProved, int LeftOut, int CappedMost, int Joined, int Left, long Refused);
}
