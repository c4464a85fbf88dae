using Hectare.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: the server takes the last snapshot it sent for what the client holds; one lost packet, and every delta after it is refused until a
/// keyframe comes: a frozen picture for up to 2 s at 5 % loss. Answer: baselines are what acks prove.
/// Method: 8 walkers over a link of 100 ms and 5 % loss for 30 virtual seconds, a snapshot every interval. A freeze is half a second in which a
/// client applied no snapshot.
/// </summary>
public sealed class Fault04Tests(ITestOutputHelper output)
{
    [Fact]
    public void Fault04_no_freeze_at_5_percent_loss()
    {
        (long freezeNs, long linkNs, int refused) = LongestFreeze(Mechanisms.None);
        (long freezeOffNs, long linkOffNs, int refusedOff) = LongestFreeze(Mechanisms.AckedBaselines);
        output.WriteLine($"on : longest time without a snapshot {freezeNs / 1e6:F0} ms (the link's own longest {linkNs / 1e6:F0} ms), {refused} refused of those that came in order");
        output.WriteLine($"off: longest time without a snapshot {freezeOffNs / 1e6:F0} ms (the link's own longest {linkOffNs / 1e6:F0} ms), {refusedOff} refused of those that came in order");
        Assert.True(freezeNs < 500_000_000);
        Assert.Equal(linkNs, freezeNs);
        Assert.Equal(0, refused);
        Assert.True(freezeOffNs >= 500_000_000);
        Assert.True(refusedOff > 0);
    }

    private static (long FreezeNs, long LinkNs, int Refused) LongestFreeze(Mechanisms off)
    {
        using var system = new SimulatedSystem(new SimulationOptions
        {
            Seed = 4,
            Clients = 8,
            Profile = LinkProfile.Get("audit-5pct"),
            Replication = new ReplicationOptions { FixedRate = true, Off = off },
        });
        system.RunSeconds(30);
        return (system.Clients.Max(client => client.LongestWithoutDataNs), system.Clients.Max(client => client.LongestInOrderGapNs), system.Clients.Sum(client => client.RefusedInOrder));
    }
}
