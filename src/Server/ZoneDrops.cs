using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What was dropped, a counter a reason. Connections that ended leave their counts here.</summary>
internal sealed class ZoneDrops
{
    private readonly long[] _packets = new long[(int)OpenResult.NotAccepted + 1];
    private readonly long[] _inputs = new long[(int)InputVerdict.TooMany + 1];

    /// <summary>No type that a client sends, or too short for one.</summary>
    public long Malformed { get; set; }

    /// <summary>No connection has the id it names.</summary>
    public long UnknownConnection { get; set; }

    /// <summary>A connection has it, at another address.</summary>
    public long OtherAddress { get; set; }

    /// <summary>Sealed packets whose tail is no input message.</summary>
    public long MalformedInput { get; set; }

    /// <summary>Messages on the control lane that are none, or out of turn.</summary>
    public long BadControl { get; set; }

    /// <summary>Reliable messages that did not fit into a client's queue.</summary>
    public long QueueFull { get; set; }

    /// <summary>Datagrams that came on another group's socket: not dropped, handed over.</summary>
    public long HandedOver { get; set; }

    public void Count(InputVerdict verdict) => _inputs[(int)verdict]++;

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
        Put(named, "malformedInput", MalformedInput);
        Put(named, "badControl", BadControl);
        Put(named, "messageQueueFull", QueueFull);
    }

    public static void Put(Dictionary<string, long> named, string name, long count)
    {
        if (count != 0)
            named[name] = count;
    }
}
