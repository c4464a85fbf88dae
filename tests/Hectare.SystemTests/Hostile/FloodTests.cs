using Hectare.Cli.Load;
using Hectare.Cli.Load.Hostile;
using Hectare.Protocol;
using Hectare.Transport;
using Shouldly;

namespace Hectare.SystemTests.Hostile;

/// <summary>The flood's parts: it sends what it says, and its books find an amplifier.</summary>
public sealed class FloodTests
{
    private const uint First = Flood.FirstAddress;

    [Fact]
    public void Each_kind_has_its_share_and_is_what_it_is_called()
    {
        var batch = new DatagramBatch(8 * FloodDatagrams.KindCount);
        var datagrams = new FloodDatagrams(batch, seed: 5);
        var server = new HandshakeServer(new byte[32], new TokenAuthority(ClusterKeys.Of(1, new byte[ClusterKeys.KeyBytes])));
        byte[] reply = new byte[PacketHeader.DatagramBytesMax];
        Span<int> ofKind = stackalloc int[FloodDatagrams.KindCount];
        for (int round = 0; round < 50; round++)
        {
            for (int slot = 0; slot < batch.Capacity; slot++)
            {
                int bytes = datagrams.Change(slot, batch.Buffer(slot));
                bytes.ShouldBeInRange(0, DatagramBatch.SlotBytes);
                ofKind[(int)datagrams.KindOf(slot)]++;
                Take(datagrams.KindOf(slot), batch.Buffer(slot)[..bytes].ToArray(), server, reply);
            }
        }

        ofKind.ToArray().ShouldAllBe(count => count == 50 * 8);
        server.Counters.Challenged.ShouldBe(50 * 8, "every sound request, and no other");
        server.Counters.Malformed.ShouldBeGreaterThan(50 * 8);
        server.Counters.NotGranted.ShouldBe(50 * 8, "every ask for a token");
        server.Counters.BadCookie.ShouldBe(50 * 8, "every foreign response, and no mutated one");
    }

    [Fact]
    public void Changed_slots_differ_from_round_to_round()
    {
        var batch = new DatagramBatch(FloodDatagrams.KindCount);
        var datagrams = new FloodDatagrams(batch, seed: 5);
        byte[] before = Slot(FloodKind.Payload);
        datagrams.Change((int)FloodKind.Payload, batch.Buffer((int)FloodKind.Payload));

        Slot(FloodKind.Payload).ShouldNotBe(before);

        byte[] Slot(FloodKind kind) => batch.Buffer((int)kind)[..300].ToArray();
    }

    [Fact]
    public void Books_find_the_address_that_got_more_than_it_sent()
    {
        var ledger = new AddressLedger(First, 10);
        ledger.AddSent(First + 3, 100);
        ledger.AddReceived(First + 3, 100);
        ledger.AddSent(First + 4, 1_200);
        ledger.AddReceived(First + 4, 89);
        ledger.AmplifiedAddresses.ShouldBe(0);
        ledger.LargestAmplification.ShouldBe(1);

        ledger.AddReceived(First + 3, 1);

        ledger.AmplifiedAddresses.ShouldBe(1);
        ledger.DescribeWorst().ShouldContain("127.128.0.4");
        ledger.AddReceived(First + 9, 5);
        ledger.AmplifiedAddresses.ShouldBe(2, "one that never sent anything");
        ledger.LargestAmplification.ShouldBe(double.PositiveInfinity);
        (ledger.UsedAddresses, ledger.AnsweredAddresses, ledger.ReceivedBytes).ShouldBe((2, 3, 195L));
        ledger.Has(First + 10).ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_that_answers_with_more_than_it_got_fails_the_run()
    {
        using var server = new UdpSocket(new UdpSocketOptions { Bind = PeerAddress.Loopback(0) });
        using var stop = new CancellationTokenSource();
        var amplifier = Task.Run(() => Amplify(server, stop.Token), TestContext.Current.CancellationToken);
        using var flood = new Flood(new FloodSettings { Server = server.LocalAddress, Rate = 2_000, Addresses = 50, Seed = 1 });

        FloodReport report = flood.Run(1, TestContext.Current.CancellationToken);

        await stop.CancelAsync();
        await amplifier;
        report.SentDatagrams.ShouldBeGreaterThan(0);
        report.AmplifiedAddresses.ShouldBeGreaterThan(0);
        HostileFailures.Of(report).ShouldHaveSingleItem().ShouldContain("got more bytes than came from them: 127.128.0.");
    }

    [Fact]
    public void A_mover_that_is_too_fast_is_found_on_the_board_and_a_walker_is_not()
    {
        using var folder = new TestFolder();
        using var board = TruthBoard.Create(folder["board"], rows: 16, seed: 3);
        board.SetRow(0, 50);
        board.SetRow(1, 60);
        var watch = new SpeedWatch(board, tickRate: 30);
        EntityId[] walker = [new(50)], both = [new(50), new(60)];
        for (uint block = 0; block < 20; block++)
        {
            uint tick = board.SampledTick(block);
            TruthBoard.SampleWriter sample = board.BeginSample(tick, rowLimit: 2);
            sample.Set(0, 50, (int)(tick * 5 * Units.One / 30), 0);
            sample.Set(1, 60, 0, (int)(tick * 7 * Units.One / 30));
            sample.End();
            watch.Look((block + 1) * TruthBoard.BlockTicks, block < 10 ? walker : both);
            if (block == 9)
                watch.MaxSpeed.ShouldBe(5, 0.01);
        }

        watch.MaxSpeed.ShouldBe(7, 0.01);
        watch.Measured.ShouldBeGreaterThan(10);
    }

    private static void Take(FloodKind kind, byte[] datagram, HandshakeServer server, byte[] reply)
    {
        switch (kind)
        {
            case FloodKind.Request or FloodKind.MutatedRequest:
                server.HandleRequest(datagram, PeerAddress.Loopback(1), 0, new Random128(1, 2), reply);
                break;
            case FloodKind.ForeignResponse or FloodKind.MutatedResponse:
                server.TryVerifyResponse(datagram, PeerAddress.Loopback(1), 0, 0, reply, out _, out _).ShouldBeFalse();
                break;
            case FloodKind.TokenAsk:
                server.HandleTokenAsk(datagram, offer: null, [], reply).ShouldBeGreaterThan(0);
                break;
            case FloodKind.Payload or FloodKind.Close or FloodKind.PathResponse:
                PacketHeader.TryReadFromClient(datagram, out PacketHeader header).ShouldBeTrue();
                header.Type.ToString().ShouldBe(kind.ToString());
                break;
        }
    }

    private static void Amplify(UdpSocket server, CancellationToken stop)
    {
        var batch = new DatagramBatch();
        while (!stop.IsCancellationRequested)
        {
            if (!server.WaitReadable(20))
                continue;
            server.Receive(batch);
            for (int i = 0; i < batch.Count; i++)
                batch.SetLength(i, DatagramBatch.SlotBytes - 1);
            server.Send(batch);
        }
    }
}
