using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Cli.Dissection;

/// <summary>Every message on the wire, as data, in the order of docs/wire-format.md.</summary>
/// <remarks>The codecs themselves are written by hand, for speed; <c>MessageTableTests</c> holds these tables equal to them.</remarks>
internal static class WireMessages
{
    /// <summary>First byte of every datagram. <c>hectare inspect decrypt</c> sets its highest bit, which is never set on the wire, in what it opened.</summary>
    public static readonly Message FirstByte = new("packet", Number("type", 4, NamesOf<PacketType>()), Number("reserved", 3), new Check("reserved", 0, 0), Flag("opened"));

    /// <summary>The ciphers that a client can do.</summary>
    public static readonly Message Suites = new("suites", Flag("aes 256 gcm"), Flag("chacha20 poly1305"), Flag("aes in hardware"), Number("other", 5));

    /// <summary>What a client holds to come in.</summary>
    public static readonly Message Token = new("token",
        Number("format", 8), Number("protocol version", 16), Number("expires", 64), Number("endpoints", 8), new Check("endpoints", 1, ConnectToken.EndpointsMax),
        new Repeat("endpoint", "endpoints", 0, [new Bytes("address", 16), Number("port", 16)]),
        new Bytes("secret", Secret256.Bytes), Number("sealed bytes", 16), new Bytes("sealed", "sealed bytes"));

    /// <summary>May I?</summary>
    public static readonly Message Request = new("request", new Use(FirstByte),
        Hex("magic", 32), new Check("magic", Handshake.Magic, Handshake.Magic), Number("protocol version", 16), new Bytes("client random", Random128.Bytes),
        new Use(Suites), new Rest("zeros"));

    /// <summary>Prove that you receive at this address.</summary>
    public static readonly Message Challenge = new("challenge", new Use(FirstByte),
        new Bytes("client random", Random128.Bytes), new Bytes("server random", Random128.Bytes), Number("stamp", 64), new Bytes("cookie", Handshake.CookieBytes),
        Number("suite", 8, NamesOf<CipherSuite>()));

    /// <summary>The proof, and who the client is.</summary>
    public static readonly Message Response = new("response", new Use(FirstByte),
        new Bytes("client random", Random128.Bytes), new Bytes("server random", Random128.Bytes), Number("stamp", 64), new Bytes("cookie", Handshake.CookieBytes),
        Number("suite", 8, NamesOf<CipherSuite>()), new Use(Suites), Hex("schema hash", 64), new Bytes("map sha256", Hash256.Bytes),
        Number("token bytes", 16), new Check("token bytes", 0, ConnectToken.SealedBytesMax), new Bytes("token", "token bytes"),
        new Rest("zeros", Before: PacketHeader.TagBytes), new Bytes("checksum", PacketHeader.TagBytes));

    /// <summary>Connected.</summary>
    public static readonly Message Accepted = new("accepted", new Use(FirstByte), new Bytes("client random", Random128.Bytes), Hex("connection", 64));

    /// <summary>A connect token, please.</summary>
    public static readonly Message TokenAsk = new("token ask", new Use(FirstByte),
        Hex("magic", 32), new Check("magic", Handshake.Magic, Handshake.Magic), Number("protocol version", 16), new Bytes("client random", Random128.Bytes), new Rest("zeros"));

    /// <summary>Here it is: to this machine only, so its secret may be seen here.</summary>
    public static readonly Message TokenGrant = new("token grant", new Use(FirstByte), new Bytes("client random", Random128.Bytes), Number("token bytes", 16), new Use(Token));

    /// <summary>No, and why.</summary>
    public static readonly Message Refused = new("refused", new Use(FirstByte), new Bytes("client random", Random128.Bytes),
        Number("reason", 8, NamesOf<RefuseReason>()), Number("text bytes", 8), new Check("text bytes", 0, Handshake.RefuseTextBytesMax), new Utf8("text", "text bytes"));

    /// <summary>What a numbered datagram of a client begins with.</summary>
    public static readonly Message ClientHeader = new("client header", new Use(FirstByte), Hex("connection", 64), Number("sequence", 16));

    /// <summary>What a numbered datagram of a server begins with.</summary>
    public static readonly Message ServerHeader = new("server header", new Use(FirstByte), Hex("connection low byte", 8), Number("sequence", 16));

    /// <summary>A piece of a message of a lane.</summary>
    public static readonly Message Segment = new("segment",
        Number("lane", 2, NamesOf<Lane>()), Flag("first"), Flag("last"), Flag("packed"), Number("reserved", 3), new Check("reserved", 0, 0),
        If("packed", 1, new Check("lane", (int)Lane.Bulk, (int)Lane.Bulk), new Check("first", 1, 1)),
        Number("fragment", 16), Number("data bytes", 8), new Check("data bytes", 0, LaneSegment.DataBytesMax),
        If("last", 0, new Check("data bytes", LaneSegment.DataBytesMax, LaneSegment.DataBytesMax), If("first", 1, Number("message bytes", 32))),
        new Bytes("data", "data bytes"));

    /// <summary>The body of a payload, up to its tail.</summary>
    public static readonly Message Payload = new("payload",
        Flag("has acks"), Flag("has lanes"), Flag("has tail"), Flag("all acks"), Number("reserved", 4), new Check("reserved", 0, 0),
        If("has acks", 0, new Check("all acks", 0, 0)),
        If("has acks", 1, Number("newest acked", 16), If("all acks", 0, Hex("acked before", 32))),
        If("has lanes", 1, Number("segments", 8), new Check("segments", 1, 255), new Repeat("segment", "segments", 0, [new Use(Segment)])));

    /// <summary>The body of a goodbye.</summary>
    public static readonly Message Close = new("close", Number("reason", 8, NamesOf<CloseCode>()));

    /// <summary>The body of a path challenge.</summary>
    public static readonly Message PathChallenge = new("path challenge", Hex("data", 64));

    /// <summary>The body of a path response: padded, when it tells of a new address.</summary>
    public static readonly Message PathResponse = new("path response", Hex("data", 64), new Rest("zeros"));

    /// <summary>First message of the control lane.</summary>
    public static readonly Message Welcome = new("welcome",
        Number("type", 8, NamesOf<ControlType>()), Number("zone", 16), Signed("origin x", 32), Signed("origin y", 32), Number("tick length", 32), Number("tick", 32), Signed("due time", 64),
        Number("snapshot interval", 8), new Repeat("intervals", Protocol.Welcome.IntervalCount, 0, [Number("interval", 8)]),
        Number("cell", 16), Number("enter radius", 16), Number("exit radius", 16), Hex("schema hash", 64), Number("schema bytes", 16), new Bytes("schema", "schema bytes"));

    /// <summary>The client's answer.</summary>
    public static readonly Message Ready = new("ready", Number("type", 8, NamesOf<ControlType>()));

    /// <summary>Which entity is the client's.</summary>
    public static readonly Message Joined = new("joined", Number("type", 8, NamesOf<ControlType>()), Number("entity", 32));

    /// <summary>A token to come back with.</summary>
    public static readonly Message Resume = new("resume", Number("type", 8, NamesOf<ControlType>()), new Use(Token));

    /// <summary>The tail of a client's packet.</summary>
    public static readonly Message Input = new("input",
        Flag("asks resync"), If("asks resync", 1, Number("refused sequence", 16)),
        Flag("has inputs"), If("has inputs", 1,
            Number("newest tick", 16), Number("inputs", 5),
            new Repeat("input", "inputs", 1,
            [
                Flag("same"),
                If("same", 0,
                    Flag("new intent"), If("new intent", 1,
                        new Ones("intent form", 2, ["one of eight", "rest", "any"]),
                        If("intent form", 0, Number("eighth", 3)),
                        If("intent form", 2, Number("direction", 8), Number("magnitude", 4), Number("speed class", 2))),
                    Flag("new buttons"), If("new buttons", 1, Hex("buttons", 16))),
                new Do(Rule.Input),
            ])));

    /// <summary>What entities are made of.</summary>
    public static readonly Message Schema = new("schema",
        Number("extent", 16), Number("position bits", 8), Number("kinds", 8),
        new Repeat("kind", "kinds", 0,
        [
            Number("name bytes", 8), new Utf8("name", "name bytes"), Flag("motion"), Number("speeds", 3), new Repeat("speed classes", "speeds", 0, [Number("speed", 16)]),
            Number("body", 2, NamesOf<BodyRole>()), Number("radius", 24), Number("groups", 4),
            new Repeat("group", "groups", 0,
            [
                Number("name bytes", 8), new Utf8("name", "name bytes"), Number("audience", 2, NamesOf<Audience>()), Flag("sampled"), Number("fields", 6),
                new Repeat("field", "fields", 0,
                [
                    Number("name bytes", 8), new Utf8("name", "name bytes"), Number("type", 4, NamesOf<FieldType>()), Number("bits", 6),
                    Float("min"), Float("max"), Flag("required"),
                ]),
            ]),
        ]));

    /// <summary>The velocity of a motion.</summary>
    public static readonly Message Velocity = new("velocity",
        new Ones("velocity form", 4, ["rest or one of eight", "direction", "intent", "escape", "sampled"]),
        If("velocity form", 0, Flag("rest"), If("rest", 0, Number("eighth", 3))),
        If("velocity form", 1, Number("direction", 8)),
        If("velocity form", 2, Number("direction", 8), Number("magnitude", 4), Number("speed class", 2)),
        new When("velocity form", 3, 4, [Signed("velocity x", 12), Signed("velocity y", 12)]),
        new Do(Rule.Velocity));

    /// <summary>A motion read whole.</summary>
    public static readonly Message Motion = new("motion",
        Number("quantum x", "position bits"), Number("quantum y", "position bits"), new Use(Velocity), If("at rest", 0, Number("t0 low", EntityCodec.TickBits)), new Do(Rule.Motion));

    /// <summary>A motion after another.</summary>
    public static readonly Message Step = new("step",
        If("at rest", 1, Number("t0 low", EntityCodec.TickBits)), If("at rest", 0, new Golomb("t0 gap", EntityCodec.GapOrder), new Check("t0 gap", 0, ushort.MaxValue)),
        new SignedGolomb("residual x", 0), new SignedGolomb("residual y", 0), new Use(Velocity), new Do(Rule.Step));

    /// <summary>All of an entity.</summary>
    public static readonly Message Absolute = new("absolute",
        Flag("owner"), Flag("party"), new Do(Rule.Audience), If("has motion", 1, new Use(Motion)), new Do(Rule.VisibleGroups));

    /// <summary>What changed of an entity since a version of it.</summary>
    public static readonly Message Delta = new("delta",
        If("has motion", 1,
            new Ones("steps", 5, ["none", "one", "two", "three", "four", "behind a gap"]),
            If("steps", 5, Number("steps", 2), new Use(Motion)),
            new Repeat("step", "steps", 0, [new Use(Step)])),
        new When("visible groups", 1, Protocol.Schema.GroupsMax,
        [
            Flag("groups changed"),
            If("groups changed", 1,
                new When("visible groups", 2, Protocol.Schema.GroupsMax,
                [
                    Flag("first group alone"),
                    If("first group alone", 0, new Repeat("mask", "visible groups", 0, [Flag("changed")])),
                ]),
                new Do(Rule.ChangedGroups)),
        ]));

    /// <summary>What a snapshot does to a slot.</summary>
    public static readonly Message Operation = new("operation",
        new Golomb("slot gap", "order"), new Do(Rule.Slot), new Ones("code", 4, ["update", "enter", "leave", "destroy", "absolute"]),
        If("code", (int)SlotOperation.Update, new Do(Rule.Baseline), new Use(Delta)),
        If("code", (int)SlotOperation.Enter,
            Number("entity", 32), Flag("kept"),
            If("kept", 0, Number("kind", "kind bits"), new Do(Rule.Kind), new Use(Absolute)),
            If("kept", 1, new Do(Rule.Baseline), new Use(Delta))),
        If("code", (int)SlotOperation.Absolute, new Do(Rule.KindOfSlot), new Use(Absolute)),
        new Do(Rule.Operation));

    /// <summary>The tail of a server's packet.</summary>
    public static readonly Message Snapshot = new("snapshot",
        Number("tick", 16), Number("due time", 24), new Do(Rule.SnapshotTime), Number("interval code", 2), Flag("complete"),
        Flag("has input"), If("has input", 1, new SignedGolomb("input age", 2), Signed("input margin", 8)),
        Flag("has own"), If("has own", 1, Number("own x", SnapshotHeader.OwnBits), Number("own y", SnapshotHeader.OwnBits)),
        Flag("has baseline"), If("has baseline", 1, new Golomb("baseline age", 3), new Check("baseline age", 0, SnapshotHeader.BaselineAgeMax - 1)),
        Flag("has share"), If("has baseline", 0, new Check("has share", 0, 0)), Hex("check", 16), new Do(Rule.SnapshotHeader),
        Flag("has density"), If("has density", 1, Number("cells", 6),
            new Repeat("cell", "cells", 1, [new Golomb("cell gap", 2), new Golomb("movers", 4), new Do(Rule.Cell)])),
        new Repeat("list", SlotCodec.Lists, 0,
        [
            new Golomb("operations", 2), new Check("operations", 0, SlotCodec.SlotsMax),
            new When("operations", 1, SlotCodec.SlotsMax, [Number("order", 4), new Repeat("operation", "operations", 0, [new Use(Operation)])]),
        ]));

    /// <summary>Those that stand for themselves; the others are used by them.</summary>
    public static readonly Message[] All =
        [Request, Challenge, Response, Accepted, Refused, TokenAsk, TokenGrant, ClientHeader, ServerHeader, Payload, Close, PathChallenge, PathResponse, Welcome, Ready, Joined, Resume, Input, Schema, Snapshot];

    private static Bits Number(string name, Size bits, string[]? words = null) => new(name, bits, Look.Decimal, words ?? []);

    private static Bits Signed(string name, int bits) => new(name, bits, Look.Signed, []);

    private static Bits Hex(string name, int bits) => new(name, bits, Look.Hex, []);

    private static Bits Float(string name) => new(name, 32, Look.Float, []);

    private static Bits Flag(string name) => new(name, 1, Look.Flag, []);

    private static When If(string name, int value, params Part[] parts) => new(name, value, value, parts);

    // What the values of an enumeration are called, by value; those between that nobody uses are empty.
    private static string[] NamesOf<T>()
        where T : struct, Enum
    {
        string[] names = new string[Enum.GetValues<T>().Max(value => Convert.ToInt32(value, null)) + 1];
        Array.Fill(names, "");
        foreach (T value in Enum.GetValues<T>())
            names[Convert.ToInt32(value, null)] = value.ToString();
        return names;
    }
}
