using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>When a zone whose ticks take too long gives something up, and when it takes it back (<see cref="PressureLevel"/>).</summary>
public sealed record PressureOptions
{
    /// <summary>How far it may go. Default <see cref="PressureLevel.Slowest"/>; <see cref="PressureLevel.Full"/> switches it off. Lower: ticks are given up sooner instead.</summary>
    public PressureLevel LevelMax { get; init; } = PressureLevel.Slowest;

    /// <summary>A level up when ticks take this share of the time, percent. Default 90, 50 to 100. Lower: something is given up while there is time left.</summary>
    public int HighPercent { get; init; } = 90;

    /// <summary>A level down when they would take less than this, percent. Default 80, 10 to 85, below <see cref="HighPercent"/>. Higher: a level that is
    /// still needed is left more often.</summary>
    public int LowPercent { get; init; } = 80;

    /// <summary>Time over which ticks are looked at before a level up, ms. Default 1,000, 250 to 10,000. Lower: a short burst is enough.</summary>
    public int RiseMs { get; init; } = 1_000;

    /// <summary>How long they must be short before a level down, ms; twice as long after each time that it was taken back at once, sixteen times at most.
    /// Default 5,000, 500 to 60,000.</summary>
    public int FallMs { get; init; } = 5_000;

    internal void Validate()
    {
        OptionException.Check(nameof(LevelMax), (long)LevelMax, 0, (long)PressureLevel.Slowest);
        OptionException.Check(nameof(HighPercent), HighPercent, 50, 100, "%");
        OptionException.Check(nameof(LowPercent), LowPercent, 10, Math.Min(85, HighPercent - 1), "%");
        OptionException.Check(nameof(RiseMs), RiseMs, 250, 10_000, "ms");
        OptionException.Check(nameof(FallMs), FallMs, 500, 60_000, "ms");
    }
}
