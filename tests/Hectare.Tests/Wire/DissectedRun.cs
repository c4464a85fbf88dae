using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Hectare.Cli.Captures;
using Hectare.Cli.Dissection;
using Hectare.Client;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Scenarios;
using Hectare.Transport;

namespace Hectare.Tests.Wire;

/// <summary>A whole system over a bad link, captured at its clients, opened with the zone's keys, and the dissector that reads it.</summary>
internal sealed class DissectedRun : IDisposable
{
    // A small radius and a small cap, so that entities leave and return, and a crowd is told as a density.
    private static readonly ReplicationOptions Narrow = new() { EnterRadiusUnits = 40, ExitRadiusUnits = 48, InterestCap = 16, DwellTicks = 10 };

    /// <summary>Where the first client is in the second half.</summary>
    public const int MovedPort = 30_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("hectare-dissected-").FullName;
    private readonly List<TrafficSecrets> _secrets = [];
    private readonly List<(long NowNs, bool ToClient, PeerAddress Client, byte[] Datagram)> _datagrams = [];
    private readonly SimulatedSystem _system;

    public DissectedRun(ulong seed, string profile, int clients, double seconds)
    {
        // Clients of another version: so the zone sends its schema, and the capture has it.
        Schema other = MeadowSchema.Build(builder => builder.Kind("cloud").Group("shape").Enum("shape", 3));
        _system = new SimulatedSystem(new SimulationOptions
        {
            Seed = seed,
            Clients = clients,
            Profile = LinkProfile.Get(profile),
            ClientSchema = other,
            Replication = Narrow,
            Game = gameSeed => new MeadowGame(gameSeed, spreadUnits: 30),
            KeyLog = _secrets.Add,
        });
        _system.Delivered += (client, datagram) => _datagrams.Add((_system.NowNs, true, client.Address, datagram.ToArray()));
        _system.Sent += (client, datagram) => _datagrams.Add((_system.NowNs, false, client.Address, datagram.ToArray()));
        _system.RunSeconds(seconds / 2);
        // A text of several fragments, and friends whose party groups can be seen.
        _system.Zone.Send(new PeerId(0), Lane.Chat, Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(1, 200))));
        for (int i = 0; i < 3; i++)
            _system.Zone.Replicator.SetParty(i, 7);
        // One goes to another network in mid-session: challenged, followed, and still the same connection.
        _system.Move(_system.Clients[0], PeerAddress.Loopback(MovedPort));
        _system.Clients[0].Game.OnNetworkChanged();
        _system.RunSeconds(seconds / 2);
        Script = WriteScript("other.lua", new FarmSchema().Schema);
        OwnScript = WriteScript("own.lua", MeadowSchema.Shared.Schema);
    }

    /// <summary>The dissector, written for another game: what it knows of this one it has from the capture.</summary>
    public string Script { get; }

    /// <summary>The dissector, written for this game: for a capture without the beginning.</summary>
    public string OwnScript { get; }

    public IReadOnlyList<SimulatedClient> Clients => _system.Clients;

    /// <summary>Datagrams captured, by type.</summary>
    public Dictionary<PacketType, int> Sent => _datagrams.GroupBy(one => (PacketType)one.Datagram[0]).ToDictionary(group => group.Key, group => group.Count());

    public int Count => _datagrams.Count;

    /// <summary>Writes the capture, opened. <paramref name="change"/> may alter a datagram after it was opened, or leave it out (null).</summary>
    public string Write(string name, Func<int, byte[], byte[]?>? change = null)
    {
        string path = Path.Combine(_folder, name);
        var decryptor = new PacketDecryptor(_secrets);
        using FileStream file = File.Create(path);
        Span<byte> head = stackalloc byte[24];
        head.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(head, 0xA1B2C3D4);
        BinaryPrimitives.WriteUInt16LittleEndian(head[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(head[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(head[16..], 65_535);
        BinaryPrimitives.WriteUInt32LittleEndian(head[20..], 101);      // raw IP
        file.Write(head);
        for (int i = 0; i < _datagrams.Count; i++)
        {
            (long nowNs, bool toClient, PeerAddress client, byte[] datagram) = _datagrams[i];
            (PeerAddress source, PeerAddress target) = toClient ? (SimulatedSystem.ServerAddress, client) : (client, SimulatedSystem.ServerAddress);
            byte[] frame = Frame(source, target, datagram);
            decryptor.Visit(101, frame);
            byte[]? changed = change is null ? frame : change(i, frame[28..]) is { } bytes ? Frame(source, target, bytes) : null;
            if (changed is null)
                continue;
            BinaryPrimitives.WriteInt32LittleEndian(head, (int)(nowNs / 1_000_000_000));
            BinaryPrimitives.WriteInt32LittleEndian(head[4..], (int)(nowNs % 1_000_000_000 / 1_000));
            BinaryPrimitives.WriteInt32LittleEndian(head[8..], changed.Length);
            BinaryPrimitives.WriteInt32LittleEndian(head[12..], changed.Length);
            file.Write(head[..16]);
            file.Write(changed);
        }

        Assert.Equal(0, decryptor.Figures.NotOpened + decryptor.Figures.WithoutKeys + decryptor.Figures.Foreign);
        return path;
    }

    public void Dispose()
    {
        _system.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What a client shows, in the dissector's words: what is always said of an entity, then each field with the audience that may see it.</summary>
    public static Dictionary<uint, (string Said, List<(string Field, bool ForAll)> Fields)> Shown(SimulatedClient client)
    {
        Dictionary<uint, (string, List<(string, bool)>)> shown = [];
        ReplicaWorld world = client.Game.World!;
        foreach (ReplicaWorld.ReplicaEntity entity in world)
        {
            if (entity.Leaving)
                continue;
            string said = string.Create(CultureInfo.InvariantCulture, $" {entity.Id.Value} {entity.Kind.Name}");
            if (entity.Kind.HasMotion && world.TryGetMotion(entity.Id, out PublishedMotion motion))
                said += string.Create(CultureInfo.InvariantCulture, $" at ({Units.ToDouble(motion.X):G10}, {Units.ToDouble(motion.Y):G10}) ") + (motion.IsRest ? "at rest" : string.Create(CultureInfo.InvariantCulture, $"velocity ({motion.VelocityX}, {motion.VelocityY}){(motion.Sampled ? " sampled" : "")} since tick {motion.T0.Value}"));
            List<(string, bool)> fields = [];
            foreach (Group group in entity.Kind.Groups)
            {
                foreach (Field field in group.Fields)
                    fields.Add(($" {field.Name}={Value(world, entity, field)}", group.Audience == Audience.All));
            }

            shown.Add(entity.Id.Value, (said, fields));
        }

        return shown;
    }

    private string WriteScript(string name, Schema schema)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, LuaWriter.Write(schema, SimulatedSystem.ServerAddress.Port));
        return path;
    }

    private static string Value(ReplicaWorld world, in ReplicaWorld.ReplicaEntity entity, Field field)
    {
        uint bits = world.GetField(entity.Id, field);
        PositionGrid grid = entity.Kind.Grid;
        (int velocityX, int velocityY) = Motion.FromEscapeCode(bits & 0xFF_FFFF);
        return field.Type switch
        {
            FieldType.Text => Encoding.UTF8.GetString(world.GetText(entity.Id, field)),
            FieldType.Position2 => string.Create(CultureInfo.InvariantCulture, $"({Units.ToDouble(grid.Dequantize((int)(bits & (uint)grid.QuantaMax))):G10}, {Units.ToDouble(grid.Dequantize((int)(bits >> grid.Bits))):G10})"),
            FieldType.Velocity2 => string.Create(CultureInfo.InvariantCulture, $"({velocityX}, {velocityY})"),
            _ => bits.ToString(CultureInfo.InvariantCulture),
        };
    }

    private static byte[] Frame(PeerAddress source, PeerAddress target, byte[] datagram)
    {
        byte[] frame = new byte[28 + datagram.Length];
        frame[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)frame.Length);
        frame[8] = 64;
        frame[9] = 17;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(12), source.IPv4);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(16), target.IPv4);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(22), target.Port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), (ushort)(8 + datagram.Length));
        datagram.CopyTo(frame, 28);
        return frame;
    }
}
