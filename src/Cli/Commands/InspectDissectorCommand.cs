using System.CommandLine;
using Hectare.Cli.Dissection;
using Hectare.Cli.Load;
using Hectare.Cli.Terminal;
using Hectare.Farm;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare inspect dissector</c>: the wire format as a Wireshark dissector.</summary>
internal static class InspectDissectorCommand
{
    private const string Teaching = """
        Examples:
          hectare inspect dissector --out hectare.lua
          tshark -X lua_script:hectare.lua -r opened.pcap -V       every field of every packet
          hectare inspect dissector > ~/.local/lib/wireshark/plugins/hectare.lua

        What a packet holds is sealed: open the capture first, with 'hectare inspect decrypt'. How to take one: docs/inspecting.md.
        """;

    private static readonly Option<string?> Out = Options.FileToWrite("--out", "Write it to this file. Default: standard output.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new TeachingCommand("dissector", "Write a Wireshark dissector (Lua) of the wire format and the farm's fields.", Teaching) { Out };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parse)
    {
        string lua = LuaWriter.Write(new FarmSchema(HostedFarm.TickRate).Schema, ServeCommand.PortDefault);
        if (parse.GetValue(Out) is not { } path)
        {
            Screen.WriteLine(lua);
            return 0;
        }

        File.WriteAllText(path, lua);
        Screen.WriteLine($"wrote {path}: tshark -X lua_script:{path} -r CAPTURE");
        return 0;
    }
}
