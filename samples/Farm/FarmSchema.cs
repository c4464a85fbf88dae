using Hectare.Protocol;

namespace Hectare.Farm;

/// <summary>The farm's kinds and fields, and the schema they make. Server and clients build it from the same lines.</summary>
/// <remarks>A position stands in a group of its own wherever something beside it changes: else each change would carry 32 bits of it along. What changes most is the
/// first group: its mask is the shortest.</remarks>
public sealed class FarmSchema
{
    /// <summary>Most bytes of a player's name.</summary>
    public const int NameBytesMax = 16;

    internal const int AnimalHalfUnitsPerSecond = 3;

    /// <summary>The schema for a tick rate: speeds are per tick.</summary>
    public FarmSchema(int tickRate = 30)
    {
        var builder = new SchemaBuilder(FarmConstants.ExtentUnitsFixed);
        builder.Kind("player").Motion(StepOf(2 * FarmConstants.PlayerUnitsPerSecondFixed, tickRate)).Body(BodyRole.Walks, FarmConstants.PlayerRadiusFixed)
            .Group("look").Enum("animation", 4).Counter("swings", 3)
            .Group("jump").Counter("teleports", 2)
            .Group("name").Text("name", NameBytesMax)
            .Group("bag", Audience.Owner).Int("coins", 16);
        builder.Kind("animal").Motion(StepOf(AnimalHalfUnitsPerSecond, tickRate)).Body(BodyRole.Walks, FarmConstants.AnimalRadiusFixed)
            .Group("mood").Enum("mood", 3);
        builder.Kind("crop")
            .Group("growth").Enum("stage", 3).Flags("watered", 1)
            .Group("place").Position2();
        builder.Kind("crate").Body(BodyRole.Blocks, FarmConstants.CrateRadiusFixed)
            .Group("lid").Flags("open", 1)
            .Group("place").Position2();
        builder.Kind("tree").Body(BodyRole.Blocks, FarmConstants.TreeRadiusFixed)
            .Group("growth").Enum("stage", 3)
            .Group("place").Position2();
        Schema = builder.Build();

        Player = Schema["player"];
        Animation = Player["animation"];
        Swings = Player["swings"];
        Teleports = Player["teleports"];
        Name = Player["name"];
        Coins = Player["coins"];
        Animal = Schema["animal"];
        Mood = Animal["mood"];
        Crop = Schema["crop"];
        CropStage = Crop["stage"];
        CropWatered = Crop["watered"];
        Crate = Schema["crate"];
        CrateOpen = Crate["open"];
        Tree = Schema["tree"];
        TreeStage = Tree["stage"];
    }

    public Schema Schema { get; }

    public Kind Player { get; }

    /// <summary>A <see cref="PlayerAnimation"/>.</summary>
    public Field Animation { get; }

    /// <summary>Counts swings of the tool.</summary>
    public Field Swings { get; }

    public Field Teleports { get; }

    public Field Name { get; }

    /// <summary>Only its owner sees it.</summary>
    public Field Coins { get; }

    public Kind Animal { get; }

    /// <summary>An <see cref="AnimalMood"/>.</summary>
    public Field Mood { get; }

    public Kind Crop { get; }

    public Field CropStage { get; }

    public Field CropWatered { get; }

    public Kind Crate { get; }

    public Field CrateOpen { get; }

    public Kind Tree { get; }

    public Field TreeStage { get; }

    // 1/4,096 unit a tick, rounded to nearest; half units a second, since animals walk at 1.5.
    internal static int StepOf(int halfUnitsPerSecond, int tickRate) => ((halfUnitsPerSecond * Units.One) + tickRate) / (2 * tickRate);
}

/// <summary>What a player is seen doing.</summary>
public enum PlayerAnimation
{
    /// <summary>Stands.</summary>
    Idle,

    /// <summary>Walks.</summary>
    Walk,

    /// <summary>Swings a tool.</summary>
    Swing,
}

/// <summary>How an animal feels.</summary>
public enum AnimalMood
{
    /// <summary>Wanders.</summary>
    Roaming,

    /// <summary>Stands and eats.</summary>
    Grazing,
}
