using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>Which ticks of an interval each peer is written in: so spread that none of them is heavy, whoever comes and goes.</summary>
/// <remarks>
/// A phase is a number below twice the interval, so that peers served every second tick, every interval and every second interval are spread alike. Who comes
/// takes the phase that fewest have. Where those who went leave a phase with too few, one of the fullest goes over: at most one for each that leaves.
/// </remarks>
internal sealed class SnapshotPhases(int intervalTicks)
{
    private const int SlackShare = 50;        // of the mean: a phase may have 2 % more than another

    private readonly int[] _peers = new int[2 * intervalTicks];
    private int _count;

    /// <summary>Peers that are written at each phase.</summary>
    internal ReadOnlySpan<int> Peers => _peers;

    /// <summary>A phase for one more peer.</summary>
    internal int Take()
    {
        int phase = _peers.AsSpan().IndexOf(Least());
        Move(from: -1, phase);
        return phase;
    }

    /// <summary>The phase of a peer that left.</summary>
    internal void Give(int phase)
    {
        _peers[phase]--;
        _count--;
    }

    /// <summary>True while a phase has too many: one of its peers should go <paramref name="over"/>.</summary>
    internal bool IsUneven(out int full, out int over)
    {
        int least = Least(), most = 0;
        foreach (int peers in _peers)
            most = Math.Max(most, peers);
        full = _peers.AsSpan().IndexOf(most);
        over = _peers.AsSpan().IndexOf(least);
        return most - least > 1 + (_count / _peers.Length / SlackShare);
    }

    /// <summary>A peer goes from one phase to another.</summary>
    internal void Move(int from, int to)
    {
        if (from >= 0)
            _peers[from]--;
        else
            _count++;
        _peers[to]++;
        Contract.Assert(from < 0 || _peers[from] >= 0);
    }

    private int Least()
    {
        int least = int.MaxValue;
        foreach (int peers in _peers)
            least = Math.Min(least, peers);
        return least;
    }
}
