using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;

namespace Hectare.Tests.Server;

public sealed class ZoneOptionsTests
{
    [Fact]
    public void The_defaults_are_valid() => new ZoneOptions().Validate();

    public static TheoryData<string, ZoneOptions> Invalid => new()
    {
        { nameof(ZoneOptions.TickRate), new ZoneOptions { TickRate = 4 } },
        { nameof(ZoneOptions.PlayersMax), new ZoneOptions { PlayersMax = 0 } },
        { nameof(ZoneOptions.PlayersMax), new ZoneOptions { PlayersMax = 20_000 } },
        { nameof(ZoneOptions.EntitiesMax), new ZoneOptions { EntitiesMax = 10 } },
        { nameof(ZoneOptions.FirstEntityId), new ZoneOptions { FirstEntityId = 0 } },
        { nameof(ZoneOptions.Threads), new ZoneOptions { Threads = -1 } },
        { nameof(ZoneOptions.CatchUpTicksMax), new ZoneOptions { CatchUpTicksMax = 0 } },
        { nameof(ZoneOptions.TimeOutMs), new ZoneOptions { TimeOutMs = 10 } },
        { nameof(ZoneOptions.InputWindowTicks), new ZoneOptions { InputWindowTicks = 32 } },
        { nameof(ZoneOptions.InputBurstTicks), new ZoneOptions { InputBurstTicks = 0 } },
        { nameof(ZoneOptions.InputRepeatMs), new ZoneOptions { InputRepeatMs = -1 } },
        { nameof(ZoneLimits.OffencesMax), new ZoneOptions { Limits = new() { OffencesMax = 1 } } },
        { nameof(ZoneLimits.ReceiveDatagramsMax), new ZoneOptions { Limits = new() { ReceiveDatagramsMax = 1 } } },
        { nameof(ZoneLimits.HandshakesPerTickMax), new ZoneOptions { Limits = new() { HandshakesPerTickMax = 1 } } },
        { nameof(ZoneLimits.JoinsPerTickMax), new ZoneOptions { Limits = new() { JoinsPerTickMax = 0 } } },
        { nameof(PressureOptions.LevelMax), new ZoneOptions { Pressure = new() { LevelMax = (PressureLevel)8 } } },
        { nameof(PressureOptions.HighPercent), new ZoneOptions { Pressure = new() { HighPercent = 101 } } },
        { nameof(PressureOptions.LowPercent), new ZoneOptions { Pressure = new() { HighPercent = 60, LowPercent = 60 } } },
        { nameof(PressureOptions.RiseMs), new ZoneOptions { Pressure = new() { RiseMs = 0 } } },
        { nameof(PressureOptions.FallMs), new ZoneOptions { Pressure = new() { FallMs = 100_000 } } },
        { nameof(ZoneOptions.CellUnits), new ZoneOptions { CellUnits = 24 } },
        { nameof(ReplicationOptions.InterestCap), new ZoneOptions { Replication = new ReplicationOptions { InterestCap = 1 } } },
    };

    [Theory]
    [MemberData(nameof(Invalid))]
    public void An_option_out_of_range_is_named_with_value_and_range(string name, ZoneOptions options)
    {
        OptionException error = Assert.Throws<OptionException>(options.Validate);
        Assert.Equal(name, error.Name);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains(error.Value, error.Message, StringComparison.Ordinal);
        Assert.Contains(" to ", error.Range, StringComparison.Ordinal);
    }
}
