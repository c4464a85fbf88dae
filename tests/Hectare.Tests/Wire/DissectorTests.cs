using System.Globalization;
using Hectare.Protocol;
using Hectare.Tests.Scenarios;
using Hectare.Transport;

namespace Hectare.Tests.Wire;

/// <summary>
/// Goal: Wireshark shows what was said, and says so where it cannot know. Method: a run in virtual time over a link that loses, delays and reorders,
/// captured at the clients; what the dissector says of each slot at the end is what the clients hold.
/// </summary>
public sealed class DissectorTests
{
    [Theory]
    [InlineData("hell", false)]
    [InlineData("audit-5pct", true)]
    public async Task What_the_dissector_shows_of_a_run_is_what_its_clients_hold(string profile, bool twice)
    {
        Assert.SkipUnless(Tshark.Missing is null, Tshark.Missing ?? "");
        using var run = new DissectedRun(21, profile, clients: 8, seconds: 10);

        List<string[][]> frames = await Tshark.DissectAsync(run.Script, run.Write("opened.pcap"), twice,
            "hectare.packet.type", "hectare.direction", "hectare.number", "hectare.operation.slot", "hectare.operation.state", "_ws.expert.message", "udp.dstport", "hectare.snapshot.cell.number", "hectare.step.t0_gap", "hectare.connection");

        Assert.Equal(run.Count, frames.Count);
        Assert.All(frames, frame => Assert.True(frame[0].Length == 1 && frame[5].Length == 0, string.Join(' ', frame.SelectMany(values => values))));
        Assert.Equal(run.Sent.OrderBy(one => one.Key).Select(one => ((int)one.Key, one.Value)), frames.GroupBy(frame => Number(frame[0][0])).OrderBy(group => group.Key).Select(group => (group.Key, group.Count())));
        Assert.True(frames.Exists(frame => frame[7].Length > 0) && frames.Exists(frame => frame[8].Length > 0), "no crowd, or no step, was seen");
        Assert.True(run.Sent[PacketType.PathChallenge] > 0 && run.Sent[PacketType.PathResponse] > 1 && run.Clients[0].Address.Port == DissectedRun.MovedPort);
        var connectionOf = frames.Where(frame => frame[1] is ["to client"] && frame[9].Length > 0).GroupBy(frame => Number(frame[6][0])).ToDictionary(group => group.Key, group => group.Select(frame => frame[9][0]).Distinct(StringComparer.Ordinal).Single());
        foreach (SimulatedClient client in run.Clients)
            Compare(client, frames.Where(frame => frame[1] is ["to client"] && frame[9] is [string id] && id == connectionOf[client.Address.Port]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Malformed_packets_lost_packets_and_a_late_beginning_are_said_and_never_an_error(ulong seed)
    {
        Assert.SkipUnless(Tshark.Missing is null, Tshark.Missing ?? "");
        using var run = new DissectedRun(seed, "audit-5pct", clients: 4, seconds: 6);
        var random = new SeededRandom(seed);
        string[] fields = ["hectare.packet.type", "_ws.expert.message", "hectare.defect", "hectare.operation.slot", "hectare.operation.state"];
        string Corrupt(string name) => run.Write(name, (_, datagram) => Mutate(ref random, datagram));
        string late = run.Write("late.pcap", (i, datagram) => i < run.Count / 2 ? null : datagram);
        string holes = run.Write("holes.pcap", (_, datagram) => random.NextBool(0.1) ? null : datagram);

        foreach (string capture in (string[])[Corrupt("bits.pcap"), late, holes])
        {
            foreach (bool twice in (bool[])[false, true])
            {
                List<string[][]> frames = await Tshark.DissectAsync(capture == late ? run.OwnScript : run.Script, capture, twice, fields);
                Assert.All(frames, frame => Assert.DoesNotContain(".lua:", string.Join(' ', frame.SelectMany(values => values)), StringComparison.Ordinal));
                Assert.All(frames, frame => Assert.Empty(frame[2]));
                string[] said = [.. frames.SelectMany(frame => frame[1]).Distinct(StringComparer.Ordinal)];
                if (capture == late)
                    Assert.Contains("kind unknown: entered before this capture", said, StringComparer.Ordinal);
                if (capture == holes)
                    Assert.Contains(said, text => text.StartsWith("kind unknown: a packet", StringComparison.Ordinal) || text.StartsWith("kind unknown: entered", StringComparison.Ordinal));
                if (capture != late && capture != holes)
                    Assert.Contains("the bits run out", said, StringComparer.Ordinal);
                else
                    Assert.All(said, text => Assert.Contains("unknown", text, StringComparison.Ordinal));
                Assert.True(frames.Exists(frame => frame[4].Length > 0), "nothing was to be read");
            }
        }
    }

    // What a client accepts is what is newer than all before it: the link delivers no other snapshot that it refuses.
    private static void Compare(SimulatedClient client, IEnumerable<string[][]> frames)
    {
        long newest = -1;
        Dictionary<int, string> slots = [];
        foreach (string[][] frame in frames)
        {
            long number = long.Parse(frame[2][0], CultureInfo.InvariantCulture);
            if (number <= newest)
                continue;
            newest = number;
            Assert.Equal(frame[3].Length, frame[4].Length);
            foreach ((string slot, string state) in frame[3].Zip(frame[4]))
                Apply(slots, Number(slot), state);
        }

        Dictionary<uint, (string Said, List<(string Field, bool ForAll)> Fields)> shown = DissectedRun.Shown(client);
        Assert.Equal(shown.Keys.Order(), slots.Values.Select(IdOf).Order());
        foreach (string state in slots.Values)
        {
            (string said, List<(string Field, bool ForAll)> fields) = shown[IdOf(state)];
            Assert.Contains(said + " ", state + " ", StringComparison.Ordinal);
            foreach ((string field, bool forAll) in fields)
            {
                if (forAll || state.Contains(field[..field.IndexOf('=', StringComparison.Ordinal)], StringComparison.Ordinal))
                    Assert.Contains(field + " ", state + " ", StringComparison.Ordinal);
            }
        }
    }

    private static void Apply(Dictionary<int, string> slots, int slot, string state)
    {
        if (state is "leave" or "destroy")
        {
            slots.Remove(slot);
            return;
        }

        // An entity that lives in another slot has moved.
        foreach (int other in slots.Keys.Where(other => other != slot && IdOf(slots[other]) == IdOf(state)).ToArray())
            slots.Remove(other);
        slots[slot] = state;
    }

    // "update 4711 player at ...", "enter again 4711 player ..."
    private static uint IdOf(string state) => uint.Parse(state.Split(' ').First(word => char.IsAsciiDigit(word[0])), CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static byte[] Mutate(ref SeededRandom random, byte[] datagram)
    {
        if (random.NextBool(0.7))
            return datagram;
        byte[] changed = datagram[..(random.NextBool(0.3) ? random.Next(0, datagram.Length + 1) : datagram.Length)];
        for (int flips = random.Next(1, 9); flips > 0 && changed.Length > 1; flips--)
        {
            int bit = random.Next(8, changed.Length * 8);
            changed[bit >> 3] ^= (byte)(1 << (bit & 7));
        }

        return changed;
    }
}
