namespace Hectare.Client;

/// <summary>Events of the replica, first in, first out; bounded: a game that never looks loses the oldest, counted.</summary>
internal sealed class EventQueue(int capacityMax)
{
    private ReplicaEvent[] _ring = [];
    private int _start;
    private int _count;

    /// <summary>Events lost because nobody took them.</summary>
    public long Lost { get; private set; }

    public void Add(in ReplicaEvent one)
    {
        if (capacityMax == 0)
            return;
        if (_count == _ring.Length && _count < capacityMax)
            Grow();
        if (_count == _ring.Length)
        {
            _start = (_start + 1) % _ring.Length;
            _count--;
            Lost++;
        }

        _ring[(_start + _count++) % _ring.Length] = one;
    }

    public bool TryTake(out ReplicaEvent one)
    {
        one = default;
        if (_count == 0)
            return false;
        one = _ring[_start];
        _start = (_start + 1) % _ring.Length;
        _count--;
        return true;
    }

    private void Grow()
    {
        var grown = new ReplicaEvent[Math.Min(capacityMax, Math.Max(16, _ring.Length * 2))];
        for (int i = 0; i < _count; i++)
            grown[i] = _ring[(_start + i) % _ring.Length];
        (_ring, _start) = (grown, 0);
    }
}
