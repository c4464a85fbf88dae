using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>A client down to its packets: it shakes hands, is welcomed, hears ticks, and lets its owner write any packet it likes.</summary>
/// <remarks>Not a <c>GameClient</c>: that one cannot be made to speak wrongly. One connection; a new one needs a new client.</remarks>
internal sealed class HostileClient
{
    // What a sound client's inputs are ahead of the server's clock at least, on a loopback.
    private const int LeadTicks = 3;

    private Tick _nearTick;
    private long _nearDueTime;
    private Tick _heardTick;
    private long _heardNs;
    private long _tickLengthNs;

    /// <summary>Starts to connect.</summary>
    public HostileClient(Connection connection) => Connection = connection;

    /// <summary>The connection.</summary>
    public Connection Connection { get; }

    /// <summary>True once the server gave it an avatar.</summary>
    public bool IsPlaying => Connection.State == ConnectionState.Connected && IsJoined;

    /// <summary>True once the server said which entity is its own, closed or not.</summary>
    public bool IsJoined { get; private set; }

    /// <summary>The entity that its inputs move.</summary>
    public EntityId Avatar { get; private set; }

    /// <summary>Where the avatar is, 1/4,096 unit, as the newest snapshot says.</summary>
    public (int X, int Y) Position { get; private set; }

    /// <summary>The newest tick that it was told of.</summary>
    public Tick HeardTick => _heardTick;

    /// <summary>The tick whose input a sound client would send now.</summary>
    public Tick InputTick(long nowNs) => _heardTick + (int)((nowNs - _heardNs) / _tickLengthNs) + LeadTicks;

    /// <summary>Takes a datagram in, whatever it is. Snapshots are read up to their header, messages up to the welcome.</summary>
    public void Receive(Span<byte> datagram, long nowNs)
    {
        if (Connection.TryOpen(datagram, nowNs, out OpenedPacket packet) != OpenResult.Opened)
            return;
        if (packet.TailBytes > 0)
            TakeHeader(packet.Tail(datagram), packet.Sequence, nowNs);
        Connection.Accept(in packet, datagram, nowNs);
        while (Connection.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
        {
            if (lane == Lane.Control)
                TakeControl(message, nowNs);
        }
    }

    /// <summary>A packet like any sound client's: acks, what the lanes have, inputs.</summary>
    /// <param name="datagram">At least 1,200 bytes.</param>
    /// <param name="newest">The tick of the last input.</param>
    /// <param name="inputs">Oldest first, 0 to 32.</param>
    /// <param name="nowNs">Now.</param>
    /// <returns>Bytes to send.</returns>
    public int WriteInputs(Span<byte> datagram, Tick newest, ReadOnlySpan<TopDownInput> inputs, long nowNs)
    {
        Span<byte> tail = stackalloc byte[512];
        tail.Clear();
        var writer = new BitWriter(tail);
        InputMessage.Write(ref writer, null, newest, inputs);
        return WriteTail(datagram, writer.Finish(), nowNs);
    }

    /// <summary>A sealed packet with acks, what the lanes have, and this tail, which need be none.</summary>
    /// <returns>Bytes to send.</returns>
    public int WriteTail(Span<byte> datagram, ReadOnlySpan<byte> tail, long nowNs)
    {
        Connection.BeginPacket(datagram, nowNs, PacketHeader.DatagramBytesMax - Connection.PacketOverheadBytesMax - 512, out int offset);
        tail.CopyTo(datagram[offset..]);
        return Connection.FinishPacket(datagram, tail.Length, nowNs);
    }

    /// <summary>A sealed packet with this body, whatever it is.</summary>
    /// <returns>Bytes to send.</returns>
    public int WriteRaw(Span<byte> datagram, PacketType type, ReadOnlySpan<byte> body, long nowNs)
    {
        body.CopyTo(datagram[PacketHeader.ClientHeaderBytes..]);
        return Connection.SealRaw(datagram, type, body.Length, nowNs);
    }

    private void TakeHeader(ReadOnlySpan<byte> tail, SequenceNumber sequence, long nowNs)
    {
        var reader = new BitReader(tail);
        if (_tickLengthNs == 0 || !SnapshotHeader.TryRead(ref reader, sequence, _nearTick, _nearDueTime, out SnapshotHeader header))
            return;
        (_nearTick, _nearDueTime) = (header.Tick, header.DueTime);
        if (header.HasOwn)
            Position = (header.OwnX, header.OwnY);
        if (header.Tick > _heardTick)
            (_heardTick, _heardNs) = (header.Tick, nowNs);
    }

    private void TakeControl(ReadOnlySpan<byte> message, long nowNs)
    {
        if (Joined.TryRead(message, out EntityId avatar))
        {
            (Avatar, IsJoined) = (avatar, true);
            return;
        }

        if (!Welcome.TryRead(message, out Welcome welcome))
            return;
        (_nearTick, _nearDueTime, _tickLengthNs) = (welcome.Tick, welcome.DueTime, welcome.TickLengthNs);
        (_heardTick, _heardNs) = (welcome.Tick, nowNs);
        Span<byte> ready = stackalloc byte[Ready.Bytes];
        Ready.Write(ready);
        Connection.TrySend(Lane.Control, ready);
    }
}
