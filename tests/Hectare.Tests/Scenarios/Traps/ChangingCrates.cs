using Hectare.Protocol;

namespace Hectare.Tests.Scenarios.Traps;

/// <summary>Things that stand near a place, one of which changes every second tick.</summary>
internal sealed class ChangingCrates
{
    private readonly TrapRig _trap;
    private SeededRandom _random = new(9);

    public ChangingCrates(TrapRig trap, int count, double x = 250, double y = 250)
    {
        _trap = trap;
        Rows = [.. Enumerable.Range(0, count).Select(i => trap.Spawn(trap.Rig.Crate, x + (i % 6), y + (i / 6)))];
    }

    public int[] Rows { get; }

    public void Step()
    {
        if (_random.NextBool(0.5))
            _trap.Rig.World.Set(Rows[_random.Next(0, Rows.Length)], _trap.Rig.Crate["content"], (uint)_random.Next(0, 4_096));
    }
}
