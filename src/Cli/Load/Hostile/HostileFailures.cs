using Hectare.Farm;
using Hectare.Protocol;

namespace Hectare.Cli.Load.Hostile;

/// <summary>What must not happen while someone hostile is there, as sentences.</summary>
internal static class HostileFailures
{
    // Rounding, and the slide round a body: a step along it may be 3 % longer than one that meets nothing.
    private const double SpeedTolerance = 1.01;

    /// <summary>The fastest that an honest player is, units a second, over a second or more.</summary>
    public static double SpeedLimitOf(FarmConstants world) => world.PlayerStep * SpeedTolerance * world.TickRate / Units.One;

    /// <summary>Of hostile bots: none could act, or someone else was sent more than was sent in its name.</summary>
    public static IEnumerable<string> Of(HostileReport report)
    {
        foreach ((string name, BehaviourReport behaviour) in report.ByBehaviour)
        {
            if (behaviour.Offences == 0)
                yield return $"no hostile bot could do what '{name}' does: {(behaviour.Joins == 0 ? "none got into the game" : "it sent nothing")}";
            if (behaviour.Breaches > 0)
                yield return $"'{name}' got through {behaviour.Breaches} times";
        }

        if (report.AmplifiedAddresses > 0)
            yield return $"{report.AmplifiedAddresses} addresses of nobody were sent more bytes than came from them";
    }

    /// <summary>The same; and each offence was counted by the zone, and none was faster than a walker.</summary>
    public static IEnumerable<string> Of(HostileReport report, ServerReport server, FarmConstants world)
    {
        foreach (string failure in Of(report))
            yield return failure;
        foreach (BehaviourInfo behaviour in report.ByBehaviour.Keys.Select(Behaviours.Get).Where(behaviour => report.Seconds >= behaviour.AfterSeconds))
        {
            foreach (string counter in behaviour.CountedAs.Where(counter => CountOf(counter, server.Drops, server.Offences, server.Kicks) == 0))
                yield return $"the zone counted nothing as {counter}, which is how it should count what '{behaviour.Name}' does";
        }

        if (report.MaxSpeed > SpeedLimitOf(world))
            yield return FormattableString.Invariant($"a hostile one walked {report.MaxSpeed:0.000} units a second; the fastest honest one walks {SpeedLimitOf(world):0.000}");
    }

    /// <summary>A counter of <see cref="BehaviourInfo.CountedAs"/>.</summary>
    public static long CountOf(string counter, IReadOnlyDictionary<string, long> drops, IReadOnlyDictionary<string, long> offences, IReadOnlyDictionary<string, long> kicks)
        => counter.Split('.') switch
        {
            ["offences", string name] => offences.GetValueOrDefault(name),
            ["kicks", string name] => kicks.GetValueOrDefault(name),
            _ => drops.GetValueOrDefault(counter),
        };

    /// <summary>Of a flood: nothing left, or an address was sent more than came from it.</summary>
    public static IEnumerable<string> Of(FloodReport report)
    {
        if (report.SentDatagrams == 0)
            yield return "the flood could send nothing";
        if (report.AmplifiedAddresses > 0)
            yield return $"{report.AmplifiedAddresses} addresses got more bytes than came from them: {report.Worst}";
    }
}
