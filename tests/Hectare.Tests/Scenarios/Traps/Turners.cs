using Hectare.Protocol;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Walkers round a place who turn about twice a second, by a seed.</summary>
internal sealed class Turners
{
    private readonly TrapRig _trap;
    private readonly Intent[] _intents;
    private SeededRandom _random = new(5);

    public Turners(TrapRig trap, int count, double x = 256, double y = 256, int turnEveryTicks = 15)
    {
        _trap = trap;
        TurnEveryTicks = turnEveryTicks;
        Rows = [.. Enumerable.Range(0, count).Select(i => trap.Spawn(trap.Rig.Walker, x + (i % 5 * 2), y + (i / 5 * 2)))];
        _intents = new Intent[count];
    }

    public int[] Rows { get; }

    public int TurnEveryTicks { get; }

    public void Step()
    {
        for (int i = 0; i < Rows.Length; i++)
        {
            if (_random.Next(0, TurnEveryTicks) == 0)
                _intents[i] = _random.Next(0, 8) == 0 ? Intent.Rest : new Intent((byte)(_random.Next(0, 8) * 32), Intent.MagnitudeMax);
            if (!_intents[i].IsRest)
                _trap.Rig.Walk(Rows[i], _intents[i]);
        }
    }
}
