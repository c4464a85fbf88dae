using System.Buffers.Binary;
using System.Text;

namespace Hectare.Protocol;

/// <summary>What a game's entities are made of: its kinds, in order. Immutable; both ends compare <see cref="Hash"/> at connect.</summary>
/// <remarks>Build one with <see cref="SchemaBuilder"/>. A client of another version gets the server's schema as bytes and reads by it
/// (<see cref="SchemaMap"/>): unknown fields are parsed and dropped, missing optional ones keep their defaults.</remarks>
public sealed class Schema
{
    /// <summary>Most kinds of one schema.</summary>
    public const int KindsMax = 64;

    /// <summary>Most change groups of one kind, motion not counted.</summary>
    public const int GroupsMax = 8;

    /// <summary>Most 64-bit words of one record.</summary>
    public const int WordsMax = 4;

    /// <summary>Largest serialised schema.</summary>
    public const int BytesMax = 16 * 1024;

    private readonly Kind[] _kinds;
    private readonly byte[] _bytes;

    internal Schema(PositionGrid grid, Kind[] kinds)
    {
        Grid = grid;
        _kinds = kinds;
        KindBits = Math.Max(1, 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)(kinds.Length - 1)));
        byte[] buffer = new byte[BytesMax];
        var writer = new BitWriter(buffer);
        Write(ref writer);
        if (writer.Failed)
            throw new SchemaException($"the schema takes more than {BytesMax} bytes: use fewer or shorter names");
        _bytes = writer.Finish().ToArray();
        Hash = HashOf(_bytes);
    }

    /// <summary>The quantisation of every position.</summary>
    public PositionGrid Grid { get; }

    /// <summary>The kinds; an entity's kind on the wire is the index here.</summary>
    public ReadOnlySpan<Kind> Kinds => _kinds;

    /// <summary>Bits of a kind's index on the wire.</summary>
    public int KindBits { get; }

    /// <summary>FNV-1a over <see cref="Bytes"/>: equal hashes mean equal schemas.</summary>
    public ulong Hash { get; }

    /// <summary>The schema as it travels.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The kind of that name.</summary>
    /// <exception cref="SchemaException">There is none.</exception>
    public Kind this[string name] => Find(name) ?? throw new SchemaException($"the schema has no kind '{name}'; it has {string.Join(", ", _kinds.Select(kind => kind.Name))}");

    /// <summary>The kind of that name, or null.</summary>
    public Kind? Find(string name) => Array.Find(_kinds, kind => kind.Name == name);

    /// <summary>Reads a schema from the wire. False for anything that <see cref="SchemaBuilder"/> would not have built.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Schema? schema)
    {
        schema = null;
        if (bytes.Length > BytesMax)
            return false;
        var reader = new BitReader(bytes);
        try
        {
            var builder = new SchemaBuilder((int)reader.Read(16), (int)reader.Read(8));
            int kinds = (int)reader.Read(8);
            for (int i = 0; i < kinds && !reader.Failed; i++)
                Kind.ReadInto(ref reader, builder);
            if (reader.Failed)
                return false;
            schema = builder.Build();
            // One schema has one form: names that are no UTF-8, bytes behind the end and values that say nothing are none.
            if (schema._bytes.AsSpan().SequenceEqual(bytes))
                return true;
            schema = null;
            return false;
        }
        catch (SchemaException)
        {
            return false;
        }
    }

    private void Write(ref BitWriter writer)
    {
        writer.Write((ulong)Grid.ExtentUnits, 16);
        writer.Write((ulong)Grid.Bits, 8);
        writer.Write((ulong)_kinds.Length, 8);
        foreach (Kind kind in _kinds)
            kind.Write(ref writer);
    }

    internal static void WriteName(ref BitWriter writer, string name)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        writer.Write((ulong)utf8.Length, 8);
        writer.WriteBytes(utf8);
    }

    internal static string ReadName(ref BitReader reader)
    {
        Span<byte> utf8 = stackalloc byte[(int)reader.Read(8)];
        reader.ReadBytes(utf8);
        return reader.Failed ? "" : Encoding.UTF8.GetString(utf8);
    }

    internal static ulong HashOf(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 14_695_981_039_346_656_037;
        foreach (byte one in bytes)
            hash = (hash ^ one) * 1_099_511_628_211;
        return hash;
    }

    internal static float ReadFloat(ref BitReader reader) => BitConverter.UInt32BitsToSingle((uint)reader.Read(32));

    internal static void WriteFloat(ref BitWriter writer, float value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        writer.WriteBytes(bytes);
    }
}

/// <summary>A schema that cannot be: the message says what to change.</summary>
public sealed class SchemaException(string message) : Exception(message);
