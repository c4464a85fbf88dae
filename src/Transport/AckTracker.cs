using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>What a packet that just came in is, measured against those accepted before it.</summary>
public enum PacketAge
{
    /// <summary>Newer than all accepted.</summary>
    New,

    /// <summary>Older than the newest, inside the window, not accepted yet.</summary>
    Late,

    /// <summary>Accepted before.</summary>
    Duplicate,

    /// <summary>Older than the window: nobody knows any more.</summary>
    TooOld,
}

/// <summary>An ack: the newest packet accepted, and a bit for each of the 32 before it (bit 0 is the one just before).</summary>
/// <param name="Newest">Newest packet accepted.</param>
/// <param name="Bits">Bit i is set when <c>Newest - 1 - i</c> was accepted too.</param>
public readonly record struct AckField(SequenceNumber Newest, uint Bits)
{
    /// <summary>Packets before the newest that a field speaks of.</summary>
    public const int Window = 32;

    /// <summary>True when the field says that <paramref name="sequence"/> was accepted.</summary>
    public bool Holds(SequenceNumber sequence)
    {
        int age = Newest - sequence;
        return age == 0 || (age is > 0 and <= Window && ((Bits >> (age - 1)) & 1) != 0);
    }

    /// <summary>True when the field says anything of <paramref name="sequence"/>: accepted or not.</summary>
    public bool Covers(SequenceNumber sequence) => Newest - sequence is >= 0 and <= Window;

    /// <summary>The same knowledge told from <paramref name="newest"/>, which is not older: what falls out of the window is gone.</summary>
    internal uint BitsAsOf(SequenceNumber newest)
    {
        int shift = newest - Newest;
        Contract.Assert(shift >= 0);
        if (shift == 0)
            return Bits;
        if (shift > Window)
            return 0;
        return (shift == Window ? 0 : Bits << shift) | (1u << (shift - 1));
    }
}

/// <summary>Receiving side: which packets of the other end were accepted, as an ack will tell it.</summary>
/// <remarks>Distances, never sums: right at every wrap (audited fault 10). A mutable struct: keep it in a field that is not readonly.</remarks>
public struct AckTracker
{
    /// <summary>True once a packet was accepted; before that there is nothing to ack.</summary>
    public bool HasAny { get; private set; }

    /// <summary>What was accepted so far. Meaningful when <see cref="HasAny"/>.</summary>
    public AckField Field { get; private set; }

    /// <summary>Judges a packet without taking it in.</summary>
    public readonly PacketAge Judge(SequenceNumber sequence)
    {
        if (!HasAny || sequence > Field.Newest)
            return PacketAge.New;
        if (!Field.Covers(sequence))
            return PacketAge.TooOld;
        return Field.Holds(sequence) ? PacketAge.Duplicate : PacketAge.Late;
    }

    /// <summary>Takes a packet in; it will be acked. Only for one judged new or late.</summary>
    public void Accept(SequenceNumber sequence)
    {
        Contract.Assert(Judge(sequence) is PacketAge.New or PacketAge.Late);
        if (!HasAny)
        {
            HasAny = true;
            Field = new AckField(sequence, 0);
        }
        else if (sequence > Field.Newest)
        {
            Field = new AckField(sequence, Field.BitsAsOf(sequence));
        }
        else
        {
            Field = Field with { Bits = Field.Bits | (1u << (Field.Newest - sequence - 1)) };
        }
    }
}

/// <summary>Sending side: what the other end has told of our packets, put together over all its acks.</summary>
internal struct AckedPackets
{
    /// <summary>True once an ack came.</summary>
    public bool HasAny { get; private set; }

    /// <summary>Newest packet known to be accepted, and those before it.</summary>
    public AckField Known { get; private set; }

    /// <summary>Takes an ack in, whether newer or older than what is known.</summary>
    /// <returns>The packets heard of for the first time.</returns>
    public FreshAcks Take(AckField field)
    {
        if (!HasAny)
        {
            HasAny = true;
            Known = field;
            return new FreshAcks(field.Newest, field.Bits, NewestIsFresh: true);
        }

        if (field.Newest <= Known.Newest)
        {
            uint told = field.BitsAsOf(Known.Newest);
            uint fresh = told & ~Known.Bits;
            Known = Known with { Bits = Known.Bits | told };
            return new FreshAcks(Known.Newest, fresh, NewestIsFresh: false);
        }

        uint known = Known.BitsAsOf(field.Newest);
        Known = new AckField(field.Newest, known | field.Bits);
        return new FreshAcks(field.Newest, field.Bits & ~known, NewestIsFresh: true);
    }
}

/// <summary>Packets heard of for the first time.</summary>
/// <param name="Newest">What the bits count back from.</param>
/// <param name="Bits">Bit i: <c>Newest - 1 - i</c> is newly known to be accepted.</param>
/// <param name="NewestIsFresh">The newest itself is.</param>
internal readonly record struct FreshAcks(SequenceNumber Newest, uint Bits, bool NewestIsFresh)
{
    /// <summary>Packets newly known to be accepted.</summary>
    public int Count => BitOperations.PopCount(Bits) + (NewestIsFresh ? 1 : 0);

    /// <summary>True when <paramref name="sequence"/> is newly known to be accepted.</summary>
    public bool Contains(SequenceNumber sequence)
    {
        int age = Newest - sequence;
        return age == 0 ? NewestIsFresh : age is > 0 and <= AckField.Window && ((Bits >> (age - 1)) & 1) != 0;
    }
}
