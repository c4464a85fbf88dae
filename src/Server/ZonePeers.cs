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

    // What may come at once, as the time in which its rate gives it.
    private const long PacketBurstNs = 2_000_000_000;
    private const long MessageBurstNs = 3_000_000_000;
    private const long MessageBytesBurstNs = 4_000_000_000;

    // In one tick. A client that moved is opened at the first.
    private const int FailedOpensOfOneMax = 32;

    // A poor link manages more, and who manages less cannot play.
    private const int SlowReaderBytesPerSecond = 100;

    /// <summary>Of a packet and the snapshot in it, on the wire: IP, UDP, header, tag, acks, and a snapshot's header as it mostly is.</summary>
    private const int SnapshotOverheadBytes = UdpHeaderBytes + PacketHeader.ServerHeaderBytes + PacketHeader.TagBytes + 4 + 16;

    /// <summary>Room that a snapshot has at least.</summary>
    private const int SnapshotBytesLeast = 96;

    /// <summary>Bytes a second that lanes get at least, however little there is: who may take nothing would seem too slow a reader.</summary>
    private const int LaneBytesLeast = 3 * SlowReaderBytesPerSecond;

    /// <summary>Bytes of a lane block that has a datagram for itself.</summary>
    private const int LaneBytesFull = PacketHeader.DatagramBytesMax - Connection.PacketOverheadBytesMax;

    /// <inheritdoc/>
    public SendResult Send(PeerId peer, Lane lane, ReadOnlySpan<byte> message)
    {
        Contract.Assert(lane != Lane.Control);
        return _peers[peer.Index] is { Stage: PeerStage.Joined } found ? TrySend(found, lane, message) : SendResult.Closed;
    }

    /// <inheritdoc/>
    public bool SetAvatar(PeerId peer, EntityId avatar)
        => _peers[peer.Index] is { Stage: PeerStage.Joined } found && TryGiveAvatar(found, avatar);

    /// <inheritdoc/>
    public void Disconnect(PeerId peer, CloseCode code)
    {
        if (_peers[peer.Index] is not { } found)
            return;
        found.Connection.Close(code, _nowNs);
        Stir(found);
    }

    /// <summary>Disconnects everyone and lets nobody else in; the goodbyes leave with the ticks of the next 250 ms. Between two ticks.</summary>
    public void Close(CloseCode code, long nowNs)
    {
        _recorder?.Close(code, nowNs);
        _door.IsClosed = true;
        for (int i = 0; i < _peers.Limit; i++)
            Disconnect(new PeerId(i), code);
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

    /// <summary>A client, for tests that look into it; null when there is none.</summary>
    internal Peer<TInput>? PeerOf(PeerId peer) => _peers[peer.Index];

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

        if (PacketHeader.IsSealed(type))
        {
            TakePacket(group, from, datagram);
            return;
        }

        switch (type)
        {
            case PacketType.TokenAsk:
                _door.TokenAsk(group, from, datagram, _nowNs);
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

        bool isKnown = IsKnown(peer, from);
        if (!MayOpen(peer, from, isKnown))
            return;
        if (peer.Group != group)
            Metrics.DatagramsHandedOver++;
        OpenResult result = peer.Connection.TryOpen(datagram, _nowNs, out OpenedPacket packet);
        if (result != OpenResult.Opened)
        {
            TakeUnopened(peer, from, isKnown, result);
            return;
        }

        if (peer.Packets.IsEmpty(PacketBurstNs, _nowNs))
        {
            Offend(peer, Offence.PacketFlood);
            return;
        }

        peer.Packets.Take(1_000_000_000L / Options.Limits.PacketsPerSecond, _nowNs);
        bool isNewest = !peer.Connection.HasAccepted || packet.Sequence > peer.Connection.NewestAccepted;
        TakeOpened(peer, in packet, datagram);
        if (peer.Connection.State == ConnectionState.Connected)
            NotePath(peer, from, in packet, isNewest, datagram.Length);
    }

    // Cheap checks before the cipher. A packet that names a connection and comes from its address passes all limits of addresses: else who forges a client's
    // address could silence it. That many in one tick are more than any link holds back.
    private bool MayOpen(Peer<TInput> peer, in PeerAddress from, bool isKnown)
    {
        if (isKnown)
        {
            bool inTick = peer.TryCountPacket(Tick, Options.Limits.PacketsPerTickMax);
            _drops.PeerOverTick += inTick ? 0 : 1;
            return inTick;
        }

        // Of one connection no more than a few: its id may be known to somebody, who must not use up what others need.
        bool mayOpen = _failedOpensInTick < Options.Limits.FailedOpensPerTickMax && peer.FailedOpens(Tick) < FailedOpensOfOneMax && !_failedOpens.IsOver(from, peer.ConnectionId, _nowNs);
        _drops.FailedOpensOverLimit += mayOpen ? 0 : 1;
        return mayOpen;
    }

    private void TakeUnopened(Peer<TInput> peer, in PeerAddress from, bool isKnown, OpenResult result)
    {
        switch (result)
        {
            case OpenResult.Malformed:      // the header was sound, so this is the sealed body: nobody else can have made it
                Offend(peer, Offence.MalformedPacket);
                break;
            case OpenResult.AckOfUnsent:
                Offend(peer, Offence.ForgedAck);
                break;
            case OpenResult.LaneFull:
                Offend(peer, Offence.BeyondWindow);
                break;
            case OpenResult.BadSeal when !isKnown:
                _drops.OtherAddress++;
                _failedOpensInTick++;
                peer.CountFailedOpen(Tick);
                _failedOpens.TryTake(from, peer.ConnectionId, _nowNs);
                break;
            default:
                break;
        }
    }

    private void TakeOpened(Peer<TInput> peer, in OpenedPacket packet, ReadOnlySpan<byte> datagram)
    {
        AckUpdate acks = peer.Connection.Accept(packet, datagram, _nowNs);
        peer.HasMessages |= packet.LaneBytes > 0;
        if (packet.LaneBytes > 0 || peer.Connection.State != ConnectionState.Connected)
            Stir(peer);
        if (acks.Advanced && peer.View is { } told)
            peer.Acks.Add(in acks, told, Tick);
        if (packet.TailBytes == 0)
            return;
        var reader = new BitReader(packet.Tail(datagram));
        if (!InputMessage.TryRead(ref reader, _message, out InputMessage message))
        {
            _drops.MalformedInput++;
            Offend(peer, Offence.MalformedInput);
            return;
        }

        if (message.AsksResync && peer.View is { } view)
        {
            peer.Acks.Settle(view, Tick);
            view.OnResync(SequenceNumber.Widen(message.ResyncSequence, peer.Connection.NextSequence));
        }

        TakeInputs(peer, in message);
    }

    private void TakeInputs(Peer<TInput> peer, in InputMessage message)
    {
        Tick newest = Tick.WidenNear(message.NewestTick, Tick);
        InputVerdict worst = InputVerdict.Accepted;
        for (int i = 0; i < message.Count; i++)
        {
            InputVerdict verdict = peer.Inputs.Add(newest - (message.Count - 1 - i), in _message[i]);
            _drops.Count(verdict);
            // Every packet repeats ticks; only what it brings anew can be too old by its client's doing.
            if (verdict is InputVerdict.TooEarly or InputVerdict.TooMany || (verdict == InputVerdict.TooOld && i == message.Count - 1))
                worst = verdict;
        }

        if (worst == InputVerdict.TooOld)
        {
            worst = peer.TooOldTick == Tick ? InputVerdict.Accepted : worst;
            peer.TooOldTick = Tick;
        }

        if (worst == InputVerdict.Accepted || Tick < _amnestyEnd)
            return;
        Offend(peer, worst switch
        {
            InputVerdict.TooEarly => Offence.InputTooEarly,
            InputVerdict.TooOld => Offence.InputTooOld,
            _ => Offence.InputTooMany,
        });
    }

    private void Offend(Peer<TInput> peer, Offence offence)
    {
        _drops.Count(offence);
        Stir(peer);
        if (peer.Offences.Add(offence, Options.Limits.OffencesMax, Options.TickRate))
            peer.Connection.Close(peer.Offences.Reason(), _nowNs);
    }

    // ---- come, stay, go ----

    internal void Admit(NetworkGroup<TInput> group, in ConnectRequest request, ReadOnlySpan<byte> userData, ulong connectionId)
    {
        Connection connection = Connection.FromRequest(_connectionOptions, request, connectionId, _nowNs);
        var inputs = new InputRing<TInput>(Options.InputWindowTicks, Options.InputBurstTicks, Options.InputRepeatMs * Options.TickRate / 1000, Options.ApplyEveryInput);
        inputs.Reset(Tick);
        var peer = new Peer<TInput>(_peers.NextIndex, connectionId, connection, request.From, group, inputs)
        {
            ChallengedNs = request.ChallengedNs,
            AdmittedNs = _nowNs,
            ClientId = request.Token.ClientId,
            Session = request.Token.Session,
            IsResume = request.Token.IsResume,
            Token = request.Token.TokenId,
            UserData = userData.ToArray(),
        };
        PendingCount++;
        _peers.Add(peer);
        Stir(peer);
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

    /// <summary>Ends a connection without a word: its client is already another, which needs its place.</summary>
    internal void Drop(Peer<TInput> peer)
    {
        peer.Connection.Close(CloseCode.Replaced, _nowNs);
        if (peer.Stage != PeerStage.Leaving)
            Leave(peer);
        Remove(peer);
    }

    // False when its connection is over.
    private bool Attend(Peer<TInput> peer)
    {
        // A connected connection only looks at its time-out here; goodbyes are written by the group.
        if (peer.Connection.State == ConnectionState.Connected)
            peer.Connection.Poll(_nowNs, _poll);
        if (peer.HasMessages)
            TakeMessages(peer);
        if (peer.Connection.State == ConnectionState.Connected)
            LookAfter(peer);
        if (peer.Connection.State == ConnectionState.Closed)
        {
            if (peer.Stage != PeerStage.Leaving)
                Leave(peer);
            else if (_nowNs - peer.LeavingNs >= GoodbyeNs)
                Remove(peer);
            return false;
        }

        peer.Offences.Forgive();
        return true;
    }

    // What is owed to a client or by it with the passing of time.
    private void LookAfter(Peer<TInput> peer)
    {
        if (peer.Path is { IsActive: true } path)
            GiveUpPath(path);
        if (peer.Stage == PeerStage.Welcomed && Tick >= _amnestyEnd && _nowNs - peer.AdmittedNs > Options.Limits.JoinTimeOutMs * 1_000_000L)
            peer.Connection.Close(CloseCode.JoinTimeOut, _nowNs);
        if (_nowNs >= peer.SlowLookNs)
            LookForSlowness(peer);
        if (peer.SessionRow != SessionTable.None && _nowNs >= peer.NextResumeNs)
            SendResume(peer);
    }

    // Measured by what it takes, not by what waits: a bad link takes little, who does not read takes nothing.
    private void LookForSlowness(Peer<TInput> peer)
    {
        if (peer.Connection.ReleasedLaneBytes < peer.SlowTarget && Tick >= _amnestyEnd)
        {
            peer.Connection.Close(CloseCode.TooSlow, _nowNs);
            return;
        }

        int expected = SlowReaderBytesPerSecond * (Options.Limits.SlowReaderMs / 1000);
        peer.SlowTarget = peer.Connection.ReleasedLaneBytes + Math.Min(expected, peer.Connection.QueuedLaneBytes);
        peer.SlowLookNs = _nowNs + (Options.Limits.SlowReaderMs * 1_000_000L);
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

    // A client that says more than the game can want waits: its messages stay in its lanes, and these stop.
    private void TakeMessages(Peer<TInput> peer)
    {
        ZoneLimits limits = Options.Limits;
        while (!peer.Messages.IsEmpty(MessageBurstNs, _nowNs) && !peer.MessageBytes.IsEmpty(MessageBytesBurstNs, _nowNs))
        {
            if (!peer.Connection.TryReceive(out Lane lane, out ReadOnlySpan<byte> message))
            {
                peer.HasMessages = false;
                return;
            }

            peer.Messages.Take(1_000_000_000L / limits.MessagesPerSecond, _nowNs);
            peer.MessageBytes.Take(1_000_000_000L * message.Length / limits.MessageBytesPerSecond, _nowNs);
            if (lane == Lane.Control)
                TakeControl(peer, message);
            else if (peer.Stage == PeerStage.Joined)
                _game.Message(peer.Id, lane, message);
        }

        if (peer.Connection.State == ConnectionState.Connected)
            Offend(peer, Offence.MessageFlood);
    }

    private void TakeControl(Peer<TInput> peer, ReadOnlySpan<byte> message)
    {
        if (!Ready.TryRead(message) || peer.Stage != PeerStage.Welcomed || peer.Connection.State != ConnectionState.Connected)
        {
            _drops.BadControl++;
            Offend(peer, Offence.BadControl);
            return;
        }

        if (!MayArrive(peer))
        {
            peer.Connection.Close(CloseCode.Kicked, _nowNs);
            return;
        }

        peer.Stage = PeerStage.Joined;
        PendingCount--;
        _door.Forget(peer.Address);
        peer.View = _replicator.AddPeer(peer.Index, Tick);
        Arrival arrival = Arrive(peer);
        EntityId avatar = _game.Joined(peer.Id, in arrival);
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
        PendingCount -= peer.Stage == PeerStage.Welcomed ? 1 : 0;
        _door.Forget(peer.Address);
        peer.Stage = PeerStage.Leaving;
        peer.LeavingNs = _nowNs;
        CloseReason reason = peer.Connection.CloseReason;
        _drops.CountEnd(reason);
        if (joined)
        {
            Disown(peer);
            if (_replicator.RemovePeer(peer.Index) is >= 0 and int eased)
                _restless[eased] = true;
            peer.View = null;
            peer.AvatarRow = -1;
            bool mayReturn = Depart(peer, reason);
            _game.Left(peer.Id, new Departure(reason, mayReturn));
        }

        Log?.PeerLeft(Tick, peer.Id, peer.Address, reason);
    }

    private void Remove(Peer<TInput> peer)
    {
        if (!peer.Connection.HasAccepted)
            _door.Release(peer);
        _drops.Add(peer.Connection.Counters);
        _peers.Remove(peer);
    }

    private SendResult TrySend(Peer<TInput> peer, Lane lane, ReadOnlySpan<byte> message)
    {
        SendResult result = peer.Connection.TrySend(lane, message, _packer);
        Stir(peer);
        _drops.QueueFull += result == SendResult.QueueFull ? 1 : 0;
        _drops.TooLarge += result == SendResult.TooLarge ? 1 : 0;
        return result;
    }

    // ---- write: on the group's thread, from the frozen world ----

    internal void WritePeers(NetworkGroup<TInput> group)
    {
        int count = 0;
        foreach (int index in group.Peers)
        {
            if (_restless[index] || _replicator.IsTurn(index, Tick) || _budget.IsShort)
                group.Due[count++] = index;
        }

        Span<int> due = group.Due.AsSpan(0, count);
        for (int i = 0; i < due.Length; i++)
        {
            PrefetchWriting(due, i);
            Peer<TInput> peer = _peers[due[i]]!;
            WritePeer(group, peer);
            _restless[peer.Index] = IsRestless(group, peer);
        }
    }

    private void WritePeer(NetworkGroup<TInput> group, Peer<TInput> peer)
    {
        if (peer.Connection.State == ConnectionState.Connected)
        {
            WriteChallenge(group, peer);
            WritePacket(group, peer);
        }
        else if (peer.Connection.Poll(_nowNs, group.NextBuffer()) is > 0 and int goodbyeBytes)
        {
            group.Add(peer.Address, goodbyeBytes);
        }
    }

    // At most one datagram a peer and tick: a snapshot when one is due, and what the lanes have to say beside it or alone.
    private void WritePacket(NetworkGroup<TInput> group, Peer<TInput> peer)
    {
        Connection connection = peer.Connection;
        connection.NoticeSilence(_nowNs);
        if (peer.View is { } view)
        {
            peer.Acks.Settle(view, Tick);
            view.RateBytesPerSecond = connection.RateBytesPerSecond;
        }

        int lanePending = connection.PendingLaneBytes(_nowNs, out bool onlyBulk);
        int laneShare = LaneShare(group, peer, lanePending);
        int rttTicks = (int)((connection.SmoothedRttNs + Options.TickLengthNs - 1) / Options.TickLengthNs);
        bool isSilent = connection.KeepAliveDue(_nowNs);
        // A packet must go: a snapshot in it makes it worth its price. Where ticks take long, packets without would be all there is.
        if (isSilent)
            peer.View?.SendAtOnce();
        bool hasSnapshot = peer.View is { } due && group.Writer.Prepare(due, Tick, rttTicks, connection.LossShare);
        if (lanePending > laneShare || peer.View is { IsShortOfBytes: true })
            connection.NoteRateLimited();
        bool mustGo = (connection.OwesAck && _nowNs - connection.LastSentNs >= AckDelayNs) || isSilent;
        // Bulk goes beside snapshots: packets of its own would overtake theirs, and what was overtaken is refused. Only what no snapshot took goes alone.
        bool laneDue = lanePending > 0 && laneShare >= (onlyBulk ? LaneBytesFull : 1);
        if (!hasSnapshot && !mustGo && !laneDue)
            return;
        int snapshotBytesMax = Claim(group, peer, hasSnapshot, rttTicks, mustGo || (hasSnapshot && group.Writer.IsPromised));
        if (snapshotBytesMax == 0)
        {
            if (hasSnapshot)
                group.Writer.Postpone(peer.View!);
            return;
        }

        Span<byte> datagram = group.NextBuffer();
        PeerAddress to = AddressFor(peer, out int bytesMax);
        int snapshotBytes = hasSnapshot ? Math.Min(group.Writer.PreparedBytes, snapshotBytesMax) : 0;
        int laneBytesMax = lanePending == 0 ? 0 : Math.Min(laneShare, LaneRoomBeside(snapshotBytes, bytesMax));
        SequenceNumber sequence = connection.BeginPacket(datagram, _nowNs, laneBytesMax, out int tailOffset);
        int tailEnd = Math.Min(bytesMax - PacketHeader.TagBytes, tailOffset + snapshotBytesMax);
        int tailBytes = hasSnapshot ? WriteSnapshot(group, peer, sequence, datagram[tailOffset..tailEnd]) : 0;
        int bytes = connection.FinishPacket(datagram, tailBytes, _nowNs);
        group.Add(to, bytes);
        if (to != peer.Address)
            peer.Path!.Spend(bytes);
        int laneBytes = laneBytesMax == 0 ? 0 : Math.Max(0, tailOffset - PacketHeader.ServerHeaderBytes - Connection.BodyHeadBytesMax);
        peer.LaneBytes -= hasSnapshot || laneBytes == 0 ? laneBytes : bytes;
        peer.View?.Spend(bytes - tailBytes);
        Pay(group, peer, bytes - laneBytes, lanePending > laneShare ? 0 : laneBytes);
    }

    // Bytes that a snapshot may have of the zone's budget; 0 when the packet that is due has to wait.
    private int Claim(NetworkGroup<TInput> group, Peer<TInput> peer, bool hasSnapshot, int rttTicks, bool mustGo)
    {
        if (peer.View is null || !_budget.IsLimited)
            return LaneBytesFull;
        int freshBytes = hasSnapshot ? group.Writer.FreshBytes : 0;
        int wantedPackets = peer.Share.Wants(Tick, freshBytes > 0, group.Writer.IntervalTicks, rttTicks);
        int wantedBytes = freshBytes + (wantedPackets * SnapshotOverheadBytes);
        group.Wanted = (group.Wanted.Bytes + wantedBytes, group.Wanted.Packets + wantedPackets);
        if (!_budget.IsShort)
        {
            peer.Share.Clear();
            return LaneBytesFull;
        }

        int bytes = peer.Share.Claim(_budget, wantedBytes, wantedPackets, SnapshotOverheadBytes + (hasSnapshot ? group.Writer.PreparedBytes : 0), mustGo);
        return bytes == 0 ? 0 : Math.Clamp(bytes - SnapshotOverheadBytes, SnapshotBytesLeast, LaneBytesFull);
    }

    // Lanes have a share of their own (LaneShare): only what goes with them of headers and snapshot is paid for here.
    private void Pay(NetworkGroup<TInput> group, Peer<TInput> peer, int bytes, int freeLaneBytes)
    {
        if (!_budget.IsLimited)
            return;
        if (peer.View is null)
            group.Wanted = (group.Wanted.Bytes + bytes + freeLaneBytes + UdpHeaderBytes, group.Wanted.Packets + 1);
        else if (freeLaneBytes > 0)
            group.Wanted = (group.Wanted.Bytes + freeLaneBytes, group.Wanted.Packets);
        if (_budget.IsShort)
            peer.Share.Pay(bytes + UdpHeaderBytes);
    }

    // All that the snapshot leaves; never less than a quarter, so that lanes move in a crowd too.
    private static int LaneRoomBeside(int snapshotBytes, int bytesMax) => Math.Max(bytesMax / 4, bytesMax - Connection.PacketOverheadBytesMax - snapshotBytes);

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
            MayBeLate = _budget.IsShort,
        };
        return group.Writer.Write(peer.View!, in request, tail);
    }

    // Reliable messages get a quarter of a joined peer's bytes, saved up for one full packet, and of that the zone's share;
    // one that has not joined gets nothing else anyway.
    private int LaneShare(NetworkGroup<TInput> group, Peer<TInput> peer, int pending)
    {
        if (peer.View is not { } view || pending == 0)
            return LaneBytesFull;
        int earned = view.RateBytesPerSecond / 4 / Options.TickRate;
        if (pending > peer.LaneBytes)
            group.Wanted = (group.Wanted.Bytes + earned, group.Wanted.Packets);
        int given = Math.Max((int)((long)earned * _budget.ByteShare / ZoneBudget.Whole), Math.Min(earned, LaneBytesLeast / Options.TickRate));
        int ticks = Math.Min(Tick - peer.LaneTick, Options.TickRate);
        peer.LaneTick = Tick;
        peer.LaneBytes = Math.Min(peer.LaneBytes + (ticks * given), LaneBytesFull);
        return peer.LaneBytes >= Connection.LaneBytesMin ? peer.LaneBytes : 0;
    }
}
