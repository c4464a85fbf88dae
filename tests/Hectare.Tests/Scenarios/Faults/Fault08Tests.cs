using Hectare.Protocol;
using Hectare.Server;
using Hectare.Tests.Server;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: each input moves its sender when it arrives; who sends 60 a second instead of 30 is twice as fast. Answer: an input belongs to a tick,
/// and each peer has exactly one a tick.
/// Method: a client walks east for ten seconds, sending one or two new inputs a tick; where it got is read from the world. Whoever numbers
/// inputs faster than ticks pass leaves the window and stands; a careful cheat stays in it, and gains nothing.
/// </summary>
public sealed class Fault08Tests(ITestOutputHelper output)
{
    private const int Ticks = 300;

    [Fact]
    public void Fault08_who_sends_twice_as_many_inputs_walks_no_further()
    {
        double honest = Walked(inputsPerTick: 1, applyEvery: false), hurried = Walked(inputsPerTick: 2, applyEvery: false);
        double careful = Walked(inputsPerTick: 2, applyEvery: false, staysInWindow: true);
        double honestOff = Walked(inputsPerTick: 1, applyEvery: true), hurriedOff = Walked(inputsPerTick: 2, applyEvery: true);
        output.WriteLine($"on : 30 inputs a second {honest:F1} units, 60 inputs a second {hurried:F1} units, with ticks set back into the window {careful:F1} units, in {Ticks / 30} s");
        output.WriteLine($"off: 30 inputs a second {honestOff:F1} units, 60 inputs a second {hurriedOff:F1} units");
        Assert.InRange(honest, 49, 51);
        Assert.True(hurried <= honest);
        Assert.InRange(careful, honest - 1, honest);
        Assert.InRange(honestOff, 49, 51);
        Assert.InRange(hurriedOff / honestOff, 1.9, 2.1);
    }

    private static double Walked(int inputsPerTick, bool applyEvery, bool staysInWindow = false)
    {
        var options = new ZoneOptions { PlayersMax = 4, EntitiesMax = 4_096, Limits = new() { OffencesMax = 100_000 }, ApplyEveryInput = applyEvery };
        using var bench = new ZoneBench(options, TestGame.Small with { Crates = 0, Trees = 0 });
        TestClient client = bench.Join(5);
        client.Held = TopDownInput.Neutral;
        bench.Run(30);
        int row = bench.Game.RowOf(new PeerId(0));
        bench.Zone.World.Teleport(row, 1_000 * Units.One, 1_000 * Units.One);
        client.InputsPerTick = inputsPerTick;
        client.SendEvery = 1;
        client.Held = new TopDownInput(new Intent(0, Intent.MagnitudeMax), 0);
        bench.Run(10);
        int from = bench.Zone.World.X[row];
        for (int tick = 0; tick < Ticks; tick += 10)
        {
            bench.Run(10);
            client.ClientTick = staysInWindow ? bench.Zone.Tick.Value + 3 : client.ClientTick;
        }

        return Units.ToDouble(bench.Zone.World.X[row] - from);
    }
}
