using System.Runtime.CompilerServices;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What a client did that no sound client does, or does as often. Only packets that opened count: nobody can make one in another's name.</summary>
public enum Offence : byte
{
    /// <summary>A sealed packet whose body is none. 20 points.</summary>
    MalformedPacket,

    /// <summary>A tail that is no input message, or holds a value that no input has. 20 points.</summary>
    MalformedInput,

    /// <summary>Inputs of ticks further ahead than the window. 1 point a packet.</summary>
    InputTooEarly,

    /// <summary>Inputs of ticks further back than the window. 1 point a packet.</summary>
    InputTooOld,

    /// <summary>Inputs of more ticks than have passed. 1 point a packet.</summary>
    InputTooMany,

    /// <summary>A message on the control lane that is none, or out of turn. 20 points.</summary>
    BadControl,

    /// <summary>An ack of a packet that was never sent. 20 points.</summary>
    ForgedAck,

    /// <summary>Fragments beyond the window of their lane. 1 point a packet.</summary>
    BeyondWindow,

    /// <summary>More packets a second than allowed. 1 point each.</summary>
    PacketFlood,

    /// <summary>More reliable messages or bytes of them than the game takes. 2 points a tick.</summary>
    MessageFlood,
}

/// <summary>One client's offences: points that are forgiven with time, and what they were for. A mutable struct: keep it in a field that is not readonly.</summary>
internal struct OffenceTally
{
    /// <summary>Kinds of offences.</summary>
    public const int Kinds = (int)Offence.MessageFlood + 1;

    private const int ForgivenPerSecond = 15;

    private PointsByKind _points;    // since the score was last 0
    private int _score;              // points x tick rate, less what is forgiven

    /// <summary>True while not all is forgiven.</summary>
    public readonly bool HasAny => _score != 0;

    /// <summary>Adds an offence.</summary>
    /// <returns>True when there are more than <paramref name="pointsMax"/> points.</returns>
    public bool Add(Offence offence, int pointsMax, int tickRate)
    {
        int points = PointsOf(offence);
        _points[(int)offence] = Math.Min(_points[(int)offence] + points, int.MaxValue / 2);
        _score += points * tickRate;
        return _score > pointsMax * tickRate;
    }

    /// <summary>Once a tick: time forgives.</summary>
    public void Forgive()
    {
        if (_score == 0)
            return;
        _score = Math.Max(0, _score - ForgivenPerSecond);
        if (_score == 0)
            _points = default;
    }

    /// <summary>What to close the connection with: the reason of at least half of the points.</summary>
    public readonly CloseCode Reason()
    {
        Span<long> byCode = stackalloc long[(int)CloseCode.Flood + 1];
        byCode.Clear();
        long sum = 0;
        for (int kind = 0; kind < Kinds; kind++)
        {
            byCode[(int)ReasonOf((Offence)kind)] += _points[kind];
            sum += _points[kind];
        }

        for (int code = 0; code < byCode.Length; code++)
        {
            if (sum > 0 && byCode[code] * 2 >= sum)
                return (CloseCode)code;
        }

        return CloseCode.TooManyOffences;
    }

    // What an honest client may do on a bad day weighs little; what none does, much.
    private static int PointsOf(Offence offence) => offence switch
    {
        Offence.MalformedPacket or Offence.MalformedInput or Offence.BadControl or Offence.ForgedAck => 20,
        Offence.MessageFlood => 2,
        _ => 1,
    };

    private static CloseCode ReasonOf(Offence offence) => offence switch
    {
        Offence.MalformedPacket or Offence.MalformedInput or Offence.BadControl => CloseCode.ProtocolError,
        Offence.InputTooEarly or Offence.InputTooOld or Offence.InputTooMany => CloseCode.SpeedOfInputs,
        Offence.ForgedAck => CloseCode.ForgedAcks,
        _ => CloseCode.Flood,
    };

    [InlineArray(Kinds)]
    private struct PointsByKind
    {
        private int _first;
    }
}
