namespace Hectare.Protocol;

/// <summary>How a field's value becomes bits.</summary>
public enum FieldType : byte
{
    /// <summary>A whole number from 0 to 2^bits - 1.</summary>
    Int,

    /// <summary>A number from min to max in 2^bits - 1 equal steps.</summary>
    Float,

    /// <summary>A full turn in 2^bits steps; wraps.</summary>
    Angle,

    /// <summary>Independent bits.</summary>
    Flags,

    /// <summary>One of 2^bits cases.</summary>
    Enum,

    /// <summary>Counts events modulo 2^bits (a swing, a teleport): a flag on a skipped version would be lost, a count is not.</summary>
    Counter,

    /// <summary>The entity's position on the grid, as a sampled field: for what does not move or accelerates.</summary>
    Position2,

    /// <summary>The entity's displacement of the last tick, 2 x 12 bits signed in 1/4,096 unit: for Hermite interpolation.</summary>
    Velocity2,

    /// <summary>UTF-8 of at most so many bytes; a record holds its 32-bit hash, the bytes live beside.</summary>
    Text,
}

/// <summary>Who may see a change group.</summary>
public enum Audience : byte
{
    /// <summary>Everyone in whose interest the entity is.</summary>
    All,

    /// <summary>The peer that owns the entity.</summary>
    Owner,

    /// <summary>Peers of the owner's party, the owner included.</summary>
    Party,
}

/// <summary>One field of a kind: its codec and its place in the record.</summary>
public sealed class Field
{
    internal Field(string name, FieldType type, int bits, float min, float max, bool required)
    {
        Name = name;
        Type = type;
        Bits = bits;
        Min = min;
        Max = max;
        Required = required;
    }

    /// <summary>Unique in its kind; how versions of a game find each other's fields.</summary>
    public string Name { get; }

    /// <summary>The codec.</summary>
    public FieldType Type { get; }

    /// <summary>Bits in the record; on the wire too, except for <see cref="FieldType.Text"/> (8 bits of length, then the bytes).</summary>
    public int Bits { get; }

    /// <summary>Smallest value (<see cref="FieldType.Float"/>).</summary>
    public float Min { get; }

    /// <summary>Largest value (<see cref="FieldType.Float"/>); most bytes (<see cref="FieldType.Text"/>).</summary>
    public float Max { get; }

    /// <summary>A client whose schema requires a field refuses a server that lacks it.</summary>
    public bool Required { get; }

    /// <summary>Word of the record.</summary>
    public int Word { get; internal set; }

    /// <summary>First bit in that word.</summary>
    public int Shift { get; internal set; }

    /// <summary>The change group it belongs to.</summary>
    public int GroupIndex { get; internal set; }

    /// <summary>Its bits in the word, in place.</summary>
    public ulong Mask => ((1UL << Bits) - 1) << Shift;

    /// <summary>The largest error of a value in range: half a step.</summary>
    public double ErrorMax => Type switch
    {
        FieldType.Float => (Max - (double)Min) / ((1UL << Bits) - 1) / 2,
        FieldType.Angle => Math.PI / (1UL << Bits),
        _ => 0,
    };

    /// <summary>A value as bits. Out of range is clamped (angles wrap), never wrapped; <paramref name="clamped"/> tells.</summary>
    public uint Quantize(double value, out bool clamped)
    {
        ulong steps = (1UL << Bits) - 1;
        clamped = false;
        switch (Type)
        {
            case FieldType.Float:
                double share = (value - Min) / (Max - (double)Min);
                clamped = !(share is >= 0 and <= 1);
                return clamped ? (share > 0 ? (uint)steps : 0) : (uint)((share * steps) + 0.5);
            case FieldType.Angle:
                double turns = value / (2 * Math.PI);
                clamped = !double.IsFinite(turns);
                return clamped ? 0 : (uint)((ulong)Math.Floor(((turns - Math.Floor(turns)) * (steps + 1)) + 0.5) & steps);
            default:
                clamped = !(value >= 0 && value <= steps);
                return clamped ? (value > 0 ? (uint)steps : 0) : (uint)value;
        }
    }

    /// <summary>Bits as a value: the middle of what the bits stand for.</summary>
    public double Dequantize(uint bits) => Type switch
    {
        FieldType.Float => Min + (bits * ((Max - (double)Min) / ((1UL << Bits) - 1))),
        FieldType.Angle => bits * (2 * Math.PI) / (1UL << Bits),
        _ => bits,
    };

    /// <summary>The raw bits of this field in a record.</summary>
    public uint Get(ReadOnlySpan<ulong> record) => (uint)((record[Word] & Mask) >> Shift);

    /// <summary>As <see cref="Get"/>, also for fields of more than 32 bits: a position of 17 or 18 bits an axis, x in the low half.</summary>
    public ulong GetWide(ReadOnlySpan<ulong> record) => (record[Word] & Mask) >> Shift;

    /// <summary>As <see cref="Set"/>, also for fields of more than 32 bits.</summary>
    public void SetWide(Span<ulong> record, ulong bits) => record[Word] = (record[Word] & ~Mask) | ((bits << Shift) & Mask);

    /// <summary>Puts raw bits into a record.</summary>
    public void Set(Span<ulong> record, uint bits) => record[Word] = (record[Word] & ~Mask) | (((ulong)bits << Shift) & Mask);

    internal bool IsText => Type == FieldType.Text;
}

/// <summary>Fields that change together and are sent together.</summary>
public sealed class Group
{
    internal Group(string name, Audience audience, bool sampled, Field[] fields)
    {
        Name = name;
        Audience = audience;
        Sampled = sampled;
        FieldArray = fields;
    }

    /// <summary>Its name, for people.</summary>
    public string Name { get; }

    /// <summary>Who is told.</summary>
    public Audience Audience { get; }

    /// <summary>True when distance lowers its rate (level of detail) and the client interpolates it.</summary>
    public bool Sampled { get; }

    /// <summary>The fields, in wire order.</summary>
    public ReadOnlySpan<Field> Fields => FieldArray;

    internal Field[] FieldArray { get; }

    internal readonly ulong[] WordMasks = new ulong[Schema.WordsMax];

    /// <summary>Bits on the wire, texts' bytes not counted.</summary>
    public int WireBits { get; private set; }

    /// <summary>True when a text is among the fields: its bytes travel beside the record.</summary>
    public bool HasText { get; private set; }

    // Fields in one word, in wire order and without a text: the group's wire bits are the word's bits, copied in one piece.
    internal bool IsOnePiece { get; private set; }

    internal void Settle()
    {
        HasText = Array.Exists(FieldArray, field => field.IsText);
        WireBits = FieldArray.Sum(field => field.IsText ? 8 : field.Bits);
        IsOnePiece = !HasText && Array.TrueForAll(FieldArray, field => field.Word == FieldArray[0].Word);
    }

    /// <summary>Bits of the record's word that belong to this group.</summary>
    public ulong MaskOf(int word) => WordMasks[word];

    /// <summary>True when two records differ in this group.</summary>
    public bool Differs(ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b)
    {
        ulong difference = 0;
        for (int word = 0; word < a.Length; word++)
            difference |= (a[word] ^ b[word]) & WordMasks[word];
        return difference != 0;
    }
}
