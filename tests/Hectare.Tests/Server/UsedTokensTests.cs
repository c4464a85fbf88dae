using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class UsedTokensTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void It_knows_what_a_dictionary_knows_and_forgets_what_has_expired(ulong seed)
    {
        const int Max = 100;
        var random = new SeededRandom(seed);
        var tokens = new UsedTokens(Max);
        var known = new Dictionary<Random128, (ulong ConnectionId, ulong Expires)>();
        ulong now = 1_000;
        for (int step = 0; step < 30_000; step++)
        {
            // Few low bits: long runs of places.
            var token = new Random128((ulong)random.Next(0, 40), (ulong)random.Next(0, 5));
            bool isKnown = known.TryGetValue(token, out (ulong ConnectionId, ulong Expires) entry);
            if (tokens.TryFind(token, out ulong connectionId))
                Assert.Equal((true, connectionId), (isKnown, entry.ConnectionId));
            else
                Assert.True(!isKnown || entry.Expires < now, $"step {step}");
            switch (random.Next(0, 4))
            {
                case 0 when !tokens.IsFull || connectionId != 0:
                    known[token] = ((ulong)step + 1, now + (ulong)random.Next(0, 300));
                    tokens.Put(token, (ulong)step + 1, known[token].Expires);
                    break;
                case 1:
                    tokens.Release(token, connectionId + 1);
                    Assert.Equal(connectionId != 0, tokens.TryFind(token, out _));
                    break;
                case 2 when connectionId != 0:
                    tokens.Release(token, connectionId);
                    known.Remove(token);
                    Assert.False(tokens.TryFind(token, out _));
                    break;
                default:
                    now++;
                    tokens.Sweep(now);
                    break;
            }

            Assert.InRange(tokens.Count, 0, Max);
        }

        for (int i = 0; i < 100; i++)
            tokens.Sweep(now + 1_000);
        Assert.Equal(0, tokens.Count);
    }
}
