namespace Hectare.Transport;

/// <summary>What became of a datagram on a simulated link.</summary>
public enum LinkFate : byte
{
    /// <summary>It arrived.</summary>
    Delivered,

    /// <summary>Lost by itself, or in a burst.</summary>
    Lost,

    /// <summary>Sent while the link was out.</summary>
    Outage,

    /// <summary>The queue before the bottleneck was full.</summary>
    QueueFull,

    /// <summary>Nobody listened at its address when it arrived.</summary>
    NoReceiver,
}

/// <summary>The end of one datagram's way: told when it arrives or is dropped.</summary>
public readonly record struct LinkEvent
{
    /// <summary>Where it was sent from.</summary>
    public PeerAddress From { get; internal init; }

    /// <summary>Where it was sent to.</summary>
    public PeerAddress To { get; internal init; }

    /// <summary>Its number on this link, from 0, in the order of sending; a duplicate has the number of its original.</summary>
    public long Number { get; internal init; }

    /// <summary>UDP payload bytes.</summary>
    public int Bytes { get; internal init; }

    /// <summary>When it was sent, ns of virtual time.</summary>
    public long SentNs { get; internal init; }

    /// <summary>When it arrived (or was dropped), ns of virtual time.</summary>
    public long AtNs { get; internal init; }

    /// <summary>What became of it.</summary>
    public LinkFate Fate { get; internal init; }

    /// <summary>Delivered before anything that was sent later, and for the first time. False: it was overtaken, is a copy, or did not arrive.</summary>
    public bool InOrder { get; internal init; }

    /// <summary>It is the copy that the link made.</summary>
    public bool IsDuplicate { get; internal init; }

    /// <summary>The link changed bits of it.</summary>
    public bool IsCorrupted { get; internal init; }
}

/// <summary>What one direction of a simulated link has done so far.</summary>
public struct LinkStatistics
{
    /// <summary>Datagrams sent into it.</summary>
    public long Sent { get; internal set; }

    /// <summary>Datagrams that arrived, copies included.</summary>
    public long Delivered { get; internal set; }

    /// <summary>Of those, the ones that came behind a later one.</summary>
    public long Overtaken { get; internal set; }

    /// <summary>Copies that the link made.</summary>
    public long Duplicated { get; internal set; }

    /// <summary>Datagrams whose bits it changed.</summary>
    public long Corrupted { get; internal set; }

    /// <summary>Lost by themselves or in bursts.</summary>
    public long Lost { get; internal set; }

    /// <summary>Dropped in outages.</summary>
    public long DroppedInOutage { get; internal set; }

    /// <summary>Dropped by a full queue.</summary>
    public long DroppedByQueue { get; internal set; }

    /// <summary>Arrived where nobody listened.</summary>
    public long DroppedUnheard { get; internal set; }

    /// <summary>UDP payload bytes that arrived.</summary>
    public long DeliveredBytes { get; internal set; }

    /// <summary>Sum of the delays of what arrived, ns.</summary>
    public long DelaySumNs { get; internal set; }

    /// <summary>When the last in-order datagram arrived, ns; -1 before the first.</summary>
    public long LastInOrderNs { get; internal set; }

    /// <summary>Longest time between two in-order arrivals, ns: nothing above can be without news for less.</summary>
    public long LongestInOrderGapNs { get; internal set; }

    /// <summary>Mean delay of what arrived, ns.</summary>
    public readonly double MeanDelayNs => Delivered == 0 ? 0 : (double)DelaySumNs / Delivered;
}
