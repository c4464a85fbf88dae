using Hectare.Protocol;

namespace Hectare.Tests.Replication;

/// <summary>A small game: who walks, what stands, what flies, who is pushed.</summary>
internal static class TestSchemas
{
    /// <summary>5 units a second at 30 ticks.</summary>
    public const int WalkSpeed = 683;

    /// <summary>1.5 units a second.</summary>
    public const int SlowSpeed = 205;

    /// <summary>Radius within which a tower is told of, units; a ship's is 20 more.</summary>
    public const int TowerRadius = 120;

    public static Schema Meadow(int extentUnits = 512, int positionBits = 14) => MeadowKinds(extentUnits, positionBits).Build();

    /// <summary>The meadow, and a kind or two of every visibility: at rest and on the move.</summary>
    public static Schema Estate(int extentUnits = 512, int positionBits = 14)
    {
        SchemaBuilder builder = MeadowKinds(extentUnits, positionBits);
        Standing(builder.Kind("tower").Far(TowerRadius));
        Walking(builder.Kind("ship").Far(TowerRadius + 20));
        Standing(builder.Kind("banner").Visible(Visibility.Always));
        Walking(builder.Kind("dragon").Visible(Visibility.Always));
        Standing(builder.Kind("chest").Visible(Visibility.OwnerOnly));
        Walking(builder.Kind("pet").Visible(Visibility.OwnerOnly));
        Walking(builder.Kind("scout").Visible(Visibility.Party));
        Standing(builder.Kind("beacon").Visible(Visibility.Party).Far(TowerRadius));
        Walking(builder.Kind("ghost").Visible(Visibility.Never));
        return builder.Build();
    }

    private static void Standing(KindBuilder kind) => kind.Group("place").Position2().Group("content").Int("content", 12).Group("bag", Audience.Owner).Int("coins", 20);

    private static void Walking(KindBuilder kind) => kind.Motion(WalkSpeed, SlowSpeed).Group("look").Enum("animation", 4).Group("bag", Audience.Owner).Int("coins", 20);

    private static SchemaBuilder MeadowKinds(int extentUnits, int positionBits)
    {
        var builder = new SchemaBuilder(extentUnits, positionBits);
        builder.Kind("walker").Motion(WalkSpeed, SlowSpeed)
            .Group("look").Enum("animation", 4).Counter("swing", 3)
            .Group("life").Int("health", 7)
            .Group("name").Text("name", 24)
            .Group("bag", Audience.Owner).Int("coins", 20)
            .Group("plan", Audience.Party).Int("plan", 9);
        builder.Kind("crate").Group("place").Position2()
            .Group("content").Int("content", 12);
        builder.Kind("bird").Group("flight", sampled: true).Position2().Velocity2();
        return builder;
    }
}
