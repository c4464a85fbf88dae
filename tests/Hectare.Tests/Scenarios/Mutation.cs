using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Scenarios;

/// <summary>
/// A deliberate fault: what a wrong line would leave behind. Where the design has a switch for the mechanism it is switched off; else the state
/// between two ticks is made what the faulty line would have made of it. So no fault is written into the product.
/// </summary>
/// <param name="Name">What is wrong, in words: the row of Mutations.md.</param>
/// <param name="Seeds">Seeds that were known to find it, at most three: what each commit runs first.</param>
internal sealed record Mutation(string Name, params int[] Seeds)
{
    public Mechanisms Off { get; init; }

    /// <summary>What is done to each peer's view at each tick, after publishing and before writing.</summary>
    public Action<SimulatedSystem, PeerView>? EachTick { get; init; }

    /// <summary>What is done to each datagram that a client is handed.</summary>
    public Func<SimulatedSystem, Action<SimulatedClient, ReadOnlyMemory<byte>>>? Deliver { get; init; }

    /// <summary>Clients of the run.</summary>
    public int ClientCount { get; init; } = 12;

    /// <summary>Runs on the slow link: a round trip longer than the ack window.</summary>
    public bool IsSlowLink { get; init; }

    public static IReadOnlyList<Mutation> All { get; } =
    [
        new("an ack of an older packet is accepted", 1, 2, 3) { Deliver = system => AckBeside(system, lies: true) },
        new("a slot is free once its Leave was written, not acked", 1, 2, 3) { EachTick = FreeWritten },
        new("of five steps owed the oldest is left out unsaid", 1, 2, 3) { Off = Mechanisms.Gap },
        new("what was never heard of counts as lost", 1, 2, 3) { Off = Mechanisms.Unknown, IsSlowLink = true },
        new("a Leave is cancelled when its entity comes back", 1, 2, 3) { Off = Mechanisms.FinalLeave },
        new("the kept version is one too old", 1, 2, 3) { EachTick = KeepOlder },
        new("a cell that waits to be looked into is forgotten", 1, 2, 3) { EachTick = ForgetPending },
        new("the self-check's share is of the newest version, not as of B", 1, 2, 3) { EachTick = ShareNewest },
        new("an accumulator is zeroed and not given back", 1, 2, 3) { Off = Mechanisms.Resend },
        new("an ack proves what was sent last, not what its packet carried", 1, 2, 3) { EachTick = ProveSent },
        new("a thing at rest is not published in its own quantum", 24) { Off = Mechanisms.RestPublished, ClientCount = 40 },
        new("of a peer's news of a tick one is forgotten", 1, 2, 3) { EachTick = ForgetNews },
    ];

    /// <summary>Whenever a late packet comes, an ack beside those of the client: one that lies says that it was accepted.</summary>
    internal static Action<SimulatedClient, ReadOnlyMemory<byte>> AckBeside(SimulatedSystem system, bool lies)
    {
        var ends = new Dictionary<int, (AckTracker Accepted, SequenceNumber Last, long Count)>();
        return (client, datagram) =>
        {
            if (!PacketHeader.TryReadFromServer(datagram.Span, out PacketHeader header))
                return;
            (AckTracker accepted, SequenceNumber last, long count) = ends.GetValueOrDefault(client.Index);
            // Whether the datagram before this one was accepted shows now.
            if (client.Game.Stats.ReceivedPackets > count)
                accepted.Accept(last);
            SequenceNumber sequence = accepted.HasAny ? SequenceNumber.Widen(header.Sequence, accepted.Field.Newest) : new SequenceNumber(header.Sequence);
            if (accepted.Judge(sequence) == PacketAge.Late)
            {
                if (lies)
                    accepted.Accept(sequence);
                system.ViewOf(client)?.OnAck(accepted.Field.Newest, accepted.Field.Bits, system.Zone.Tick);
            }

            ends[client.Index] = (accepted, sequence, client.Game.Stats.ReceivedPackets);
        };
    }

    private static void FreeWritten(SimulatedSystem system, PeerView view)
    {
        for (int i = 0; i < view.SlotLimit; i++)
        {
            if (view.Slots[i].State is SlotState.Leaving or SlotState.Destroying && view.Slots[i].Copies > 0)
                view.FreeSlot(i);
        }
    }

    // A Leave keeps the version that was acked: while it is under way, that is made the one before.
    private static void KeepOlder(SimulatedSystem system, PeerView view)
    {
        for (int i = 0; i < view.Slots.Length; i++)
        {
            ref PeerView.Slot slot = ref view.Slots[i];
            if (slot.State != SlotState.Leaving || slot.AckedVersion <= 1 || slot.AckedVersion != slot.SentVersion)
                continue;
            view.Unshare(i);
            slot.AckedVersion--;
            view.Share(i);
        }
    }

    private static void ForgetPending(SimulatedSystem system, PeerView view)
    {
        int word = (int)(system.Zone.Tick.Value % Interest.Side);
        view.Pending[word] &= view.Pending[word] - 1;
    }

    private static void ShareNewest(SimulatedSystem system, PeerView view)
    {
        for (int i = 0; i < view.Slots.Length; i++)
        {
            ref PeerView.Slot slot = ref view.Slots[i];
            if (slot.State != SlotState.Known || system.Zone.World.Id[slot.Row] != slot.Id)
                continue;
            view.Unshare(i);
            slot.AckedHash = system.Zone.Replicator.History.HashOf(slot.Row, system.Zone.Replicator.History.VersionOf(slot.Row));
            view.Share(i);
        }
    }

    private static void ProveSent(SimulatedSystem system, PeerView view)
    {
        for (int i = 0; i < view.Slots.Length; i++)
        {
            ref PeerView.Slot slot = ref view.Slots[i];
            if (slot.State != SlotState.Known || !system.Zone.Replicator.History.Holds(slot.Row, slot.SentVersion))
                continue;
            view.Unshare(i);
            slot.AckedVersion = slot.SentVersion;
            slot.AckedHash = system.Zone.Replicator.History.HashOf(slot.Row, slot.SentVersion);
            view.Share(i);
        }
    }

    private static void ForgetNews(SimulatedSystem system, PeerView view)
    {
        if (view.News.IsEmpty)
            return;
        ref NewsWord word = ref view.News[(int)(system.Zone.Tick.Value % (uint)view.News.Length)];
        word.Slots &= word.Slots - 1;
    }
}
