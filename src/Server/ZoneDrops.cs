using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What was dropped, a counter a reason. Connections that ended leave their counts here.</summary>
internal sealed class ZoneDrops
{
    private readonly long[] _packets = new long[(int)OpenResult.NotAccepted + 1];
    private readonly long[] _inputs = new long[(int)InputVerdict.TooMany + 1];
    private readonly long[] _offences = new long[OffenceTally.Kinds];
    private readonly long[] _kicks = new long[(int)CloseCode.Replaced + 1];

    /// <summary>No type that a client sends, or too short for one.</summary>
    public long Malformed { get; set; }

    /// <summary>No connection has the id it names.</summary>
    public long UnknownConnection { get; set; }

    /// <summary>A connection has it, at another address, and the packet does not open.</summary>
    public long OtherAddress { get; set; }

    /// <summary>The same, not even opened: there were too many of these.</summary>
    public long FailedOpensOverLimit { get; set; }

    /// <summary>More packets of a client in one tick than are opened.</summary>
    public long PeerOverTick { get; set; }

    /// <summary>Sealed packets whose tail is no input message.</summary>
    public long MalformedInput { get; set; }

    /// <summary>Messages on the control lane that are none, or out of turn.</summary>
    public long BadControl { get; set; }

    /// <summary>Reliable messages that did not fit into a client's queue.</summary>
    public long QueueFull { get; set; }

    /// <summary>Reliable messages that were longer than their lane ever takes.</summary>
    public long TooLarge { get; set; }

    public void Count(InputVerdict verdict) => _inputs[(int)verdict]++;

    public void Count(Offence offence) => _offences[(int)offence]++;

    /// <summary>A connection has ended; counted when the zone sent its client away for what it did.</summary>
    public void CountEnd(in CloseReason reason)
    {
        if (reason.Cause == CloseCause.ProtocolError || (reason.Cause == CloseCause.Local && reason.Code is >= CloseCode.TooManyOffences and <= CloseCode.JoinTimeOut))
            _kicks[(int)reason.Code]++;
    }

    public Dictionary<string, long> Offences()
    {
        var named = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int kind = 0; kind < _offences.Length; kind++)
            Put(named, NameOf(((Offence)kind).ToString()), _offences[kind]);
        return named;
    }

    public Dictionary<string, long> Kicks()
    {
        var named = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int code = 0; code < _kicks.Length; code++)
            Put(named, NameOf(((CloseCode)code).ToString()), _kicks[code]);
        return named;
    }

    /// <summary>Takes over what a connection counted; for one that ends, or into a sum that is thrown away.</summary>
    public void Add(ConnectionCounters counters)
    {
        for (OpenResult reason = OpenResult.Malformed; reason <= OpenResult.NotAccepted; reason++)
            _packets[(int)reason] += counters.Drops(reason);
    }

    public void CopyTo(ZoneDrops sum) => _packets.CopyTo(sum._packets, 0);

    /// <summary>By name, only what is not zero.</summary>
    public void AddTo(Dictionary<string, long> named, ZoneDrops packets)
    {
        for (OpenResult reason = OpenResult.Malformed; reason <= OpenResult.NotAccepted; reason++)
            Put(named, $"packet{reason}", packets._packets[(int)reason]);
        ReadOnlySpan<InputVerdict> lost = [InputVerdict.Late, InputVerdict.TooOld, InputVerdict.TooEarly, InputVerdict.TooMany];
        foreach (InputVerdict verdict in lost)
            Put(named, $"input{verdict}", _inputs[(int)verdict]);
        Put(named, "malformed", Malformed);
        Put(named, "unknownConnection", UnknownConnection);
        Put(named, "otherAddress", OtherAddress);
        Put(named, "failedOpensOverLimit", FailedOpensOverLimit);
        Put(named, "peerOverTick", PeerOverTick);
        Put(named, "malformedInput", MalformedInput);
        Put(named, "badControl", BadControl);
        Put(named, "messageQueueFull", QueueFull);
        Put(named, "messageTooLarge", TooLarge);
    }

    private static string NameOf(string member) => char.ToLowerInvariant(member[0]) + member[1..];

    public static void Put(Dictionary<string, long> named, string name, long count)
    {
        if (count != 0)
            named[name] = count;
    }
}
