using Hectare.Protocol;
using Hectare.Tests.Scenarios.Traps;

namespace Hectare.Tests.Replication;

/// <summary>Who is told little is sent little: docs/decisions/0021.</summary>
public sealed class QuietPeerTests
{
    private const int KeepAliveTicks = 15;

    private readonly TrapRig _trap = new();
    private readonly TrapPeer _peer;
    private readonly int _near;
    private readonly int _far;
    private readonly int _farWalker;
    private uint _content;

    public QuietPeerTests()
    {
        int avatar = _trap.Spawn(_trap.Rig.Walker, 256, 256);
        _near = _trap.Spawn(_trap.Rig.Crate, 276, 256);
        _far = _trap.Spawn(_trap.Rig.Crate, 336, 256);
        _farWalker = _trap.Spawn(_trap.Rig.Walker, 330, 256);
        _peer = _trap.AddPeer(avatar);
        _trap.Run(90);
    }

    [Fact]
    public void What_stands_far_away_rides_in_packets_that_go_anyway()
    {
        int before = _peer.Packets;
        for (int change = 0; change < 100; change++)
        {
            Change(_far);
            _trap.Run(9);
        }

        Assert.InRange(_peer.Packets - before, (1_000 / KeepAliveTicks) - 1, (1_000 / KeepAliveTicks) + 1);
        _trap.Run(KeepAliveTicks + 3);
        Assert.True(_peer.Holds(_far));
    }

    [Fact]
    public void What_stands_near_is_told_at_once_and_no_packet_is_promised_after_it()
    {
        for (int change = 0; change < 20; change++)
        {
            AlignToKeepAlive();
            int before = _peer.Packets;
            Change(_near);
            _trap.Run(4);
            Assert.Equal(before + 1, _peer.Packets);
            _trap.Run(KeepAliveTicks - 5);
            Assert.Equal(before + 1, _peer.Packets);
            Assert.True(_peer.Holds(_near));
        }
    }

    [Fact]
    public void What_walks_far_away_is_told_at_once()
    {
        AlignToKeepAlive();
        int before = _peer.Packets;
        _trap.Run(1, () => _trap.Rig.Walk(_farWalker, new Intent(64, Intent.MagnitudeMax)));
        _trap.Run(3, () => _trap.Rig.Walk(_farWalker, new Intent(64, Intent.MagnitudeMax)));
        Assert.InRange(_peer.Packets, before + 1, before + 2);
    }

    // Right after a packet: the next is a keep-alive's time away.
    private void AlignToKeepAlive()
    {
        int before = _peer.Packets;
        for (int tick = 0; tick <= KeepAliveTicks && _peer.Packets == before; tick++)
            _trap.Run(1);
    }

    private void Change(int row) => _trap.Run(1, () => _trap.Rig.World.Set(row, _trap.Rig.Crate["content"], ++_content & 7));
}
