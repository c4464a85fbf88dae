using System.Buffers.Binary;
using System.Numerics;
using Hectare.Peers;
using Hectare.Peers.OverEnet;
using Hectare.Protocol;

namespace Hectare.Tests.Peers;

/// <summary>The naive game that ENet carries.</summary>
public sealed class StateGameTests
{
    private static readonly TileMap Meadow = TileMap.Open(2_048, 2_048);

    [Theory]
    [InlineData(50)]
    [InlineData(20_000)]
    public void A_player_is_told_of_every_mover_within_sight_in_packets_below_the_limit(int animals)
    {
        var game = new StateGame(Meadow, seed: 4, animals);
        for (int player = 0; player < 20; player++)
            game.Join();
        game.Step(30);
        byte[] packet = new byte[StateGame.PacketBytesMax];
        for (int player = 0; player < 20; player++)
        {
            Vector2 eye = game.Positions[animals + player];
            int[] expected = [.. Enumerable.Range(0, game.Positions.Count).Where(mover => Vector2.DistanceSquared(game.Positions[mover], eye) <= PeerWorld.SightUnits * PeerWorld.SightUnits)];
            var told = new List<int>();
            int lasts = 0;
            game.LookAround(player);
            while (game.TryWritePacket(packet, out int bytes))
            {
                Assert.InRange(bytes, StateGame.HeaderBytes + StateGame.StateBytes, StateGame.PacketBytesMax);
                lasts += packet[0];
                int movers = BinaryPrimitives.ReadUInt16LittleEndian(packet.AsSpan(5));
                Assert.Equal(bytes, StateGame.HeaderBytes + (movers * StateGame.StateBytes));
                for (int i = 0; i < movers; i++)
                {
                    ReadOnlySpan<byte> state = packet.AsSpan(StateGame.HeaderBytes + (i * StateGame.StateBytes));
                    int mover = (int)BinaryPrimitives.ReadUInt32LittleEndian(state);
                    told.Add(mover);
                    Assert.Equal(game.Positions[mover].X, BinaryPrimitives.ReadSingleLittleEndian(state[4..]));
                }
            }

            Assert.Equal(1, lasts);
            Assert.Equal(expected, told.Order());
            Assert.Contains(animals + player, told);
        }
    }

    [Fact]
    public void Players_walk_where_they_want_at_the_worlds_speed()
    {
        var game = new StateGame(Meadow, seed: 8, animals: 10);
        game.Join();
        game.Join();
        Vector2 first = game.Positions[10], second = game.Positions[11];
        byte[] input = new byte[StateGame.InputBytes];
        StateGame.WriteInput(new Intent(first.Y < 1_024 ? (byte)64 : (byte)192, Intent.MagnitudeMax), input);
        game.HandleInput(0, StateGame.ReadInput(input));
        for (int tick = 0; tick < 60; tick++)
            game.Step(30);
        Assert.Equal(10, Math.Abs(game.Positions[10].Y - first.Y), 1e-2f);
        Assert.Equal(second, game.Positions[11]);
    }

    [Fact]
    public void Animals_wander_at_their_own_speed()
    {
        var game = new StateGame(Meadow, seed: 8, animals: 200);
        game.Step(30);
        Vector2[] before = [.. game.Positions];
        for (int tick = 0; tick < 300; tick++)
            game.Step(30);
        Assert.True(game.Positions.Zip(before).Count(pair => pair.First != pair.Second) > 100);
        Assert.All(game.Positions.Zip(before), pair => Assert.True(Vector2.Distance(pair.First, pair.Second) <= (10 * PeerWorld.AnimalUnitsPerSecond) + 0.01f));
    }
}
