using Hectare.Fuzz.Engine;

namespace Hectare.Fuzz.Targets;

/// <summary>Every target there is.</summary>
internal static class TargetList
{
    /// <summary>In the order they run.</summary>
    public static readonly IReadOnlyList<FuzzTarget> All =
    [
        new BitTarget { Readers = ["BitReader.Read", "BitReader.ReadBytes"] },
        new SchemaTarget { Readers = ["Schema.TryRead", "Schema.ReadName", "Schema.ReadFloat", "Kind.ReadInto", "SchemaMap.TryCreate"] },
        new WelcomeTarget { Readers = ["Welcome.TryRead"] },
        new ControlTarget { Readers = ["Ready.TryRead", "Joined.TryRead", "Resume.TryRead"] },
        new InputTarget { Readers = ["InputMessage.TryRead", "TopDownInput.TryRead", "IInput.TryRead"] },
        new SnapshotHeaderTarget { Readers = ["SnapshotHeader.TryRead"] },
        new SlotTarget { Readers = ["SlotCodec.ReadCount", "SlotCodec.TryRead", "DensityCodec.TryRead"] },
        new EntityTarget { Readers = ["EntityCodec.TryReadMotion", "EntityCodec.TryReadStep", "EntityCodec.ReadStepCount", "EntityCodec.ReadGroupMask", "EntityCodec.TryReadGroup"] },
        new TileMapTarget { Readers = ["TileMap.Read"] },
        new AddressTarget { Readers = ["PeerAddress.TryParse", "PeerAddress.Parse"] },
        new TraceTarget { Readers = ["LinkTrace.Parse", "LinkTracePair.Parse"] },
        new PacketHeaderTarget { Readers = ["PacketHeader.TryReadType", "PacketHeader.TryReadFromClient", "PacketHeader.TryReadFromServer"] },
        new RequestTarget { Readers = ["Handshake.TryReadRequest", "Handshake.TryReadTokenAsk", "HandshakeServer.HandleRequest", "HandshakeServer.HandleTokenAsk"] },
        new ResponseTarget { Readers = ["Handshake.TryReadResponse", "HandshakeServer.TryVerifyResponse", "Random128.Read", "Hash256.Read"] },
        new HandshakeClientTarget
        {
            Readers =
            [
                "Handshake.TryReadChallenge", "Handshake.TryReadTokenGrant", "Handshake.TryReadAccepted", "Handshake.TryReadRefused", "ConnectToken.TryRead",
                "HandshakeClient.TryTakeGrant", "HandshakeClient.TryTakeChallenge", "HandshakeClient.TryTakeAccepted", "HandshakeClient.TryTakeRefused",
            ],
        },
        new TokenTarget { Readers = ["TokenAuthority.TryOpen", "ConnectToken.ReadEndpoint"] },
        new TokenTextTarget { Readers = ["ConnectToken.TryParse"] },
        new ClusterKeysTarget { Readers = ["ClusterKeys.TryParse"] },
        new SecretsTarget { Readers = ["TrafficSecrets.TryParse"] },
        new AckTarget { Readers = [] },
        new PacketTarget { Readers = ["Connection.TryOpen", "PacketOpener.TryOpen", "PacketCipher.TryOpen"] },
        new ConnectionTarget { Readers = [] },
        new ClientTarget { Readers = [] },
        new ZoneTarget { Readers = [] },
        new ReplayTarget { Readers = [] },
        new CipherTarget { Readers = ["PacketCipher.TryOpen"] },
        new LaneSegmentTarget { Readers = ["LaneSegment.TryRead"] },
        new SnapshotTarget { Readers = ["SnapshotReader.Read"] },
        new RecordingTarget { Readers = ["RecordingReader.ReadHeader", "RecordingReader.ReadInputs"] },
        new CaptureTarget { Readers = ["CaptureFile.Rewrite", "UdpDatagram.TryFind", "PacketDecryptor.Visit"] },
        new UseTarget { Readers = ["UseMessage.TryRead"] },
        new PackedTarget { Readers = ["BulkPacker.TryReadLength"] },
        new LanesTarget { Readers = ["ReliableLanes.Check", "ReliableLanes.Take", "LaneReceiver.TryTake"] },
    ];

    /// <summary>Methods that look like readers by name and parameters, and read nothing that a stranger wrote: they hand bytes on.</summary>
    public static readonly IReadOnlyList<string> NoReaders = ["GameClient.TryTakeDatagram", "InboundQueue.TryTake", "NetworkGroup.TryTake", "MessageInbox.TryTake"];

    /// <summary>The targets of those names; all when none is named.</summary>
    /// <exception cref="FuzzException">There is no such target.</exception>
    public static IReadOnlyList<FuzzTarget> Named(string[] names)
    {
        if (names.Length == 0)
            return All;
        return [.. names.Select(name => All.Concat(DefectTarget.All).FirstOrDefault(target => target.Name == name) ?? throw new FuzzException($"--target {name}: there is no such target; see --list"))];
    }
}
