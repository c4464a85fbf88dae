using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class PeerPathTests
{
    private static readonly PeerAddress[] Ports = [.. Enumerable.Range(30_000, 9).Select(PeerAddress.Loopback)];

    [Fact]
    public void A_stream_follows_to_another_port_once_until_something_is_proved()
    {
        var path = new PeerPath();
        path.Begin(Ports[0], isSameHost: true, 1, 0);
        Assert.True(path.IsFollowed);
        path.Prove();
        path.Begin(Ports[1], isSameHost: true, 1, 0);
        Assert.True(path.IsFollowed);
        // Another port takes its place again and again, as somebody who overtakes every packet would have it.
        for (int i = 2; i < Ports.Length; i++)
        {
            path.Begin(Ports[i], isSameHost: true, 1, i * 1_900_000_000L);
            Assert.False(path.IsFollowed);
        }

        path.Prove();
        path.Begin(Ports[1], isSameHost: true, 1, 0);
        Assert.True(path.IsFollowed);
    }

    [Fact]
    public void A_client_heard_where_it_was_has_proved_nothing_elsewhere()
    {
        var path = new PeerPath();
        path.Begin(Ports[0], isSameHost: true, 1, 0);
        path.End();
        path.Begin(Ports[1], isSameHost: true, 1, 0);
        Assert.False(path.IsFollowed);
    }
}
