using Hectare.Protocol;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: 18 bits an axis are more than anybody sees; but fewer bits show what a careless quantiser does. Answer: 16 bits, a value is drawn at
/// the middle of its quantum, and what lies outside is clamped.
/// Method: every position of the world, and some outside of it, goes there and back. The stand-in cuts off the fraction and keeps the low bits:
/// twice the error, and at the edge the other end of the world.
/// </summary>
public sealed class Fault12Tests(ITestOutputHelper output)
{
    [Fact]
    public void Fault12_the_error_of_a_position_is_at_most_half_a_quantum()
    {
        PositionGrid grid = new SchemaBuilder(2_048, 16).Grid;
        double bound = grid.ErrorMaxUnits;
        (double inside, double outside) = Worst(grid, position => grid.Dequantize(grid.Quantize(position)));
        (double insideOff, double outsideOff) = Worst(grid, position => (position >> grid.QuantumShift & grid.QuantaMax) << grid.QuantumShift);
        output.WriteLine($"2,048 units at 16 bits, bound {bound:F6} units: on {inside:F6} inside, {outside:F6} outside; truncating and wrapping {insideOff:F6} inside, {outsideOff:F3} outside");
        Assert.True(inside <= bound);
        Assert.True(outside <= bound);
        Assert.True(insideOff > 1.9 * bound);
        Assert.True(outsideOff > 2_000);
    }

    [Fact]
    public void Fault12_the_error_of_a_number_is_at_most_half_a_step()
    {
        var builder = new SchemaBuilder();
        builder.Kind("stove").Group("fire").Float("heat", -20, 300, 10);
        Field heat = builder.Build()["stove"]["heat"];
        const double Min = -20, Max = 300;
        double scale = 1_024 / (Max - Min), worst = 0, worstOff = 0, edge = 0, edgeOff = 0;
        for (double value = Min; value <= Max; value += 0.01)
        {
            worst = Math.Max(worst, Math.Abs(heat.Dequantize(heat.Quantize(value, out bool clamped)) - value));
            worstOff = Math.Max(worstOff, Math.Abs(Naive(value) - value));
            Assert.False(clamped);
        }

        for (double beyond = 0.5; beyond < 10; beyond += 0.5)
        {
            edge = Math.Max(edge, Math.Abs(heat.Dequantize(heat.Quantize(Max + beyond, out bool clamped)) - Max));
            edgeOff = Math.Max(edgeOff, Math.Abs(Naive(Max + beyond) - Max));
            Assert.True(clamped);
        }

        output.WriteLine($"-20 to 300 at 10 bits, bound {heat.ErrorMax:F4}: on {worst:F4} inside, {edge:F4} beyond the edge; truncating and wrapping {worstOff:F4} inside, {edgeOff:F1} beyond");
        Assert.True(worst <= heat.ErrorMax * 1.000001);
        Assert.True(edge <= heat.ErrorMax * 1.000001);
        Assert.True(worstOff > 1.9 * heat.ErrorMax);
        Assert.True(edgeOff > 100);

        double Naive(double value) => Min + (((int)((value - Min) * scale) & 1_023) / scale);
    }

    // The largest error of any position in the world; and, against the world's edge, of those up to 8 units outside.
    private static (double Inside, double Outside) Worst(PositionGrid grid, Func<int, int> thereAndBack)
    {
        int extent = grid.ExtentUnits * Units.One, inside = 0, outside = 0;
        for (int position = 0; position < extent; position++)
            inside = Math.Max(inside, Math.Abs(thereAndBack(position) - position));
        for (int beyond = 0; beyond < 8 * Units.One; beyond++)
        {
            outside = Math.Max(outside, Math.Abs(thereAndBack(extent + beyond) - extent));
            outside = Math.Max(outside, Math.Abs(thereAndBack(-1 - beyond)));
        }

        return (Units.ToDouble(inside), Units.ToDouble(outside));
    }
}
