using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hectare.Protocol;

namespace Hectare.Client;

/// <summary>One published motion on an entity's timeline: exact from <see cref="T0"/> on, until the next knot. 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct MotionKnot
{
    // The motion word uses bits 0-61; the two above say how the knot is reached.
    private const ulong AfterGapBit = 1UL << 62;
    private const ulong JumpBit = 1UL << 63;

    private readonly ulong _word;

    /// <summary>A knot of the motion <paramref name="word"/> at <paramref name="t0"/>.</summary>
    /// <param name="word">As <see cref="Motion"/> packs it.</param>
    /// <param name="t0">The tick at which the entity was there.</param>
    /// <param name="afterGap">Versions before it were never seen: a straight line leads here from <paramref name="gapFrom"/>.</param>
    /// <param name="gapFrom">The last tick at which the entity is known to have followed the knot before.</param>
    /// <param name="jump">It was teleported here: nothing leads here.</param>
    public MotionKnot(ulong word, Tick t0, bool afterGap = false, Tick gapFrom = default, bool jump = false)
    {
        _word = (word & ~(AfterGapBit | JumpBit)) | (afterGap ? AfterGapBit : 0) | (jump ? JumpBit : 0);
        T0 = t0;
        GapFrom = gapFrom;
    }

    /// <summary>The motion word.</summary>
    public ulong Word => _word & ~(AfterGapBit | JumpBit);

    /// <summary>The tick from which the motion holds.</summary>
    public Tick T0 { get; }

    /// <summary>Where the line across the gap starts. Meaningful with <see cref="AfterGap"/>.</summary>
    public Tick GapFrom { get; }

    /// <summary>A straight line leads here, over versions that were never seen.</summary>
    public bool AfterGap => (_word & AfterGapBit) != 0;

    /// <summary>A teleport ends here.</summary>
    public bool Jump => (_word & JumpBit) != 0;

    /// <summary>A sample: straight lines lead from it and to it.</summary>
    public bool Sampled => Motion.IsSampled(_word);

    /// <summary>The same knot, reached by a step from the one before: nothing is missing.</summary>
    public MotionKnot WithoutGap => new(Word, T0, jump: Jump);
}

/// <summary>Where something is drawn, and how fast it moves there.</summary>
/// <param name="X">Units.</param>
/// <param name="Y">Units.</param>
/// <param name="VelocityX">Units a tick.</param>
/// <param name="VelocityY">Units a tick.</param>
public readonly record struct DrawnMotion(double X, double Y, double VelocityX, double VelocityY);

/// <summary>From versions to a place at a time: pure functions, no state.</summary>
/// <remarks>
/// Times are fractional ticks (a double that may be unwrapped or wrapped to 32 bits: only distances count).
/// Between two samples the span is that of the samples' own ticks, never a constant: any tick and snapshot rate (audited fault 9).
/// Tried and dropped: switching to the next motion exactly at its T0. A step's position is where the entity was at T0, so the tick before
/// it must already lead there, else each corner shows as a jump of one tick's way.
/// </remarks>
public static class Interpolation
{
    /// <summary>A mover whose motion comes as samples is published every third tick: the first sample's way is known that far back only.</summary>
    public const int SampledPeriodTicks = 3;

    /// <summary>Ticks from <paramref name="t0"/> to the fractional <paramref name="tick"/>; right across the wrap of 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double TicksSince(double tick, Tick t0)
    {
        double whole = Math.Floor(tick);
        return (int)((uint)(long)whole - t0.Value) + (tick - whole);
    }

    /// <summary>An entity's place by its published motion.</summary>
    /// <param name="knots">At least one, ascending by T0.</param>
    /// <param name="kind">Their kind: grid and speeds.</param>
    /// <param name="tick">The time asked for. Before the first knot: its place, at rest.</param>
    public static DrawnMotion Follow(ReadOnlySpan<MotionKnot> knots, Kind kind, double tick)
    {
        int index = IndexAt(knots, tick);
        if (index < 0)
        {
            DrawnMotion first = Extrapolate(in knots[0], kind, 0);
            return first with { VelocityX = 0, VelocityY = 0 };
        }

        ref readonly MotionKnot knot = ref knots[index];
        double since = TicksSince(tick, knot.T0);
        if (index + 1 == knots.Length || knots[index + 1].Jump)
            return Extrapolate(in knot, kind, since);

        ref readonly MotionKnot next = ref knots[index + 1];
        double span = TicksSince(next.T0.Value, knot.T0);
        double lineFrom = Math.Clamp(LineStart(in knot, in next, span), 0, span);
        if (since < lineFrom)
            return Extrapolate(in knot, kind, since);
        DrawnMotion from = Extrapolate(in knot, kind, lineFrom);
        DrawnMotion to = Extrapolate(in next, kind, 0);
        return Linear(from, to, since - lineFrom, span - lineFrom);
    }

    /// <summary>The knot that rules at a time: the newest whose T0 is not after it; -1 before the first.</summary>
    public static int IndexAt(ReadOnlySpan<MotionKnot> knots, double tick)
    {
        int index = knots.Length - 1;
        while (index >= 0 && TicksSince(tick, knots[index].T0) < 0)
            index--;
        return index;
    }

    /// <summary>A straight line from one place to another: <paramref name="at"/> of <paramref name="span"/> ticks gone.</summary>
    public static DrawnMotion Linear(in DrawnMotion from, in DrawnMotion to, double at, double span)
    {
        if (span <= 0)
            return to;
        double velocityX = (to.X - from.X) / span, velocityY = (to.Y - from.Y) / span;
        return new DrawnMotion(from.X + (velocityX * at), from.Y + (velocityY * at), velocityX, velocityY);
    }

    /// <summary>A curve that leaves and arrives with the samples' own velocities, axis by axis, and never goes beyond the two places.</summary>
    /// <remarks>Cubic Hermite with the slopes limited to three times the mean (Fritsch and Carlson 1980): it is monotone between the samples.</remarks>
    public static DrawnMotion Hermite(in DrawnMotion from, in DrawnMotion to, double at, double span)
    {
        if (span <= 0)
            return to;
        (double x, double velocityX) = HermiteAxis(from.X, from.VelocityX, to.X, to.VelocityX, at / span, span);
        (double y, double velocityY) = HermiteAxis(from.Y, from.VelocityY, to.Y, to.VelocityY, at / span, span);
        return new DrawnMotion(x, y, velocityX, velocityY);
    }

    /// <summary>The shorter way round from one angle to another, in turns or whatever unit <paramref name="fullTurn"/> is in.</summary>
    public static double LinearAngle(double from, double to, double share, double fullTurn)
    {
        double way = Math.IEEERemainder(to - from, fullTurn);
        double angle = from + (way * share);
        return angle - (Math.Floor(angle / fullTurn) * fullTurn);
    }

    /// <summary>The time that things are drawn for once news has stopped: at <paramref name="limit"/> it slows down evenly and stands after <paramref name="easeTicks"/>.</summary>
    /// <remarks>So everything extrapolated comes to rest in that time, having gone half as far.</remarks>
    public static double EaseToRest(double tick, double limit, double easeTicks)
    {
        double beyond = tick - limit;
        if (beyond <= 0)
            return tick;
        return beyond >= easeTicks ? limit + (easeTicks / 2) : limit + beyond - (beyond * beyond / (2 * easeTicks));
    }

    /// <summary>A knot's motion some ticks after its T0; at whole ticks exactly <see cref="PublishedMotion.At"/>.</summary>
    public static DrawnMotion Extrapolate(in MotionKnot knot, Kind kind, double ticks)
    {
        PublishedMotion motion = Motion.Unpack(knot.Word, knot.T0, kind);
        double velocityX = motion.VelocityX / (double)Units.One, velocityY = motion.VelocityY / (double)Units.One;
        return new DrawnMotion(Units.ToDouble(motion.X) + (velocityX * ticks), Units.ToDouble(motion.Y) + (velocityY * ticks), velocityX, velocityY);
    }

    // Ticks after the knot from which a line leads to the next one.
    private static double LineStart(in MotionKnot knot, in MotionKnot next, double span)
    {
        if (knot.Sampled)
            return 0;
        if (next.AfterGap)
            return Math.Min(next.GapFrom - knot.T0, span - 1);
        return span - (next.Sampled ? SampledPeriodTicks : 1);
    }

    private static (double Value, double Velocity) HermiteAxis(double p0, double v0, double p1, double v1, double share, double span)
    {
        double way = p1 - p0;
        double m0 = LimitSlope(v0 * span, way), m1 = LimitSlope(v1 * span, way);
        double s2 = share * share, s3 = s2 * share;
        double value = p0 + (way * ((3 * s2) - (2 * s3))) + (m0 * (s3 - (2 * s2) + share)) + (m1 * (s3 - s2));
        double slope = (way * 6 * (share - s2)) + (m0 * ((3 * s2) - (4 * share) + 1)) + (m1 * ((3 * s2) - (2 * share)));
        return (value, slope / span);
    }

    private static double LimitSlope(double slope, double way)
        => way >= 0 ? Math.Clamp(slope, 0, 3 * way) : Math.Clamp(slope, 3 * way, 0);
}
