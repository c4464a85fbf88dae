using System.Reflection;
using System.Runtime.InteropServices;
using Hectare.Client;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

/// <summary>How long the objects are whose memory is asked for ahead. Nothing breaks when a field comes or goes, but what is asked for is not what is needed then.</summary>
/// <remarks>Offsets as the runtime lays fields out: its own data, read where it keeps them.</remarks>
public sealed class ObjectSizeTests
{
    [Fact]
    public void What_is_asked_for_is_what_there_is()
    {
        Assert.Equal(PeerView.ObjectBytes, BytesOf(typeof(PeerView)));
        Assert.Equal(Peer<TopDownInput>.PrefetchBytes, BytesOf(typeof(Peer<TopDownInput>)));
        Assert.Equal(GameClient<TopDownInput>.ObjectBytes, BytesOf(typeof(GameClient<TopDownInput>)));
    }

    [Fact]
    public void Rings_lie_behind_what_every_packet_wants()
    {
        Assert.InRange(OffsetOf(typeof(Connection), "_sent"), Connection.ObjectBytes - 32, Connection.ObjectBytes);
        Assert.InRange(OffsetOf(typeof(InputRing<TopDownInput>), "_inputs"), InputRing<TopDownInput>.ObjectBytes - 16, InputRing<TopDownInput>.ObjectBytes);
    }

    private static int BytesOf(Type type) => Marshal.ReadInt32(type.TypeHandle.Value + 4);

    // The description's second word holds the offset, behind the type.
    private static int OffsetOf(Type type, string field)
        => (Marshal.ReadInt32(type.GetField(field, BindingFlags.Instance | BindingFlags.NonPublic)!.FieldHandle.Value + 12) & 0x7FF_FFFF) + 8;
}
