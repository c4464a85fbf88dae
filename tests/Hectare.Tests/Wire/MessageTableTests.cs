using Hectare.Cli.Dissection;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;
using Hectare.Tests.Transport;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Tests.Wire;

/// <summary>
/// Goal: the tables that the Wireshark dissector is written from say what the codecs do. Method: random messages by the real writers are read by the
/// tables; every value is compared, and no bit may be left.
/// </summary>
public sealed class MessageTableTests
{
    private static readonly ReplicationOptions Narrow = new() { EnterRadiusUnits = 40, ExitRadiusUnits = 48, InterestCap = 16, DwellTicks = 10, BytesPerSecond = 64_000 };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Snapshots_are_read_by_their_table_as_by_the_codecs(ulong seed)
    {
        var rig = new ReplicationRig(TestSchemas.Estate(256, 13), Narrow) { IsChecking = false };
        var meadow = new RandomMeadow(rig, seed, 1_000);
        int avatar = meadow.Avatar();
        var watcher = new TableWatcher(rig, avatar, seed);

        for (int i = 0; i < 600; i++)
        {
            // It goes back and forth: what left comes again.
            if (i % 60 == 59)
                rig.World.Teleport(avatar, Units.FromFloat(100 + (60 * (i / 60 % 2))), Units.FromFloat(128));
            rig.Run(1, meadow.Step, withPeers: false);
            watcher.Tick();
        }

        Assert.True(watcher.Seen is { Updates: > 1000, Enters: > 100, Returns: > 0, Leaves: > 50, Destroys: > 0, Absolutes: > 10, Gaps: > 0, Cells: > 10 }, $"seed {seed}: {watcher.Seen}");
    }

    [Fact]
    public void Inputs_are_read_by_their_table()
    {
        var random = new SeededRandom(5);
        byte[] buffer = new byte[512];
        for (int round = 0; round < 2_000; round++)
        {
            TopDownInput[] inputs = new TopDownInput[random.Next(0, InputMessage.InputsMax + 1)];
            for (int i = 0; i < inputs.Length; i++)
                inputs[i] = i > 0 && random.NextBool(0.4) ? inputs[i - 1] : new TopDownInput(RandomIntent(ref random), random.NextBool(0.5) ? (ushort)random.NextUInt64() : (ushort)0);
            SequenceNumber? resync = random.NextBool(0.5) ? new SequenceNumber((uint)random.NextUInt64()) : null;
            var newest = new Tick((uint)random.NextUInt64());
            var writer = new BitWriter(buffer);
            InputMessage.Write<TopDownInput>(ref writer, resync, newest, inputs);
            List<TopDownInput> read = [];
            var reader = new TableReader(writer.Finish().ToArray(), (_, rule, scope) => read.Add(InputOf(rule, scope, read.Count == 0 ? TopDownInput.Neutral : read[^1])));

            TableScope message = reader.Read(WireMessages.Input);

            Assert.Equal(writer.BitCount, reader.Position);
            Assert.Equal(resync?.Wire ?? -1, resync.HasValue ? message["refused sequence"] : -1);
            Assert.Equal(resync.HasValue ? 1 : 0, message["asks resync"]);
            Assert.Equal(inputs, read);
            Assert.Equal(inputs.Length > 0 ? (ushort)newest.Value : -1, inputs.Length > 0 ? message["newest tick"] : -1);
        }
    }

    [Fact]
    public void Welcomes_and_their_schemas_are_read_by_their_tables()
    {
        var random = new SeededRandom(7);
        foreach (Schema schema in (Schema[])[TestSchemas.Estate(), new Hectare.Farm.FarmSchema().Schema, Scenarios.MeadowSchema.Shared.Schema])
        {
            var welcome = new Welcome
            {
                Zone = new ZoneId((ushort)random.NextUInt64()),
                OriginX = (int)random.NextUInt64(),
                OriginY = (int)random.NextUInt64(),
                TickLengthNs = (uint)random.NextUInt64(),
                Tick = new Tick((uint)random.NextUInt64()),
                DueTime = (long)random.NextUInt64(),
                SnapshotIntervalTicks = 3,
                Intervals = Welcome.PackIntervals(2, 3, 6, 15),
                CellUnits = 16,
                EnterRadiusUnits = 100,
                ExitRadiusUnits = 116,
                SchemaHash = schema.Hash,
                SchemaBytes = schema.Bytes,
            };
            byte[] buffer = new byte[Welcome.BytesMax];
            var reader = new TableReader(buffer[..welcome.Write(buffer)]);

            TableScope read = reader.Read(WireMessages.Welcome);

            Assert.Equal(0, reader.Remaining);
            Assert.Equal(
                (welcome.Zone.Value, welcome.OriginX, welcome.OriginY, welcome.TickLengthNs, welcome.Tick.Value, welcome.DueTime, (long)welcome.SchemaHash),
                (read["zone"], read["origin x"], read["origin y"], read["tick length"], read["tick"], read["due time"], read["schema hash"]));
            Assert.Equal((3, 16, 100, 116), (read["snapshot interval"], read["cell"], read["enter radius"], read["exit radius"]));
            Assert.Equal([2L, 3, 6, 15], read.Lists["intervals"].Select(one => one["interval"]));
            CheckSchema(schema, read.Blobs["schema"]);
        }
    }

    private static void CheckSchema(Schema schema, byte[] bytes)
    {
        var reader = new TableReader(bytes);
        TableScope read = reader.Read(WireMessages.Schema);

        Assert.InRange(reader.Remaining, 0, 7);
        Assert.Equal((schema.Grid.ExtentUnits, schema.Grid.Bits), (read["extent"], read["position bits"]));
        Assert.Equal(schema.Kinds.Length, read.Lists["kind"].Count);
        foreach ((Kind kind, TableScope one) in schema.Kinds.ToArray().Zip(read.Lists["kind"]))
        {
            Assert.Equal((kind.Name, kind.HasMotion, (long)kind.Body, (long)kind.Radius), (one.Text("name"), one["motion"] == 1, one["body"], one["radius"]));
            Assert.Equal(kind.Speeds.ToArray().Select(speed => (long)speed), one.Lists["speed classes"].Select(speed => speed["speed"]));
            foreach ((Group group, TableScope of) in kind.Groups.ToArray().Zip(one.Lists["group"]))
            {
                Assert.Equal((group.Name, (long)group.Audience, group.Sampled), (of.Text("name"), of["audience"], of["sampled"] == 1));
                Assert.Equal(
                    group.Fields.ToArray().Select(field => (field.Name, (long)field.Type, (long)field.Bits, field.Min, field.Max, field.Required)),
                    of.Lists["field"].Select(field => (field.Text("name"), field["type"], field["bits"], Float(field["min"]), Float(field["max"]), field["required"] == 1)));
            }
        }
    }

    [Fact]
    public void Ready_and_joined_are_read_by_their_tables()
    {
        byte[] buffer = new byte[16];
        var reader = new TableReader(buffer[..Ready.Write(buffer)]);
        Assert.Equal((long)ControlType.Ready, reader.Read(WireMessages.Ready)["type"]);
        Assert.Equal(0, reader.Remaining);
        reader = new TableReader(buffer[..Joined.Write(buffer, new EntityId(0xFEDC_BA98))]);
        Assert.Equal(0xFEDC_BA98, reader.Read(WireMessages.Joined)["entity"]);
        Assert.Equal(0, reader.Remaining);
    }

    [Fact]
    public void Lane_segments_are_read_by_their_table_and_refused_alike()
    {
        var random = new SeededRandom(9);
        byte[] buffer = new byte[300];
        for (int round = 0; round < 20_000; round++)
        {
            // Any head: most are none that a writer makes, and then both readers must say so.
            Fill(ref random, buffer);
            buffer[0] &= random.NextBool(0.9) ? (byte)31 : (byte)255;
            buffer[3] = random.NextBool(0.5) ? (byte)LaneSegment.DataBytesMax : buffer[3];
            byte[] cut = buffer[..random.Next(0, buffer.Length + 1)];
            ReadOnlySpan<byte> source = cut;
            bool good = LaneSegment.TryRead(ref source, out LaneSegment segment);
            var reader = new TableReader(cut);
            TableScope read;
            try
            {
                read = reader.Read(WireMessages.Segment);
            }
            catch (MalformedException)
            {
                Assert.False(good, $"round {round}: the codec takes it, the table does not");
                continue;
            }

            Assert.True(good, $"round {round}: the table takes it, the codec does not");
            Assert.Equal(source.Length * 8, reader.Remaining);
            Assert.Equal(((long)segment.Lane, segment.IsFirst, segment.IsLast, (long)segment.Sequence), (read["lane"], read["first"] == 1, read["last"] == 1, read["fragment"]));
            Assert.Equal(segment.Data.ToArray(), read.Blobs["data"]);
            if (segment.IsFirst && !segment.IsLast)
                Assert.Equal(segment.MessageBytes, read["message bytes"]);
        }
    }

    [Fact]
    public void Handshakes_are_read_by_their_tables()
    {
        var random = new SeededRandom(13);
        for (int round = 0; round < 200; round++)
        {
            byte[] buffer = new byte[1500];
            Random128 client = Random(ref random), server = Random(ref random);
            ConnectToken token = TestTokens.Mint((ulong)round, TestTokens.Request with { Endpoints = Endpoints(ref random), ExpiresUnixSeconds = random.NextUInt64() >> 8, UserData = new byte[random.Next(0, 513)] });
            var challenge = new Challenge(client, server, random.NextUInt64(), random.NextBool(0.5) ? CipherSuite.Aes256Gcm : CipherSuite.ChaCha20Poly1305);
            ConnectionKeys keys = ConnectionKeys.Derive(token.Secret, client, server, Handshake.ProtocolVersion, challenge.Suite);
            var body = new ResponseBody((CipherSuites)random.Next(0, 8), random.NextUInt64(), new Hash256(random.NextUInt64(), 2, 3, random.NextUInt64()));
            byte[] cookie = new byte[Handshake.CookieBytes];
            Fill(ref random, cookie);
            ulong connectionId = random.NextUInt64();
            ushort version = (ushort)random.NextUInt64();
            var suites = (CipherSuites)random.Next(0, 8);

            TableScope request = Read(WireMessages.Request, buffer, Handshake.WriteRequest(buffer, version, client, suites));
            Assert.Equal(((long)PacketType.Request, (long)version, suites), (request["type"], request["protocol version"], Suites(request)));
            Assert.Equal(Bytes(client), request.Blobs["client random"]);
            TableScope ask = Read(WireMessages.TokenAsk, buffer, Handshake.WriteTokenAsk(buffer, version, client));
            Assert.Equal(((long)PacketType.TokenAsk, (long)version), (ask["type"], ask["protocol version"]));
            Check(challenge, cookie, Read(WireMessages.Challenge, buffer, Handshake.WriteChallenge(buffer, challenge, cookie)));
            TableScope response = Read(WireMessages.Response, buffer, Handshake.WriteResponse(buffer, challenge, cookie, body, token.Sealed, keys));
            Check(challenge, cookie, response);
            Assert.Equal((body.Suites, (long)body.SchemaHash, body.MapHash), (Suites(response), response["schema hash"], Hash256.Read(response.Blobs["map sha256"])));
            Assert.Equal(token.Sealed.ToArray(), response.Blobs["token"]);
            TableScope accepted = Read(WireMessages.Accepted, buffer, Handshake.WriteAccepted(buffer, client, keys, connectionId));
            Assert.Equal(((long)connectionId, (long)PacketType.Accepted), (accepted["connection"], accepted["type"]));
            TableScope refused = Read(WireMessages.Refused, buffer, Handshake.WriteRefused(buffer, client, keys, RefuseReason.SchemaMismatch, "kind 'söil'"));
            Assert.Equal(((long)RefuseReason.SchemaMismatch, "kind 'söil'"), (refused["reason"], refused.Text("text")));
            TableScope grant = Read(WireMessages.TokenGrant, buffer, Handshake.WriteTokenGrant(buffer, client, token));
            Assert.Equal(token.Bytes, grant["token bytes"]);
            CheckToken(token, grant);
            byte[] message = new byte[Resume.TokenOffset + token.Bytes];
            Resume.Write(message, token.Write(message.AsSpan(Resume.TokenOffset)));
            var resume = new TableReader(message);
            CheckToken(token, resume.Read(WireMessages.Resume));
            Assert.Equal(0, resume.Remaining);
        }
    }

    [Fact]
    public void Headers_payloads_path_packets_and_goodbyes_are_read_by_their_tables()
    {
        var talk = new OverheardTalk(3);
        talk.Run(400);
        talk.SayGoodbye();

        Assert.True(talk.Seen[PacketType.Payload] > 500 && talk.Lanes > 50 && talk.AllAcks > 20, $"{talk.Seen[PacketType.Payload]} payloads, {talk.Lanes} with lanes, {talk.AllAcks} that ack all");
        Assert.True(talk.Seen[PacketType.PathChallenge] > 0 && talk.Seen[PacketType.PathResponse] > 1 && talk.Seen[PacketType.Close] > 0);
    }

    [Fact]
    public void Every_packet_and_control_message_has_a_table()
    {
        string[] packets = ["request", "challenge", "response", "accepted", "refused", "payload", "close", "path challenge", "path response", "token ask", "token grant"];
        Assert.Equal(packets.Length, Enum.GetValues<PacketType>().Length);
        string[] tables = [.. WireMessages.All.Select(message => message.Name)];
        Assert.Empty(packets.Except(tables, StringComparer.Ordinal));
        Assert.Empty(Enum.GetNames<ControlType>().Select(name => name.ToLowerInvariant()).Except(tables, StringComparer.Ordinal));
    }

    private static Intent RandomIntent(ref SeededRandom random) => random.Next(0, 3) switch
    {
        0 => Intent.Rest,
        1 => new Intent((byte)(random.Next(0, 8) * 32), Intent.MagnitudeMax),
        _ => new Intent((int)(random.NextUInt64() & 0x3FFF)),
    };

    private static TopDownInput InputOf(Rule rule, TableScope scope, TopDownInput previous)
    {
        Assert.Equal(Rule.Input, rule);
        if (scope["same"] == 1)
            return previous;
        Intent intent = scope["new intent"] == 0 ? previous.Intent : scope["intent form"] switch
        {
            0 => new Intent((byte)(scope["eighth"] * 32), Intent.MagnitudeMax),
            1 => Intent.Rest,
            _ => new Intent((byte)scope["direction"], (int)scope["magnitude"], (int)scope["speed class"]),
        };
        return new TopDownInput(intent, scope["new buttons"] == 1 ? (ushort)scope["buttons"] : previous.Buttons);
    }

    private static TableScope Read(Message message, byte[] buffer, int bytes)
    {
        var reader = new TableReader(buffer[..(bytes - PacketHeader.TagBytes)]);
        TableScope scope = reader.Read(message);
        Assert.Equal(0, reader.Remaining);
        Assert.Equal((0L, 0L), (scope["reserved"], scope["opened"]));
        return scope;
    }

    private static void Check(in Challenge challenge, byte[] cookie, TableScope read)
    {
        Assert.Equal(((long)challenge.Stamp, (long)challenge.Suite), (read["stamp"], read["suite"]));
        Assert.Equal(Bytes(challenge.ClientRandom), read.Blobs["client random"]);
        Assert.Equal(Bytes(challenge.ServerRandom), read.Blobs["server random"]);
        Assert.Equal(cookie, read.Blobs["cookie"]);
    }

    private static void CheckToken(ConnectToken token, TableScope read)
    {
        Assert.Equal((token.ProtocolVersion, (long)token.ExpiresUnixSeconds, token.Endpoints.Length), (read["protocol version"], read["expires"], read["endpoints"]));
        Assert.Equal(token.Endpoints.ToArray().Select(endpoint => (long)endpoint.Port), read.Lists["endpoint"].Select(endpoint => endpoint["port"]));
        Assert.Equal(token.Sealed.ToArray(), read.Blobs["sealed"]);
        Assert.Equal(token.Secret.ToArray(), read.Blobs["secret"]);
    }

    private static CipherSuites Suites(TableScope read)
        => (CipherSuites)(read["aes 256 gcm"] | (read["chacha20 poly1305"] << 1) | (read["aes in hardware"] << 2));

    private static PeerAddress[] Endpoints(ref SeededRandom random)
    {
        var endpoints = new PeerAddress[random.Next(1, ConnectToken.EndpointsMax + 1)];
        for (int i = 0; i < endpoints.Length; i++)
            endpoints[i] = PeerAddress.Loopback(random.Next(1, 65_536));
        return endpoints;
    }

    private static Random128 Random(ref SeededRandom random) => new(random.NextUInt64(), random.NextUInt64());

    private static void Fill(ref SeededRandom random, byte[] bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)random.NextUInt64();
    }

    private static byte[] Bytes(in Random128 value)
    {
        byte[] bytes = new byte[Random128.Bytes];
        value.Write(bytes);
        return bytes;
    }

    private static float Float(long bits) => BitConverter.UInt32BitsToSingle((uint)bits);
}
