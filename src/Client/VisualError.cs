namespace Hectare.Client;

/// <summary>What was drawn minus what is now known: kept as an offset that decays, so that a version which comes late does not pop.</summary>
/// <remarks>Everything follows from the moment it was set: nothing is done per frame for what is not drawn.
/// Tried and dropped: a spring; it overshoots, which on a straight walker looks like a stumble.</remarks>
internal struct VisualError
{
    /// <summary>Time constant of the decay.</summary>
    public const long DecayNs = 50_000_000;

    /// <summary>An error beyond this many units is not slid over: out here, in there.</summary>
    public const float SlideUnitsMax = 2;

    /// <summary>Time to fade out at the old place, and again to fade in at the new one.</summary>
    public const long FadeNs = 100_000_000;

    private float _x;
    private float _y;
    private bool _fades;
    private long _startNs;

    /// <summary>The offset to add, units, and the share of visibility left, at a time.</summary>
    public readonly (double X, double Y, double Fade) At(long nowNs)
    {
        if (_x == 0 && _y == 0)
            return (0, 0, 1);
        long age = Math.Max(0, nowNs - _startNs);
        if (_fades)
        {
            return age < FadeNs
                ? (_x, _y, 1 - (age / (double)FadeNs))
                : (0, 0, Math.Min(1, (age - FadeNs) / (double)FadeNs));
        }

        double share = age > 20 * DecayNs ? 0 : Math.Exp(-age / (double)DecayNs);
        return (_x * share, _y * share, 1);
    }

    /// <summary>The path under the drawing moved by (-x, -y): what is drawn must stay where it is, for now.</summary>
    public void Add(double x, double y, long nowNs)
    {
        (double oldX, double oldY, double fade) = At(nowNs);
        bool fadingOut = _fades && nowNs - _startNs < FadeNs;
        if (fadingOut)
        {
            // Still drawn at the old place: it stays there, and the fade goes on.
            (_x, _y) = ((float)(_x + x), (float)(_y + y));
            return;
        }

        (_x, _y) = ((float)(oldX + x), (float)(oldY + y));
        bool slides = (_x * _x) + (_y * _y) <= SlideUnitsMax * SlideUnitsMax;
        // By design: a slide during a fade-in ends the fade; being seen is worth more than the last tenth of it.
        _fades = !slides;
        _startNs = slides ? nowNs : nowNs - (long)((1 - fade) * FadeNs);
    }

    /// <summary>Nothing to hide any more (a teleport is shown as one).</summary>
    public void Clear() => this = default;
}
