using Hectare.Protocol;

namespace Hectare.Farm;

/// <summary>What the demo world is made of, for reports: figures of two builds can be compared when these are equal.</summary>
public sealed record FarmConstants
{
    /// <summary>Side of the world; one unit is one tile.</summary>
    public const int ExtentUnitsFixed = 2048;

    /// <summary>Walking speed of a player.</summary>
    public const int PlayerUnitsPerSecondFixed = 5;

    /// <summary>Tiles that block, of a hundred.</summary>
    public const int BlockingPercent = 5;

    /// <summary>Towns of the workload towns.</summary>
    public const int TownCountFixed = 20;

    /// <summary>Players of a hundred who live in towns.</summary>
    public const int TownPercent = 60;

    /// <summary>Radius of a town.</summary>
    public const int TownRadiusUnitsFixed = 60;

    /// <summary>Radius of a festival.</summary>
    public const int FestivalRadiusUnitsFixed = 100;

    /// <summary>Plants of a hundred that change in a second.</summary>
    public const int PlantChangesPercent = 1;

    /// <summary>How far a player reaches.</summary>
    public const int ReachUnitsFixed = 2;

    internal const double TurnsPerSecondFixed = 1;
    internal const int StopOneIn = 8;
    internal const double StopMeanSecondsFixed = 1;
    internal const double DiagonalShareFixed = 0.5;
    internal const int DiagonalTicksMaxFixed = 3;
    internal const double SwingsPerSecondFixed = 0.2;
    internal const double AnimalTurnsPerSecondFixed = 0.3;
    internal const int AnimalRestOneIn = 4;

    internal static readonly int PlayerRadiusFixed = Units.FromFloat(0.35);
    internal static readonly int AnimalRadiusFixed = Units.FromFloat(0.3);
    internal static readonly int TreeRadiusFixed = Units.FromFloat(0.4);
    internal static readonly int CrateRadiusFixed = Units.FromFloat(0.45);

    /// <summary>The constants of a farm.</summary>
    public FarmConstants(FarmOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Seed = options.Seed;
        Workload = options.Workload.ToString().ToLowerInvariant();
        TickRate = options.TickRate;
        Crops = options.Crops;
        Trees = options.Trees;
        Crates = options.Crates;
        Animals = options.Animals;
        AnimalTurnsPerSecond = options.Workload == FarmWorkload.Idle ? 0 : AnimalTurnsPerSecondFixed;
        PlayerStep = FarmSchema.StepOf(PlayerUnitsPerSecondFixed * 2, options.TickRate);
        AnimalStep = FarmSchema.StepOf(FarmSchema.AnimalHalfUnitsPerSecond, options.TickRate);
    }

    public ulong Seed { get; }

    public string Workload { get; }

    public int TickRate { get; }

    public int UnitPixels { get; } = 16;

    public int ExtentUnits { get; } = ExtentUnitsFixed;

    public double BlockingShare { get; } = BlockingPercent / 100.0;

    public double PlayerUnitsPerSecond { get; } = PlayerUnitsPerSecondFixed;

    /// <summary>A player's step at full speed, 1/4,096 unit a tick.</summary>
    public int PlayerStep { get; }

    public double PlayerRadiusUnits { get; } = 0.35;

    public bool PlayersBlockPlayers { get; }

    public double TurnsPerSecond { get; } = TurnsPerSecondFixed;

    public double StopShare { get; } = 1.0 / StopOneIn;

    public double StopMeanSeconds { get; } = StopMeanSecondsFixed;

    /// <summary>Turns that pass through a diagonal of 1 to <see cref="DiagonalTicksMax"/> ticks.</summary>
    public double DiagonalShare { get; } = DiagonalShareFixed;

    public int DiagonalTicksMax { get; } = DiagonalTicksMaxFixed;

    public double SwingsPerSecond { get; } = SwingsPerSecondFixed;

    public int Animals { get; }

    public double AnimalUnitsPerSecond { get; } = FarmSchema.AnimalHalfUnitsPerSecond / 2.0;

    /// <summary>An animal's step, 1/4,096 unit a tick.</summary>
    public int AnimalStep { get; }

    public double AnimalRadiusUnits { get; } = 0.3;

    /// <summary>0 where nobody moves.</summary>
    public double AnimalTurnsPerSecond { get; }

    public int Crops { get; }

    public int Trees { get; }

    public int Crates { get; }

    /// <summary>Crops and trees that change in a second, spread evenly over them and over the ticks.</summary>
    public double PlantChangesPerSecondShare { get; } = PlantChangesPercent / 100.0;

    public int TownCount { get; } = TownCountFixed;

    public double TownShare { get; } = TownPercent / 100.0;

    public int TownRadiusUnits { get; } = TownRadiusUnitsFixed;

    public double TownZipfExponent { get; } = 1;

    public int FestivalRadiusUnits { get; } = FestivalRadiusUnitsFixed;

    public int ReachUnits { get; } = ReachUnitsFixed;
}
