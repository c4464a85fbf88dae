using System.CommandLine;
using System.Net;
using Hectare.Cli.Load;
using Hectare.Transport;

namespace Hectare.Cli.Commands;

/// <summary><c>hectare floor</c>: one end of the bare loop that <c>load</c> measures the kernel with. Hidden: <c>load</c> starts it.</summary>
internal static class FloorCommand
{
    private static readonly Option<FloorSide> Side = Options.Choice("--side", FloorSide.Server, "Which end.");
    private static readonly Option<IPEndPoint> Server = Options.LoopbackServer("--server", ServeCommand.PortDefault);
    private static readonly Option<int> Players = Options.Whole("--players", 1_000, 1, 12_000, "Addresses of the bots' end.");
    private static readonly Option<int> Rate = Options.Whole("--rate", 10_000, 0, 2_000_000, "Datagrams to send a second.");
    private static readonly Option<int> Bytes = Options.Whole("--bytes", 250, 0, 1_200, "Size of each, UDP payload.");
    private static readonly Option<int> Threads = ServeCommand.ThreadsOption();
    private static readonly Option<UdpSocketMode> Sockets = ServeCommand.SocketsOption();
    private static readonly Option<string?> Control = Options.SocketPath("--control", "Control socket.");

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("floor", "One end of the bare loop that measures what the kernel takes.") { Side, Server, Players, Rate, Bytes, Threads, Sockets, Control, ChildMode.Option };
        command.Hidden = true;
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        if (!KernelFloorRun.IsPossible)
            throw new BadInputException("floor: needs 64-bit Linux");
        using var child = ChildMode.Enter(parse, cancel);
        using var loop = new KernelFloorLoop(new FloorLoopSettings
        {
            Side = parse.GetValue(Side),
            Server = PeerAddress.Parse(parse.GetRequiredValue(Server).ToString()),
            Players = parse.GetValue(Players),
            SendPerSecond = parse.GetValue(Rate),
            SendBytes = parse.GetValue(Bytes),
            Sockets = Math.Max(1, parse.GetValue(Threads)),
            Mode = parse.GetValue(Sockets),
            Control = parse.GetValue(Control) ?? throw new BadInputException("floor: --control must be given"),
        });
        await Task.Factory.StartNew(() => loop.Run(child.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return 0;
    }
}
