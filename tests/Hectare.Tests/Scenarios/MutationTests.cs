using System.Globalization;
using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Repository;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// Goal: show that the simulation sees. Method: deliberate faults, one at a time; each must break an invariant within 100 seeds, and without
/// them none may break on the same seeds. Each commit runs the seeds that were known to find first; HECTARE_FULL=1 counts from 1. See Mutations.md.
/// </summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    private const int Seconds = 20;
    private const int SeedsMax = 100;
    private const int SeedsOfACommit = 20;

    private static readonly LinkProfile SlowLink = new() { Name = "slow", DelayNs = 700_000_000, JitterNs = 80_000_000, LossShare = 0.1 };

    private static bool IsFull => Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Fact]
    public void Each_mutation_is_found()
    {
        string[] rows = new string[Mutation.All.Count];
        Parallel.For(0, rows.Length, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = TestContext.Current.CancellationToken }, i =>
        {
            Mutation mutation = Mutation.All[i];
            // A change of the product changes every run: a seed that found may find no more, and another does.
            IEnumerable<int> seeds = IsFull ? Enumerable.Range(1, SeedsMax) : mutation.Seeds.Union(Enumerable.Range(1, SeedsOfACommit));
            (int Seed, string? Found) found = seeds.Select(seed => (seed, Find(mutation, seed))).FirstOrDefault(one => one.Item2 is not null);
            string ofTen = IsFull ? string.Join(' ', Enumerable.Range(1, 10).Where(seed => Find(mutation, seed) is not null)) : "-";
            rows[i] = $"| {mutation.Name} | {found.Seed} | {ofTen} | {found.Found ?? "NOT FOUND"} |";
        });
        foreach (string row in rows)
            output.WriteLine(row);
        Assert.DoesNotContain(rows, row => row.Contains("NOT FOUND", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Without_a_mutation_nothing_is_found(bool isSlowLink, bool isAckedBeside)
    {
        var none = new Mutation("none") { IsSlowLink = isSlowLink, Deliver = isAckedBeside ? system => Mutation.AckBeside(system, lies: false) : null };
        string?[] broken = new string?[IsFull ? SeedsMax : 2];
        Parallel.For(0, broken.Length, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = TestContext.Current.CancellationToken }, i => broken[i] = Find(none, i + 1));
        Assert.Equal("", string.Join('\n', broken.Select((what, i) => what is null ? null : $"seed {i + 1}: {what}").OfType<string>()));
    }

    [Fact]
    public void The_page_lists_each_mutation_and_the_seeds_it_took()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "tests", "Hectare.Tests", "Scenarios", "Mutations.md"));
        foreach (Mutation mutation in Mutation.All)
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"| {mutation.Name} | {mutation.Seeds[0]} |"), page, StringComparison.Ordinal);
        Assert.InRange(Mutation.All.Count, 10, int.MaxValue);
        Assert.All(Mutation.All, mutation => Assert.InRange(mutation.Seeds.Length, 1, 3));
    }

    // The first invariant that breaks, or null. Every client loses its uplink for three seconds once: longer than the ack window.
    private static string? Find(Mutation mutation, int seed)
    {
        var replication = new ReplicationOptions { Off = mutation.Off, SnapshotIntervalTicks = mutation.IsSlowLink ? 1 : 3 };
        using var system = new SimulatedSystem(new SimulationOptions
        {
            Seed = (ulong)seed,
            Clients = mutation.ClientCount,
            Profile = mutation.IsSlowLink ? SlowLink : LinkProfile.Get("hell"),
            Replication = replication,
        });
        var invariants = new Invariants(system);
        var random = new SeededRandom(SeededRandom.MixSeed((ulong)seed, 22));
        foreach (SimulatedClient client in system.Clients)
        {
            long startNs = random.Next(5_000_000_000L, 14_000_000_000L);
            system.Network.AddOutage(client.Address, SimulatedSystem.ServerAddress, startNs, startNs + 3_000_000_000);
        }

        Install(mutation, system);
        try
        {
            for (double at = 0; at < Seconds; at += 0.5)
            {
                system.RunSeconds(0.5);
                if (Disagreement(system, at) is { } disagreement)
                    return disagreement;
                invariants.Check();
                if (FirstOf(invariants, mutation) is { } early)
                    return early;
            }

            system.Game.IsFrozen = true;
            system.RunSeconds(8);
            if (Disagreement(system, Seconds) is { } late)
                return late;
            invariants.CompareWithTruth();
            invariants.CheckEnd();
        }
        catch (ContractException broken)
        {
            return broken.Message;
        }

        return FirstOf(invariants, mutation);
    }

    // What Invariants says of these only at the end; here the first sign counts.
    private static string? Disagreement(SimulatedSystem system, double at)
    {
        foreach (SimulatedClient client in system.Clients)
        {
            ClientStats stats = client.Game.Stats;
            if (stats.WrongChecks + stats.WithoutBaseline + stats.Malformed > 0)
                return string.Create(CultureInfo.InvariantCulture, $"at {at + 0.5:F1} s: client {client.Index}, {stats.WrongChecks} self-checks fired, {stats.WithoutBaseline} packets without a baseline, {stats.Malformed} malformed");
        }

        SimulatedClient? gone = system.Clients.Find(client => client.Game.Avatar != EntityId.None && !system.Game.RowOfPeer.Values.Any(row => system.Zone.World.IdOf(row) == client.Game.Avatar));
        return gone is null ? null : $"client {gone.Index} was dropped: {gone.Game.State}, {gone.Game.CloseReason.Cause}";
    }

    // On the slow link everything is later than the times that invariants allow: there only what has no time in it counts.
    private static string? FirstOf(Invariants invariants, Mutation mutation)
        => invariants.Broken.Find(what => !mutation.IsSlowLink || !what.Contains(" ms", StringComparison.Ordinal));

    private static void Install(Mutation mutation, SimulatedSystem system)
    {
        system.Delivered = mutation.Deliver?.Invoke(system);
        if (mutation.EachTick is not { } eachTick)
            return;
        system.Published += () =>
        {
            for (int peer = 0; peer < mutation.ClientCount; peer++)
            {
                if (system.Zone.ViewOf(new PeerId(peer)) is { } view)
                    eachTick(system, view);
            }
        };
    }
}
