namespace Hectare.Cli.Load;

/// <summary>Looks for the largest number of players that is carried: doubles until one is not, then halves what lies between. Pure.</summary>
/// <remarks>A number that fails is tried once more, and only a second failure counts: what else runs on a machine fails a run now and then, and
/// carries none. The end is known to a tenth.</remarks>
internal sealed class RampSearch
{
    private const int PartsFirst = 8;
    private const int PartsKnown = 10;

    private readonly int _playersMax;
    private bool _isRepeat;

    /// <summary>A search up to <paramref name="playersMax"/>; it begins with an eighth of that.</summary>
    public RampSearch(int playersMax)
    {
        _playersMax = playersMax;
        Next = Math.Max(1, playersMax / PartsFirst);
    }

    /// <summary>Players to try now; null: the search is over.</summary>
    public int? Next { get; private set; }

    /// <summary>Most players that were carried; 0: none.</summary>
    public int Carried { get; private set; }

    /// <summary>Fewest players that were not; null: all were.</summary>
    public int? Failed { get; private set; }

    /// <summary>What became of <see cref="Next"/>.</summary>
    public void Take(bool carried)
    {
        int players = Next ?? throw new InvalidOperationException("the search is over");
        if (!carried && !_isRepeat)
        {
            _isRepeat = true;
            return;
        }

        _isRepeat = false;
        if (carried)
            Carried = players;
        else
            Failed = players;
        Next = Choose();
    }

    private int? Choose()
    {
        if (Failed is not { } failed)
            return Carried == _playersMax ? null : Math.Min(_playersMax, Carried * 2);
        return failed - Carried <= Math.Max(1, Carried / PartsKnown) ? null : Rounded((Carried + failed) / 2);
    }

    // Numbers that people can compare: two digits.
    private int Rounded(int players)
    {
        int unit = 1;
        while (players / unit >= 100)
            unit *= 10;
        int rounded = players / unit * unit;
        return rounded > Carried ? rounded : players;
    }
}
