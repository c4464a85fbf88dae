using System.Globalization;
using Hectare.Protocol;
using Hectare.Vectors;

namespace Hectare.Tests.Protocol;

public sealed class TopDownMovementTests
{
    private const int One = Units.One;

    [Fact]
    public void A_million_steps_have_the_committed_hash()
    {
        string expected = File.ReadAllText(Path.Combine(TestFolder(), "Vectors", "movement.txt")).Trim();
        Assert.Equal(expected, MovementVectors.Hash().ToString("x16", CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData(0, 15, 683, 0)]
    [InlineData(64, 15, 0, 683)]
    [InlineData(128, 15, -683, 0)]
    [InlineData(32, 15, 482, 482)]
    [InlineData(160, 15, -483, -483)]
    [InlineData(0, 5, 227, 0)]
    [InlineData(77, 0, 0, 0)]
    public void A_step_is_direction_times_magnitude_times_speed_rounded_down(byte direction, int magnitude, int x, int y)
    {
        MoverState state = Step(new Intent(direction, magnitude));
        Assert.Equal(((16 * One) + x, (16 * One) + y), (state.X, state.Y));
    }

    [Fact]
    public void The_speed_class_chooses_the_speed_and_one_that_the_kind_lacks_is_rest()
    {
        Assert.Equal((16 * One) + 300, Step(new Intent(0, 15, 1)).X);
        MoverState state = Step(new Intent(0, 15, 2));
        Assert.Equal(16 * One, state.X);
        Assert.True(state.Intent.IsRest);
    }

    [Fact]
    public void Buttons_move_nobody()
    {
        var movement = new TopDownMovement(Kind());
        var state = new MoverState(16 * One, 16 * One, new Intent(5, 5));
        NoBodies none = default;
        TileView tiles = TileMap.Open(32, 32).View;
        movement.Step(new TopDownInput(Intent.Rest, 0xFFFF), ref state, in tiles, ref none);
        Assert.Equal(new MoverState(16 * One, 16 * One, Intent.Rest), state);
    }

    private static MoverState Step(Intent intent)
    {
        var movement = new TopDownMovement(Kind());
        var state = new MoverState(16 * One, 16 * One, Intent.Rest);
        NoBodies none = default;
        TileView tiles = TileMap.Open(32, 32).View;
        movement.Step(new TopDownInput(intent, 0), ref state, in tiles, ref none);
        return state;
    }

    private static Kind Kind()
    {
        var builder = new SchemaBuilder(64, 14);
        builder.Kind("walker").Motion(683, 300).Body(BodyRole.Walks, 1434);
        return builder.Build().Kinds[0];
    }

    // Up from the binaries, not by the compiler's path: that one is mapped away in CI builds.
    private static string TestFolder()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Hectare.slnx")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new DirectoryNotFoundException("Hectare.slnx"), "tests", "Hectare.Tests");
    }
}
