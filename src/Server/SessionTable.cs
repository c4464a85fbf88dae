using System.Numerics;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Players who are in the zone, or were and may come back: what a session's next connection finds. Fixed size, tick thread only.</summary>
/// <remarks>The lost ones are a list in the order of their loss: the first is always the next to be forgotten. Every step takes constant time.</remarks>
internal sealed class SessionTable
{
    /// <summary>No row.</summary>
    public const int None = -1;

    private readonly Row[] _rows;
    private readonly int[] _places;      // row + 1 by session, open addressing; 0: free
    private readonly int _mask;
    private readonly ulong _key;
    private int _free = None;            // freed rows, linked by Next
    private int _limit;
    private int _last = None;            // lost last

    /// <summary>An empty table.</summary>
    /// <param name="max">Sessions, connected and lost.</param>
    /// <param name="key">Random: whoever names sessions cannot choose ones that collide.</param>
    public SessionTable(int max, ulong key)
    {
        _rows = new Row[max];
        _places = new int[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, max * 2))];
        _mask = _places.Length - 1;
        _key = key | 1;
    }

    /// <summary>Players who may come back.</summary>
    public int LostCount { get; private set; }

    /// <summary>The one lost first; <see cref="None"/> when there is none.</summary>
    public int Oldest { get; private set; } = None;

    public ref readonly Row this[int row] => ref _rows[row];

    /// <summary>The row of a session; <see cref="None"/> when it is not known.</summary>
    public int Find(SessionId session) => _places[PlaceOf(session)] - 1;

    /// <summary>A new session, connected as <paramref name="peer"/>.</summary>
    public int Add(SessionId session, ulong clientId, byte[] userData, int peer)
    {
        int place = PlaceOf(session);
        Contract.Assert(_places[place] == 0);
        int row = _free;
        if (row == None)
            row = _limit++;
        else
            _free = _rows[row].Next;
        _places[place] = row + 1;
        _rows[row] = new Row { Session = session, ClientId = clientId, UserData = userData, Peer = peer, Previous = None, Next = None };
        return row;
    }

    /// <summary>Its player is connected (again) as <paramref name="peer"/>.</summary>
    public void Connect(int row, int peer)
    {
        if (_rows[row].IsLost)
            Unlink(row);
        _rows[row].Peer = peer;
    }

    /// <summary>Its player was given a token to come back with.</summary>
    public void NoteResume(int row, long nowNs) => _rows[row].ResumedNs = nowNs;

    /// <summary>Its player is lost, and leaves this avatar behind.</summary>
    public void Lose(int row, EntityId avatar, long nowNs)
    {
        ref Row lost = ref _rows[row];
        Contract.Assert(!lost.IsLost);
        (lost.Peer, lost.Avatar, lost.LostNs, lost.IsLost, lost.Previous, lost.Next) = (None, avatar, nowNs, true, _last, None);
        if (_last == None)
            Oldest = row;
        else
            _rows[_last].Next = row;
        _last = row;
        LostCount++;
    }

    /// <summary>The session is over.</summary>
    public void Remove(int row)
    {
        if (_rows[row].IsLost)
            Unlink(row);
        Unmap(_rows[row].Session);
        _rows[row] = new Row { Previous = None, Next = _free };
        _free = row;
    }

    private void Unlink(int row)
    {
        ref Row found = ref _rows[row];
        if (found.Previous == None)
            Oldest = found.Next;
        else
            _rows[found.Previous].Next = found.Next;
        if (found.Next == None)
            _last = found.Previous;
        else
            _rows[found.Next].Previous = found.Previous;
        (found.Previous, found.Next, found.IsLost) = (None, None, false);
        LostCount--;
    }

    private void Unmap(SessionId session)
    {
        int hole = PlaceOf(session);
        for (int place = (hole + 1) & _mask; _places[place] != 0; place = (place + 1) & _mask)
        {
            int home = HomeOf(_rows[_places[place] - 1].Session);
            if (((place - home) & _mask) < ((place - hole) & _mask))
                continue;
            _places[hole] = _places[place];
            hole = place;
        }

        _places[hole] = 0;
    }

    private int PlaceOf(SessionId session)
    {
        int place = HomeOf(session);
        while (_places[place] != 0 && _rows[_places[place] - 1].Session != session)
            place = (place + 1) & _mask;
        return place;
    }

    private int HomeOf(SessionId session)
    {
        ulong high = Math.BigMul(session.High ^ _key, session.Low ^ 0x9E3779B97F4A7C15, out ulong low);
        return (int)(((high ^ low) * _key) >> 32) & _mask;
    }

    /// <summary>One session.</summary>
    public struct Row
    {
        public SessionId Session;
        public ulong ClientId;
        public byte[] UserData;
        public EntityId Avatar;      // while lost
        public long LostNs;          // while lost
        public long ResumedNs;       // when its last token to come back with was made
        public int Peer;             // while connected
        public int Previous;
        public int Next;
        public bool IsLost;
    }
}
