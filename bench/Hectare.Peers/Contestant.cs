namespace Hectare.Peers;

/// <summary>One of those compared: what it is, what it has and what it has not.</summary>
internal sealed record Contestant
{
    /// <summary>The audited design, rebuilt.</summary>
    public static readonly Contestant Audited = new()
    {
        Name = "audited",
        Title = "audited design in C#",
        Colour = "#d55e00",
        PlayersMax = 12_000,
        InputsPerSecond = 20,
        Has = "players and animals that walk and collide (physics body per entity), chunk interest, deltas of what changed, bit-packed",
        Lacks = "encryption, handshake, acks, reliability, plants, compression",
    };

    /// <summary>ENet that carries a naive game.</summary>
    public static readonly Contestant Enet = new()
    {
        Name = "enet",
        Title = "ENet, full states",
        Colour = "#e69f00",
        PlayersMax = EnetPlayersMax,
        InputsPerSecond = 10,
        Has = "players and animals that walk, a grid, the full state (22 bytes) of each mover within 100 units ten times a second, ENet's handshake and pings",
        Lacks = "encryption, deltas, plants, priorities, resends of what was lost",
    };

    /// <summary>ENet alone.</summary>
    public static readonly Contestant EnetBare = new()
    {
        Name = "enet-bare",
        Title = "ENet, bare transport",
        Colour = "#56b4e9",
        PlayersMax = EnetPlayersMax,
        InputsPerSecond = 20,
        Has = "packets only: 20 of 40 bytes in, 10 of 600 bytes out a second for each peer, ENet's handshake and pings",
        Lacks = "encryption, and any game",
    };

    /// <summary>Ours.</summary>
    public static readonly Contestant Hectare = new()
    {
        Name = "hectare",
        Title = "Hectare",
        Colour = "#0b6e4f",
        PlayersMax = 12_000,
        InputsPerSecond = 10,
        Has = "encryption, handshake, acks, lanes; players, animals, 40,000 plants that grow; interest with hysteresis, priorities, budget; a tenth of the bots decode all and compare",
        Lacks = "nothing that it has elsewhere: it is the run of 'hectare load'",
    };

    /// <summary>All of them, in the order of tables.</summary>
    public static readonly IReadOnlyList<Contestant> All = [Audited, Enet, EnetBare, Hectare];

    /// <summary>ENet's limit: peer numbers have 12 bits, and one is for nobody.</summary>
    public const int EnetPlayersMax = 4_095;

    /// <summary>What <c>--only</c> calls it.</summary>
    public required string Name { get; init; }

    /// <summary>What tables and plots call it.</summary>
    public required string Title { get; init; }

    /// <summary>Its line in the plot; told apart by the colour-blind too.</summary>
    public required string Colour { get; init; }

    /// <summary>Most players it can be asked to carry.</summary>
    public required int PlayersMax { get; init; }

    /// <summary>Input packets a second from each player.</summary>
    public required int InputsPerSecond { get; init; }

    /// <summary>What its work includes.</summary>
    public required string Has { get; init; }

    /// <summary>What it does not do.</summary>
    public required string Lacks { get; init; }

    /// <summary>By its name.</summary>
    public static Contestant Named(string name) => All.First(one => one.Name == name);
}
