using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>Who may not play is told why, in words; what is no packet of ours is dropped and counted, and the zone goes on.</summary>
public sealed class RefusalTests
{
    private static readonly Schema FarmSchemaOfServer = new FarmSchema().Schema;

    [Fact]
    public async Task A_full_zone_refuses_and_says_so()
    {
        await using RunningZone zone = await RunningZone.StartAsync("--players-max", "2");

        CliResult result = await CliProcess.RunAsync(60, "bots", "--server", zone.Address, "--players", "4", "--seconds", "1");

        result.ExitCode.ShouldBe(1, result.ToString());
        result.Errors.ShouldContain("2 of 4 players are connected");
        result.Errors.ShouldContain("refused: Full");
    }

    [Fact]
    public async Task Another_map_is_refused()
    {
        await using RunningZone zone = await RunningZone.StartAsync("--seed", "1");

        CliResult result = await CliProcess.RunAsync(60, "bots", "--server", zone.Address, "--players", "2", "--seconds", "1", "--seed", "2");

        result.ExitCode.ShouldBe(1, result.ToString());
        result.Errors.ShouldContain("refused: WrongMap");
    }

    [Fact]
    public async Task Another_protocol_version_is_refused()
    {
        await using RunningZone zone = await RunningZone.StartAsync();
        var options = new ClientOptions { Connection = new ConnectionOptions { ProtocolVersion = 9 } };

        CloseReason reason = await ConnectUntilClosedAsync(zone, new GameClient<TopDownInput>(options, FarmSchemaOfServer));

        reason.Cause.ShouldBe(CloseCause.Refused);
        reason.Refusal.ShouldBe(RefuseReason.WrongVersion);
    }

    [Fact]
    public async Task A_schema_that_lacks_what_the_client_requires_is_refused_by_the_name_of_the_first_difference()
    {
        await using RunningZone zone = await RunningZone.StartAsync();
        var builder = new SchemaBuilder(FarmConstants.ExtentUnitsFixed);
        builder.Kind("player").Motion(683).Group("look").Int("hunger", 7, required: true);

        CloseReason reason = await ConnectUntilClosedAsync(zone, new GameClient<TopDownInput>(new ClientOptions(), builder.Build()));

        reason.Cause.ShouldBe(CloseCause.Refused);
        reason.Refusal.ShouldBe(RefuseReason.SchemaMismatch);
        reason.Text.ShouldContain("kind 'player', field 'hunger'");
    }

    [Fact]
    public async Task Malformed_truncated_foreign_and_replayed_datagrams_are_dropped_and_counted()
    {
        using var folder = new TestFolder();
        await using RunningZone zone = await RunningZone.StartAsync("--json", folder["zone.json"]);
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        var server = new IPEndPoint(IPAddress.Loopback, zone.Port);
        var random = new SeededRandom(7);
        byte[] datagram = new byte[1500];
        for (int i = 0; i < 2000; i++)
        {
            for (int at = 0; at < datagram.Length; at++)
                datagram[at] = (byte)random.NextUInt64();
            // Every type in turn, at every length.
            datagram[0] = (byte)(i & 15);
            stranger.SendTo(datagram, 0, random.Next(0, datagram.Length + 1), SocketFlags.None, server);
        }

        CliResult bots = await CliProcess.RunAsync(60, "bots", "--server", zone.Address, "--players", "5", "--seconds", "1");
        zone.Process.Signal(CliProcess.Terminate);
        CliResult result = await zone.Process.EndAsync(30);

        bots.ExitCode.ShouldBe(0, bots.ToString());
        result.ExitCode.ShouldBe(0, result.ToString());
        result.Errors.ShouldNotContain("Exception");
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(folder["zone.json"], TestContext.Current.CancellationToken));
        JsonElement drops = report.RootElement.GetProperty("drops");
        drops.GetProperty("malformed").GetInt64().ShouldBeGreaterThan(0);
        drops.GetProperty("unknownConnection").GetInt64().ShouldBeGreaterThan(0);
        drops.EnumerateObject().Where(drop => drop.Name.StartsWith("handshake", StringComparison.Ordinal)).Sum(drop => drop.Value.GetInt64()).ShouldBeGreaterThan(0);
    }

    private static async Task<CloseReason> ConnectUntilClosedAsync(RunningZone zone, GameClient<TopDownInput> client)
    {
        using var socket = new UdpSocket(new UdpSocketOptions());
        var server = PeerAddress.Loopback(zone.Port);
        var batch = new DatagramBatch();
        client.Connect(Clock.NowNs, new Random128((ulong)Stopwatch.GetTimestamp(), 42));
        for (DateTime latest = DateTime.UtcNow.AddSeconds(20); client.State != ClientState.Closed && DateTime.UtcNow < latest;)
        {
            socket.Receive(batch);
            for (int i = 0; i < batch.Count; i++)
                client.Receive(batch.MutableDatagram(i), Clock.NowNs);
            client.Update(Clock.NowNs);
            batch.Clear();
            while (client.TryTakeDatagram(batch.Buffer(batch.Count), out int bytes))
                batch.Add(server, bytes);
            socket.Send(batch);
            await Task.Delay(5);
        }

        return client.CloseReason;
    }
}
