using Hectare.Cli.Load;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>The parts that measure: they must be right before any figure is.</summary>
public sealed class MeasuringTests
{
    private const long MsNs = 1_000_000;

    [Fact]
    public void Percentiles_are_nearest_rank_within_two_percent()
    {
        var histogram = new Histogram();
        for (int value = 1; value <= 10_000; value++)
            histogram.Record(value);

        histogram.Count.ShouldBe(10_000);
        histogram.Max.ShouldBe(10_000);
        ((double)histogram.Percentile(0.5)).ShouldBe(5_000, 5_000 * 0.02);
        ((double)histogram.Percentile(0.99)).ShouldBe(9_900, 9_900 * 0.02);
        histogram.Percentile(1).ShouldBe(10_000);
        Histogram.Percentile([3.0, 1.0, 2.0], 0.5).ShouldBe(2);
        Histogram.Percentile([], 0.5).ShouldBe(0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(1_000_000_007)]
    [InlineData(long.MaxValue)]
    public void A_single_value_is_its_own_percentile(long value)
    {
        var histogram = new Histogram();
        histogram.Record(value);

        histogram.Percentile(0.5).ShouldBe(value);
    }

    [Fact]
    public void Staleness_is_zero_for_a_holder_of_the_newest_version_and_else_the_age_of_the_oldest_it_lacks()
    {
        using var folder = new TestFolder();
        using var board = TruthBoard.Create(folder["board"], rows: 16, seed: 1);
        using var reader = TruthBoard.Open(folder["board"]);
        board.SetRow(3, id: 77);
        board.Publish(3, contentHash: 100, dueNs: 10 * MsNs);
        board.Publish(3, contentHash: 101, dueNs: 20 * MsNs);
        board.Publish(3, contentHash: 102, dueNs: 30 * MsNs);

        Stale(reader, 77, 102).ShouldBe(0);
        Stale(reader, 77, 101).ShouldBe(70);
        Stale(reader, 77, 100).ShouldBe(80);
        Stale(reader, 77, 999).ShouldBe(90, "older than all that is kept");
        reader.TryStaleness(78, 102, 100 * MsNs, out _).ShouldBeFalse();
        board.SetRow(3, id: 78);
        reader.TryStaleness(77, 102, 100 * MsNs, out _).ShouldBeFalse("the row is another's now");
    }

    [Fact]
    public void Only_the_last_sixteen_versions_are_told_apart()
    {
        using var folder = new TestFolder();
        using var board = TruthBoard.Create(folder["board"], rows: 16, seed: 1);
        board.SetRow(0, id: 5);
        for (uint version = 0; version < 40; version++)
            board.Publish(0, version, version * MsNs);

        Stale(board, 5, 39).ShouldBe(0);
        Stale(board, 5, 24).ShouldBe(100 - 25);
        Stale(board, 5, 3).ShouldBe(100 - 24);
    }

    [Fact]
    public void A_version_with_the_content_of_the_newest_is_none()
    {
        using var folder = new TestFolder();
        using var board = TruthBoard.Create(folder["board"], rows: 16, seed: 1);
        board.SetRow(0, id: 5);
        board.Publish(0, 1, 10 * MsNs);
        board.Publish(0, 2, 20 * MsNs);
        board.Publish(0, 2, 30 * MsNs);

        Stale(board, 5, 1).ShouldBe(80);
    }

    [Fact]
    public void One_tick_of_each_block_is_sampled_and_its_movers_found()
    {
        using var folder = new TestFolder();
        using var board = TruthBoard.Create(folder["board"], rows: 16, seed: 99);
        using var reader = TruthBoard.Open(folder["board"]);
        for (uint block = 0; block < 100; block++)
            Enumerable.Range(0, TruthBoard.BlockTicks).Count(i => reader.IsSampled((block * TruthBoard.BlockTicks) + (uint)i)).ShouldBe(1);

        uint tick = board.SampledTick(7);
        board.SetRow(2, id: 50);
        board.SetRow(4, id: 51);
        TruthBoard.SampleWriter sample = board.BeginSample(tick, rowLimit: 5);
        for (int row = 0; row < 5; row++)
            sample.Set(row, row == 2 ? 50u : 0, row, -row);
        reader.TryGetSample(tick, 50, out _, out _, out _).ShouldBeFalse("it is not whole yet");
        sample.End();

        reader.TryGetSample(tick, 50, out bool known, out int x, out int y).ShouldBeTrue();
        (known, x, y).ShouldBe((true, 2, -2));
        reader.TryGetSample(tick, 51, out known, out _, out _).ShouldBeTrue();
        known.ShouldBeFalse("51 was no mover then");
        reader.TryGetSample(reader.SampledTick(8), 50, out _, out _, out _).ShouldBeFalse("that sample was never taken");
    }

    [Fact]
    public async Task The_control_socket_answers_its_owner_and_takes_no_one_elses_file()
    {
        using var folder = new TestFolder();
        using (var socket = ControlSocket.Open(folder["sock"], words => Task.FromResult(string.Join('+', words))))
        {
            File.GetUnixFileMode(folder["sock"]).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            (await ControlSocket.AskAsync(folder["sock"], "a b c", TestContext.Current.CancellationToken)).ShouldBe("a+b+c");
            Should.Throw<Cli.Commands.BadInputException>(() => ControlSocket.Open(folder["sock"], _ => Task.FromResult(""))).Message.ShouldContain("another process answers there");
        }

        File.Exists(folder["sock"]).ShouldBeFalse();
        await File.WriteAllTextAsync(folder["file"], "mine", TestContext.Current.CancellationToken);
        Should.Throw<Cli.Commands.BadInputException>(() => ControlSocket.Open(folder["file"], _ => Task.FromResult("")));
        (await File.ReadAllTextAsync(folder["file"], TestContext.Current.CancellationToken)).ShouldBe("mine");
    }

    private static long Stale(TruthBoard board, uint id, uint hash)
    {
        board.TryStaleness(id, hash, 100 * MsNs, out long staleNs).ShouldBeTrue();
        return staleNs / MsNs;
    }
}
