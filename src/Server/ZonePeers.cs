using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;
using Hectare.World;

namespace Hectare.Server;

/// <content>What a zone does with each of its clients: take a datagram, attend to it once a tick, write its packet.</content>
public sealed partial class Zone<TInput>
{
    // A client that asks nothing of the lanes owes nobody an ack at once; one that sent a message gets it within this time.
    private const long AckDelayNs = 100_000_000;

    /// <summary>Bytes of a lane block beside a snapshot: a quarter of a datagram.</summary>
    private const int LaneBytesBesideSnapshot = PacketHeader.DatagramBytesMax / 4;

    /// <inheritdoc/>
    public bool Send(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
        Contract.Assert(lane != Lane.Control);
        return _peers[peer.Index] is { Stage: PeerStage.Joined } found && TrySend(found, lane, message);
    }

    /// <inheritdoc/>
    public bool SetAvatar(PeerId peer, EntityId avatar)
        => _peers[peer.Index] is { Stage: PeerStage.Joined } found && TryGiveAvatar(found, avatar);

    /// <inheritdoc/>
    public void Disconnect(PeerId peer, CloseCode code) => _peers[peer.Index]?.Connection.Close(code, _nowNs);

    /// <summary>Disconnects everyone and lets nobody else in; the goodbyes leave with the ticks of the next 250 ms. Between two ticks.</summary>
    public void Close(CloseCode code, long nowNs)
    {
        _recorder?.Close(code, nowNs);
        _door.IsClosed = true;
        for (int i = 0; i < _peers.Limit; i++)
            _peers[i]?.Connection.Close(code, nowNs);
    }

    /// <summary>Says something to the game, between two ticks; a recording keeps it.</summary>
    public void Command(string command)
    {
        _recorder?.Command(command);
        _game.Command(command);
    }

    /// <summary>Writes the end of the recording, if there is one. After the last tick.</summary>
    public void EndRecording() => _recorder?.End(End);

    /// <summary>What a client is told; null when there is none, or it has not joined. Between two ticks, or in an observer.</summary>
    public PeerView? ViewOf(PeerId peer) => _peers[peer.Index]?.View;

    /// <summary>What a client is told in general, as lines of text; null when it has not joined. Between two ticks.</summary>
    public string? Explain(PeerId peer) => ViewOf(peer) is { } view ? Explanation.Of(_replicator, view, Tick) : null;

    /// <summary>Why an entity is, or is not, in a client's packets, as lines of text; null when the client has not joined. Between two ticks.</summary>
    public string? Explain(PeerId peer, EntityId entity) => ViewOf(peer) is { } view ? Explanation.Of(_replicator, view, entity, Tick) : null;

    // ---- receive ----

    private void Take(NetworkGroup<TInput> group, in PeerAddress from, Span<byte> datagram)
    {
        if (!PacketHeader.TryReadType(datagram, out PacketType type))
        {
            _drops.Malformed++;
            return;
        }

        switch (type)
        {
            case PacketType.Payload or PacketType.Close:
                TakePacket(group, from, datagram);
                return;
            case PacketType.Request:
                _door.Request(group, from, datagram, _nowNs);
                return;
            case PacketType.Response:
                _door.Response(group, from, datagram, _nowNs);
                return;
            default:
                _drops.Malformed++;
                return;
        }
    }

    private void TakePacket(NetworkGroup<TInput> group, in PeerAddress from, Span<byte> datagram)
    {
        if (!PacketHeader.TryReadFromClient(datagram, out PacketHeader header))
        {
            _drops.Malformed++;
            return;
        }

        if (_peers.Find(header.ConnectionId) is not { } peer)
        {
            _drops.UnknownConnection++;
            return;
        }

        // Following an address that nobody has proved would send a player's whole stream to whoever is named.
        if (peer.Address != from)
        {
            _drops.OtherAddress++;
            return;
        }

        if (peer.Group != group)
            _drops.HandedOver++;
        if (peer.Connection.TryOpen(datagram, _nowNs, out OpenedPacket packet) == OpenResult.Opened)
            TakeOpened(peer, in packet, datagram);
    }

    private void TakeOpened(Peer<TInput> peer, in OpenedPacket packet, ReadOnlySpan<byte> datagram)
    {
        AckUpdate acks = peer.Connection.Accept(packet, datagram, _nowNs);
        peer.HasMessages |= packet.LaneBytes > 0;
        if (acks.Advanced)
            peer.View?.OnAck(acks.Newest, acks.Bits, Tick);
        if (packet.TailBytes == 0)
            return;
        var reader = new BitReader(packet.Tail(datagram));
        if (!InputMessage.TryRead(ref reader, _message, out InputMessage message))
        {
            _drops.MalformedInput++;
            Offend(peer);
            return;
        }

        if (message.AsksResync)
            peer.View?.OnResync(SequenceNumber.Widen(message.ResyncSequence, peer.Connection.NextSequence));
        TakeInputs(peer, in message);
    }

    private void TakeInputs(Peer<TInput> peer, in InputMessage message)
    {
        Tick newest = Tick.WidenNear(message.NewestTick, Tick);
        bool offends = false;
        for (int i = 0; i < message.Count; i++)
        {
            InputVerdict verdict = peer.Inputs.Add(newest - (message.Count - 1 - i), in _message[i]);
            _drops.Count(verdict);
            offends |= verdict is InputVerdict.TooEarly or InputVerdict.TooMany or InputVerdict.TooOld;
        }

        if (offends && Tick >= _amnestyEnd)
            Offend(peer);
    }

    private void Offend(Peer<TInput> peer)
    {
        peer.Offences += Peer<TInput>.OffenceWeight;
        if (peer.Offences > Options.OffencesMax * Peer<TInput>.OffenceWeight)
            peer.Connection.Close(CloseCode.ProtocolError, _nowNs);
    }

    // ---- come, stay, go ----

    internal void Admit(NetworkGroup<TInput> group, in ConnectRequest request, ulong connectionId)
    {
        Connection connection = Connection.FromRequest(_connectionOptions, request, connectionId, _nowNs);
        var inputs = new InputRing<TInput>(Options.InputWindowTicks, Options.InputBurstTicks, Options.InputRepeatMs * Options.TickRate / 1000, Options.ApplyEveryInput);
        inputs.Reset(Tick);
        var peer = new Peer<TInput>(_peers.NextIndex, connectionId, connection, request.From, group, inputs) { ChallengedNs = request.ChallengedNs };
        _peers.Add(peer);
        ReplicationOptions told = _replicator.Options;
        (byte fast, byte interval, byte slow, byte keepAlive) = Replicator.Intervals(told);
        var welcome = new Welcome
        {
            Zone = Options.Zone,
            OriginX = Options.OriginX,
            OriginY = Options.OriginY,
            TickLengthNs = (uint)Options.TickLengthNs,
            Tick = Tick,
            DueTime = DueTime,
            SnapshotIntervalTicks = (byte)told.SnapshotIntervalTicks,
            Intervals = Protocol.Welcome.PackIntervals(fast, interval, slow, keepAlive),
            CellUnits = (ushort)Options.CellUnits,
            EnterRadiusUnits = (ushort)told.EnterRadiusUnits,
            ExitRadiusUnits = (ushort)told.ExitRadiusUnits,
            SchemaHash = _schema.Hash,
            SchemaBytes = request.SchemaHash == _schema.Hash ? [] : _schema.Bytes,
        };
        TrySend(peer, Lane.Control, _control.AsSpan(0, welcome.Write(_control)));
    }

    /// <summary>Ends a connection without a word: its client is already another.</summary>
    internal void Replace(Peer<TInput> peer)
    {
        peer.Connection.Close(CloseCode.Left, _nowNs);
        if (peer.Stage != PeerStage.Leaving)
            Leave(peer);
        Remove(peer);
    }

    private void Attend(Peer<TInput> peer)
    {
        // A connected connection only looks at its time-out here; goodbyes are written by the group.
        if (peer.Connection.State == ConnectionState.Connected)
            peer.Connection.Poll(_nowNs, _poll);
        if (peer.HasMessages)
            TakeMessages(peer);
        if (peer.Connection.State == ConnectionState.Closed)
        {
            if (peer.Stage != PeerStage.Leaving)
                Leave(peer);
            else if (_nowNs - peer.LeavingNs >= GoodbyeNs)
                Remove(peer);
            return;
        }

        if (peer.Offences > 0)
            peer.Offences--;
        TakeInput(peer);
    }

    private void TakeInput(Peer<TInput> peer)
    {
        if (peer.AvatarRow >= 0 && (!World.IsAlive(peer.AvatarRow) || World.Id[peer.AvatarRow] != peer.Avatar.Value))
            TryGiveAvatar(peer, EntityId.None);
        if (Options.ApplyEveryInput)
        {
            int count = peer.Inputs.TakeAll(_message);
            for (int i = 0; i < count && peer.AvatarRow >= 0; i++)
                _inputs[_inputCount++] = new PeerInput<TInput>(peer.Id, peer.AvatarRow, _message[i], IsOwn: true);
            return;
        }

        bool isOwn = peer.Inputs.Take(out TInput input);
        if (peer.AvatarRow >= 0)
            _inputs[_inputCount++] = new PeerInput<TInput>(peer.Id, peer.AvatarRow, input, isOwn);
    }

    private void TakeMessages(Peer<TInput> peer)
    {
        peer.HasMessages = false;
        while (peer.Connection.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
        {
            if (lane == Lane.Control)
                TakeControl(peer, message);
            else if (peer.Stage == PeerStage.Joined)
                _game.Message(peer.Id, lane, message);
        }
    }

    private void TakeControl(Peer<TInput> peer, ReadOnlySpan<byte> message)
    {
        if (!Ready.TryRead(message) || peer.Stage != PeerStage.Welcomed || peer.Connection.State != ConnectionState.Connected)
        {
            _drops.BadControl++;
            Offend(peer);
            return;
        }

        peer.Stage = PeerStage.Joined;
        peer.View = _replicator.AddPeer(peer.Index, Tick);
        EntityId avatar = _game.Joined(peer.Id);
        TryGiveAvatar(peer, avatar);
        Log?.PeerJoined(Tick, peer.Id, peer.Address, avatar);
    }

    private bool TryGiveAvatar(Peer<TInput> peer, EntityId avatar)
    {
        int row = -1;
        if (avatar != EntityId.None && !World.TryFind(avatar, out row))
            return false;
        Disown(peer);
        peer.Avatar = avatar;
        peer.AvatarRow = row;
        peer.View!.SetAvatar(row, avatar);
        if (row >= 0)
            World.SetOwner(row, peer.Index);
        TrySend(peer, Lane.Control, _control.AsSpan(0, Joined.Write(_control, avatar)));
        return true;
    }

    private void Disown(Peer<TInput> peer)
    {
        if (peer.AvatarRow >= 0 && World.IsAlive(peer.AvatarRow) && World.Id[peer.AvatarRow] == peer.Avatar.Value && World.Owner[peer.AvatarRow] == peer.Index)
            World.SetOwner(peer.AvatarRow, WorldState.NoOwner);
    }

    private void Leave(Peer<TInput> peer)
    {
        bool joined = peer.Stage == PeerStage.Joined;
        peer.Stage = PeerStage.Leaving;
        peer.LeavingNs = _nowNs;
        CloseReason reason = peer.Connection.CloseReason;
        if (joined)
        {
            Disown(peer);
            _replicator.RemovePeer(peer.Index);
            peer.View = null;
            peer.AvatarRow = -1;
            _game.Left(peer.Id, reason);
        }

        Log?.PeerLeft(Tick, peer.Id, peer.Address, reason);
    }

    private void Remove(Peer<TInput> peer)
    {
        _drops.Add(peer.Connection.Counters);
        _peers.Remove(peer);
    }

    private bool TrySend(Peer<TInput> peer, Lane lane, ReadOnlySpan<byte> message)
    {
        bool sent = peer.Connection.TrySend(lane, message) == SendResult.Sent;
        _drops.QueueFull += sent ? 0 : 1;
        return sent;
    }

    // ---- write: on the group's thread, from the frozen world ----

    internal void WritePeers(NetworkGroup<TInput> group)
    {
        foreach (int index in group.Peers)
        {
            Peer<TInput> peer = _peers[index]!;
            if (peer.Connection.State == ConnectionState.Connected)
                WritePacket(group, peer);
            else if (peer.Connection.Poll(_nowNs, group.NextBuffer()) is > 0 and int goodbyeBytes)
                group.Add(peer.Address, goodbyeBytes);
        }
    }

    // At most one datagram a peer and tick: a snapshot when one is due, and what the lanes have to say beside it or alone.
    private void WritePacket(NetworkGroup<TInput> group, Peer<TInput> peer)
    {
        Connection connection = peer.Connection;
        int laneShare = LaneShare(peer);
        int rttTicks = (int)((connection.SmoothedRttNs + Options.TickLengthNs - 1) / Options.TickLengthNs);
        bool hasSnapshot = peer.View is { } due && group.Writer.Prepare(due, Tick, rttTicks, connection.LossShare);
        int lanePending = connection.PendingLaneBytes(_nowNs);
        bool owesAck = connection.OwesAck && _nowNs - connection.LastSentNs >= AckDelayNs;
        if (!hasSnapshot && !owesAck && !connection.KeepAliveDue(_nowNs) && (lanePending == 0 || laneShare == 0))
            return;

        Span<byte> datagram = group.NextBuffer();
        int laneBytesMax = lanePending == 0 ? 0 : hasSnapshot ? Math.Min(laneShare, LaneBytesBesideSnapshot) : laneShare;
        SequenceNumber sequence = connection.BeginPacket(datagram, _nowNs, laneBytesMax, out int tailOffset);
        int tailBytes = hasSnapshot ? WriteSnapshot(group, peer, sequence, datagram.Slice(tailOffset, connection.TailBytesMax)) : 0;
        int bytes = connection.FinishPacket(datagram, tailBytes, _nowNs);
        group.Add(peer.Address, bytes);
        if (laneBytesMax > 0)
            peer.LaneBytes -= bytes - tailBytes;
        peer.View?.Spend(bytes - tailBytes);
    }

    private int WriteSnapshot(NetworkGroup<TInput> group, Peer<TInput> peer, SequenceNumber sequence, Span<byte> tail)
    {
        var request = new SnapshotRequest
        {
            Sequence = sequence,
            Tick = Tick,
            DueTime = DueTime,
            HasInput = peer.Inputs.HasInput,
            InputTick = peer.Inputs.InputTick,
            InputMarginTicks = peer.Inputs.MarginTicks,
        };
        return group.Writer.Write(peer.View!, in request, tail);
    }

    // Reliable messages get a quarter of a joined peer's bytes, saved up for one full packet; one that has not joined gets nothing else anyway.
    private int LaneShare(Peer<TInput> peer)
    {
        const int Full = PacketHeader.DatagramBytesMax - Connection.PacketOverheadBytesMax;
        if (peer.View is not { } view)
            return Full;
        peer.LaneBytes = Math.Min(peer.LaneBytes + (view.RateBytesPerSecond / 4 / Options.TickRate), Full);
        return peer.LaneBytes >= Connection.LaneBytesMin ? peer.LaneBytes : 0;
    }
}
