namespace Hectare.Cli.Dissection;

/// <summary>One piece of a message in the order of the wire. What a message is made of, as data: <see cref="WireMessages"/> says it once, the
/// dissector is written from that, and a test reads with it what the real codecs write.</summary>
/// <remarks>A reader walks the parts with a scope of named values. A name that the scope lacks is looked up in the scopes around it; names that no
/// part makes are made by a <see cref="Rule"/>.</remarks>
internal abstract record Part;

/// <summary>A number of bits, lowest first: at a byte boundary a little-endian integer.</summary>
/// <param name="Name">Its name in the scope, and in the dissector.</param>
/// <param name="Size">Bits, 0 to 64.</param>
/// <param name="Look">How people want it.</param>
/// <param name="Words">What the values 0, 1, 2 ... are called; empty: nothing.</param>
internal sealed record Bits(string Name, Size Size, Look Look, string[] Words) : Part;

/// <summary>G(k) of docs/wire-format.md.</summary>
internal sealed record Golomb(string Name, Size Order) : Part;

/// <summary>S(k) of docs/wire-format.md.</summary>
internal sealed record SignedGolomb(string Name, Size Order) : Part;

/// <summary>How many ones stand before a zero; after <paramref name="Most"/> of them there is none.</summary>
internal sealed record Ones(string Name, int Most, string[] Words) : Part;

/// <summary>Whole bytes, at a byte boundary.</summary>
internal sealed record Bytes(string Name, Size Count) : Part;

/// <summary>Whole bytes of UTF-8, at any bit position.</summary>
internal sealed record Utf8(string Name, Size Count) : Part;

/// <summary>All whole bytes up to the end of what is read (a packet's end is its tag), but the last <paramref name="Before"/>.</summary>
internal sealed record Rest(string Name, int Before = 0) : Part;

/// <summary>The value must lie within the bounds; else the message is malformed.</summary>
internal sealed record Check(string Name, long Min, long Max) : Part;

/// <summary>Parts that are there only while a value lies within the bounds.</summary>
internal sealed record When(string Name, long Min, long Max, Part[] Parts) : Part;

/// <summary>Parts that come <paramref name="Count"/> + <paramref name="Plus"/> times, each time in a scope of its own. Its number, from 0, is
/// the value "NAME index"; the scopes are the list NAME.</summary>
internal sealed record Repeat(string Name, Size Count, int Plus, Part[] Parts) : Part;

/// <summary>The parts of another message, in the same scope.</summary>
internal sealed record Use(Message Message) : Part;

/// <summary>What follows from the bits, and from what came before them.</summary>
internal sealed record Do(Rule Rule) : Part;

/// <summary>A message: a name and its parts.</summary>
internal sealed record Message(string Name, params Part[] Parts);

/// <summary>A number, or the name of the value that holds it.</summary>
internal readonly record struct Size(int Number, string? Name)
{
    /// <summary>A number.</summary>
    public static implicit operator Size(int number) => new(number, null);

    /// <summary>The name of a value.</summary>
    public static implicit operator Size(string name) => new(0, name);
}

/// <summary>How a number is shown.</summary>
internal enum Look
{
    /// <summary>Decimal.</summary>
    Decimal,

    /// <summary>Decimal, two's complement.</summary>
    Signed,

    /// <summary>Hexadecimal.</summary>
    Hex,

    /// <summary>32 bits of an IEEE float.</summary>
    Float,

    /// <summary>True or false.</summary>
    Flag,
}

/// <summary>What a reader of messages has to know beyond their bits: each is a few lines in the dissector's own code.</summary>
internal enum Rule
{
    /// <summary>Widens the snapshot's tick and due time; makes <c>kind bits</c> and <c>position bits</c> from the connection's schema.</summary>
    SnapshotTime,

    /// <summary>From here on what the client had accepted up to the baseline counts.</summary>
    SnapshotHeader,

    /// <summary>The cell from its gap; malformed outside of the zone.</summary>
    Cell,

    /// <summary>The slot from its gap, in the list of <c>list index</c>; malformed outside of that list.</summary>
    Slot,

    /// <summary>Finds the version that an update or a kept enter starts from: <c>has motion</c>, <c>at rest</c>, <c>visible groups</c>.</summary>
    Baseline,

    /// <summary>The kind that an enter names: <c>has motion</c>. Malformed when there is none.</summary>
    Kind,

    /// <summary>The kind of what the slot holds: <c>has motion</c>.</summary>
    KindOfSlot,

    /// <summary><c>visible groups</c> from <c>owner</c> and <c>party</c>.</summary>
    Audience,

    /// <summary>A velocity from its form and bits; <c>at rest</c>.</summary>
    Velocity,

    /// <summary>The motion that was read whole.</summary>
    Motion,

    /// <summary>The motion after the one before.</summary>
    Step,

    /// <summary>Reads the fields of the groups that changed.</summary>
    ChangedGroups,

    /// <summary>Reads the fields of every visible group.</summary>
    VisibleGroups,

    /// <summary>Applies the operation that was read.</summary>
    Operation,

    /// <summary>The input after the one before.</summary>
    Input,
}
