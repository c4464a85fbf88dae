using System.Numerics;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>Connect tokens that were used, until they expire. Open addressing, at most half full, never grows.</summary>
/// <remarks>A token's number was drawn at random by who minted it, so its low bits are hash enough: a client can bring one, not choose one.</remarks>
internal sealed class UsedTokens
{
    private const int LooksPerTick = 64;

    private readonly Entry[] _entries;
    private readonly int _mask;
    private readonly int _max;
    private int _hand;

    /// <summary>An empty table for so many tokens.</summary>
    public UsedTokens(int max)
    {
        int places = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, max * 2));
        _entries = new Entry[places];
        _mask = places - 1;
        _max = max;
    }

    public int Count { get; private set; }

    public bool IsFull => Count == _max;

    /// <summary>The connection that a token made last; false when it made none.</summary>
    public bool TryFind(in Random128 token, out ulong connectionId)
    {
        ref Entry entry = ref _entries[PlaceOf(token)];
        connectionId = entry.ConnectionId;
        return connectionId != 0;
    }

    /// <summary>Remembers a token, or its newer connection.</summary>
    public void Put(in Random128 token, ulong connectionId, ulong expiresUnixSeconds)
    {
        Contract.Assert(connectionId != 0);
        ref Entry entry = ref _entries[PlaceOf(token)];
        if (entry.ConnectionId == 0)
        {
            Contract.Assert(!IsFull);
            Count++;
        }

        entry = new Entry(token, connectionId, expiresUnixSeconds);
    }

    /// <summary>Forgets a token, unless a newer connection has it: the one it made was never heard of, so it may be used again.</summary>
    public void Release(in Random128 token, ulong connectionId)
    {
        int place = PlaceOf(token);
        if (_entries[place].ConnectionId == connectionId)
            RemoveAt(place);
    }

    /// <summary>Once a tick: looks at a few places, and forgets the tokens that have expired.</summary>
    public void Sweep(ulong nowUnixSeconds)
    {
        for (int i = 0; i < LooksPerTick && Count > 0; i++)
        {
            ref Entry entry = ref _entries[_hand];
            // What moves up into the hole is looked at next.
            if (entry.ConnectionId != 0 && nowUnixSeconds > entry.ExpiresUnixSeconds)
                RemoveAt(_hand);
            else
                _hand = (_hand + 1) & _mask;
        }
    }

    private void RemoveAt(int hole)
    {
        Count--;
        for (int place = (hole + 1) & _mask; _entries[place].ConnectionId != 0; place = (place + 1) & _mask)
        {
            int home = (int)_entries[place].Token.Low & _mask;
            if (((place - home) & _mask) < ((place - hole) & _mask))
                continue;   // it lies between the hole and its place: moving it would put it before its home
            _entries[hole] = _entries[place];
            hole = place;
        }

        _entries[hole] = default;
    }

    // The place that holds the token, or the free one where a search for it ends.
    private int PlaceOf(in Random128 token)
    {
        int place = (int)token.Low & _mask;
        while (_entries[place].ConnectionId != 0 && _entries[place].Token != token)
            place = (place + 1) & _mask;
        return place;
    }

    /// <summary>A connection id of 0: free.</summary>
    private readonly record struct Entry(Random128 Token, ulong ConnectionId, ulong ExpiresUnixSeconds);
}
