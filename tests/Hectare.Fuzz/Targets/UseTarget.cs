using Hectare.Farm;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>The farm's own message: what a game has to read by itself.</summary>
internal sealed class UseTarget() : FuzzTarget("use", "the farm's message on the action lane")
{
    public override int InputBytesMax => 16;

    public override int Generate(ref SeededRandom random, Span<byte> destination) => new UseMessage((ushort)random.NextUInt64(), (ushort)random.NextUInt64()).Write(destination);

    public override RunResult Run(Span<byte> input)
    {
        if (!UseMessage.TryRead(input, out UseMessage use))
            return RunResult.Refused;
        Span<byte> written = stackalloc byte[UseMessage.Bytes];
        use.Write(written);
        Property.Holds(written.SequenceEqual(input), "a message that was read is written otherwise");
        return RunResult.Taken;
    }
}
