namespace Hectare.Protocol;

/// <summary>The built-in input: where to walk, and 16 buttons that are held or not.</summary>
/// <param name="Intent">Direction, magnitude and speed class.</param>
/// <param name="Buttons">Level, not edge: a press that must count holds its bit for a tick or more.</param>
public readonly record struct TopDownInput(Intent Intent, ushort Buttons) : IInput<TopDownInput>
{
    /// <summary>Most bits of one input.</summary>
    public const int BitsMax = 1 + 1 + 2 + Intent.Bits + 1 + ButtonBits;

    private const int ButtonBits = 16;

    /// <inheritdoc/>
    public static TopDownInput Neutral => default;

    /// <summary>1 the same; else 0, then 1 + intent or 0 (as before), then 1 + 16 bits of buttons or 0 (as before).</summary>
    /// <inheritdoc/>
    public static void Write(ref BitWriter writer, in TopDownInput value, in TopDownInput previous)
    {
        writer.WriteBool(value == previous);
        if (value == previous)
            return;
        writer.WriteBool(value.Intent != previous.Intent);
        if (value.Intent != previous.Intent)
            WriteIntent(ref writer, value.Intent);
        writer.WriteBool(value.Buttons != previous.Buttons);
        if (value.Buttons != previous.Buttons)
            writer.Write(value.Buttons, ButtonBits);
    }

    /// <inheritdoc/>
    public static bool TryRead(ref BitReader reader, in TopDownInput previous, out TopDownInput value)
    {
        value = previous;
        if (reader.ReadBool())
            return true;
        Intent intent = reader.ReadBool() ? ReadIntent(ref reader) : previous.Intent;
        ushort buttons = reader.ReadBool() ? (ushort)reader.Read(ButtonBits) : previous.Buttons;
        if (reader.Failed)
            return false;
        value = new TopDownInput(intent, buttons);
        return true;
    }

    // 0 + 3 bits: one of eight directions at full speed (a keyboard); 10: rest; 11 + 14 bits: any. The first bit is the lowest.
    private static void WriteIntent(ref BitWriter writer, Intent intent)
    {
        if (intent.IsRest)
            writer.Write(0b01, 2);
        else if ((intent.Code & ~0xE0) == Intent.MagnitudeMax << 8)
            writer.Write((ulong)(intent.Direction >> 5) << 1, 4);
        else
            writer.Write(0b11u | ((ulong)intent.Code << 2), 2 + Intent.Bits);
    }

    private static Intent ReadIntent(ref BitReader reader)
    {
        if (!reader.ReadBool())
            return new Intent((byte)(reader.Read(3) << 5), Intent.MagnitudeMax);
        return reader.ReadBool() ? new Intent((int)reader.Read(Intent.Bits)) : Intent.Rest;
    }
}
