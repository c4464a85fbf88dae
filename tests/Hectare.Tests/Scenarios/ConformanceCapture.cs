using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Repository;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// The golden run for strangers' decoders (tests/conformance): what one client of twelve sent and was delivered in 20 virtual seconds over a bad
/// link, and the replica it held at the end. A change of the wire changes these bytes: write them anew with HECTARE_GOLDEN=1 and raise the
/// protocol version.
/// </summary>
public sealed class ConformanceCapture
{
    private static readonly string Folder = Path.Combine(RepositoryRoot.Path, "tests", "conformance");

    // A small radius and a small cap, so that entities leave and return, and a crowd is told as a density.
    private static readonly ReplicationOptions Narrow = new() { EnterRadiusUnits = 40, ExitRadiusUnits = 48, InterestCap = 16, DwellTicks = 10 };

    [Fact]
    public void The_golden_run_is_what_this_build_does()
    {
        (byte[] capture, string replica) = Record();
        string captureFile = Path.Combine(Folder, "golden.capture"), replicaFile = Path.Combine(Folder, "golden.replica");
        if (Environment.GetEnvironmentVariable("HECTARE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Folder);
            File.WriteAllBytes(captureFile, capture);
            File.WriteAllText(replicaFile, replica);
        }

        Assert.True(File.ReadAllBytes(captureFile).AsSpan().SequenceEqual(capture), "the bytes on the wire changed: see this test's summary");
        Assert.Equal(File.ReadAllText(replicaFile), replica);
    }

    private static (byte[] Capture, string Replica) Record()
    {
        // A client of another version: so the zone sends its schema, and a stranger's decoder finds it in the capture.
        Schema other = MeadowSchema.Build(builder => builder.Kind("cloud").Group("shape").Enum("shape", 3));
        using var system = new SimulatedSystem(new SimulationOptions { Seed = 21, Clients = 12, Profile = LinkProfile.Get("hell"), ClientSchema = other, Replication = Narrow, Game = seed => new MeadowGame(seed, spreadUnits: 30) });
        using var capture = new MemoryStream();
        system.Delivered += (client, datagram) => Add(capture, system.NowNs, toClient: true, client, datagram.Span);
        system.Sent += (client, datagram) => Add(capture, system.NowNs, toClient: false, client, datagram.Span);
        system.RunSeconds(4);
        // A text of several fragments, and a friend whose party groups can be seen.
        var self = new PeerId(system.PeerIndexOf(system.Clients[0]));
        Assert.Equal(SendResult.Sent, system.Zone.Send(self, Lane.Chat, Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(1, 200)))));
        system.Zone.Replicator.SetParty(self.Index, 7);
        system.Zone.Replicator.SetParty(system.PeerIndexOf(system.Clients[1]), 7);
        system.RunSeconds(16);
        return (capture.ToArray(), Replica(system.Clients[0].Game.World!));
    }

    // time ns u64 | direction u8 (1 to the client) | bytes u16 | datagram
    private static void Add(MemoryStream capture, long nowNs, bool toClient, SimulatedClient client, ReadOnlySpan<byte> datagram)
    {
        if (client.Index != 0)
            return;
        Span<byte> head = stackalloc byte[11];
        BinaryPrimitives.WriteInt64LittleEndian(head, nowNs);
        head[8] = toClient ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(head[9..], (ushort)datagram.Length);
        capture.Write(head);
        capture.Write(datagram);
    }

    // A line an entity, by id: id kind [x y vx vy t0 (- at rest) sampled] field=bits ... ; texts as hex behind their hash.
    private static string Replica(ReplicaWorld world)
    {
        var lines = new SortedDictionary<uint, string>();
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            if (entity.Leaving)
                continue;
            var line = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{entity.Id.Value} {entity.Kind.Name}"));
            if (entity.Kind.HasMotion && world.TryGetMotion(entity.Id, out PublishedMotion motion))
                line.Append(CultureInfo.InvariantCulture, $" motion={motion.X},{motion.Y},{motion.VelocityX},{motion.VelocityY},{(motion.IsRest ? "-" : motion.T0.Value.ToString(CultureInfo.InvariantCulture))},{(motion.Sampled ? 1 : 0)}");
            foreach (Field field in entity.Kind.Fields)
            {
                line.Append(CultureInfo.InvariantCulture, $" {field.Name}={world.GetField(entity.Id, field)}");
                if (field.Type == FieldType.Text)
                    line.Append('/').Append(Convert.ToHexStringLower(world.GetText(entity.Id, field)));
            }

            lines.Add(entity.Id.Value, line.ToString());
        }

        return string.Join('\n', lines.Values) + "\n";
    }
}
