using System.Globalization;
using System.Net;

namespace Hectare.Cli.Load;

/// <summary>How many datagrams a floor moves, and how large.</summary>
internal readonly record struct FloorLoad(double OutPerSecond, double OutBytes, double InPerSecond, double InBytes)
{
    // UDP payloads of the uniform workload's mean. A floor's cost hardly follows the size: 1,200 bytes cost 5 to 20 % more than 40.
    private const int UsualOutBytes = 250;
    private const int UsualInBytes = 50;
    private const int SnapshotsPerSecond = 10;

    /// <summary>What the settings let expect, before anything is measured.</summary>
    public static FloorLoad Expected(LoadSettings settings)
        => new(settings.Players * (double)SnapshotsPerSecond, UsualOutBytes, settings.Players * (double)settings.InputHz, UsualInBytes);

    /// <summary>What a zone moved in its window.</summary>
    public static FloorLoad Of(TrafficReport server) => new(server.SentPerSecond, server.SentBytesMean, server.ReceivedPerSecond, server.ReceivedBytesMean);
}

/// <summary>Runs a bare loop of two processes on the processors of a run: pinned, in sessions of their own, through the same sockets.</summary>
internal sealed class KernelFloorRun(LoadSettings settings, string folder)
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    // Until the just-in-time compiler has done its best with the loop.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    private string ServerDoor => Path.Combine(folder, "floor-s");

    private string BotsDoor => Path.Combine(folder, "floor-b");

    /// <summary>True where the floor can be measured: it needs a thread's processor time and one socket of many addresses.</summary>
    public static bool IsPossible => Libc.HasThreadCpuClock;

    /// <summary>Moves <paramref name="load"/> for so many seconds.</summary>
    /// <exception cref="Commands.RunFailedException">A process ended, or never answered.</exception>
    public async Task<FloorSample> MeasureAsync(FloorLoad load, CancellationToken cancel)
    {
        await using var server = ChildProcess.Start("floor's server", Arguments(FloorSide.Server, load.OutPerSecond, load.OutBytes, ServerDoor, port: 1), settings.ServerCpus);
        FloorLoopStatus status = await ChildDoor.WaitAsync<FloorLoopStatus>(server, ServerDoor, StartPatience, cancel);
        await using var bots = ChildProcess.Start("floor's bots", Arguments(FloorSide.Bots, load.InPerSecond, load.InBytes, BotsDoor, status.Port), settings.BotCpus);
        await ChildDoor.WaitAsync<FloorLoopStatus>(bots, BotsDoor, StartPatience, cancel);
        await Task.Delay(WarmUp, cancel);
        await AskBothAsync("begin");
        await Task.Delay(TimeSpan.FromSeconds(settings.FloorSeconds), cancel);
        await AskBothAsync("end");
        string[] reports = await AskBothAsync("report");
        return new FloorSample(ReportJson.Read<FloorLoopReport>(reports[0], server.Name), ReportJson.Read<FloorLoopReport>(reports[1], bots.Name));

        Task<string[]> AskBothAsync(string line) => Task.WhenAll(ChildDoor.AskAsync(server, ServerDoor, line), ChildDoor.AskAsync(bots, BotsDoor, line));
    }

    private IEnumerable<string> Arguments(FloorSide side, double perSecond, double bytes, string door, int port)
    {
        (string Name, object Value)[] options =
        [
            ("--side", side), ("--server", new IPEndPoint(IPAddress.Loopback, port)), ("--players", settings.Players), ("--rate", (int)Math.Round(perSecond)), ("--bytes", (int)Math.Round(bytes)),
            ("--threads", settings.Threads), ("--sockets", settings.Sockets), ("--control", door),
        ];
        return options.SelectMany(option => new[] { option.Name, Convert.ToString(option.Value, CultureInfo.InvariantCulture)! }).Prepend("floor");
    }
}
