namespace Hectare.Peers;

/// <summary>The search for the most players that one contestant carries: up a ladder until a rung gives way twice, then between the last two.</summary>
/// <remarks>Twice: on a shared machine a pause of another tenant makes one run fail that the next one passes.</remarks>
internal sealed class PlayerLadder
{
    /// <summary>The rungs; all contestants stand on the same, so that they can be compared at equal numbers.</summary>
    public static readonly int[] Rungs = [100, 200, 400, 800, 1_600, 3_200, 4_095, 6_400, 10_000];

    // The answer is known to a tenth then: finer than one machine's runs agree.
    private const double Resolution = 1.1;

    private readonly int[] _rungs;
    private int _rung;
    private int _tried;
    private bool _hasGivenWay;

    /// <summary>A ladder that ends at <paramref name="playersMax"/>.</summary>
    public PlayerLadder(int playersMax)
    {
        _rungs = [.. Rungs.Where(rung => rung < playersMax), playersMax];
        Next = _rungs[0];
    }

    /// <summary>Players to measure next; null: found.</summary>
    public int? Next { get; private set; }

    /// <summary>Most players carried so far; 0: none.</summary>
    public int Carried { get; private set; }

    /// <summary>Fewest players that were not; null: it carried all that it was asked to.</summary>
    public int? Failed { get; private set; }

    /// <summary>Takes the outcome of <see cref="Next"/>.</summary>
    public void Take(bool carried)
    {
        int players = Next!.Value;
        if (!carried && _tried++ == 0)
            return;
        _tried = 0;
        if (carried)
            Carried = players;
        else
            (Failed, _hasGivenWay) = (players, true);
        Next = _hasGivenWay ? Between() : ++_rung < _rungs.Length ? _rungs[_rung] : null;
    }

    private int? Between()
    {
        int failed = Failed!.Value;
        if (Carried == 0 || failed <= Carried * Resolution)
            return null;
        // Two digits, as one would say it.
        double middle = (Carried + failed) / 2.0;
        int step = (int)Math.Pow(10, Math.Max(0, Math.Floor(Math.Log10(middle)) - 1));
        int next = (int)Math.Round(middle / step) * step;
        return next > Carried && next < failed ? next : null;
    }
}
