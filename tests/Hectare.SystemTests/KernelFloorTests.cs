using Hectare.Cli.Load;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>What is made of the bare loop's figures.</summary>
public sealed class KernelFloorTests
{
    private static readonly FloorUse Server = new(Traffic(sent: 100_000, received: 110_000), CpuCores: 0.69);
    private static readonly FloorUse Bots = new(Traffic(sent: 110_000, received: 100_000), CpuCores: 0.8);

    [Fact]
    public void Floor_is_this_runs_datagrams_at_the_price_of_the_cheaper_loop()
    {
        FloorSample before = Sample(sendNs: 3_500, receiveNs: 1_000), after = Sample(sendNs: 3_000, receiveNs: 1_100);

        KernelFloorReport report = KernelFloor.Compare(before, after, Server, Bots);

        report.Lower.ShouldBe("after");
        (report.SendNs, report.ReceiveNs).ShouldBe((3_000, 1_100));
        report.Cores.ShouldBe((100_000 * 3_000 + 110_000 * 1_100) / 1e9, 1e-12);
        report.CpuOverFloor!.Value.ShouldBe(0.69 / 0.421, 1e-9);
        report.BotCores.ShouldBe((110_000 * 3_000 + 100_000 * 1_100) / 1e9, 1e-12);
        report.BotCpuOverFloor!.Value.ShouldBe(0.8 / 0.44, 1e-9);
        (report.Void, report.VoidReason).ShouldBe((false, null));
    }

    [Fact]
    public void The_first_loop_counts_when_it_is_the_cheaper_one()
    {
        KernelFloorReport report = KernelFloor.Compare(Sample(2_640, 870), Sample(3_390, 1_070), Server, Bots);

        (report.Lower, report.SendNs, report.ReceiveNs).ShouldBe(("before", 2_640, 870));
    }

    [Theory]
    [InlineData(3_909, 1_264, null)]
    [InlineData(3_911, 1_000, "send took 3911 ns")]
    [InlineData(3_000, 1_266, "receive took 1266 ns")]
    [InlineData(0, 0, "moved no datagrams")]
    public void A_machine_that_was_not_quiet_makes_the_run_void(double sendNs, double receiveNs, string? reason)
    {
        KernelFloorReport report = KernelFloor.Compare(Sample(sendNs, receiveNs), Sample(sendNs, receiveNs), Server, Bots);

        report.Void.ShouldBe(reason is not null);
        if (reason is null)
            report.VoidReason.ShouldBeNull();
        else
            report.VoidReason.ShouldNotBeNull().ShouldContain(reason);
    }

    [Fact]
    public void One_loud_loop_of_the_two_voids_nothing()
        => KernelFloor.Compare(Sample(9_000, 3_000), Sample(3_000, 1_000), Server, Bots).Void.ShouldBeFalse();

    [Fact]
    public void A_run_that_moved_nothing_has_no_ratio()
        => KernelFloor.Compare(Sample(3_000, 1_000), Sample(3_000, 1_000), new FloorUse(Traffic(0, 0), 0.1), Bots).CpuOverFloor.ShouldBeNull();

    [Fact]
    public void Drops_of_a_port_are_summed_over_its_sockets()
    {
        string[] table =
        [
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
            "  104: 00000000:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81031 2 0000000000000000 17",
            "  105: 0100007F:9C41 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81032 2 0000000000000000 5",
            "  106: 00000000:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81033 2 0000000000000000 3",
        ];

        SocketDrops.Sum(table, 40_000).ShouldBe(20);
        SocketDrops.Sum(table, 40_001).ShouldBe(5);
        SocketDrops.Sum(table, 40_002).ShouldBe(0);
    }

    private static FloorSample Sample(double sendNs, double receiveNs) => new(Loop(sendNs, receiveNs), Loop(sendNs, receiveNs));

    private static FloorLoopReport Loop(double sendNs, double receiveNs)
        => new() { Seconds = 3, SendNs = sendNs, ReceiveNs = receiveNs, Traffic = Traffic(100_000, 100_000), CpuCores = 0.5 };

    private static TrafficReport Traffic(double sent, double received) => new TrafficFigures((long)sent * 3, (long)sent * 750, (long)received * 3, (long)received * 150).PerSecond(3);
}
