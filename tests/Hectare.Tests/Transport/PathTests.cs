using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

public sealed class PathTests
{
    [Fact]
    public void A_client_answers_a_path_challenge_by_itself_with_what_it_held()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] datagram = new byte[1200];
        int bytes = server.WritePathChallenge(datagram, 0x1122334455667788, 0);
        Assert.Equal(28, bytes);
        Assert.True(bytes <= PacketHeader.ClientHeaderBytes + 1 + PacketHeader.TagBytes, "no more than the shortest packet of a client");
        Assert.Equal(OpenResult.Opened, ConnectionTests.Take(client, datagram[..bytes]));
        bytes = client.Poll(0, datagram);
        Assert.Equal(11 + 8 + 16, bytes);
        Assert.Equal(0, client.Poll(0, new byte[1200]));
        Assert.Equal(OpenResult.Opened, server.TryOpen(datagram.AsSpan(0, bytes), 0, out OpenedPacket answer));
        Assert.Equal((true, false, 0x1122334455667788UL), (answer.IsPathResponse, answer.IsPathChallenge, answer.PathData));
        server.Accept(answer, datagram.AsSpan(0, bytes), 0);
        Assert.Equal(answer.Sequence, server.NewestAccepted);
    }

    [Fact]
    public void News_of_another_network_is_a_full_datagram_so_that_the_server_may_answer_with_a_snapshot()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] datagram = new byte[1200];
        client.TellOfNewPath();
        Assert.Equal(1200, client.Poll(0, datagram));
        Assert.Equal(0, client.Poll(0, new byte[1200]));
        Assert.Equal(OpenResult.Opened, server.TryOpen(datagram, 0, out OpenedPacket news));
        Assert.Equal((true, 0UL), (news.IsPathResponse, news.PathData));
    }

    [Fact]
    public void Path_packets_of_the_wrong_end_or_length_are_malformed()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[] datagram = new byte[1200];
        OpenResult Try(Connection from, Connection to, PacketType type, int bodyBytes) =>
            ConnectionTests.Take(to, datagram[..from.SealRaw(datagram, type, bodyBytes, 0)]);
        Assert.Equal(OpenResult.Malformed, Try(client, server, PacketType.PathChallenge, 8));
        Assert.Equal(OpenResult.Malformed, Try(client, server, PacketType.PathResponse, 7));
        Assert.Equal(OpenResult.Malformed, Try(server, client, PacketType.PathResponse, 8));
        Assert.Equal(OpenResult.Malformed, Try(server, client, PacketType.PathChallenge, 9));
        Assert.Equal(OpenResult.Malformed, Try(server, client, PacketType.PathChallenge, 0));
        Assert.Equal(OpenResult.Opened, Try(client, server, PacketType.PathResponse, 9));
    }

    [Fact]
    public void Packets_flow_over_the_boundary_of_an_epoch_in_both_directions_and_through_hell()
    {
        var options = new ConnectionOptions { FirstSequence = new SequenceNumber((3u << EpochKeys.EpochBits) - 60) };
        for (ulong seed = 1; seed <= 5; seed++)
        {
            var pair = new ConnectedPair(seed, "hell", options);
            pair.Connect();
            for (byte i = 0; i < 100; i++)
                pair.Server!.TrySend(Lane.Chat, [i]);
            Assert.True(pair.Run(30, () => pair.ClientReceived.Count == 100), $"seed {seed}");
            pair.Run(5);
            Assert.True(pair.Server!.NextSequence.Value > 3u << EpochKeys.EpochBits);
            Assert.True(pair.Client.NextSequence.Value > 3u << EpochKeys.EpochBits);
            Assert.Equal(0, pair.Client.Counters.Drops(OpenResult.BadSeal) + pair.Server.Counters.Drops(OpenResult.BadSeal));
        }
    }

    [Fact]
    public void Replayed_reordered_and_duplicated_packets_beyond_the_window_are_dropped()
    {
        (Connection client, Connection server) = PacketTests.Connected();
        byte[][] packets = [.. Enumerable.Range(0, 400).Select(_ => ConnectionTests.Packet(client, 0))];
        var random = new SeededRandom(77);
        var accepted = new HashSet<int>();
        int newest = -1;
        for (int i = 0; i < 20_000; i++)
        {
            int pick = Math.Clamp(newest + random.Next(-100, 3), 0, packets.Length - 1);
            bool isTaken = ConnectionTests.Take(server, packets[pick]) == OpenResult.Opened;
            Assert.Equal(pick >= newest - AckField.Window && !accepted.Contains(pick), isTaken);
            if (isTaken)
                accepted.Add(pick);
            newest = Math.Max(newest, isTaken ? pick : -1);
        }

        Assert.True(newest > 300);
        Assert.True(server.Counters.Drops(OpenResult.TooOld) > 1_000 && server.Counters.Drops(OpenResult.Duplicate) > 100);
    }
}
