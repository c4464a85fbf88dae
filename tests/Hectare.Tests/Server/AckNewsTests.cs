using System.Runtime.InteropServices;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Tests.Replication;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>Acks that wait until their peer is written: nothing may come of that but another time.</summary>
/// <remarks>Two equal worlds with a peer each. One is told of each ack as it comes, of the other <see cref="AckNews"/> takes care; then all that is known of both must be equal.</remarks>
public sealed class AckNewsTests
{
    private readonly Side _direct = new();
    private readonly Side _late = new();
    private AckNews _news;
    private AckedPackets _heard;
    private SequenceNumber _next = new(1);
    private SequenceNumber _first = new(1);

    // A packet that neither ack speaks of any more would be unknown, and all that was in it written absolute.
    [Theory]
    [InlineData(7, 40)]
    [InlineData(20, 40)]
    [InlineData(32, 64)]
    [InlineData(20, 40, 60)]
    [InlineData(10, 20, 30, 40, 50, 60)]
    public void Acks_that_reach_over_more_than_32_packets_together_leave_none_unknown(params int[] newest)
    {
        Send(newest[^1]);
        foreach (int one in newest)
            Hear(one);
        SettleAndCompare();
        Assert.Equal(0, _late.View.UnknownPackets);
        Assert.Equal(new SequenceNumber((uint)newest[^1]), _late.View.Baseline);
    }

    [Theory]
    [InlineData(40, 7)]
    [InlineData(33, 0)]
    public void What_one_ack_alone_leaves_behind_is_unknown(int newest, int unknown)
    {
        Send(newest);
        Hear(newest);
        SettleAndCompare();
        Assert.Equal(unknown, _late.View.UnknownPackets);
    }

    // The first leaves seven behind; the second must not make it more.
    [Fact]
    public void What_was_unknown_by_the_first_of_two_acks_stays_so_and_no_more()
    {
        Send(64);
        Hear(40);
        Hear(64);
        SettleAndCompare();
        Assert.Equal(7, _late.View.UnknownPackets);
    }

    [Fact]
    public void Acks_that_overlap_are_told_as_one_with_the_losses_of_both()
    {
        Send(15);
        Hear(10, lost: [3, 7]);
        Hear(15, lost: [3, 7, 12]);
        Assert.False(_late.View.HasBaseline);
        SettleAndCompare();
        Assert.Equal(new SequenceNumber(15), _late.View.Baseline);
    }

    [Fact]
    public void An_older_ack_that_comes_after_a_newer_one_changes_nothing()
    {
        Send(20);
        Hear(18, lost: [15]);
        Hear(12);
        SettleAndCompare();
        Assert.Equal(new SequenceNumber(18), _late.View.Baseline);
        Hear(14);
        Hear(18);
        SettleAndCompare();
        Assert.Equal(new SequenceNumber(18), _late.View.Baseline);
    }

    [Fact]
    public void Where_nothing_waits_nothing_is_told()
    {
        Send(3);
        SettleAndCompare();
        Assert.False(_late.View.HasBaseline);
        Hear(2);
        SettleAndCompare();
        Assert.Equal(new SequenceNumber(2), _late.View.Baseline);
        SettleAndCompare();
        Assert.Equal(new SequenceNumber(2), _late.View.Baseline);
    }

    // What one ack settled is behind the next: only what comes after it may fall out of the window.
    [Fact]
    public void After_acks_were_settled_the_next_ones_begin_where_they_ended()
    {
        Send(30);
        Hear(28);
        SettleAndCompare();
        Send(40);
        Hear(45);
        Hear(70);
        SettleAndCompare();
        Assert.Equal(0, _late.View.UnknownPackets);
        Assert.Equal(new SequenceNumber(70), _late.View.Baseline);
    }

    // A client that never goes back, a link that loses both ways and brings acks late and out of order, turns that come seldom.
    [Fact]
    public void Random_losses_and_delays_end_as_if_each_ack_had_been_told_at_once()
    {
        long unknown = 0;
        int joined = 0;
        for (ulong seed = 1; seed <= 40; seed++)
        {
            AckNewsTests one = new();
            joined += one.RunRandom(seed);
            unknown += one._late.View.UnknownPackets;
        }

        Assert.True(unknown > 300 && joined > 300, $"{unknown} unknown, {joined} times more than one ack waited");
    }

    private int RunRandom(ulong seed)
    {
        var random = new SeededRandom(seed);
        _first = _next = new SequenceNumber(seed % 2 == 0 ? uint.MaxValue - 100 : 1);
        double lossDown = random.NextDouble() * 0.5, lossUp = seed % 3 == 0 ? 0.96 : random.NextDouble() * 0.6;
        AckTracker client = default;
        var acks = new List<(int Due, AckField Field)>();
        int joined = 0, waits = 0;
        for (int time = 0; time < 1_000; time++)
        {
            foreach ((int due, AckField field) in acks)
                waits += due == time && Hear(field) ? 1 : 0;
            // Not its turn, or nothing to tell it.
            if (random.NextBool(0.6))
                continue;
            SettleAndCompare($"seed {seed}, time {time}");
            joined += waits > 1 ? 1 : 0;
            waits = 0;
            SequenceNumber sent = _next;
            Send(1, random.Next(0, 100));
            if (!random.NextBool(lossDown))
                client.Accept(sent);
            if (client.HasAny && !random.NextBool(lossUp))
                acks.Add((time + random.Next(1, 12), client.Field));
        }

        return joined;
    }

    private void Send(int packets, int health = -1)
    {
        for (int i = 0; i < packets; i++)
        {
            _direct.Send(_next, health < 0 ? i : health);
            _late.Send(_next, health < 0 ? i : health);
            _next = _next.Next;
        }
    }

    // The client took all up to that one, but for those that were lost.
    private void Hear(int newest, params int[] lost)
    {
        uint bits = 0;
        for (int back = 0; back < AckField.Window && newest - 1 - back >= 1; back++)
            bits |= lost.Contains(newest - 1 - back) ? 0 : 1u << back;
        Hear(new AckField(new SequenceNumber((uint)newest), bits));
    }

    // As a connection puts acks together, and as a zone passes on only what says something new.
    private bool Hear(AckField field)
    {
        SequenceNumber previous = _heard.HasAny ? _heard.Known.Newest : _first - 1;
        _heard.Take(field);
        if (field.Newest <= previous)
            return false;
        _news.Add(new AckUpdate(true, _heard.Known.Newest, _heard.Known.Bits, previous), _late.View, _late.Tick);
        _direct.View.OnAck(_heard.Known.Newest, _heard.Known.Bits, _direct.Tick);
        return true;
    }

    private void SettleAndCompare(string where = "")
    {
        _news.Settle(_late.View, _late.Tick);
        PeerView direct = _direct.View, late = _late.View;
        Assert.Equal((direct.UnknownPackets, direct.HasBaseline, direct.Baseline), (late.UnknownPackets, late.HasBaseline, late.Baseline));
        Assert.True(MemoryMarshal.AsBytes(direct.Slots).SequenceEqual(MemoryMarshal.AsBytes(late.Slots)), $"slots, {where}");
        Assert.True(MemoryMarshal.AsBytes(direct.News).SequenceEqual(MemoryMarshal.AsBytes(late.News)), $"news, {where}");
        Assert.Equal(_direct.Written, _late.Written);
    }

    private sealed class Side
    {
        private readonly ReplicationRig _rig = new(TestSchemas.Meadow(), new ReplicationOptions { SnapshotIntervalTicks = 1, FixedRate = true, BytesPerSecond = 64_000, KeepAliveTicks = 2 }) { IsChecking = false };
        private readonly byte[] _tail = new byte[1150];
        private readonly int _avatar;
        private readonly int _walker;
        private readonly int _rover;

        public Side()
        {
            _avatar = _rig.Spawn(_rig.Walker, 256, 256);
            _walker = _rig.Spawn(_rig.Walker, 260, 256);
            _rover = _rig.Spawn(_rig.Walker, 256, 260);
            View = _rig.Replicator.AddPeer(0, _rig.Tick);
            View.SetAvatar(_avatar, _rig.World.IdOf(_avatar));
        }

        public PeerView View { get; }

        public Tick Tick => _rig.Tick;

        public (long Updates, long Enters, long Leaves, long Absolutes, long Bits) Written
            => (_rig.Writer.Counters.Updates, _rig.Writer.Counters.Enters, _rig.Writer.Counters.Leaves, _rig.Writer.Counters.Absolutes, _rig.Writer.Counters.OperationBits);

        // One has news, one comes and goes.
        public void Send(SequenceNumber sequence, int health)
        {
            _rig.Run(1, () =>
            {
                _rig.World.Set(_walker, _rig.Walker["health"], (uint)health & 127);
                if (health % 20 == 19)
                    _rig.World.Teleport(_rover, Units.FromFloat(health % 40 == 19 ? 0 : 256), Units.FromFloat(260));
            });
            Assert.True(_rig.Writer.Prepare(View, _rig.Tick, 3, 0));
            _rig.Writer.Write(View, new SnapshotRequest { Sequence = sequence, Tick = _rig.Tick }, _tail);
        }
    }
}
