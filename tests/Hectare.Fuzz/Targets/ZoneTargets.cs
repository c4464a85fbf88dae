using Hectare.Fuzz.Engine;

namespace Hectare.Fuzz.Targets;

/// <summary>A whole zone: honest clients, clients that forge under their own seal, strangers. See <see cref="FuzzZone"/>.</summary>
internal sealed class ZoneTarget() : EpisodeTarget("zone", "a whole zone: honest clients, hostile ones with keys, strangers, stalls")
{
    protected override (int Min, int Max) Datagrams => (4_000, 12_000);

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 1L << 30;

    protected override RunResult Play(ulong seed, int datagrams, EpisodeLog log)
    {
        using var zone = new FuzzZone(seed, new ZoneCast(Honest: 2, Hostile: 4, Strangers: 3, ServerIsHostile: false), log);
        zone.Play(datagrams);
        return new RunResult(zone.Delivered, zone.Accepted);
    }
}

/// <summary>A whole client, whose server forges under its own seal: welcomes, snapshots, messages. See <see cref="FuzzZone"/>.</summary>
internal sealed class ClientTarget() : EpisodeTarget("client", "whole clients whose server forges under its own seal")
{
    protected override (int Min, int Max) Datagrams => (2_000, 6_000);

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 1L << 30;

    protected override RunResult Play(ulong seed, int datagrams, EpisodeLog log)
    {
        using var zone = new FuzzZone(seed, new ZoneCast(Honest: 0, Hostile: 3, Strangers: 0, ServerIsHostile: true), log);
        zone.Play(datagrams);
        return new RunResult(zone.Delivered, zone.Accepted);
    }
}
