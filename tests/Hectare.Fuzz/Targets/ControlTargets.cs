using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>The server's welcome. What was taken is written back to the same bytes.</summary>
internal sealed class WelcomeTarget() : FuzzTarget("welcome", "the welcome of a server: times, intervals, radii, its schema")
{
    private readonly byte[] _written = new byte[Welcome.BytesMax];

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        Span<byte> schema = stackalloc byte[random.Next(0, 2) * random.Next(0, 600)];
        for (int i = 0; i < schema.Length; i++)
            schema[i] = (byte)random.NextUInt64();
        var welcome = new Welcome
        {
            Zone = new ZoneId((ushort)random.NextUInt64()),
            OriginX = (int)random.NextUInt64(),
            OriginY = (int)random.NextUInt64(),
            TickLengthNs = (uint)random.Next(1_000_000, 1_000_000_001),
            Tick = new Tick((uint)random.NextUInt64()),
            DueTime = (long)(random.NextUInt64() >> random.Next(1, 64)),
            SnapshotIntervalTicks = (byte)random.Next(1, 256),
            Intervals = Welcome.PackIntervals(random.Next(1, 256), random.Next(1, 256), random.Next(1, 256), random.Next(1, 256)),
            CellUnits = (ushort)(1 << random.Next(0, 16)),
            EnterRadiusUnits = (ushort)random.Next(0, 1000),
            ExitRadiusUnits = (ushort)random.Next(1000, 65_536),
            SchemaHash = random.NextUInt64(),
            SchemaBytes = schema,
        };
        return welcome.Write(destination);
    }

    public override IEnumerable<byte[]> EdgeCases() => [[], [(byte)ControlType.Welcome], [(byte)ControlType.Welcome, .. new byte[Welcome.HeadBytes - 1]]];

    public override RunResult Run(Span<byte> input)
    {
        if (!Welcome.TryRead(input, out Welcome welcome))
            return RunResult.Refused;
        int bytes = welcome.Write(_written);
        Property.Holds(_written.AsSpan(0, bytes).SequenceEqual(input), "a welcome that was read is written otherwise");
        return RunResult.Taken;
    }
}

/// <summary>The short messages of the control lane.</summary>
internal sealed class ControlTarget() : FuzzTarget("control", "ready, joined and resume, the short messages of the control lane")
{
    public override int InputBytesMax => 16;

    public override int Generate(ref SeededRandom random, Span<byte> destination) => random.Next(0, 8) switch
    {
        0 => Ready.Write(destination),
        1 or 2 => Resume.Write(destination, random.Next(1, 15)),
        _ => Joined.Write(destination, new EntityId((uint)random.NextUInt64())),
    };

    public override RunResult Run(Span<byte> input)
    {
        Span<byte> written = stackalloc byte[Joined.Bytes];
        bool ready = Ready.TryRead(input), joined = Joined.TryRead(input, out EntityId avatar);
        bool resume = Resume.TryRead(input, out ReadOnlySpan<byte> token);
        Property.Holds((ready ? 1 : 0) + (joined ? 1 : 0) + (resume ? 1 : 0) <= 1, "one message is two");
        Property.Holds(!resume || token.Length == input.Length - Resume.TokenOffset, "a token is cut");
        if (ready)
            Property.Holds(written[..Ready.Write(written)].SequenceEqual(input), "a ready that was read is written otherwise");
        if (joined)
            Property.Holds(written[..Joined.Write(written, avatar)].SequenceEqual(input), "a joined that was read is written otherwise");
        return RunResult.Of(ready || joined || resume);
    }
}
