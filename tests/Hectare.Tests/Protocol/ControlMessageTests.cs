using Hectare.Protocol;

namespace Hectare.Tests.Protocol;

public sealed class ControlMessageTests
{
    private static readonly byte[] SchemaBytes = [1, 2, 3, 4, 5];

    [Fact]
    public void A_welcome_comes_back_as_it_was()
    {
        byte[] buffer = new byte[Welcome.BytesMax];
        int bytes = Example().Write(buffer);
        Assert.Equal(Welcome.HeadBytes + SchemaBytes.Length, bytes);
        Assert.True(Welcome.TryRead(buffer.AsSpan(0, bytes), out Welcome read));
        Assert.Equal(new ZoneId(0x0102), read.Zone);
        Assert.Equal(-5, read.OriginX);
        Assert.Equal(0x11223344, read.OriginY);
        Assert.Equal(33_333_333u, read.TickLengthNs);
        Assert.Equal(new Tick(0xAABBCCDD), read.Tick);
        Assert.Equal(0x0011223344556677, read.DueTime);
        Assert.Equal(3, read.SnapshotIntervalTicks);
        Assert.Equal([2, 3, 6, 15], Enumerable.Range(0, Welcome.IntervalCount).Select(Intervals(read)));
        Assert.Equal(16, read.CellUnits);
        Assert.Equal(100, read.EnterRadiusUnits);
        Assert.Equal(116, read.ExitRadiusUnits);
        Assert.Equal(0xDEADBEEFCAFEF00D, read.SchemaHash);
        Assert.Equal(SchemaBytes, read.SchemaBytes.ToArray());
    }

    [Fact]
    public void A_welcome_has_its_golden_bytes()
    {
        byte[] buffer = new byte[Welcome.BytesMax];
        int bytes = Example().Write(buffer);
        Assert.Equal(
            "010201FBFFFFFF4433221155A0FC01DDCCBBAA776655443322110003" + "0203060F" + "1000" + "6400" + "7400" + "0DF0FECAEFBEADDE" + "0500" + "0102030405",
            Convert.ToHexString(buffer.AsSpan(0, bytes)));
    }

    [Fact]
    public void Ready_and_joined_have_their_golden_bytes_and_come_back()
    {
        byte[] buffer = new byte[16];
        Assert.Equal(1, Ready.Write(buffer));
        Assert.Equal(2, buffer[0]);
        Assert.True(Ready.TryRead(buffer.AsSpan(0, 1)));
        Assert.False(Ready.TryRead(buffer.AsSpan(0, 2)));
        Assert.Equal(5, Joined.Write(buffer, new EntityId(0x01020304)));
        Assert.Equal("0304030201", Convert.ToHexString(buffer.AsSpan(0, 5)));
        Assert.True(Joined.TryRead(buffer.AsSpan(0, 5), out EntityId avatar));
        Assert.Equal(new EntityId(0x01020304), avatar);
    }

    [Fact]
    public void A_message_cut_at_any_length_or_followed_by_a_byte_is_refused()
    {
        byte[] buffer = new byte[Welcome.BytesMax];
        int bytes = Example().Write(buffer);
        for (int cut = 0; cut <= bytes + 1; cut++)
            Assert.Equal(cut == bytes, Welcome.TryRead(buffer.AsSpan(0, cut), out _));
        bytes = Joined.Write(buffer, new EntityId(7));
        for (int cut = 0; cut <= bytes + 1; cut++)
            Assert.Equal(cut == bytes, Joined.TryRead(buffer.AsSpan(0, cut), out _));
        Assert.False(Ready.TryRead([]));
    }

    [Fact]
    public void Values_out_of_range_are_refused()
    {
        Assert.False(CanRead((ref Welcome welcome) => welcome.TickLengthNs = 999_999));
        Assert.False(CanRead((ref Welcome welcome) => welcome.TickLengthNs = 1_000_000_001));
        Assert.False(CanRead((ref Welcome welcome) => welcome.DueTime = -1));
        Assert.False(CanRead((ref Welcome welcome) => welcome.SnapshotIntervalTicks = 0));
        Assert.False(CanRead((ref Welcome welcome) => welcome.Intervals = 0x0F060002));
        Assert.False(CanRead((ref Welcome welcome) => welcome.CellUnits = 0));
        Assert.False(CanRead((ref Welcome welcome) => welcome.CellUnits = 24));
        Assert.False(CanRead((ref Welcome welcome) => welcome.ExitRadiusUnits = 99));
        Assert.True(CanRead((ref Welcome welcome) => welcome.SchemaBytes = []));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new SeededRandom(11);
        byte[] buffer = new byte[200];
        for (int i = 0; i < 100_000; i++)
        {
            int bytes = random.Next(0, buffer.Length);
            for (int at = 0; at < bytes; at++)
                buffer[at] = (byte)random.NextUInt64();
            if (bytes > 0 && (i & 1) == 0)
                buffer[0] = (byte)random.Next(1, 4);
            Welcome.TryRead(buffer.AsSpan(0, bytes), out _);
            Joined.TryRead(buffer.AsSpan(0, bytes), out _);
            Ready.TryRead(buffer.AsSpan(0, bytes));
        }
    }

    private delegate void Change(ref Welcome welcome);

    private static bool CanRead(Change change)
    {
        byte[] buffer = new byte[Welcome.BytesMax];
        Welcome welcome = Example();
        change(ref welcome);
        return Welcome.TryRead(buffer.AsSpan(0, welcome.Write(buffer)), out _);
    }

    private static Func<int, int> Intervals(in Welcome welcome)
    {
        uint packed = welcome.Intervals;
        return code => new Welcome { Intervals = packed }.IntervalTicks(code);
    }

    private static Welcome Example() => new()
    {
        Zone = new ZoneId(0x0102),
        OriginX = -5,
        OriginY = 0x11223344,
        TickLengthNs = 33_333_333,
        Tick = new Tick(0xAABBCCDD),
        DueTime = 0x0011223344556677,
        SnapshotIntervalTicks = 3,
        Intervals = Welcome.PackIntervals(2, 3, 6, 15),
        CellUnits = 16,
        EnterRadiusUnits = 100,
        ExitRadiusUnits = 116,
        SchemaHash = 0xDEADBEEFCAFEF00D,
        SchemaBytes = SchemaBytes,
    };
}
