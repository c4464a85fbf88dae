using System.Globalization;
using System.Text;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Dissection;

/// <summary>Writes the Wireshark dissector: the tables of <see cref="WireMessages"/> and a game's schema as Lua, then the code that walks them
/// (<c>dissector.lua</c>).</summary>
internal sealed class LuaWriter
{
    private readonly StringBuilder _fields = new();
    private readonly StringBuilder _messages = new();
    private readonly HashSet<string> _declared = new(StringComparer.Ordinal);

    private LuaWriter()
    {
    }

    /// <summary>The whole dissector.</summary>
    /// <param name="schema">The game whose fields get names of their own; another one is read from the welcome, when the capture has it.</param>
    /// <param name="port">The UDP port that is taken for a zone's without having seen a handshake.</param>
    public static string Write(Schema schema, int port)
    {
        var writer = new LuaWriter();
        foreach (Message message in WireMessages.All)
            writer.Add(message);
        return string.Create(CultureInfo.InvariantCulture, $$"""
            -- Wireshark dissector of Hectare, protocol version {{Handshake.ProtocolVersion}}. Written by 'hectare inspect dissector' from its message tables: do not edit.
            -- Wireshark 4.0 and later: tshark -X lua_script:hectare.lua -r opened.pcap, or put it into the folder of personal Lua plugins.

            local hectare = Proto("hectare", "Hectare")
            local PORT = {{port}}
            local SCHEMA
            local SCHEMA_BYTES = "{{Convert.ToHexStringLower(schema.Bytes)}}"
            local SCHEMA_HASH = UInt64.new(0x{{(uint)schema.Hash:x8}}, 0x{{(uint)(schema.Hash >> 32):x8}})
            local COSINE = { {{Joined(Directions.Cosine)}} }
            local SINE = { {{Joined(Directions.Sine)}} }

            local F = {}                                -- fields by their path
            {{writer._fields}}
            local M = {}                                -- messages: lists of parts, in the order of the wire
            {{writer._messages}}
            {{Code()}}
            """).ReplaceLineEndings("\n");
    }

    private void Add(Message message)
    {
        string name = Key(message.Name);
        if (!_declared.Add(message.Name))
            return;
        var lines = new StringBuilder();
        Add(lines, message.Parts, "hectare." + name, 1);
        _messages.Append(CultureInfo.InvariantCulture, $"M.{name} = {{\n{lines}}}\n");
    }

    private void Add(StringBuilder lines, Part[] parts, string path, int depth)
    {
        foreach (Part part in parts)
            lines.Append(' ', 2 * depth).Append("{ ").Append(Row(part, path, depth)).Append(" },\n");
    }

    private string Row(Part part, string path, int depth)
    {
        switch (part)
        {
            case Bits bits:
                return Cells("bits", bits.Name, bits.Size, bits.Look.ToString().ToLowerInvariant(), Field(path, bits.Name, TypeOf(bits), BaseOf(bits), bits.Words));
            case Golomb golomb:
                return Cells("golomb", golomb.Name, golomb.Order, Field(path, golomb.Name, "uint32", "base.DEC", []));
            case SignedGolomb golomb:
                return Cells("signed", golomb.Name, golomb.Order, Field(path, golomb.Name, "int32", "base.DEC", []));
            case Ones ones:
                return Cells("ones", ones.Name, ones.Most, Field(path, ones.Name, "uint32", "base.DEC", ones.Words));
            case Bytes bytes:
                return Cells("bytes", bytes.Name, bytes.Count, Field(path, bytes.Name, "bytes", "", []));
            case Utf8 text:
                return Cells("text", text.Name, text.Count, Field(path, text.Name, "string", "", []));
            case Rest rest:
                return Cells("rest", rest.Name, rest.Before, Field(path, rest.Name, "bytes", "", []));
            case Check check:
                return Cells("check", check.Name, check.Min, check.Max);
            case Do rule:
                return Cells("rule", rule.Rule.ToString());
            case Use use:
                Add(use.Message);
                return $"{Cells("use")}, M.{Key(use.Message.Name)}";
            case When condition:
                return $"{Cells("when", condition.Name, condition.Min, condition.Max)}, {List(condition.Parts, path, depth)}";
            case Repeat repeat:
                return $"{Cells("repeat", repeat.Name, repeat.Count, repeat.Plus)}, {List(repeat.Parts, $"{path}.{Key(repeat.Name)}", depth)}";
            default:
                throw new InvalidOperationException($"no Lua for {part}");
        }
    }

    private string List(Part[] parts, string path, int depth)
    {
        var lines = new StringBuilder("{\n");
        Add(lines, parts, path, depth + 1);
        return lines.Append(' ', 2 * depth).Append('}').ToString();
    }

    private static string Cells(params object[] cells) => string.Join(", ", cells.Select(cell => cell switch
    {
        string text => $"\"{text}\"",
        Size { Name: { } name } => $"\"{name}\"",
        Size size => size.Number.ToString(CultureInfo.InvariantCulture),
        _ => Convert.ToString(cell, CultureInfo.InvariantCulture),
    }));

    // The same name in one message twice is one field.
    private string Field(string path, string name, string type, string numberBase, string[] words)
    {
        string field = path + "." + Key(name);
        if (!_declared.Add(field))
            return field;
        _fields.Append(CultureInfo.InvariantCulture, $"F[\"{field}\"] = ProtoField.{type}(\"{field}\", \"{char.ToUpperInvariant(name[0])}{name[1..]}\"");
        if (numberBase.Length > 0)
            _fields.Append(", ").Append(numberBase);
        if (words.Length > 0)
            _fields.Append(", { ").AppendJoin(", ", words.Index().Where(word => word.Item.Length > 0).Select(word => string.Create(CultureInfo.InvariantCulture, $"[{word.Index}] = \"{word.Item}\""))).Append(" }");
        _fields.Append(")\n");
        return field;
    }

    private static string TypeOf(Bits bits) => bits switch
    {
        { Look: Look.Flag } => "bool",
        { Look: Look.Float } => "float",
        { Look: Look.Signed, Size.Number: 64 } => "int64",
        { Look: Look.Signed } => "int32",
        { Size.Number: 64 } => "uint64",
        { Size.Number: 8 } => "uint8",
        { Size.Number: 16 } => "uint16",
        _ => "uint32",
    };

    private static string BaseOf(Bits bits) => bits.Look switch
    {
        Look.Flag or Look.Float => "",
        Look.Hex => "base.HEX",
        _ => "base.DEC",
    };

    private static string Key(string name) => name.Replace(' ', '_');

    private static string Joined(ReadOnlySpan<short> numbers) => string.Join(", ", numbers.ToArray());

    private static string Code()
    {
        using Stream stream = typeof(LuaWriter).Assembly.GetManifestResourceStream("dissector.lua")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
