using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <content>Players beyond their connections: who is lost may come back to session and avatar, who leaves or is sent away may not.</content>
public sealed partial class Zone<TInput>
{
    private const long ResumeIntervalNs = 300_000_000_000;
    private const long RetryNs = 1_000_000_000;

    // However often a player connects anew: each token takes a place among the used ones once it was used.
    private const long ResumeApartNs = 15_000_000_000;

    // All players of a failed network may have been lost in one tick: they are not forgotten in one.
    private const int ForgetsPerTick = 32;

    private readonly byte[] _resume = new byte[Resume.TokenOffset + ConnectToken.BytesMax];

    /// <summary>True when a session has a player here, connected or lost.</summary>
    internal bool TryFindSession(SessionId session, out ulong clientId)
    {
        int row = session.IsNone ? SessionTable.None : _sessions.Find(session);
        clientId = row == SessionTable.None ? 0 : _sessions[row].ClientId;
        return row != SessionTable.None;
    }

    /// <summary>The client that a session's player is connected as; null when it is not.</summary>
    internal Peer<TInput>? ConnectedIn(SessionId session)
    {
        int row = session.IsNone ? SessionTable.None : _sessions.Find(session);
        return row == SessionTable.None || _sessions[row].IsLost ? null : _peers[_sessions[row].Peer];
    }

    // Its session was looked at when it was let in. It may have ended since: whoever was sent away does not come back by a connection kept ready.
    private bool MayArrive(Peer<TInput> peer)
    {
        if (peer.Session.IsNone)
            return true;
        bool isKnown = TryFindSession(peer.Session, out ulong clientId);
        return isKnown ? clientId == peer.ClientId : !peer.IsResume;
    }

    // A client is ready. It may be one that was lost, or one that is still connected and has started anew.
    private Arrival Arrive(Peer<TInput> peer)
    {
        byte[] userData = peer.UserData!;
        peer.UserData = null;
        if (peer.Session.IsNone)
            return new Arrival(peer.ClientId, peer.Session, userData, EntityId.None);
        if (ConnectedIn(peer.Session) is { } old)
            Replace(old);
        int row = _sessions.Find(peer.Session);
        if (row == SessionTable.None)
        {
            peer.SessionRow = _sessions.Add(peer.Session, peer.ClientId, userData, peer.Index);
            return new Arrival(peer.ClientId, peer.Session, userData, EntityId.None);
        }

        peer.SessionRow = row;
        peer.NextResumeNs = _sessions[row].ResumedNs + ResumeApartNs;
        _sessions.Connect(row, peer.Index);
        EntityId avatar = _sessions[row].Avatar;
        return new Arrival(peer.ClientId, peer.Session, _sessions[row].UserData, World.TryFind(avatar, out _) ? avatar : EntityId.None);
    }

    private void Replace(Peer<TInput> old)
    {
        old.Connection.Close(CloseCode.Replaced, _nowNs);
        Leave(old);
    }

    // True when the player may come back. Whatever ends the connection but silence, and the player's own next one, ends the session too.
    private bool Depart(Peer<TInput> peer, in CloseReason reason)
    {
        int row = peer.SessionRow;
        peer.SessionRow = SessionTable.None;
        if (row == SessionTable.None)
            return false;
        bool isReplaced = reason is { Cause: CloseCause.Local, Code: CloseCode.Replaced };
        bool mayReturn = isReplaced || (reason.Cause == CloseCause.TimedOut && Options.Access.ResumeSeconds > 0 && Options.Limits.LostPlayersMax > 0);
        if (!mayReturn)
        {
            _sessions.Remove(row);
            return false;
        }

        // One that is replaced is lost for a moment only: the table has a place for it.
        int keep = Options.Limits.LostPlayersMax - (isReplaced ? 0 : 1);
        while (_sessions.LostCount > keep)
            Forget(_sessions.Oldest);
        _sessions.Lose(row, peer.Avatar, _nowNs);
        return true;
    }

    private void ForgetLost()
    {
        for (int i = 0; i < ForgetsPerTick && _sessions.Oldest != SessionTable.None; i++)
        {
            if (_nowNs - _sessions[_sessions.Oldest].LostNs < Options.Access.ResumeSeconds * 1_000_000_000L)
                return;
            Forget(_sessions.Oldest);
        }
    }

    private void Forget(int row)
    {
        EntityId avatar = _sessions[row].Avatar;
        _sessions.Remove(row);
        if (avatar != EntityId.None)
            _game.Forgotten(avatar);
    }

    // Good for as long as the session waits, should the connection be lost just before the next one is sent.
    private void SendResume(Peer<TInput> peer)
    {
        int seconds = Options.Access.ResumeSeconds;
        if (seconds == 0)
        {
            peer.NextResumeNs = long.MaxValue;
            return;
        }

        ulong expires = UnixSeconds + (ulong)seconds + (2 * (ulong)(ResumeIntervalNs / 1_000_000_000));
        int tokenBytes = _door.MintResume(peer.ClientId, peer.Session, _sessions[peer.SessionRow].UserData, expires, _resume.AsSpan(Resume.TokenOffset));
        bool sent = TrySend(peer, Lane.Control, _resume.AsSpan(0, Resume.Write(_resume, tokenBytes))) == SendResult.Sent;
        peer.NextResumeNs = _nowNs + (sent ? ResumeIntervalNs : RetryNs);
        _sessions.NoteResume(peer.SessionRow, _nowNs);
    }
}
