using System.Buffers.Binary;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>What a datagram of a flood is made of.</summary>
internal enum FloodKind
{
    /// <summary>Random bytes, 0 to 1,400 of them.</summary>
    Garbage,

    /// <summary>A sound request: what a stranger is answered for.</summary>
    Request,

    /// <summary>A request with some bytes changed.</summary>
    MutatedRequest,

    /// <summary>A sound ask for a token: answered in development only.</summary>
    TokenAsk,

    /// <summary>A response that is sound but for its cookie and token, which another server made.</summary>
    ForeignResponse,

    /// <summary>The same with some bytes changed.</summary>
    MutatedResponse,

    /// <summary>The header of a payload packet of a random connection, and random bytes behind it.</summary>
    Payload,

    /// <summary>The same as a goodbye.</summary>
    Close,

    /// <summary>The same as a path response.</summary>
    PathResponse,

    /// <summary>Any of these, cut short.</summary>
    Truncated,
}

/// <summary>Makes the datagrams of a flood, many thousand a second from few made before: a slot is filled once and changed in place each time round.</summary>
internal sealed class FloodDatagrams
{
    /// <summary>Kinds there are.</summary>
    public const int KindCount = (int)FloodKind.Truncated + 1;

    private const int GarbageBytesMax = 1_400;
    private const int SealedBytesMax = 200;

    private readonly FloodKind[] _kinds;
    private readonly int[] _bytes;
    private readonly Stranger _stranger;
    private SeededRandom _random;

    /// <summary>Fills every slot of the batch; each kind has the same share of them.</summary>
    public FloodDatagrams(DatagramBatch batch, ulong seed)
    {
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x666C_6F64));
        _stranger = new Stranger(seed);
        _kinds = new FloodKind[batch.Capacity];
        _bytes = new int[batch.Capacity];
        for (int slot = 0; slot < batch.Capacity; slot++)
        {
            _kinds[slot] = (FloodKind)(slot % KindCount);
            _bytes[slot] = Fill(_kinds[slot], batch.Buffer(slot));
        }
    }

    /// <summary>What a slot holds.</summary>
    public FloodKind KindOf(int slot) => _kinds[slot];

    /// <summary>Makes another one of the same kind out of a slot.</summary>
    /// <param name="slot">Which.</param>
    /// <param name="buffer">Its bytes.</param>
    /// <returns>The new datagram's length.</returns>
    public int Change(int slot, Span<byte> buffer)
    {
        int bytes = _bytes[slot];
        ulong drawn = _random.NextUInt64();
        switch (_kinds[slot])
        {
            case FloodKind.Request or FloodKind.TokenAsk or FloodKind.ForeignResponse:
                return bytes;   // sound as it is: another address makes it another stranger's
            case FloodKind.Payload or FloodKind.Close or FloodKind.PathResponse:
                BinaryPrimitives.WriteUInt64LittleEndian(buffer[1..], drawn);
                return bytes;
            case FloodKind.Truncated:
                buffer[0] = (byte)((drawn >> 56) % ((int)PacketType.TokenGrant + 1));
                return (int)(drawn % (ulong)bytes);
            default:
                // Eight bytes somewhere: it is the same cost as one.
                BinaryPrimitives.WriteUInt64LittleEndian(buffer[(int)(drawn % (ulong)Math.Max(1, bytes - 8))..], drawn);
                return bytes;
        }
    }

    private int Fill(FloodKind kind, Span<byte> buffer) => kind switch
    {
        FloodKind.Request or FloodKind.MutatedRequest => _stranger.WriteRequest(buffer),
        FloodKind.TokenAsk => _stranger.WriteTokenAsk(buffer),
        FloodKind.ForeignResponse or FloodKind.MutatedResponse => _stranger.WriteForeignResponse(buffer),
        FloodKind.Payload => FillSealed(PacketType.Payload, buffer),
        FloodKind.Close => FillSealed(PacketType.Close, buffer),
        FloodKind.PathResponse => FillSealed(PacketType.PathResponse, buffer),
        FloodKind.Truncated => Fill((FloodKind)_random.Next((int)FloodKind.Request, (int)FloodKind.Truncated), buffer),
        _ => _stranger.WriteGarbage(_random.Next(0, GarbageBytesMax), buffer),
    };

    private int FillSealed(PacketType type, Span<byte> buffer) => _stranger.WriteSealed(type, PacketHeader.OverheadBytes + _random.Next(1, SealedBytesMax), buffer);
}
