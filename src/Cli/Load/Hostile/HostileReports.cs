namespace Hectare.Cli.Load.Hostile;

/// <summary>What the hostile ones did and what became of them. Counts are since their start, cores are of the window.</summary>
internal sealed record HostileReport
{
    /// <summary>Length of the window.</summary>
    public required double Seconds { get; init; }

    /// <summary>Hostile bots.</summary>
    public required int Bots { get; init; }

    /// <summary>Of these, connected at the end of the window.</summary>
    public required int Connected { get; init; }

    /// <summary>Times that the server sent one of them away.</summary>
    public required long Kicked { get; init; }

    /// <summary>(utime + stime) of the process over the window / window, all threads.</summary>
    public required double CpuCores { get; init; }

    /// <summary>Speed of the fastest avatar of a hostile one by the zone's truth, units a second over a second or more.</summary>
    public required double MaxSpeed { get; init; }

    /// <summary>Stretches of a second or more that <see cref="MaxSpeed"/> is the largest of; 0: nothing was compared.</summary>
    public required long SpeedsMeasured { get; init; }

    /// <summary>Addresses of nobody (127.80.0.1 and on) that were named as a source and got more bytes than came from them.</summary>
    public required int AmplifiedAddresses { get; init; }

    /// <summary>Datagrams sent, offences among them.</summary>
    public required long SentDatagrams { get; init; }

    /// <summary>The same by behaviour.</summary>
    public required IReadOnlyDictionary<string, BehaviourReport> ByBehaviour { get; init; }
}

/// <summary>What the bots of one behaviour did and what became of them.</summary>
internal sealed record BehaviourReport
{
    /// <summary>Bots of it.</summary>
    public required int Bots { get; init; }

    /// <summary>Of these, connected.</summary>
    public required int Connected { get; init; }

    /// <summary>Times that one of them got into the game.</summary>
    public required long Joins { get; init; }

    /// <summary>Times that the server sent one of them away.</summary>
    public required long Kicked { get; init; }

    /// <summary>The same by the reason that the server gave.</summary>
    public required IReadOnlyDictionary<string, long> KickedFor { get; init; }

    /// <summary>Times that the server refused one of them, by the reason it gave.</summary>
    public required IReadOnlyDictionary<string, long> RefusedFor { get; init; }

    /// <summary>Times that one of them heard nothing any more.</summary>
    public required long TimedOut { get; init; }

    /// <summary>Datagrams sent.</summary>
    public required long SentDatagrams { get; init; }

    /// <summary>Their UDP payload.</summary>
    public required long SentBytes { get; init; }

    /// <summary>Of the datagrams sent, those that no honest client would send.</summary>
    public required long Offences { get; init; }

    /// <summary>Times that something worked which never may: a token that was taken twice, say.</summary>
    public required long Breaches { get; init; }

    /// <summary>Datagrams received.</summary>
    public required long ReceivedDatagrams { get; init; }

    /// <summary>Their UDP payload.</summary>
    public required long ReceivedBytes { get; init; }
}

/// <summary>What a flood sent and what came back. The rate is of the window, the rest since its start.</summary>
internal sealed record FloodReport
{
    /// <summary>Length of the window.</summary>
    public required double Seconds { get; init; }

    /// <summary>Datagrams a second that were asked for.</summary>
    public required int RateAsked { get; init; }

    /// <summary>Datagrams a second that were really sent.</summary>
    public required double SentPerSecond { get; init; }

    /// <summary>(utime + stime) of the process over the window / window.</summary>
    public required double CpuCores { get; init; }

    /// <summary>Datagrams sent.</summary>
    public long SentDatagrams { get; init; }

    /// <summary>Their UDP payload.</summary>
    public long SentBytes { get; init; }

    /// <summary>Datagrams sent, by what they were.</summary>
    public IReadOnlyDictionary<string, long> SentByKind { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Source addresses that were used.</summary>
    public int Addresses { get; init; }

    /// <summary>Datagrams that came back.</summary>
    public long ReceivedDatagrams { get; init; }

    /// <summary>Their UDP payload.</summary>
    public long ReceivedBytes { get; init; }

    /// <summary>Source addresses that anything came back to.</summary>
    public int AnsweredAddresses { get; init; }

    /// <summary>Source addresses that got more bytes than came from them: none may.</summary>
    public int AmplifiedAddresses { get; init; }

    /// <summary>Bytes back over bytes sent, of the address where that is largest.</summary>
    public double LargestAmplification { get; init; }

    /// <summary>That address and its bytes; empty when none got more than it sent.</summary>
    public string Worst { get; init; } = "";
}

/// <summary>What a hostile process says of itself while it runs.</summary>
internal sealed record HostileStatus(int Connected, long Kicked, double SentPerSecond, double MaxSpeed, double CpuCores);

/// <summary>What a flooding process says of itself while it runs.</summary>
internal sealed record FloodStatus(double SentPerSecond, int AmplifiedAddresses, double CpuCores);
