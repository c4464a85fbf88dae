using Hectare.Protocol;

namespace Hectare.Farm;

/// <summary>Hands on the keyboard of one bot: an input for each client tick, from a seed.</summary>
/// <remarks>
/// Turns come as a Poisson process, once a second: one of the eight directions or, one in eight, a stop until the next. Half of the turns pass through
/// 1 to 3 ticks of a third direction, as fingers do that change keys one after the other. In a storm every tick has another direction.
/// </remarks>
public sealed class FarmBot
{
    private const int Rest = -1;
    private const int SwingTicks = 3;
    private const int TownLeashUnits = 40;

    private readonly FarmWorkload _workload;
    private readonly int _tickRate;
    private SeededRandom _random;
    private long _tick;
    private double _nextTurnTick;
    private double _nextSwingTick;
    private long _swingEndTick;
    private long _betweenEndTick;
    private int _between = Rest;
    private int _direction = Rest;
    private (int X, int Y)? _home;
    private int _homeDirection = Rest;

    /// <summary>A bot of its own for each <paramref name="seed"/>; it starts at rest.</summary>
    public FarmBot(ulong seed, FarmWorkload workload, int tickRate = 30)
    {
        _workload = workload;
        _tickRate = tickRate;
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x626F_74));
        _nextTurnTick = _random.NextExponential(tickRate / FarmConstants.TurnsPerSecondFixed);
        _nextSwingTick = _random.NextExponential(tickRate / FarmConstants.SwingsPerSecondFixed);
    }

    /// <summary>Tells it where it is, 1/4,096 unit; as often as known. Festivals stay together and townspeople near their door by it: beyond
    /// that a turn is a turn for home.</summary>
    public void Observe(int x, int y)
    {
        if (_workload is not (FarmWorkload.Festival or FarmWorkload.Towns))
            return;
        const int Middle = FarmConstants.ExtentUnitsFixed / 2 * Units.One;
        _home ??= _workload == FarmWorkload.Festival ? (Middle, Middle) : (x, y);
        long leash = (_workload == FarmWorkload.Festival ? FarmConstants.FestivalRadiusUnitsFixed : TownLeashUnits) * (long)Units.One;
        long awayX = _home.Value.X - x, awayY = _home.Value.Y - y;
        bool isAway = (awayX * awayX) + (awayY * awayY) > leash * leash;
        _homeDirection = isAway ? ((Directions.Nearest(awayX, awayY) + 16) >> 5) & 7 : Rest;
    }

    /// <summary>The input of the next client tick.</summary>
    public TopDownInput Next()
    {
        long tick = _tick++;
        if (_workload == FarmWorkload.Idle)
            return TopDownInput.Neutral;
        if (_workload == FarmWorkload.Storm)
            _direction = Another(_direction);
        else
            TurnWhenDue(tick);
        int held = tick < _betweenEndTick ? _between : _direction;
        Intent intent = held == Rest ? Intent.Rest : new Intent((byte)(held << 5), Intent.MagnitudeMax);
        return new TopDownInput(intent, SwingWhenDue(tick) ? FarmRules.SwingButton : (ushort)0);
    }

    private void TurnWhenDue(long tick)
    {
        while (_nextTurnTick <= tick)
        {
            bool stops = _direction != Rest && _random.Next(0, FarmConstants.StopOneIn) == 0;
            double meanSeconds = stops ? FarmConstants.StopMeanSecondsFixed : 1 / FarmConstants.TurnsPerSecondFixed;
            _nextTurnTick += _random.NextExponential(meanSeconds * _tickRate);
            Turn(tick, stops ? Rest : _homeDirection != Rest && _homeDirection != _direction ? _homeDirection : Another(_direction));
        }
    }

    private void Turn(long tick, int direction)
    {
        if (_random.NextBool(FarmConstants.DiagonalShareFixed))
        {
            _between = Between(_direction, direction);
            _betweenEndTick = tick + _random.Next(1, FarmConstants.DiagonalTicksMaxFixed + 1);
        }
        else
        {
            _betweenEndTick = tick;
        }

        _direction = direction;
    }

    // One of the eight that is not this one.
    private int Another(int direction) => direction == Rest ? _random.Next(0, 8) : (direction + _random.Next(1, 8)) & 7;

    // What two hands give between two directions: one between them, or where there is none one beside the one that is a direction.
    private int Between(int from, int to)
    {
        if (from == Rest || to == Rest)
            return ((from == Rest ? to : from) + (_random.NextBool(0.5) ? 1 : 7)) & 7;
        int turn = (to - from) & 7;
        bool left = turn > 4 || (turn == 4 && _random.NextBool(0.5));
        int arc = turn > 4 ? 8 - turn : turn;
        // An eighth of a turn has nothing between: it overshoots.
        int way = arc == 1 ? 2 : arc == 4 ? 2 : _random.Next(1, arc);
        return (from + (left ? 8 - way : way)) & 7;
    }

    private bool SwingWhenDue(long tick)
    {
        while (_nextSwingTick <= tick)
        {
            _nextSwingTick += _random.NextExponential(_tickRate / FarmConstants.SwingsPerSecondFixed);
            _swingEndTick = tick + SwingTicks;
        }

        return tick < _swingEndTick;
    }
}
