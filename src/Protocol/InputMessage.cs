namespace Hectare.Protocol;

/// <summary>The tail of a client's packet: a plea for a resync, and the inputs of the ticks that the server has not yet acknowledged.</summary>
/// <remarks>
/// Bits: resync 1 [sequence 16]; hasInputs 1 [newest client tick 16, count - 1 in 5, inputs oldest first: the first coded against neutral, each other
/// against the one before]. An input lost with its packet comes again in the next: inputs are never asked for.
/// </remarks>
/// <param name="AsksResync">True when a snapshot was refused and the slots it concerned are wanted absolute.</param>
/// <param name="ResyncSequence">The refused packet, its low 16 bits; 0 when none.</param>
/// <param name="NewestTick">Low 16 bits of the client tick of the newest input; 0 when there is none.</param>
/// <param name="Count">Inputs, 0 to <see cref="InputsMax"/>: those of the ticks up to <paramref name="NewestTick"/> without a gap.</param>
public readonly record struct InputMessage(bool AsksResync, ushort ResyncSequence, ushort NewestTick, int Count)
{
    /// <summary>Most ticks of one message: a second at 30 a second.</summary>
    public const int InputsMax = 32;

    /// <summary>Inputs <paramref name="inputs"/>, oldest first, of the ticks up to <paramref name="newestTick"/>; none when empty.</summary>
    public static void Write<TInput>(ref BitWriter writer, SequenceNumber? resync, Tick newestTick, ReadOnlySpan<TInput> inputs)
        where TInput : struct, IInput<TInput>
    {
        Contract.Assert(inputs.Length <= InputsMax);
        writer.WriteBool(resync.HasValue);
        if (resync is SequenceNumber refused)
            writer.Write(refused.Wire, 16);
        writer.WriteBool(inputs.Length > 0);
        if (inputs.IsEmpty)
            return;
        writer.Write(newestTick.Value, 16);
        writer.Write((ulong)(inputs.Length - 1), 5);
        TInput previous = TInput.Neutral;
        foreach (ref readonly TInput input in inputs)
        {
            TInput.Write(ref writer, in input, in previous);
            previous = input;
        }
    }

    /// <summary>Reads a message; its inputs go to the start of <paramref name="inputs"/>, which holds <see cref="InputsMax"/>.</summary>
    /// <returns>False when bits run out or an input is malformed; the reader is then spent and <paramref name="inputs"/> holds nothing of use.</returns>
    public static bool TryRead<TInput>(ref BitReader reader, Span<TInput> inputs, out InputMessage message)
        where TInput : struct, IInput<TInput>
    {
        Contract.Assert(inputs.Length >= InputsMax);
        bool asksResync = reader.ReadBool();
        ushort resync = asksResync ? (ushort)reader.Read(16) : (ushort)0;
        bool hasInputs = reader.ReadBool();
        ushort newestTick = hasInputs ? (ushort)reader.Read(16) : (ushort)0;
        int count = hasInputs ? (int)reader.Read(5) + 1 : 0;
        message = default;
        if (reader.Failed)
            return false;
        TInput previous = TInput.Neutral;
        for (int i = 0; i < count; i++)
        {
            if (!TInput.TryRead(ref reader, in previous, out inputs[i]))
                return false;
            previous = inputs[i];
        }

        message = new InputMessage(asksResync, resync, newestTick, count);
        return !reader.Failed;
    }
}
