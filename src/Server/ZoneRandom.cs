using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Hectare.Protocol;

namespace Hectare.Server;

/// <summary>Where a zone draws what nobody may guess: its cookie secret, the handshakes' randoms, connection ids. Its only random source.</summary>
/// <remarks>A recording holds every value drawn, so that a replay opens the same datagrams. The game draws from its own seeded stream.</remarks>
public abstract class ZoneRandom
{
    /// <summary>The next 64 bits. One thread.</summary>
    public abstract ulong Next();

    /// <summary>From the system's generator: for a zone that strangers can reach.</summary>
    public static ZoneRandom System() => new SystemRandom();

    /// <summary>From a seed: for tests and simulations, where two runs must be equal. Anyone who knows the seed can forge cookies.</summary>
    public static ZoneRandom Seeded(ulong seed) => new SeededZoneRandom(seed);

    private sealed class SystemRandom : ZoneRandom
    {
        // Drawn a hundred at a time: one call to the system costs a microsecond.
        private readonly ulong[] _drawn = new ulong[128];
        private int _next = 128;

        public override ulong Next()
        {
            if (_next == _drawn.Length)
            {
                RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(_drawn.AsSpan()));
                _next = 0;
            }

            return _drawn[_next++];
        }
    }

    private sealed class SeededZoneRandom(ulong seed) : ZoneRandom
    {
        private SeededRandom _stream = new(seed);

        public override ulong Next() => _stream.NextUInt64();
    }
}
