using System.Text.Json;
using System.Text.Json.Serialization;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Cli.Load;

/// <summary>What <c>serve</c> is asked to host.</summary>
internal sealed record ServeSettings
{
    /// <summary>UDP port; 0 lets the system choose.</summary>
    public required int Port { get; init; }

    /// <summary>Most players at once.</summary>
    public required int PlayersMax { get; init; }

    /// <summary>Where players begin.</summary>
    public required FarmWorkload Workload { get; init; }

    /// <summary>Seed of the world.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Network threads.</summary>
    public required int Threads { get; init; }

    /// <summary>By which calls datagrams reach the kernel.</summary>
    public required UdpSocketMode Sockets { get; init; }

    /// <summary>A snapshot every interval even with nothing to tell.</summary>
    public required bool FixedRate { get; init; }

    /// <summary>File of cluster keys; null: tokens go to anyone on this machine, and to nobody else.</summary>
    public string? ClusterKeys { get; init; }

    /// <summary>The zone's addresses as tokens name them; none: a token for any zone is taken.</summary>
    public PeerAddress[] Endpoints { get; init; } = [];

    /// <summary>Map file; null: generated from the seed.</summary>
    public string? Map { get; init; }

    /// <summary>Where to record; null: nowhere.</summary>
    public string? Record { get; init; }

    /// <summary>Where every connection's keys are written; null: nowhere.</summary>
    public string? Keys { get; init; }

    /// <summary>Where the control socket is; null: there is none.</summary>
    public string? Control { get; init; }

    /// <summary>Where the truth board is made; null: nowhere.</summary>
    public string? Truth { get; init; }

    /// <summary>The zone's options.</summary>
    public ZoneOptions ZoneOptions => new()
    {
        PlayersMax = PlayersMax,
        Threads = Threads,
        TickRate = HostedFarm.TickRate,
        Access = new ZoneAccess
        {
            Open = ClusterKeys is null,
            Keys = ClusterKeys is null ? null : Commands.ClusterKeyFile.Read("--cluster-keys", ClusterKeys).ToText(),
            Endpoints = [.. Endpoints.Select(endpoint => endpoint.ToString())],
            StartUnixSeconds = (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
        },
        Replication = new ReplicationOptions { FixedRate = FixedRate },
    };
}

/// <summary>The farm that a zone hosts, in the words that its recording keeps: enough to make the same one again.</summary>
internal sealed record HostedFarm
{
    /// <summary>Ticks a second.</summary>
    public const int TickRate = 30;

    /// <summary>See <see cref="FarmOptions.Seed"/>.</summary>
    public required ulong Seed { get; init; }

    /// <summary>See <see cref="FarmOptions.Workload"/>.</summary>
    public required FarmWorkload Workload { get; init; }

    /// <summary>Map file, whole path; null: generated.</summary>
    public string? Map { get; init; }

    /// <summary>The game's options.</summary>
    [JsonIgnore]
    public FarmOptions Options => new() { Seed = Seed, Workload = Workload, TickRate = TickRate };

    /// <summary>The map: from its file, or from the seed.</summary>
    /// <exception cref="Commands.BadInputException">The file is no map for the farm.</exception>
    public TileMap LoadMap()
    {
        try
        {
            return Map is null ? FarmMap.Generate(Seed) : FarmMap.Load(Map);
        }
        catch (TileMapException error)
        {
            throw new Commands.BadInputException($"--map {Map}: must be a map of the farm, as 'hectare inspect map' writes it ({error.Message})");
        }
    }

    /// <summary>As the recording keeps it.</summary>
    public string ToText() => JsonSerializer.Serialize(this, ReportJson.Compact.HostedFarm);

    /// <summary>From a recording.</summary>
    /// <exception cref="RecordingException">It is not of a farm.</exception>
    public static HostedFarm Read(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, ReportJson.Compact.HostedFarm) ?? throw new RecordingException("the recording names no farm");
        }
        catch (JsonException error)
        {
            throw new RecordingException($"the recording is not of a farm: {error.Message}");
        }
    }
}
