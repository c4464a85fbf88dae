using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>A client's tail: up to 32 inputs, coded one against the other. What was taken is written and reads back equal.</summary>
internal sealed class InputTarget() : FuzzTarget("input", "the tail of a client's packet: a plea for a resync, inputs by tick")
{
    private readonly TopDownInput[] _inputs = new TopDownInput[InputMessage.InputsMax];
    private readonly TopDownInput[] _again = new TopDownInput[InputMessage.InputsMax];
    private readonly byte[] _written = new byte[256];

    public override int InputBytesMax => 256;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        int count = random.Next(0, InputMessage.InputsMax + 1);
        TopDownInput held = TopDownInput.Neutral;
        for (int i = 0; i < count; i++)
        {
            if (random.Next(0, 3) == 0)
                held = Draw(ref random);
            _inputs[i] = held;
        }

        SequenceNumber? resync = random.Next(0, 4) == 0 ? new SequenceNumber((uint)random.NextUInt64()) : null;
        var writer = new BitWriter(destination);
        InputMessage.Write<TopDownInput>(ref writer, resync, new Tick((uint)random.NextUInt64()), _inputs.AsSpan(0, count));
        return writer.Finish().Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        var reader = new BitReader(input);
        if (!InputMessage.TryRead(ref reader, _inputs, out InputMessage message))
            return RunResult.Refused;
        Property.Holds(message.Count is >= 0 and <= InputMessage.InputsMax, "more inputs than there may be");
        var writer = new BitWriter(_written);
        InputMessage.Write<TopDownInput>(ref writer, message.AsksResync ? new SequenceNumber(message.ResyncSequence) : null, new Tick(message.NewestTick), _inputs.AsSpan(0, message.Count));
        Property.Holds(!writer.Failed, "what was read cannot be written");
        reader = new BitReader(writer.Finish());
        Property.Holds(InputMessage.TryRead(ref reader, _again, out InputMessage again) && again == message, "a message that was read is written otherwise");
        Property.Holds(_again.AsSpan(0, message.Count).SequenceEqual(_inputs.AsSpan(0, message.Count)), "inputs that were read are written otherwise");
        return RunResult.Taken;
    }

    private static TopDownInput Draw(ref SeededRandom random)
    {
        Intent intent = random.Next(0, 3) switch
        {
            0 => Intent.Rest,
            1 => new Intent((byte)(random.Next(0, 8) << 5), Intent.MagnitudeMax),
            _ => new Intent(random.Next(0, 1 << Intent.Bits)),
        };
        return new TopDownInput(intent, (ushort)(random.Next(0, 3) == 0 ? random.NextUInt64() : 0));
    }
}
