using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>What hostile bots are asked to do.</summary>
internal sealed record HostileSettings
{
    /// <summary>How many.</summary>
    public required int Bots { get; init; }

    /// <summary>Where the zone listens.</summary>
    public required PeerAddress Server { get; init; }

    /// <summary>Names of their behaviours; each gets the same share of the bots.</summary>
    public required IReadOnlyList<string> Behaviours { get; init; }

    /// <summary>Where they walk while they do.</summary>
    public required FarmWorkload Workload { get; init; }

    /// <summary>How many of them start a second.</summary>
    public required int BotsPerSecond { get; init; }

    /// <summary>Seed of what they do.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Mixed into the randoms of their handshakes: another one for each run, since a server remembers.</summary>
    public required ulong Salt { get; init; }

    /// <summary>Map file; null: the seed's.</summary>
    public string? Map { get; init; }

    /// <summary>Where the control socket is; null: there is none.</summary>
    public string? Control { get; init; }

    /// <summary>The zone's truth board; null: none, so no speed is measured.</summary>
    public string? Truth { get; init; }
}

/// <summary>All hostile bots of a process on one socket. Time comes in: no clock, so a test can run it against a zone in memory.</summary>
internal sealed class HostileCrowd : IDisposable
{
    private readonly HostileSettings _settings;
    private readonly DatagramBatch _incoming = new(256);
    private readonly ulong _schemaHash;
    private readonly Hash256 _mapHash;
    private long _startNs = long.MinValue;
    private int _started;
    private SeededRandom _random;

    /// <summary>Bots of the settings, on an open socket, which this then owns.</summary>
    public HostileCrowd(HostileSettings settings, IDatagramSocket socket)
    {
        _settings = settings;
        _random = new SeededRandom(SeededRandom.MixSeed(settings.Seed, settings.Salt));
        Stranger = new Stranger(settings.Seed ^ settings.Salt);
        _schemaHash = new FarmSchema(HostedFarm.TickRate).Schema.Hash;
        _mapHash = Hash256.Read(new HostedFarm { Seed = settings.Seed, Workload = settings.Workload, Map = settings.Map }.LoadMap().Sha256);
        Network = new HostileNetwork(socket, settings.Server, settings.Bots);
        Bots = new HostileBot[settings.Bots];
        for (int i = 0; i < Bots.Length; i++)
            Bots[i] = new HostileBot(this, i, settings.Behaviours[i % settings.Behaviours.Count], SeededRandom.MixSeed(settings.Seed, (ulong)i ^ 0x6261_6421));
    }

    /// <summary>Their way to the server.</summary>
    public HostileNetwork Network { get; }

    /// <summary>All of them.</summary>
    public HostileBot[] Bots { get; }

    /// <summary>Makes what a stranger sends.</summary>
    public Stranger Stranger { get; }

    /// <summary>Where they walk.</summary>
    public FarmWorkload Workload => _settings.Workload;

    /// <summary>From now on each that is connected stands still as an honest player would, and nobody comes back: so that a comparison finds a world at rest.</summary>
    public bool IsQuiet { get; set; }

    /// <summary>One round: takes what arrived, lets each bot's time pass, sends.</summary>
    public void Run(long nowNs)
    {
        if (_startNs == long.MinValue)
            _startNs = nowNs;
        Receive(nowNs);
        _started = (int)Math.Min(Bots.Length, 1 + ((nowNs - _startNs) / 1_000_000 * _settings.BotsPerSecond / 1_000));
        for (int i = 0; i < _started; i++)
            Bots[i].Update(nowNs);
        Network.Flush();
    }

    /// <summary>Everyone says goodbye.</summary>
    public void Leave(long nowNs)
    {
        foreach (HostileBot bot in Bots)
            bot.Leave(nowNs);
        Network.Flush();
    }

    /// <summary>A new attempt to connect; without a token it asks the server for one.</summary>
    public Connection Connect(long nowNs, ConnectToken? token = null)
        => Connection.Connect(ConnectionOptions.Default, new Random128(_random.NextUInt64(), _random.NextUInt64()), _schemaHash, in _mapHash, nowNs, token);

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();

    private void Receive(long nowNs)
    {
        int received;
        do
        {
            received = Network.Receive(_incoming);
            for (int i = 0; i < received; i++)
            {
                int bot = Network.BotOf(_incoming, i, out bool isSecond);
                if (bot >= 0)
                    Bots[bot].Receive(_incoming.MutableDatagram(i), isSecond, nowNs);
            }
        }
        while (received == _incoming.Capacity);
    }
}
