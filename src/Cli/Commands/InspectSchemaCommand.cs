using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;
using Hectare.Protocol;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect schema</c>: every field with its range, its bits and its largest error.</summary>
internal static class InspectSchemaCommand
{
    private const string Teaching = """
        Examples:
          hectare inspect schema                                   the farm's kinds, groups and fields
          hectare inspect schema --json

        Bits are those of the value on the wire; the error is the largest of a value in range. Positions and velocities are in units (tiles).
        """;

    private static readonly Option<bool> Json = Options.Flag("--json", "Print JSON.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("schema", "The farm's kinds and fields: range, bits and error of each.", Teaching) { Json };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        Schema schema = new FarmSchema(HostedFarm.TickRate).Schema;
        FieldFigures[] fields = [.. Fields(schema)];
        if (parse.GetValue(Json))
        {
            Screen.WriteLine(JsonSerializer.Serialize(fields, ReportJson.Default.FieldFiguresArray));
            return 0;
        }

        Screen.WriteLine(Text($"schema {schema.Hash:x16}, {schema.Bytes.Length} bytes; world of {schema.Grid.ExtentUnits} x {schema.Grid.ExtentUnits} units"));
        Screen.WriteLine($"{"kind",-8} {"group",-8} {"field",-10} {"codec",-10} {"audience",-8} {"bits",4}  {"range",-26} error");
        foreach (FieldFigures field in fields)
            Screen.WriteLine(Text($"{field.Kind,-8} {field.Group,-8} {field.Field,-10} {field.Codec,-10} {field.Audience,-8} {field.Bits,4}  {field.Range,-26} {field.Error}"));
        return 0;
    }

    private static IEnumerable<FieldFigures> Fields(Schema schema)
    {
        foreach (Kind kind in schema.Kinds.ToArray())
        {
            if (kind.HasMotion)
            {
                yield return new FieldFigures(kind.Name, "motion", "position", "Motion2", "All", 2 * kind.Grid.Bits, Text($"0 to {kind.Grid.ExtentUnits} units"), Text($"{kind.Grid.ErrorMaxUnits:0.######} units"));
                yield return new FieldFigures(kind.Name, "motion", "velocity", "Motion2", "All", Intent.Bits,
                    string.Join(", ", kind.Speeds.ToArray().Select(speed => Text($"{Units.ToDouble(speed) * HostedFarm.TickRate:0.###} units/s"))), "1/4096 unit a tick");
            }

            foreach (Group group in kind.Groups.ToArray())
            {
                foreach (Field field in group.Fields.ToArray())
                    yield return new FieldFigures(kind.Name, group.Name, field.Name, field.Type.ToString(), group.Audience.ToString(), field.Bits, RangeOf(field), ErrorOf(kind, field));
            }
        }
    }

    private static string RangeOf(Field field) => field.Type switch
    {
        FieldType.Float => Text($"{field.Min} to {field.Max}"),
        FieldType.Angle => "a full turn",
        FieldType.Text => Text($"at most {field.Max} bytes of UTF-8"),
        FieldType.Position2 => "the world",
        FieldType.Velocity2 => "+-0.5 unit a tick",
        FieldType.Counter => Text($"counts modulo {1UL << field.Bits}"),
        FieldType.Flags => Text($"{field.Bits} flags"),
        _ => Text($"0 to {(1UL << field.Bits) - 1}"),
    };

    private static string ErrorOf(Kind kind, Field field) => field.Type switch
    {
        FieldType.Position2 => Text($"{kind.Grid.ErrorMaxUnits:0.######} units"),
        FieldType.Velocity2 => "1/4096 unit a tick",
        FieldType.Float or FieldType.Angle => Text($"{field.ErrorMax:0.######}"),
        _ => "exact",
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>One field in figures.</summary>
internal sealed record FieldFigures(string Kind, string Group, string Field, string Codec, string Audience, int Bits, string Range, string Error);
