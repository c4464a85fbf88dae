using Hectare.Protocol;
using Hectare.Replication;
using Hectare.World;

namespace Hectare.Tests.Replication;

/// <summary>What an ack, a loss and a silence mean, packet by packet: the test is the link.</summary>
public sealed class PeerViewTests
{
    private readonly ReplicationRig _rig = new(TestSchemas.Meadow(), new ReplicationOptions { SnapshotIntervalTicks = 1, FixedRate = true, BytesPerSecond = 64_000, KeepAliveTicks = 2 }) { IsChecking = false };
    private readonly byte[] _tail = new byte[1150];
    private readonly PeerView _view;
    private readonly int _avatar;
    private readonly int _other;
    private SequenceNumber _next = new(1);
    private int _tailBytes;

    public PeerViewTests()
    {
        _avatar = _rig.Spawn(_rig.Walker, 256, 256);
        _other = _rig.Spawn(_rig.Walker, 260, 256);
        _view = _rig.Replicator.AddPeer(0, _rig.Tick);
        _view.SetAvatar(_avatar, _rig.World.IdOf(_avatar));
    }

    private ref PeerView.Slot Other => ref _view.Slots[_view.FindSlot(_rig.World.Id[_other])];

    [Fact]
    public void An_acked_enter_is_known_and_needs_no_more_bits()
    {
        SequenceNumber first = Send();
        Assert.Equal(SlotState.Entering, Other.State);
        _view.OnAck(first, 0, _rig.Tick);
        Assert.Equal(SlotState.Known, Other.State);
        long enters = _rig.Writer.Counters.Enters, bits = _rig.Writer.Counters.OperationBits;
        Send();
        Assert.Equal((enters, bits), (_rig.Writer.Counters.Enters, _rig.Writer.Counters.OperationBits));
    }

    [Fact]
    public void A_packet_without_its_bit_in_a_newer_ack_is_lost_and_never_believed_later()
    {
        SequenceNumber first = Send();
        SequenceNumber second = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        SequenceNumber third = Send();
        _view.OnAck(second, 0, _rig.Tick);
        uint acked = Other.AckedVersion;
        _view.OnAck(first, 0, _rig.Tick);
        Assert.Equal(acked, Other.AckedVersion);
        Assert.Equal(second, _view.Baseline);
        _view.OnAck(third, 0b01, _rig.Tick);
        Assert.Equal(third, _view.Baseline);
        Assert.Equal(0, _view.UnknownPackets);
    }

    [Fact]
    public void A_lost_update_is_written_again_at_the_next_chance()
    {
        Settle();
        _rig.World.Teleport(_other, Units.FromFloat(256 + 95), Units.FromFloat(256));
        Settle();
        SequenceNumber lost = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        long updates = _rig.Writer.Counters.Updates;
        SequenceNumber copy = Send();
        Assert.Equal(updates + 1, _rig.Writer.Counters.Updates);       // middle: two copies
        SequenceNumber heard = Send();
        Assert.Equal(updates + 1, _rig.Writer.Counters.Updates);
        _view.OnAck(heard, 0, _rig.Tick);
        Assert.Equal((1, 1), (copy - lost, heard - copy));
        Send();
        Assert.Equal(updates + 2, _rig.Writer.Counters.Updates);
    }

    [Fact]
    public void An_ack_of_an_update_settles_it_and_does_not_silence_a_destroy_that_came_after()
    {
        Settle();
        int slot = _view.FindSlot(_rig.World.Id[_other]);
        SequenceNumber update = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        _view.OnAck(update, 0, _rig.Tick);
        Assert.False(IsNews(slot));
        update = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 6));
        Send(() => _rig.World.Destroy(_other));
        Assert.Equal(SlotState.Destroying, _view.Slots[slot].State);
        long destroys = _rig.Writer.Counters.Destroys;
        _view.OnAck(update, 0, _rig.Tick);
        Assert.True(IsNews(slot));
        Send();
        Assert.Equal(destroys + 1, _rig.Writer.Counters.Destroys);
    }

    [Fact]
    public void An_ack_of_an_update_leaves_news_that_came_after_it()
    {
        Settle();
        int slot = _view.FindSlot(_rig.World.Id[_other]);
        SequenceNumber update = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        _rig.Run(1, () => _rig.World.Set(_other, _rig.Walker["health"], 6), withPeers: false);
        _view.OnAck(update, 0, _rig.Tick);
        Assert.True(IsNews(slot));
    }

    private bool IsNews(int slot) => (_view.News[slot >> 6].Slots >> slot & 1) != 0;

    [Theory]
    [InlineData(32, 0)]
    [InlineData(33, 1)]
    public void A_packet_is_unknown_once_it_is_more_than_32_behind_the_ack(int behind, int unknown)
    {
        SequenceNumber first = Send(), newest = first;
        while (newest - first < behind)
            newest = Send();
        _view.OnAck(newest, 0, _rig.Tick);
        Assert.Equal(unknown, _view.UnknownPackets);
    }

    [Fact]
    public void The_unknown_is_absolute_until_acked()
    {
        Settle();
        _rig.World.Teleport(_other, Units.FromFloat(256 + 95), Units.FromFloat(256));
        Settle();
        Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        SequenceNumber later = default;
        for (int i = 0; i < 33; i++)
            later = Send(rttTicks: 100);
        long absolutes = _rig.Writer.Counters.Absolutes;
        _view.OnAck(later, 0, _rig.Tick);
        Assert.True(Other.Has(SlotFlags.Unknown));
        SequenceNumber absolute = Send();
        Assert.Equal(absolutes + 1, _rig.Writer.Counters.Absolutes);
        _view.OnAck(absolute, 0, _rig.Tick);
        Assert.False(Other.Has(SlotFlags.Unknown));
        Send();
        Assert.Equal(absolutes + 1, _rig.Writer.Counters.Absolutes);
    }

    [Fact]
    public void Of_65_packets_in_flight_the_oldest_is_unknown()
    {
        Settle();
        for (int i = 0; i < 64; i++)
            Send();
        Assert.Equal(0, _view.UnknownPackets);
        Send();
        Assert.Equal(1, _view.UnknownPackets);
    }

    [Fact]
    public void More_than_2048_entries_in_flight_make_the_oldest_unknown_keep_alives_or_not()
    {
        for (int i = 0; i < 200; i++)
            _rig.Spawn(_rig.Walker, 250 + (i % 14), 250 + (i / 14));
        for (int i = 0; i < 12; i++)
            Settle();
        SequenceNumber quiet = Send();      // carries nothing
        int entries = 0;
        for (int i = 0; entries <= 2048; i++)
        {
            long before = _rig.Writer.Counters.Updates;
            Send(() =>
            {
                for (int row = 0; row < 200; row++)
                    _rig.World.Set(row, _rig.Walker["health"], (uint)(i & 63) + 1);
            });
            entries += (int)(_rig.Writer.Counters.Updates - before);
            _view.Bytes = 6_000;
        }

        Assert.Equal(2, _view.UnknownPackets);
        Assert.True(_next - quiet > 2);
    }

    [Fact]
    public void A_slot_is_used_again_only_after_its_leave_is_acked_and_old_leaves_do_not_touch_the_next()
    {
        Settle();
        int slot = _view.FindSlot(_rig.World.Id[_other]);
        SequenceNumber leave = Send(() => _rig.World.Teleport(_other, 0, 0));
        SequenceNumber copy = Send();
        int third = -1;
        Send(() => third = _rig.Spawn(_rig.Walker, 258, 256));
        Assert.NotEqual(slot, _view.FindSlot(_rig.World.Id[third]));
        _view.OnAck(leave, 0, _rig.Tick);
        Assert.Equal(SlotState.Free, _view.Slots[slot].State);
        int fourth = -1;
        SequenceNumber enter = Send(() => fourth = _rig.Spawn(_rig.Walker, 258, 258));
        Assert.Equal(slot, _view.FindSlot(_rig.World.Id[fourth]));
        _view.OnAck(copy, 1, _rig.Tick);
        Assert.Equal(SlotState.Entering, _view.Slots[slot].State);
        Assert.Equal(_rig.World.Id[fourth], _view.Slots[slot].Id);
        _view.OnAck(enter, 0b111, _rig.Tick);
        Assert.Equal(SlotState.Known, _view.Slots[slot].State);
    }

    [Fact]
    public void An_old_unheard_leave_does_not_mark_the_next_occupant_unknown()
    {
        Settle();
        int slot = _view.FindSlot(_rig.World.Id[_other]);
        SequenceNumber leave = Send(() => _rig.World.Teleport(_other, 0, 0));
        Send();                                              // a copy whose fate stays open
        _view.OnAck(leave, 0, _rig.Tick);
        int fourth = _rig.Spawn(_rig.Walker, 258, 258);
        Assert.Equal(slot, _view.BeginEnter(fourth, _rig.World.Id[fourth], _rig.Walker));     // taken, not yet written
        for (int i = 0; i < 40; i++)
            _next = _next.Next;
        _view.OnAck(_next, 0, _rig.Tick);
        Assert.False(_view.Slots[slot].Has(SlotFlags.Unknown));
    }

    [Fact]
    public void An_entity_that_returns_is_coded_against_what_the_peer_kept_once_its_leave_is_acked()
    {
        Settle();
        SequenceNumber leave = Send(() => _rig.World.Teleport(_other, 0, 0));
        _view.OnAck(leave, 0, _rig.Tick);
        SequenceNumber back = Send(() => _rig.World.Teleport(_other, Units.FromFloat(262), Units.FromFloat(256)));
        Assert.Equal(1, _rig.Writer.Counters.Returns);
        Assert.True(Other.Has(SlotFlags.OnKept));
        _view.OnAck(back, 0, _rig.Tick);
        Assert.False(Other.Has(SlotFlags.OnKept));
        Assert.Equal(SlotState.Known, Other.State);
    }

    [Fact]
    public void An_entity_back_before_its_leave_is_acked_enters_absolute_through_another_slot_and_is_not_believed_kept()
    {
        Settle();
        int slot = _view.FindSlot(_rig.World.Id[_other]);
        SequenceNumber leave = Send(() => _rig.World.Teleport(_other, 0, 0));
        SequenceNumber back = Send(() => _rig.World.Teleport(_other, Units.FromFloat(262), Units.FromFloat(256)));
        Assert.NotEqual(slot, _view.FindSlot(_rig.World.Id[_other]));
        Assert.Equal(SlotState.Leaving, _view.Slots[slot].State);
        Assert.Equal(0, _rig.Writer.Counters.Returns);
        _view.OnAck(back, 1, _rig.Tick);
        Assert.Equal(SlotState.Free, _view.Slots[slot].State);
        Assert.Equal(1, back - leave);
        Assert.False(_view.TryTakeKept(_rig.World.Id[_other], _other, _rig.Tick, out _, out _, out _));
    }

    [Fact]
    public void An_entity_kept_for_more_than_20_seconds_enters_absolute()
    {
        Settle();
        SequenceNumber leave = Send(() => _rig.World.Teleport(_other, 0, 0));
        _view.OnAck(leave, 0, _rig.Tick);
        for (int i = 0; i < 601; i++)
            _rig.Run(1);
        Send(() => _rig.World.Teleport(_other, Units.FromFloat(262), Units.FromFloat(256)));
        Assert.Equal(0, _rig.Writer.Counters.Returns);
    }

    [Fact]
    public void A_new_owner_is_told_the_whole_entity_until_that_is_acked()
    {
        _rig.World.Set(_other, _rig.Walker["coins"], 99);
        Settle();
        SequenceNumber lost = Send(() => _rig.World.SetOwner(_other, 0));
        Assert.Equal(1, _rig.Writer.Counters.Absolutes);
        SequenceNumber heard = Send();
        Assert.Equal(2, _rig.Writer.Counters.Absolutes);
        _view.OnAck(heard, 0, _rig.Tick);
        Assert.Equal(1, Other.AckedAudience);
        Assert.Equal(1, heard - lost);
        Send();
        Assert.Equal(2, _rig.Writer.Counters.Absolutes);
        Send(() => _rig.World.Set(_other, _rig.Walker["coins"], 98));
        Assert.Equal(1, _rig.Writer.Counters.Updates);
    }

    // The peer's ring has a place for each thing that it was told: an audience that changes and changes back takes two, and there is no version of that here.
    [Theory]
    [InlineData(11, 0)]
    [InlineData(12, 0)]
    [InlineData(13, 1)]
    [InlineData(14, 1)]
    [InlineData(15, 1)]
    public void What_lies_more_than_12_versions_back_is_no_baseline_while_the_server_still_holds_it(int versions, int absolutes)
    {
        var peer = new SnapshotDecoder(_rig.Schema, _rig.World.Grid.CellCount, _rig.Tick, 0, keepsMoved: true);
        Hear(null);
        _view.OnAck(peer.Newest, peer.AckBits(), _rig.Tick);
        Assert.Equal(SlotState.Known, Other.State);
        uint acked = Other.AckedVersion;
        for (uint i = 1; i < versions; i++)
        {
            Hear(() => _rig.World.Set(_other, _rig.Walker["health"], i));
            if (i != 6)
                continue;
            Hear(() => _rig.World.SetOwner(_other, 0));
            Hear(() => _rig.World.SetOwner(_other, WorldState.NoOwner));
        }

        (long updatesBefore, long absolutesBefore) = (_rig.Writer.Counters.Updates, _rig.Writer.Counters.Absolutes);
        Hear(() => _rig.World.Set(_other, _rig.Walker["health"], 99));
        Assert.Equal(((uint)versions, acked), (Other.SentVersion - acked, Other.AckedVersion));
        Assert.True(_rig.Replicator.History.Holds(_other, acked));
        Assert.Equal((1 - absolutes, absolutes), (_rig.Writer.Counters.Updates - updatesBefore, _rig.Writer.Counters.Absolutes - absolutesBefore));
        Hear(null);         // a copy: what was said last has taken its place in the ring by then

        void Hear(Action? game)
        {
            SequenceNumber sequence = Send(game);
            Assert.Equal(SnapshotDecoder.Result.Accepted, peer.Accept(sequence, _tail.AsSpan(0, _tailBytes)));
        }
    }

    [Fact]
    public void A_field_that_the_peer_may_not_see_costs_nothing()
    {
        Settle();
        long bits = _rig.Writer.Counters.OperationBits;
        for (uint i = 1; i < 40; i++)
            Settle(() => _rig.World.Set(_other, _rig.Walker["coins"], i));
        Assert.Equal(bits, _rig.Writer.Counters.OperationBits);
        Settle(() => _rig.World.Set(_other, _rig.Walker["health"], 1));
        Assert.Equal(0, _rig.Writer.Counters.Absolutes);
        Assert.Equal(1, _rig.Writer.Counters.Updates);
    }

    [Fact]
    public void A_refused_packet_makes_its_entities_and_its_share_absolute()
    {
        for (int i = 0; i < 40; i++)
            _rig.Spawn(_rig.Walker, 250 + (i % 8), 250 + (i / 8));
        for (int i = 0; i < 4; i++)
            Settle();
        SequenceNumber refused = Send(() => _rig.World.Set(_other, _rig.Walker["health"], 5));
        _view.OnResync(refused);
        Assert.Equal(1, _view.Resyncs);
        Assert.True(Other.Has(SlotFlags.Unknown));
        long absolutes = _rig.Writer.Counters.Absolutes;
        SequenceNumber answer = Send();
        int share = 0;
        for (int slot = (int)(refused.Value & 31); slot < _view.Slots.Length; slot += 32)
            share += _view.Slots[slot].State == SlotState.Known ? 1 : 0;
        Assert.InRange(_rig.Writer.Counters.Absolutes - absolutes, Math.Max(1, share), share + 1);
        _view.OnAck(answer, 0, _rig.Tick);
        Send();
        Assert.InRange(_rig.Writer.Counters.Absolutes - absolutes, 1, share + 1);
    }

    [Fact]
    public void Joining_a_party_tells_what_the_party_sees()
    {
        Settle();
        PeerView friend = _rig.Replicator.AddPeer(1, _rig.Tick);
        Settle(() => _rig.World.SetOwner(_other, friend.Index));
        _rig.Replicator.SetParty(0, 7);
        Settle();
        Assert.Equal(0, Other.AckedAudience);
        _rig.Replicator.SetParty(1, 7);
        Settle();
        Assert.Equal(2, Other.AckedAudience);
    }

    private void Settle(Action? game = null) => _view.OnAck(Send(game), 0, _rig.Tick);

    private SequenceNumber Send(Action? game = null, int rttTicks = 3)
    {
        _rig.Run(1, game);
        Assert.True(_rig.Writer.Prepare(_view, _rig.Tick, rttTicks, 0));
        SequenceNumber sequence = _next;
        _next = sequence.Next;
        _tailBytes = _rig.Writer.Write(_view, new SnapshotRequest { Sequence = sequence, Tick = _rig.Tick }, _tail);
        return sequence;
    }
}
