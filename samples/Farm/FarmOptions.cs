namespace Hectare.Farm;

/// <summary>What the players do.</summary>
public enum FarmWorkload
{
    /// <summary>Spread over the whole map, turning about once a second.</summary>
    Uniform,

    /// <summary>60 % of them in 20 towns whose sizes follow Zipf's law, the rest spread.</summary>
    Towns,

    /// <summary>All in one place.</summary>
    Festival,

    /// <summary>Spread, and nobody moves, player or animal; plants grow.</summary>
    Idle,

    /// <summary>Spread, and everyone turns every tick: the worst case.</summary>
    Storm,
}

/// <summary>The demo world in numbers that can be chosen. What is fixed stands in <see cref="FarmConstants"/>.</summary>
public sealed record FarmOptions
{
    /// <summary>Everything random about the farm follows from it. Default 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Where players begin; bots take the same. Default uniform.</summary>
    public FarmWorkload Workload { get; init; } = FarmWorkload.Uniform;

    /// <summary>Ticks a second, 11 to 120; default 30. Speeds are rounded to 1/4,096 unit a tick, and below 11 a player's no longer fits.</summary>
    public int TickRate { get; init; } = 30;

    /// <summary>Crops, 0 to 1,000,000 with the trees; default 30,000. Each is an entity of the zone.</summary>
    public int Crops { get; init; } = 30_000;

    /// <summary>Trees; default 10,000. They stand in the way.</summary>
    public int Trees { get; init; } = 10_000;

    /// <summary>Crates; default 500. They stand in the way.</summary>
    public int Crates { get; init; } = 500;

    /// <summary>Animals; default 2,000. Each moves every tick.</summary>
    public int Animals { get; init; } = 2_000;

    /// <summary>Throws when a number is out of range; the message names option, value and range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is.</exception>
    public FarmOptions Validated()
    {
        Check(nameof(TickRate), TickRate, 11, 120);
        Check(nameof(Crops), Crops, 0, 1_000_000);
        Check(nameof(Trees), Trees, 0, 1_000_000);
        Check(nameof(Crops) + " + " + nameof(Trees), Crops + Trees, 0, 1_000_000);
        Check(nameof(Crates), Crates, 0, 100_000);
        Check(nameof(Animals), Animals, 0, 100_000);
        return this;
    }

    private static void Check(string name, int value, int min, int max)
    {
        if (value < min || value > max)
            throw new ArgumentOutOfRangeException(name, value, $"must be from {min} to {max}");
    }
}
