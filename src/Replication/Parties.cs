namespace Hectare.Replication;

/// <summary>Which peers play together: a ring of peer indices for each party, so that one finds its members without looking at everyone.</summary>
internal sealed class Parties(int peersMax)
{
    private readonly ushort[] _party = new ushort[peersMax];
    private readonly int[] _next = Alone(peersMax);       // the member after each; itself when it is alone
    private readonly Dictionary<ushort, int> _first = [];

    /// <summary>The party of a peer; 0 for none.</summary>
    internal ushort this[int peer] => _party[peer];

    /// <summary>Puts a peer into a party, out of the one it was in.</summary>
    internal void Set(int peer, ushort party)
    {
        if (_party[peer] != 0)
            Remove(peer);
        _party[peer] = party;
        if (party == 0)
            return;
        if (_first.TryGetValue(party, out int first))
            (_next[peer], _next[first]) = (_next[first], peer);
        else
            _first.Add(party, peer);
    }

    /// <summary>The peer itself, then all others of its party.</summary>
    internal Members MembersWith(int peer) => new(_next, peer);

    private void Remove(int peer)
    {
        int before = peer;
        while (_next[before] != peer)
            before = _next[before];
        if (before == peer)
            _first.Remove(_party[peer]);
        else
            _first[_party[peer]] = before;
        _next[before] = _next[peer];
        _next[peer] = peer;
    }

    private static int[] Alone(int peersMax)
    {
        int[] next = new int[peersMax];
        for (int i = 0; i < next.Length; i++)
            next[i] = i;
        return next;
    }

    /// <summary>Walks once round a ring.</summary>
    internal struct Members(int[] next, int start)
    {
        private int _steps;

        public int Current { get; private set; } = -1;

        public readonly Members GetEnumerator() => this;

        public bool MoveNext()
        {
            Current = _steps++ == 0 ? start : next[Current];
            return _steps == 1 || Current != start;
        }
    }
}
