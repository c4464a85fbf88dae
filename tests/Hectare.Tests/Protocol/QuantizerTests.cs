using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

/// <summary>Audited fault 12: every value comes back within its codec's announced error, and out of range is clamped, never wrapped.</summary>
public sealed class QuantizerTests
{
    [Theory]
    [InlineData(2048, 16)]
    [InlineData(2048, 18)]
    [InlineData(64, 8)]
    [InlineData(32_768, 18)]
    public void Positions_come_back_within_half_a_quantum(int extentUnits, int bits)
    {
        PositionGrid grid = new SchemaBuilder(extentUnits, bits).Grid;
        var random = new SeededRandom(1);
        int end = extentUnits * Units.One;
        for (int i = 0; i < 20_000; i++)
        {
            int position = i switch { 0 => 0, 1 => end - 1, _ => random.Next(0, end) };
            int error = grid.Dequantize(grid.Quantize(position)) - position;
            Assert.InRange(Math.Abs(error), 0, grid.Quantum / 2);
            Assert.InRange(Math.Abs(error) / (double)Units.One, 0, grid.ErrorMaxUnits);
        }

        Assert.Equal(0, grid.Quantize(-1));
        Assert.Equal(0, grid.Quantize(int.MinValue));
        Assert.Equal(grid.QuantaMax, grid.Quantize(end));
        Assert.Equal(grid.QuantaMax, grid.Quantize(int.MaxValue));
    }

    [Fact]
    public void The_default_quantum_is_a_thirty_second_of_a_unit()
    {
        PositionGrid grid = new SchemaBuilder().Grid;
        Assert.Equal((128, 1.0 / 64), (grid.Quantum, grid.ErrorMaxUnits));
    }

    [Theory]
    [InlineData(-3, 7, 8)]
    [InlineData(0, 1, 1)]
    [InlineData(-1e6f, 1e6f, 24)]
    public void Floats_come_back_within_half_a_step(float min, float max, int bits)
    {
        Field field = FieldOf(group => group.Float("value", min, max, bits));
        var random = new SeededRandom(2);
        for (int i = 0; i < 10_000; i++)
        {
            double value = i switch { 0 => min, 1 => max, _ => min + (random.NextDouble() * (max - (double)min)) };
            uint quantized = field.Quantize(value, out bool clamped);
            Assert.False(clamped);
            Assert.InRange(Math.Abs(field.Dequantize(quantized) - value), 0, field.ErrorMax * 1.000001);
        }
    }

    [Fact]
    public void Floats_out_of_range_are_clamped_and_said_to_be()
    {
        Field field = FieldOf(group => group.Float("value", -3, 7, 8));
        foreach ((double value, uint expected) in new[] { (-3.01, 0u), (7.01, 255u), (double.NegativeInfinity, 0u), (double.PositiveInfinity, 255u), (double.NaN, 0u), (1e300, 255u) })
        {
            Assert.Equal(expected, field.Quantize(value, out bool clamped));
            Assert.True(clamped);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(24)]
    public void Angles_come_back_within_half_a_step_and_wrap(int bits)
    {
        Field field = FieldOf(group => group.Angle("value", bits));
        var random = new SeededRandom(3);
        for (int i = 0; i < 10_000; i++)
        {
            double value = (random.NextDouble() - 0.5) * 40;
            uint quantized = field.Quantize(value, out bool clamped);
            Assert.False(clamped);
            Assert.True(quantized < 1u << bits);
            double error = Math.IEEERemainder(field.Dequantize(quantized) - value, 2 * Math.PI);
            Assert.InRange(Math.Abs(error), 0, field.ErrorMax * 1.000001);
        }

        Assert.Equal(0u, field.Quantize(double.NaN, out bool isClamped));
        Assert.True(isClamped);
        Assert.Equal(0u, field.Quantize(double.PositiveInfinity, out isClamped));
        Assert.True(isClamped);
        Assert.Equal(0u, field.Quantize((2 * Math.PI) - 1e-9, out isClamped));
        Assert.False(isClamped);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(32)]
    public void Whole_numbers_are_exact_and_clamped(int bits)
    {
        Field field = FieldOf(group => group.Int("value", bits));
        double top = Math.Pow(2, bits) - 1;
        Assert.Equal(0, field.ErrorMax);
        foreach (double value in new[] { 0, 1, Math.Floor(top / 3), top })
        {
            Assert.Equal(value, field.Dequantize(field.Quantize(value, out bool clamped)));
            Assert.False(clamped);
        }

        foreach ((double value, double expected) in new[] { (-1, 0), (top + 1, top), (1e300, top), (double.NaN, 0), (double.PositiveInfinity, top), (double.NegativeInfinity, 0) })
        {
            Assert.Equal(expected, field.Dequantize(field.Quantize(value, out bool clamped)));
            Assert.True(clamped);
        }
    }

    [Fact]
    public void Every_intent_is_a_velocity_of_at_most_its_speed()
    {
        for (int code = 0; code < 1 << Intent.Bits; code++)
        {
            var intent = new Intent(code);
            (int x, int y) = intent.Velocity(Motion.ComponentMax);
            double length = Math.Sqrt(((double)x * x) + ((double)y * y));
            double full = Motion.ComponentMax * intent.Magnitude / 15.0;
            Assert.InRange(length, full - 2, full + 2);
            Assert.Equal(intent.IsRest, code >> 8 << 28 == 0);
        }
    }

    [Fact]
    public void Velocities_out_of_range_are_clamped()
        => Assert.Equal((Motion.ComponentMax, -Motion.ComponentMax), Motion.FromEscapeCode((uint)Motion.EscapeCode(int.MaxValue, int.MinValue)));

    private static Field FieldOf(Action<KindBuilder> field)
    {
        var builder = new SchemaBuilder();
        field(builder.Kind("thing").Group("group"));
        return builder.Build().Kinds[0]["value"];
    }
}
