using Hectare.Peers;

namespace Hectare.Tests.Peers;

/// <summary>The search for the most players that are carried.</summary>
public sealed class PlayerLadderTests
{
    [Theory]
    [InlineData(150)]
    [InlineData(455)]
    [InlineData(1_100)]
    [InlineData(3_199)]
    [InlineData(7_777)]
    public void The_most_that_are_carried_are_found_to_a_tenth(int limit)
    {
        var ladder = new PlayerLadder(10_000);
        int windows = Climb(ladder, players => players <= limit);

        Assert.InRange(ladder.Carried, limit / 1.12, limit);
        Assert.True(ladder.Failed > limit);
        Assert.InRange(windows, 1, 16);
    }

    [Theory]
    [InlineData(4_095)]
    [InlineData(10_000)]
    [InlineData(37)]
    public void Who_carries_all_is_asked_for_the_most_and_for_no_more(int playersMax)
    {
        var ladder = new PlayerLadder(playersMax);
        var asked = new List<int>();
        Climb(ladder, players =>
        {
            asked.Add(players);
            return true;
        });

        Assert.Equal(playersMax, ladder.Carried);
        Assert.Null(ladder.Failed);
        Assert.Equal(asked.Order().Distinct(), asked);
        Assert.Equal(playersMax, asked[^1]);
    }

    [Fact]
    public void One_failure_is_tried_again_and_a_second_counts()
    {
        var ladder = new PlayerLadder(200);
        ladder.Take(carried: false);
        Assert.Equal(100, ladder.Next);
        ladder.Take(carried: true);
        Assert.Equal(200, ladder.Next);
        ladder.Take(carried: false);
        ladder.Take(carried: false);
        Assert.Equal(200, ladder.Failed);
        Assert.Equal(150, ladder.Next);
    }

    [Fact]
    public void Who_carries_nobody_is_not_asked_again()
    {
        var ladder = new PlayerLadder(10_000);
        Assert.Equal(2, Climb(ladder, _ => false));
        Assert.Equal(0, ladder.Carried);
        Assert.Equal(100, ladder.Failed);
    }

    private static int Climb(PlayerLadder ladder, Func<int, bool> carries)
    {
        int windows = 0;
        for (; ladder.Next is { } players && windows < 100; windows++)
            ladder.Take(carries(players));
        Assert.Null(ladder.Next);
        return windows;
    }
}
